#!/bin/bash
# Words for a detector through the real program: plan, learn, evaluate, collect on data/scenes; the same bits for one
# rank, for two, after kills, with and without what was cached, and with steps that ranks share; what is cached and what
# is not; mistakes.   test_detect.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
options=(--threads 1 --quiet)
export OPENBLAS_NUM_THREADS=1

# write FILE [LEARN KEYS [PLAN KEYS]]
write() {
  cat > "$1" << END
study: found
seed: 3
data:
  scenes:
    kind: coco
    root: $source_dir/data/scenes
    concepts: [fox, guitar]
    pictures: {train: 5, test: 4, negatives: 9}
models:
  owl: {kind: owlv2, weights: $source_dir/data/owlv2-tiny}
trials:
  anchors: [dog, hammer, bread]
  deltas: [0.5, 1]
learn:
  steps: 6
  watch: {draws: 2}
  batch: {positives: 4, negatives: 4}
  templates: ['a photo of a {}', 'a {}']
  ${2:-streams: concept}
plan: {ranks: 2, block: 3${3:+, $3}}
END
}

# expect CODE COMMAND ...: its output in $work/out, what it says in $work/log.
expect() {
  local code=0 wanted=$1
  shift
  "$@" > "$work/out" 2> "$work/log" || code=$?
  [ "$code" = "$wanted" ] || { cat "$work/log" >&2 && fail "$*: exit code $code, expected $wanted"; }
}

# ids DIR: of the trials in its plan, sorted
ids() { sed -n 's/^ *- \["\([0-9a-f]*\)".*/\1/p' "$1/plan.yaml" | sort; }

study=$work/found.yaml
write "$study"
expect 0 "$viswords" check "$study" -o "$work/one"
expect 0 "$viswords" plan "$study" --json
python3 - "$work/out" << 'END'
import json, sys
plan = json.load(open(sys.argv[1]))
assert [b["trials"] for b in plan["blocks"]] == [3] * 6, plan["blocks"]  # a block holds one concept
END

# One rank, undisturbed. What is kept of pictures: training pictures alone, a file each.
expect 0 "$viswords" run "$study" -o "$work/one" --cache "$work/c1" "${options[@]}"
grep -q 'ap50 over trials' "$work/out" || fail "no table of ap50"
[ -s "$work/one/figures/ap50_against_delta.svg" ] || fail "no figure of ap50"
[ -z "$(find "$work/one/blocks" -name '*-picture-*')" ] || fail "files of pictures are left"
expect 0 "$viswords" draws "$study" -o "$work/draws.safetensors" --cache "$work/c1"
python3 - "$work/draws.safetensors" "$work/c1/patches" << 'END'
import json, os, struct, sys
raw = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
head = json.loads(raw[8:8 + n])
info = json.loads(head["__metadata__"]["json"])["data"]["scenes"]
def get(name):
    a, b = head[name]["data_offsets"]
    return list(struct.unpack(f"<{(b - a) // 4}i", raw[8 + n + a:8 + n + b]))
used = set()
for c in "fox", "guitar", "null-0":
    w, wo = get(f"owl/scenes/{c}/0/with"), get(f"owl/scenes/{c}/0/without")
    assert len(w) in (5, 6) and len(w) <= 5 and len(wo) == 9 and wo == sorted(set(wo)), (c, w, wo)
    assert not set(w) & set(wo), c
    drawn = set(get(f"owl/scenes/{c}/0/positive")), set(get(f"owl/scenes/{c}/0/negative"))
    assert drawn[0] <= set(w) and drawn[1] <= set(wo), (c, drawn)
    used |= set(w) | set(wo)
    if c != "null-0":
        assert all(f"{c}-" in info["train_scenes"][i] for i in w), (c, w)  # named after what they were made for
        assert len(get(f"owl/scenes/{c}/0/judged")) == len(info["test_scenes"]), c
assert len(os.listdir(sys.argv[2])) == len(used), (len(os.listdir(sys.argv[2])), len(used))
END

# Killed as it makes features, learns, judges; gone on with on two ranks: the same bits.
expect 137 env VISWORDS_FAULT=taking:any:4=kill "$viswords" run "$study" -o "$work/two" --cache "$work/c2" "${options[@]}"
expect 137 env VISWORDS_FAULT=renamed:block:4=kill "$viswords" run "$study" -o "$work/two" --cache "$work/c2" "${options[@]}"
expect 0 "${launch[@]}" -n 2 "$viswords" learn "$study" -o "$work/two" --cache "$work/c2" "${options[@]}"
expect 137 env VISWORDS_FAULT=renamed:block:9=kill "$viswords" evaluate "$study" -o "$work/two" --cache "$work/c2" "${options[@]}"
find "$work/two/blocks" -name "*-picture-*" | grep -q . || fail "nothing was judged before the kill"
expect 137 env VISWORDS_FAULT=renamed:evaluation=kill "$viswords" evaluate "$study" -o "$work/two" --cache "$work/c2" "${options[@]}"
expect 0 "${launch[@]}" -n 2 "$viswords" run "$study" -o "$work/two" --cache "$work/c2" "${options[@]}"
expect 0 "$viswords" diff "$work/one" "$work/two"
grep -q 'equal, bit for bit' "$work/out" || fail "diff: $(cat "$work/out")"
[ -z "$(find "$work/two/blocks" -name '*-picture-*')" ] || fail "files of pictures are left by a kill before they were removed"
same "$work/c1/patches" "$work/c2/patches"
expect 0 "$viswords" run "$study" -o "$work/four" --cache "$work/c1" --quiet --threads 2
expect 0 "$viswords" diff "$work/one" "$work/four"
grep -q 'equal, bit for bit' "$work/out" || fail "other threads, other bits"

# A file of the cache that is damaged is made again.
file=$(ls "$work"/c1/patches/*.safetensors | head -1)
printf x | dd of="$file" bs=1 seek=20000 conv=notrunc 2> /dev/null
expect 0 "$viswords" run "$study" -o "$work/again" --cache "$work/c1" "${options[@]}"
same "$work/c1/patches" "$work/c2/patches"
expect 0 "$viswords" diff "$work/one" "$work/again"
grep -q 'equal, bit for bit' "$work/out" || fail "after damage in the cache"

# Streams of their own: each word draws its pictures. Steps cut into slices: the same bits on one rank and on two.
write "$work/streams.yaml" 'streams: trial'
expect 0 "$viswords" run "$work/streams.yaml" -o "$work/streams" --cache "$work/c1" "${options[@]}"
write "$work/slices.yaml" '' 'ranks_per_block: 2'
expect 0 "$viswords" learn "$work/slices.yaml" -o "$work/alone" --cache "$work/c1" "${options[@]}"
expect 0 "${launch[@]}" -n 2 "$viswords" learn "$work/slices.yaml" -o "$work/shared" --cache "$work/c1" "${options[@]}"
same "$work/alone" "$work/shared"

# Patches matched at every step: other words (and trials) than with fixed ones, the same bits in slices on two ranks.
write "$work/dynamic.yaml" 'matching: dynamic' 'ranks_per_block: 2'
expect 0 "$viswords" learn "$work/dynamic.yaml" -o "$work/dynamic" --cache "$work/c1" "${options[@]}"
expect 0 "${launch[@]}" -n 2 "$viswords" learn "$work/dynamic.yaml" -o "$work/dynamic2" --cache "$work/c1" "${options[@]}"
same "$work/dynamic" "$work/dynamic2"
expect 0 "$viswords" plan "$work/dynamic.yaml" --json
[ -z "$(comm -12 <(ids "$work/alone") <(ids "$work/dynamic"))" ] || fail "a trial is the same whatever the matching"
[ "$(ids "$work/alone" | wc -l)" = 18 ] || fail "18 trials: $(ids "$work/alone" | wc -l)"

# Padded with black: other pictures, other trials, other features beside the first ones.
sed 's/negatives: 9}/negatives: 9, pad: black}/' "$study" > "$work/black.yaml"
before=$(ls "$work/c1/patches" | wc -l)
expect 0 "$viswords" learn "$work/black.yaml" -o "$work/black" --cache "$work/c1" "${options[@]}"
[ -z "$(comm -12 <(ids "$work/one") <(ids "$work/black"))" ] || fail "a trial is the same whatever pictures are padded with"
[ "$(ls "$work/c1/patches" | wc -l)" = $((2 * before)) ] || fail "features: $before before, $(ls "$work/c1/patches" | wc -l) now"

# Judged in several sentences: one alone is the one of judging; two are neither of them.
judged() { # SENTENCES: metrics of the words, as the study's file of evaluations has them
  { cat "$study" && echo "judge: {templates: [$1]}"; } > "$work/sentences.yaml"
  expect 0 "$viswords" evaluate "$work/sentences.yaml" -o "$work/one" --cache "$work/c1" "${options[@]}"
  expect 0 "$viswords" collect "$work/sentences.yaml" -o "$work/one" --cache "$work/c1" "${options[@]}"
  h5dump -d /evaluation/detection "$work/one/study.h5" | grep '^ *('
}
h5dump -d /evaluation/detection "$work/one/study.h5" | grep '^ *(' > "$work/sentence.txt"
judged "'a photo of a {}'" > "$work/alone.txt"
cmp "$work/sentence.txt" "$work/alone.txt" || fail "one of several sentences is not that sentence"
judged "'a {}', 'a drawing of the {}'" > "$work/several.txt"
cmp -s "$work/sentence.txt" "$work/several.txt" && fail "several sentences judge as one"

# Mistakes: a concept that is not there, a way of matching that is none.
sed 's/guitar/gitar/' "$study" > "$work/wrong.yaml"
expect 2 "$viswords" check "$work/wrong.yaml"
grep -q "gitar" "$work/log" "$work/out" || fail "no word of gitar"
write "$work/wrong.yaml" 'matching: dynamc'
expect 2 "$viswords" check "$work/wrong.yaml"
grep -q 'learn.matching.*fixed or dynamic' "$work/log" "$work/out" || fail "no word of matching"
echo "words for a detector: the same bits on ranks, threads, after kills, in slices"
