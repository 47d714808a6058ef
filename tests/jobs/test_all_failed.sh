#!/bin/bash
# A study without one word that counts ends with exit code 1, whichever stage finds it out; one with some ends with 0.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
study some.yaml 8 dog
sed -i 's/optimiser: adamw/optimiser: adamw, lr: 1000000, weight_decay: 1000/' some.yaml
sed '/^  ball:/d; s/deltas: .*/deltas: [free]/' some.yaml > none.yaml # a word in a ball stays finite
go() { # CODE STAGE STUDY DIR [OPTIONS]
  local code=0 wanted=$1
  "$viswords" "$2" "$3" -o "$4" --quiet --threads 1 --cache cache "${@:5}" > out.txt 2> log || code=$?
  [ "$code" = "$wanted" ] || { cat log >&2 && fail "$2 of $3: exit code $code, expected $wanted"; }
  [ "$wanted" = 0 ] || grep -q 'all trials failed: their words or losses are not finite' log || fail "not told: $(cat log)"
}
go 1 learn none.yaml none
go 1 learn none.yaml none # nothing was left to do
go 0 evaluate none.yaml none
go 1 collect none.yaml none
go 1 run none.yaml none
go 1 run none.yaml all
go 1 learn none.yaml parts --part 1/2
go 0 learn none.yaml parts --part 2/2 # one block: it has none
go 0 learn some.yaml some
go 0 collect some.yaml some
grep -q ', 3 failed' out.txt || fail "which failed? $(cat out.txt)"

# Words beside one that fails are what they are alone, whatever the task (those that draw: test_generation.sh).
sed "s|^  ball: .*|  owl: {kind: owlv2, weights: $source_dir/data/owlv2-tiny, learn: {optimiser: adamw, lr: 1000000, weight_decay: 1000}}|" \
  some.yaml | sed 's/^stages: .*/stages: [learn, collect]/' > both.yaml
sed 's/block: 4/block: 1/' both.yaml > alone.yaml
go 0 run both.yaml both
grep -q "failed: its loss is not finite at step .*owl.*delta free" log || fail "owl: $(cat log)"
grep -q "failed: its loss is not finite at step .*adam.*delta free" log || fail "adam: $(cat log)"
go 0 run alone.yaml alone
"$viswords" diff both alone > out.txt || true
grep -q ' results: 12 trials compared, 0 differ' out.txt || fail "beside failed words: $(cat out.txt)"
