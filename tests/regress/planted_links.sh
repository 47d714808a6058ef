#!/usr/bin/env bash
# Links planted in an output directory under the names of files to come are not followed: what they point to keeps its
# bytes. Everything there was overwritten.
source "$(dirname "$0")/../support/regress.sh"
small_study study.yaml
mkdir -p whole/log whole/figures
for kind in symbolic hard; do
  for name in plan.yaml.partial study.h5.partial MANIFEST.json.partial summary.csv.partial \
    figures/recall_against_delta.svg.partial log/rank-0.jsonl; do
    rm -rf out
    mkdir -p "out/$(dirname "$name")"
    echo "of somebody else" > victim
    if [ $kind = hard ]; then ln victim "out/$name"; else ln -s "$work/victim" "out/$name"; fi
    program run study.yaml -o out -t 1 -q
    expect "what a $kind link out/$name points to (exit code of the run: $code)" "$(head -c 60 victim | tr -c '[:print:]' ' ' | sed 's/ *$//')" "of somebody else"
  done
done
rm -rf out blocks
mkdir out blocks && ln -s "$work/blocks" out/blocks
touch -d '2 days ago' blocks/0123.safetensors.partial-foreign
program run study.yaml -o out -t 1 -q
expect "a foreign file behind a linked blocks/ (exit code of the run: $code)" "$(cd blocks && echo 0123*)" 0123.safetensors.partial-foreign
finish
