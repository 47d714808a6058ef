#!/bin/bash
# A job that was killed, stopped or damaged goes on with the same command and ends with the bits of an undisturbed one;
# a study that grows keeps its finished blocks.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
cache=$work/cache
common=(--quiet --threads 1 --cache "$cache" --checkpoint-seconds 0.02)

# start RANKS STUDY DIR: in the background; $job is mpirun.
start() {
  mpirun --oversubscribe --bind-to none -n "$1" "$viswords" learn "$2" -o "$3" "${common[@]}" 2> "$3.log" &
  job=$!
}

# finish RANKS STUDY DIR: the same command again, to the end.
finish() {
  mpi "$1" "$viswords" learn "$2" -o "$3" "${common[@]:1}" 2> "$3.log" || { cat "$3.log" >&2 && fail "$3: resuming"; }
}

# Waits until DIR holds at least N files of a kind, at most 40 s.
wait_for() {
  local i found
  for ((i = 0; i < 2000; i++)); do
    found=$(compgen -G "$1/blocks/$2" || true)
    [ "$(wc -w <<< "$found")" -ge "$3" ] && return 0
    kill -0 "$job" 2> /dev/null || { cat "$1.log" >&2 && fail "$1: the job ended before a $2 came"; }
    sleep 0.02
  done
  fail "$1: no $2 came"
}

# ends CODE: the job's exit code; within a time.
ends() {
  local i code=0
  for ((i = 0; i < 800; i++)); do
    kill -0 "$job" 2> /dev/null || break
    sleep 0.05
  done
  kill -0 "$job" 2> /dev/null && fail "the job hangs"
  wait "$job" || code=$?
  [ "$1" = any ] || [ "$code" = "$1" ] || fail "exit code $code, expected $1"
}

# shellcheck disable=SC2046,SC2086 # lists of numbers
kill_all() {
  local pid all
  all=$(ranks_of)
  kill -9 "$job" $all # a list
  wait "$job" 2> /dev/null || true
  for pid in $all; do # gone, or a zombie: nobody may wait for it here
    until ! grep -qv '^State:.[ZX]' <(grep ^State: "/proc/$pid/status" 2> /dev/null); do sleep 0.01; done
  done
}
ranks_of() { cat "/proc/$job/task/$job/children"; }
has() { grep -q "$2" "$1" || { cat "$1" >&2 && fail "$1: nothing says '$2'"; }; }
# Is there a checkpoint of a block that is not finished? A kill may come just when there is none.
interrupted() {
  local file
  for file in "$1"/blocks/*.checkpoint.?; do
    if [ -e "$file" ] && [ ! -e "${file%.checkpoint.?}.safetensors" ]; then return 0; fi
  done
  return 1
}
# resumes RANKS DIR: the same command goes on from the checkpoints that there are, to the end of an undisturbed run.
resumes() {
  local from_checkpoint=0
  if interrupted "$2"; then from_checkpoint=1; fi
  finish "$1" "$small" "$2"
  [ $from_checkpoint = 0 ] || has "$2.log" 'goes on from its checkpoint at step [1-9]'
  same "$work/whole" "$2"
}
flip() { printf '\377' | dd of="$1" bs=1 seek="$(($(stat -c %s "$1") - 9))" conv=notrunc status=none; }

small=$work/study.yaml
study "$small" 400 dog # long enough that a fast machine is caught in the middle
"$viswords" learn "$small" -o "$work/whole" "${common[@]}" # undisturbed

echo "kill -9 of the whole job, early, and once more"
dir=$work/job
start 3 "$small" "$dir"
wait_for "$dir" '*.checkpoint.?' 2
kill_all
start 2 "$small" "$dir"
wait_for "$dir" '*.safetensors' 1
kill_all
resumes 4 "$dir"
has "$dir.log" 'resuming, [1-9][0-9]* of 12 trials are done already'

echo "kill -9 of one rank, the first or the last: the others leave"
for which in 1 3; do
  dir=$work/rank-$which
  start 3 "$small" "$dir"
  wait_for "$dir" '*.checkpoint.?' 3
  kill -9 "$(ranks_of | cut -d ' ' -f $which)"
  ends 137
done
resumes 2 "$dir"

echo "SIGUSR1 and SIGTERM: all saved, exit code 75 where mpirun passes it on"
# mpirun's own SIGTERM ends the ranks about a second later, ready or not, and need not pass on their last lines:
# there only what stands on disk is promised.
for how in "USR1 job 75" "TERM job any" "TERM rank 75"; do
  read -r signal who code <<< "$how"
  dir=$work/$signal-$who
  start 3 "$small" "$dir"
  wait_for "$dir" '*.checkpoint.?' 1
  if [ "$who" = job ]; then kill "-$signal" "$job"; else kill "-$signal" "$(ranks_of | cut -d ' ' -f 2)"; fi
  ends "$code"
  [ "$how" = "TERM job any" ] || has "$dir.log" "stopped on request; all is saved in $dir, the same command goes on"
  [ "$how" = "TERM job any" ] || interrupted "$dir" || fail "$dir: no checkpoint was saved"
  resumes 3 "$dir"
done

echo "a stop while features are computed, without mpirun"
"$viswords" run "$small" -o "$work/features" --quiet --cache "$work/other" 2> "$work/features.log" &
job=$!
until [ -d "$work/other/features" ]; do sleep 0.01; done
kill -TERM "$job"
ends 75
has "$work/features.log" 'stopped on request'
[ -z "$(find "$work/features/blocks" -type f)" ] || fail "features: it went on to learn"

echo "damaged files: the checkpoint before, or the block again"
dir=$work/damaged
start 1 "$small" "$dir"
wait_for "$dir" '*.checkpoint.b' 1
kill -USR1 "$job"
ends 75
checkpoint=$(find "$dir/blocks" -name '*.checkpoint.?' -printf '%T@ %p\n' | sort -n | tail -1 | cut -d ' ' -f 2)
id=$(basename "${checkpoint%.checkpoint.?}")
cp -r "$dir" "$dir-2"
flip "$checkpoint"
for slot in a b; do truncate -s -20 "$dir-2/blocks/$id.checkpoint.$slot"; done
finish 1 "$small" "$dir"
has "$dir.log" "block=$id a checkpoint is passed over: .*$(basename "$checkpoint")"
has "$dir.log" "block $id goes on from its checkpoint at step [1-9]"
same "$work/whole" "$dir"
finish 1 "$small" "$dir-2"
has "$dir-2.log" "block=$id a checkpoint is passed over: .*$id.checkpoint.b"
same "$work/whole" "$dir-2"
for how in flip truncate; do
  finished=$(find "$dir/blocks" -name '*.safetensors' | head -1)
  if [ $how = flip ]; then flip "$finished"; else truncate -s 100 "$finished"; fi
  finish 2 "$small" "$dir"
  has "$dir.log" "block=$(basename "${finished%.safetensors}") will be made again: $finished"
  has "$dir.log" 'resuming, 9 of 12 trials are done already'
  same "$work/whole" "$dir"
done
