#!/usr/bin/env bash
# Weights that hold NaN are refused with the tensor's name. `check` found nothing, and a run ended with exit code 0.
source "$(dirname "$0")/../support/regress.sh"
mkdir weights && cp "$source_dir"/data/clip-tiny/* weights/ || untried "no weights"
file=weights/model.safetensors
header=$(od -An -tu8 -N8 $file | tr -d ' ')
size=$(stat -c %s $file)
name=$(head -c $((8 + header)) $file | tail -c "$header" | grep -ao '"[a-z_.0-9A-Z]*":{[^{}]*}' | grep -a ",$((size - 8 - header))\]" | cut -d '"' -f 2)
[ -n "$name" ] || untried "no last tensor in $file"
printf '\x00\x7e' | dd of=$file bs=1 seek=$((size - 2)) conv=notrunc status=none # a NaN of fp16
small_study study.yaml "$work/weights"
program check study.yaml
refused "check of weights with a NaN in $name" '1|2' "$name"
program run study.yaml -o out -t 1 -q
refused "run with a NaN in $name" '1|2' "$name"
finish
