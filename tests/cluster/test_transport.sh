#!/bin/bash
# Broadcast, gather and the sum of slices on 1 to 4 ranks, over shared memory and over TCP, in groups; the sums have the
# same bits for every number of ranks; more than 2 GiB; a peer that does not come is an error within seconds, one that
# dies ends the job.
set -euo pipefail
source "$1/tests/cluster/run_mpi.sh"
transport=$2/tests/cluster_mpi_transport
out=$(mktemp)
trap 'rm -f "$out"' EXIT

"$transport" | tee "$out" # a single process without mpirun
for ranks in 1 2 3 4; do mpi "$ranks" "$transport" | tee -a "$out"; done
mpi 2 "${tcp[@]}" "$transport" | tee -a "$out"
sums=$(sed -n 's/.*sums //p' "$out")
[ "$(wc -l <<< "$sums")" = 12 ] || { echo "FAILED: expected 12 sums"; exit 1; }
[ "$(sort -u <<< "$sums" | wc -l)" = 1 ] || { echo "FAILED: sums depend on the number of ranks"; exit 1; }

mpi 2 "$transport" big
for ranks in 2 3; do mpi "$ranks" "$transport" late; done
for ranks in 1 2 3; do mpi "$ranks" "$2/tests/cluster_mpi_transport_failures"; done
seconds=$SECONDS
if mpi 2 "$transport" dead 2> "$out"; then echo "FAILED: a rank died and the job did not fail"; exit 1; fi
[ $((SECONDS - seconds)) -lt 20 ] || { echo "FAILED: a dead rank was waited for"; exit 1; }
if VISWORDS_TRANSPORT=pigeon "$transport" > "$out" 2>&1; then echo "FAILED: an unknown transport was taken"; exit 1; fi
grep -qF "VISWORDS_TRANSPORT is 'pigeon': choose auto, mpi or nccl" "$out" || { cat "$out"; exit 1; }
