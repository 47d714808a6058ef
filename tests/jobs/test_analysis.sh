#!/bin/bash
# The recipes of docs/analysis.md run as they stand on a small study, in Python and, where there is an R with rhdf5, in R;
# and study.h5 has the layout that layout.txt lists.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
for python in /usr/bin/python3 python3 none; do # one that stands first on PATH may not be the packages' own
  [ $python != none ] || break
  "$python" -c 'import h5netcdf, h5py, netCDF4, pandas, xarray' 2> /dev/null && break
done
if [ $python = none ]; then
  [ "${VISWORDS_DEPS:-}" = skip ] || ! command -v dpkg > /dev/null || fail "no Python with h5py, netCDF4, h5netcdf, pandas and xarray: tools/install-deps.sh test"
  echo "skipped: no Python with h5py, netCDF4, h5netcdf, pandas and xarray, and nothing was to be installed"
  exit 77
fi
cd "$work"
ln -s "$source_dir/data" data

# Two networks, every stage; few scenes, as a detector is judged on all of the test part.
mkdir -p scenes/annotations
ln -s "$source_dir"/data/scenes/{train,test} scenes/
"$python" - "$source_dir/data/scenes/annotations" scenes/annotations << 'END'
import json, os, sys
for name in os.listdir(sys.argv[1]):
    part = json.load(open(os.path.join(sys.argv[1], name)))
    part["images"] = [i for i in part["images"] if i["file_name"].startswith(("fox", "guitar"))][:8]
    here = {i["id"] for i in part["images"]}
    part["annotations"] = [a for a in part["annotations"] if a["image_id"] in here]
    json.dump(part, open(os.path.join(sys.argv[2], name), "w"))
END
cat > demo.yaml << 'END'
study: recipes
data:
  objects: {root: data/objects, concepts: [fox, guitar], classes: [dog, hammer, camel, camera], pictures: {train: 4, test: 3}}
  scenes: {kind: coco, root: scenes, concepts: [fox, guitar], pictures: {train: 2, negatives: 3}}
models:
  clip: {kind: clip, weights: data/clip-tiny, data: [objects]}
  owl: {kind: owlv2, weights: data/owlv2-tiny, data: [scenes], learn: {steps: 4}}
trials: {anchors: [dog, hammer], deltas: [0.5, 1], null_concepts: 1}
learn: {watch: {draws: 2}, steps: 20, batch: {positives: 2, negatives: 2}, templates: ['a photo of a {}']}
tsne: {iterations: 20}
stages: [learn, evaluate, transfer, probe, tsne, collect]
END
sed '/^  scenes:/d; /^  owl:/d; s/\[dog, hammer\]/[hammer, bread]/; s/transfer, probe, tsne, //; /^tsne/d' demo.yaml > more.yaml
for study in demo more; do
  "$viswords" run $study.yaml -o out/$study --threads 1 --quiet --log error --cache cache > log.txt 2>&1 || fail "$(cat log.txt)"
done
unset LD_PRELOAD
"$python" "$source_dir/tests/reference/study_layout.py" out/demo/study.h5 > layout.txt
diff "$source_dir/tests/jobs/layout.txt" layout.txt >&2 || fail "study.h5 has another layout: bring docs/output.md and tests/jobs/layout.txt up to date"

page=$source_dir/docs/analysis.md recipes=$source_dir/tests/reference/recipes.py
"$python" "$recipes" "$page" python > log.txt 2>&1 || fail "$(cat log.txt)"
grep '^10 recipes\|left out' log.txt
[ "$(wc -l < trials.csv)" = 25 ] || fail "trials.csv has $(wc -l < trials.csv) lines" # 2 models x 3 concepts x 2 anchors x 2 deltas
if Rscript -e 'library(rhdf5)' > /dev/null 2>&1; then
  "$python" "$recipes" "$page" r > all.R
  Rscript all.R > log.txt 2>&1 || fail "$(cat log.txt)"
  grep -q '^10 recipes' log.txt || fail "$(cat log.txt)"
  cut -d , -f 1-5 trials.csv | tail -n +2 | wc -l | grep -qx 24
  [ "$(wc -l < trials-r.csv)" = 25 ] || fail "trials-r.csv has $(wc -l < trials-r.csv) lines"
  echo "and in R"
else
  echo "not in R: there is no Rscript with rhdf5"
fi
