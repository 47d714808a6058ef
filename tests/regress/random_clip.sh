#!/usr/bin/env bash
# random-clip overwrote a directory that holds a model without a question, left an empty folder where it could not go on,
# and wrote logit_scale as [1], which transformers 5 refuses.
source "$(dirname "$0")/../support/regress.sh"
mkdir real && cp "$source_dir"/data/clip-tiny/* real/ || untried "no directory"
before=$(cksum < real/model.safetensors)
program random-clip real --size B/32 --fp16 --tokenizer "$source_dir/data/clip-tiny"
after=$(cksum < real/model.safetensors)
expect "checksum and size of the model that was there" "$after" "$before"
rm -rf real
program random-clip away --size B/32 --fp16
if [ "$code" = 0 ]; then
  echo "away from the sources: right: it works"
else
  expect "what a refused random-clip leaves" "$(find away 2> /dev/null | paste -sd ' ')" ''
fi
rm -rf away
must random-clip new --size B/32 --fp16 --tokenizer "$source_dir/data/clip-tiny"
header=$(od -An -tu8 -N8 new/model.safetensors | tr -d ' ')
shape=$(head -c $((8 + header)) new/model.safetensors | tail -c "$header" | grep -ao '"logit_scale":{[^{}]*}' | grep -o '"shape":\[[^]]*\]')
expect "shape of logit_scale" "$shape" '"shape":[]'
finish
