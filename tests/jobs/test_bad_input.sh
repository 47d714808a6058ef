#!/bin/bash
# Bad input: one clear line that names the thing and the way out, an exit code, no hang on any number of ranks; what was
# finished stays.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cuda_off=$(grep -c "^VISWORDS_CUDA:BOOL=OFF" "$2/CMakeCache.txt" || true)
cd "$work"
study good.yaml 5 dog

# line CODE PATTERN COMMAND...: the exit code, and one line of ours on standard error, which matches.
line() {
  local code=0 expected=$1 pattern=$2
  shift 2
  timeout "$most_seconds" "$@" > out.txt 2> err.txt || code=$?
  [ "$code" = "$expected" ] || { cat err.txt >&2 && fail "exit code $code, expected $expected: $*"; }
  [ "$(grep -c '^viswords' err.txt)" = 1 ] || { cat err.txt >&2 && fail "not one line: $*"; }
  grep -q "^viswords.*$pattern" err.txt || { cat err.txt >&2 && fail "nothing says '$pattern': $*"; }
}
run() { # CODE PATTERN STUDY [options]
  line "$1" "$2" "$viswords" run "${@:3}" -o out --quiet --threads 1 --cache cache
}
edit() { sed "$1" good.yaml > bad.yaml; } # sed's commands

# command line
line 2 "unknown command 'lern'; did you mean 'learn'" "$viswords" lern
line 2 "unknown option 'bakend'; did you mean --backend" "$viswords" run good.yaml --bakend cpu
line 2 "-o DIR is missing" "$viswords" run good.yaml
"$viswords" > out.txt 2> err.txt && fail "no command, and no complaint"
grep -q "^usage: viswords COMMAND" err.txt || fail "no command: $(cat err.txt)"
"$viswords" --help | diff err.txt - || fail "--help says something else than the complaint"
"$viswords" --version | grep -qE '^viswords [0-9]+[.][0-9]+[.][0-9]+' || fail "--version: $("$viswords" --version)"
line 2 "STUDY.yaml is missing" "$viswords" run -o out
line 2 "backend 'gpu': choose" "$viswords" run good.yaml -o out --backend gpu
line 2 "threads wants a number" "$viswords" run good.yaml -o out --threads many
line 2 "threads wants 1 or more, not '0'" "$viswords" run good.yaml -o out -t 0
line 2 "threads wants 1 or more, not '-2'" "$viswords" encode weights -t dog --threads -2
line 2 "ranks wants 1 or more, not '0'" "$viswords" plan good.yaml --ranks 0
line 2 "good.yaml: is a file, not an output directory" "$viswords" status good.yaml
line 2 "none: no such directory" "$viswords" status none
line 1 "good.yaml: cannot make the folder: good.yaml is a file; choose a place" "$viswords" run good.yaml -o good.yaml
line 1 "good.yaml/a/b: cannot make the folder: good.yaml is a file; choose a place" "$viswords" run good.yaml -o good.yaml/a/b
if [ "$cuda_off" = 1 ]; then
  line 2 "built without CUDA: use --backend cpu" "$viswords" run good.yaml -o out --backend cuda
fi
line 2 "none.yaml: cannot open" "$viswords" run none.yaml -o out

# study file
edit 's/steps:/stepz:/' && run 2 "bad.yaml:[0-9:]*: learn.stepz: unknown key; did you mean steps" bad.yaml
edit 's/steps: 5/steps: five/' && run 2 "bad.yaml:[0-9:]*: learn.steps: expected an integer" bad.yaml
edit 's/anchors: .*/anchors: [dog, polar bear cub]/' && run 2 "'polar bear cub' is [0-9]* tokens.*choose a word" bad.yaml
edit 's/    concepts: .*/    concepts: [fox, chimera]/' && run 2 "no class 'chimera'" bad.yaml
edit 's#root: .*#root: nowhere#' && run 2 "nowhere.*no such folder; a data set has" bad.yaml
echo 'data: [' > bad.yaml && run 2 "bad.yaml:[0-9:]*: not YAML" bad.yaml

# weights
ours() { # a model directory whose model.safetensors the caller writes
  rm -rf weights && cp -r "$source_dir/data/clip-tiny" weights && rm weights/model.safetensors
  edit 's#ball: .*#ball: {weights: weights}#'
}
weights=$source_dir/data/clip-tiny/model.safetensors
edit 's#ball: .*#ball: {weights: nowhere}#' && run 2 "nowhere: no such model directory" bad.yaml
ours && run 2 "weights: has no model.safetensors; download" bad.yaml
head -c 3000000 "$weights" > weights/model.safetensors && run 2 "truncated: tensor .*download it again" bad.yaml
sed 's/\(final_layer_norm.weight":{"dtype":"F16","shape":\[\)192\]/\12,96]/' "$weights" > weights/model.safetensors
cmp -s "$weights" weights/model.safetensors && fail "the shape was not changed"
length=$(($(od -An -tu8 -N8 "$weights") + 1)) # the header grew by a byte
printf "$(printf '\\x%02x' $((length & 255)) $((length >> 8 & 255)))" |
  dd of=weights/model.safetensors conv=notrunc bs=1 status=none
run 2 "tensor '.*final_layer_norm.weight' has shape \[2, 96\], config.json asks for \[192\]" bad.yaml

# pictures: a class that only one rank reads
mkdir -p objects/train objects/test
for class in dog hammer camel camera fox pineapple; do
  for part in train test; do
    mkdir objects/$part/$class
    cp "$source_dir/data/objects/$part/$class"/0[0-3].jpg objects/$part/$class/
  done
done
edit 's#root: .*#root: objects#' && mv bad.yaml pictures.yaml
truncate -s 200 objects/train/camera/01.jpg
run 2 "train/camera/01.jpg: unreadable JPEG: .*replace the file" pictures.yaml
line 2 "train/camera/01.jpg: unreadable JPEG" \
  "${launch[@]}" -n 3 "$viswords" run pictures.yaml -o out-3 --quiet --threads 1 --cache cache-3
echo text > objects/train/camera/01.jpg && run 2 "neither a JPEG nor a PNG" pictures.yaml
cp objects/train/camera/02.jpg objects/train/camera/01.jpg
rm objects/test/camel/*.jpg && run 2 "class 'camel' has no picture" pictures.yaml

# places to write
touch file
line 1 "file/out: cannot make the folder: .*choose a place" "$viswords" run good.yaml -o file/out --cache cache
line 1 "file/cache/features: cannot make the folder: .*choose" "$viswords" run good.yaml -o out --quiet --cache file/cache
if [ "$(id -u)" = 0 ] && mkdir disk && mount -t tmpfs -o size=64k none disk 2> mount.txt; then
  trap 'umount "$work/disk"; rm -rf "$work"' EXIT
  edit 's/\[dog\]/[dog, hammer]/'
  full=("$viswords" run bad.yaml -o disk/out --quiet --threads 1 --cache cache)
  line 1 "cannot write: No space left on device; make space, then the same command goes on" "${full[@]}"
  find disk -name '*.safetensors' -printf '%p %i %T@\n' | sort > kept.txt
  [ -s kept.txt ] || fail "no block was kept on the full disk"
  mount -o remount,size=4m disk
  "${full[@]}"
  find disk -name '*.safetensors' -printf '%p %i %T@\n' | sort > all.txt
  [ -z "$(comm -23 kept.txt all.txt)" ] || fail "the full disk's finished blocks were made again"
  "$viswords" run bad.yaml -o whole --quiet --threads 1 --cache cache
  same whole disk/out
  mount -o remount,size=4m disk # study.h5 has 0.3 MB; 2 MB are asked for, as if nothing were compressed
  "$viswords" collect bad.yaml -o disk/out --quiet > out.txt
  mount -o remount,ro disk
  line 1 "disk/out/[.]lock.*: cannot create: Read-only file system; choose a place" "${full[@]}"
  line 1 "disk/cache/features: cannot make the folder: Read-only file system; choose a place" \
    "$viswords" run good.yaml -o out --quiet --cache disk/cache
else
  echo "no full disk: needs a user who may mount a tmpfs"
fi
