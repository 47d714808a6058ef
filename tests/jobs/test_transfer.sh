#!/bin/bash
# Words carried from network to network: the same bits for one rank, for two, on more threads, after kills; maps and
# carried words as numpy has them; what study.h5 holds; other maps stand beside; words of files; mistakes.
#   test_transfer.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
clip=$source_dir/data/clip-tiny owl=$source_dir/data/owlv2-tiny
options=(--threads 1 --quiet --cache "$work/cache")

# Few scenes: a detector is judged on all of the test part.
mkdir -p "$work/scenes/annotations"
ln -s "$source_dir"/data/scenes/{train,test} "$work/scenes/"
python3 - "$source_dir/data/scenes/annotations" "$work/scenes/annotations" << 'END'
import json, os, sys
for name in os.listdir(sys.argv[1]):
    part = json.load(open(os.path.join(sys.argv[1], name)))
    part["images"] = [i for i in part["images"] if i["file_name"].startswith(("fox", "guitar", "airplane"))][:16]
    here = {i["id"] for i in part["images"]}
    part["annotations"] = [a for a in part["annotations"] if a["image_id"] in here]
    json.dump(part, open(os.path.join(sys.argv[2], name), "w"))
END

# write FILE [TRANSFER KEYS]: each model has a word that the other has not.
write() {
  cat > "$1" << END
study: carried
seed: 5
data:
  objects:
    root: $source_dir/data/objects
    concepts: [fox, guitar]
    classes: [dog, hammer, camel, camera]
    pictures: {train: 3, test: 2}
  scenes:
    kind: coco
    root: $work/scenes
    concepts: [fox, guitar]
    pictures: {train: 2, negatives: 3}
models:
  clip: {kind: clip, weights: $clip, data: [objects]}
  owl: {kind: owlv2, weights: $owl, data: [scenes], trials: {anchors: [dog, hammer]}}
trials: {anchors: [dog, bread], deltas: [0.5, 1], null_concepts: 1}
learn: {watch: {draws: 2}, steps: 5, batch: {positives: 2, negatives: 2}, templates: ['a photo of a {}']}
plan: {ranks: 2, block: 4}
transfer: {${2:-all: false}}
stages: [learn, evaluate, transfer, collect]
END
}

# expect CODE COMMAND ...: its output in $work/out, what it says in $work/log.
expect() {
  local code=0 wanted=$1
  shift
  "$@" > "$work/out" 2> "$work/log" || code=$?
  [ "$code" = "$wanted" ] || { cat "$work/log" "$work/out" >&2 && fail "$*: exit code $code, expected $wanted"; }
}
says() { grep -qF -e "$1" "$work/log" "$work/out" || fail "nobody said '$1': $(cat "$work/log" "$work/out")"; }
equal() { expect 0 "$viswords" diff "$work/$1" "$work/$2" && says 'equal, bit for bit'; }

study=$work/carried.yaml
write "$study"
expect 0 "$viswords" check "$study"
expect 0 "$viswords" learn "$study" -o "$work/one" "${options[@]}"
cp -r "$work/one" "$work/two"
expect 0 "$viswords" run "$study" -o "$work/one" "${options[@]}"
for line in 'words carried clip->owl, ap50 on scenes' 'words carried owl->clip, recall on objects' 'do words transfer?' \
  'map: ridge, lambda 1, of 877 words' 'delta 0.5, words of (down) in (across)' '  clip->owl at delta 1: ' '  owl->clip at delta 1: '; do
  says "$line"
done
grep -q '^clip->owl,scenes,carried word,in domain minus carried,1,ap50,2,' "$work/one/summary.csv" || fail "summary.csv"
[ -z "$(find "$work/one/blocks" -name '*-picture-*')" ] || fail "files of pictures are left"
[ "$(find "$work/one/blocks" -name '*-map.safetensors' | wc -l)" = 2 ] || fail "maps"

# The report: a matrix a delta, maps, the answer.
expect 0 "$viswords" report "$work/one" --cache "$work/cache"
python3 "$source_dir/tests/jobs/page.py" "$work/one/report.html" 'of 2 ways from one network to another' \
  'Delta 0.5: words of (rows) in (columns)' 'clip → owl ridge 1.000 877 192 → 192' 'carried random word' >&2 || fail "the report"

expect 0 "$viswords" status "$work/one"
says "carried to other networks: 2 maps, $(find "$work/one/blocks" -name '*-carried.safetensors' | wc -l) sets of words judged there"
expect 0 "$viswords" plan "$study"
says ', transfer '

# Killed as it fits maps, as pictures are judged; gone on with on two ranks and two threads: the same bits.
expect 137 env VISWORDS_FAULT=renamed:block:2=kill "$viswords" transfer "$study" -o "$work/two" "${options[@]}"
expect 137 env VISWORDS_FAULT=renamed:block:4=kill "$viswords" transfer "$study" -o "$work/two" "${options[@]}"
find "$work/two/blocks" -name '*-picture-*' | grep -q . || fail "nothing was judged before the kill"
# as_simulated STUDY NAME RANKS STAGES...: runs what is left. Each stage asks its queues what `simulate --stages` says.
as_simulated() {
  rm -rf "$work/$2/log"
  "$viswords" simulate "$1" -o "$work/$2" --cache "$work/cache" --stages --ranks "$3" --json > "$work/simulated" 2>&1 ||
    fail "simulate: $(cat "$work/simulated")"
  expect 0 "${launch[@]}" -n "$3" "$viswords" run "$1" -o "$work/$2" "${options[@]}" --threads 2
  python3 - "$work/simulated" "$work/$2/log" "${@:3}" << 'END' || fail "simulate of $2: $(cat "$work/simulated" "$work/$2/log/"rank-*)"
import collections, json, re, sys
simulated, took, reports = collections.Counter(), collections.Counter(), collections.Counter()
text = open(sys.argv[1]).read()
for row in json.loads(text[text.index("{"):])["rows"]:
    stage = {"maps": "transfer"}.get(row["stage"], row["stage"])
    if stage not in ("collect", "all"):
        simulated[stage, "takes"] += row["requests"]["takes"]
        simulated[stage, "items"] += row["requests"]["reports"]
for rank in range(int(sys.argv[3])):
    for line in open(f"{sys.argv[2]}/rank-{rank}.jsonl"):
        found = re.search(r"queue stage=(\w+) .* items=(\d+) .* takes=(\d+) reports=(\d+)", line)
        if found:
            took[found[1], "takes"] += int(found[3])
            took[found[1], "items"] += int(found[2])
            reports[found[1]] += int(found[4])
assert took == simulated and {stage for stage, _ in took} == set(sys.argv[4:]), (took, simulated)
# what is done while a report is under way goes with the next one
assert all(0 < n <= took[stage, "items"] for stage, n in reports.items()), (took, reports)
END
}
as_simulated "$study" two 2 evaluate transfer
equal one two
same "$work/one/blocks" "$work/two/blocks"

# With the first layers of the text encoder alone, and states of carried words: killed and gone on with on two ranks, the
# same bits; with all layers the very numbers of evaluate and transfer; with none every word of a concept is the same.
sed 's/data: .objects./&, truncation: {depths: [0, 6]}/; s/^stages:.*/stages: [learn, evaluate, transfer, truncation, probe, collect]/
  s/^plan:.*/&\ntruncation: {depths: [4, 1]}/' "$study" > "$work/cut.yaml"
cp -r "$work/one" "$work/three"
expect 0 "$viswords" run "$work/cut.yaml" -o "$work/one" "${options[@]}"
expect 137 env VISWORDS_FAULT=renamed:block:9=kill "$viswords" truncation "$work/cut.yaml" -o "$work/three" "${options[@]}"
as_simulated "$work/cut.yaml" three 2 truncation probe
same "$work/one/blocks" "$work/three/blocks"
cmp "$work/one/truncation.csv" "$work/three/truncation.csv" || fail "truncation.csv"
cmp "$work/one/probe.csv" "$work/three/probe.csv" || fail "probe.csv"
expect 0 "$viswords" truncation "$work/cut.yaml" -o "$work/one" --threads 1 --cache "$work/cache"
says 'sets of words are judged already'
expect 0 python3 "$source_dir/tests/jobs/truncated.py" "$work/one/blocks" clip=6 owl=4
says "words with all layers: 8 learned, 4 carried, 12 known"
grep -q '^owl,scenes,carried,clip,1,4,1,1,value,ap50,2,' "$work/one/truncation.csv" || fail "no carried words in truncation.csv"
grep -q '^owl,scenes,word,0,1,concept neighbour,clip,' "$work/one/probe.csv" || fail "no carried words in probe.csv"
h5ls -r "$work/one/study.h5" | tr -s ' ' > "$work/list"
for line in '/truncation/detection/evaluation Dataset {12, 2, 13}' '/activations/owl/state Dataset {18, 2, 5, 192}'; do
  grep -qF "$line" "$work/list" || fail "no $line: $(grep -e /truncation -e /activations "$work/list")"
done
sed 's/depths: .0, 6./depths: [7]/' "$work/cut.yaml" > "$work/wrong.yaml"
expect 2 "$viswords" check "$work/wrong.yaml"
says 'the text encoder of model clip has 6 layers, 7 cannot be kept'
rm -r "$work/one"
cp -r "$work/two" "$work/one"

# As numpy has them, where there is one.
for python in /usr/bin/python3 python3 none; do
  [ $python = none ] && echo "no numpy: maps are not compared" && break
  "$python" -c 'import numpy' 2> /dev/null || continue
  "$python" "$source_dir/tests/reference/transfer.py" "$work/one" clip="$clip" owl="$owl" > "$work/out" ||
    fail "numpy: $(cat "$work/out")"
  says '2 maps, 8 carried words'
  break
done

# What study.h5 holds.
h5ls -r "$work/one/study.h5" | grep -E '^/(summary/)?transfer' | tr -s ' ' > "$work/list"
diff "$work/list" "$source_dir/tests/jobs/transfer.txt" >&2 || fail "study.h5 holds other data sets"

# Boxes of words learned there and carried there over the photos that evaluate left; without these the numbers alone, and
# the figure says why.
expect 0 "$viswords" figures "$work/one"
counts() { sed -n 's/.*<metadata>\(.*\)<.metadata>.*/\1/p' "$work/one/figures/transfer_owl.svg"; }
[[ $(counts) == *'pictures 16' ]] || fail "boxes: $(counts)" # 4 words: the anchor, 2 deltas; of 2 of them 2 carried
find "$work/one/pictures/owl-scenes" -name 'scene-[01].png' | wc -l | grep -qx 4 || fail "photos"
rm -r "$work/one/pictures"
expect 0 "$viswords" figures "$work/one"
[[ $(counts) == *'pictures 0' ]] || fail "boxes of no photos: $(counts)"
cp -r "$work/two/pictures" "$work/one/"

# Other maps: nothing is learned again, nothing changes in a network's own words, and what was carried stays.
ids() { sed -n 's/^ *- \["\([0-9a-f]*\)".*/\1/p' "$1/plan.yaml"; }
files() { (cd "$work/one/blocks" && find . -name '*.safetensors' | sort); }
files > "$work/before"
write "$work/other.yaml" 'map: orthogonal, bias: true, all: true, radius: kept, pairs: [clip->owl]'
for part in 2/2 1/2; do expect 0 "$viswords" transfer "$work/other.yaml" -o "$work/one" "${options[@]}" --part $part; done
expect 0 "$viswords" collect "$work/other.yaml" -o "$work/one" "${options[@]}"
cmp <(ids "$work/one") <(ids "$work/two") || fail "other trials"
says 'map: orthogonal, of 877 words'
grep -q '^owl->clip' "$work/one/summary.csv" && fail "a pair that was not asked for"
grep -q '^clip->owl,scenes,carried word,value,1,ap50,4,' "$work/one/summary.csv" || fail "not all words"
files > "$work/after"
[ -z "$(comm -23 "$work/before" "$work/after")" ] || fail "results were removed"
comm -13 "$work/before" "$work/after" | grep -v -e '-map\.' -e '-carried\.' && fail "more than maps and carried words is new"
expect 0 "$viswords" run "$study" -o "$work/one" "${options[@]}"
equal one two

# Words of a file.
expect 0 "$viswords" transfer "$work/one:clip,fox+dog" --from "$clip" --to "$owl" -o "$work/word.safetensors" --anchor dog
says '2 words of width 192'
expect 0 "$viswords" detect "$owl" "$source_dir/data/scenes/test/airplane-00.jpg" --words "$work/word.safetensors"
expect 2 "$viswords" transfer "$work/one:owl,fox" --from "$clip" --to "$owl" -o "$work/wrong.safetensors"
says 'give --from the network that learned them'
expect 2 "$viswords" transfer "$work/word.safetensors:nothing" --from "$owl" --to "$clip" -o "$work/wrong.safetensors"
says 'no word of width 192'
python3 - "$work/nan.safetensors" << 'END'
import struct, sys
head = b'{"word":{"dtype":"F32","shape":[192],"data_offsets":[0,768]}}'
open(sys.argv[1], "wb").write(struct.pack("<Q", len(head)) + head + struct.pack("<192f", *[float("nan")] * 192))
END
expect 2 "$viswords" transfer "$work/nan.safetensors" --from "$clip" --to "$owl" -o "$work/wrong.safetensors"
says "not finite"
[ ! -e "$work/wrong.safetensors" ] || fail "a file of wrong words"

# Mistakes of a study are told before anything is learned; no word is carried that is not learned.
write "$work/none.yaml"
expect 2 "$viswords" transfer "$work/none.yaml" -o "$work/none" "${options[@]}"
says "run 'viswords learn $work/none.yaml -o $work/none'"
write "$work/wrong.yaml" 'pairs: [clip->owl, owl->cilp]'
expect 2 "$viswords" check "$work/wrong.yaml"
says "'owl->cilp' is no pair of models"
grep -v '^  owl:' "$study" | sed 's/, data: .objects.//; /^  scenes:/,/negatives/d' > "$work/alone.yaml"
expect 2 "$viswords" check "$work/alone.yaml"
says 'transfer needs two models with different networks'
mkdir "$work/few"
ln -s "$owl"/* "$work/few/"
rm "$work/few/trained_words.txt"
head -99 "$owl/trained_words.txt" > "$work/few/trained_words.txt"
sed "s#$owl#$work/few#" "$study" > "$work/few.yaml"
expect 2 "$viswords" check "$work/few.yaml"
says 'trained words in common; a linear map of 192 dimensions needs 100'
echo "words carried between networks: the same bits on ranks, threads, after kills; as numpy has them"
