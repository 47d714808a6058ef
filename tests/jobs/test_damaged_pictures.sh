#!/bin/bash
# Pictures that lost data are refused by `check`, `run` and `encode`, and nothing of them is cached; until now they were
# read, with what is missing made up.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
good=$source_dir/data/objects/train/fox/00.jpg
bytes=$(stat -c %s "$good")
end='\xff\xd9'
byte() { od -An -tx1 -v -w1 "$1" | tr -d ' '; }
# offset of the height in the frame header (a baseline file)
frame=$(byte "$good" | tr '\n' ' ' | awk '{for (i = 1; i < NF; i++) if ($i == "ff" && ($(i+1) == "c0" || $(i+1) == "c2")) {print i - 1; exit}}')
[ -n "$frame" ] || fail "no frame header in $good"
{ head -c $((bytes * 2 / 3)) "$good" && printf "$end"; } > cut.jpg
{ head -c $((bytes / 2)) "$good" && tail -c $((bytes / 2 - 64)) "$good"; } > hole.jpg
{ cp "$good" claims.jpg && printf '\x27\x10\x27\x10' | dd of=claims.jpg bs=1 seek=$((frame + 5)) conv=notrunc status=none; }
for name in cut hole claims; do
  code=0
  "$viswords" encode "$source_dir/data/clip-tiny" -t fox $name.jpg --json > $name.json 2> $name.err || code=$?
  [ "$code" != 0 ] || { head -c 400 $name.json >&2 && fail "$name.jpg was read as a picture: $(grep -o '"cosine": *\[[^]]*' $name.json | head -1)"; }
  [ "$code" = 2 ] || { cat $name.err >&2 && fail "$name.jpg: exit code $code"; }
  grep -q "$name.jpg: unreadable JPEG" $name.err || { cat $name.err >&2 && fail "$name.jpg: no reason"; }
done
for part in train test; do
  for class in dog hammer fox; do
    mkdir -p objects/$part/$class && cp "$source_dir/data/objects/$part/$class"/0[0-3].jpg objects/$part/$class/
  done
done
cp cut.jpg objects/train/fox/02.jpg
cat > s.yaml << STUDY
data: {o: {root: objects, concepts: [fox], pictures: {train: 4, test: 4}}}
models: {clip: {weights: $source_dir/data/clip-tiny}}
trials: {anchors: [red], null_concepts: 0}
learn: {watch: {draws: 2}, steps: 1, batch: {positives: 2, negatives: 2}}
STUDY
for command in check "run -o out --quiet"; do
  code=0
  "$viswords" ${command%% *} s.yaml $(grep -o ' .*' <<< "$command" || true) --cache cache > out.txt 2>&1 || code=$?
  [ "$code" = 2 ] || { cat out.txt >&2 && fail "$command accepts a damaged picture: exit code $code"; }
  grep -q "objects/train/fox/02.jpg: unreadable JPEG" out.txt || { cat out.txt >&2 && fail "$command: no reason"; }
done

# The study's choice: left out, counted and named; the trials are those of a data set that never had it.
sed 's/test: 4}/test: 4, damaged: skip}/' s.yaml > skip.yaml
sed -i 's/^learn:.*/&\nstages: [learn, evaluate, collect]/' skip.yaml
"$viswords" check skip.yaml --cache cache > out.txt 2>&1 || { cat out.txt >&2 && fail "skip: check"; }
"$viswords" run skip.yaml -o skip --cache cache --threads 1 > out.txt 2>&1 || { cat out.txt >&2 && fail "skip: run"; }
grep -q "1 picture is skipped (pictures.damaged: skip): .*objects/train/fox/02.jpg: unreadable JPEG" out.txt || { cat out.txt >&2 && fail "skip: not told"; }
h5dump -d /provenance/left_out/what -y skip/study.h5 > out.txt
grep -q "damaged pictures" out.txt || { cat out.txt >&2 && fail "skip: not in study.h5"; }
mv objects/train/fox/02.jpg aside.jpg
"$viswords" run skip.yaml -o without --quiet --cache cache --threads 1 > out.txt 2>&1 || { cat out.txt >&2 && fail "without: run"; }
same skip without
# Scenes: a damaged one is neither learned from nor judged by.
mkdir -p scenes/annotations
cp -r "$source_dir"/data/scenes/test scenes/test
ln -s "$source_dir/data/scenes/train" scenes/train
cp "$source_dir"/data/scenes/annotations/*.json scenes/annotations/
find scenes/test -name '*.jpg' | sort | sed -n '3p;9p' > damaged.txt
while read -r file; do truncate -s 700 "$file"; done < damaged.txt
cat > scenes.yaml << STUDY
data: {o: {kind: coco, root: scenes, concepts: [fox], pictures: {train: 2, damaged: skip}}}
models: {owl: {kind: owlv2, weights: $source_dir/data/owlv2-tiny}}
trials: {anchors: [red], null_concepts: 0}
STUDY
"$viswords" check scenes.yaml --cache cache > out.txt 2>&1 || { cat out.txt >&2 && fail "scenes: check"; }
grep -q "2 pictures are skipped (pictures.damaged: skip): scenes/$(sed -n 1p damaged.txt | cut -d / -f 2-)" out.txt || { cat out.txt >&2 && fail "scenes: not told"; }
sed -i 's/, damaged: skip//' scenes.yaml
code=0
"$viswords" check scenes.yaml --cache cache > out.txt 2>&1 || code=$?
[ "$code" = 2 ] || fail "scenes: a damaged picture is accepted: exit code $code"
# A class of which nothing is left.
for file in objects/train/fox/*.jpg; do cp cut.jpg "$file"; done
code=0
"$viswords" check skip.yaml --cache cache > out.txt 2>&1 || code=$?
[ "$code" = 2 ] || fail "no picture is left: exit code $code"
grep -q "'fox' has no picture left in .* that can be read: .*unreadable JPEG" out.txt || { cat out.txt >&2 && fail "no picture is left: not told"; }
