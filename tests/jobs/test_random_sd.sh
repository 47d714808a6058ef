#!/bin/bash
# `viswords random-sd`: a directory that viswords itself opens and draws with, whole or not there at all.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"

"$viswords" random-sd like --like "$source_dir/data/sd-tiny" --tokenizer "$source_dir/data/clip-tiny"
[ "$(cd like && find . -type f | wc -l)" = 11 ] || fail "files: $(find like -type f)"
"$viswords" generate like dog -n 1 --steps 2 --size 16 --backend cpu -q -o pictures > out.txt
grep -q '1 of 1 pictures' out.txt || fail "$(cat out.txt)"
size() { stat -c %s "$1/unet/diffusion_pytorch_model.safetensors"; }
"$viswords" random-sd full --like "$source_dir/data/sd-tiny" --tokenizer "$source_dir/data/clip-tiny" --fp32
[ $(($(size full) * 100 / $(size like))) -gt 190 ] || fail "fp32 is no larger: $(size full), $(size like)"
"$viswords" random-sd again --like "$source_dir/data/sd-tiny" --tokenizer "$source_dir/data/clip-tiny"
diff -r like again || fail "the same command makes other files"

refuses() {
  local message=$1 code=0
  shift
  "$viswords" random-sd "$@" > out.txt 2>&1 || code=$?
  [ "$code" = 2 ] || fail "$*: exit code $code"
  grep -qF -- "$message" out.txt || fail "expected '$message' in: $(cat out.txt)"
}
refuses 'choose 1.5, 2.1-base or 2.1' x --size XL
refuses 'is there already' like
refuses 'has no' x --like "$source_dir/data/clip-tiny"
[ -z "$(find . -name 'x*' ! -name x.yaml)" ] || fail "left behind: $(find . -name 'x*')"
