#!/bin/bash
# Ranks that work for longer than the limit, and those that wait for them, raise no alarm; ranks that all wait for each
# other do, once. (A rank that is stopped or stuck: tests/jobs/test_watchdog.sh.)
set -euo pipefail
source "$1/tests/cluster/run_mpi.sh"
program=$2/tests/cluster_mpi_watchdog
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for n in 1 3; do mpi "$n" "$program"; done
VISWORDS_MPI_THREADS=funneled mpi 2 "$program"
code=0
mpi 2 "$program" deadlock > "$log" 2>&1 || code=$?
[ "$code" != 0 ] || { echo "FAILED: ranks that wait for each other: exit code 0" && exit 1; }
[ "$(grep -c 'alarm: rank 0 on .* and all others have not moved for [0-9.]* s: stage gathering; kept: nothing' "$log")" = 1 ] ||
  { cat "$log" && echo "FAILED: not one alarm" && exit 1; }
