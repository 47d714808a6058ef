#!/bin/bash
# Every item is taken exactly once, on 1 to 4 ranks, over shared memory and over TCP, with and without threads; the stop
# word ends all ranks; the others take items while rank 0 computes. Failures of memory and MPI hang nobody.
set -euo pipefail
source "$1/tests/cluster/run_mpi.sh"
queue=$2/tests/cluster_mpi_queue

"$queue" # a single process without mpirun
for ranks in 1 2 3 4; do mpi "$ranks" "$queue"; done
for ranks in 2 4; do mpi "$ranks" "${tcp[@]}" "$queue"; done
for ranks in 1 2; do mpi "$ranks" "$2/tests/cluster_mpi_queue_failures"; done
VISWORDS_MPI_THREADS=funneled mpi 2 "${tcp[@]}" "$queue" # no progress thread
