#!/bin/bash
# `verify MODEL_DIR --reference`: agrees with transformers on both backends, finds a changed weight and a changed picture,
# and refuses what is not a reference file of this directory. The same with diffusers for a Stable Diffusion directory.
# Fixtures: tests/reference/verify.py --small.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
model=$source_dir/data/clip-tiny
reference=$source_dir/tests/reference/fixtures/verify_tiny.safetensors

# verify CODE ARGUMENTS...: output in $work/out.txt
verify() {
  local expected=$1 code=0
  shift
  "$viswords" verify "$@" > "$work/out.txt" 2>&1 || code=$?
  [ "$code" = "$expected" ] || fail "verify $*: exit code $code, expected $expected: $(cat "$work/out.txt")"
}
# says TEXT: the last output holds it
says() { grep -qF -- "$1" "$work/out.txt" || fail "expected '$1' in: $(cat "$work/out.txt")"; }

for backend in ref cpu; do
  verify 0 "$model" --reference "$reference" --backend $backend --threads 1
  says ", 0 beyond their limit"
  for row in tokens text_features pixels image_features logits word_features word_loss word_gradient pgd.words pgd.loss \
    adamw.words adamw.loss; do says "$row "; done
done
verify 0 "$model" --reference "$reference" --json
says '"beyond": 0'

# a copy of the model with byte AT of its weights changed
changed() {
  local file=$work/model/model.safetensors
  rm -rf "$work/model"
  cp -rL "$model" "$work/model"
  chmod -R u+w "$work/model"
  printf '\x42' | dd of="$file" bs=1 seek="$1" conv=notrunc status=none # 0x42..: 3 or more in fp16
}
# the place of a tensor's first number in the file: header length, then the offset in the header
place() {
  local header offset
  header=$(od -An -t u8 -N 8 "$model/model.safetensors" | tr -d ' ')
  offset=$(head -c $((8 + header)) "$model/model.safetensors" | tail -c "$header" |
    grep -o "\"$1\":{[^}]*}" | sed 's/.*"data_offsets":\[\([0-9]*\),.*/\1/')
  echo $((8 + header + offset + 1)) # little endian: the byte with sign and exponent
}
changed "$(place text_model.encoder.layers.3.mlp.fc2.bias)"
verify 3 "$work/model" --reference "$reference"
says BEYOND
grep -E '^(tokens|pixels|image_features) .*BEYOND' "$work/out.txt" && fail "a text layer changed a picture"
grep -qE '^text_features .*BEYOND' "$work/out.txt" || fail "text_features: $(cat "$work/out.txt")"
grep -qE '^adamw.words .*BEYOND' "$work/out.txt" || fail "adamw.words: $(cat "$work/out.txt")"

changed "$(place vision_model.post_layernorm.bias)"
verify 3 "$work/model" --reference "$reference"
grep -E '^(tokens|pixels|text_features) .*BEYOND' "$work/out.txt" && fail "a picture's layer changed a text"
grep -qE '^image_features .*BEYOND' "$work/out.txt" || fail "image_features: $(cat "$work/out.txt")"

rm -rf "$work/model"
cp -rL "$model" "$work/model"
chmod -R u+w "$work/model"
rm -f "$work/model/tokenizer.json" # where it is, vocab.json is not read
id_of() { grep -o "\"$1\":[0-9]*" "$model/vocab.json" | sed 's/.*://'; }
dog=$(id_of 'dog<\/w>') photo=$(id_of 'photo<\/w>')
sed -i "s/\"dog<\/w>\":$dog/\"dog<\/w>\":$photo/; s/\"photo<\/w>\":$photo/\"photo<\/w>\":$dog/" "$work/model/vocab.json"
verify 3 "$work/model" --reference "$reference"
grep -qE '^tokens .*BEYOND' "$work/out.txt" || fail "two entries exchanged: $(cat "$work/out.txt")"
grep -E '^(text_features|image_features) .*BEYOND' "$work/out.txt" && fail "features are computed from the reference's ids"

# The place of the feature: an old configuration's largest id is the same token here; another one's end is refused.
eos() { sed "s/\"eos_token_id\": [0-9]*/\"eos_token_id\": $1/" "$model/config.json" > "$work/model/config.json"; }
cp "$model/vocab.json" "$work/model/vocab.json"
eos 2
verify 0 "$work/model" --reference "$reference"
eos 7
verify 2 "$work/model" --reference "$reference"
says "eos_token_id is 7, but the tokenizer ends texts with"

verify 2 "$source_dir/tests/reference/fixtures/clip_a" --reference "$reference"
says "was the file made from this model directory?"
verify 2 "$model" --reference "$model/model.safetensors"
says "expected a file of tests/reference/verify.py"
head -c 100000 "$reference" > "$work/short.safetensors"
verify 2 "$model" --reference "$work/short.safetensors"
says short.safetensors
verify 2 "$model"
says "say what to verify"

# ---- Stable Diffusion: the whole pipeline, from the reference's inputs of each stage; fixture: verify.py --small
sd=$source_dir/data/sd-tiny
drawn=$source_dir/tests/reference/fixtures/verify_sd_tiny.safetensors
for backend in ref cpu; do
  verify 0 "$sd" --reference "$drawn" --backend $backend --threads 1
  says "9 comparisons, 0 beyond their limit"
  for row in tokens text_states moments picture unet.prediction word_loss word_gradient ddim.latents dpm++.latents; do
    says "$row "
  done
done

copy_sd() {
  rm -rf "$work/sd"
  cp -rL "$sd" "$work/sd"
  chmod -R u+w "$work/sd"
}
# beyond ROW...: these rows and no others
beyond() {
  local got
  got=$(awk '/BEYOND$/ { printf "%s ", $1 }' "$work/out.txt")
  [ "$got" = "$* " ] || fail "expected beyond: $*; got: $got"
}
copy_sd
sed -i 's/"beta_end": 0.012/"beta_end": 0.013/' "$work/sd/scheduler/scheduler_config.json"
verify 3 "$work/sd" --reference "$drawn"
beyond word_loss word_gradient ddim.latents dpm++.latents
copy_sd
sed -i 's/"norm_eps": 1e-05/"norm_eps": 3e-01/' "$work/sd/unet/config.json"
verify 3 "$work/sd" --reference "$drawn"
beyond unet.prediction word_loss word_gradient ddim.latents dpm++.latents
copy_sd
sed -i 's/"v_prediction"/"epsilon"/' "$work/sd/scheduler/scheduler_config.json"
verify 3 "$work/sd" --reference "$drawn"
beyond word_loss word_gradient ddim.latents dpm++.latents

verify 2 "$model" --reference "$drawn"
says "$model"
verify 2 "$sd" --reference "$reference"
says "$sd"
head -c 100000 "$drawn" > "$work/short.safetensors"
verify 2 "$sd" --reference "$work/short.safetensors"
says short.safetensors
verify 2 "$model" --reference "$reference" --backend gpu
says "choose auto, ref, cpu or cuda"
