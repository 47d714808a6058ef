#!/bin/bash
# Waiting threads sleep: the program chooses so, unless the user has; threads never exceed the cores it may use.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"

policies() { # [SETTING ...]: what OpenMP read, a line for each time that the program started
  env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT OMP_DISPLAY_ENV=true "$@" "$viswords" run --help 2>&1 |
    sed -n "s/.*OMP_WAIT_POLICY = '\(.*\)'/\1/p" | tr '\n' ' '
}
[ "$(policies | wc -w)" = 2 ] || fail "one start again: $(policies)"
case $(policies) in *"PASSIVE ") ;; *) fail "threads that wait spin: $(policies)" ;; esac
[ "$(policies OMP_WAIT_POLICY=active)" = "ACTIVE " ] || fail "the user's setting: $(policies OMP_WAIT_POLICY=active)"
[ "$(policies GOMP_SPINCOUNT=7 | wc -w)" = 1 ] || fail "the user's count of spins was not kept"

study study.yaml 2 dog
threads() { # of a run: COMMAND...
  rm -rf made
  "$@" run study.yaml -o made 2> log.txt || { cat log.txt >&2 && fail "$*"; }
  sed -n 's/^total .* on .* x \([0-9]*\) thread.*/\1/p' log.txt
}
core=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//') # the first that this test may use
[ "$(threads taskset -c "$core" "$viswords")" = 1 ] || fail "more threads than cores: $(cat log.txt)"
[ "$(threads env OMP_NUM_THREADS=3 "$viswords")" = 3 ] || fail "OMP_NUM_THREADS is the user's: $(cat log.txt)"
