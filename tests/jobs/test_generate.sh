#!/bin/bash
# `viswords generate`: pictures with their settings, the same whatever is drawn with them, a stop and the way on, learned
# words, and what is refused. That they are diffusers' pictures is tests/networks/test_stable_diffusion.c's.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
model=$source_dir/data/sd-tiny

# generate CODE ARGUMENTS...: output in $work/out.txt
generate() {
  local expected=$1 code=0
  shift
  "$viswords" generate "$@" --backend cpu -q > "$work/out.txt" 2>&1 || code=$?
  [ "$code" = "$expected" ] || fail "generate $*: exit code $code, expected $expected: $(cat "$work/out.txt")"
}
says() { grep -qF -- "$1" "$work/out.txt" || fail "expected '$1' in: $(cat "$work/out.txt")"; }
pictures() { find "$1" -name '*.png' ! -name sheet.png | sort; }
equal() { diff <(cd "$1" && sha256sum -- *.png) <(cd "$2" && sha256sum -- *.png) >&2 || fail "$1 and $2 differ"; }

settings=(--steps 3 --guidance 4 --size 24x32 --seed 5 --sampler ddim)
generate 0 "$model" 'a photo of a dog' 'Hammer & <nail>' -n 3 "${settings[@]}" -o "$work/a" --threads 2
says "6 of 6 pictures are in $work/a"
[ "$(pictures "$work/a" | wc -l)" = 6 ] || fail "pictures: $(ls "$work/a")"
[ -s "$work/a/sheet.png" ] || fail "no sheet"
dog=$(find "$work/a" -name 'a-photo-of-a-dog-*.png' | head -n 1)
for text in viswords.settings '"guidance":4.0' '"sampler":"ddim"' '"steps":3' '"text":"a photo of a dog"' '"width":24' \
  '"height":32' '"weights":"' '"seed":' viswords.made_by 'fp32, cpu'; do
  grep -aqF -- "$text" "$dog" || fail "$dog does not say $text"
done
[ "$(cat "$work"/a/hammer-nail-*.png | grep -ao '"seed":[0-9]*' | sort | tr '\n' ' ')" = '"seed":5 "seed":6 "seed":7 ' ] ||
  fail "seeds: $(cat "$work"/a/hammer-nail-*.png | grep -ao '"seed":[0-9]*')"

# The same bits, alone or together, on one thread or two, the texts in a file; other seeds, other pictures.
printf 'a photo of a dog\nHammer & <nail>\n' > "$work/texts.txt"
generate 0 "$model" --texts "$work/texts.txt" -n 3 "${settings[@]}" -o "$work/b" --threads 1 --batch 1
equal "$work/a" "$work/b"
[ "$(pictures "$work/a" | xargs sha256sum | cut -d ' ' -f 1 | sort -u | wc -l)" = 6 ] || fail "two pictures are the same"

# What is there stays, what is missing is drawn again, more pictures and other settings come beside.
cp "$dog" "$work/dog.png"
rm "$dog"
before=$(stat -c %Y-%i "$work"/a/hammer-nail-*.png)
generate 0 "$model" 'a photo of a dog' 'Hammer & <nail>' -n 3 "${settings[@]}" -o "$work/a"
cmp "$dog" "$work/dog.png" || fail "drawn again, it is another picture"
[ "$(stat -c %Y-%i "$work"/a/hammer-nail-*.png)" = "$before" ] || fail "what was there was written again"
generate 0 "$model" 'Hammer & <nail>' -n 4 "${settings[@]}" -o "$work/a"
generate 0 "$model" 'Hammer & <nail>' -n 1 "${settings[@]}" --negative blue -o "$work/a"
generate 0 "$model" 'Hammer & <nail>' -n 1 "${settings[@]}" --spacing trailing -o "$work/a"
[ "$(pictures "$work/a" | wc -l)" = 9 ] || fail "pictures: $(ls "$work/a")"

# A damaged one is named.
head -c 100 "$work/dog.png" > "$dog"
generate 2 "$model" 'a photo of a dog' -n 3 "${settings[@]}" -o "$work/a"
says "$dog: the PNG is cut off"

# Stopped, it keeps what is finished, says 75, and goes on to the pictures of an undisturbed run.
long=('a photo of a house' -n 3 --steps 150 --batch 1 --threads 1 --backend cpu -q)
"$viswords" generate "$model" "${long[@]}" -o "$work/stopped" > "$work/out.txt" 2>&1 &
job=$!
for ((i = 0; i < 6000; i++)); do
  [ -z "$(find "$work/stopped" -name 'a-photo*.png' 2> /dev/null)" ] || break
  kill -0 "$job" 2> /dev/null || break
  sleep 0.01
done
kill -TERM "$job" 2> /dev/null || true
code=0
wait "$job" || code=$?
if [ "$code" = 75 ]; then # else it was done before it could be stopped
  [ "$(pictures "$work/stopped" | wc -l)" -lt 3 ] || fail "stopped, and nothing is missing"
  says "of 3 pictures are in $work/stopped"
else
  [ "$code" = 0 ] || fail "exit code $code: $(cat "$work/out.txt")"
fi
generate 0 "$model" "${long[@]}" -o "$work/stopped"
generate 0 "$model" "${long[@]}" -o "$work/whole"
equal "$work/stopped" "$work/whole"

# Words: any vectors of the network's width; the name's own vector gives the name's picture.
generate 0 "$model" -w "$model/text_encoder/model.safetensors" --only final_layer_norm.bias -n 1 "${settings[@]}" -o "$work/w"
[ "$(pictures "$work/w" | wc -l)" = 1 ] || fail "words: $(ls "$work/w")"
grep -aqF '"vector":"' "$work"/w/text-model-final-layer-norm-bias-*.png || fail "no vector in $(ls "$work/w")"
grep -aqF '"text":"a photo of a {}"' "$work"/w/text-model-*.png || fail "no template"

# One text may be empty; guidance 1 takes no second text.
generate 0 "$model" '' -n 1 --steps 2 --guidance 1 --size 16 -o "$work/e" --backend ref
[ "$(pictures "$work/e" | wc -l)" = 1 ] || fail "the empty text: $(ls "$work/e")"

refuses() {
  local message=$1
  shift
  generate 2 "$@" -o "$work/no"
  says "$message"
  [ ! -e "$work/no" ] || fail "$*: made a folder"
}
refuses 'nothing to draw' "$model"
refuses 'sides of a multiple of 4' "$model" dog --size 30
refuses "--size '4 x': expected a side such as 512" "$model" dog --size '4 x'
refuses 'choose ddim or dpm++' "$model" dog --sampler euler
refuses 'choose leading, linspace or trailing' "$model" dog --spacing even
refuses 'guidance is 0.5, expected 1 (none) or more' "$model" dog --guidance 0.5
refuses 'was trained with 1000, choose fewer' "$model" dog --steps 2000
refuses 'expected at least one' "$model" dog -n 0
refuses 'has no model_index.json' "$source_dir/data/clip-tiny" dog
refuses "text 'tree" "$model" dog --negative "$(printf 'tree %.0s' {1..90})"
refuses 'no such model directory' "$work/nowhere" dog
refuses 'is 92 tokens, there is room for 77' "$model" "$(printf 'dog %.0s' {1..90})"
generate 1 "$model" dog --size 8192 --batch 64 -o "$work/large"
says 'at once need'
says 'choose a smaller --size or --batch'
