#!/bin/bash
# Weights are read once a job: with 1, 2 and 3 ranks a study has the same features and the same words, to the bit, and
# only rank 0 has read the weights' tensors. On the host when asked for; on devices (emulated here) always.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
emulated=$2/tests/viswords_emulated

cat > "$work/study.yaml" << END
study: shared
seed: 7
data:
  objects:
    root: $source_dir/data/objects
    concepts: [fox]
    classes: [dog]
    pictures: {train: 1, test: 1}
models:
  ball: {weights: $source_dir/data/clip-tiny}
trials:
  anchors: [dog, hammer, camel]
  deltas: [0.5]
  null_concepts: 0
learn:
  steps: 2
  watch: {draws: 2}
  batch: {positives: 1, negatives: 1}
  templates: ['a photo of a {}']
plan: {ranks: 3, block: 1}
stages: [learn, evaluate]
END

read_by() { # OUTPUT RANK: bytes of weights' tensors that it read
  sed -n 's/.*weights of .*: \([0-9]*\) bytes read here in all.*/\1/p' "$1/log/rank-$2.jsonl"
}

study_runs() { # NAME PROGRAM BACKEND RANKS...: 1 and 3 ranks start with an empty cache, 2 find one
  local name=$1 program=$2 backend=$3 ranks rank
  shift 3
  for ranks; do
    mpi "$ranks" "$program" run "$work/study.yaml" -o "$work/$name$ranks" --cache "$work/cache-$name$((ranks | 1))" \
      --backend "$backend" -t 1 -q --log error > "$work/out.txt" 2>&1 || fail "$name $ranks: $(cat "$work/out.txt")"
    [ "$(read_by "$work/$name$ranks" 0)" -gt 100000 ] || fail "$name: rank 0 of $ranks read no weights"
    for ((rank = 1; rank < ranks; rank++)); do
      [ "$(read_by "$work/$name$ranks" "$rank")" = 0 ] || fail "$name: rank $rank of $ranks read weights itself"
    done
    same "$work/${name}1/blocks" "$work/$name$ranks/blocks"
  done
  same "$work/cache-${name}1" "$work/cache-${name}3"
}

VISWORDS_SHARE_WEIGHTS=1 study_runs cpu "$viswords" cpu 1 3 2
# without asking, every rank of the host uses the file as it lies
mpi 2 "$viswords" run "$work/study.yaml" -o "$work/mapped" --backend cpu -t 1 -q --log error > /dev/null
[ "$(read_by "$work/mapped" 1)" -gt 0 ] || fail "rank 1 on the host did not use the mapped file"
same "$work/cpu1/blocks" "$work/mapped/blocks"

[ -x "$emulated" ] || { echo "devices: skipped: built without CUDA"; exit 0; }
export VISWORDS_TRANSPORT=mpi
study_runs cuda "$emulated" cuda 1 3 # and 2: tests/emulator/test_study.sh
grep -qF 'by device memory over MPI, through the host, 0 bytes read here' "$work/cuda3/log/rank-2.jsonl" || fail "nothing was sent"
if VISWORDS_TRANSPORT=pigeon mpi 2 "$emulated" run "$work/study.yaml" -o "$work/pigeon" --backend cuda -q > "$work/out.txt" 2>&1; then
  fail "an unknown transport was taken"
fi
grep -qF "VISWORDS_TRANSPORT is 'pigeon'" "$work/out.txt" || fail "$(cat "$work/out.txt")"

# A rank that is lost, or never comes, while weights are sent by NCCL (a stand-in for it): a clear end within seconds.
fake=$2/tests/libfake_nccl.so
grep -q '^VISWORDS_HAS_NCCL:INTERNAL=ON' "$2/CMakeCache.txt" || { echo "NCCL: skipped: built without"; exit 0; }
for wrong in breaks hangs; do
  seconds=$SECONDS code=0
  FAKE_NCCL=$wrong VISWORDS_TRANSPORT=nccl VISWORDS_TRANSPORT_TIMEOUT=1 VISWORDS_NCCL_LIBRARY=$fake \
    mpi 2 "$emulated" run "$work/study.yaml" -o "$work/$wrong" --backend cuda -t 1 -q > "$work/out.txt" 2>&1 || code=$?
  [ "$code" = 1 ] || fail "$wrong: exit code $code, expected 1: $(cat "$work/out.txt")"
  [ $((SECONDS - seconds)) -lt 30 ] || fail "$wrong: it took $((SECONDS - seconds)) s"
  grep -qE '^viswords: broadcast: (NCCL: remote process exited|rank [01] of 2 on .* waited 1 s for)' "$work/out.txt" ||
    fail "$wrong: $(cat "$work/out.txt")"
done
