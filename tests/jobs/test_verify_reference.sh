#!/bin/bash
# `verify MODEL_DIR --reference`: agrees with transformers on both backends, finds a changed weight and a changed picture,
# and refuses what is not a reference file of this directory. The same for an OWL-v2 directory, and with diffusers for one
# of Stable Diffusion.
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

# beyond ROW...: these rows and no others
beyond() {
  local got
  got=$(awk '/BEYOND$/ { printf "%s ", $1 }' "$work/out.txt")
  [ "$got" = "$* " ] || fail "expected beyond: $*; got: $got"
}

copied() {
  rm -rf "$work/model"
  cp -rL "$model" "$work/model"
  chmod -R u+w "$work/model"
}
# a copy of the model with byte AT of its weights changed
changed() {
  local file=$work/model/model.safetensors
  copied
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

copied
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

# ---- OWL-v2: the same, boxes and objectness, matching; of large outputs the file keeps every 37th number
owl=$source_dir/data/owlv2-tiny
boxes=$source_dir/tests/reference/fixtures/verify_owl_tiny.safetensors
for backend in ref cpu; do
  verify 0 "$owl" --reference "$boxes" --backend $backend --threads 1
  says "17 comparisons, 0 beyond their limit"
  for row in tokens text_features pixels embedding shift scale boxes objectness logits matching word_features word_loss \
    word_gradient pgd.words pgd.loss adamw.words adamw.loss; do says "$row "; done
done
(
  model=$owl
  changed "$(place box_head.dense2.bias)" # boxes, and through them which patches answer
  verify 3 "$work/model" --reference "$boxes"
  beyond boxes matching
  changed "$(place class_head.logit_shift.bias)"
  verify 3 "$work/model" --reference "$boxes"
  grep -qE '^logits .*BEYOND' "$work/out.txt" || fail "logits: $(cat "$work/out.txt")"
  grep -E '^(tokens|text_features|pixels|embedding|scale|boxes|objectness|matching|word_features) .*BEYOND' \
    "$work/out.txt" && fail "the logits' shift changed more than logits"
  copied
  sed -i 's/0.48145466/0.5/' "$work/model/preprocessor_config.json" # of normalisation: prepared pictures and what follows
  verify 3 "$work/model" --reference "$boxes"
  grep -E '^(tokens|text_features|pixels|word_features) .*BEYOND' "$work/out.txt" && fail "the mean changed a text"
  grep -qE '^embedding .*BEYOND' "$work/out.txt" || fail "embedding: $(cat "$work/out.txt")"
  sed -i 's/"height": 96/"height": 120/; s/"width": 96/"width": 120/' "$work/model/preprocessor_config.json"
  verify 2 "$work/model" --reference "$boxes"
  says "tensor 'pixels' is"
)
verify 2 "$source_dir/tests/reference/fixtures/owlv2_a" --reference "$boxes"
says "was the file made from this model directory?"
verify 2 "$model" --reference "$boxes"
says "$model/config.json: model_type is 'clip', expected 'owlv2'"
verify 2 "$owl" --reference "$reference"
says "$owl/config.json: model_type is 'owlv2', expected 'clip'"
head -c 30000 "$boxes" > "$work/short.safetensors"
verify 2 "$owl" --reference "$work/short.safetensors"
says short.safetensors
# a file that says less than it must: no picture of the network's size, another filling, no stride
edited() { sed "s/$1/$2/" "$boxes" > "$work/edited.safetensors"; }
edited '"scene\.0"' '"scenf.0"'
verify 2 "$owl" --reference "$work/edited.safetensors"
says "no tensor 'scene.0'"
edited '\(pad[^a-z]*\)grey' '\1gray'
verify 2 "$owl" --reference "$work/edited.safetensors"
says "pad 'gray'; expected 'grey' or 'black'"
edited 'stride\([^a-z]* \)37' 'stride\1-7'
verify 2 "$owl" --reference "$work/edited.safetensors"
says "stride -7; expected a whole number from 1 on"
edited 'owlv2' 'owlv3'
verify 2 "$owl" --reference "$work/edited.safetensors"
says "kind 'owlv3'; expected 'clip', 'owlv2' or 'stable-diffusion'"

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
