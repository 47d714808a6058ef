#!/bin/bash
# `viswords detect`: a learned word finds its things where the annotations have them; limits; copies with boxes and JSON
# beside; damaged pictures; what is refused.   test_detect_boxes.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
model=$source_dir/data/owlv2-tiny
pictures=$source_dir/data/scenes/test
cd "$work"

# detect CODE ARGUMENTS...: output in out.txt
detect() {
  local expected=$1 code=0
  shift
  "$viswords" detect "$@" --threads 1 > out.txt 2>&1 || code=$?
  [ "$code" = "$expected" ] || fail "detect $*: exit code $code, expected $expected: $(cat out.txt)"
}
says() { grep -qF -- "$1" out.txt || fail "expected '$1' in: $(cat out.txt)"; }

cat > s.yaml << END
study: s
seed: 7
data:
  scenes: {kind: coco, root: $source_dir/data/scenes, concepts: [fox]}
models:
  owl: {kind: owlv2, weights: $model}
trials: {anchors: [dog], deltas: [1.0], null_concepts: 0}
learn: {watch: {draws: 2}, steps: 100, templates: ['a photo of a {}', 'a {}']}
END
"$viswords" learn s.yaml -o out --quiet --threads 1 > log 2>&1 || { cat log >&2; fail "learn"; }

# The best box of each of the four pictures of foxes lies on a fox; the word says little of pictures without.
detect 0 "$model" "$pictures" --words out:fox --top 1 --threshold 0 -o found --json
python3 - "$source_dir/data/scenes/annotations/instances_test.json" << 'END' || fail "boxes: $(head -c 2000 out.txt)"
import json, pathlib, sys
truth = json.load(open(sys.argv[1]))
told = {pathlib.Path(p["picture"]).name: p for p in json.load(open("out.txt"))["pictures"]}
assert len(told) == 56, len(told)
fox = next(c["id"] for c in truth["categories"] if c["name"] == "fox")
file = {i["id"]: i["file_name"] for i in truth["images"]}
where = {}
for a in truth["annotations"]:
    if a["category_id"] == fox: where.setdefault(file[a["image_id"]], []).append(a["bbox"])
def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inside = max(w, 0) * max(h, 0)
    return inside / (a[2] * a[3] + b[2] * b[3] - inside)
with_fox = [told[f]["boxes"][0] for f in where]
hits = sum(max(iou(told[f]["boxes"][0]["box"], b) for b in where[f]) >= .5 for f in where)
assert hits == len(where) >= 4, (hits, len(where))
worst = min(b["score"] for b in with_fox)
others = sorted((p["boxes"][0]["score"] for f, p in told.items() if f not in where), reverse=True)
assert others[2] < worst, (others[:4], worst)
for f, p in told.items():  # beside each copy the same boxes
    beside = json.load(open(pathlib.Path("found") / (pathlib.Path(f).stem + ".json")))
    assert beside["width"] == 96 and abs(beside["boxes"][0]["score"] - p["boxes"][0]["score"]) < 1e-5
END
[ "$(find found -name '*.png' | wc -l)" = 56 ] || fail "copies: $(ls found | head)"
# enlarged by 7 to 672 pixels: bytes 16 to 23 of a PNG
[ "$(od -An -tu1 -j16 -N8 found/fox-00.png | tr -s ' ')" = " 0 0 2 160 0 0 2 160" ] || fail "the copy's size"
detect 0 "$model" "$pictures/fox-00.jpg" --words out:fox --top 1 --threshold 0 --json --backend ref
grep -o '"score":0.[0-9]*' out.txt > ref
detect 0 "$model" "$pictures/fox-00.jpg" --words out:fox --top 1 --threshold 0 --json
grep -o '"score":0.[0-9]*' out.txt | paste - ref | tr -d '"score:' | awk '{ d = $1 - $2; exit !($1 > .1 && d < 1e-4 && d > -1e-4) }' ||
  fail "cpu against ref: $(cat ref out.txt)"

# Limits, plain names, several at once.
detect 0 "$model" "$pictures/cactus-02.jpg" --name dog --name pear --template 'a {}' --threshold 0.3
[ "$(grep -c '  dog$' out.txt)" -ge 2 ] || fail "dogs: $(cat out.txt)"
detect 0 "$model" "$pictures/cactus-02.jpg" --name dog --name pear --template 'a {}' --threshold 0.3 --overlap 0.3
[ "$(grep -c '  dog$' out.txt)" = 1 ] || fail "one dog: $(cat out.txt)"
detect 0 "$model" "$pictures/cactus-02.jpg" --name dog --threshold 0 --top 7
says "cactus-02.jpg: 7 found"

# A damaged picture, pictures of one name in two folders, what is refused.
mkdir -p mixed/x mixed/y
cp "$pictures/fox-00.jpg" mixed/x/a.jpg
cp "$pictures/fox-01.jpg" mixed/y/a.jpg
head -c 300 "$pictures/fox-00.jpg" > mixed/y/b.jpg
detect 2 "$model" mixed --name dog -o copies
says "mixed/y/b.jpg"
[ -s copies/x_a.png ] && [ -s copies/y_a.json ] && [ ! -e copies/y_b.png ] || fail "copies: $(ls copies)"
cp "$pictures/fox-00.jpg" mixed/x/a.jpeg
detect 2 "$model" mixed --name dog -o copies
says "would both be drawn as copies/x_a.png"
detect 2 "$model" mixed
says "nothing to look for: give --name"
detect 2 "$model" --name dog
says "no picture to look at"
detect 2 "$model" mixed --name dog --threshold 2
says "--threshold wants 0 to 1"
detect 2 "$source_dir/data/clip-tiny" mixed --name dog
says "model_type is 'clip', expected 'owlv2'"
# Words of two models have one width: which are meant is asked; a model's name chooses; '+' joins.
sed -e 's/^  owl: .*/  one: {kind: owlv2, weights: MODEL}\n  two: {kind: owlv2, weights: MODEL}/' -e "s|MODEL|$model|g" -e 's/steps: 100/steps: 1/' \
  -e 's/anchors: .dog./anchors: [dog, bus]/' s.yaml > two.yaml
"$viswords" learn two.yaml -o two --quiet --threads 1 > log 2>&1 || { cat log >&2; fail "learn"; }
detect 2 "$model" "$pictures/fox-00.jpg" --words two:fox
says "name the model first, as in two:one,fox"
detect 2 "$model" "$pictures/fox-00.jpg" --words two
says "name the model first"
detect 0 "$model" "$pictures/fox-00.jpg" --words "two:two,fox+from bus" --threshold 0 --top 5 --json
[ "$(grep -o 'two: fox from bus' out.txt | wc -l)" -ge 5 ] || fail "not the word: $(cat out.txt)"
! grep -q 'from dog\|one: ' out.txt || fail "other words too: $(cat out.txt)"
# A picture that is no square is padded: with what decides what is found at the padding's border.
python3 - "$work/wide.png" << 'END'
import struct, sys, zlib
w, h = 64, 16
raw = b"".join(b"\0" + bytes((x * 4 + c * y) % 256 for x in range(w) for c in range(3)) for y in range(h))
chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
open(sys.argv[1], "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))
                              + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))
END
for pad in grey black; do
  detect 0 "$model" wide.png --name fox --threshold 0 --top 3 --json --pad $pad
  cp out.txt "$pad.txt"
done
detect 0 "$model" wide.png --name fox --threshold 0 --top 3 --json
cmp -s out.txt grey.txt || fail "grey is not what pictures are padded with"
! cmp -s grey.txt black.txt || fail "--pad black changed nothing"
detect 2 "$model" wide.png --name fox --pad white
says "--pad 'white': choose grey or black"
echo "a learned word's boxes, limits, copies, refusals"
