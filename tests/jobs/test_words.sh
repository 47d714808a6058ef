#!/bin/bash
# `viswords export`, `import`, `words`: a word of a study goes out and comes back with its numbers and its metrics; files
# that diffusers, AUTOMATIC1111 and kohya made are read, judged and drawn; what is refused. That diffusers loads what is
# exported, and draws the same pictures, is tests/reference/word_files.py's.
#   test_words.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
clip=$source_dir/data/clip-tiny sd=$source_dir/data/sd-tiny files=$source_dir/tests/reference/fixtures/words
options=(--threads 1 --cache "$work/cache")
cd "$work"

# expect CODE COMMAND ...: what it printed and said in $work/said.
expect() {
  local code=0 wanted=$1
  shift
  "$viswords" "$@" > "$work/said" 2>&1 || code=$?
  [ "$code" = "$wanted" ] || fail "$*: exit code $code, expected $wanted: $(cat "$work/said")"
}
says() { grep -qF -e "$1" "$work/said" || fail "nobody said '$1': $(cat "$work/said")"; }
# numbers FILE: of its last tensor.
numbers() { tail -c $((192 * ${2:-1} * 4)) "$1" | od -An -v -t f4; }

study s.yaml 6 dog
sed -i '/^  adam:/d; s/null_concepts: 1/null_concepts: 0/' s.yaml
expect 0 run s.yaml -o out --quiet "${options[@]}"

# Out: a file a word, called by tokens that no vocabulary holds; the block's numbers.
expect 0 export out --network "$clip" -o words
[ "$(find words -name 'vw-*-dog-*-r0-*.safetensors' | wc -l)" = 4 ] || fail "exported: $(ls words)"
word=$(echo words/vw-fox-dog-0.5-r0-*.safetensors)
id=$(basename "$word" .safetensors)
header=$(head -c 1200 "$word" | tail -c +9 | tr -d '\0')
for text in '"viswords":"word"' "\"token\":\"<$id>\"" '"kind":"clip"' '"anchor":"dog"' '"delta":"0.5"' "\"trial\":\"${id##*-}" \
  '"weights":"' '"protocol":"' "\"<$id>\":{\"dtype\":\"F32\",\"shape\":[1,192]"; do
  [[ $header = *"$text"* ]] || fail "no $text in $header"
done
# In: the same metrics as in the study, from the study and from the file.
expect 0 import out:fox+0.5 s.yaml "${options[@]}" --json
of_study=$(grep -A6 '"metrics"' "$work/said" | head -6)
expect 0 import "$word" s.yaml "${options[@]}" --json
[ "$(grep -A6 '"metrics"' "$work/said" | head -6)" = "$of_study" ] || fail "other metrics: $(cat "$work/said")"
says '"what": "untouched anchor"'
whole=$(sed -n 's/^ *- \["\([0-9a-f]*\)".*"fox", concept, "dog", 0.5, 0\]/\1/p' out/plan.yaml) # as tables have it
expect 0 import "out:$whole" s.yaml "${options[@]}" --json
[ "$(grep -A6 '"metrics"' "$work/said" | head -6)" = "$of_study" ] || fail "by its id: $(cat "$work/said")"
expect 2 import out s.yaml "${options[@]}"
says "which concept"
expect 2 import "$word" s.yaml --concept dog "${options[@]}"
says "one of fox, pineapple"
expect 2 import "$word" s.yaml --model bull "${options[@]}"
says "it has ball"

# Once more, through kohya's layout and another name: the same numbers.
expect 0 encode "$clip" --words "$word" -t 'a photo of a dog' --threads 1
expect 0 export "$word" --network "$clip" -o again.safetensors --token '<my-fox>'
cmp <(numbers "$word") <(numbers again.safetensors) || fail "other numbers"
grep -aq '"<my-fox>":{"dtype"' again.safetensors || fail "token"

# Where they lie: the numbers of the block, and of the exported file.
expect 0 words out --network "$clip" --csv
grep -F "$(printf 'ball: fox from dog, delta 0.5')" "$work/said" | cut -d , -f 8- > of_block
expect 0 words words --network "$clip" --csv
grep -F "$id" "$work/said" | head -1 | cut -d , -f 8- > of_file
awk -F, '{ n = split($0, x); for (i = 1; i <= n; i++) print x[i] }' of_block | tail -13 > a
awk -F, '{ n = split($0, x); for (i = 1; i <= n; i++) print x[i] }' of_file | tail -13 > b
cmp a b || fail "block and file lie elsewhere: $(cat of_block of_file)"
expect 0 words "$word" --network "$clip" --top 3
says "anchor 'dog'"
says "distance / R"
expect 0 words "$word" --network "$clip" --json --top 2
python3 - "$work/said" << 'END'
import json, sys
row, = json.load(open(sys.argv[1]))
assert row["anchor"] == "dog" and row["delta"] == 0.5 and 0 < row["distance_over_radius"] <= 1.00001, row
assert row["rank_words"] == 1 and row["by_distance"][0]["word"] == "dog" and len(row["by_cosine"]) == 2, row
assert abs(row["by_distance"][0]["distance"] - row["anchor_distance"]) < 1e-6
assert abs(row["by_distance"][0]["cosine"] - row["anchor_cosine"]) < 1e-6
END

# Files of other programs.
for name in learned_embeds two_vectors a1111 kohya; do
  expect 0 words "$files/$name.safetensors" --network "$sd" --anchor dog --json
  [ "$(grep -c '"rank_words"' "$work/said")" = "$(case $name in two* | kohya) echo 2 ;; *) echo 1 ;; esac)" ] || fail "$name"
done
says "bf16: converted to fp32"
expect 0 import "$files/learned_embeds.safetensors" s.yaml --concept fox --anchor dog "${options[@]}"
says "word '<portrait>'"
expect 0 import "$files/two_vectors.safetensors" s.yaml --concept fox "${options[@]}"
expect 0 generate "$sd" --words "$files/two_vectors.safetensors" -n 1 --steps 1 --guidance 1 --size 16 -o drawn -q
says "1 of 1 pictures"
for layout in diffusers a1111 kohya; do
  expect 0 export "$files/two_vectors.safetensors" --network "$sd" --format $layout -o $layout
  file=$(echo $layout/vw-two-*.safetensors)
  key=$([ $layout = diffusers ] && echo "<$(basename "$file" .safetensors)>" || echo emb_params)
  grep -aqF "\"$key\":{\"dtype\":\"F32\",\"shape\":[2,192]" "$file" || fail "$layout: $(head -c 900 "$file")"
  expect 0 export "$file" --network "$sd" -o "back-$layout.safetensors" --token '<two>'
  cmp <(numbers "$file" 2) <(numbers "back-$layout.safetensors" 2) || fail "$layout: other numbers"
done

# Mistakes.
expect 2 export "$word" --network "$sd" -o x
says "were not learned for"
expect 2 generate "$sd" --words "$word" -o x
says "were not learned for"
expect 2 export "$word" --network "$clip" --format diffusers -o x
says "take --format plain"
expect 2 export "$word" --network "$clip" --format pt -o x
says "choose plain, diffusers, a1111 or kohya"
for token in dog Dog 'two words' '' '<|endoftext|>' '...'; do
  expect 2 export "$word" --network "$clip" --token "$token" -o x
  says "token '$token'"
done
expect 2 export out --network "$clip" --token '<fox>' -o x
says "--token is for one"
expect 2 export out --network "$clip" -o x.safetensors
says "a file behind -o is for one"
expect 2 export "$word" -o x
says "give --network DIR"
expect 2 words "$files/sdxl.safetensors" --network "$sd"
says "width 80"
expect 2 import "$files/sdxl.safetensors:clip_g" s.yaml --concept fox "${options[@]}"
says "whose width is 80"
expect 2 import "$files/a1111.pt" s.yaml --concept fox "${options[@]}"
says "convert it: python -c"
expect 2 import "$files/learned_embeds.safetensors" s.yaml "${options[@]}"
says "give --concept"
[ ! -e x ] && [ ! -e x.safetensors ] || fail "something was written"
sed 's/<portrait>/dog       /' "$files/learned_embeds.safetensors" > normal.safetensors
python3 - normal.safetensors << 'END'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", data[:8])[0]
header = {k.strip(): v for k, v in json.loads(data[8:8 + n]).items()}
text = json.dumps(header).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + data[8 + n:])
END
expect 0 import normal.safetensors s.yaml --concept fox "${options[@]}"
says "'dog' is also an entry of the network's vocabulary"
expect 0 export normal.safetensors --network "$clip" -o normal
says normal/vw-dog-
echo "words out and in: the numbers, the metrics, other programs' files, refusals"
