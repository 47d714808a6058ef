#!/usr/bin/env bash
# Packs viswords with everything it needs, for machines without root and packages: build/viswords-VERSION-ARCH.tar.xz
#   tools/bundle.sh [--with-cuda-libraries | --without-cuda] [--programs-only] [JOBS]
#     (neither)               a program for CPUs, and one with the cuda backend where nvcc is; the latter takes cudart and
#                             cuBLASLt from the CUDA toolkit of the machine it runs on (same major version)
#     --with-cuda-libraries   only the program with the cuda backend, and these libraries with it: + 0.5 GB unpacked
#     --without-cuda          only the program for CPUs
#     --programs-only         the program for GPUs, without data, studies and fixtures: for a machine that holds a checkout
#                             of this revision; unpack it in build/ there
# VISWORDS_CUDA_ARCHITECTURES: what kernels are compiled for, as CMake has it ("90a-real"); default: all
# Inside: program and tests (libexec, tests), their libraries but for the C library and the GPU's driver (lib), Open MPI
# with its plugins and mpirun (openmpi), studies, networks and pictures (jobs, data), wrappers (bin), README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
kinds=(cpu cuda)
cuda_libraries=0
programs_only=0
jobs=$(nproc)
for arg in "$@"; do
  case $arg in
    --with-cuda-libraries) kinds=(cuda) cuda_libraries=1 ;;
    --without-cuda) kinds=(cpu) ;;
    --programs-only) programs_only=1 kinds=(cuda) ;;
    [1-9]*) jobs=$arg ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "bundle.sh: unknown argument '$arg' (--with-cuda-libraries, --without-cuda, --programs-only, or a number of jobs)" >&2; exit 2 ;;
  esac
done
if ! command -v nvcc >/dev/null; then
  [ $cuda_libraries = 0 ] || { echo "bundle.sh: --with-cuda-libraries, but no nvcc is on PATH" >&2; exit 1; }
  [ ${#kinds[@]} = 1 ] || echo "bundle.sh: no nvcc on PATH: the bundle gets no cuda backend" >&2
  kinds=(cpu)
fi
fail() {
  echo "bundle.sh: $*" >&2
  exit 1
}

version=$(sed -n 's/^project(viswords VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
name=viswords-$version-$(uname -m)
[ $programs_only = 0 ] || name+=-programs
stage=build/$name
rm -rf "$stage"
mkdir -p "$stage"/{bin,lib,libexec,tests/bin,openmpi,licences,tools/bench}

# ---- programs: two builds where there are two kinds; tests of the cuda kind end in -cuda like the program.
for kind in "${kinds[@]}"; do
  build=build/bundle-$kind
  map=-fmacro-prefix-map=$PWD/= # messages name files of the repository, not folders of this machine
  mkdir -p "$build"
  cmake --preset release -B "$build" ${VISWORDS_CUDA_ARCHITECTURES:+"-DCMAKE_CUDA_ARCHITECTURES=$VISWORDS_CUDA_ARCHITECTURES"} -DVISWORDS_BUNDLE=ON -DVISWORDS_CUDA=$([ $kind = cuda ] && echo ON || echo OFF) \
    "-DCMAKE_C_FLAGS=$map" "-DCMAKE_CUDA_FLAGS=-Xcompiler=$map" >"$build/configure.log" 2>&1 || { cat "$build/configure.log" >&2; fail "CMake failed, see above"; }
  cmake --build "$build" --parallel "$jobs" --target bundle_programs
  rm -rf "$build/install"
  cmake --install "$build" --prefix "$build/install" --component bundle --strip >/dev/null
  suffix=$([ $kind = cuda ] && echo -cuda || true)
  for file in "$build"/install/libexec/* "$build"/install/tests/bin/*; do
    cp "$file" "$stage/${file#"$build/install/"}$suffix"
  done
done

# ---- Open MPI: mpirun, its daemon, every plugin that needs no library of a network fabric, of a site or of OpenSHMEM.
info() { ompi_info --parsable --path "$1" | sed 's/^[^:]*:[^:]*://'; }
command -v ompi_info >/dev/null || fail "needs Open MPI (mpirun, ompi_info): other MPIs are not packed"
plugins=$(info pkglibdir)
data=$(info pkgdatadir)
conf=$(info sysconfdir)
mkdir -p "$stage/openmpi/"{bin,plugins,share,etc,none}
cp -L "$(command -v orterun)" "$stage/openmpi/bin/mpirun"
cp -L "$(command -v orted)" "$stage/openmpi/bin/orted"
cp -rL "$data"/*.txt "$stage/openmpi/share/"
[ ! -e "$conf/openmpi-mca-params.conf" ] || grep -E '^[a-z]' "$conf/openmpi-mca-params.conf" >"$stage/openmpi/etc/openmpi-mca-params.conf" || true
for plugin in "$plugins"/mca_*.so; do
  needs=$(ldd "$plugin")
  if ! grep -qE 'not found|libuc[pst]|libfabric|libpsm|libibverbs|librdmacm|libcuda|lustre|monitoring|liboshmem' <<<"$needs"; then
    cp -L "$plugin" "$stage/openmpi/plugins/"
  fi
done

# ---- libraries: what the programs of the build tree and the plugins load here, but for the C library's family (it belongs
# to the kernel and the name service of the machine) and CUDA's.
own='^(linux-vdso|ld-linux.*|libc|libm|libmvec|libpthread|libdl|librt|libresolv|libutil|libanl|libnss_.*|libcuda)\.so'
cuda='^lib(cudart|cublas|cublasLt|cudnn.*|nccl|nvrtc|nvJitLink)\.so'
: >"$stage/libexec/cuda-libraries"
programs=()
for kind in "${kinds[@]}"; do programs+=("build/bundle-$kind/viswords" "build/bundle-$kind"/tests/*_test_* "build/bundle-$kind/tests/golden_check_study"); done
for file in "${programs[@]}" "$stage"/openmpi/bin/* "$stage"/openmpi/plugins/*.so; do
  if [ -f "$file" ] && [ -x "$file" ] || [[ $file == *.so ]]; then ldd "$file"; fi
done | awk '$2 == "=>" { print $1, $3 == "not" ? "missing" : $3 }' | sort -u >"$stage/loaded"
while read -r library path; do
  if [[ $library =~ $own ]]; then continue; fi
  [ "$path" != missing ] || fail "$library is needed and not found here"
  if [[ $library =~ $cuda ]]; then
    echo "$library" >>"$stage/libexec/cuda-libraries"
    [ $cuda_libraries = 1 ] || continue
  fi
  cp -L "$path" "$stage/lib/$library"
done <"$stage/loaded"
chmod -R u+w "$stage"

# HDF5's driver for S3 brings curl and OpenSSL, which bring twenty libraries more. viswords opens files: libraries stand in
# whose functions, the few that HDF5 wants, say so and end the program. They have names of their own, written over those in
# HDF5's: ssh and others that a run starts look for the real ones.
needed() { readelf -d "$@" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u; }
stand_in() {
  local library=$1 name=${1/.so./.vw.} wanted version
  wanted=$(nm -D --undefined-only "$stage"/lib/libhdf5*.so.* | sed -n "s/^ *U \([A-Za-z0-9_]*\)@\($2[A-Za-z0-9_.]*\)$/\1 \2/p" | sort -u)
  [ -n "$wanted" ] || return 0
  {
    echo '#include <stdlib.h>'
    echo '#include <unistd.h>'
    printf 'static void end(void) { static const char text[] = "viswords: this bundle has no %s: files on S3 cannot be opened\\n"; (void)!write(2, text, sizeof text - 1); abort(); }\n' "$library"
    sed 's/ .*//; s/.*/void &(void); void &(void) { end(); }/' <<<"$wanted"
  } >"$stage/stand-in.c"
  for version in $(sed 's/.* //' <<<"$wanted" | sort -u); do
    echo "$version { $(sed -n "s/ $version\$/;/p" <<<"$wanted" | tr '\n' ' ')};"
  done >"$stage/stand-in.map"
  "${CC:-cc}" -shared -fPIC -O1 -Wl,-soname,"$name" -Wl,--version-script,"$stage/stand-in.map" -o "$stage/lib/$name" "$stage/stand-in.c"
  rm "$stage"/stand-in.*
  LC_ALL=C sed -i "s/\x00${library//./\\.}\x00/\x00$name\x00/" "$stage"/lib/libhdf5*.so.*
  [[ $(needed "$stage"/lib/libhdf5*.so.*) == *"$name"* ]] || fail "$library could not be replaced in HDF5's library"
}
[ ! -e "$stage/lib/libcurl.so.4" ] || stand_in libcurl.so.4 CURL
[ ! -e "$stage/lib/libcrypto.so.3" ] || stand_in libcrypto.so.3 OPENSSL

# What nothing needs any more goes; the rest brings its licence.
reached=
more=$(needed "$stage"/libexec/viswords* "$stage"/tests/bin/* "$stage"/openmpi/bin/* "$stage"/openmpi/plugins/*.so)
while [ "$more" != "$reached" ]; do
  reached=$more
  more=$({
    echo "$reached"
    for library in $reached; do [ ! -e "$stage/lib/$library" ] || needed "$stage/lib/$library"; done
  } | sort -u)
done
while read -r library path; do
  [ -e "$stage/lib/$library" ] || continue
  if ! grep -qxF "$library" <<<"$reached"; then
    rm "$stage/lib/$library"
    continue
  fi
  package=$(dpkg -S "$(readlink -f "$path")" 2>/dev/null || dpkg -S "$path" 2>/dev/null || true)
  package=${package%%:*}
  if [ -n "$package" ] && [ -e "/usr/share/doc/$package/copyright" ]; then cp -L "/usr/share/doc/$package/copyright" "$stage/licences/$package"; fi
done <"$stage/loaded"
rm "$stage/loaded"

# ---- the font of figures and labels, and how fontconfig finds it beside what the machine has
font=$(fc-match -f '%{file}' 'DejaVu Sans:bold=false' 2>/dev/null || true)
[[ $font == */DejaVuSans.ttf ]] || font=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
[ -e "$font" ] || fail "the font DejaVu Sans is not here (fonts-dejavu-core)"
mkdir -p "$stage/fonts"
cp -L "$font" "${font%.ttf}-Bold.ttf" "$stage/fonts/"
cp tools/bundle/fonts.conf "$stage/fonts/"
[ ! -e /usr/share/doc/fonts-dejavu-core/copyright ] || cp -L /usr/share/doc/fonts-dejavu-core/copyright "$stage/licences/fonts-dejavu-core"

# ---- data, studies, scripts; or links to those of the checkout around build/
if [ $programs_only = 1 ]; then
  mkdir -p "$stage/tests/reference"
  ln -s ../../data ../../jobs "$stage/"
  ln -s ../../../tests/golden "$stage/tests/"
  ln -s ../../../../tests/reference/fixtures "$stage/tests/reference/"
else
  mkdir -p "$stage/jobs" "$stage/data" "$stage/tests/reference" "$stage/tests/golden"
  cp -r jobs/studies "$stage/jobs/"
  cp -r data/clip-tiny data/owlv2-tiny data/sd-tiny data/judge-tiny data/objects data/scenes data/portraits data/README.md data/LICENCES.md "$stage/data/"
  cp -r tests/reference/fixtures "$stage/tests/reference/"
  cp tests/golden/*.yaml "$stage/tests/golden/"
fi
cp tools/gpu-check.sh tools/gpu-report.sh tools/mpirun.sh "$stage/tools/"
mkdir -p "$stage/slurm"
cp -r slurm/*.sh slurm/viswords.sbatch slurm/sites slurm/README.md "$stage/slurm/"
rm -f "$stage/slurm/site.sh"
cp tools/bench/*.py "$stage/tools/bench/"
cp LICENSE "$stage/"
cp tools/bundle/bin/* "$stage/bin/"
cp tools/bundle/environment.sh "$stage/libexec/"

# ---- what it asks of a machine: the newest version of a C library's symbol that any file wants.
glibc=$(find "$stage/bin" "$stage/lib" "$stage/libexec" "$stage/tests/bin" "$stage/openmpi" -type f -exec sh -c 'objdump -T "$@" 2>/dev/null || true' _ {} + |
  grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -1 | sed 's/GLIBC_//')
echo "$glibc" >"$stage/libexec/glibc"
sed -e "s/@VERSION@/$version/g" -e "s/@GLIBC@/$glibc/g" -e "s/@ARCH@/$(uname -m)/g" -e "s/@CUDA@/$([ -s "$stage/libexec/cuda-libraries" ] && tr '\n' ' ' <"$stage/libexec/cuda-libraries" || echo none)/g" \
  -e "s/@REVISION@/$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)/g" tools/bundle/README.md >"$stage/README.md"
# The programs of the tests hold the same kernels: a dictionary that spans them packs these once.
filter=()
[ "$(uname -m)" != x86_64 ] || filter=(--x86)
tar -C build --owner=0 --group=0 -c "$name" | xz -T1 "${filter[@]}" --lzma2=preset=9,dict=256MiB >"build/$name.tar.xz"
echo "build/$name.tar.xz: $(du -h --apparent-size "build/$name.tar.xz" | cut -f 1), unpacked $(du -sh --apparent-size "$stage" | cut -f 1); programs: ${kinds[*]}; wants glibc $glibc or newer"
