#!/bin/bash
# `verify --files` finds a flipped bit anywhere in block files, checkpoints and study.h5, and names the file.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
small=$work/study.yaml
study "$small" 4 dog
dir=$work/out
"$viswords" run "$small" -o "$dir" --quiet --threads 1 > /dev/null
"$viswords" collect "$small" -o "$dir" --quiet > /dev/null
"$viswords" verify --files "$dir" > "$work/good.txt" || { cat "$work/good.txt" >&2 && fail "an undamaged directory"; }
grep -q ' 0 bad$' "$work/good.txt" || fail "an undamaged directory: $(cat "$work/good.txt")"

# damaged FILE BYTE BIT: one bit flipped is found, named, and gone again afterwards.
damaged() {
  local file=$1 at=$2 old code=0
  old=$(od -An -t u1 -j "$at" -N 1 "$file" | tr -d ' ')
  put_byte "$file" "$at" $((old ^ (1 << $3)))
  "$viswords" verify --files "$dir" > "$work/bad.txt" 2>&1 || code=$?
  put_byte "$file" "$at" "$old"
  [ "$code" = 3 ] || fail "$file: bit $3 of byte $at: exit code $code, expected 3: $(cat "$work/bad.txt")"
  grep -q "$(basename "$file")" "$work/bad.txt" || fail "$file is not named: $(cat "$work/bad.txt")"
}
# shellcheck disable=SC2059 # the format is the byte
put_byte() { printf "\\x$(printf %x "$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

block=$(find "$dir/blocks" -name '*.safetensors' ! -name '*-*' | sort | head -1)
[ -n "$block" ] || fail "no block"
RANDOM=2406 # a fixed sequence
flips=40
[ "$sanitized" = 0 ] || flips=6
for file in "$block" "$dir/study.h5"; do
  size=$(stat -c %s "$file")
  for ((i = 0; i < flips; i++)); do damaged "$file" $(((RANDOM * 32768 + RANDOM) % size)) $((RANDOM % 8)); done
  damaged "$file" 0 0
  damaged "$file" $((size - 1)) 7
done
for ((at = 8; at < 8 + flips; at++)); do damaged "$block" "$at" 0; done # the header

cp "$block" "${block%.safetensors}.checkpoint.a"
truncate -s -1 "${block%.safetensors}.checkpoint.a"
"$viswords" verify --files "$dir" --json > "$work/bad.json" && fail "a truncated checkpoint is not found"
grep -q 'checkpoint.a' "$work/bad.json" || fail "checkpoint: $(cat "$work/bad.json")"
"$viswords" verify --files "$work" 2> "$work/none.txt" && fail "a directory without a study"
grep -q 'has no plan.yaml' "$work/none.txt" || fail "$(cat "$work/none.txt")"
