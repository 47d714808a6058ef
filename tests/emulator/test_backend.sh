#!/bin/bash
# plan.backend: auto. The first learn decides for the study, all ranks together: cuda where every rank has a device, cpu
# where none has, and an error where only some have. What only looks decides nothing.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
emulated=$2/tests/viswords_emulated
[ -x "$emulated" ] || { echo "skipped: built without CUDA"; exit 77; }
cd "$work"
study study.yaml 2 dog
none=(env VW_EMULATOR_DEVICES=0)
planned() { sed -n 's/^backend: "\(.*\)"$/\1/p' "$1/plan.yaml"; }
learn() { "$@" learn study.yaml --threads 1 -q --log error -o "$out" 2> log.txt; }

"$emulated" plan study.yaml > plan.txt
grep -q "^  backend cpu" plan.txt || fail "plan on a machine with a device is not the CPU's: $(cat plan.txt)"
grep -q "plan.backend is auto: the first learn decides it" plan.txt || fail "$(cat plan.txt)"

out=with
learn "$emulated" || fail "$(cat log.txt)"
[ "$(planned with)" = cuda ] || fail "a device, and backend $(planned with)"
learn "${none[@]}" "$emulated" && fail "went on without a device"
grep -q "no CUDA device" log.txt || fail "$(cat log.txt)"

out=without
learn "${none[@]}" "$emulated" || fail "$(cat log.txt)"
[ "$(planned without)" = cpu ] || fail "no device, and backend $(planned without)"
learn "$emulated" || fail "a plan of the CPU on a machine with a device: $(cat log.txt)"
[ "$(planned without)" = cpu ] || fail "decided twice: $(planned without)"

out=some code=0
timeout "$most_seconds" mpirun --oversubscribe --bind-to none \
  -n 1 "$emulated" learn study.yaml -o some -q --log error : \
  -n 1 "${none[@]}" "$emulated" learn study.yaml -o some -q --log error 2> log.txt || code=$?
[ "$code" != 0 ] || fail "one rank of two without a device, and no complaint"
grep -q "rank 1 on .*of 2 ranks 1 have a CUDA device, this one has none" log.txt || fail "$(cat log.txt)"
[ ! -e some/plan.yaml ] || fail "a plan of ranks that do not agree"
