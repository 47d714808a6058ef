#!/bin/bash
# Do two revisions give the same results to the bit? Builds both, runs smoke and demo on cpu and ref with one rank and
# two, compares outside the program.   compare_revisions.sh BEFORE [AFTER, default: the working tree] [FOLDER]
#   STUDIES="smoke" BACKENDS="cpu"   only these
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
before=$1 after=${2:-}
work=${3:-$(mktemp -d)}
export OPENBLAS_NUM_THREADS=1
python=
for name in ${PYTHON:-python3 /usr/bin/python3}; do
  if "$name" -c 'import h5py' 2> /dev/null; then python=$name && break; fi
done
[ -n "$python" ] || { echo "compare_revisions.sh: no python3 with h5py; PYTHON=... names one" >&2; exit 1; }
build() { # REVISION NAME: $work/NAME/build/viswords
  [ -d "$work/$2" ] || git -C "$here" worktree add --detach "$work/$2" "$1" > /dev/null
  cmake -S "$work/$2" -B "$work/$2/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DVISWORDS_CUDA=OFF > /dev/null
  cmake --build "$work/$2/build" --target viswords > /dev/null
}
build "$before" before
if [ -n "$after" ]; then
  build "$after" after
else
  cmake -S "$here" -B "$work/after/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DVISWORDS_CUDA=OFF > /dev/null
  cmake --build "$work/after/build" --target viswords > /dev/null
fi
wrong=0
for study in ${STUDIES:-smoke demo}; do for backend in ${BACKENDS:-cpu ref}; do for ranks in 1 2; do
  for side in before after; do
    # the same study file for both: what it says is part of a result
    mpirun --oversubscribe -n "$ranks" "$work/$side/build/viswords" run "$work/before/jobs/studies/$study.yaml" \
      -o "$work/$side-$study-$backend-$ranks" --backend "$backend" --threads 1 --cache "$work/cache-$side" -q > "$work/log" 2>&1 ||
      { cat "$work/log"; exit 1; }
  done
  "$python" "$here/tests/revisions/compare_results.py" "$work/before-$study-$backend-$ranks" \
    "$work/after-$study-$backend-$ranks" || wrong=1
done; done; done
git -C "$here" worktree remove --force "$work/before"
[ -z "$after" ] || git -C "$here" worktree remove --force "$work/after"
exit $wrong
