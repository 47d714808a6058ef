#!/bin/bash
# A device that is lost (injected into the emulated one) ends the run with exit code 1 and a clear line; finished blocks
# stay as they are, and the same command goes on to the bits of an undisturbed run. On several ranks the others hear of
# it. Ranks that share a device are told so.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
emulated=$2/tests/viswords_emulated
[ -x "$emulated" ] || { echo "skipped: built without CUDA"; exit 77; }
export VISWORDS_TRANSPORT=mpi

cat > "$work/study.yaml" << END
study: lost
seed: 7
data:
  objects:
    root: $source_dir/data/objects
    concepts: [fox]
    classes: [dog]
    pictures: {train: 1, test: 1}
models:
  ball: {weights: $source_dir/data/clip-tiny}
trials:
  anchors: [dog, hammer, camel, the]
  deltas: [0.5]
  null_concepts: 0
learn:
  steps: 2
  watch: {draws: 2}
  batch: {positives: 1, negatives: 1}
  templates: ['a photo of a {}']
plan: {ranks: 3, block: 1}
stages: [learn]
END
options=(--backend cuda -t 1 -q --log warn)
blocks() { find "$1/blocks" -name '*.safetensors' 2> /dev/null | sort; }
lost() { # DIR: the run said what happened, and what to do
  grep -qE '^viswords: .*uncorrectable ECC error encountered' "$1.log" || fail "no clear line: $(cat "$1.log")"
  grep -qF "viswords: finished blocks and checkpoints are kept in $1; the same command goes on" "$1.log" || fail "$(cat "$1.log")"
}

"$emulated" run "$work/study.yaml" -o "$work/whole" "${options[@]}"
[ "$(blocks "$work/whole" | wc -l)" = 4 ] || fail "expected 4 blocks"

out=$work/one # lost when the first block is there
first=$(basename "$("$emulated" plan "$work/study.yaml" --backend cuda --json | sed -n 's/.*"id": "\([0-9a-f]*\)".*/\1/p' | head -1)")
code=0
first_file=$out/blocks/${first:0:2}/$first.safetensors
VW_EMULATOR_FAIL_FILE=$first_file \
  "$emulated" run "$work/study.yaml" -o "$out" "${options[@]}" 2> "$out.log" || code=$?
[ "$code" = 1 ] || fail "exit code $code, expected 1: $(cat "$out.log")"
lost "$out"
[ "$(blocks "$out")" = "$first_file" ] || fail "expected the first block alone: $(blocks "$out")"
before=$(stat -c '%i %y' "$first_file")
for calls in 1 300; do # at the start, in the preparation of a block: nothing is harmed
  VW_EMULATOR_FAIL_AFTER=$calls "$emulated" run "$work/study.yaml" -o "$out" "${options[@]}" 2> "$out.log" && fail "not lost at $calls"
  [ "$(blocks "$out" | wc -l)" = 1 ] || fail "blocks: $(blocks "$out")"
done
"$emulated" run "$work/study.yaml" -o "$out" "${options[@]}"
[ "$(stat -c '%i %y' "$first_file")" = "$before" ] || fail "a finished block was written again"
same "$work/whole/blocks" "$out/blocks"

# Rank 1 loses its device before the weights come, then as soon as any block is there: rank 0 hears of it, and finishes
# the block that it has.
out=$work/two
mkdir -p "$out"
for file in "$out/log/rank-1.jsonl" "$out/lost"; do
  code=0
  (until [ -n "$(blocks "$out")" ] || [ -e "$out/over" ]; do sleep 0.01; done; : > "$out/lost") &
  timeout 60 "${launch[@]}" \
    -n 1 "$emulated" run "$work/study.yaml" -o "$out" "${options[@]}" : \
    -n 1 env VW_EMULATOR_FAIL_FILE="$file" "$emulated" run "$work/study.yaml" -o "$out" "${options[@]}" \
    2> "$out.log" || code=$?
  : > "$out/over"
  wait
  [ "$code" = 1 ] || fail "exit code $code, expected 1: $(cat "$out.log")"
  lost "$out"
  grep -q '^viswords: rank 1 on ' "$out.log" || fail "whose device? $(cat "$out.log")"
  rm -f "$out/log/rank-1.jsonl" "$out/lost" "$out/over"
done
n=$(blocks "$out" | wc -l)
[ "$n" -ge 1 ] && [ "$n" -lt 4 ] || fail "$n of 4 blocks are there"
grep -q '2 ranks share the CUDA device 0000:00:00.0' "$out.log" || fail "nobody said that ranks share a device: $(cat "$out.log")"
mpi 2 "$emulated" run "$work/study.yaml" -o "$out" "${options[@]}" 2> "$out.log" || fail "$(cat "$out.log")"
same "$work/whole/blocks" "$out/blocks"
