#!/usr/bin/env bash
# Two runs of one study are equal though a comment was added to the file, and though a path is spelled otherwise:
# `diff` called them different files (exit code 3) with every result the same.
source "$(dirname "$0")/../support/regress.sh"
small_study study.yaml
must run study.yaml -o first -t 1 -q
{ echo '# a note' && cat study.yaml; } > commented.yaml
sed "s#root: .*#root: $source_dir/data/../data/objects#" study.yaml > spelled.yaml
for name in commented spelled; do
  must run $name.yaml -o $name -t 1 -q
  program diff first $name
  expect "exit code of diff, $name" "$code" 0
done
sed 's/steps: 4/steps: 5/' study.yaml > other.yaml
must run other.yaml -o other -t 1 -q
program diff first other
expect "exit code of diff, another number of steps" "$code" 3
finish
