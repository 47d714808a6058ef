#!/bin/bash
# A second network and task through the doors: plan, learn, evaluate, collect, resume and diff of a study that has the
# toy's words beside CLIP's, with a program whose list of kinds is the tests' own.   test_doors.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
viswords=$(cd "$2" && pwd)/tests/viswords_toy
study=$source_dir/tests/doors/toy.yaml
options=(--threads 1 --cache "$work/cache")
export OPENBLAS_NUM_THREADS=1

# expect CODE COMMAND ...: its output in $work/log.
expect() {
  local code=0 wanted=$1
  shift
  "$@" > "$work/out" 2> "$work/log" || code=$?
  [ "$code" = "$wanted" ] || { cat "$work/log" >&2 && fail "$*: exit code $code, expected $wanted"; }
}

# The plan: a block of the toy holds one concept, of at most three words; CLIP's are cut as ever.
expect 0 "$viswords" plan "$study" --json
python3 - "$work/out" << 'END'
import json, sys
plan = json.load(open(sys.argv[1]))
toy = [b["trials"] for b in plan["blocks"] if b["model"] == "toy"]
clip = [b["trials"] for b in plan["blocks"] if b["model"] == "clip"]
assert toy == [2] * 6 and clip == [6, 6], (toy, clip)
assert plan["memory"]["block"] > 0 and "pictures" in plan["memory"], plan["memory"]
END
expect 0 "$viswords" check "$study"

# One rank, undisturbed.
expect 0 "$viswords" run "$study" -o "$work/one" --quiet "${options[@]}"
grep -q '^untouched anchor .*' "$work/out" || fail "no table"
grep -q 'likeness over trials' "$work/out" || fail "the toy's metrics are not in the table"
for figure in likeness recall; do [ -s "$work/one/figures/${figure}_against_delta.svg" ] || fail "no figure of $figure"; done
[ -z "$(find "$work/one/blocks" -name '*-picture-*')" ] || fail "files of pictures are left"

# Killed while it learns, then while it judges pictures, gone on with on two ranks: the same bits.
expect 137 env VISWORDS_FAULT=taking:any:4=kill "$viswords" learn "$study" -o "$work/two" --quiet "${options[@]}"
expect 137 env VISWORDS_FAULT=renamed:block:7=kill "$viswords" run "$study" -o "$work/two" --quiet "${options[@]}"
expect 0 mpirun --oversubscribe --bind-to none -n 2 "$viswords" learn "$study" -o "$work/two" --quiet "${options[@]}"
expect 137 env VISWORDS_FAULT=renamed:block:11=kill "$viswords" evaluate "$study" -o "$work/two" --quiet "${options[@]}"
[ -n "$(find "$work/two/blocks" -name '*-picture-*')" ] || fail "nothing was judged before the kill"
before=$(find "$work/two/blocks" -name '*-picture-*' | wc -l)
expect 0 mpirun --oversubscribe --bind-to none -n 2 "$viswords" run "$study" -o "$work/two" --quiet "${options[@]}"
expect 0 "$viswords" diff "$work/one" "$work/two"
grep -q 'equal, bit for bit' "$work/out" || fail "diff: $(cat "$work/out")"
[ "$before" -gt 3 ] || fail "$before pictures were judged before the kill"

# What an earlier version judged, which kept metrics alone, stopped in the middle of a picture-by-picture evaluation: its
# scores count, its parts too, what is computed of what it did not keep is NaN, and `collect` says how to judge again.
# After that all is as if this version had judged.
cp -r "$work/one" "$work/earlier"
find "$work/earlier/blocks" \( -name '*-evaluation*' -o -name '*-baselines*' \) -delete
expect 137 env TOY_KEEPS=nothing VISWORDS_FAULT=renamed:block:11=kill "$viswords" evaluate "$study" -o "$work/earlier" --quiet "${options[@]}"
expect 0 "$viswords" evaluate "$study" -o "$work/earlier" --quiet "${options[@]}" # parts without what is kept
expect 0 "$viswords" collect "$study" -o "$work/earlier" --quiet --cache "$work/cache"
cmp "$work/one/summary.csv" "$work/earlier/summary.csv" || fail "other scores of an earlier version"
find "$work/earlier/blocks" \( -name '*-evaluation*' -o -name '*-baselines*' \) -delete
expect 0 env TOY_KEEPS=nothing "$viswords" evaluate "$study" -o "$work/earlier" --quiet "${options[@]}"
expect 0 "$viswords" collect "$study" -o "$work/earlier" --quiet --cache "$work/cache"
grep -q "8 files with metrics are of an earlier version, .* 'viswords evaluate --complete', then" "$work/log" || fail "nothing said: $(cat "$work/log")"
h5ls "$work/earlier/study.h5" | grep -q '^pictures' && fail "what nobody kept is in study.h5"
expect 0 "$viswords" evaluate "$study" -o "$work/earlier" --quiet "${options[@]}" # does nothing
h5ls "$work/one/study.h5/pictures/toy" | grep -q '^signatures .*{12, 27}' || fail "no signatures in study.h5"
expect 0 mpirun --oversubscribe --bind-to none -n 2 "$viswords" evaluate "$study" -o "$work/earlier" --complete --quiet "${options[@]}"
expect 0 "$viswords" collect "$study" -o "$work/earlier" --quiet --cache "$work/cache"
same "$work/one/blocks" "$work/earlier/blocks"
expect 0 "$viswords" diff "$work/one" "$work/earlier"
grep -q 'equal, bit for bit' "$work/out" || fail "diff: $(cat "$work/out")"
rm -r "$work/earlier"

# Groups, metrics and units of study.h5 come from the task; each task has its own rows.
h5ls -r "$work/one/study.h5" > "$work/list"
for want in '/evaluation/colouring .*{12, 3}' '/evaluation/colouring_metric ' '/evaluation/colouring_trial ' \
  '/evaluation/colouring_baselines/metrics ' '/summary/colouring/mean ' '/evaluation/classification .*{12, 4}' \
  '/evaluation/metric '; do
  grep -q "^$want" "$work/list" || fail "study.h5 has no $want"
done
[ "$(h5ls -r "$work/one/study.h5" | grep -c '^/provenance/judge/')" = 1 ] || fail "not the judge of the one model that has one"
grep -q '^toy,objects,word,value,1,likeness,4,' "$work/one/summary.csv" || fail "summary.csv has no likeness"

# What words drew is kept a file each, under the names of trials and baselines; what killed runs left is cleared away.
drawn=$work/one/pictures/toy-objects
for file in fox/dog-0.5-r0-0 fox/hammer-1-r0-3 pineapple/anchor-dog-0 pineapple/random-word-1 fox/random-direction-dog-1-0; do
  [ -s "$drawn/$file.png" ] || fail "no picture $file"
done
[ ! -e "$drawn/fox/random-direction-dog-0.5-0.png" ] || fail "a direction that is not asked for"
for concept in fox pineapple; do [ -s "$drawn/$concept.png" ] || fail "no sheet of $concept"; done
diff -r "$work/one/pictures" "$work/two/pictures" > "$work/log" || fail "other pictures: $(cat "$work/log")"
touch "$drawn/fox/x.png.partial-0123456789abcdef" "$drawn/note.partial-0123456789abcdef"

# The judge counts by what it holds: another place is no other judge, another judge judges again and learns nothing. One
# that learns words is warned about.
blocks() { (cd "$work/one/blocks" && find . -name '*.safetensors' -printf '%p %i\n' | sort); }
blocks > "$work/before"
cp -r "$source_dir/data/judge-tiny" "$work/judge"
sed "s#\.\./\.\./data/judge-tiny#$work/judge#; s#\.\./\.\./#$source_dir/#" "$study" > "$work/elsewhere.yaml"
expect 0 "$viswords" run "$work/elsewhere.yaml" -o "$work/one" --quiet "${options[@]}"
blocks | cmp - "$work/before" || fail "the judge's place is part of an evaluation"
[ ! -e "$drawn/fox/x.png.partial-0123456789abcdef" ] || fail "a half-written picture is left"
[ -e "$drawn/note.partial-0123456789abcdef" ] || fail "a file of somebody else is gone"
grep -q 'learns words itself' "$work/log" && fail "a judge that learns nothing is warned about"
sed "s#$work/judge#$source_dir/data/clip-tiny#" "$work/elsewhere.yaml" > "$work/learner.yaml"
expect 0 "$viswords" check "$work/learner.yaml"
grep -q "learner.yaml:.*models.toy.judge.weights: this network learns words itself, as model 'clip'" "$work/out" ||
  fail "no warning: $(cat "$work/out")"
expect 0 "$viswords" run "$work/learner.yaml" -o "$work/one" --quiet "${options[@]}"
grep -q "learns words itself, as model 'clip'" "$work/log" || fail "no warning of a run: $(cat "$work/log")"
blocks > "$work/after"
[ -z "$(comm -23 "$work/before" "$work/after")" ] || fail "another judge touched what was there"
[ "$(comm -13 "$work/before" "$work/after" | grep -c -e '-evaluation-' -e '-baselines')" = 8 ] || fail "not judged again: $(comm -13 "$work/before" "$work/after")"
[ "$(comm -13 "$work/before" "$work/after" | wc -l)" = 8 ] || fail "more than judged again"
refused() { # SED MESSAGE
  sed "$1" "$work/elsewhere.yaml" > "$work/wrong.yaml"
  expect 2 "$viswords" check "$work/wrong.yaml"
  grep -q -e "$2" "$work/out" || fail "message: $(cat "$work/out"), expected: $2"
}
refused '/judge/d' "judge.weights: missing; model 'toy' needs it, here or as models.toy.judge.weights"
refused "s#$work/judge#$source_dir/data/owlv2-tiny#" 'models.toy.judge.weights: .*owlv2-tiny'
refused "s#$work/judge#$source_dir/data/sd-tiny#" 'models.toy.judge.weights: .*sd-tiny'
refused "s#$work/judge#$work/nowhere#" 'models.toy.judge.weights: .*nowhere'

# The same words without the other model in the study: what stands beside it changes nothing.
sed '/^  clip:/d' "$study" > "$work/alone.yaml"
sed -i "s#\.\./\.\./#$source_dir/#" "$work/alone.yaml"
expect 0 "$viswords" run "$work/alone.yaml" -o "$work/alone" --quiet "${options[@]}"
for file in "$work"/alone/blocks/*/*-evaluation*.safetensors; do
  cmp "$file" "${file/alone/one}" || fail "other metrics alone"
done

# What the real program says to a kind that it does not have.
expect 2 "$(cd "$2" && pwd)/viswords" plan "$study"
grep -q 'models.toy.kind: expected clip' "$work/log" || fail "message: $(cat "$work/log")"
echo "a second network and task: plan, learn, evaluate, collect, resume and diff"
