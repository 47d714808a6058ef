#!/bin/bash
# Keys of judging alone: changed ones judge again and never learn again, what was judged before stays beside and is
# found again; judge.templates against the same averages of features, computed here.   test_judging.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
options=(--quiet --backend cpu --threads 1 --cache "$work/cache")
cat > "$work/plain.yaml" << END
seed: 7
data:
  objects: {root: $source_dir/data/objects, concepts: [fox, pineapple], classes: [dog, hammer, camel, camera, pineapple], pictures: {train: 4, test: 5}}
models: {clip: {weights: $source_dir/data/clip-tiny}}
trials: {anchors: [dog, hammer], deltas: [0.5, free], null_concepts: 1}
learn: {watch: {draws: 2}, steps: 20, batch: {positives: 2, negatives: 3}, templates: ['a photo of a {}', 'a {}']}
plan: {ranks: 2}
END
cp "$work/plain.yaml" "$work/many.yaml"
echo "judge: {templates: ['a photo of a {}', 'a drawing of a {}', '{} on a table']}" >> "$work/many.yaml"
sed '/^judge/d; s/weights: \([^}]*\)}/weights: \1, judge: {templates: ["a photo of a {}", "a drawing of a {}", "{} on a table"]}}/' \
  "$work/many.yaml" > "$work/own.yaml"
run() { "$viswords" run "$work/$1.yaml" -o "$work/out" "${options[@]}" > "$work/$1.txt" 2> "$work/log" || { cat "$work/log" && fail "run $1"; }; }
files() { (cd "$work/out/blocks" && find . -name '*.safetensors' -printf '%p %i %T@ %s\n' | sort); }

run plain
files > "$work/before"
[ "$(grep -c -e -evaluation "$work/before")" = 2 ] || fail "not two evaluations"
grep -q judging "$work/out/plan.yaml" && fail "the plan of a study without keys of judging has them"
cp "$work/out/study.h5" "$work/plain.h5"
"$viswords" plan "$work/many.yaml" -o "$work/out" --json > "$work/log"
grep -q '"new": 0,' "$work/log" || fail "other trials: $(cat "$work/log")"
grep -q '"learn": 0.0' "$work/log" || fail "words would be learned again: $(cat "$work/log")"

# Judged again: new files beside the old ones, which are as they were; words are not learned again.
cp -r "$work/out" "$work/two"
run many
files > "$work/after"
[ -z "$(comm -23 "$work/before" "$work/after")" ] || fail "judging again touched what was there"
comm -13 "$work/before" "$work/after" | sed 's/ .*//' > "$work/new"
[ "$(grep -c -- '-evaluation-[0-9a-f]\{16\}\.safetensors$' "$work/new")" = 2 ] || fail "new files: $(cat "$work/new")"
[ "$(grep -c -- '-baselines\.safetensors$' "$work/new")" = 2 ] || fail "new files: $(cat "$work/new")"
[ "$(wc -l < "$work/new")" = 4 ] || fail "new files: $(cat "$work/new")"
"$viswords" status "$work/out" | grep -q "12 of 12 trials learned (100 %), 12 judged" || fail "status"
"$viswords" verify --files "$work/out" > "$work/log" 2>&1 || { cat "$work/log" && fail "verify"; }
cp "$work/out/study.h5" "$work/many.h5"

# The same on two ranks, and the key under the model: nothing new to judge then.
mpi 2 "$viswords" run "$work/many.yaml" -o "$work/two" "${options[@]}" > "$work/log"
cmp <(results "$work/out/blocks") <(results "$work/two/blocks") || fail "two ranks judge otherwise"
run own
files | cmp - "$work/after" || fail "the key under the model is another judging"

# Without the key: the first evaluation is found again. Before that, nothing of it counts as judged.
"$viswords" diff "$work/out" "$work/two" > "$work/log" || fail "diff: $(cat "$work/log")"
run plain
files | cmp - "$work/after" || fail "going back judged again"
grep -q judging "$work/out/plan.yaml" && fail "the plan still has keys of judging"
code=0
"$viswords" diff "$work/out" "$work/two" > "$work/log" || code=$?
[ "$code" = 3 ] && grep -q "judge the same words in other ways" "$work/log" || fail "diff: exit code $code: $(cat "$work/log")"
sed "s/'a drawing of a {}', //" "$work/many.yaml" > "$work/fewer.yaml"
"$viswords" learn "$work/fewer.yaml" -o "$work/out" "${options[@]}" 2> "$work/log"
"$viswords" status "$work/out" | grep -q "12 of 12 trials learned (100 %), 0 judged" || fail "another judging counts as this one"
run fewer
[ "$(files | wc -l)" = "$(($(wc -l < "$work/after") + 4))" ] || fail "a third judging"

# The metrics, from features that `encode` writes: unit features of each sentence, averaged, made of length one.
cat > "$work/numbers.py" << 'END'
import glob, json, math, os, struct, sys

def load(path):
    data = open(path, "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    head, out = json.loads(data[8 : 8 + n]), {}
    about = head.pop("__metadata__", {})
    for name, t in head.items():
        a, b = t["data_offsets"]
        x = struct.unpack("<%d%s" % ((b - a) // (8 if t["dtype"] == "F64" else 4), "d" if t["dtype"] == "F64" else "f"),
                          data[8 + n + a : 8 + n + b]) if t["dtype"] in ("F32", "F64") else ()
        width = t["shape"][-1] if t["shape"] else 1
        out[name] = [x[i : i + width] for i in range(0, len(x), width)]
    return about, out

def average(rows):  # of unit vectors, made of length one
    s = [math.fsum(c) for c in zip(*rows)]
    length = math.sqrt(math.fsum(c * c for c in s))
    return [c / length for c in s]

work, weights, plan = sys.argv[1:4]
classes, names = ["dog", "hammer", "camel", "camera", "pineapple"], ["fox"]
features = [load(f"{work}/features-{m}") for m in range(3)]
about = features[0][0]
words = json.loads(about["words"])
text = dict(zip(classes + names, [average(r) for r in zip(*(f["texts"] for _, f in features))]))
word = dict(zip(words, [average(r) for r in zip(*(f["words"] for _, f in features))]))
pictures = features[0][1]["pictures"]
owners = [line.split("/")[-2] for line in open(f"{work}/pictures").read().split()]
header = json.loads(open(weights, "rb").read()[8 : 8 + struct.unpack("<Q", open(weights, "rb").read(8))[0]])
a, b = header["logit_scale"]["data_offsets"]
raw = open(weights, "rb").read()
base = 8 + struct.unpack("<Q", raw[:8])[0]
scale = math.exp(struct.unpack("<f", raw[base + a : base + a + 4])[0])
logit = lambda p, q: scale * math.fsum(x * y for x, y in zip(p, q))

def metrics(concept, feature):  # recall, accuracy, others
    rivals = [c for c in classes if c != concept]
    hits = mine = right = others = 0
    for owner, p in zip(owners, pictures):
        z = {c: logit(p, text[c]) for c in rivals}
        w = logit(p, feature)
        if owner == concept:
            mine, hits = mine + 1, hits + (w > max(z.values()) + 1e-3)
        elif owner in classes:
            best = z.pop(owner)
            others, right = others + 1, right + (best > max(list(z.values()) + [w]) + 1e-3)
    return hits / mine, (right + hits) / (others + mine), right / others

checked = 0
for path in glob.glob(f"{work}/out/blocks/*/*-evaluation-*.safetensors") + glob.glob(f"{work}/out/blocks/*/*-baselines.safetensors"):
    about, tensors = load(path)
    if about.get("judging") != plan: continue
    for i, row in enumerate(json.loads(about.get("trials", about.get("rows", "[]")))):
        got = [tensors["metrics"][i][k] for k in (0, 2, 3)]
        if "id" in row:
            if row["null"]: continue
            feature = next(word[w] for w in words if row["id"][:12] in w)
        elif row["kind"] in ("name", "anchor") and row["word"]:
            feature = text[row["word"]]
        else: continue
        want = metrics(row["concept"], feature)
        assert all(abs(x - y) < 1e-12 for x, y in zip(got, want)), (path, row, got, want)
        checked += 1
assert checked == 8 + 2 * 2 + 1, checked  # words, anchors, the name that the network knows
plain = [load(p)[1]["metrics"] for p in sorted(glob.glob(f"{work}/out/blocks/*/*-evaluation.safetensors"))]
many = [load(p.replace("-evaluation", f"-evaluation-{plan[:16]}"))[1]["metrics"]
        for p in sorted(glob.glob(f"{work}/out/blocks/*/*-evaluation.safetensors"))]
assert plain != many, "one sentence gives the same metrics: the comparison says nothing"
print(f"{checked} words, anchors and names judged in three sentences")
END
run many
judging=$(sed -n 's/^  judging: "\(.*\)"/\1/p' "$work/out/plan.yaml" | sort -u)
[ "$(echo "$judging" | wc -w)" = 1 ] || fail "not one judging: $judging"
for class in dog hammer camel camera pineapple fox; do
  find "$source_dir/data/objects/test/$class" -type f | sort | sed -n 1,5p
done > "$work/pictures"
m=0
for sentence in 'a photo of a {}' 'a drawing of a {}' '{} on a table'; do
  mapfile -t pictures < "$work/pictures"
  "$viswords" encode "$source_dir/data/clip-tiny" --words "$work/out" --template "$sentence" --fill -t dog -t hammer -t camel \
    -t camera -t pineapple -t fox -f "$work/features-$m" --backend cpu --threads 1 "${pictures[@]}" > "$work/log"
  m=$((m + 1))
done
python3 "$work/numbers.py" "$work" "$source_dir/data/clip-tiny/model.safetensors" "$judging"

# What no sentence can be, and a key that no task reads.
sed "s/'{} on a table'/'on a table'/" "$work/many.yaml" > "$work/wrong.yaml"
code=0
"$viswords" check "$work/wrong.yaml" > "$work/log" || code=$?
[ "$code" = 2 ] && grep -q "judge.templates: 'on a table' needs {} exactly once" "$work/log" || fail "$(cat "$work/log")"
long=$(printf 'very %.0s' {1..100})
sed "s/'{} on a table'/'{} ${long}good'/" "$work/many.yaml" > "$work/wrong.yaml"
code=0
"$viswords" plan "$work/wrong.yaml" 2> "$work/log" || code=$?
[ "$code" = 2 ] && grep -q "very good" "$work/log" || fail "a sentence that is too long: exit code $code, $(cat "$work/log")"
