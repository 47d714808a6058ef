#!/bin/bash
# Same plan, same bits: words, losses, evaluation and image features on 1 to 4 ranks, 1 and 2 threads, over shared memory
# and TCP; both optimisers, balls and free words, concepts and null concepts.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
study "$work/study.yaml" 20 "dog, hammer"
run=("$viswords" run "$work/study.yaml" --quiet)

"${run[@]}" -o "$work/one" --cache "$work/cache-1" --threads 1
[ "$sanitized" = 0 ] || exit 0 # bits do not depend on them
mpi 4 "${run[@]}" -o "$work/four" --cache "$work/cache-4" --threads 1 # computes its own features
same "$work/cache-1" "$work/cache-4"
same "$work/one" "$work/four"
mpi 2 "${run[@]}" -o "$work/two" --cache "$work/cache-2" --threads 2
same "$work/cache-1" "$work/cache-2"
same "$work/one" "$work/two"
mpi 3 "${tcp[@]}" "${run[@]}" -o "$work/three" --cache "$work/cache-1" --threads 2
same "$work/one" "$work/three"
"${run[@]}" -o "$work/threads" --cache "$work/cache-1" --threads 2
same "$work/one" "$work/threads"
