#!/usr/bin/env bash
# Installs the system packages that viswords needs (Debian 12 and 13; Ubuntu 24.04 as far as its package names go).
#   tools/install-deps.sh [--check] [build|test|check|slurm]...     default: all but slurm
#     build    to compile and run viswords, and its tests
#     test     what single tests need besides: readers of study.h5, strace, a browser
#     slurm    what `make test-slurm` needs besides: a Slurm to start on this machine
#     check    in addition, what `make check` needs (clang-format, clang-tidy)
#     --check  only name what is missing: exit 0 when nothing is, 1 otherwise
# Asks nothing, skips what is there, says what it installs. Not root and no password-free sudo: names what is missing
# and exits 1. VISWORDS_DEPS=skip: do nothing (dependencies come from environment modules or Spack, docs/install.md).
# VISWORDS_MPI=openmpi|mpich: which MPI, with the HDF5 that belongs to it. Default: MPICH where its packages are installed
# and Open MPI's are not, else Open MPI.
# A second run is answered from a stamp that is newer than this script and than dpkg's own list.
set -euo pipefail

# One line a package; "a|b": either will do, the first that the distribution has is installed.
# shellcheck disable=SC2034 # all lists are read through their names
readonly PACKAGES_build='
cmake ninja-build make pkg-config gcc libc6-dev
hdf5-tools
libopenblas-openmp-dev
libyaml-dev libjansson-dev libexpat1-dev libxxhash-dev libutf8proc-dev
libjpeg62-turbo-dev|libjpeg-turbo8-dev libpng-dev libwebp-dev libcairo2-dev libfontconfig-dev fonts-dejavu-core
libcmocka-dev'
# A browser, for the report; elsewhere than on Debian it is no package of that name, and its test is left out.
grep -qsx 'ID=debian' /etc/os-release && browser=chromium || browser=
# shellcheck disable=SC2034
readonly PACKAGES_test="
python3-h5py python3-netcdf4 python3-xarray python3-h5netcdf python3-pandas
strace $browser"
# shellcheck disable=SC2034
readonly PACKAGES_slurm='slurmctld slurmd slurm-client munge'
# shellcheck disable=SC2034
readonly PACKAGES_openmpi='libopenmpi-dev openmpi-bin libhdf5-openmpi-dev'
# shellcheck disable=SC2034
readonly PACKAGES_mpich='libmpich-dev mpich libhdf5-mpich-dev'
# shellcheck disable=SC2034
readonly PACKAGES_check='
clang-format-14|clang-format
clang-tidy-14|clang-tidy
clang-14|clang
libclang-rt-14-dev|libclang-rt-dev
git'

root=$(cd "$(dirname "$0")/.." && pwd)
only_check=0
groups=()
for arg in "$@"; do
  case $arg in
    --check) only_check=1 ;;
    build | test | check | slurm) groups+=("$arg") ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install-deps.sh: unknown argument '$arg' (expected --check, build, test, check or slurm)" >&2; exit 2 ;;
  esac
done
[ ${#groups[@]} -gt 0 ] || groups=(build test check)

if [ "${VISWORDS_DEPS:-}" = skip ]; then
  exit 0
fi
if ! command -v dpkg-query >/dev/null; then
  echo "install-deps.sh: no dpkg on this system; CMake will say what is missing, docs/install.md how to bring it" >&2
  exit 0
fi

installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' 2>/dev/null || true)"
is_installed() { [[ $installed == *" installed=$1 "* ]]; }
mpi=${VISWORDS_MPI:-}
case $mpi in
  openmpi | mpich) ;;
  '')
    mpi=openmpi
    if is_installed libhdf5-mpich-dev && ! is_installed libhdf5-openmpi-dev; then mpi=mpich; fi
    ;;
  *) echo "install-deps.sh: VISWORDS_MPI is '$mpi': choose openmpi or mpich" >&2; exit 2 ;;
esac
for i in "${!groups[@]}"; do
  [ "${groups[i]}" != build ] || groups+=("$mpi")
done

fresh=1
for group in "${groups[@]}"; do
  stamp=$root/build/.deps-$group
  [ "$stamp" -nt /var/lib/dpkg/status ] && [ "$stamp" -nt "$root/tools/install-deps.sh" ] || fresh=0
done
[ $fresh = 0 ] || exit 0

wanted=()
for group in "${groups[@]}"; do
  list=PACKAGES_$group
  read -r -d '' -a more <<<"${!list}" || true
  wanted+=("${more[@]}")
done
# nvcc compiles the host side of .cu files with g++.
if command -v nvcc >/dev/null && ! command -v g++ >/dev/null; then wanted+=(g++); fi

missing=()
for entry in "${wanted[@]}"; do
  found=0
  for name in ${entry//|/ }; do
    if is_installed "$name"; then found=1; fi
  done
  [ $found = 1 ] || missing+=("$entry")
done

stamp_all() {
  mkdir -p "$root/build" 2>/dev/null || return 0
  for group in "${groups[@]}"; do touch "$root/build/.deps-$group" 2>/dev/null || true; done
}

if [ ${#missing[@]} = 0 ]; then
  stamp_all
  if [ $only_check = 1 ]; then echo "install-deps.sh: nothing is missing (${groups[*]})"; fi
  exit 0
fi
if [ $only_check = 1 ]; then
  echo "missing packages (${groups[*]}): ${missing[*]}"
  exit 1
fi

if [ "$(id -u)" = 0 ]; then
  as_root=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root=(sudo -n env)
else
  {
    echo "install-deps.sh: these packages are missing: ${missing[*]}"
    echo "  and this user may not install them (not root, no password-free sudo). Either ask an administrator for"
    echo "    apt-get install ${missing[*]%%|*}"
    echo "  or bring them as a user (environment modules, Spack: docs/install.md) and set VISWORDS_DEPS=skip."
  } >&2
  exit 1
fi

apt() { "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run_apt() { # its output is shown only when it fails
  if ! apt "$@" >"$log" 2>&1; then
    cat "$log" >&2
    echo "install-deps.sh: apt-get $1 failed; see above, or docs/install.md for building without packages" >&2
    exit 1
  fi
}

has_candidate() { # apt-cache says "(none)" for a name that it knows but cannot install
  local policy
  policy=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null)
  [[ $policy == *Candidate:* && $policy != *"Candidate: (none)"* ]]
}
# Fails when the lists know no candidate for a missing package (empty lists, for example).
choose() {
  chosen=()
  local entry name one
  for entry in "${missing[@]}"; do
    one=
    for name in ${entry//|/ }; do
      if has_candidate "$name"; then one=$name; break; fi
    done
    [ -n "$one" ] || { unknown=$entry; return 1; }
    chosen+=("$one")
  done
}

if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || ! choose; then
  echo "install-deps.sh: fetching the package lists"
  run_apt update
  if ! choose; then
    echo "install-deps.sh: this distribution has no package $unknown; docs/install.md says how to bring it yourself" >&2
    exit 1
  fi
fi
echo "install-deps.sh: installing ${chosen[*]}"
if ! apt install -y --no-install-recommends "${chosen[@]}" >"$log" 2>&1; then
  # Old lists name versions that the mirror no longer has.
  echo "install-deps.sh: once more with fresh package lists"
  run_apt update
  run_apt install -y --no-install-recommends "${chosen[@]}"
fi
stamp_all
echo "install-deps.sh: ${#chosen[@]} packages installed"
