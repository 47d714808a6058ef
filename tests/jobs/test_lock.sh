#!/bin/bash
# One run at a time commits: an owner that was asleep past its lease, or that died on what looks like another machine,
# is replaced after the lease; one that lives is not; whoever was replaced stops before its next commit.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
cd "$work"
study long.yaml 100000000 dog
options=(--quiet --threads 1 --cache cache --checkpoint-seconds 0.2)
export VISWORDS_LOCK_BEAT=0.2 VISWORDS_LOCK_LEASE=2
learn=("$viswords" learn long.yaml -o out "${options[@]}")
pids=()
end() {
  local pid
  for pid in "${pids[@]}"; do kill -9 "$pid" 2> /dev/null || true; done
  rm -rf "$work"
}
trap end EXIT

wait_for() { # a file with a checkpoint of the run whose messages are in FILE; PID
  local i
  for ((i = 0; i < 3000; i++)); do
    [ ! -e out/.lock ] || [ -z "$(find out/blocks -name '*.checkpoint.?' -newer out/.lock-seen 2> /dev/null)" ] || return 0
    kill -0 "$2" 2> /dev/null || fail "a run ended: $(cat "$1")"
    sleep 0.02
  done
  fail "no checkpoint: $(cat "$1")"
}
start() { # FILE [PREFIX...]: in the background, as $job; returns once it has a checkpoint of its own
  local file=$1
  shift
  mkdir -p out && touch out/.lock-seen && sleep 0.02
  "$@" "${learn[@]}" > /dev/null 2> "$file" &
  job=$!
  pids+=("$job")
  wait_for "$file" "$job"
}
stop() { # FILE: the running job saves and goes
  local code=0
  kill -TERM "$job"
  wait "$job" || code=$?
  [ "$code" = 75 ] || fail "exit code $code, expected 75: $(cat "$1")"
  [ ! -e out/.lock ] || fail "the lock stayed"
}
refused() { # PATTERN
  local code=0
  # a lease that does not end: only a sign of life refuses, however busy this machine is
  VISWORDS_LOCK_LEASE=1000 timeout 300 "${learn[@]}" > /dev/null 2> refused.txt || code=$?
  [ "$code" = 2 ] || fail "exit code $code, expected 2: $(cat refused.txt)"
  has refused.txt "^viswords: out: process .* $1 is working here"
}
here=$(uname -n)

echo "an owner that is asleep longer than its lease"
start first
first=$job
refused "on $here"
! grep -q 'waiting up to' refused.txt || fail "an owner that is known to live was waited for"
kill -STOP "$first"
start second
has second "process $first on $here holds this lock; .* waiting up to 2 s"
has second "took over from process $first on $here, which gave no sign of life for 2 s"
second=$job
kill -CONT "$first"
code=0
wait "$first" || code=$?
[ "$code" = 1 ] || fail "the run that lost its lock: exit code $code: $(cat first)"
has first "^viswords: .*out/.lock: process $second on $here took over .*this run stops and writes nothing more"
kill -0 "$second" || fail "the run that took over ended: $(cat second)"
stop second

echo "asked to stop while it waits"
start first
kill -STOP "$job"
(export VISWORDS_LOCK_LEASE=1000 && exec "${learn[@]}" 2> waiting) &
waiting=$!
pids+=("$waiting")
until grep -q 'waiting up to 1000 s' waiting; do kill -0 $waiting || fail "it ended: $(cat waiting)"; sleep 0.02; done
kill -TERM $waiting
code=0
wait $waiting || code=$?
[ "$code" = 75 ] || fail "exit code $code: $(cat waiting)"
kill -CONT "$job"
stop first

echo "a dead owner of this machine is replaced at once"
start first
kill -9 "$job"
wait "$job" 2> /dev/null || true
start second
! grep -q 'waiting up to' second || fail "it waited for a dead process"
stop second

elsewhere() { # NAME OWNER PREFIX...: an owner that lives is refused, one that died is replaced after the lease
  local name=$1 owner=$2 inner
  shift 2
  if ! "$@" true 2> /dev/null; then
    echo "skipped: $name needs a user who may unshare"
    return 0
  fi
  echo "another $name: it lives"
  start first "$@"
  refused "on $owner"
  has refused.txt "waiting up to 1000 s"
  echo "another $name: it died"
  inner=$(pgrep -P "$job" || true)
  kill -9 "${inner:-$job}"
  wait "$job" 2> /dev/null || true
  start second
  has second "took over from process .* on $owner, which gave no sign of life"
  stop second
}
cat > other-host.sh << 'END'
hostname elsewhere-7 2> /dev/null || exit 1
exec "$@"
END
elsewhere host elsewhere-7 unshare -u bash other-host.sh
elsewhere "process namespace" "$here" unshare -p -f
elsewhere "process namespace with its own /proc" "$here" unshare -p -f --mount-proc

echo "ranks that do not hold the lock stop, too"
study short.yaml 3 dog, hammer
sed -i 's/stages: .*/stages: [learn]/' short.yaml
code=0
VISWORDS_FAULT=writing:block:1=pause mpi 2 "$viswords" learn short.yaml -o ranks --quiet --threads 1 --cache cache \
  > /dev/null 2> ranks.txt &
job=$!
pids+=("$job")
until [ "$(grep -c 'fault: pid' ranks.txt)" = 2 ]; do kill -0 $job || fail "it ended: $(cat ranks.txt)"; sleep 0.02; done
mv ranks/.lock ranks/.lock.old # as another run would have replaced it
for pid in $(sed -n 's/.*fault: pid \([0-9]*\) paused.*/\1/p' ranks.txt); do kill -RTMIN "$pid"; done
wait $job || code=$?
[ "$code" = 1 ] || fail "exit code $code: $(cat ranks.txt)"
has ranks.txt "this run's lock is gone"
[ -z "$(find ranks/blocks -name '*.safetensors')" ] || fail "a rank committed after the lock was lost"
