#!/bin/bash
# Disturbs small studies again and again (soak.py says how). Two take turns: one of CLIP that learns, judges and collects
# (three rounds of four), one of CLIP, OWL-v2 and Stable Diffusion with all stages.
#   tests/jobs/soak.sh SOURCE BUILD [KILLS [SEED [RECORD [option of soak.py ...]]]]      make soak SOAK=10000
# RECORD: a page that gets a line (docs/soak.md); '': none. SOAK_SECONDS: no round begins after so many; SOAK_LANES: rounds
# at a time, default 1; SOAK_CLIP_ONLY: without the second study.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
command -v python3 > /dev/null || { echo "skipped: no python3"; exit 77; }
# A run without mpirun needs no helper of Open MPI's, which takes longer to start than the run to read its inputs.
export OMPI_MCA_ess_singleton_isolated=1
record=()
[ -z "${5:-}" ] || record=(--record "$(realpath "$5")")

cat > "$work/clip.yaml" << END_OF_STUDY
study: clip
seed: 7
data:
  objects:
    root: $source_dir/data/objects
    concepts: [fox]
    classes: [dog]
    pictures: {train: 2, test: 1}
models:
  ball: {weights: $source_dir/data/clip-tiny}
  adam: {weights: $source_dir/data/clip-tiny, learn: {optimiser: adamw}}
trials: {anchors: [dog], deltas: [0.5, free], null_concepts: 0}
learn: {watch: {draws: 2}, steps: 3, batch: {positives: 1, negatives: 1}, templates: ['a photo of a {}']}
plan: {ranks: 2, block: 1}
stages: [learn, evaluate, collect]
END_OF_STUDY
cat > "$work/all.yaml" << END_OF_STUDY
study: all
seed: 7
data:
  objects:
    root: $source_dir/data/objects
    concepts: [fox]
    classes: [hammer]
    pictures: {train: 1, test: 1}
  portraits: {root: $source_dir/data/portraits, concepts: [fox], classes: [fox], pictures: {train: 1}}
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
learn: {watch: {draws: 2}, steps: 2, batch: {positives: 1, negatives: 1}, templates: ['a photo of a {}']}
transfer: {pairs: ['sd->clip', 'clip->owl', 'clip->sd', 'owl->sd'], map: ridge, lambda: 1, pictures: 1}
tsne: {iterations: 5}
plan: {ranks: 2, block: 1}
stages: [learn, evaluate, transfer, truncation, probe, tsne, collect, figures, report]
END_OF_STUDY
studies=("$work/clip.yaml" "$work/all.yaml")
[ -z "${SOAK_CLIP_ONLY:-}" ] || studies=("$work/clip.yaml")
python3 "$source_dir/tests/jobs/soak.py" --viswords "$viswords" --work "$work" --launch "${launch[*]}" \
  --kills "${3:-20}" --seed "${4:-$(date +%s)}" --seconds "${SOAK_SECONDS:-1000000}" --lanes "${SOAK_LANES:-1}" \
  "${record[@]}" "${@:6}" "${studies[@]}"
