#!/bin/bash
# Kills a small study again and again, at random times and at random fault points, on 1 to 3 ranks; after each round the
# same command runs to the end and everything must have the bits of an undisturbed run.
#   tests/jobs/soak.sh SOURCE BUILD [KILLS [SEED]]      make soak SOAK=10000
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
kills=${3:-20}
seed=${4:-$(date +%s)}
RANDOM=$((seed % 32768))
echo "soak: $kills kills, seed $seed"
small=$work/study.yaml
study "$small" 4 dog
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/' "$small"
states=(writing written fsynced renamed)
kinds=(any lock plan features checkpoint block evaluation baselines manifest study table figure)
others=(checkpointing taking gathering)
actions=(kill kill kill torn term usr1 enospc eio)
started=$SECONDS
"$viswords" run "$small" -o "$work/whole" "${options[@]}" > /dev/null
options[4]=$work/other-cache

pick() { # a random fault, in $fault
  local action=${actions[RANDOM % 8]} nth=$((1 + RANDOM % 6))
  if [ $((RANDOM % 5)) = 0 ]; then
    [ "$action" != torn ] || action='kill'
    fault=${others[RANDOM % 3]}:any:$nth=$action
    return
  fi
  local kind=${kinds[RANDOM % 12]} state=${states[RANDOM % 4]}
  # a torn plan is refused, and said so in test_faults.sh; what any would tear may be one
  if [ "$action" = torn ] && { [ "$state" = renamed ] && [[ $kind =~ ^(any|plan)$ ]]; }; then action='kill'; fi
  fault=$state:$kind:$nth=$action
}

# run RANKS FAULT SECONDS: killed after that time, if it still runs; its exit code in $code.
run() {
  local command=("$viswords" run "$small" -o "$dir" "${options[@]}")
  [ "$1" = 1 ] || command=("${launch[@]}" -n "$1" "${command[@]}")
  code=0
  (VISWORDS_FAULT=$2 timeout -s KILL "$3" "${command[@]}" > /dev/null 2> "$dir.log"
    exit $?) 2> /dev/null || code=$?
  [ "$1" = 1 ] || alone # mpirun's ranks outlive it for a moment
}
alone() { # waits until no process has the directory on its command line
  local i
  echo "$dir" > "$work/pattern"
  for ((i = 0; i < 3000; i++)); do
    grep -lsF -f "$work/pattern" /proc/[0-9]*/cmdline > "$work/left" || return 0
    sleep 0.02
  done
  fail "a rank stays: $(cat "$work/left")"
}

declare -A ended
done_kills=0 rounds=0
while [ "$done_kills" -lt "$kills" ]; do
  dir=$work/round
  rm -rf "$dir" "$dir.log"
  [ $((RANDOM % 4)) != 0 ] || rm -rf "${options[4]}"
  for ((i = 1 + RANDOM % 6; i > 0; i--)); do
    ranks=$((RANDOM % 4 == 0 ? 2 + RANDOM % 2 : 1))
    fault='' seconds=120
    if [ $((RANDOM % 2)) = 0 ]; then pick; else printf -v seconds '0.%03d' $((RANDOM % 900 + 1)); fi
    run $ranks "$fault" "$seconds"
    ended[$code]=$((${ended[$code]:-0} + 1))
    case $code in
      0 | 1 | 75 | 137) ;;
      *) cat "$dir.log" >&2 && fail "seed $seed: $ranks ranks, fault '$fault', killed after $seconds s: exit code $code" ;;
    esac
    readable "$dir" || fail "seed $seed: $ranks ranks, fault '$fault', killed after $seconds s"
    done_kills=$((done_kills + (code != 0)))
  done
  run 1 '' 120
  [ "$code" = 0 ] || { cat "$dir.log" >&2 && fail "seed $seed: after '$fault', $seconds s: going on ended with $code"; }
  same "$work/whole" "$dir"
  "$viswords" diff "$work/whole" "$dir" > "$work/diff" || { cat "$work/diff" >&2 && fail "seed $seed: study.h5"; }
  rounds=$((rounds + 1))
done
summary=
for code in "${!ended[@]}"; do summary+=" $code: ${ended[$code]}"; done
echo "soak: $done_kills disturbed runs in $rounds rounds, all ended with the undisturbed bits; exit codes$summary;" \
  "$((SECONDS - started)) s, seed $seed"
