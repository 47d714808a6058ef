#!/usr/bin/env bash
# Whole studies against PyTorch float64 (tests/reference/golden.py, golden_owl.py, golden_sd.py): golden.yaml, vectors.yaml
# and owl.yaml on ref to 1e-8 and on cpu to rounding, owl_dynamic.yaml, sd.yaml and the shipped smoke study on cpu, and the
# last two on ref where VISWORDS_LONG is set (minutes).   test_golden.sh SOURCE BUILD
set -euo pipefail
source=$1
build=$2
fixtures=$source/tests/reference/fixtures
[ -x "$build/viswords" ] || { echo "skipped: no $build/viswords"; exit 77; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 XDG_CACHE_HOME=$out/cache HOME=$out
# The leak check traces threads that Open MPI may be ending at that moment, and can crash over them; the other programs
# do it.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0

compare() { # STUDY.yaml BACKEND exact|rounded
  local name
  name=$(basename "$1" .yaml)
  for stage in learn evaluate; do
    "$build/viswords" $stage "$1" -o "$out/$name-$2" --backend "$2" --threads 1 > "$out/log" 2>&1 ||
      { cat "$out/log"; echo "viswords $stage $1 --backend $2 failed"; exit 1; }
  done
  echo "$name on $2:"
  "$build/tests/golden_check_study" "$fixtures/golden_$name.safetensors" "$out/$name-$2" "$3" ||
    { echo "$name on $2 differs from PyTorch"; exit 1; }
}

study=$source/tests/golden/golden.yaml
compare "$study" ref exact
compare "$study" cpu rounded
compare "$source/tests/golden/vectors.yaml" ref exact
compare "$source/tests/golden/vectors.yaml" cpu rounded
compare "$source/tests/golden/owl.yaml" cpu rounded
compare "$source/tests/golden/owl_dynamic.yaml" cpu rounded
compare "$source/tests/golden/sd.yaml" cpu rounded
# with sanitizers or gcov 700 pictures take minutes, and golden.yaml has gone the same ways
grep -qE '^VISWORDS_SANITIZE:BOOL=ON|^CMAKE_C_FLAGS_DEBUG:.*--coverage' "$build/CMakeCache.txt" || compare "$source/jobs/studies/smoke.yaml" cpu rounded
grep -qE '^VISWORDS_SANITIZE:BOOL=ON|^CMAKE_C_FLAGS_DEBUG:.*--coverage' "$build/CMakeCache.txt" || compare "$source/tests/golden/owl.yaml" ref exact
[ -z "${VISWORDS_LONG:-}" ] || compare "$source/jobs/studies/smoke.yaml" ref exact
[ -z "${VISWORDS_LONG:-}" ] || compare "$source/tests/golden/sd.yaml" ref exact
