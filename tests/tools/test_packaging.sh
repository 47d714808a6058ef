#!/bin/bash
# packaging/: the Spack recipe is Python, its options are CMake's, its versions those of docs/install.md; every file that
# the Apptainer definition copies is there.
set -euo pipefail
cd "$1"
python3 - << 'END'
import ast, re, sys
recipe = open("packaging/spack/packages/viswords/package.py").read()
tree = ast.parse(recipe)
cmake = "".join(open(f).read() for f in ("CMakeLists.txt", "cmake/ViswordsDependencies.cmake", "cmake/ViswordsCuda.cmake", "docs/install.md"))
calls = [c for c in ast.walk(tree) if isinstance(c, ast.Call)]
name = lambda c: getattr(c.func, "id", getattr(c.func, "attr", ""))
options = [c.args[0].value for c in calls if name(c) in ("define", "define_from_variant")]
assert len(options) >= 5, options
for o in options:
    assert o.startswith("CMAKE_") or o in cmake or o in ("BUILD_TESTING", "HDF5_PREFER_PARALLEL"), f"{o}: no such CMake option"
needs = [c.args[0].value for c in calls if name(c) == "depends_on"]
table = open("docs/install.md").read()
for package in ("cmake", "hdf5", "openblas", "libyaml", "jansson", "cairo", "fontconfig", "expat", "xxhash", "utf8proc", "libjpeg-turbo", "libpng", "libwebp", "cmocka", "cuda", "nccl"):
    assert any(re.match(package + r"(@|:|\+| |$)", n) for n in needs), f"the recipe lacks {package}"
for n in needs:
    m = re.match(r"([a-z0-9-]+)@([0-9.]+):", n)
    if m and m[1] not in ("mpi",):
        assert m[2] in table, f"{n}: docs/install.md has another version"
END
grep -oE '^ +(cp|cp -r) [a-z/.]+' packaging/viswords.def | awk '{ print $NF }' | while read -r file; do
  case $file in build/*) ;; *) [ -e "$file" ] || { echo "FAILED: viswords.def copies $file, which is not there" >&2 && exit 1; } ;; esac
done
[ "$(grep -c '^Bootstrap: ' packaging/viswords.def)" = "$(grep -c '^Stage: ' packaging/viswords.def)" ]
for file in $(grep -oE '"(slurm|jobs/studies|tools/[a-z.]+)"' packaging/spack/packages/viswords/package.py | tr -d '"'); do
  [ -e "$file" ] || { echo "FAILED: the recipe installs $file, which is not there" >&2 && exit 1; }
done
