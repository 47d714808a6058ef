#!/bin/bash
# Words judged by what they draw: killed, gone on with on two ranks, the same numbers and pictures; other names for the
# judge draw nothing again; what is wrong about judges.   test_drawn.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
options=(--quiet --threads 1 --cache "$work/cache")
cat > "$work/plain.yaml" << END_OF_STUDY
seed: 7
data:
  portraits: {root: $source_dir/data/portraits, concepts: [fox, pineapple], classes: [bicycle], pictures: {train: 2}}
models:
  sd:
    kind: stable-diffusion
    weights: $source_dir/data/sd-tiny
    judge: {weights: $source_dir/data/judge-tiny, names: [dog, bus, bread, hammer], pictures: 2, steps: 2, guidance: 4}
trials: {anchors: [dog], deltas: [0.5, 1], null_concepts: 1}
learn: {watch: {draws: 2}, steps: 3, batch: {positives: 1}, templates: ['a photo of a {}']}
plan: {ranks: 2, backend: cpu}
END_OF_STUDY
run() { # CODE COMMAND ...
  local code=0 wanted=$1
  shift
  "$@" > "$work/out" 2> "$work/log" || code=$?
  [ "$code" = "$wanted" ] || { cat "$work/log" >&2 && fail "$*: exit code $code, expected $wanted"; }
}
files() { (cd "$1" && find . -type f -printf '%p %i %T@\n' | sort); }

run 0 "$viswords" run "$work/plain.yaml" -o "$work/one" "${options[@]}"
"$viswords" report "$work/one" --cache "$work/cache" --quiet || fail "no report"
python3 "$source_dir/tests/jobs/page.py" "$work/one/report.html" 'contact sheets, made smaller' \
  'Do words that lie apart draw pictures that look alike?' >&2 || fail "the report"
drawn=$work/one/pictures/sd-portraits
# two trials; an anchor, a random word, a direction; the name that the network knows
[ "$(find "$drawn/fox" -type f | wc -l)" = 10 ] || fail "pictures of fox: $(ls "$drawn/fox")"
[ "$(find "$drawn/pineapple" -type f | wc -l)" = 12 ] || fail "pictures of pineapple: $(ls "$drawn/pineapple")"
[ "$(find "$drawn" -type f | wc -l)" = 24 ] || fail "more than pictures and sheets of two concepts"
cmp "$drawn/fox/anchor-dog-1.png" "$drawn/pineapple/anchor-dog-1.png" > /dev/null && fail "the files do not say whose they are"
[ "$(h5ls -r "$work/one/study.h5" | grep -c '^/evaluation/generation .*{6, 3}')" = 1 ] || fail "no /evaluation/generation"
"$viswords" status "$work/one" | grep -q '6 of 6 trials learned (100 %), 6 judged; baselines of 2 concepts' || fail "status"
run 0 "$viswords" verify --files "$work/one"

# How alike the judge finds these pictures: a mean feature a word, and of what words are compared with; one anchor has no
# pairs of its own, its real name and itself are there to be compared with.
h5ls -r "$work/one/study.h5" | tr -s ' ' > "$work/list"
for line in '/pictures/sd/features Dataset {6, 128}' '/pictures/sd/baseline_features Dataset {8, 128}'; do
  grep -qxF "$line" "$work/list" || fail "no $line: $(grep /pictures "$work/list")"
done
run 0 "$viswords" figures "$work/one"
for row in 'real name",1,,1,' 'own anchor",1,,2,'; do
  grep -q "^sd,portraits,\"picture cosine, $row[0-9-]" "$work/one/figures/performant.csv" || fail "$row: $(cat "$work/one/figures/performant.csv")"
done

# Killed in the middle of judging, then on two ranks that share their weights.
run 0 "$viswords" learn "$work/plain.yaml" -o "$work/two" "${options[@]}"
run 137 env VISWORDS_FAULT=renamed:block:3=kill "$viswords" evaluate "$work/plain.yaml" -o "$work/two" "${options[@]}"
[ -n "$(find "$work/two/blocks" -name '*-picture-*')" ] || fail "nothing was judged before the kill"
run 0 env VISWORDS_SHARE_WEIGHTS=1 mpirun --oversubscribe --bind-to none -n 2 "$viswords" run "$work/plain.yaml" \
  -o "$work/two" "${options[@]}"
run 0 "$viswords" diff "$work/one" "$work/two"
grep -q 'equal, bit for bit' "$work/out" || fail "diff: $(cat "$work/out")"
diff -r "$work/one/pictures" "$work/two/pictures" > "$work/out" || fail "other pictures: $(cat "$work/out")"

# Other names: judged again, but no picture is drawn again.
files "$drawn/fox" > "$work/before"
sed 's/names: \[[^]]*\], //' "$work/plain.yaml" > "$work/all.yaml"
run 0 "$viswords" run "$work/all.yaml" -o "$work/one" "${options[@]}"
files "$drawn/fox" | cmp - "$work/before" || fail "pictures that were there are drawn again"
[ "$(find "$work/one/blocks" -name '*-baselines.safetensors' | wc -l)" = 4 ] || fail "not judged again"
# With fewer layers of the text encoder: pictures of their own; with all of them those that are there, and the scores of
# evaluate; the anchor is drawn once.
files "$drawn" > "$work/before"
sed 's/^plan:.*/&\ntruncation: {depths: [0, 6], pictures: 1, deltas: [1]}\nstages: [learn, evaluate, truncation, collect]/' \
  "$work/plain.yaml" > "$work/cut.yaml"
cp -r "$work/one" "$work/cut"
run 0 "$viswords" run "$work/cut.yaml" -o "$work/one" "${options[@]}"
files "$drawn" | grep -v /layers-0- | cut -d' ' -f1 | cmp - <(cut -d' ' -f1 "$work/before") || fail "other pictures are there"
files "$drawn" | grep -v -e /layers-0- -e '^\./[^/]*\.png' | cmp - <(grep -v '^\./[^/]*\.png' "$work/before") || fail "drawn again"
(cd "$drawn" && find . -name 'layers-*' | sort) > "$work/list"
printf './%s-0.png\n' fox/layers-0-anchor-dog fox/layers-0-dog-1-r0 pineapple/layers-0-anchor-dog \
  pineapple/layers-0-dog-1-r0 pineapple/layers-0-name | cmp - "$work/list" || fail "pictures: $(cat "$work/list")"
grep -q '^sd,portraits,learned,,0,6,0,1,value,named,2,' "$work/one/truncation.csv" || fail "$(cat "$work/one/truncation.csv")"
h5ls -r "$work/one/study.h5" | grep -q '^/truncation/generation/evaluation .*{6, 2, 3}' || fail "no /truncation/generation"
refused() { # SED MESSAGE
  sed "$1" "$work/plain.yaml" > "$work/wrong.yaml"
  run 2 "$viswords" check "$work/wrong.yaml"
  grep -q -e "$2" "$work/out" || fail "message: $(cat "$work/out"), expected: $2"
}
refused 's/weights: [^ ]*judge-tiny, //' "judge.weights: missing; model 'sd' needs it"
refused "s#names: \[[^]]*\]#names: none.txt#" 'judge.names: no file .*none.txt'
echo "words judged by what they draw"
