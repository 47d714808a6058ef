#!/bin/bash
# CMake tells every dependency that is too old or missing at once, each with its Debian package; an HDF5 that was built
# with another MPI is refused. Old versions are pretended by .pc files, the other MPI by small shared libraries.
set -euo pipefail
source_dir=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "FAILED: $*" >&2
  exit 1
}
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$2/CMakeCache.txt")

# configure NAME [options]: must fail; what it says, without line breaks, in $said
configure() {
  if cmake -S "$source_dir" -B "$work/$1" -G Ninja -DVISWORDS_CUDA=OFF -DCMAKE_C_COMPILER="$compiler" "${@:2}" > "$work/log" 2>&1; then
    fail "$1: the configuration went through"
  fi
  said=$(tr -s '\n ' ' ' < "$work/log")
}
says() { [[ $said == *"$1"* ]] || fail "nobody said '$1': $(cat "$work/log")"; }

mkdir "$work/pc"
for module in yaml-0.1 jansson; do
  printf 'Name: old\nDescription: old\nVersion: 0.1.3\nLibs:\n' > "$work/pc/$module.pc"
done
PKG_CONFIG_PATH=$work/pc configure old -DCMAKE_DISABLE_FIND_PACKAGE_HDF5=ON -DCMAKE_DISABLE_FIND_PACKAGE_PNG=ON
says 'viswords cannot be built with what was found here'
says 'yaml-0.1 (pkg-config) is 0.1.3, wanted: 0.2.2 or newer (Debian: libyaml-dev)'
says 'jansson (pkg-config) is 0.1.3, wanted: 2.12 or newer (Debian: libjansson-dev)'
says 'HDF5 is missing, wanted: 1.10 or newer (Debian: libhdf5-openmpi-dev or libhdf5-mpich-dev'
says 'libpng is missing, wanted: 1.6 or newer'

# A library of HDF5's part, linked with the MPI of somebody else.
echo 'int nothing;' > "$work/nothing.c"
for name in libmpi.so.40 libmpich.so.12; do
  "$compiler" -shared -fPIC -Wl,-soname,$name "$work/nothing.c" -o "$work/$name"
  "$compiler" -shared -fPIC -Wl,--no-as-needed "$work/nothing.c" "$work/$name" -o "$work/hdf5-of-$name.so"
done
cat > "$work/check.cmake" << END
cmake_minimum_required(VERSION 3.25)
include($source_dir/cmake/ViswordsVersions.cmake)
set(CMAKE_READELF readelf)
set(MPI_C_COMPILER mpicc.here)
viswords_one_mpi("/nowhere.so;$work/hdf5-of-\${hdf5}.so" "$work/\${mpi}")
viswords_tell_problems()
END
for mpi in libmpi.so.40 libmpich.so.12; do
  cmake -Dhdf5=$mpi -Dmpi=$mpi -P "$work/check.cmake" > "$work/log" 2>&1 || fail "$mpi with itself: $(cat "$work/log")"
done
cmake -Dhdf5=libmpich.so.12 -Dmpi=libmpi.so.40 -P "$work/check.cmake" > "$work/log" 2>&1 && fail "two MPIs went through"
said=$(tr -s '\n ' ' ' < "$work/log")
says 'was built with another MPI: it needs libmpich.so.12, and mpicc.here brings libmpi.so.40'

# An old CMake does not even read the presets: build.sh says so before.
mkdir "$work/bin"
printf '#!/bin/sh\necho cmake version 3.22.1\n' > "$work/bin/cmake"
chmod +x "$work/bin/cmake"
PATH=$work/bin:$PATH "$source_dir/tools/build.sh" ci > "$work/log" 2>&1 && fail "build.sh took CMake 3.22"
grep -q 'CMake 3.25 or newer is wanted, this is 3.22.1' "$work/log" || fail "$(cat "$work/log")"
