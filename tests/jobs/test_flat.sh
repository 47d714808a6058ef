#!/bin/bash
# An output directory whose blocks lie in blocks/ itself, as older versions wrote them: what stands is found where it
# is, nothing is learned or judged again, a checkpoint goes on, and the results have the same bits.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
cd "$work"
study small.yaml 6 dog
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/' small.yaml
flatten() { # DIR
  find "$1/blocks" -mindepth 2 -type f -exec mv -t "$1/blocks" {} +
  find "$1/blocks" -mindepth 1 -type d -delete
}
files() { find "$1" -type f -name "$2" -printf '%f %i %T@ %s\n' | sort; }

"$viswords" run small.yaml -o whole "${options[@]}" > table.txt
[ -z "$(find whole/blocks -maxdepth 1 -type f)" ] || fail "a file in blocks/ itself"
[ "$(find whole/blocks -mindepth 2 -type f | wc -l)" -gt 6 ] || fail "no files in sub-folders"
for file in whole/blocks/*/*; do
  name=$(basename "$file")
  [ "$(basename "$(dirname "$file")")" = "${name:0:2}" ] || fail "$file is in the wrong folder"
done

echo "all is there, flat"
cp -r whole flat
flatten flat
files flat/blocks '*' > before
"$viswords" run small.yaml -o flat "${options[@]}" > table_2.txt 2> log
files flat/blocks '*' | cmp - before || fail "files were touched or made: $(find flat/blocks)"
same whole flat
cmp <(grep -v study.h5 table.txt) <(grep -v study.h5 table_2.txt) || fail "another table"
"$viswords" diff whole flat > diff.txt || fail "$(cat diff.txt)"
"$viswords" status flat > status.txt
has status.txt '12 of 12 trials learned (100 %), 12 judged; baselines of 2 concepts'
"$viswords" verify --files flat > verify.txt
[ "$(grep -o '[0-9]* files checked' verify.txt)" = "$("$viswords" verify --files whole | grep -o '[0-9]* files checked')" ] ||
  fail "verify: $(cat verify.txt)"
"$viswords" encode "$source_dir/data/clip-tiny" --words flat > /dev/null || fail "encode"

echo "half of it, and a checkpoint"
code=0
VISWORDS_FAULT=renamed:checkpoint:9=kill "$viswords" run small.yaml -o part "${options[@]}" 2> log || code=$?
[ "$code" = 137 ] || fail "exit code $code"
flatten part
files part/blocks '*.safetensors' > before
[ "$(wc -l < before)" -ge 1 ] || fail "no block was finished"
step=$("$viswords" status part | sed -n 's/.*checkpoint at step \([0-9]*\).*/\1/p')
mpi 2 "$viswords" run small.yaml -o part "${options[@]}" > table_2.txt 2> log
has log "goes on from its checkpoint at step $step"
[ -z "$(comm -23 before <(files part/blocks '*.safetensors'))" ] || fail "finished blocks were touched"
[ -n "$(find part/blocks -mindepth 2 -name '*.safetensors')" ] || fail "new blocks are not in sub-folders"
[ -z "$(find part/blocks -name '*.checkpoint.*')" ] || fail "checkpoints stayed"
same whole part
