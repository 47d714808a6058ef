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
