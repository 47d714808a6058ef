#!/bin/bash
# `viswords draws`: the draws that PyTorch was given (tests/reference/draws_check.py finds them in docs/protocol.md alone),
# to the byte, with features computed and found; what is refused, and then no file.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
study=$source_dir/tests/golden/golden.yaml
expected=$source_dir/tests/reference/fixtures/golden_draws.safetensors

# draws CODE ARGUMENTS...: output in $work/out.txt
draws() {
  local expected=$1 code=0
  shift
  timeout "$most_seconds" "$viswords" draws "$@" > "$work/out.txt" 2>&1 || code=$?
  [ "$code" = "$expected" ] || fail "draws $*: exit code $code, expected $expected: $(cat "$work/out.txt")"
}
says() { grep -qF -- "$1" "$work/out.txt" || fail "expected '$1' in: $(cat "$work/out.txt")"; }

for turn in computed found; do
  draws 0 "$study" -o "$work/draws.safetensors" --backend cpu --cache "$work/features"
  cmp "$work/draws.safetensors" "$expected" ||
    fail "not the draws that PyTorch was given, features $turn (tests/reference/draws_check.py says which differ)"
done

sed "s#: [.][.]/[.][.]/data#: $source_dir/data#; s/^seed: 7/seed: 8/" "$study" > "$work/other.yaml"
draws 0 "$work/other.yaml" -o "$work/draws.safetensors" --cache "$work/features"
cmp -s "$work/draws.safetensors" "$expected" && fail "another seed, the same draws"

draws 2 "$study"
says "viswords draws: -o FILE is missing"
draws 2 -o "$work/none.safetensors"
says "STUDY.yaml is missing"
draws 2 "$work/none.yaml" -o "$work/none.safetensors"
says "none.yaml: cannot open"
draws 2 "$study" -o "$work/none.safetensors" --backend gpu
says "backend 'gpu': choose"
sed 's/steps: 14/stepz: 14/' "$work/other.yaml" > "$work/bad.yaml"
draws 2 "$work/bad.yaml" -o "$work/none.safetensors"
says "learn.stepz: unknown key"
draws 1 "$study" -o "$work/nowhere/none.safetensors" --cache "$work/features"
says "nowhere/none.safetensors"
[ ! -e "$work/none.safetensors" ] || fail "something was written"
