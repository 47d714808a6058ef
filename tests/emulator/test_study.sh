#!/bin/bash
# A study on the cuda backend, wholly on the emulated device, gives the words that the cpu backend gives, and the same
# bits however many ranks; `verify` finds it equal to transformers. No GPU runs here: see tests/emulator/kernel.hpp.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
emulated=$2/tests/viswords_emulated
[ -x "$emulated" ] || { echo "skipped: built without CUDA"; exit 77; }

"$emulated" verify "$source_dir/data/clip-tiny" --reference "$source_dir/tests/reference/fixtures/verify_tiny.safetensors" \
  --backend cuda --threads 1 > "$work/out.txt" || fail "verify: $(cat "$work/out.txt")"
grep -qF 'data/clip-tiny (cuda) against' "$work/out.txt" || fail "not on cuda: $(cat "$work/out.txt")"
grep -qF ', 0 beyond their limit' "$work/out.txt" || fail "$(cat "$work/out.txt")"

cat > "$work/study.yaml" << END
study: emulated
seed: 7
data:
  objects:
    root: $source_dir/data/objects
    concepts: [fox]
    classes: [dog, hammer]
    pictures: {train: 2, test: 1}
models:
  ball: {weights: $source_dir/data/clip-tiny}
trials:
  anchors: [dog, hammer]
  deltas: [0.5]
  null_concepts: 1
learn:
  steps: 5
  batch: {positives: 1, negatives: 2}
  templates: ['a photo of a {}', 'a {}']
plan: {ranks: 2, block: 2}
stages: [learn, evaluate]
END
"$viswords" run "$work/study.yaml" -o "$work/cpu" --backend cpu -t 1 -q --log error > /dev/null
"$emulated" run "$work/study.yaml" -o "$work/cuda" --backend cuda -t 1 -q --log error > /dev/null
# ten steps from the same anchors differ by 4e-7 of a word in verify; a limit of its own there is 1e-4
"$viswords" diff "$work/cpu" "$work/cuda" --tolerance 1e-4 > "$work/diff" || fail "cpu and cuda: $(cat "$work/diff")"
mpi 2 "$emulated" run "$work/study.yaml" -o "$work/cuda2" --backend cuda -t 1 -q --log error > /dev/null
same "$work/cuda/blocks" "$work/cuda2/blocks"
