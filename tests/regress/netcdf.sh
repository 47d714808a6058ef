#!/usr/bin/env bash
# study.h5 is readable as netCDF-4: every variable, by netCDF4 and by h5netcdf. netCDF4.Dataset failed on the whole file,
# h5netcdf on /loss, because dimension scales lay in a sibling group.
source "$(dirname "$0")/../support/regress.sh"
python=
for candidate in "${VISWORDS_PYTHON:-}" python3 /usr/bin/python3; do
  if [ -n "$candidate" ] && "$candidate" -c 'import netCDF4' 2> /dev/null; then python=$candidate && break; fi
done
[ -n "$python" ] || { echo "skipped: no Python with netCDF4 (Debian: python3-netcdf4; VISWORDS_PYTHON names one)"; exit 77; }
small_study study.yaml
must run study.yaml -o out -t 1 -q
cat > read.py << 'END'
import sys

def walk(group, read):
    n = 0
    for variable in group.variables.values():
        read(variable)
        n += 1
    for child in group.groups.values():
        n += walk(child, read)
    return n

try:
    module = __import__(sys.argv[1])
    # netCDF's library before 4.9.1 reads arrays of texts wrongly: one by one (docs/output.md)
    old = sys.argv[1] == "netCDF4" and [int(p) for p in module.__netcdf4libversion__.split("-")[0].split(".")[:3]] < [4, 9, 1]

    def read(v):
        if old and v.ndim == 1 and v.dtype in (str, "S1"):
            return [v[i] for i in range(len(v))]
        return v[...]

    with (module.Dataset if sys.argv[1] == "netCDF4" else module.File)(sys.argv[2], "r") as f:
        n = walk(f, read)
    print("readable" if n > 20 else f"only {n} variables")
except Exception as error:
    print(type(error).__name__, str(error).splitlines()[0][:80])
END
expect "netCDF4 reads out/study.h5" "$("$python" read.py netCDF4 out/study.h5 2>&1 | tail -n 1)" readable
if "$python" -c 'import h5netcdf' 2> /dev/null; then
  expect "h5netcdf reads out/study.h5" "$("$python" read.py h5netcdf out/study.h5 2>&1 | tail -n 1)" readable
fi
finish
