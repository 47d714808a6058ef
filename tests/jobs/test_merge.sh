#!/bin/bash
# `viswords merge`: directories of one protocol as one, equal to a study that ran as a whole; what does not go together is
# refused with the key, model, picture set or trial, and leaves nothing behind.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
change=$(cd "$2" && pwd)/tests/jobs_mpi_change
cd "$work"

merge() { # CODE TEXT ARGUMENTS...: the exit code, and what it says
  local code=0
  "$viswords" merge "${@:3}" > out.txt 2>&1 || code=$?
  [ "$code" = "$1" ] || { cat out.txt >&2 && fail "exit code $code, expected $1: merge ${*:3}"; }
  grep -qF -e "$2" out.txt || { cat out.txt >&2 && fail "nothing says '$2'"; }
  [ -z "$(find . -maxdepth 1 -name '*.merging-*')" ] || fail "left: $(ls)"
  [ "$code" = 0 ] || [ ! -e never ] || fail "a refused merge made its directory"
}
viswords() { "$viswords" "$1" "$2.yaml" -o "$3" -t 1 -q --log error > /dev/null; }
equal() { "$viswords" diff "$1" "$2" > out.txt || fail "$1 and $2: $(cat out.txt)"; }
only() { sed "s/^    concepts: .*/    concepts: [$2]/" "$1.yaml" > "$3.yaml"; } # STUDY CONCEPT NEW

# --- concepts apart; null concepts and their words are in both
study whole.yaml 4 dog
sed -i 's/block: 4/block: 2/; s/stages: .*/stages: [learn, evaluate, collect]/' whole.yaml # a block a concept
only whole fox a
only whole pineapple b
for s in whole a b; do viswords run $s $s; done
before=$(find a b -type f -printf '%p %s %T@\n' | sort)
merge 0 'c: 12 learned trials of a (8), b (8)' a b -o c
grep -q 'learned in none' out.txt && fail "all of it was learned"
grep -qF "'viswords collect c/study.yaml -o c' makes study.h5" out.txt || fail "no next step: $(cat out.txt)"
"$viswords" report c > out.txt 2>&1 || fail "report before collect: $(cat out.txt)"
rm c/report.html
viswords collect c/study c
equal c whole
[ "$(find a b -type f -printf '%p %s %T@\n' | sort)" = "$before" ] || fail "merge changed what it read"
viswords run whole c # the study as it was written asks for the same; nothing is left to do
same c whole
equal c whole

# --- anchors apart: blocks differ, baselines are of all anchors; what nobody learned is said, and `run` learns it
sed 's/anchors: .*/anchors: [hammer]/' a.yaml > d.yaml
viswords run d d
merge 0 'e: 20 learned trials of c (12), d (8)' c d -o e --name joined
grep -qF 'its study.yaml asks for 24 trials: 4 were learned in none of them' out.txt || fail "$(cat out.txt)"
grep -q '^study: joined$' e/study.yaml || fail "$(cat e/study.yaml)"
if [ "$sanitized" = 0 ]; then
  viswords run e/study e
  "$viswords" status e | grep -q '24 of 24 trials learned (100 %), 24 judged; ' || fail "$("$viswords" status e)"
fi

# --- other data sets, models, keys of learn: each model keeps what it learned on, as it did, and no more
sed 's/objects:/toys:/; /^  adam/d' a.yaml > toys.yaml
sed '/^  ball/d; s#adam: {weights: [^,]*#eve: {weights: other#; s/study: small/study: more/; s/steps: 4/steps: 6/' b.yaml > more.yaml
ln -s "$source_dir/data/clip-tiny" other # a path beside the study file
for s in toys more; do viswords collect $s $s; done # nothing learned: what is asked for counts
merge 0 'f: 12 learned trials of c (12), toys (0), more (0)' c toys more -o f/
grep -qF 'its study.yaml asks for 20 trials: 8 were' out.txt || fail "$(cat out.txt)" # ball on toys, eve: 2 concepts x 2 deltas
grep -qF 'collect f/study.yaml -o f' out.txt || fail "$(cat out.txt)"
"$viswords" plan f/study.yaml --json > plan.json 2> /dev/null || fail "f/study.yaml: $(cat f/study.yaml)"
python3 - << 'END'
import json
trials = {}
for b in json.load(open("plan.json"))["blocks"]:
    trials[b["model"], b["data"]] = trials.get((b["model"], b["data"]), 0) + b["selected"]
assert trials == {("ball", "objects"): 6, ("adam", "objects"): 6, ("ball", "toys"): 4, ("eve", "objects"): 4}, trials
END
"$viswords" plan f/study.yaml -o f 2> out.txt | grep -q '(8 trials new, 12 are done already)' || fail "other ids: $(cat f/study.yaml)"
grep -q '^study: small + more$' f/study.yaml || fail "$(cat f/study.yaml)"

# --- what does not go together
refusals=0
refused() { # TEXT EDIT: study a with an edit, collected alone
  refusals=$((refusals + 1))
  [ "$sanitized" = 0 ] || [ $refusals -le 2 ] || return 0
  sed "$2" b.yaml > no.yaml
  rm -rf no
  viswords collect no no
  merge 2 "$1" a no -o never
}
refused "models.ball.learn.steps is '4' in a and '5' in no" 's/steps: 4/steps: 5/'
refused "model 'ball' on 'objects': other classes" 's/camel, camera/camel, bread/'
refused "model 'ball': other weights, tokenizer or list of neighbours in a than in no" \
  "0,/clip-tiny/s#data/clip-tiny#data/judge-tiny#"
refused "models.ball.kind is 'clip' in a and 'owlv2' in no" "s#ball: .*#ball: {kind: owlv2, weights: $source_dir/data/owlv2-tiny}#; /negatives/d"
mkdir -p pictures/train pictures/test
for class in dog hammer camel camera fox pineapple; do
  cp -r "$source_dir/data/objects/train/$class" pictures/train
  cp -r "$source_dir/data/objects/test/$class" pictures/test
done
rm "$(ls pictures/train/camel/* | head -1)"
refused "data set 'objects', concept 'null-0' (model 'ball'): other pictures in a than in no" "s#root: .*#root: $work/pictures#"

# --- the same trial with other bits
block=$(grep -o 'block: "[0-9a-f]*"' a/plan.yaml | cut -d '"' -f 2 | while read -r id; do
  [ -e "b/blocks/${id:0:2}/$id.safetensors" ] && echo "${id:0:2}/$id" && break
done)
cp -r b other-bits
"$change" "other-bits/blocks/$block.safetensors" words 5
merge 2 'what is in both must be the same' a other-bits -o never
grep -q 'trial [0-9a-f]* (ball, objects, null-0, anchor dog, delta [a-z0-9.]*, replica 0): component' out.txt || fail "$(cat out.txt)"
merge 0 'g: 12 learned trials' a other-bits -o g --tolerance 10
cmp "a/blocks/$block.safetensors" "g/blocks/$block.safetensors" || fail "not the first one's"
cp -r b damaged
printf x | dd of="damaged/blocks/$block.safetensors" bs=1 seek=400 conv=notrunc status=none
merge 2 "damaged/blocks/$block.safetensors: damaged" a damaged -o never

# --- what is no directory to join
merge 2 'c: is there already' a b -o c
merge 2 'no plan.yaml in it' a pictures -o never
cp -r b bare
rm bare/study.h5
merge 2 "run 'viswords collect STUDY.yaml -o bare' first" a bare -o never
cp -r b newer
sed -i '2i# a change' newer/plan.yaml
merge 2 'newer: plan.yaml is newer than study.h5' a newer -o never
merge 2 '-o DIR is missing' a b
merge 2 'B is missing' a -o never
merge 1 'cannot make the folder' a b -o none/never
[ ! -e none ] || fail "made a folder above"
cp -r b kernels
sed -i 's/^kernels: .*/kernels: "another machine"/' kernels/plan.yaml
"$viswords" collect b.yaml -o kernels -t 1 -q --log error --allow-other-kernels > /dev/null
merge 2 'pass --allow-other-kernels' a kernels -o never
mkdir k # empty
merge 0 'k: 12 learned trials' a kernels -o k --allow-other-kernels
grep -q '^other_kernels: \["cpu fp32 .*"cpu fp32 another machine"\|"cpu fp32 another machine"' k/plan.yaml || fail "$(head -9 k/plan.yaml)"
exit 0
