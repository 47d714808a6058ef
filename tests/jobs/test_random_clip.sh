#!/bin/bash
# `viswords random-clip`: a directory of the size of OpenAI's, which is read like any other; what is refused, and then no
# weights.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
tokenizer=$source_dir/data/clip-tiny

# random_clip CODE ARGUMENTS...: output in $work/out.txt
random_clip() {
  local expected=$1 code=0
  shift
  "$viswords" random-clip "$@" > "$work/out.txt" 2>&1 || code=$?
  [ "$code" = "$expected" ] || fail "random-clip $*: exit code $code, expected $expected: $(cat "$work/out.txt")"
}
says() { grep -qF -- "$1" "$work/out.txt" || fail "expected '$1' in: $(cat "$work/out.txt")"; }

random_clip 0 "$work/clip" --size B/32 --fp16 --tokenizer "$tokenizer"
for name in vocab.json merges.txt; do cmp "$work/clip/$name" "$tokenizer/$name"; done
# the network published by OpenAI as ViT-B/32 has 151,277,313 parameters
header=$(od -An -t u8 -N 8 "$work/clip/model.safetensors" | tr -d ' ')
[ "$(stat -c %s "$work/clip/model.safetensors")" = $((8 + header + 2 * 151277313)) ] || fail "another number of parameters"
"$viswords" encode "$work/clip" -t 'a photo of a dog' --json --threads 1 > "$work/out.txt" || fail "it cannot be read"
says '"id"'

# transformers 5 refuses a scale of shape [1]
grep -qaF '"logit_scale":{"dtype":"F16","shape":[],' <(head -c 400000 "$work/clip/model.safetensors") || fail "logit_scale is no scalar"
# never over anything that it did not make, nor over its own without --force
sum=$(cksum < "$work/clip/model.safetensors")
random_clip 2 "$work/clip" --size B/32 --fp16 --tokenizer "$tokenizer"
says "holds random weights already; --force"
[ "$sum" = "$(cksum < "$work/clip/model.safetensors")" ] || fail "weights were written over"
for change in notes.txt vocab.json; do
  cp -r "$work/clip" "$work/other"
  echo mine >> "$work/other/$change"
  random_clip 2 "$work/other" --size B/32 --fp16 --tokenizer "$tokenizer" --force
  says "holds files that random-clip did not make"
  grep -q mine "$work/other/$change" || fail "$change is gone"
  rm -r "$work/other"
done
cp "$tokenizer"/* "$work/real" -r 2> /dev/null || { mkdir "$work/real" && cp -r "$tokenizer"/* "$work/real"; }
random_clip 2 "$work/real" --size B/32 --tokenizer "$tokenizer" --force
says "did not make"
cmp "$work/real/model.safetensors" "$tokenizer/model.safetensors"
# anywhere: from another folder the clone is found; an empty folder is as good as none
mkdir "$work/empty"
(cd "$work" && "$viswords" random-clip empty --size B/32 --fp16) || fail "outside the clone"
cmp "$work/empty/model.safetensors" "$work/clip/model.safetensors"
random_clip 0 "$work/empty" --size B/32 --fp16 --tokenizer "$tokenizer" --force
ls -A "$work" | grep -q random-clip && fail "something is left: $(ls -A "$work")"

random_clip 2
says "DIR is missing"
random_clip 2 "$work/none" --size B/33
says "viswords: random-clip: --size 'B/33': choose B/32, B/16, L/14 or H/14"
random_clip 1 "$work/none" --size B/32 --tokenizer "$work/nowhere"
says "$work/nowhere/vocab.json"
random_clip 1 "$work/none/deep/er" --size B/32 --tokenizer "$work/nowhere"
[ ! -e "$work/none" ] || fail "a folder is left"
touch "$work/file"
random_clip 1 "$work/file/clip" --size B/32 --tokenizer "$tokenizer"
says "file/clip: cannot make the folder"
[ ! -e "$work/none" ] || fail "a folder is left"
