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
