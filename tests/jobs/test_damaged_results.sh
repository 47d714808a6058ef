#!/bin/bash
# Result files and checkpoints that are cut, have a flipped bit, or come from another study under the right name: each is
# named and made again, none is used; the result has the bits of an undisturbed run.   test_damaged_results.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
small=$work/study.yaml
study "$small" 4 dog
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/' "$small"
sed 's/seed: 7/seed: 8/' "$small" > "$work/other.yaml"
for name in study other; do
  "$viswords" run "$work/$name.yaml" -o "$work/$name" "${options[@]}" > /dev/null 2> "$work/log" || fail "$name: $(cat "$work/log")"
done
mv "$work/study" "$work/whole"
cp -r "$work/whole" "$work/run"

cut_short() { truncate -s $(($(stat -c %s "$1") / 2)) "$1"; }
flip() { # one bit in the middle
  local at=$(($(stat -c %s "$1") / 2)) byte
  byte=$(od -An -tu1 -j $at -N 1 "$1" | tr -d ' ')
  printf '%b' "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}
swap() { # with the first such file of the other study
  cp "$(find "$work/other/blocks" -name "$2" | sort | head -1)" "$1"
}
named() { # FILE: a message names it
  grep -q "$(basename "$1")" "$work/log" || fail "nobody named $1: $(cat "$work/log")"
}

echo "results"
damaged=()
for pattern in '*[0-9a-f].safetensors' '*-evaluation.safetensors' '*-baselines.safetensors'; do
  find "$work/run/blocks" -name "$pattern" | sort > "$work/files"
  mapfile -t files < "$work/files"
  [ "${#files[@]}" -ge 3 ] || fail "$pattern: ${#files[@]} files"
  cut_short "${files[0]}"
  flip "${files[1]}"
  swap "${files[2]}" "$pattern"
  damaged+=("${files[@]::3}")
done
"$viswords" status "$work/run" > "$work/status" || fail "status: $(cat "$work/status")"
"$viswords" run "$small" -o "$work/run" "${options[@]}" > /dev/null 2> "$work/log" || fail "run: $(cat "$work/log")"
for file in "${damaged[@]}"; do named "$file"; done
same "$work/whole" "$work/run"
"$viswords" diff "$work/whole" "$work/run" > "$work/diff" || fail "$(cat "$work/diff")"

echo "checkpoints"
# interrupted STUDY DIR: killed when it has written its third checkpoint; the two that are left in files[].
interrupted() {
  rm -rf "$2"
  (VISWORDS_FAULT=renamed:checkpoint:3=kill "$viswords" run "$1" -o "$2" "${options[@]}" > /dev/null 2>&1
    exit $?) 2> /dev/null && fail "was not killed"
  mapfile -t files < <(find "$2/blocks" -name '*.checkpoint.*' | sort)
  [ "${#files[@]}" = 2 ] || fail "checkpoints: ${files[*]}"
}
starts_anew() {
  "$viswords" run "$small" -o "$work/run" "${options[@]}" > /dev/null 2> "$work/log" || fail "run: $(cat "$work/log")"
  for file in "${files[@]}"; do named "$file"; done
  if grep -q 'goes on from its checkpoint at step' "$work/log"; then fail "$(cat "$work/log")"; fi
  same "$work/whole" "$work/run"
}
interrupted "$small" "$work/run"
cut_short "${files[0]}"
flip "${files[1]}"
starts_anew
interrupted "$work/other.yaml" "$work/another"
theirs=("${files[@]}")
interrupted "$small" "$work/run"
for i in 0 1; do cp "${theirs[i]}" "${files[i]}"; done
starts_anew
