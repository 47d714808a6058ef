#!/bin/bash
# A study of every kind of data set, from the file to the table: each learns, judges and collects, a second run finds all
# done, and a key of another kind is refused.   test_data_sets.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"

# What ImageNet's users have: numbered folders, a flat val with its list, a list of names.
number=0
mkdir -p imagenet/val
echo "ImageId,PredictionString" > imagenet/LOC_val_solution.csv
for class in fox banana dog hammer; do
  number=$((number + 1))
  wnid=n0200000$number
  echo "$wnid $class, $class of some sort" >> imagenet/LOC_synset_mapping.txt
  mkdir -p "imagenet/train/$wnid"
  for file in $(find "$source_dir/data/objects/train/$class" -name '*.jpg' | sort | head -4); do
    cp "$file" "imagenet/train/$wnid/${wnid}_$(basename "$file" .jpg).JPEG"
  done
  for file in $(find "$source_dir/data/objects/test/$class" -name '*.jpg' | sort | head -2); do
    name=ILSVRC2012_val_$number$(basename "$file" .jpg)
    cp "$file" "imagenet/val/$name.JPEG"
    echo "$name,$wnid 1 1 20 20 " >> imagenet/LOC_val_solution.csv
  done
done

# study KIND ROOT MORE: the same small study on other data.
small() {
  cat > "$1.yaml" << END
study: $1
seed: 7
data:
  things: {kind: $1, root: $2, concepts: [fox, banana], pictures: {train: 4, test: 2}$3}
models:
  clip: {weights: $source_dir/data/clip-tiny}
trials: {anchors: [bread], deltas: [1.0]}
learn: {watch: {draws: 2}, steps: 5, batch: {positives: 2, negatives: 2}, templates: ['a photo of a {}']}
END
}
known="classes: [dog, hammer]"
small folders "$source_dir/data/objects" ", $known"
small dreambooth "$source_dir/data/subjects" ""
small coco "$source_dir/data/scenes" ", crop: {least: 16}"
small voc "$source_dir/data/scenes-voc" ", crop: {least: 16}"
small imagenet imagenet ""
for kind in folders dreambooth coco voc imagenet; do
  "$viswords" run "$kind.yaml" -o "$kind" --quiet --threads 1 > "$kind.log" 2>&1 || { cat "$kind.log" >&2; fail "$kind: exit code $?"; }
  grep -q '^3 trials:' "$kind.log" || { cat "$kind.log" >&2; fail "$kind: not 3 trials"; }
  [ -s "$kind/study.h5" ] || fail "$kind: no study.h5"
  results "$kind" > before
  "$viswords" run "$kind.yaml" -o "$kind" --quiet --threads 1 > "$kind.log" 2>&1
  results "$kind" | cmp before - || fail "$kind: a second run did something"
done

# Five folds of five pictures: five data sets, each judged on another picture.
small dreambooth "$source_dir/data/subjects" ", folds: 5"
"$viswords" run dreambooth.yaml -o folds --quiet --threads 1 > folds.log 2>&1 || { cat folds.log >&2; fail "folds: exit code $?"; }
for k in 1 2 3 4 5; do grep -q "things-$k" folds/summary.csv || fail "folds: things-$k is not in summary.csv"; done

# A key of another kind, a class that is not there.
small folders "$source_dir/data/objects" ", $known, crop: {least: 16}"
code=0
"$viswords" check folders.yaml > check.log 2>&1 || code=$?
[ "$code" = 2 ] && grep -q 'folders.yaml:4:.*data.things.crop.least: nothing uses it; data sets of kind folders do not, only coco voc' check.log ||
  { cat check.log >&2; fail "a key of another kind: exit code $code"; }
small voc "$source_dir/data/scenes-voc" ", split: {test: nothing}"
code=0
"$viswords" check voc.yaml > check.log 2>&1 || code=$?
[ "$code" != 0 ] && grep -q 'ImageSets/Main/nothing.txt' check.log || { cat check.log >&2; fail "a missing list: exit code $code"; }
echo "studies on five kinds of data sets, folds, wrong keys"
