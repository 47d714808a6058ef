#!/bin/bash
# Words for a network that draws are the same bits on one and on two threads, and, where the samples of a step are cut into
# slices, by one rank and by a team of two; with the forward pass made again on the way back too, killed and resumed, in
# the memory that is planned; a word that fails harms no other.   test_generation.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
options=(--quiet --cache "$work/cache")
cat > "$work/whole.yaml" << END_OF_STUDY
seed: 7
data:
  portraits: {root: $source_dir/data/portraits, concepts: [fox], classes: [bicycle, fox], pictures: {train: 3}}
models:
  sd: {kind: stable-diffusion, weights: $source_dir/data/sd-tiny, judge: {weights: $source_dir/data/judge-tiny}}
trials: {anchors: [dog, bus], deltas: [1], null_concepts: 1}
learn: {watch: {draws: 2}, steps: 2, batch: {positives: 3}, templates: ['a photo of a {}', 'the {}']}
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

# A network that is not there is named, and nothing is asked of it.
sed 's#data/sd-tiny#data/none#' "$work/whole.yaml" > "$work/none.yaml"
code=0
"$viswords" check "$work/none.yaml" > "$work/log" 2>&1 || code=$?
[ "$code" = 2 ] && grep -q 'data/none: no such model directory' "$work/log" || fail "no weights: $code: $(cat "$work/log")"

"$viswords" learn "$work/whole.yaml" -o "$work/one" "${options[@]}" --threads 1
"$viswords" learn "$work/whole.yaml" -o "$work/two" "${options[@]}" --threads 2
same one two "two threads give other bits"
[ "$(find "$work/cache/latents" -name '*.safetensors' | wc -l)" = 4 ] || fail "moments: $(ls "$work/cache/latents")"
"$viswords" learn "$work/sliced.yaml" -o "$work/alone" "${options[@]}" --threads 1
mpi 2 "$viswords" learn "$work/sliced.yaml" -o "$work/team" "${options[@]}" --threads 1
same alone team "a team of two gives other bits than one rank"

# In segments: less memory, as planned; the same bits, after a kill, on two ranks, in slices, and on the reference.
sed 's/ranks: 2/ranks: 2, recompute: 4/' "$work/whole.yaml" > "$work/again.yaml"
sed 's/ranks: 2/ranks: 2, recompute: 3/' "$work/sliced.yaml" > "$work/parts.yaml"
held() { grep -o 'block_bytes=[0-9]*' "$1" | sort -u | cut -d = -f 2; }
memory_of() { # STUDY KEY
  "$viswords" plan "$work/$1.yaml" --cache "$work/cache" --threads 1 --json | python3 -c "import json, sys; print(json.load(sys.stdin)['memory']['$2'])"
}
code=0
VISWORDS_FAULT=renamed:checkpoint:2=kill "$viswords" learn "$work/again.yaml" -o "$work/again" "${options[@]}" --log debug \
  --threads 1 --checkpoint-seconds 0 2> "$work/log" || code=$?
[ "$code" = 137 ] || fail "exit code $code: $(cat "$work/log")"
[ "$(memory_of again segments)" = 4 ] && [ "$(memory_of whole segments)" = 1 ] || fail "segments that are planned"
planned=$(memory_of again block)
[ "$(memory_of again block_kept)" = "$(memory_of whole block)" ] || fail "memory without segments"
[ $((10 * planned)) -lt $((7 * $(memory_of whole block))) ] || fail "$planned of $(memory_of whole block) bytes in segments"
bytes=$(held "$work/log")
[ $((100 * bytes)) -le $((103 * planned)) ] && [ $((103 * bytes)) -ge $((100 * planned)) ] || fail "$planned bytes planned, $bytes held"
mpi 2 "$viswords" learn "$work/again.yaml" -o "$work/again" "${options[@]}" --threads 1
same one again "a forward pass that is made again gives other bits"
grep -q '^  segments: 4$' "$work/again/plan.yaml" || fail "plan.yaml says nothing of segments"
mpi 2 "$viswords" learn "$work/parts.yaml" -o "$work/parts" "${options[@]}" --threads 1
same alone parts "slices that are made again give other bits"
for kind in whole again; do
  sed 's/positives: 3/positives: 1/; s/steps: 2/steps: 1, resolution: 16/; s/anchors: .*deltas/anchors: [dog], deltas/; s/null_concepts: 1/null_concepts: 0/' \
    "$work/$kind.yaml" > "$work/ref-$kind.yaml"
  "$viswords" learn "$work/ref-$kind.yaml" -o "$work/ref-$kind" "${options[@]}" --backend ref
done
results "$work/ref-whole/blocks" > "$work/first" && results "$work/ref-again/blocks" > "$work/second"
[ -s "$work/first" ] && cmp "$work/first" "$work/second" || fail "ref: a forward pass that is made again gives other bits"

# As few segments as plan.memory needs, kept when the study asks for more again; too little is refused with numbers.
least=$(memory_of again block)
sed "s/ranks: 2/ranks: 2, block: 2, memory: $((least / 1024 + 1)) KiB/" "$work/whole.yaml" > "$work/small.yaml"
"$viswords" learn "$work/small.yaml" -o "$work/small" "${options[@]}" --threads 1
same one small "segments that memory asks for give other bits"
grep -q '^  segments: [234]$' "$work/small/plan.yaml" || fail "segments: $(grep segments "$work/small/plan.yaml")"
sed "s/memory: .* KiB/memory: 1 MiB/" "$work/small.yaml" > "$work/none.yaml"
code=0
"$viswords" learn "$work/none.yaml" -o "$work/none" "${options[@]}" 2> "$work/log" || code=$?
[ "$code" = 1 ] && grep -q "model 'sd' and data set 'portraits' do not fit: 2 words at once take [0-9.]* MiB for a step, [0-9]* segments of which are made again on the way back, .* plan.memory allows 1.0 MiB" "$work/log" ||
  fail "code $code: $(cat "$work/log")"
sed "s/, block: 2//" "$work/none.yaml" > "$work/one-word.yaml"
code=0
"$viswords" learn "$work/one-word.yaml" -o "$work/none" "${options[@]}" 2> "$work/log" || code=$?
[ "$code" = 1 ] && grep -q ': 1 word at once takes .*: use fewer pictures a step (learn.batch)' "$work/log" || fail "code $code: $(cat "$work/log")"

# A word that fails ends with its step named; the word beside it is what it is alone, with looks, samples, early stops.
sed 's/anchors: .*/anchors: [dog], deltas: [1, free], null_concepts: 0}/; s/positives: 3/positives: 1/' "$work/whole.yaml" |
  sed 's/judge-tiny}/judge-tiny, steps: 2}/; s/steps: 2, batch/optimiser: adamw, lr: 1000000, weight_decay: 1000000, &/' |
  sed 's/steps: 2, batch/steps: 6, batch/; s/stages: .*/stages: [learn, collect]/' > "$work/both.yaml"
sed 's/ranks: 2/ranks: 2, block: 1/' "$work/both.yaml" > "$work/single.yaml"
sed 's/{draws: 2}/{every: 1, pictures: 3, draws: 2}/' "$work/both.yaml" > "$work/looked.yaml"
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
