#!/bin/bash
# Ranks agree on the most severe failure and its message, broadcast in pieces, gather; with and without mpirun. A rank
# without memory fails on all of them, one that gives up ends the others.
set -euo pipefail
source "$1/tests/cluster/run_mpi.sh"
ranks=$2/tests/cluster_mpi_ranks
"$ranks"
for n in 1 2 4; do mpi "$n" "$ranks"; done
for n in 1 2; do mpi "$n" "${ranks}_failures"; done
for n in 1 2 4; do
  code=0
  mpi "$n" "$ranks" abort > /dev/null 2>&1 || code=$?
  # MPICH's launcher kills the others with signal 9, and reports one of the two
  [ "$mpi_kind" = mpich ] && [ "$code" = 9 ] && code=7
  [ "$code" = 7 ] || { echo "FAILED: abort of a rank of $n: exit code $code, expected 7" && exit 1; }
done
# What a launcher started is alone in MPI: refused, not n runs at once.
for variable in SLURM_STEP_NUM_TASKS PMI_SIZE; do
  code=0
  env $variable=3 "$ranks" > alone.txt 2>&1 || code=$?
  { [ "$code" != 0 ] && grep -q 'the launcher started 3 processes, but MPI sees one rank in each' alone.txt; } ||
    { cat alone.txt && echo "FAILED: $variable=3: exit code $code" && exit 1; }
  rm alone.txt
  env $variable=1 "$ranks"
done
