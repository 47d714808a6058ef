#!/usr/bin/env bash
# test_collect_readers.sh with the newest h5py, netCDF4, h5netcdf and xarray of PyPI, in a virtual environment.
#   newest_readers.sh SOURCE BUILD [VENV]     VENV: kept there and brought up to date; default: made anew, then removed
set -euo pipefail
venv=${3:-}
if [ -z "$venv" ]; then
  venv=$(mktemp -d)
  trap 'rm -rf "$venv"' EXIT
fi
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --upgrade h5py netCDF4 h5netcdf xarray
STUDY_READERS_PYTHON=$venv/bin/python bash "$(dirname "$0")/test_collect_readers.sh" "$1" "$2"
