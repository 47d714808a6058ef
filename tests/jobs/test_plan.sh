#!/bin/bash
# `viswords plan`: what a study would do, as text and as JSON, alone and beside an output directory; it writes nothing.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"

plan() { # CODE ARGUMENTS...: output in out.txt
  local code=0
  timeout "$most_seconds" "$viswords" plan "${@:2}" > out.txt 2>&1 || code=$?
  [ "$code" = "$1" ] || { cat out.txt >&2 && fail "exit code $code, expected $1: plan ${*:2}"; }
}
says() { grep -q -- "$1" out.txt || { cat out.txt >&2 && fail "nothing says '$1'"; }; }

# 3 concepts of which one is null, 1 anchor, 2 deltas: 6 trials a model, blocks of 4 rows at most
study study.yaml 2 dog
plan 0 study.yaml --backend cpu
says "^study small: 12 trials in 4 blocks (12 trials new)$"
says "^  ball on objects: 6 trials, 2 blocks of 3 to 3 rows$"
says "^  adam on objects: 6 trials, 2 blocks of 3 to 3 rows$"
says "^  backend cpu, fp32, "
says "^  4 ranks are at most 100 % busy$"
says "^  memory of a rank: [0-9.]* MiB for the largest block"
plan 0 study.yaml --json
for line in '"study": "small"' '"trials": 12,' '"new": 12,' '"ranks": 4,' '"peak": [1-9]' '"weights": [1-9]'; do says "$line"; done
[ "$(grep -c '"selected": 3' out.txt)" = 4 ] || { cat out.txt >&2 && fail "not four blocks"; }
[ "$(sort -u <(grep '"id":' out.txt) | wc -l)" = 4 ] || fail "blocks with the same identity"
[ "$(ls)" = "$(printf 'out.txt\nstudy.yaml')" ] || fail "plan wrote: $(ls)"

# the same blocks that a run makes; a grown study adds to them, a smaller one lets some rest
"$viswords" learn study.yaml -o made --quiet --threads 1
grep -o '"id": "[0-9a-f]*"' out.txt | cut -d '"' -f 4 | sort > planned.txt
grep -o 'block: "[0-9a-f]*"' made/plan.yaml | cut -d '"' -f 2 | sort | cmp - planned.txt || fail "other blocks were planned"
cp made/plan.yaml before.yaml
plan 0 study.yaml -o made
says "12 trials in 4 blocks (0 trials new, all are done already)"
study study.yaml 2 'dog, hammer'
plan 0 study.yaml -o made
says "24 trials in 8 blocks (12 trials new, 12 are done already)"
study study.yaml 2 hammer
plan 0 study.yaml -o made
says "12 trials in 4 blocks (12 trials new)"
says "12 trials of earlier versions of the study are kept"
cmp made/plan.yaml before.yaml || fail "plan wrote into the output directory"

# how long: an estimate, then measured, which is kept beside the features and nowhere else
study study.yaml 20 dog
cache=(--cache "$work/rates" --backend cpu)
plan 0 study.yaml "${cache[@]}" --ranks 1 --threads 1
says "^  about .* on 1 rank x 1 thread (estimate, from a matrix product; --measure times the study's own): start .*, features .*, learn .*, evaluate .*, collect .*"
[ ! -e rates ] || fail "plan without --measure wrote rates"
plan 0 study.yaml "${cache[@]}" --ranks 1 --threads 1 --measure
says "^  about .* on 1 rank x 1 thread (measured): "
plan 0 study.yaml "${cache[@]}" --ranks 1 --threads 1 --json
says '"from": "measured"'
one=$(sed -n 's/.*"learn": \([0-9.]*\).*/\1/p' out.txt)
awk '/"collect": /{ exit !($2 > 0.0005) }' out.txt || fail "collect: $(cat out.txt)"
grep -q '"kind": "collect"' rates/rates/*.json || fail "the time of collect was not kept"
[ -z "$(find rates -name 'timing-*')" ] || fail "made-up results stayed"
plan 0 study.yaml "${cache[@]}" --ranks 2 --threads 1 --json
two=$(sed -n 's/.*"learn": \([0-9.]*\).*/\1/p' out.txt)
awk -v one="$one" -v two="$two" 'BEGIN { exit !(two > 0.49 * one && two < one) }' || fail "learn: $one s on 1 rank, $two on 2"
plan 0 study.yaml "${cache[@]}" --ranks 1 --threads 2 --json # other threads were never measured
says '"from": "estimate"'
"$viswords" learn study.yaml -o made2 --quiet --threads 1 "${cache[@]}"
plan 0 study.yaml -o made2 "${cache[@]}" --ranks 1 --threads 1 --json
says '"learn": 0.0'
says '"features": 0.0'
plan 0 study.yaml
says "plan.backend is auto: the first learn decides it"

plan 0 --keys
says "^learn.steps "
says "default: 1000"
plan 2
says "viswords plan: STUDY.yaml is missing; usage: viswords plan STUDY.yaml"
plan 2 study.yaml other.yaml
plan 2 none.yaml
says "none.yaml: cannot open"
plan 2 study.yaml --backend gpu
says "backend 'gpu': choose"
sed -i 's/steps:/stepz:/' study.yaml
plan 2 study.yaml
says "learn.stepz: unknown key; did you mean steps"

# a data set that is not there, with counts: what it would be, no ids, nothing written, exit code 2
study study.yaml 20 dog
plan 0 study.yaml "${cache[@]}" --ranks 1 --threads 1 --json
cp out.txt there.txt
sed -i "s#root: .*#root: $work/later/objects#; s#pictures: .*#pictures: {train: 4, test: 2}\n    counts: {train: 24, test: 12}#" study.yaml
before=$(find . -type f -printf '%p %s %T@\n' | grep -v out.txt | sort)
plan 2 study.yaml "${cache[@]}" --ranks 1 --threads 1
says "^study small: 12 trials in 4 blocks (12 trials new)$"
says "^  memory of a rank: [0-9.]* MiB for the largest block"
says "^  about .* on 1 rank x 1 thread (scaled): "
says "^missing: objects, for which its counts stand: 4 classes, 24 training and 12 test pictures; put it into $work/later/objects (kind folders"
plan 2 study.yaml "${cache[@]}" --ranks 1 --threads 1 --json -o made
[ "$(find . -type f -printf '%p %s %T@\n' | grep -v out.txt | sort)" = "$before" ] || fail "plan wrote something"
grep -q '"id"' out.txt && fail "ids of trials whose pictures nobody has seen"
python3 - there.txt out.txt << 'END'
import json, sys
there, counted = (json.load(open(f)) for f in sys.argv[1:])
# 4 classes, of which one has fewer pictures than the mean of the others: sizes are close, the blocks are the same
assert counted["missing"] == [{"data": "objects", "root": counted["missing"][0]["root"], "kind": "folders", "classes": 4,
                               "train": 24, "test": 12}], counted["missing"]
assert counted["trials"] == there["trials"] == counted["new"], counted
for block in there["blocks"]: del block["id"]
assert counted["blocks"] == there["blocks"], counted["blocks"]
assert abs(counted["memory"]["peak"] / there["memory"]["peak"] - 1) < 0.02, (counted["memory"], there["memory"])
for stage in ("learn", "evaluate"):
    assert abs(counted["seconds"][stage] / there["seconds"][stage] - 1) < 0.25, (counted["seconds"], there["seconds"])
assert "missing" not in there
END
plan 2 study.yaml "${cache[@]}" --ranks 1 --threads 1 --measure # what needs no picture is measured
says "put it into "
for wrong in 's/train: 24, //;counts.train is missing' 's/{train: 24/{classes: 3, train: 24/;counts.classes is 3, but 4 classes are listed' \
  '/counts:/d;no such folder: put the data set there, or give data.objects.counts' \
  's/ classes: .*//;counts.classes is missing' 's/{train: 24/{classes: 0, train: 24/;counts.classes: expected an integer of 1 or more'; do
  sed "${wrong%%;*}" study.yaml > wrong.yaml
  plan 2 wrong.yaml
  says "${wrong#*;}"
done
plan 2 study.yaml --backend gpu
code=0
"$viswords" run study.yaml -o never > out.txt 2>&1 || code=$?
[ "$code" = 2 ] && [ ! -e never ] || fail "run without the data set: exit code $code"
