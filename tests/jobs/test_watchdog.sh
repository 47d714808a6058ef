#!/bin/bash
# A rank that stops answering ends the job instead of hanging it: one line names rank, host, stage and block, the exit code
# is 75, and the same command goes on to the bits of an undisturbed run. A slow rank, and a job that was suspended, are no
# alarm.   test_watchdog.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
limit=1.5
[ -z "${VISWORDS_UNTIMED:-}" ] || limit=15
small=$work/study.yaml
study "$small" 4 dog
sed -i 's/stages: .*/stages: [learn, evaluate]/' "$small"
command=("$viswords" run "$small" -o "$work/run" "${options[@]}" --watchdog "$limit")
"$viswords" run "$small" -o "$work/whole" "${options[@]}" > /dev/null

# begin RANKS RANK FAULT: starts the run with a fault on one rank, in $launcher; waits until it is paused, in $paused.
begin() {
  local parts=() i
  for ((i = 0; i < $1; i++)); do
    [ "$i" = 0 ] || parts+=(:)
    if [ "$i" = "$2" ]; then parts+=(-n 1 env "VISWORDS_FAULT=$3" "${command[@]}"); else parts+=(-n 1 "${command[@]}"); fi
  done
  rm -rf "$work/run"
  timeout 60 "${launch[@]}" "${parts[@]}" > /dev/null 2> "$work/log" &
  launcher=$!
  until paused=$(sed -n 's/.*fault: pid \([0-9]*\) paused.*/\1/p' "$work/log") && [ -n "$paused" ]; do
    kill -0 $launcher 2> /dev/null || fail "ended before the fault: $(cat "$work/log")"
    sleep 0.02
  done
}
ends() { # CODE: the job ends with it
  local code=0
  wait $launcher || code=$?
  [ $code = "$1" ] || fail "exit code $code, expected $1: $(cat "$work/log")"
}
goes_on() {
  "${command[@]}" > /dev/null 2> "$work/log" || fail "the same command: $(cat "$work/log")"
  same "$work/whole" "$work/run"
}
said() { # RANK WHAT
  has "$work/log" "^viswords: rank $1 on $(hostname) $2 for [0-9.]* s: stage learn, block [0-9a-f]*\(, step [0-9]*\)\?: the job ends \
(--watchdog); finished blocks and checkpoints are kept in $work/run; the same command goes on\$"
  [ "$(grep -c '^viswords: ' "$work/log")" = 1 ] || fail "not one line: $(cat "$work/log")"
}

rank=$((RANDOM % 3))
echo "rank $rank of 3 is stopped"
begin 3 $rank checkpointing:any:2=pause
kill -STOP "$paused"
ends 75
said $rank 'has given no sign of life'
goes_on

rank=$((RANDOM % 2))
echo "rank $rank of 2 is stuck"
begin 2 $rank checkpointing:any:2=pause
ends 75
said $rank 'has not moved'
goes_on

echo "the same where MPI gives no threads"
export VISWORDS_MPI_THREADS=funneled
begin 2 1 checkpointing:any:2=pause
ends 75
said 1 'has not moved'
unset VISWORDS_MPI_THREADS

echo "without ranks"
rm -rf "$work/run"
code=0
VISWORDS_FAULT=checkpointing:any:2=pause "${command[@]}" > /dev/null 2> "$work/log" || code=$?
[ $code = 75 ] || fail "exit code $code: $(cat "$work/log")"
said 0 'has not moved'

echo "a whole job that is suspended for longer than the limit: no alarm"
rm -rf "$work/run"
timeout 60 "${launch[@]}" -n 2 "${command[@]}" > /dev/null 2> "$work/log" &
launcher=$!
ranks() { # process numbers of the two ranks
  grep -lsF "$work/run" /proc/[0-9]*/cmdline | cut -d / -f 3 | while read -r pid; do
    [ "$(readlink "/proc/$pid/exe")" != "$viswords" ] || echo "$pid"
  done > "$work/pids"
  [ "$(wc -l < "$work/pids")" = 2 ]
}
until ranks && [ -e "$work/run/plan.yaml" ]; do kill -0 $launcher 2> /dev/null || fail "ended: $(cat "$work/log")"; done
xargs kill -STOP < "$work/pids"
sleep "${limit%.*}.9" 0.9
xargs kill -CONT < "$work/pids"
ends 0
same "$work/whole" "$work/run"
for wrong in -1 soon 30x; do
  code=0
  "$viswords" run "$small" -o "$work/wrong" --watchdog $wrong 2> "$work/log" || code=$?
  [ $code = 2 ] || fail "--watchdog $wrong: exit code $code"
  has "$work/log" "^viswords: --watchdog '$wrong': expected a time such as 90 (seconds), 30m"
done
