#!/bin/bash
# A block's step in slices, shared by teams of ranks: the same bits for 1, 2 and 3 ranks and after kills, stops and
# failures of a member; nobody hangs. On the host, and on an emulated device by MPI and by NCCL's calls.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
emulated=$2/tests/viswords_emulated
options+=(--log debug)
study "$work/whole.yaml" 4 dog
sed 's/block: 4}/block: 4, ranks_per_block: 2}/' "$work/whole.yaml" > "$work/study.yaml"

# run CODE RANKS DIR [FAULT RANK]: FAULT is that rank's alone.
run() {
  local code=0
  # shellcheck disable=SC2016 # for the shell of the rank
  mpi "$2" bash -c '[ "${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}" != "$1" ] || export VISWORDS_FAULT=$2; shift 2; exec "$@"' _ "${5:--1}" "${4:-}" \
    "$viswords" run "$study" -o "$3" "${options[@]}" > "$3.out" 2> "$3.log" || code=$?
  [ "$code" = "$1" ] || { cat "$3.log" >&2 && fail "$3: exit code $code, expected $1"; }
}

study=$work/study.yaml
run 0 1 "$work/one"
grep -qF '  slices: 2' "$work/one/plan.yaml" || fail "the plan says nothing of slices"
for ranks in 2 3; do
  run 0 $ranks "$work/ranks$ranks"
  same "$work/one/blocks" "$work/ranks$ranks/blocks"
done

# The same sums in another order: in double, four steps of a word keep twelve digits and more.
study=$work/whole.yaml options+=(--backend ref)
run 0 1 "$work/ref-whole"
study=$work/study.yaml
run 0 2 "$work/ref"
"$viswords" diff "$work/ref-whole" "$work/ref" --tolerance 1e-12 > "$work/diff" || fail "$(cat "$work/diff")"
"$viswords" diff "$work/ref-whole" "$work/ref" > "$work/diff" && fail "slices left every bit as it was: there were none"
has "$work/diff" 'why: the plans learn the same trials in other blocks .* or in other slices'
unset 'options[-1]' 'options[-1]'

# Killed and stopped at a checkpoint, which the leader alone writes; a full disk; the same command goes on.
run 137 2 "$work/killed" checkpointing:any:3=kill 0
run 75 2 "$work/killed" checkpointing:any:2=term 0
run 75 2 "$work/killed" taking=term 1 # a member is asked to stop: all do
run 1 2 "$work/killed" written:checkpoint:2=enospc 0
has "$work/killed.log" '^viswords: .*No space left'
run 0 3 "$work/killed"
has "$work/killed.log" 'goes on from its checkpoint\|resuming'
same "$work/one/blocks" "$work/killed/blocks"

# Asked to stop amid the fixed set, before the first step and behind the last one (by the leader alone) and on the way (by
# all): the whole team leaves. Asked by one rank as all gather: nobody does. The same command goes on.
sed 's/watch: {draws: 2}/watch: {every: 2}/; s/stages:.*/stages: [learn, collect]/' "$work/study.yaml" > "$work/watched.yaml"
study=$work/watched.yaml
run 0 1 "$work/watched"
run 75 2 "$work/looked" looking:any:1=term 0
[ -z "$(find "$work/looked/blocks" -name '*.safetensors' -o -name '*.checkpoint.*')" ] || fail "something was saved before the first step"
run 75 2 "$work/looked" looking:any:2=term 1
run 75 2 "$work/looked" looking:any:3=term 0
has "$work/looked.log" 'goes on from its checkpoint at step 2'
[ -z "$(find "$work/looked/blocks" -name '*.safetensors')" ] || fail "a block was finished after the signal"
run 75 2 "$work/looked" gathering=term 1
has "$work/looked.log" 'goes on from its checkpoint at step 4'
[ ! -e "$work/looked/study.h5" ] || fail "all ranks but one gathered"
run 0 2 "$work/looked"
same "$work/watched/blocks" "$work/looked/blocks"
study=$work/study.yaml

# A member that fails, before a block or never coming back: one line, exit code 1, no hang; the same command goes on.
run 1 2 "$work/failed" taking:any:2=eio 1
has "$work/failed.log" '^viswords: rank 1 on .*(injected)'
run 0 2 "$work/failed"
same "$work/one/blocks" "$work/failed/blocks"
seconds=$SECONDS
VISWORDS_TRANSPORT_TIMEOUT=1 run 1 2 "$work/lost" taking=pause 1
has "$work/lost.log" 'rank 0 of 2 on .* waited 1 s for .* dead, stuck or slow'
[ $((SECONDS - seconds)) -lt 40 ] || fail "a lost member held the others for $((SECONDS - seconds)) s"
run 0 2 "$work/lost"
same "$work/one/blocks" "$work/lost/blocks"

# A step without negatives, whole and in slices.
for kind in whole study; do
  sed 's/negatives: 3/negatives: 0/; s/, learn: {optimiser: adamw}//; s/steps: 4/steps: 2/' "$work/$kind.yaml" > "$work/none.yaml"
  study=$work/none.yaml
  run 0 1 "$work/none-$kind"
done
"$viswords" diff "$work/none-whole" "$work/none-study" --tolerance 1e-5 > "$work/diff" || fail "no negatives: $(cat "$work/diff")"
study=$work/study.yaml

# A slice without a picture is refused where it stands.
sed 's/ranks_per_block: 2/ranks_per_block: 4/' "$work/study.yaml" > "$work/many.yaml"
code=0
"$viswords" check "$work/many.yaml" > "$work/out.txt" 2>&1 || code=$?
[ $code = 2 ] && has "$work/out.txt" "many.yaml:[0-9:]*: plan.ranks_per_block: 4 is more than model 'ball' has positives or negatives in a step (3)"

[ -x "$emulated" ] || { echo "devices: skipped: built without CUDA"; exit 0; }
[ "$sanitized" = 0 ] || exit 0
viswords=$emulated options+=(--backend cuda --precision fp32)
cat > "$study" << END
study: emulated
seed: 7
data:
  objects:
    root: $source_dir/data/objects
    concepts: [fox]
    classes: [dog]
    pictures: {train: 2, test: 1}
models:
  ball: {weights: $source_dir/data/clip-tiny}
trials:
  anchors: [dog]
  deltas: [0.5]
  null_concepts: 0
learn:
  steps: 3
  watch: {draws: 2}
  batch: {positives: 1, negatives: 2}
  templates: ['a photo of a {}']
plan: {ranks: 2, ranks_per_block: 2}
stages: [learn]
END
VISWORDS_TRANSPORT=mpi run 0 1 "$work/cuda1"
VISWORDS_TRANSPORT=mpi run 0 2 "$work/cuda2"
same "$work/cuda1/blocks" "$work/cuda2/blocks"
grep -q '^VISWORDS_HAS_NCCL:INTERNAL=ON' "$2/CMakeCache.txt" || { echo "NCCL: skipped: built without"; exit 0; }
VISWORDS_TRANSPORT=nccl VISWORDS_NCCL_LIBRARY=$2/tests/libfake_nccl.so run 0 2 "$work/cuda-nccl"
same "$work/cuda1/blocks" "$work/cuda-nccl/blocks"
