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
learn: {steps: 1, batch: {positives: 2, negatives: 2}}
STUDY
for command in check "run -o out --quiet"; do
  code=0
  "$viswords" ${command%% *} s.yaml $(grep -o ' .*' <<< "$command" || true) --cache cache > out.txt 2>&1 || code=$?
  [ "$code" = 2 ] || { cat out.txt >&2 && fail "$command accepts a damaged picture: exit code $code"; }
  grep -q "objects/train/fox/02.jpg: unreadable JPEG" out.txt || { cat out.txt >&2 && fail "$command: no reason"; }
done
