#!/bin/bash
# Ranks agree on the most severe failure and its message, broadcast in pieces, gather; with and without mpirun.
set -euo pipefail
source "$1/tests/cluster/run_mpi.sh"
ranks=$2/tests/cluster_mpi_ranks
"$ranks"
for n in 1 2 4; do mpi "$n" "$ranks"; done
