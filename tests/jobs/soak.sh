#!/bin/bash
# Kills small studies again and again, at random times and at random fault points, on 1 to 3 ranks; after each round the
# same command runs to the end and everything must have the bits of an undisturbed run. Two studies take turns: one of
# CLIP that only learns and judges (fast: most of the kills), one of CLIP, OWL-v2 and Stable Diffusion with all stages.
#   tests/jobs/soak.sh SOURCE BUILD [KILLS [SEED [RECORD]]]      make soak SOAK=10000
# RECORD: a page whose table gets a line (docs/soak.md). SOAK_SECONDS: no round begins after so many;
# SOAK_CLIP_ONLY: without the second study.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
kills=${3:-20}
seed=${4:-$(date +%s)}
record=${5:-}
[ -z "$record" ] || record=$(realpath "$record")
RANDOM=$((seed % 32768))
echo "soak: $kills kills, seed $seed"
states=(writing written fsynced renamed)
kinds=(any lock plan features checkpoint block evaluation baselines manifest study table figure)
more_kinds=("${kinds[@]}" any latents texts map carried truncated activations tsne picture report)
others=(checkpointing taking gathering)
actions=(kill kill kill torn term usr1 enospc eio edquot erofs)

study "$work/clip.yaml" 4 dog
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/' "$work/clip.yaml"
cat > "$work/all.yaml" << END_OF_STUDY
study: all
seed: 7
data:
  objects:
    root: $source_dir/data/objects
    concepts: [fox, guitar]
    classes: [dog, hammer]
    pictures: {train: 2, test: 2}
  portraits: {root: $source_dir/data/portraits, concepts: [fox], classes: [bicycle, fox], pictures: {train: 1}}
models:
  clip: {kind: clip, weights: $source_dir/data/clip-tiny, data: [objects], truncation: {depths: [1]}}
  owl: {kind: owlv2, weights: $source_dir/data/owlv2-tiny, data: [objects], truncation: {depths: [1]}}
  sd:
    kind: stable-diffusion
    weights: $source_dir/data/sd-tiny
    data: [portraits]
    judge: {weights: $source_dir/data/judge-tiny, pictures: 1, steps: 1, guidance: 1}
    trials: {deltas: [1]}
    truncation: {depths: [1], pictures: 1, pictures_carried: 1}
trials: {anchors: [dog], deltas: [0.5, 1], null_concepts: 0}
learn: {steps: 2, batch: {positives: 1, negatives: 1}, templates: ['a photo of a {}']}
transfer: {pictures: 1}
tsne: {iterations: 20}
plan: {ranks: 2, block: 2}
stages: [learn, evaluate, transfer, truncation, probe, tsne, collect, figures, report]
END_OF_STUDY

# What is compared beside the block files: numbers of figures, tables, what words drew.
others_of() {
  (cd "$1" && find . -name '*.csv' -o -path './pictures/*.png' | sort | while read -r file; do
    echo "$(sha256sum < "$file" | cut -d ' ' -f 1) $file"
  done)
}

pick() { # a random fault of $1, in $fault
  local all=("${kinds[@]}") action=${actions[RANDOM % 10]} nth=$((1 + RANDOM % 6))
  [ "$1" = clip ] || all=("${more_kinds[@]}") nth=$((1 + RANDOM % 12))
  if [ $((RANDOM % 5)) = 0 ]; then
    [ "$action" != torn ] || action='kill'
    fault=${others[RANDOM % 3]}:any:$nth=$action
    return
  fi
  local kind=${all[RANDOM % ${#all[@]}]} state=${states[RANDOM % 4]}
  # a torn plan is refused, and said so in test_faults.sh; what any would tear may be one
  if [ "$action" = torn ] && { [ "$state" = renamed ] && [[ $kind =~ ^(any|plan)$ ]]; }; then action='kill'; fi
  fault=$state:$kind:$nth=$action
}

# run STUDY RANKS FAULT SECONDS: killed after that time, if it still runs; its exit code in $code.
run() {
  local command=("$viswords" run "$work/$1.yaml" -o "$dir" "${options[@]}")
  [ "$2" = 1 ] || command=("${launch[@]}" -n "$2" "${command[@]}")
  code=0
  (VISWORDS_FAULT=$3 timeout -s KILL "$4" "${command[@]}" > /dev/null 2> "$dir.log"
    exit $?) 2> /dev/null || code=$?
  [ "$2" = 1 ] || alone # mpirun's ranks outlive it for a moment
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

declare -A ended took
done_kills=0 rounds=0
started=$SECONDS
codes() {
  local each
  for each in "${!ended[@]}"; do echo "$each: ${ended[$each]}"; done | sort -n | paste -sd , | sed 's/,/, /g'
}
note() { # RESULT: a line in the record, and the sum above its table
  [ -n "$record" ] || return 0
  echo "| $(date -u +%Y-%m-%d) | $seed | $done_kills | $rounds | $(codes) | $((SECONDS - started)) | $1 |" >> "$record"
  local sum
  sum=$(awk -F '|' '/^\| [0-9]/ {n += $4} END {print n}' "$record")
  sed -i "s/^Sum: .*/Sum: $sum disturbed runs./" "$record"
}
wrong() { # WHAT
  [ ! -e "$dir.log" ] || cat "$dir.log" >&2
  note "FAILED: $1"
  fail "seed $seed: $1"
}

# One round of a study: some disturbed runs, then one to the end.
round() {
  local i ranks is_torn='' whole=$work/whole-$1
  dir=$work/round
  if [ ! -d "$whole" ]; then
    local begun
    begun=$(date +%s%N)
    "$viswords" run "$work/$1.yaml" -o "$whole" "${options[@]}" > /dev/null 2> "$work/log" || wrong "undisturbed: $(cat "$work/log")"
    took[$1]=$((($(date +%s%N) - begun) / 1000000)) # ms
    others_of "$whole" > "$whole.others"
  fi
  # readable and finished_are_whole look here
  rm -f "$work/whole" && ln -s "$whole" "$work/whole"
  options[4]=$work/other-cache
  rm -rf "$dir" "$dir.log"
  [ $((RANDOM % 4)) != 0 ] || rm -rf "${options[4]}"
  for ((i = 1 + RANDOM % 6; i > 0; i--)); do
    ranks=$((RANDOM % 4 == 0 ? 2 + RANDOM % 2 : 1))
    fault='' seconds=300
    if [ $((RANDOM % 2)) = 0 ]; then
      pick "$1"
    else
      local ms=$(((RANDOM * 32768 + RANDOM) % took[$1] + 1))
      printf -v seconds '%d.%03d' $((ms / 1000)) $((ms % 1000))
    fi
    run "$1" $ranks "$fault" "$seconds"
    ended[$code]=$((${ended[$code]:-0} + 1))
    case $code in
      0 | 1 | 75 | 137) ;;
      *) wrong "$1: $ranks ranks, fault '$fault', killed after $seconds s: exit code $code" ;;
    esac
    # a disk that lied: a finished file is half there until a later run finds it and makes it again
    [[ $fault != renamed:*=torn ]] || is_torn=yes
    (readable "$dir" "$is_torn") || wrong "$1: $ranks ranks, fault '$fault', killed after $seconds s: not readable"
    done_kills=$((done_kills + (code != 0)))
    [ "$code" != 0 ] || break # nothing is left to disturb
  done
  run "$1" 1 '' 300
  [ "$code" = 0 ] || wrong "$1: after '$fault', $seconds s: going on ended with $code"
  (same "$whole" "$dir") || wrong "$1: block files differ"
  "$viswords" diff "$whole" "$dir" > "$work/diff" || wrong "$1: study.h5: $(head -3 "$work/diff")"
  others_of "$dir" | diff "$whole.others" - > "$work/diff" || wrong "$1: after '$fault': tables or pictures: $(head -3 "$work/diff")"
  rounds=$((rounds + 1))
}

while [ "$done_kills" -lt "$kills" ] && [ $((SECONDS - started)) -lt "${SOAK_SECONDS:-1000000}" ]; do
  if [ $((rounds % 4)) = 3 ] && [ -z "${SOAK_CLIP_ONLY:-}" ]; then round all; else round clip; fi
done
note passed
echo "soak: $done_kills disturbed runs in $rounds rounds, all ended with the undisturbed bits; exit codes $(codes);" \
  "$((SECONDS - started)) s, seed $seed"
