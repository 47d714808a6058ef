#!/bin/bash
# --part i/n: parts of an array job work on one directory at once; a killed part goes on; a run of the whole study and
# parts exclude each other; `collect` says which part is missing what; the results are those of one run.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
cd "$work"
study small.yaml 4 'dog, hammer'
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/' small.yaml
options=(--quiet --threads 1 --cache cache --checkpoint-seconds 0)
go() { # CODE STAGE DIR [OPTIONS]: its messages in FILE log
  local code=0 wanted=$1 stage=$2 dir=$3
  shift 3
  "$viswords" "$stage" small.yaml -o "$dir" "${options[@]}" "$@" > out.txt 2> log || code=$?
  [ "$code" = "$wanted" ] || { cat log >&2 && fail "$stage $* in $dir: exit code $code, expected $wanted"; }
}
paused() { # FILE PID: until the run stands at its fault point
  until grep -q 'fault: pid' "$1"; do kill -0 "$2" 2> /dev/null || fail "it ended: $(cat "$1")"; sleep 0.02; done
}
same_study() { # DIR: all that the undisturbed run left
  same whole "$1"
  "$viswords" diff whole "$1" > diff.txt || fail "diff: $(cat diff.txt)"
  cmp whole/plan.yaml "$1/plan.yaml" || fail "$1: another plan"
  cmp whole/summary.csv "$1/summary.csv" || fail "$1: another summary"
  if command -v h5diff > /dev/null; then
    h5diff --exclude-path /provenance whole/study.h5 "$1/study.h5" > diff.txt || fail "h5diff: $(cat diff.txt)"
  fi
}
go 0 run whole

echo "two parts at once, one of them killed"
: > one.log # here: the job may do it too late
VISWORDS_FAULT=renamed:block=pause "$viswords" learn small.yaml -o out "${options[@]}" --part 1/2 2> one.log &
one=$!
paused one.log $one
VISWORDS_FAULT=renamed:checkpoint:2=kill go 137 learn out --part 2/2
[ -e out/.lock-part-1-of-2 ] || fail "part 1 has no lock of its own"
"$viswords" status out > status.txt
has status.txt "part 1/2 is held by process $one on"
has status.txt 'part 2/2 is held by process .* which is dead'
! grep -q 'nobody is working' status.txt || fail "status: $(cat status.txt)"
"$viswords" status out --json | grep -q '"part": "1/2"' || fail "status --json"

echo "what must not run beside a part"
for stage in run learn evaluate collect; do
  go 2 $stage out
  has log "out: process $one on .* is working here (.lock-part-1-of-2); wait for it"
done
[ ! -e out/study.h5 ] || fail "collect wrote beside a part"
go 2 learn out --part 1/2
go 2 learn out --part 3/4
has log "is working here (.lock-part-1-of-2)"
go 0 learn out --part 2/2
has log 'goes on from its checkpoint at step 2'
kill -RTMIN $one
wait $one || fail "part 1: $(cat one.log)"
[ -z "$(find out -name '.lock*')" ] || fail "locks stayed"
[ -s out/log/part-1-of-2-rank-0.jsonl ] && [ -s out/log/part-2-of-2-rank-0.jsonl ] || fail "no logs of the parts"

echo "collect says which part is to go on"
go 0 evaluate out --part 1/2
go 0 collect out
has log 'part 2/2: 0 blocks are not learned, [1-9][0-9]* blocks and the baselines of [1-9] concepts not judged: .viswords evaluate --part 2/2.'
! grep -q 'part 1/2' log || fail "part 1 has done all: $(cat log)"
mpi 2 "$viswords" evaluate small.yaml -o out "${options[@]}" --part 2/2
go 0 collect out
! grep -q 'part ./2' log || fail "all have done all: $(cat log)"
same_study out
cp -r out lacks
rm "$(find lacks/blocks -name '*.safetensors' ! -name '*-*' | sort | head -1)"
mpi 2 "$viswords" collect small.yaml -o lacks "${options[@]}" > out.txt 2> log
[ "$(grep -c 'part ./2: 1 blocks are not learned, 0 blocks' log)" = 1 ] || fail "which part learns it? $(cat log)"
part=$(sed -n "s#.*'viswords learn --part \(./2\)'.*#\1#p" log | head -1)
go 0 learn lacks --part "$([ "$part" = 1/2 ] && echo 2/2 || echo 1/2)" # the other one has nothing to do
[ "$(find lacks/blocks -name '*.safetensors' ! -name '*-*' | wc -l)" = 5 ] || fail "another part learned it"
go 0 learn lacks --part "$part"
go 0 collect lacks
same_study lacks

echo "shares: all blocks, each once, by cost; another n on a later start; more parts than blocks"
mkdir -p three/blocks
for i in 1 2 3; do
  before=$(find three/blocks -name '*.safetensors' | wc -l)
  go 0 learn three --part $i/3
  n=$(($(find three/blocks -name '*.safetensors' | wc -l) - before))
  [ "$n" = 2 ] || fail "part $i/3 learned $n of 6 blocks"
done
for i in 1 2; do go 0 evaluate three --part $i/2; done
go 0 collect three
same_study three
go 0 learn many --part 7/7
[ -z "$(find many/blocks -name '*.safetensors')" ] || fail "the seventh of 6 blocks"
go 0 learn many # the whole: what is left
go 0 run many
same_study many

# 3 blocks of adam cost more than all of ball: 2 of adam, or 1 and all of ball
sed 's/steps: 4/steps: {ball: 1, adam: 300}/' small.yaml > uneven.yaml
for i in 1 2; do
  "$viswords" learn uneven.yaml -o uneven "${options[@]}" --checkpoint-seconds 60 --part $i/2
  find uneven/blocks -name '*.safetensors' | wc -l
done > counts.txt
[ "$(tr '\n' ' ' < counts.txt)" = "2 6 " ] || fail "blocks after each part: $(cat counts.txt)"

echo "a whole run holds its lock: no part, no second collect"
: > one.log
VISWORDS_FAULT=gathering=pause "$viswords" collect small.yaml -o many "${options[@]}" > out.txt 2> one.log &
one=$!
paused one.log $one
go 2 collect many
has log "many: process $one on .* is working here; wait"
go 2 learn many --part 1/2
has log "many: process $one on .* is working here (.lock); wait"
kill -RTMIN $one
wait $one || fail "collect: $(cat one.log)"
same_study many

echo "a whole run that was killed is no hindrance, nor is a part of another n"
VISWORDS_FAULT=renamed:checkpoint:1=kill go 137 learn killed
go 0 learn killed --part 1/2
VISWORDS_FAULT=renamed:checkpoint:1=kill go 137 learn killed --part 2/2
go 0 run killed
[ -z "$(find killed -name '.lock*')" ] || fail "a dead part's lock stayed"
same_study killed

echo "both come at once: at least one is refused, none is harmed"
: > one.log
VISWORDS_FAULT=writing:lock:2=pause "$viswords" learn small.yaml -o both "${options[@]}" 2> one.log &
one=$!
paused one.log $one # it holds .lock
go 2 learn both --part 1/1
kill -RTMIN $one
wait $one || fail "the whole: $(cat one.log)"

echo "the first part decides the backend, under the plan's lock"
for i in 1 2; do # both have chosen cpu; then ref is in the plan
  : > $i.log
  VISWORDS_FAULT=writing:lock:2=pause "$viswords" learn small.yaml -o auto "${options[@]}" --part $i/3 2> $i.log &
  pids[i]=$!
  paused $i.log "${pids[i]}"
done
go 0 learn auto --part 3/3 --backend ref
for i in 1 2; do
  kill -RTMIN "${pids[i]}"
  wait "${pids[i]}" || fail "part $i: $(cat $i.log)"
  has $i.log 'auto/plan.yaml was made meanwhile and decides for ref'
done
grep -q '^backend: "\?ref' auto/plan.yaml || fail "backend: $(head -5 auto/plan.yaml)"
"$viswords" run small.yaml -o ref "${options[@]}" --backend ref > out.txt
go 0 run auto
same ref auto
cmp ref/plan.yaml auto/plan.yaml || fail "ref: another plan"

for wrong in 0/2 3/2 2 x/2 1/0; do
  go 2 learn wrong --part $wrong
  has log "part '$wrong': expected i/n"
  [ ! -e wrong ] || fail "a directory was made for $wrong"
done
for stage in run collect; do
  go 2 $stage wrong --part 1/2
  has log "unknown option"
done
