#!/bin/bash
# --max-time: a run that cannot end in its time saves and leaves as on a signal; --verbose: where an error came from.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"

study short.yaml 4 dog
"$viswords" learn short.yaml -o one --threads 1 --max-time 1:00:00 2> log.txt || { cat log.txt >&2 && fail "an hour is enough"; }

study long.yaml 1000000 dog # hours
stops() { # SECONDS COMMAND...
  local code=0
  "${@:2}" learn long.yaml -o long --max-time "$1" --threads 1 2> log.txt || code=$?
  [ "$code" = 75 ] || { cat log.txt >&2 && fail "exit code $code, expected 75: ${*:2} for $1"; }
  grep -q "end of --max-time; all is saved in long" log.txt || { cat log.txt >&2 && fail "does not say why it stopped"; }
}
saved() { [ "$(find long/blocks -name '*.checkpoint.?' 2> /dev/null | wc -l)" -ge 1 ]; }
for seconds in 2 8 32; do # a busy machine may still be reading inputs
  stops "$seconds" mpi 2 "$viswords"
  if saved; then break; fi
done
saved || fail "nothing was saved"
for seconds in 2s 8s 0.5m; do
  stops "$seconds" "$viswords"
  if grep -q "goes on from its checkpoint at step [1-9]" log.txt; then break; fi
done
grep -q "goes on from its checkpoint at step [1-9]" log.txt || { cat log.txt >&2 && fail "did not go on"; }

# The signals of terminals and batch systems, without mpirun; one that was ignored at the start stays ignored.
start() { # SIGNAL...: ignored
  rm -rf signal
  (for name in "$@"; do trap '' "$name"; done; exec "$viswords" learn long.yaml -o signal --threads 1 --cache cache --quiet) 2> log.txt &
  job=$!
  until [ -e signal/.lock ]; do kill -0 $job || fail "the run ended: $(cat log.txt)"; sleep 0.02; done
}
ends() { # WHAT
  local code=0
  wait $job || code=$?
  { [ "$code" = 75 ] && grep -q 'all is saved in signal' log.txt; } || { cat log.txt >&2 && fail "$1: exit code $code, expected 75"; }
}
for signal in HUP USR2 XCPU; do
  start
  kill -$signal $job
  ends $signal
done
start HUP
kill -HUP $job
sleep 0.3
kill -0 $job || fail "a HUP that was ignored ended the run"
kill -TERM $job
ends "TERM after an ignored HUP"

for wrong in 0 3x 1:75:00 inf; do
  code=0
  "$viswords" learn short.yaml -o two "--max-time=$wrong" 2> log.txt || code=$?
  { [ "$code" = 2 ] && grep -q "max-time '$wrong': expected a time such as" log.txt; } || { cat log.txt >&2 && fail "'$wrong'"; }
done

"$viswords" run none.yaml -o two --verbose 2> log.txt && fail "none.yaml"
grep -q '^  src/core/problems.c:[0-9]*: none.yaml: cannot open' log.txt || { cat log.txt >&2 && fail "no trail"; }
"$viswords" run none.yaml -o two 2> log.txt && fail "none.yaml"
[ "$(wc -l < log.txt)" = 1 ] || { cat log.txt >&2 && fail "a trail that nobody asked for"; }
