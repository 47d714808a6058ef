#!/bin/bash
# One thing under two names: `check` and `run` name both, with the place in the study file.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
pictures=(airplane banana bicycle cactus camera crab guitar mushroom penguin)
i=0
for class in dog hammer camel teapot Teapot robot_toy 'robot toy' fox Fox; do # pictures of their own
  for part in train test; do
    mkdir -p "objects/$part/$class"
    for k in 0 1 2 3; do
      cp "$source_dir/data/objects/$part/${pictures[$i]}/0$k.jpg" "objects/$part/$class/"
    done
  done
  i=$((i + 1))
done
# alike CONCEPTS CLASSES ANCHORS: a study
alike() {
  cat > s.yaml << STUDY
data:
  objects:
    root: objects
    concepts: [$1]
    ${2:+classes: $2}
    pictures: {train: 4, test: 2}
models: {clip: {weights: $source_dir/data/clip-tiny}}
trials: {anchors: [$3], deltas: [0.5], null_concepts: 0}
learn: {watch: {draws: 2}, steps: 1, batch: {positives: 2, negatives: 2}, templates: ['a {}']}
stages: [learn, evaluate]
STUDY
}
# both CHECK RUN PATTERN: exit codes, and what both commands say
both() {
  local code=0
  "$viswords" check s.yaml --cache cache > out.txt 2> err.txt || code=$?
  [ "$code" = "$1" ] || { cat out.txt err.txt >&2 && fail "check accepted it: exit code $code, expected $1: $3"; }
  grep -q -- "$3" out.txt || { cat out.txt >&2 && fail "check does not say '$3'"; }
  code=0
  rm -rf out
  timeout "$most_seconds" "$viswords" run s.yaml -o out --cache cache --quiet --threads 1 > out.txt 2> err.txt || code=$?
  [ "$code" = "$2" ] || { cat out.txt err.txt >&2 && fail "run accepted it: exit code $code, expected $2: $3"; }
  grep -q -- "$3" err.txt || { cat err.txt >&2 && fail "run does not say '$3'"; }
}

alike fox '[dog, robot_toy, hammer, robot toy]' camel
both 2 2 "s.yaml:5:39: data.objects.classes: 'robot_toy' and 'robot toy' are one text to 'clip'"
alike dog '[Teapot, hammer, teapot]' camel
both 2 2 "s.yaml:5:31: data.objects.classes: 'Teapot' and 'teapot' are one text"
printf 'dog\nteapot\nhammer\nTeapot\n' > list.txt
alike fox list.txt camel
both 2 2 "s.yaml:5:14: data.objects.classes: 'teapot' and 'Teapot' are one text"
alike 'Fox' '[dog, fox, hammer]' camel # a concept that is a class in another spelling
both 2 2 "s.yaml:4:16: data.objects.concepts: 'fox' and 'Fox' are one text"
alike 'dog, fox, Fox' '[dog, hammer]' camel # no class is meant: only the tables confuse
both 0 0 "s.yaml:4:26: data.objects.concepts: the concepts 'fox' and 'Fox' are one text"
alike fox '' camel # all folders
both 2 2 "s.yaml:3:11: data.objects.root: 'Teapot' and 'teapot' are one text"

alike fox '[dog, hammer]' 'Camel, dog, camel'
both 2 2 "s.yaml:8:32: trials.anchors: 'Camel' and 'camel' are one token of 'clip'"
alike fox '[dog, hammer]' 'camel, Fox'
both 0 0 "s.yaml:8:27: trials.anchors: 'Fox' is the concept 'fox' in another spelling"
alike fox '[dog, hammer]' 'camel, fox'
both 0 0 "s.yaml:8:27: trials.anchors: 'fox' is a concept too"

alike fox '[dog, hammer]' camel
cp objects/train/dog/01.jpg objects/train/hammer/03.jpg
both 2 0 "s.yaml:3:11: data.objects.root: objects/train/hammer/03.jpg of 'hammer' is the same picture as objects/train/dog/01.jpg of 'dog'"
cp objects/train/fox/02.jpg objects/train/hammer/03.jpg # a concept beside the classes
both 2 0 "objects/train/fox/02.jpg of 'fox' is the same picture as objects/train/hammer/03.jpg of 'hammer'"
cp objects/train/hammer/00.jpg objects/train/hammer/03.jpg # twice in one class: no harm
cp objects/train/fox/02.jpg objects/test/fox/01.jpg
both 2 0 "objects/test/fox/01.jpg is the same picture as objects/train/fox/02.jpg"
cp "$source_dir/data/objects/test/camera/05.jpg" objects/test/fox/01.jpg

sed -i 's#^models:#  again: {root: ./objects, concepts: [fox], classes: [dog, hammer], pictures: {train: 4, test: 2}}\nmodels:#' s.yaml
both 0 0 "s.yaml:7:17: data.again.root: 'objects' and 'again' are the same classes, concepts and pictures"
