#!/bin/bash
# study.h5 as other programs see it: h5py, netCDF4, h5netcdf and xarray read every variable of it, with the same names,
# dimensions, units and values (tests/reference/study_readers.py). newest_readers.sh does the same with PyPI's versions.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
if [ -z "${STUDY_READERS_PYTHON:-}" ]; then # a python3 that stands first on PATH may not be the packages' own
  for python in /usr/bin/python3 python3; do
    if "$python" -c 'import h5netcdf, h5py, netCDF4, xarray' 2> /dev/null; then
      STUDY_READERS_PYTHON=$python
      break
    fi
  done
fi
if [ -z "${STUDY_READERS_PYTHON:-}" ]; then
  [ "${VISWORDS_DEPS:-}" = skip ] || ! command -v dpkg > /dev/null || fail "no Python with h5py, netCDF4, h5netcdf and xarray: tools/install-deps.sh test"
  echo "skipped: no Python with h5py, netCDF4, h5netcdf and xarray, and nothing was to be installed"
  exit 77
fi
collect() { "$viswords" collect "$work/$1.yaml" -o "$work/$2" -q --log error > /dev/null; }

# Names of one letter and of several; words of two networks; free words and balls.
study "$work/study.yaml" 4 'dog, hammer'
sed -i 's/ball:/b:/; s/objects:/o:/; s/stages: .*/stages: [learn, evaluate, probe, tsne, collect]/' "$work/study.yaml"
"$viswords" run "$work/study.yaml" -o "$work/whole" -t 1 -q --log error > /dev/null
cp -r "$work/whole" "$work/part" # some blocks, none judged
rm "$work"/part/blocks/*/*-*
rm "$(ls "$work"/part/blocks/*/*.safetensors | head -1)"
collect study part
mkdir "$work/none" # no loss was ever stored: dimensions of length 0
cp "$work/whole/plan.yaml" "$work/none"
collect study none
cp -r "$work/whole" "$work/two"
mpi 2 "$viswords" collect "$work/study.yaml" -o "$work/two" -q --log error > /dev/null
unset LD_PRELOAD # a sanitizer's library is not for Python
"$STUDY_READERS_PYTHON" "$source_dir/tests/reference/study_readers.py" "$work"/{whole,part,none,two}/study.h5

# Figures of these files: what is drawn, as many panels, marks and texts as ever; the numbers of /summary; the same bytes
# again; what a study has no results for is left out, and said.
figures() { "$viswords" figures "$work/$1" > "$work/log" 2>&1 || fail "figures of $1: $(cat "$work/log")"; }
figures whole
for name in transfer_matrix transfer_b truncation_adam; do
  grep -q "figure $name is left out: .*'viswords ${name%%_*}'" "$work/log" || fail "nothing about $name: $(cat "$work/log")"
  [ ! -e "$work/whole/figures/$name.svg" ] || fail "$name is there"
done
(cd "$work/whole/figures" && for f in *.svg; do sed -n "s/.*<metadata>\(.*\)<.metadata>.*/${f%.svg}: \1/p" "$f"; done) |
  sed -E 's/, lines [0-9]+, areas [0-9]+//; /^(loss|performant)/s/, texts [0-9]+//' > "$work/structure" # ticks follow the numbers there
diff "$source_dir/tests/jobs/figures.txt" "$work/structure" >&2 || fail "other panels, marks or texts than tests/jobs/figures.txt has"
figures two
for f in "$work"/whole/figures/*; do cmp "$f" "$work/two/figures/${f##*/}" || fail "$f: other bytes"; done
figures part
figures none
"$STUDY_READERS_PYTHON" - "$work/whole" << 'END'
import csv, json, sys
import h5py, numpy
where = sys.argv[1]
for name in ("probe", "performant", "constraint", "loss_b"):
    rows = list(csv.DictReader(open(f"{where}/figures/{name}.csv")))
    table = {k: v[:] for k, v in h5py.File(f"{where}/study.h5")["summary"][name.split("_")[0]].items()}
    key = [c for c in ("model", "data", "quantity", "position", "layer", "delta", "step") if c in table and c in rows[0]]
    text = lambda v: v.decode() if isinstance(v, bytes) else ("free" if numpy.isinf(v) else f"{v:g}")
    at = {tuple(text(table[c][i]) for c in key): i for i in range(len(table["n"]))}
    assert len(at) == len(table["n"]), name
    used = set()
    for r in rows:
        i = at[tuple(r[c] for c in key)]
        used.add(i)
        for c in r:
            if c in table and c not in key and c != "metric":
                got, want = (float(r[c]) if r[c] else numpy.nan), float(table[c][i])
                if c in ("low", "high", "boot_low", "boot_high") and r.get("metric"): # shares, cut off as in summary.csv
                    want = min(max(want, -1 if "minus" in r["quantity"] else 0), 1)
                assert got == want or (numpy.isnan(got) and not numpy.isfinite(want)), (name, r, c, want)
    shown = [i for i in range(len(table["n"])) if (name != "probe" or b"neighbour" in table["quantity"][i]) and (name != "loss_b" or table["model"][i] == b"b")
             and (name != "performant" or numpy.isfinite(table["mean"][i]))]
    assert used >= set(shown), (name, sorted(set(shown) - used))
index = json.load(open(f"{where}/figures/index.json"))["figures"]
assert {f["name"] for f in index if f["made"]} >= {"recall_against_delta", "tsne_b", "probe", "performant", "loss_b", "constraint"}
END
code=0
"$viswords" figures "$work" > "$work/log" 2>&1 || code=$?
[ "$code" = 2 ] && grep -q 'study.h5: not there: run .viswords collect' "$work/log" || fail "no study.h5: $code, $(cat "$work/log")"
