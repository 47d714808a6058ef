#!/usr/bin/env bash
# The name of a random word that is a fragment of the vocabulary: its last four bytes were taken for </w>. The draws
# of these concepts and this seed are `extin` and `satell`; whole words stand as they are.
source "$(dirname "$0")/../support/regress.sh"
command -v h5dump > /dev/null || { echo "skipped: no h5dump"; exit 77; }
cat > study.yaml << END
study: labels
seed: 2
data: {o: {root: $source_dir/data/objects, concepts: [fox, pineapple, dog, hammer, camel, camera], classes: [dog, hammer, fox], pictures: {train: 2, test: 1}}}
models: {clip: {weights: $source_dir/data/clip-tiny}}
trials: {anchors: [dog], deltas: [1.0], null_concepts: 0, vocabulary: all}
learn: {watch: {draws: 2}, steps: 1}
END
must run study.yaml -o out -t 1 -q
column() { # NAME: its texts, one a line
  h5dump -y -w 1 -d "/evaluation/classification_baselines/$1" out/study.h5 | sed -n '/^ *DATA {/,/^ *}/p' | sed -n 's/^ *"\(.*\)",\{0,1\}$/\1/p' | sed 's/\\000//g'
}
words=$(paste -d ' ' <(column kind | tr ' ' _) <(column concept) <(column word) | sed -n 's/^random_word //p' | sort | paste -sd ,)
expect "random words" "$words" 'camel printer,camera mirror,dog fish,fox biologist,hammer satell,pineapple extin'
finish
