#!/bin/bash
# Takes every barrier of the CUDA kernels out, one after the other, and asks whether a test of the operations notices:
#   tests/emulator/barriers.sh BUILD [FILE.cu ...]
# A barrier that nobody misses is superfluous, or its absence would not be seen. Exit code 1 when there is one, but for
# those whose comment says that they are there for memory's order: here memory has no order but the program's.
set -uo pipefail
build=$1
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
export OMP_NUM_THREADS=1
missed=0 taken=0
while IFS=: read -r file line text; do
  name=${file##*/}
  [[ $text != *"memory's order"* ]] || continue
  [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
  noticed=
  for suite in learning_ops network_ops detection_ops picture_ops tsne_device; do
    VISWORDS_EMULATOR_WITHOUT=$name:$line timeout 600 "$build/tests/emulated_test_$suite" >/dev/null 2>&1 || noticed=$suite
    [ -z "$noticed" ] || break
  done
  taken=$((taken + 1))
  [ -n "$noticed" ] || missed=$((missed + 1))
  printf '%-28s %s\n' "$name:$line" "${noticed:-NOBODY NOTICES}"
done < <(cd "$root" && grep -nE '__sync(threads|warp)\(\);' kernels/cuda/*.cu kernels/cuda/*.cuh)
echo "$taken barriers taken out, $missed not noticed"
[ $missed = 0 ]
