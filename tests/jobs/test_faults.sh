#!/bin/bash
# Killed at every named state of every kind of file, and refused there by a full disk or a failing one: what is finished
# stays readable, the same command goes on and says so, and the result has the bits of an undisturbed run.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
small=$work/study.yaml
study "$small" 4 dog
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/' "$small"

# run CODE FAULT DIR [STAGE]: the same command every time; its messages in DIR.log.
run() {
  local code=0
  # a shell of its own takes the line "Killed" with it
  (VISWORDS_FAULT=$2 "$viswords" "${4:-run}" "$small" -o "$3" "${options[@]}" > "$3.out" 2> "$3.log"
    exit $?) 2> /dev/null || code=$?
  [ "$code" = "$1" ] || { cat "$3.log" >&2 && fail "VISWORDS_FAULT=$2: exit code $code, expected $1"; }
}
collected() { # DIR: study.h5 and its table are those of the undisturbed run
  "$viswords" status "$1" > "$work/status"
  has "$work/status" 'study.h5: whole'
  "$viswords" diff "$work/whole" "$1" > "$work/diff" || { cat "$work/diff" >&2 && fail "$1: diff"; }
  cmp "$work/whole/summary.csv" "$1/summary.csv" || fail "$1: summary.csv"
}
run 0 '' "$work/whole"
kinds=(lock plan features checkpoint block evaluation baselines manifest study table figure)
states=(writing written fsynced renamed)

echo "refused, disk full or broken: one line, nothing finished is lost"
dir=$work/refused
refusals=(enospc edquot erofs) full=0
reasons=('No space left on device; make space' 'Disk quota exceeded; make space' 'Read-only file system; choose a place')
for kind in "${kinds[@]}"; do
  [ "$kind" != features ] || options[4]=$work/cache-3
  full=$((full % 3 + 1)) # full, over its quota, read-only
  for at in writing:$kind=${refusals[full - 1]} written:$kind=eio fsynced:$kind=eio renamed:$kind=enospc; do
    case $at in
      writing*) text=${reasons[full - 1]} ;;
      written:block* | written:study* | renamed:block* | fsynced*) text='put/output error\|No space left' ;;
      *) continue ;;
    esac
    run 1 "$at" "$dir"
    has "$dir.log" "^viswords: .*: ${at%%:*}: .*\($text\).* (injected)"
    [ "$(grep -c '^viswords' "$dir.log")" = 1 ] || fail "not one line: $(cat "$dir.log")"
    readable "$dir"
  done
done
options[4]=$cache
run 0 '' "$dir"
same "$work/whole" "$dir"
collected "$dir"
[ "$sanitized" = 0 ] || exit 0 # the rest is about files, not about memory

echo "killed at each state of each kind, one after the other in one directory"
dir=$work/killed
options[4]=$work/cache-2 # makes its own features
for kind in "${kinds[@]}"; do
  for state in "${states[@]}"; do
    run 137 "$state:$kind=kill" "$dir"
    readable "$dir"
  done
done
run 137 gathering=kill "$dir"
readable "$dir"
run 0 '' "$dir"
same "$work/whole" "$dir"
same "$cache" "$work/cache-2"
collected "$dir"
[ "$(find "$work/cache-2" -name '*.partial-*' | wc -l)" = 3 ] || fail "a cache others write to was swept at once"
find "$work/cache-2" -name '*.partial-*' -exec touch -d '2 days ago' {} +
touch "$dir/log/ranks.jsonl.partial-0123456789abcdef"
rm "$dir"/blocks/*/*-evaluation.safetensors "$(find "$dir"/blocks -name '*[0-9a-f].safetensors' | head -1)"
run 0 '' "$dir"
same "$work/whole" "$dir"
left=$(find "$dir" "$work/cache-2" -name '*.partial*' -o -name '*.deleted' -o -name '.lock*' -o -name '*.checkpoint.*')
[ -z "$left" ] || fail "killed runs left files behind for ever: $left"
options[4]=$cache

echo "it says that it goes on, and from where"
dir=$work/says
run 137 checkpointing:any:3=kill "$dir"
run 137 taking:any:2=kill "$dir"
has "$dir.log" 'goes on from its checkpoint at step 2'
run 137 renamed:checkpoint:2=kill "$dir"
run 137 written:block:2=torn "$dir"
has "$dir.log" 'goes on from its checkpoint at step 2'
run 0 '' "$dir"
same "$work/whole" "$dir"

echo "asked to stop in the last step but one: neither the passes of the fixed set behind the last one nor others are made"
dir=$work/last
run 75 checkpointing:any:3=term "$dir"
[ -z "$(find "$dir/blocks" -name '*[0-9a-f].safetensors')" ] || fail "a block was finished after the signal"
run 0 '' "$dir"
has "$dir.log" 'goes on from its checkpoint at step 4'
same "$work/whole" "$dir"

echo "a disk that lied: the file is renamed and torn"
dir=$work/torn
for kind in checkpoint block evaluation baselines; do
  run 137 "renamed:$kind:2=torn" "$dir"
  [ ! -e "$dir/plan.yaml" ] || "$viswords" status "$dir" > "$work/status"
done
run 0 '' "$dir"
same "$work/whole" "$dir"
run 137 renamed:study=torn "$dir" collect
"$viswords" status "$dir" > "$work/status"
has "$work/status" 'study.h5: DAMAGED'
run 0 '' "$dir" collect
collected "$dir"
run 137 renamed:plan=torn "$work/plan"
run 2 '' "$work/plan"
has "$work/plan.log" 'the plan is damaged: bring back a copy of it; a study that was never edited makes the same plan again'

echo "asked to stop while it gathers, draws or reports: the next safe place, nothing half-written; the same command goes on"
stops() { # FAULT FILE COMMAND ...: FILE stays what it was
  local code=0 at=$1 file=$2
  cp "$file" "$work/before"
  VISWORDS_FAULT=$at=term "$viswords" "${@:3}" > "$dir.out" 2> "$dir.log" || code=$?
  [ "$code" = 75 ] || { cat "$dir.log" >&2 && fail "$at of $3: exit code $code, expected 75"; }
  has "$dir.log" '^stopped on request'
  cmp "$work/before" "$file" || fail "$at: $file is another"
  [ -z "$(find "$dir" -name '*.partial*')" ] || fail "$at of $3 left files"
  readable "$dir"
}
"$viswords" report "$dir" --cache "$cache" -q
"$viswords" figures "$dir" > /dev/null
collect=(collect "$small" -o "$dir" "${options[@]}")
stops gathering "$dir/study.h5" "${collect[@]}"
stops drawing:figure:1 "$dir/figures/index.json" "${collect[@]}"
stops drawing:figure:2 "$dir/figures/index.json" figures "$dir"
stops telling:report:1 "$dir/report.html" report "$dir" --cache "$cache"
stops telling:report:3 "$dir/report.html" report "$dir" --cache "$cache"
run 0 '' "$dir" collect
collected "$dir"

echo "killed while it gathers: the old study.h5 stays"
for at in gathering writing:study writing:study:9 written:study fsynced:study fsynced:manifest renamed:manifest; do
  run 137 "$at=kill" "$dir" collect
  collected "$dir"
done
run 0 '' "$dir" collect
collected "$dir"
[ -z "$(find "$dir" -name '*.partial*')" ] || fail "partial files stayed"

echo "a malformed variable is refused"
for bad in nowhere=kill written written:block:x=kill written:shoe=kill written=fly written:block:1:1=kill; do
  run 2 "$bad" "$work/bad"
  has "$work/bad.log" "^viswords: VISWORDS_FAULT: '$bad': "
done

echo "other kernels in the same directory are refused, unless allowed; another precision always"
dir=$work/other
run 137 renamed:block:2=kill "$dir"
sed -i 's/^kernels: .*/kernels: "cpu of another machine"/' "$dir/plan.yaml"
cp "$dir/plan.yaml" "$dir.plan"
run 2 '' "$dir"
has "$dir.log" 'made for backend cpu, fp32, cpu of another machine; this run has .*: go on where it began.*pass --allow-other-kernels'
options+=(--backend ref --allow-other-kernels)
run 2 '' "$dir"
has "$dir.log" 'made for backend cpu, fp32; this run has backend ref, fp64: .*choose another output directory'
cmp "$dir/plan.yaml" "$dir.plan" || fail "a refused run changed the plan"
options=("${options[@]::9}" --allow-other-kernels)
run 0 '' "$dir"
same "$work/whole" "$dir"
options=("${options[@]::9}")

echo "two runs on one directory: the second is refused, the first unharmed"
dir=$work/two
VISWORDS_FAULT=renamed:checkpoint=pause "$viswords" run "$small" -o "$dir" "${options[@]}" > /dev/null 2> "$dir.first" &
first=$!
until grep -qs 'paused at renamed' "$dir.first"; do
  kill -0 $first || fail "the first run ended: $(cat "$dir.first")"
  sleep 0.02
done
run 2 '' "$dir"
has "$dir.log" "process $first on .* is working here; wait for it or choose another -o directory"
code=0
mpi 2 "$viswords" run "$small" -o "$dir" "${options[@]}" 2> "$dir.log" || code=$?
[ "$code" = 2 ] || fail "the second run, of two ranks: exit code $code"
has "$dir.log" "process $first on .* is working here"
kill -RTMIN $first # go on
wait $first || fail "the first run: $(cat "$dir.first")"
same "$work/whole" "$dir"
collected "$dir"
