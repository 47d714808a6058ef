#!/bin/bash
# What somebody planted in an output directory or a cache: links are not followed, files of others are not deleted,
# special files keep nobody waiting.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
study small.yaml 2 dog
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/' small.yaml
options=(--quiet --threads 1 --cache cache)
run() { # CODE PATTERN [COMMAND ARGUMENTS]: "" for a run that must succeed
  local code=0 expected=$1 pattern=$2
  shift 2
  timeout "$most_seconds" "$viswords" "${@:-run}" small.yaml -o out "${options[@]}" > out.txt 2> err.txt || code=$?
  [ "$code" = "$expected" ] || { cat err.txt >&2 && fail "exit code $code, expected $expected ($pattern)"; }
  [ -z "$pattern" ] || grep -q "^viswords: .*$pattern" err.txt || { cat err.txt >&2 && fail "nothing says '$pattern'"; }
}
untouched() { [ "$(cat victim)" = precious ] || fail "$1: what the link pointed to was overwritten"; }
echo precious > victim

echo "links, symbolic and hard, under the names that were used once"
known=(plan.yaml.partial study.h5.partial MANIFEST.json.partial summary.csv.partial trials.csv.partial figures/recall_against_delta.svg.partial)
for how in -s -; do
  rm -rf out && mkdir -p out/figures out/blocks out/log
  for name in "${known[@]}" plan.yaml study.h5 MANIFEST.json summary.csv trials.csv study-file log/ranks.jsonl figures/recall_against_delta.svg; do
    [ $how = -s ] || [ "$name" != plan.yaml ] || continue # read, and refused, below
    [ "$name" != plan.yaml ] || { ln -s "$work/nothing" out/plan.yaml && continue; }
    if [ $how = -s ]; then ln -s "$work/victim" "out/$name"; else ln victim "out/$name"; fi
  done
  run 0 ''
  untouched "$how"
  [ ! -e nothing ] || fail "a dangling link was followed"
  for name in "${known[@]}"; do [ -e "out/$name" ] || fail "$name was deleted: it is not ours"; done
  for name in plan.yaml study.h5 MANIFEST.json summary.csv trials.csv study-file log/ranks.jsonl figures/recall_against_delta.svg; do
    [ -f "out/$name" ] && [ ! -L "out/$name" ] || fail "$name is no file of its own"
  done
done
cp -r out whole

echo "the log, which is appended to"
rm out/log/rank-0.jsonl
ln -s "$work/victim" out/log/rank-0.jsonl
run 2 'out/log/rank-0.jsonl: a symbolic link'
ln -f victim out/log/rank-0.jsonl
run 2 'out/log/rank-0.jsonl: a file with a second name'
rm out/log/rank-0.jsonl
mkfifo out/log/rank-0.jsonl
run 2 'out/log/rank-0.jsonl: a FIFO'
rm out/log/rank-0.jsonl
rm out/metrics.jsonl
ln -s "$work/victim" out/metrics.jsonl
run 2 'out/metrics.jsonl: a symbolic link'
rm out/metrics.jsonl
untouched log

echo "folders must be real; the output directory itself may be a link"
for name in blocks log figures; do
  mv "out/$name" elsewhere
  touch elsewhere/notes.partial-0123456789abcdef
  ln -s "$work/elsewhere" "out/$name"
  run 2 "out/$name: a symbolic link; this folder must be a real one"
  [ -e elsewhere/notes.partial-0123456789abcdef ] || fail "a file behind the link $name was deleted"
  rm "out/$name" elsewhere/notes.partial-0123456789abcdef
  mv elsewhere "out/$name"
done
mkdir other && ln -s "$work/other" cache-2
options[4]=cache-2
mkdir features && ln -s "$work/features" other/features
rm out/blocks/*/*-baselines.safetensors
run 2 'cache-2/features: a symbolic link'
rm other/features
run 0 ''
[ -n "$(ls other/features)" ] || fail "a cache that is a link holds nothing"
options[4]=cache
mv out real && ln -s "$work/real" out
rm real/blocks/*/*-evaluation.safetensors
run 0 ''
rm out && mv real out

echo "only names of ours are swept"
ours=(blocks/0123.safetensors.partial-0123456789abcdef blocks/0123.checkpoint.a.deleted study.h5.partial-0123456789abcdef
  blocks/01/0123-evaluation.safetensors.partial-0123456789abcdef blocks/01/0123.checkpoint.b.deleted
  MANIFEST.json.partial-0123456789abcdef figures/a.svg.partial-0123456789abcdef figures/a.png.partial-0123456789abcdef)
foreign=(blocks/notes.partial-0123456789abcdef blocks/01/notes.partial-0123456789abcdef blocks/01/mine blocks/0123.safetensors.partial-mine blocks/thesis.deleted
  notes.partial-0123456789abcdef figures/a.jpg.partial-0123456789abcdef)
(cd out && mkdir -p blocks/01 && touch "${ours[@]}" "${foreign[@]}")
run 0 ''
for name in "${ours[@]}"; do [ ! -e "out/$name" ] || fail "$name stays"; done
for name in "${foreign[@]}"; do [ -e "out/$name" ] || fail "$name is gone: it was not ours"; done

echo "special files are refused or replaced, and nobody waits"
special() { # NAME KIND...
  local kind name=$1
  shift
  for kind in "$@"; do
    set -- "$name"
    [ ! -e "out/$1" ] || mv "out/$1" kept
    case $kind in
      fifo) mkfifo "out/$1" ;;
      loop) ln -s "$(basename "$1")" "out/$1" ;;
      directory) mkdir "out/$1" ;;
      device) mknod "out/$1" c 1 5 2> /dev/null || continue ;; # /dev/zero
    esac
    local code=0
    timeout "$most_seconds" "$viswords" run small.yaml -o out "${options[@]}" > out.txt 2> err.txt || code=$?
    [ "$code" -le 2 ] || { cat err.txt >&2 && fail "$1 as a $kind: exit code $code"; }
    [ "$code" = 0 ] || [ "$(grep -c '^viswords: ' err.txt)" = 1 ] || { cat err.txt >&2 && fail "$1 as a $kind: not one line"; }
    "$viswords" status out > status.txt 2>&1 < /dev/null || true
    timeout "$most_seconds" "$viswords" verify --files out > verify.txt 2>&1 || [ $? -le 3 ] || fail "verify: $1 as a $kind"
    rm -rf "out/${1:?}"
    [ ! -e kept ] || mv kept "out/$1"
  done
}
special .lock fifo loop directory device
for name in plan.yaml MANIFEST.json study.h5; do special "$name" fifo directory; done
special log/rank-0.jsonl fifo device
special "$(cd out && find blocks -name '*[0-9a-f].safetensors' | head -1)" fifo loop
run 0 ''
"$viswords" diff whole out > diff.txt || { cat diff.txt >&2 && fail "the results changed"; }

echo "pictures, lists, studies, texts"
rm -rf out objects
mkdir -p objects/train objects/test
for class in dog hammer camel camera fox pineapple; do
  for part in train test; do
    mkdir objects/$part/$class
    cp "$source_dir/data/objects/$part/$class"/0[0-3].jpg objects/$part/$class/
  done
done
sed "s#root: .*#root: objects#; s#classes: .*#classes: list.txt#" small.yaml > other.yaml
printf 'dog\nhammer\ncamel\ncamera\n' > list.txt
refused() { # PATTERN COMMAND...
  local pattern=$1 code=0
  shift
  timeout "$most_seconds" "$@" > out.txt 2> err.txt || code=$?
  [ "$code" = 2 ] || [ "$code" = 1 ] || { cat err.txt >&2 && fail "exit code $code: $*"; }
  grep -q "$pattern" err.txt out.txt || { cat err.txt >&2 && fail "nothing says '$pattern': $*"; }
}
picture=objects/train/camera/01.jpg
rm $picture && mkfifo $picture
refused 'camera/01.jpg: a FIFO' "$viswords" run other.yaml -o out "${options[@]}"
rm $picture && ln -s 01.jpg $picture
refused 'camera/01.jpg: cannot open: Too many levels' "$viswords" run other.yaml -o out "${options[@]}"
rm $picture list.txt && cp objects/train/camera/02.jpg $picture && mkfifo list.txt
refused 'list.txt' "$viswords" run other.yaml -o out "${options[@]}"
mkfifo study.yaml
refused 'study.yaml: not a file' "$viswords" check study.yaml
for file in model.safetensors vocab.json config.json; do
  rm -rf weights && cp -r "$source_dir/data/clip-tiny" weights
  rm -f weights/$file weights/tokenizer.json && mkfifo weights/$file # vocab.json is read where there is no tokenizer.json
  refused weights "$viswords" encode weights --text x
done
refused 'list.txt: a FIFO' "$viswords" encode "$source_dir/data/clip-tiny" --texts list.txt
refused 'list.txt: a FIFO' "$viswords" encode "$source_dir/data/clip-tiny" list.txt
