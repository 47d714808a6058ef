#!/bin/bash
# Words for a network that draws are the same bits on one and on two threads, and, where the samples of a step are cut into
# slices, by one rank and by a team of two; a word that fails harms no other.   test_generation.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
options=(--quiet --cache "$work/cache")
cat > "$work/whole.yaml" << END_OF_STUDY
seed: 7
data:
  portraits: {root: $source_dir/data/portraits, concepts: [fox], classes: [bicycle, fox], pictures: {train: 3}}
models:
  sd: {kind: stable-diffusion, weights: $source_dir/data/sd-tiny, judge: {weights: $source_dir/data/judge-tiny}}
trials: {anchors: [dog, bus], deltas: [1], null_concepts: 1}
learn: {steps: 2, batch: {positives: 3}, templates: ['a photo of a {}', 'the {}']}
plan: {ranks: 2, backend: cpu}
stages: [learn]
END_OF_STUDY
sed 's/ranks: 2/ranks: 2, ranks_per_block: 2/' "$work/whole.yaml" > "$work/sliced.yaml"
same() { # DIR DIR WHAT
  results "$work/$1/blocks" > "$work/first"
  results "$work/$2/blocks" > "$work/second"
  [ "$(wc -l < "$work/first")" -ge 2 ] || fail "$1: $(cat "$work/first")"
  cmp "$work/first" "$work/second" || fail "$3"
}

"$viswords" learn "$work/whole.yaml" -o "$work/one" "${options[@]}" --threads 1
"$viswords" learn "$work/whole.yaml" -o "$work/two" "${options[@]}" --threads 2
same one two "two threads give other bits"
[ "$(find "$work/cache/latents" -name '*.safetensors' | wc -l)" = 4 ] || fail "moments: $(ls "$work/cache/latents")"
"$viswords" learn "$work/sliced.yaml" -o "$work/alone" "${options[@]}" --threads 1
mpi 2 "$viswords" learn "$work/sliced.yaml" -o "$work/team" "${options[@]}" --threads 1
same alone team "a team of two gives other bits than one rank"

# A word that fails ends with its step named; the word beside it is what it is alone, with looks, samples, early stops.
sed 's/anchors: .*/anchors: [dog], deltas: [1, free], null_concepts: 0}/; s/positives: 3/positives: 1/' "$work/whole.yaml" |
  sed 's/judge-tiny}/judge-tiny, steps: 2}/; s/steps: 2, batch/optimiser: adamw, lr: 1000000, weight_decay: 1000000, &/' |
  sed 's/steps: 2, batch/steps: 6, batch/; s/stages: .*/stages: [learn, collect]/' > "$work/both.yaml"
sed 's/ranks: 2/ranks: 2, block: 1/' "$work/both.yaml" > "$work/single.yaml"
sed 's/steps: 6, batch/watch: {every: 1, pictures: 3}, &/' "$work/both.yaml" > "$work/looked.yaml"
sed 's/steps: 6, batch/early_stop: {patience: 2}, &/; s/, pictures: 3//' "$work/looked.yaml" > "$work/stopped.yaml"
for run in single looked stopped; do
  "$viswords" run "$work/$run.yaml" -o "$work/$run" "${options[@]}" --threads 1 > "$work/$run.out" 2> "$work/$run.log" ||
    fail "$run: $(cat "$work/$run.log")"
done
"$viswords" diff "$work/single" "$work/looked" > "$work/log" || true
grep -q ' results: 2 trials compared, 0 differ' "$work/log" || fail "beside a failed word: $(cat "$work/log")"
for run in single looked stopped; do
  grep -q 'failed: its loss is not finite at step 4 .*anchor dog, delta free' "$work/$run.log" || fail "log: $(cat "$work/$run.log")"
done
find "$work/looked/pictures" -name '*.png' -printf '%P\n' | sort > "$work/drawn"
for which in 1-r0-step-000003 1-r0-step-000006 free-r0-step-000003; do
  echo "sd-portraits/fox/watch/dog-$which-0.png"
done | cmp "$work/drawn" - || fail "samples: $(cat "$work/drawn")"
h5dump -d /trials/reason -y "$work/stopped/study.h5" > "$work/reason"
grep -q 'loss not finite at step 4' "$work/reason" || fail "reasons: $(cat "$work/reason")"
h5dump -d /loss_watch/sd -y "$work/stopped/study.h5" > "$work/looks"
h5dump -d /trials/steps -y "$work/stopped/study.h5" | grep -q '[1-6], 4$' || fail "steps: $(cat "$work/looks")"

sed 's/positives: 3/positives: 1/' "$work/sliced.yaml" > "$work/wrong.yaml"
code=0
"$viswords" learn "$work/wrong.yaml" -o "$work/wrong" "${options[@]}" 2> "$work/log" || code=$?
[ $code = 2 ] && grep -q 'cannot be cut into 2 slices (plan.ranks_per_block)' "$work/log" || fail "code $code: $(cat "$work/log")"
sed 's/steps: 2/steps: 2, resolution: 33/' "$work/whole.yaml" > "$work/wrong.yaml"
"$viswords" check "$work/wrong.yaml" > "$work/log" 2>&1 && fail "33 pixels pass"
grep -q 'learn.resolution is 33; this network has sides of a multiple of 4' "$work/log" || fail "message: $(cat "$work/log")"
echo "words that draw: threads, slices, teams, failures, looks"
