#!/bin/bash
# `viswords classify`: the shares of `encode`, which are transformers' (tests/jobs/test_encode.sh); words of a study by
# concept and by id; damaged pictures; what is refused.   test_classify.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
model=$source_dir/data/clip-tiny
pictures=$source_dir/data/objects/test
cd "$work"

# classify CODE ARGUMENTS...: output in out.txt
classify() {
  local expected=$1 code=0
  shift
  "$viswords" classify "$@" --threads 1 > out.txt 2>&1 || code=$?
  [ "$code" = "$expected" ] || fail "classify $*: exit code $code, expected $expected: $(cat out.txt)"
}
says() { grep -qF -- "$1" out.txt || fail "expected '$1' in: $(cat out.txt)"; }

# Shares as encode has them of the same texts; the best first.
printf 'dog\nhammer\n# not a comment to a list of texts\nfire_truck\n' | grep -v '^#' > names.txt
classify 0 "$model" "$pictures/hammer/00.jpg" --names names.txt --template 'a {}' --json
grep -o '"name":"[^"]*","share":[0-9.e-]*' out.txt | sed 's/"name":"//; s/","share":/ /' | sort > got
"$viswords" encode "$model" -t 'a dog' -t 'a hammer' -t 'a fire truck' "$pictures/hammer/00.jpg" --json --threads 1 |
  grep -o '"share":\[[^]]*\]' | tr -d '"share:[]' | tr ',' '\n' > shares
paste -d ' ' names.txt shares | sort > wanted
paste -d ' ' got wanted | awk '{ d = $2 - $4; if ($1 != $3 || d > 2e-6 || d < -2e-6) { print; bad = 1 } n++ } END { exit bad || n != 3 }' ||
  fail "shares: $(cat got wanted)"
classify 0 "$model" "$pictures/dog" "$pictures/hammer" --names names.txt --top 1
[ "$(grep -c '% dog$' out.txt)" -ge 2 ] && [ "$(grep -c '% hammer$' out.txt)" -ge 2 ] || fail "names: $(cat out.txt)"

# Words of a study: all, those of a concept, one by its id; its own word wins most pictures of foxes.
study s.yaml 60 dog
sed -i '/adam:/d; s/deltas: .*/deltas: [1.0]/; s/train: 4/train: 16/; s/positives: 2/positives: 8/' s.yaml
"$viswords" learn s.yaml -o out --quiet --threads 1 > log 2>&1 || { cat log >&2; fail "learn"; }
classify 0 "$model" "$pictures/fox" --name hammer --name camel --words out --top 4
says "fox from dog, delta 1"
says "pineapple from dog"
classify 0 "$model" "$pictures/fox" --name hammer --name camel --name camera --words out:fox --top 1
[ "$(grep -c '% ball: fox from dog' out.txt)" -ge 12 ] || fail "foxes: $(cat out.txt)"
grep -q pineapple out.txt && fail "out:fox took pineapple too"
id=$(grep -o '([0-9a-f]*)' out.txt | head -1 | tr -d '()')
classify 0 "$model" "$pictures/fox/00.jpg" --name hammer --words "out:$id"
[ "$(grep -c 'fox from dog' out.txt)" = 1 ] || fail "by id: $(cat out.txt)"

# A damaged picture is told, the others are named, the exit code says so.
mkdir mixed
cp "$pictures/dog/00.jpg" mixed/a.jpg
head -c 300 "$pictures/dog/00.jpg" > mixed/b.jpg
cp "$pictures/dog/01.jpg" mixed/c.jpg
classify 2 "$model" mixed --names names.txt
says "mixed/b.jpg"
grep -q '^mixed/a.jpg .*% ' out.txt && grep -q '^mixed/c.jpg .*% ' out.txt || fail "the others: $(cat out.txt)"

classify 2 "$model" mixed
says "no name to choose from: give --names"
classify 2 "$model" --name dog
says "no picture to name"
classify 2 "$model" mixed --name dog --name dog
says "the name 'dog' is given twice"
classify 2 "$model" mixed --name dog --words out:nothing
says "no word of width 192 with a name that holds nothing"
classify 2 "$model" mixed --name dog --template 'a dog'
says "has no {}"
echo "names, words of a study, damaged pictures, refusals"
