#!/bin/bash
# Models with data sets, trials and plans of their own: the trials are those of studies that say the same for all, bit
# for bit, and every stage sees each model's own values.   test_models.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
options=(--quiet --backend cpu --threads 1 --cache "$work/cache")

common() { # the data sets and what all models share
  cat << END
seed: 7
data:
  objects: {root: $source_dir/data/objects, concepts: [fox, pineapple], classes: [dog, hammer, camel], pictures: {train: $1, test: 2}}
$3
learn: {watch: {draws: 2}, steps: 4, batch: {positives: 2, negatives: 3}, templates: ['a photo of a {}', 'a {}']}
plan: {ranks: 2, block: $2}
END
}
second="  others: {root: $source_dir/data/objects, concepts: [teapot], classes: [dog, hammer, bus], pictures: {train: 4, test: 2}}"
weights="weights: $source_dir/data/clip-tiny"
common 4 4 "$second" > "$work/all.yaml"
cat >> "$work/all.yaml" << END
models:
  one: {$weights, data: [objects], trials: {anchors: [bus], deltas: [0.5, free], concepts: [pineapple], pictures: {train: 3}}, plan: {block: 2}}
  two: {$weights, trials: {replicas: 2}}
trials: {anchors: [dog, hammer], deltas: [0.5], null_concepts: 1}
END
# the same, a study a model, said for all
common 3 2 "" | sed 's/\[fox, pineapple\]/[pineapple]/' > "$work/one.yaml"
cat >> "$work/one.yaml" << END
models: {one: {$weights}}
trials: {anchors: [bus], deltas: [0.5, free], null_concepts: 1}
END
common 4 4 "$second" > "$work/two.yaml"
cat >> "$work/two.yaml" << END
models: {two: {$weights}}
trials: {anchors: [dog, hammer], deltas: [0.5], replicas: 2, null_concepts: 1}
END

"$viswords" check "$work/all.yaml" > "$work/log" || { cat "$work/log" && fail "check"; }
"$viswords" plan "$work/all.yaml" > "$work/log"
for line in "24 trials in 7 blocks" "one on objects: 4 trials, 2 blocks of 2 to 2 rows" \
  "two on objects: 12 trials, 3 blocks of 4 to 4 rows" "two on others: 8 trials, 2 blocks of 4 to 4 rows"; do
  grep -q "$line" "$work/log" || { cat "$work/log" && fail "plan does not say '$line'"; }
done
for study in all one two; do
  "$viswords" run "$work/$study.yaml" -o "$work/$study" "${options[@]}" > "$work/$study.txt" 2> "$work/log" ||
    { cat "$work/log" && fail "run $study"; }
done

# Every file of the two studies is in the third, and nothing else: blocks, evaluations, baselines.
(results "$work/one/blocks" && results "$work/two/blocks") | sort -u > "$work/apart"
results "$work/all/blocks" | sort -u | cmp - "$work/apart" || fail "other files than studies of one model make"
ids() { sed -n 's/^ *- \["\([0-9a-f]*\)".*/\1/p' "$@" | sort; }
cmp <(ids "$work/all/plan.yaml") <(ids "$work/one/plan.yaml" "$work/two/plan.yaml") || fail "other trials"

# Tables, figures and study.h5 have each model's own anchors, deltas and data sets.
grep -q "words of one for objects (1 concepts, 1 anchors)" "$work/all.txt" || fail "table: $(cat "$work/all.txt")"
grep -q "words of two for others (1 concepts, 2 anchors)" "$work/all.txt" || fail "table: $(cat "$work/all.txt")"
grep -q "words of one for others" "$work/all.txt" && fail "a table of words that are not there"
panels=$(sed -n 's/.*<metadata>panels \([0-9]*\),.*/\1/p' "$work/all/figures/recall_against_delta.svg")
[ "$panels" = "$(sed 1d "$work/all/figures/recall_against_delta.csv" | cut -d, -f1,2 | sort -u | wc -l)" ] || fail "$panels panels"
h5ls -r "$work/all/study.h5" > "$work/list"
for want in "/anchors/one/vector .*{1, " "/anchors/two/vector .*{2, " "/words/one .*{4, " "/words/two .*{20, " "/trials/id .*{24}"; do
  grep -q "^$want" "$work/list" || { cat "$work/list" && fail "study.h5 has no $want"; }
done
sed 1d "$work/one/summary.csv" | while read -r line; do
  grep -qxF -- "$line" "$work/all/summary.csv" || fail "summary.csv has no $line"
done

# The other commands.
"$viswords" status "$work/all" > "$work/log"
grep -q "one, objects: 4 of 4 trials learned (100 %), 4 judged" "$work/log" || fail "status: $(cat "$work/log")"
"$viswords" diff "$work/all" "$work/all" > "$work/log" || fail "diff: $(cat "$work/log")"
"$viswords" draws "$work/all.yaml" -o "$work/draws" --cache "$work/cache"
python3 - "$work/draws" << 'END'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
head = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
about = json.loads(head["__metadata__"]["json"])
sets = {"one": about["models"]["one"]["data"]["objects"], "two": about["data"]["objects"]}
assert "data" not in about["models"]["two"], "pictures that are the data set's own"
count = {m: [sum(owner == o for _, owner in sets[m]["train"]) for o in ("dog", "hammer", "camel", "fox")] for m in sets}
assert max(count["two"]) == 4 and count["one"] == [min(n, 3) for n in count["two"]], count
names = {n.rsplit("/", 1)[0] for n in head if n != "__metadata__"}
assert names == {f"one/objects/{c}/0" for c in ("pineapple", "null-0")} | {
    f"two/{d}/{c}/{r}" for d, c in (("objects", "fox"), ("objects", "pineapple"), ("objects", "null-0"),
                                    ("others", "teapot"), ("others", "null-0")) for r in (0, 1)}, names
END

# What stands under a model is told with its place there.
sed 's/anchors: \[bus\]/anchors: [bus, notaword]/' "$work/all.yaml" > "$work/wrong.yaml"
code=0
"$viswords" plan "$work/wrong.yaml" 2> "$work/log" || code=$?
[ "$code" = 2 ] || fail "exit code $code"
grep -q "wrong.yaml:[0-9]*:[0-9]*: models.one.trials.anchors: " "$work/log" || fail "message: $(cat "$work/log")"
sed 's/plan: {block: 2}/plan: {precision: bf16}/' "$work/all.yaml" > "$work/wrong.yaml"
code=0
"$viswords" plan "$work/wrong.yaml" --backend cpu 2> "$work/log" || code=$?
[ "$code" = 2 ] || fail "exit code $code"
grep -q "models.one.plan.precision: backend cpu computes in fp32 alone" "$work/log" || fail "message: $(cat "$work/log")"
