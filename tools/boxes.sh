#!/usr/bin/env bash
# Draws what words of the demo find: tools/boxes.sh PROGRAM OUT. One word a concept, learned from the anchor dog at delta 1,
# looked for in all 56 test scenes; OUT/pictures/boxes has a copy of each with boxes, and a JSON file beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
out=$2
"$program" detect data/owlv2-tiny data/scenes/test --words "$out:owl,from dog+delta 1" -o "$out/pictures/boxes" \
  --threshold 0.2 --overlap 0.5 --top 4 >"$out/pictures.log" || { cat "$out/pictures.log" >&2; exit 1; }
echo "Boxes of learned words: $out/pictures/boxes/*.png"
