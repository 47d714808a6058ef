#!/bin/bash
# `viswords encode`: cosines as transformers has them (tests/reference/encode.py), tokens, words of a study, and what is
# refused.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
model=$source_dir/data/clip-tiny
pictures=$source_dir/data/objects/test
expected=$source_dir/tests/reference/fixtures/encode.txt

# encode CODE ARGUMENTS...: output in $work/out.txt
encode() {
  local expected=$1 code=0
  shift
  "$viswords" encode "$@" --threads 1 > "$work/out.txt" 2>&1 || code=$?
  [ "$code" = "$expected" ] || fail "encode $*: exit code $code, expected $expected: $(cat "$work/out.txt")"
}
says() { grep -qF -- "$1" "$work/out.txt" || fail "expected '$1' in: $(cat "$work/out.txt")"; }

# 9 digits are printed; fp32: features of unit length through some hundred operations.
for backend in ref cpu; do
  limit=$([ $backend = ref ] && echo 1e-8 || echo 2e-5)
  # shellcheck disable=SC2046 # a list of paths without spaces in their last parts
  encode 0 "$model" -t 'a photo of a dog' --text='three red foxes' -t hammer --json --backend $backend \
    "$pictures/dog/00.jpg" "$pictures/fox/01.jpg" "$pictures/hammer/00.jpg"
  grep -o '"picture":"[^"]*".*"cosine":\[[^]]*\]' "$work/out.txt" |
    sed 's|"picture":"[^"]*/\([a-z]*/[0-9]*.jpg\)".*"cosine":\[\(.*\)\]|\1 \2|; s/,/ /g' > "$work/got.txt"
  grep -v '^ids' "$expected" | paste -d ' ' - "$work/got.txt" | awk -v limit=$limit '
    NF != 8 || $1 != $5 { print "line:", $0; bad = 1 }
    { for (i = 2; i <= 4; i++) { d = $i - $(i + 4); if (d < 0) d = -d; if (!(d <= limit)) { print $0; bad = 1 } } n++ }
    END { exit bad || n != 3 }' >&2 || fail "cosines of $backend: $(cat "$work/got.txt")"
done
ids=$(grep -o '"text":"a photo of a dog".*' "$work/out.txt" | grep -o '"id":[0-9]*' | sed 's/.*://' | tr '\n' ' ')
[ "ids ${ids% }" = "$(grep '^ids' "$expected")" ] || fail "tokens: $ids"

# A folder, texts of a file and of standard input, the best first.
printf '\xef\xbb\xbfa photo of a fox\r\n\na photo of a hammer\n' > "$work/texts.txt"
encode 0 "$model" --texts "$work/texts.txt" "$pictures/fox" --top 1
says "texts.txt: 1 empty line is left out"
[ "$(grep -c '%  a photo of a fox' "$work/out.txt")" -gt 10 ] || fail "foxes: $(cat "$work/out.txt")"
printf 'fox\n' | "$viswords" encode "$model" --texts - --fill > "$work/out.txt"
says "a photo of a fox"

# Words of a study's output directory stand beside texts; a word that has not moved is its anchor's name.
study "$work/study.yaml" 4 dog
"$viswords" run "$work/study.yaml" -o "$work/study" --quiet --threads 1 > /dev/null
encode 0 "$model" --words "$work/study" --only 'fox from dog, delta 0.5' -t 'a photo of a dog' -f "$work/features.safetensors"
says "ball: fox from dog, delta 0.5, replica 0 ("
says "adam: fox from dog, delta 0.5, replica 0 ("
says "in 'a photo of a {}'"
encode 0 "$model" --words "$work/features.safetensors" # any file with vectors of this width: the projection has it too
says "texts"
block=$(find "$work/study/blocks" -name '*.safetensors' ! -name '*-*' | sort | head -1)
encode 0 "$model" --words "$block"

encode 2 "$model"
says "nothing to encode"
encode 2 "$model" -t dog "$work/none.png"
says none.png
mkdir "$work/empty"
encode 2 "$model" "$work/empty"
says "no picture in it"
encode 2 "$model" --words "$work/empty"
says "no plan.yaml"
encode 2 "$model" --words "$block" --only nobody
says "with a name that holds nobody"
encode 2 "$model" -t "$(printf 'a%.0s ' {1..80})"
says "82 tokens"
encode 2 "$model" -t "$(printf '\xff')"
says UTF-8
encode 2 "$model" -t dog --template 'no place'
says "{}"
encode 2 "$work" -t dog
says config.json
encode 2 "$model" -t dog --exif maybe
says "choose ignore or turn"
