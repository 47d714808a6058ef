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
  watch: {draws: 2}
  batch: {positives: 1, negatives: 2}
  templates: ['a photo of a {}', 'a {}']
plan: {ranks: 2, block: 2}
stages: [learn, evaluate]
END
# The peak of device memory that a run reports, and what `plan` predicts, from the line at its end.
memory_of() { sed -n 's/^device memory of rank 0: at most \([0-9.]*\) MiB held, \([0-9.]*\) predicted.*/\1 \2/p' "$1"; }
"$viswords" run "$work/study.yaml" -o "$work/cpu" --backend cpu -t 1 -q --log error > /dev/null
"$emulated" run "$work/study.yaml" -o "$work/cuda" --backend cuda --precision fp32 -t 1 -q --log error > /dev/null
# ten steps from the same anchors differ by 4e-7 of a word in verify; a limit of its own there is 1e-4
"$viswords" diff "$work/cpu" "$work/cuda" --tolerance 1e-4 > "$work/diff" || fail "cpu and cuda: $(cat "$work/diff")"
mpi 2 "$emulated" run "$work/study.yaml" -o "$work/cuda2" --backend cuda --precision fp32 -t 1 -q --log error > /dev/null
same "$work/cuda/blocks" "$work/cuda2/blocks"

# The default precision: pictures in bf16. Losses move by some 2^-8 (bf16) of the logits' spread; recall and ids do not.
"$emulated" run "$work/study.yaml" -o "$work/mixed" --backend cuda -t 1 --cache "$work/fresh" --log error \
  > /dev/null 2> "$work/err" || fail "mixed: $(cat "$work/err")"
grep -qF 'precision: "mixed"' "$work/mixed/plan.yaml" || fail "plan.yaml does not say mixed"
"$viswords" diff "$work/cuda" "$work/mixed" --tolerance 1e-2 > "$work/diff" || fail "fp32 and mixed: $(cat "$work/diff")"
"$viswords" diff "$work/cuda" "$work/mixed" --tolerance 1e-6 > "$work/diff" && fail "mixed gives the words of fp32: it is not on"
read -r held predicted < <(memory_of "$work/err") || fail "no device memory told: $(cat "$work/err")"
awk -v h="$held" -v p="$predicted" 'BEGIN { exit !(p >= h * 0.97 && p <= h * 1.03) }' ||
  fail "$predicted MiB of device memory predicted, $held held"
"$emulated" plan "$work/study.yaml" --backend cuda > "$work/plan"
grep -qF "memory of a rank on its device" "$work/plan" || fail "plan tells no memory: $(cat "$work/plan")"

# Products' algorithms chosen by timing: recorded in the plan, which a second run obeys and leaves as it is.
sed 's/block: 2}/block: 2, algorithms: timed}/; s/steps: 5/steps: 1/' "$work/study.yaml" > "$work/timed.yaml"
for i in 1 2; do
  "$emulated" learn "$work/timed.yaml" -o "$work/timed" --backend cuda --precision fp32 -t 1 -q --log error > /dev/null
  grep -qE '^- "cublaslt forward 2x.* id [0-9]+ tile' "$work/timed/plan.yaml" || fail "no algorithms in $(cat "$work/timed/plan.yaml")"
  cp "$work/timed/plan.yaml" "$work/plan.$i"
done
cmp -s "$work/plan.1" "$work/plan.2" || fail "a second run changed the plan"
# Another plan on this device starts from them: a choice that timing would not make is taken.
kept=$(ls "$XDG_CACHE_HOME"/viswords/algorithms/*.txt) || fail "no file of the device's algorithms"
sed -i 's/: id 12 tile 17 /: id 15 tile 20 /' "$kept"
echo 'cublaslt forward 1x2x3 f32 f32 f32 plain: id 12 tile 17 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner 0 cluster 3' >> "$kept"
"$emulated" learn "$work/timed.yaml" -o "$work/again" --backend cuda --precision fp32 -t 1 -q --log error > /dev/null
grep -q ' id 15 tile 20 ' "$work/again/plan.yaml" && ! grep -qE ' id 12 tile 17 |1x2x3' "$work/again/plan.yaml" ||
  fail "the device's choices were not taken: $(grep cublaslt "$work/again/plan.yaml")"
grep -q '^cublaslt forward 1x2x3 ' "$kept" || fail "a product that this plan lacks was forgotten"

# A map of the words' states on the device; with little memory there the processor makes the same one, and says so.
sed 's/^stages:.*/tsne: {layers: [1], iterations: 12}\nstages: [learn, evaluate, probe, tsne]/' "$work/study.yaml" > "$work/maps.yaml"
map() { # FILE: makes the map and takes it away
  "$emulated" tsne "$work/maps.yaml" -o "$work/cuda" --backend cuda --precision fp32 -t 1 -q --log warn > /dev/null 2> "$work/err" &&
    mv "$work"/cuda/blocks/*/*-tsne.safetensors "$1"
}
"$emulated" probe "$work/maps.yaml" -o "$work/cuda" --backend cuda --precision fp32 -t 1 -q --log error > /dev/null
map "$work/there" || fail "no map: $(cat "$work/err")"
! grep -qF 'the processor computes' "$work/err" || fail "the map is not made on the device: $(cat "$work/err")"
VW_EMULATOR_FREE_MIB=100 map "$work/here" || fail "no map without the device's memory: $(cat "$work/err")"
grep -qF 'GB are free: the processor computes it with 1 thread' "$work/err" || fail "nothing said: $(cat "$work/err")"
points() { tail -c "+$((9 + $(od -An -t u8 -N 8 "$1")))" "$1" | head -c -64; } # without the header and the 8 numbers behind them
cmp <(points "$work/there") <(points "$work/here") || fail "the processor's map is another one"
[ "$(points "$work/here" | wc -c)" -ge 64 ] || fail "no points in the map"
