#!/bin/bash
# A job that was killed, stopped or damaged goes on with the same command and ends with the bits of an undisturbed one;
# a study that grows keeps its finished blocks. Fault points hold the ranks where they are to be caught: no test here
# depends on how fast the machine is.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }

# start RANKS DIR FAULT: in the background; $job is mpirun.
start() {
  VISWORDS_FAULT=$3 "${launch[@]}" -n "$1" "$viswords" learn "$small" -o "$2" "${options[@]}" \
    2> "$2.log" &
  job=$!
}

# paused DIR N: waits until N ranks of the job stand at their fault points, at most 60 s.
paused() {
  local i
  for ((i = 0; i < 3000; i++)); do
    [ "$(cat "$1"/log/*.jsonl 2> /dev/null | grep -c 'paused at')" != "$2" ] || return 0
    kill -0 "$job" 2> /dev/null || { cat "$1.log" >&2 && fail "$1: the job ended before $2 ranks paused"; }
    sleep 0.02
  done
  fail "$1: no $2 ranks paused"
}

# ends CODE: the job's exit code; within a time.
ends() {
  local i code=0
  for ((i = 0; i < 1200; i++)); do
    kill -0 "$job" 2> /dev/null || break
    sleep 0.05
  done
  kill -0 "$job" 2> /dev/null && fail "the job hangs"
  wait "$job" || code=$?
  [ "$1" = any ] || [ "$code" = "$1" ] || fail "exit code $code, expected $1"
}

below() { # PID: all that it has started, a number a line
  local child
  for child in $(cat "/proc/$1/task/"*/children 2> /dev/null); do echo "$child" && below "$child"; done
}
# In the order of their ranks; MPICH's launcher has a process of its own between itself and them.
ranks_of() {
  local pid
  for pid in $(below "$job" | sort -n); do
    if [ "/proc/$pid/exe" -ef "$viswords" ]; then printf '%s ' "$pid"; fi
  done
}
rank_of() { ranks_of | cut -d ' ' -f "$1"; }
gone() { # PID: gone, or a zombie, which nobody may wait for here
  until ! grep -qv '^State:.[ZX]' <(grep ^State: "/proc/$1/status" 2> /dev/null); do sleep 0.01; done
}
# shellcheck disable=SC2086 # lists of numbers
kill_all() {
  local pid all
  all=$(below "$job")
  kill -9 "$job" $all
  wait "$job" 2> /dev/null || true
  for pid in $all; do gone "$pid"; done
}
# interrupted DIR: is there a checkpoint of a block that is not finished?
interrupted() {
  local file
  for file in "$1"/blocks/*/*.checkpoint.?; do
    if [ -e "$file" ] && [ ! -e "${file%.checkpoint.?}.safetensors" ]; then return 0; fi
  done
  return 1
}
# finish RANKS DIR: the same command again, to the end of an undisturbed run.
finish() {
  mpi "$1" "$viswords" learn "$small" -o "$2" "${options[@]:1}" 2> "$2.log" || { cat "$2.log" >&2 && fail "$2: resuming"; }
  same "$work/whole" "$2"
}
flip() { printf '\377' | dd of="$1" bs=1 seek="$(($(stat -c %s "$1") - 9))" conv=notrunc status=none; }

small=$work/study.yaml
study "$small" 6 dog
"$viswords" learn "$small" -o "$work/whole" "${options[@]}" # undisturbed

echo "kill -9 of the whole job, early, and once more"
dir=$work/job
start 3 "$dir" renamed:checkpoint:2=pause
paused "$dir" 3
kill_all
readable "$dir"
rm -r "$dir/log"
start 2 "$dir" renamed:block=pause
paused "$dir" 2
kill_all
readable "$dir"
finish 4 "$dir"
has "$dir.log" 'resuming, 6 of 12 trials are done already'
has "$dir.log" 'goes on from its checkpoint at step 2'

echo "kill -9 of one rank, the first or the last: the others leave"
dir=$work/rank
for which in 1 3; do
  rm -rf "$dir/log"
  start 3 "$dir" renamed:checkpoint:2=pause
  paused "$dir" 3
  all=$(ranks_of)
  kill -9 "$(rank_of $which)"
  ends "$([ "$mpi_kind" = mpich ] && echo 9 || echo 137)" # MPICH's launcher: the signal's number
  for pid in $all; do gone "$pid"; done
  readable "$dir"
done
finish 2 "$dir"
has "$dir.log" 'goes on from its checkpoint at step [2-5]'

echo "SIGUSR1 and SIGTERM: all saved, exit code 75 where mpirun passes it on"
# mpirun's own SIGTERM ends the ranks about a second later, ready or not, and need not pass on their last lines:
# there only what stands on disk is promised.
for how in "USR1 job 75" "TERM job any" "TERM rank 75"; do
  read -r signal who code <<< "$how"
  dir=$work/$signal-$who
  start 3 "$dir" renamed:checkpoint:2=pause
  paused "$dir" 3
  all=$(ranks_of)
  if [ "$who" = job ]; then
    kill "-$signal" "$job"
  else
    kill "-$signal" "$(rank_of 2)"
    kill -RTMIN "$(rank_of 1)" "$(rank_of 3)" # they go on
  fi
  ends "$code"
  for pid in $all; do gone "$pid"; done
  if [ "$how" != "TERM job any" ]; then
    has "$dir.log" "stopped on request or at the end of --max-time; all is saved in $dir, the same command goes on"
  fi
  interrupted "$dir" || fail "$dir: no checkpoint was saved"
  readable "$dir"
  finish 3 "$dir"
  has "$dir.log" 'goes on from its checkpoint at step [2-5]'
done

echo "a stop while features are computed, without mpirun"
code=0
VISWORDS_FAULT=writing:features=term "$viswords" run "$small" -o "$work/features" --quiet --cache "$work/other" \
  2> "$work/features.log" || code=$?
[ "$code" = 75 ] || fail "features: exit code $code"
has "$work/features.log" 'stopped on request'
[ -z "$(find "$work/features/blocks" -type f)" ] || fail "features: it went on to learn"

echo "damaged files: the checkpoint before, or the block again"
dir=$work/damaged
start 1 "$dir" renamed:checkpoint:3=usr1
ends 75
id=$(basename "$(find "$dir/blocks" -name '*.checkpoint.a')" .checkpoint.a)
cp -r "$dir" "$dir-2"
flip "$dir/blocks/${id:0:2}/$id.checkpoint.b" # of steps 3 (a) and 4 (b)
for slot in a b; do truncate -s -20 "$dir-2/blocks/${id:0:2}/$id.checkpoint.$slot"; done
finish 1 "$dir"
has "$dir.log" "block=$id a checkpoint is passed over: .*$id.checkpoint.b"
has "$dir.log" "block $id goes on from its checkpoint at step 3"
finish 1 "$dir-2"
for slot in a b; do has "$dir-2.log" "block=$id a checkpoint is passed over: .*$id.checkpoint.$slot"; done
for how in flip truncate; do
  finished=$(find "$dir/blocks" -name '*.safetensors' | head -1)
  if [ $how = flip ]; then flip "$finished"; else truncate -s 100 "$finished"; fi
  finish 2 "$dir"
  has "$dir.log" "block=$(basename "${finished%.safetensors}") will be made again: $finished"
  has "$dir.log" 'resuming, 9 of 12 trials are done already'
done
