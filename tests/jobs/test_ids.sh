#!/bin/bash
# The trials of the shipped studies are the same ones for ever: study_ids.txt has their ids, those of CLIP made before there was a
# second network. A key of the study file that comes later must not change them.   test_ids.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"

for study in smoke demo; do
  # the plan is there before anything is learned
  VISWORDS_FAULT=renamed:plan=kill "$viswords" learn "$source_dir/jobs/studies/$study.yaml" -o "$work/$study" --quiet \
    --backend cpu --threads 1 --cache "$work/cache" > "$work/log" 2>&1 || true
  [ -s "$work/$study/plan.yaml" ] || { cat "$work/log" >&2 && fail "$study: no plan"; }
  sed -n "s/^ *- \[\"\([0-9a-f]*\)\".*/$study \1/p" "$work/$study/plan.yaml" | sort > "$work/found"
  grep "^$study " "$source_dir/tests/jobs/study_ids.txt" | sort > "$work/expected"
  [ -s "$work/expected" ] || fail "$study: no ids are listed"
  cmp "$work/expected" "$work/found" || fail "$study: other trials than ever before: every result would be learned again"
done
