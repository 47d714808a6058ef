#!/bin/bash
# States, neighbours and maps of a small study: as commands of their own and as stages, on one rank and on two, resumed;
# what is missing or too little is said with the command that helps.   test_probe.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
options=(--threads 1 --cache cache --quiet --log warn)

# small FILE ANCHORS STAGES [MORE]
small() {
  cat > "$1" << END
study: small
data:
  objects:
    root: $source_dir/data/objects
    concepts: [fox, pineapple]
    classes: [dog, hammer, camel]
    pictures: {train: 2, test: 2}
models:
  clip: {weights: $source_dir/data/clip-tiny}
trials: {anchors: [$2], deltas: [0.25, 1.0]}
learn: {watch: {draws: 2}, steps: 30, batch: {positives: 2, negatives: 2}, templates: ['a photo of a {}']}
plan: {ranks: 2, block: 4}
stages: [$3]
$4
END
}
refused() { # TEXT COMMAND...: exit code 2 and the text
  local text=$1 code=0
  shift
  "$@" > out.txt 2> err.txt || code=$?
  [ "$code" = 2 ] || { cat err.txt >&2 && fail "exit code $code, expected 2: $*"; }
  grep -q -- "$text" err.txt || { cat err.txt >&2 && fail "no '$text': $*"; }
}
column() { awk -F, -v q="$1" -v p="$2" -v l="$3" -v d="$4" '$6 == q && $3 == p && $4 == l && $5 == d {print $8, $9}' "$5/probe.csv"; }

small small.yaml 'dog, hammer, bread' 'learn, evaluate, collect' ''
"$viswords" run small.yaml -o one "${options[@]}" > one.txt
[ ! -e one/probe.csv ] || fail "probe.csv of a study that was not probed"
h5ls -r one/study.h5 > plain.txt
if grep -qE '/activations|/tsne|/summary/probe' plain.txt; then fail "a study without the stages has their results"; fi

refused "run 'viswords probe small.yaml -o one' first" "$viswords" tsne small.yaml -o one "${options[@]}"
"$viswords" probe small.yaml -o one "${options[@]}"
"$viswords" probe small.yaml -o one --threads 1 --cache cache 2> again.txt
grep -q 'probe: all .* blocks are probed already' again.txt || fail "probed again: $(cat again.txt)"
"$viswords" tsne small.yaml -o one "${options[@]}"
"$viswords" collect small.yaml -o one "${options[@]}" > /dev/null
h5ls -r one/study.h5 > probed.txt
# 2 concepts and a null concept x 3 anchors x 2 deltas, 3 anchors, and pineapple, the one name that the network knows.
grep -q '/activations/clip/state *Dataset {22, 2, 7, 192}' probed.txt || fail "activations: $(grep activations probed.txt)"
grep -q '/tsne/clip/points *Dataset {5, 22, 2}' probed.txt || fail "tsne: $(grep tsne probed.txt)"
# Small balls: the nearest word has the same anchor in every layer. Large ones: the same concept, behind the first layer
# on. At the embedding the pooled token is one and the same: of five neighbours at distance 0 two share the concept.
[ "$(column 'anchor neighbour' word 0 0.25 one)" = "6 1" ] || fail "embedding: $(column 'anchor neighbour' word 0 0.25 one)"
[ "$(column 'anchor neighbour' pooled 6 0.25 one)" = "6 1" ] || fail "delta .25: $(column 'anchor neighbour' pooled 6 0.25 one)"
[ "$(column 'concept neighbour' pooled 1 1 one)" = "6 1" ] || fail "delta 1: $(column 'concept neighbour' pooled 1 1 one)"
[ "$(column 'concept silhouette' pooled 0 1 one)" = "6 0" ] || fail "pooled embedding: $(column 'concept silhouette' pooled 0 1 one)"
column 'concept neighbour' pooled 0 1 one | grep -qE '^6 0\.(4|3999)' || fail "ties: $(column 'concept neighbour' pooled 0 1 one)"
[ "$(wc -l < one/probe.csv)" = $((1 + 2 * 7 * 2 * 4)) ] || fail "probe.csv has $(wc -l < one/probe.csv) lines"

# As stages of a run on two ranks: the same files, the same study.h5.
small stages.yaml 'dog, hammer, bread' 'learn, evaluate, probe, tsne, collect' ''
mpi 2 "$viswords" run stages.yaml -o two "${options[@]}" > two.txt
same one two
cmp one/probe.csv two/probe.csv || fail "probe.csv differs"
h5diff --exclude-path /provenance --exclude-path /config one/study.h5 two/study.h5 || fail "study.h5 differs"
# A map that is lost is made again, the same; another perplexity stands beside.
cp -r two three
rm "$(find three/blocks -name '*-tsne.safetensors' | sort | head -1)"
"$viswords" tsne stages.yaml -o three "${options[@]}"
same two three
small other.yaml 'dog, hammer, bread' 'learn, evaluate, probe, tsne, collect' 'tsne: {layers: [6, 0], perplexity: 3, iterations: 50, start: random}'
"$viswords" run other.yaml -o three "${options[@]}" > /dev/null
h5ls -r three/study.h5 > other.txt
grep -q '/tsne/clip/points *Dataset {2, 22, 2}' other.txt || fail "tsne: $(grep tsne other.txt)"
[ "$(find three/blocks -name '*-tsne.safetensors' | wc -l)" = 7 ] || fail "maps: $(find three/blocks -name '*-tsne*')"

small wrong.yaml 'dog, hammer, bread' 'learn, evaluate, probe, tsne, collect' 'tsne: {layers: [0, 7]}'
refused 'model clip has layers 0 to 6, not 7' "$viswords" tsne wrong.yaml -o three "${options[@]}"
small wrong.yaml 'dog, hammer, bread' 'learn, probes' ''
refused 'did you mean probe' "$viswords" run wrong.yaml -o three "${options[@]}"
small few.yaml dog 'learn, probe, tsne' ''
sed -i 's/concepts: .*/concepts: [fox]/; s/deltas: .*/deltas: [1.0], null_concepts: 0}/' few.yaml
refused "few.yaml:.*stages: tsne maps at least 4 words, model clip has at most 2" "$viswords" run few.yaml -o few "${options[@]}"
[ ! -e few/blocks ] || fail "words were learned for a map that cannot be"
small few.yaml dog 'learn, probe' ''
sed -i 's/concepts: .*/concepts: [fox]/; s/deltas: .*/deltas: [1.0], null_concepts: 0}/' few.yaml
"$viswords" run few.yaml -o few "${options[@]}" > /dev/null
refused '2 words with finite states' "$viswords" tsne few.yaml -o few "${options[@]}"
