#!/bin/bash
# `viswords bench` runs each of its parts and says what it wants. What it measures is not tested: machines of tests are busy.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
model=$source_dir/data/clip-tiny
printf 'a photo of a dog\nthree red foxes\n' > "$work/texts.txt"

# bench CODE ARGUMENTS...: output in $work/out.txt
bench() {
  local expected=$1 code=0
  shift
  "$viswords" bench "$@" --seconds 0 > "$work/out.txt" 2>&1 || code=$?
  [ "$code" = "$expected" ] || fail "bench $*: exit code $code, expected $expected: $(cat "$work/out.txt")"
}
says() { grep -qF -- "$1" "$work/out.txt" || fail "expected '$1' in: $(cat "$work/out.txt")"; }

bench 0 load "$model"
says "open, map, bind both towers"
bench 0 tokenizer "$model" "$work/texts.txt"
says "2 texts"
bench 0 preprocess "$model" "$source_dir/data/objects/test/fox" --json
says '"unit": "picture"'
bench 0 clip "$model" --trials 1,2 --variant cached --json
says '"trials": 2'
bench 2 preprocess "$model"
says "expected MODEL_DIR PICTURES_FOLDER"
bench 2 load "$model" "$work"
says "MODEL_DIR alone"
bench 2 lode "$model"
says "choose clip, load, tokenizer or preprocess"
bench 2 clip "$model" --backend gpu
says "choose auto, ref, cpu or cuda"
