#!/bin/bash
# `viswords diff` names the first trial and step that differ, and why; its exit codes.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
change=$2/tests/jobs_mpi_change
study "$work/study.yaml" 4 'dog, hammer'
learn() { "$viswords" "$1" "$2" -o "$work/$3" -t 1 -q --log error > /dev/null; }
# differs B TEXT ...: exit code 3, and the message
differs() {
  local status=0 text
  "$viswords" diff "$work/a" "$work/$1" > "$work/diff" || status=$?
  [ "$status" = 3 ] || fail "diff a $1: exit code $status: $(cat "$work/diff")"
  for text in "${@:2}"; do grep -qF -e "$text" "$work/diff" || fail "'$text' is not in: $(cat "$work/diff")"; done
}
equal() {
  "$viswords" diff "$work/a" "$work/$1" "${@:2}" > "$work/diff" || fail "diff a $1: $(cat "$work/diff")"
}
learn run "$work/study.yaml" a
learn collect "$work/study.yaml" a
block=$(cd "$work/a/blocks" && find . -name '*.safetensors' ! -name '*-*' | sort | head -1)

cp -r "$work/a" "$work/same"
equal same
cp -r "$work/a" "$work/word"
"$change" "$work/word/blocks/$block" words 5
differs word 'anchor dog, delta 0.5' 'component 5 of the word after the last step' '24 trials compared, 1 differ' \
  'plan, kernels and inputs are the same'
equal word --tolerance 0.01
cp -r "$work/a" "$work/loss"
"$change" "$work/loss/blocks/$block" words 5
"$change" "$work/loss/blocks/$block" history 9 # [points, 4]: point 2 of trial 1
differs loss 'component 5' '24 trials compared, 2 differ'
"$change" "$work/loss/blocks/$block" words 5
"$change" "$work/loss/blocks/$block" history 8 # of trial 0 too: before its word
differs loss 'training loss at step 2'

baseline=$(cd "$work/a/blocks" && find . -name '*-baselines.safetensors' | sort | head -1)
cp -r "$work/a" "$work/baseline"
"$change" "$work/baseline/blocks/$baseline" metrics 5
differs baseline 'baselines of ' 'row 1, recall_10: ' '24 trials compared, 0 differ' 'baselines: 1 differ'

cp -r "$work/a" "$work/part"
rm "$work/part/blocks/$block"
differs part 'results only in' 'a block is missing' '4 missing in'
if [ "$sanitized" = 0 ]; then # learning takes long with sanitizers
  sed 's/steps: 4/steps: 5/' "$work/study.yaml" > "$work/longer.yaml"
  "$viswords" run "$work/longer.yaml" -o "$work/longer" -t 1 -q --log error > /dev/null
  differs longer 'the study files decide otherwise how words are learned' '0 trials in both'
  sed 's/anchors: .*/anchors: [dog, hammer, bread]/' "$work/study.yaml" > "$work/more.yaml"
  cp -r "$work/a" "$work/more"
  learn learn "$work/more.yaml" more
  differs more 'bread' 'the other study does not ask for it' '24 trials in both' '24 trials compared, 0 differ'
fi
cp -r "$work/a" "$work/kernels"
sed -i 's/^kernels: .*/kernels: "another machine"/' "$work/kernels/plan.yaml"
differs kernels 'plan: other kernels' 'other kernels: cpu fp32' 'another machine'
equal kernels --tolerance 1e-6

# --- the study file written otherwise decides the same: comments, order, defaults, spellings, where things lie
ln -s "$source_dir/data" "$work/data"
cat > "$work/otherwise.yaml" << END
# the same study
stages: ["learn", 'evaluate']
plan:
    block: 4
    ranks: 4
    backend: auto # the default
    memory: auto
cache: $work/cache
learn: {batch: {positives: 2, negatives: 3}, watch: {draws: 2}, templates: ["a photo of a {}", "a {}"], steps: {adam: 4, ball: 4}, loss_points: 100,
  judge_template: "a photo of a {}"}
trials: {null_concepts: 1, deltas: [5e-1, free], replicas: 1, anchors: ["dog", hammer], vocabulary: default}
models:
  ball: {weights: data/../data/clip-tiny, kind: clip, learn: {eta: 1e-1}}
  adam:
    learn: {lr: .001, optimiser: adamw, weight_decay: 0.010}
    weights: '$work/data/clip-tiny'
seed: 7
data:
  objects:
    pictures: {test: 2, exif: ignore, train: 4}
    root: ./data//objects
    classes: classes.txt
    concepts: [fox, pineapple]
study: small
END
printf 'dog\nhammer\n\ncamel\ncamera\n' > "$work/classes.txt"
cp -r "$work/a" "$work/otherwise"
learn collect "$work/otherwise.yaml" otherwise
equal otherwise
sed -i '3i# a comment in the plan' "$work/otherwise/plan.yaml"
learn collect "$work/otherwise.yaml" otherwise
rm "$work/classes.txt" # of another machine, perhaps: no file that a study names is needed to compare it
equal otherwise
for edit in 's/ranks: 4/ranks: 3/ plan.ranks' 's/study: small/study: other/ study' \
  's/stages: .*/stages: [learn]/ stages'; do
  sed "${edit% *}" "$work/study.yaml" > "$work/decides.yaml"
  cp -r "$work/a" "$work/decides"
  learn collect "$work/decides.yaml" decides
  differs decides '/config/study' "${edit##* }" '24 trials compared, 0 differ'
  rm -r "$work/decides"
done

status=0
"$viswords" diff "$work/a" "$work/nowhere" 2> "$work/message" || status=$?
[ "$status" = 2 ] || fail "diff with nothing: exit code $status"
grep -q "not an output directory" "$work/message" || fail "message: $(cat "$work/message")"
{ "$viswords" diff "$work/a" "$work/word" --json || true; } | grep -q '"trials_differ": 1' || fail "JSON"
