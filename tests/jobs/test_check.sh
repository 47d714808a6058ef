#!/bin/bash
# `viswords check`: shipped studies pass; a bad study's problems are all told at once, each with its place; hostile files
# are refused with one line and at once.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
check() { # CODE STUDY [options]: output in out.txt
  local code=0
  timeout "$most_seconds" "$viswords" check "${@:2}" --cache cache > out.txt 2> err.txt || code=$?
  [ "$code" = "$1" ] || { cat out.txt err.txt >&2 && fail "exit code $code, expected $1: check ${*:2}"; }
}
says() { grep -q -- "$1" out.txt || { cat out.txt >&2 && fail "nothing says '$1'"; }; }

for name in demo smoke optimisers; do
  check 0 "$source_dir/jobs/studies/$name.yaml" --quick
  says "$name.yaml: no problems"
  grep -q "^warning" out.txt && { cat out.txt >&2 && fail "$name: a warning"; }
done
check 0 "$source_dir/jobs/studies/smoke.yaml"
[ ! -e out ] && [ ! -e cache ] || fail "check wrote something"
check 0 "$source_dir/jobs/studies/smoke.yaml" --quick --json -o out
says '"trials": 12'

# pictures: one damaged, one in both parts, a class without any
mkdir -p objects/train objects/test
for class in dog hammer camel fox; do
  for part in train test; do
    mkdir objects/$part/$class
    cp "$source_dir/data/objects/$part/$class"/0[0-3].jpg objects/$part/$class/
  done
done
truncate -s 200 objects/train/camel/01.jpg
cp objects/train/fox/00.jpg objects/test/fox/00.jpg
cp -r objects empty && rm empty/test/hammer/*
mkdir weights && cp -r "$source_dir"/data/clip-tiny/* weights/ && rm weights/model.safetensors
cat > bad.yaml << END
study: bad
sead: 3
data:
  first:
    root: objects
    concepts: [fox, chimera, dgo]
    pictures: {train: 0}
  second: {root: empty, concepts: [dog]}
  third: {root: nowhere, concepts: [dog]}
  fourth: {root: objects, concepts: [dog]}
models:
  clip: {weights: $source_dir/data/clip-tiny}
  bare: {weights: weights}
  gone: {weights: missing}
  a_trial: {weights: $source_dir/data/clip-tiny}
trials:
  anchors: [dog, polar bear cub]
  deltas: [0.5, wide, 0.5]
learn:
  steps: {clip: 5, clpi: 5}
  lr: 0.1
  lr: 0.2
plan: {ranks: 010}
END
check 2 bad.yaml
cat > expected.txt << 'END'
bad.yaml:2:1: sead: unknown key; did you mean seed?
bad.yaml:6:21: data.first.concepts: objects/train: no class 'chimera'
bad.yaml:6:30: data.first.concepts: objects/train: no class 'dgo' .*did you mean 'dog'?
bad.yaml:7:23: data.first.pictures.train: expected an integer of 1 or more, got '0'
bad.yaml:8:18: data.second.root: class 'hammer' has no picture in empty/test/hammer
bad.yaml:9:17: data.third.root: nowhere: no such folder
bad.yaml:10:18: data.fourth.root: the classes have 13 training pictures, a null concept takes 16
bad.yaml:10:18: data.fourth.root: objects/test/fox/00.jpg is the same picture as objects/train/fox/00.jpg
bad.yaml:10:18: data.fourth.root: objects/train/camel/01.jpg: unreadable JPEG
bad.yaml:13:19: models.bare.weights: weights: has no model.safetensors; download
bad.yaml:14:19: models.gone.weights: missing: no such model directory
bad.yaml:15:3: models: 'a_trial' ends in _trial
bad.yaml:17:18: trials.anchors: .*'polar bear cub' is [0-9]* tokens
bad.yaml:18:17: trials.deltas: expected a list of numbers above 0, or free, got 'wide'
bad.yaml:18:23: trials.deltas: '0.5' is listed twice
bad.yaml:20:20: learn.steps: 'clpi' is no model of this study; did you mean clip?
bad.yaml:21:7: learn.lr: nothing uses it; only optimiser adamw does
bad.yaml:22:3: learn.lr: given twice, first on line 21
bad.yaml:23:15: plan.ranks: expected an integer of 1 or more, got '010'
END
grep -v '^warning' out.txt > told.txt
[ "$(wc -l < told.txt)" = "$(($(wc -l < expected.txt) + 1))" ] || { cat told.txt >&2 && fail "another number of problems"; }
paste -d '\n' expected.txt <(head -n -1 told.txt) | while read -r pattern && read -r told; do
  grep -q "^$pattern" <<< "$told" || fail "expected $pattern, told $told"
done
says '^bad.yaml: 19 problems$'
says "^warning: bad.yaml:17:13: trials.anchors: 'dog' is a concept too"

# run tells the problems of the study file, and starts nothing
code=0
"$viswords" run bad.yaml -o out --quiet 2> err.txt || code=$?
[ "$code" = 2 ] && [ "$(grep -c '^viswords: bad.yaml:' err.txt)" = 9 ] || { cat err.txt >&2 && fail "run: code $code"; }
[ ! -e out ] || fail "run began"

# too few pictures, wrong weights
mkdir -p lone/train lone/test
cp -r objects/train/dog lone/train/ && cp -r objects/test/dog lone/test/
study lone.yaml 1 red
sed -i "s#root: .*#root: lone#; s/concepts: .fox.*/concepts: [dog]/; /classes:/d" lone.yaml
check 2 lone.yaml --quick && says "lone.yaml:5:11: data.objects.root: the classes have 3 training pictures, a null concept"
sed -i 's/null_concepts: 1/null_concepts: 0/' lone.yaml
check 2 lone.yaml --quick && says "lone.yaml:5:11: data.objects.root: 'dog' is the only class"
real=$source_dir/data/clip-tiny/model.safetensors
sed 's/\(final_layer_norm.weight":{"dtype":"F16","shape":\[\)192\]/\12,96]/' "$real" > weights/model.safetensors
length=$(($(od -An -tu8 -N8 "$real") + 1)) # the header grew by a byte
printf "$(printf '\\x%02x' $((length & 255)) $((length >> 8 & 255)))" |
  dd of=weights/model.safetensors conv=notrunc bs=1 status=none
study shape.yaml 1 dog
sed -i 's#ball: .*#ball: {weights: weights}#' shape.yaml
check 2 shape.yaml --quick && says "shape.yaml:10:19: models.ball.weights: .*has shape \[2, 96\]"

# the output directory: of other kernels, taken by a living run, left by a dead one
study small.yaml 1 dog
"$viswords" learn small.yaml -o done --quiet --threads 1 --cache "$work/features"
check 0 small.yaml --quick -o done && says "(0 trials new, all are done already)"
check 2 small.yaml --quick -o done --backend ref && says "plan.yaml was made for backend cpu"
echo "host $(uname -n) pid $$ born 0" > done/.lock
check 2 small.yaml --quick -o done && says "done: process $$ on .* is working here"
echo "host $(uname -n) pid 999999999 born 1" > done/.lock
check 0 small.yaml --quick -o done

# hostile files
rm objects/test/fox/00.jpg
small="data: {o: {root: objects, concepts: [fox], pictures: {train: 4}}}
models: {clip: {weights: $source_dir/data/clip-tiny}}
trials: {anchors: [red]}"
hostile() { # PATTERN: hostile.yaml is refused with one line
  check 2 hostile.yaml --quick
  [ "$(grep -vc '^warning' out.txt)" = 2 ] && [ "$(wc -c < out.txt)" -lt 1500 ] || { head -c 3000 out.txt >&2 && fail "not one line: $1"; }
  says "$1"
}
: > hostile.yaml && hostile "the file is empty"
rm hostile.yaml && mkdir hostile.yaml && hostile "a directory; expected a study file"
rmdir hostile.yaml && mkfifo hostile.yaml && hostile "not a file; expected a study file"
rm hostile.yaml && truncate -s 100M hostile.yaml && hostile "104857600 bytes are too many"
rm hostile.yaml && hostile "cannot open the study file"
head -c 100000 /dev/zero | tr '\0' '[' > hostile.yaml && hostile "1:501: more than 500 brackets are open"
head -c 1000000 /dev/zero | sed 's/\x0/- /g' > hostile.yaml && hostile "too many"
head -c 100000 /dev/zero | sed 's/\x0/- /g' > hostile.yaml && hostile "expected a mapping of keys, got a list"
{ echo "a: &a [x, x]"; for i in a b c d e f g h i; do echo "$i$i: &b$i [*a, *a, *a, *a, *a, *a, *a, *a]"; done; } > hostile.yaml
check 2 hostile.yaml && says "a: unknown key"
printf 'seed: 1\nstudy: "\xff"\n' > hostile.yaml && hostile "hostile.yaml:2:9: not YAML.*save the file as UTF-8"
printf '\xff\xfes\0' > hostile.yaml && hostile "hostile.yaml:1:1: not YAML"
printf 'seed: 1\n\tstudy: a\n' > hostile.yaml && hostile "hostile.yaml:2:1: not YAML.*a tab stands there"
printf '%s\n---\na: b\n' "$small" > hostile.yaml && hostile "hostile.yaml:5:1: a second document begins here"
printf '%s\nlearn: {<<: {steps: 3}}\n' "$small" > hostile.yaml && hostile "4:9: learn: merge keys"
printf '%s\n"a\\nb": 1\n' "$small" > hostile.yaml && hostile "4:1: a?b: unknown key"
printf '%s\n? %s\n: 1\n' "$small" "$(head -c 50000 /dev/zero | tr '\0' x)" > hostile.yaml && hostile "4:3: xxx"
for v in .inf .nan 1e999 0x10; do
  printf '%s\nlearn: {eta: %s}\n' "$small" "$v" > hostile.yaml && hostile "4:14: learn.eta: expected a number above 0"
done
printf '\xef\xbb\xbf%s\n' "$small" > hostile.yaml && check 0 hostile.yaml --quick

# places to write
echo text > file
check 2 hostile.yaml --quick -o file/out && says "file/out: cannot write into"

# what is left out is counted and named by check, plan and run alike
mkdir -p left/train left/test
for class in dog hammer camel fox; do
  for part in train test; do
    mkdir left/$part/$class
    cp "$source_dir/data/objects/$part/$class"/0[0-3].jpg left/$part/$class/
  done
done
turned=left/train/fox/04.jpg # SOI, APP1 with orientation 6, the rest
printf '\xff\xd8\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0' > $turned
tail -c +3 "$source_dir/data/objects/train/fox/04.jpg" >> $turned
echo picture > left/test/dog/10.jfif
study left.yaml 1 dog
sed -i "s#root: .*#root: left#; s#^    concepts: .*#    concepts: [fox]#; s#classes: .*#classes: [dog, hammer, camel]#" left.yaml
sed -i "s#pictures: .*#pictures: {train: 5, test: 2}#" left.yaml
for command in check plan run; do
  arguments=(left.yaml --cache "$work/features")
  [ $command != run ] || arguments+=(-o left-out -t 1)
  "$viswords" $command "${arguments[@]}" > out.txt 2>&1 || { cat out.txt >&2 && fail "$command left.yaml"; }
  says "data.objects: 8 of 10 test pictures are used, at most 2 of a class (pictures.test): 'fox' has 4"
  says "data.objects: 1 file is not read, as left/test/dog/10.jfif"
  says "data.objects: 1 picture is turned by EXIF data.*left/train/fox/04.jpg is used as it is stored"
  grep -q "training pictures are used" out.txt && fail "$command: all training pictures are used"
done
"$viswords" collect left.yaml -o left-out -t 1 -q --cache "$work/features" > out.txt 2>&1 || { cat out.txt >&2 && fail "collect left.yaml"; }
if command -v h5dump > /dev/null; then
  left() { # COLUMN: its rows
    h5dump -y -w 1 -d "/provenance/left_out/$1" left-out/study.h5 | awk '/DATA {/ { on = 1; next } on && /}/ { exit } on' |
      sed '/^ *$/d; s/^ *"\{0,1\}//; s/"\{0,1\},\{0,1\}$//; s/\\000//g' | paste -sd,
  }
  [ "$(left count)" = 2,1,1 ] || fail "/provenance/left_out/count: $(left count)"
  [ "$(left what)" = 'test pictures,files,turned pictures' ] || fail "/provenance/left_out/what: $(left what)"
fi
sed -i "s#pictures: {#pictures: {exif: turn, #" left.yaml
check 0 left.yaml --quick
grep -q turned err.txt && fail "a picture that is turned as its EXIF data say is none to warn of"
exit 0
