#!/bin/bash
# --max-time: a run that cannot end in its time saves and leaves as on a signal; --verbose: where an error came from.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"

study long.yaml 1000000 dog # hours
sed -i 's/block: 4/block: 4, backend: cpu/' long.yaml
code=0
mpi 2 "$viswords" learn long.yaml -o long --max-time 4 --threads 1 2> log.txt || code=$?
[ "$code" = 75 ] || { cat log.txt >&2 && fail "exit code $code, expected 75"; }
grep -q "end of --max-time; all is saved in long" log.txt || { cat log.txt >&2 && fail "does not say why it stopped"; }
[ "$(find long/blocks -name '*.checkpoint.?' | wc -l)" -ge 1 ] || fail "nothing was saved"
code=0
"$viswords" learn long.yaml -o long --max-time 2s --threads 1 --log debug 2> log.txt || code=$?
[ "$code" = 75 ] || { cat log.txt >&2 && fail "exit code $code after going on, expected 75"; }
grep -q "goes on from its checkpoint at step [1-9]" log.txt || { cat log.txt >&2 && fail "did not go on"; }

study short.yaml 4 dog
"$viswords" learn short.yaml -o one --threads 1 --max-time 1:00:00 2> log.txt || { cat log.txt >&2 && fail "an hour is enough"; }
for wrong in 0 -5 3x h 1:75:00 inf nan 30mm ''; do
  code=0
  "$viswords" learn short.yaml -o two "--max-time=$wrong" 2> log.txt || code=$?
  { [ "$code" = 2 ] && grep -q "max-time '$wrong': expected a time such as" log.txt; } || { cat log.txt >&2 && fail "'$wrong'"; }
done

"$viswords" run none.yaml -o two --verbose 2> log.txt && fail "none.yaml"
grep -q '^  src/core/problems.c:[0-9]*: none.yaml: cannot open' log.txt || { cat log.txt >&2 && fail "no trail"; }
"$viswords" run none.yaml -o two 2> log.txt && fail "none.yaml"
[ "$(wc -l < log.txt)" = 1 ] || { cat log.txt >&2 && fail "a trail that nobody asked for"; }
