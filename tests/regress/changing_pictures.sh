#!/usr/bin/env bash
# Pictures that change while a run reads them. They were hashed at the start and decoded later: three pictures swapped in
# between gave wrong trials under the ids of the right pictures, with exit code 0, and a cache that made the next, honest
# run wrong. The swap has to hit the time between; where no moment of the run hits, every value is right.
source "$(dirname "$0")/../support/regress.sh"
mkdir objects
for part in train test; do
  for class in fox pineapple cat dog bus; do
    mkdir -p objects/$part/$class
    cp "$source_dir"/data/objects/$part/$class/*.jpg objects/$part/$class/ || untried "no pictures"
  done
done
cat > study.yaml << END
study: changing
seed: 1
data:
  objects: {root: objects, concepts: [fox, pineapple], classes: [cat, dog, bus, fox], pictures: {train: 16, test: 8}}
models:
  clip: {weights: $source_dir/data/clip-tiny}
trials: {anchors: [dog, hammer], deltas: [0.25, 1.0], null_concepts: 0}
learn: {watch: {draws: 2}, steps: 20, templates: ['a photo of a {}', 'a {}']}
END
must run study.yaml -o honest --cache cache-honest -q -t 1
mkdir keep && cp objects/train/pineapple/0[0-2].jpg keep/

# One run; the pictures are swapped when N files of features are there, and put back behind it.
swapped_run() { # N
  rm -rf victim later cache
  "$program" run study.yaml -o victim --cache cache -q -t 1 > out.txt 2> err.txt &
  local job=$!
  while kill -0 $job 2> /dev/null && [ "$(find cache -name '*.safetensors' 2> /dev/null | wc -l)" -lt "$1" ]; do sleep 0.01; done
  cp objects/train/cat/0[0-2].jpg objects/train/pineapple/
  code=0
  wait $job || code=$?
  cp keep/*.jpg objects/train/pineapple/
}
differing() { # OUT: "none", or trials that differ from the honest run's
  "$program" diff honest "$1" > diff.txt 2>&1
  if [ $? = 0 ]; then echo none; else grep -o '[0-9]* trials compared, [0-9]* differ' diff.txt || head -n 1 diff.txt; fi
}
for files in 1 1 1 2 3; do
  swapped_run $files
  if [ "$code" = 0 ]; then
    expect "a run whose pictures were swapped behind $files files of features, exit code 0: differences" "$(differing victim)" none
  else
    echo "a run whose pictures were swapped behind $files files of features: right: exit code $code, $(tail -n 1 err.txt | cut -c 1-120)"
  fi
  program run study.yaml -o later --cache cache -q -t 1
  [ "$code" = 0 ] || expect "exit code of the next, honest run" "$code" 0
  expect "the next, honest run with this cache: differences" "$(differing later)" none
  [ $wrong = 0 ] || break
done
finish
