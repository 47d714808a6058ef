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
alone=$(mktemp)
trap 'rm -f "$alone"' EXIT
refused() { # TEXT VARIABLE=VALUE...
  local code=0
  env "${@:2}" "$ranks" > "$alone" 2>&1 || code=$?
  { [ "$code" != 0 ] && grep -q "$1" "$alone"; } || { cat "$alone" && echo "FAILED: ${*:2}: exit code $code" && exit 1; }
}
refused 'the launcher started 3 processes, but MPI sees one rank in each: start viswords with the mpirun' PMI_SIZE=3
refused "the launcher started 3 processes, .* 'srun --mpi=pmix'" SLURM_STEP_NUM_TASKS=3 PMI_RANK=1
refused "srun started processes without a PMI: .* 'srun --mpi=pmix'" SLURM_STEP_NUM_TASKS=3
for one in PMI_SIZE=1 SLURM_NTASKS=3; do env $one "$ranks"; done
