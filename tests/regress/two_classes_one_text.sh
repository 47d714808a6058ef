#!/usr/bin/env bash
# Two classes whose names are one text for the network (`robot_toy`, `robot toy`; `teapot`, `Teapot`), one picture under
# two classes: neither class can ever be right. `check` says so and names both; it said nothing.
source "$(dirname "$0")/../support/regress.sh"
both() { # WHAT A B: the messages hold both names
  said "$1" "$2"
  said "$1" "$3"
}
small_pictures toys
for part in train test; do
  mv toys/$part/camel toys/$part/robot_toy && mv toys/$part/camera "toys/$part/robot toy"
done
small_study toys.yaml '' "$work/toys"
sed -i "s/classes: .*/classes: [dog, hammer, robot_toy, 'robot toy']/" toys.yaml
program check toys.yaml
both "check of robot_toy and robot toy" "'robot_toy'" "'robot toy'"
small_pictures cases
for part in train test; do
  mv cases/$part/camel cases/$part/teapot && mv cases/$part/camera cases/$part/Teapot
done
small_study cases.yaml '' "$work/cases"
sed -i 's/classes: .*/classes: [dog, hammer, teapot, Teapot]/' cases.yaml
program check cases.yaml
both "check of teapot and Teapot" "'teapot'" "'Teapot'"
small_pictures twice
cp twice/train/camel/00.jpg twice/train/dog/copy.jpg
small_study twice.yaml '' "$work/twice"
program check twice.yaml
both "check of one picture under two classes" dog/copy.jpg camel/00.jpg
small_study anchors.yaml
sed -i 's/anchors: .*/anchors: [dog, Dog]/' anchors.yaml
program check anchors.yaml
both "check of two spellings of an anchor" "'dog'" "'Dog'"
finish
