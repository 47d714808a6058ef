#!/bin/bash
# Words of two vectors, for all three tasks: the same bits after a kill, on other threads and ranks; study.h5, transfer,
# states and maps; out as a file and in again with the same metrics; one vector is what it was without the key. That their
# numbers are PyTorch's is tests/golden's (vectors.yaml).
#   test_vectors.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
data=$source_dir/data
options=(--quiet --threads 1 --cache "$work/cache")
cd "$work"

mkdir -p scenes/annotations
ln -s "$data"/scenes/{train,test} scenes/
python3 - "$data/scenes/annotations" scenes/annotations << 'END'
import json, os, sys
for name in os.listdir(sys.argv[1]):
    part = json.load(open(os.path.join(sys.argv[1], name)))
    part["images"] = [i for i in part["images"] if i["file_name"].startswith(("fox", "airplane"))]
    kept = {w: [i for i in part["images"] if i["file_name"].startswith(w)][:3] for w in ("fox", "airplane")}
    part["images"] = kept["fox"] + kept["airplane"]
    here = {i["id"] for i in part["images"]}
    part["annotations"] = [a for a in part["annotations"] if a["image_id"] in here]
    json.dump(part, open(os.path.join(sys.argv[2], name), "w"))
END
write() { # FILE VECTORS OF EACH MODEL
  cat > "$1" << END
study: several
seed: 5
data:
  objects: {root: $data/objects, concepts: [fox], classes: [dog, hammer, camel], pictures: {train: 3, test: 2}}
  scenes: {kind: coco, root: scenes, concepts: [fox], pictures: {train: 2, negatives: 2}}
  portraits: {root: $data/portraits, concepts: [fox], pictures: {train: 2}}
models:
  clip: {weights: $data/clip-tiny, data: [objects], plan: {ranks_per_block: 2}$2}
  owl: {kind: owlv2, weights: $data/owlv2-tiny, data: [scenes], learn: {optimiser: adamw}$2}
  sd:
    {kind: stable-diffusion, weights: $data/sd-tiny, data: [portraits], learn: {steps: 2, resolution: 16, batch: {positives: 1}},
     judge: {weights: $data/judge-tiny, names: [dog, hammer, fox], pictures: 1, steps: 2}$2}
trials: {anchors: [dog], deltas: [0.25, 0.5, free], null_concepts: 0}
learn: {watch: {draws: 2}, steps: 6, batch: {positives: 2}, templates: ['a photo of a {}', 'the {} there']}
plan: {ranks: 2, block: 3}
transfer: {pairs: [clip->owl]}
tsne: {layers: [0], iterations: 20}
stages: [learn, evaluate, transfer, truncation, probe, tsne, collect]
END
}
run() { "$viswords" "$@" "${options[@]}" > log 2>&1 || { cat log >&2 && fail "$*"; }; }

write two.yaml ', vectors: 2'
run run two.yaml -o one
code=0
VISWORDS_FAULT=renamed:checkpoint:2=kill "$viswords" learn two.yaml -o two "${options[@]}" --checkpoint-seconds 0 > log 2>&1 || code=$?
[ "$code" = 137 ] || fail "exit code $code: $(cat log)"
"${launch[@]}" -n 2 "$viswords" run two.yaml -o two "${options[@]}" > log 2>&1 || { cat log >&2 && fail "two ranks"; }
"$viswords" diff one two > log || { cat log >&2 && fail "a kill and two ranks changed something"; }
grep -q 'equal, bit for bit' log || fail "$(cat log)"

h5ls -r one/study.h5 > list
for line in '/words/clip *Dataset .3, 2, 192.' '/words/sd *Dataset .3, 2, 192.' '/transfer/clip/owl/words *Dataset .6, 2, 192.' \
  '/words/owl_vector *Dataset .2.' '/activations/clip/state *Dataset .4, 2, '; do
  grep -q "^$line" list || fail "no $line: $(cat list)"
done
# One concept has no other to lie beside, and nobody carries words to sd: said in words, not in NaN.
"$viswords" figures one > log 2>&1 || fail "figures: $(cat log)"
grep -q "no words are carried to 'sd'" one/figures/index.json || fail "figures: $(cat one/figures/index.json)"
"$viswords" report one > log 2>&1 || fail "report: $(cat log)"
grep -q 'too few words, or concepts' one/report.html || fail "report: nothing said of layers"
! grep -qiw nan one/report.html || fail "report: $(grep -iwo '.\{40\}nan' one/report.html)"

# Both vectors have moved, each within its own ball, and differ.
"$viswords" words one --network "$data/clip-tiny" --network "$data/owlv2-tiny" --network "$data/sd-tiny" --json > words.json
python3 - words.json << 'END'
import json, sys
rows = json.load(open(sys.argv[1]))
assert len(rows) == 18 and {r["vectors"] for r in rows} == {2}, rows
for first, second in zip(rows[::2], rows[1::2]):
    assert first["word"] == second["word"] and (first["vector"], second["vector"]) == (1, 2)
    assert first["anchor_distance"] != second["anchor_distance"]
    for r in (first, second):
        assert r["anchor_distance"] > 0, r
        assert r["delta"] == "inf" or 0 < r["distance_over_radius"] <= 1.00001, r
END

# Out, and in again: the numbers of the evaluation. Carried by its file: both vectors.
"$viswords" export one:clip,0.5 --network "$data/clip-tiny" -o clip.safetensors > log
"$viswords" import clip.safetensors two.yaml --model clip "${options[@]}" --json > file.json 2> log || fail "$(cat log)"
"$viswords" import one:clip,0.5 two.yaml "${options[@]}" --json > study.json 2> log || fail "$(cat log)"
h5dump -d /evaluation/classification one/study.h5 | sed -n 's/^ *(1,0): //p' > metrics
python3 - file.json study.json metrics << 'END'
import json, sys
file, study = (json.load(open(p))["rows"][0] for p in sys.argv[1:3])
assert file["metrics"] == study["metrics"] and file["vectors"] == 2, (file, study)
stored = [float(x) for x in open(sys.argv[3]).read().rstrip(",\n").split(",")]
assert all(abs(a - b) < 1e-5 for a, b in zip(stored, file["metrics"].values())), (stored, file)
END
"$viswords" transfer clip.safetensors --from "$data/clip-tiny" --to "$data/owlv2-tiny" -o owl.safetensors > log
grep -q 'vector 2: ' log || fail "$(cat log)"
head -c 300 owl.safetensors | grep -aqF '"shape":[2,192]' || fail "carried: $(head -c 300 owl.safetensors)"
"$viswords" detect "$data/owlv2-tiny" "$data/scenes/test/fox-00.jpg" --words owl.safetensors -o boxes > log 2>&1 || fail "$(cat log)"

# One vector said, or not said: the same trials; two: others. More than a sentence holds is refused.
trials() { sed -n 's/^ *- \["\([0-9a-f]*\)".*/\1/p' "$1/plan.yaml" | sort; }
for vectors in '' ', vectors: 1'; do
  write said.yaml "$vectors"
  sed -i '/^  owl:/d; /^  sd:/,/^trials/{/^trials/!d}; /scenes:/d; /portraits:/d; /^t[sr][na][en]/{/^trials/!d}; /^stages/d' said.yaml
  run learn said.yaml -o "said${vectors: -1}"
done
[ "$(trials said | wc -l)" = 3 ] || fail "trials: $(trials said)"
cmp <(trials said) <(trials said1) || fail "one vector that is said is another trial"
[ -z "$(comm -12 <(trials said) <(trials one))" ] || fail "two vectors are the same trial"
same said/blocks said1/blocks
write many.yaml ', vectors: 75'
code=0
"$viswords" check many.yaml > log 2>&1 || code=$?
[ "$code" = 2 ] && grep -q '^[^ ]*:[0-9]*:[0-9]*: learn.templates: template .* has [0-9]* tokens with its word of several vectors' log || fail "75 vectors: $(cat log)"
echo "words of two vectors: three tasks, kills and ranks, out and in"
