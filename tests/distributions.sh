#!/usr/bin/env bash
# Do the README's two commands work on a bare system? Makes a root folder with debootstrap (nothing but make and git), clones
# this repository's HEAD into it and runs `make demo` and `make test` there with an empty environment, as a user would.
#   tests/distributions.sh [-d bookworm|trixie|jammy|noble] [-m openmpi|mpich] [-r DIR] [-k] [COMMAND...]
#     -d   the distribution: bookworm (Debian 12; default), trixie (Debian 13), jammy or noble (Ubuntu 22.04, 24.04)
#     -m   the MPI; default: the one that tools/install-deps.sh takes by itself (Open MPI)
#     -r   where the root is made; default: a new folder in $TMPDIR. One that is there is used again, with its packages
#     -k   keep the root; it is always kept where something failed, for a look inside
#     COMMAND   other commands than `make demo` and `make test`, each one argument
# As root, with debootstrap and a network; takes 10-20 minutes and 2 GB. Not part of the tests. VISWORDS_MIRROR: another
# mirror. Ubuntu's signatures are checked where its keyring is installed. What it said last is in docs/install.md. Exit
# code: 0 when all went well, 1 when not, 2 for bad usage.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
distribution=bookworm mpi='' root='' keep=0
usage() {
  sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
while getopts d:m:r:kh option; do
  case $option in
    d) distribution=$OPTARG ;;
    m) mpi=$OPTARG ;;
    r) root=$OPTARG ;;
    k) keep=1 ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
commands=("$@")
[ ${#commands[@]} -gt 0 ] || commands=('make demo' 'make test')
[[ $distribution =~ ^[a-z]+$ && $mpi =~ ^(|openmpi|mpich)$ ]] || usage
[ "$(id -u)" = 0 ] || { echo "distributions.sh: only root may make a root folder" >&2; exit 2; }
command -v debootstrap > /dev/null || { echo "distributions.sh: no debootstrap (Debian: debootstrap)" >&2; exit 2; }
[ -n "$root" ] || root=$(mktemp -d "${TMPDIR:-/tmp}/viswords-$distribution.XXXXXX")
mkdir -p "$root"
root=$(cd "$root" && pwd)
[ "$root" != / ] || usage

mounted=()
unmount() { # the last first; nothing is removed while anything is mounted below
  local i
  for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount -R "${mounted[i]}" || umount -R -l "${mounted[i]}" || true; done
  mounted=()
}
status=1
leave() {
  unmount
  if [ $status = 0 ] && [ $keep = 0 ] && ! grep -q " $root/" /proc/self/mounts; then
    rm -rf --one-file-system "$root"
  else
    echo "distributions.sh: the root stays in $root (chroot $root; the clone is in /opt/viswords)"
  fi
}
trap leave EXIT
bind() { # DIR: of this machine, in the root; what is unmounted there stays mounted here
  mount --rbind "/$1" "$root/$1"
  mounted+=("$root/$1")
  mount --make-rslave "$root/$1"
}

started=$SECONDS
step() { printf '\n==== %s, %d s: %s\n' "$distribution" $((SECONDS - started)) "$*"; }
options=() scripts=/usr/share/debootstrap/scripts script=$distribution mirror=${VISWORDS_MIRROR:-http://deb.debian.org/debian}
case $distribution in
  jammy | noble)
    mirror=${VISWORDS_MIRROR:-http://archive.ubuntu.com/ubuntu} options=('--components=main,universe')
    [ -e /usr/share/keyrings/ubuntu-archive-keyring.gpg ] || options+=(--no-check-gpg)
    [ -e "$scripts/$script" ] || script=gutsy # all of Ubuntu's are links to it; an older debootstrap lacks the newest
    ;;
esac
if [ ! -e "$root/etc/debian_version" ]; then
  step "debootstrap in $root"
  debootstrap --variant=minbase --include=make,git,ca-certificates ${options[@]+"${options[@]}"} "$distribution" "$root" \
    "$mirror" "$scripts/$script" > "$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; exit 1; }
  rm -f "$root.log"
fi
# The network of this machine: names, proxies, certificates.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp -r /etc/ssl/certs/. "$root/etc/ssl/certs/" 2> /dev/null || true
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
  if [ -f "$file" ] && grep -qiE 'proxy|cainfo' "$file"; then cp "$file" "$root$file"; fi
done
for folder in proc sys dev; do bind $folder; done

# With an empty environment, but for the mirror's proxies and what the caller wants of jobs and of MPI.
inside() {
  chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} ${JOBS:+"JOBS=$JOBS"} \
    ${mpi:+"VISWORDS_MPI=$mpi"} bash -c "$1"
}
if [ -d "$root/opt/viswords" ]; then
  git -C "$root/opt/viswords" fetch -q "$repository" HEAD
  git -C "$root/opt/viswords" checkout -q --force --detach FETCH_HEAD
else
  git clone -q --no-local "$repository" "$root/opt/viswords"
fi
chown -R 0:0 "$root/opt/viswords"
failed=0 table=()
for command in "${commands[@]}"; do
  step "$command"
  before=$SECONDS code=0
  inside "cd /opt/viswords && $command" || code=$?
  table+=("$(printf '%-10s %4d s  %s' "$([ $code = 0 ] && echo ok || echo "FAILED $code")" $((SECONDS - before)) "$command")")
  [ $code = 0 ] || failed=1
done

step "what was there"
# shellcheck disable=SC2016 # for the shell inside
inside '(. /etc/os-release && echo "$PRETTY_NAME, $(cat /etc/debian_version)")
  dpkg-query -W -f "\${Package} \${Version}\n" gcc cmake libopenmpi-dev libmpich-dev libhdf5-openmpi-dev libhdf5-mpich-dev \
    libopenblas0-openmp libyaml-dev libjansson-dev 2> /dev/null | grep " [0-9]" || true'
echo "revision $(git -C "$root/opt/viswords" rev-parse --short=12 HEAD), $(date -u +%F)"
printf '%s\n' "${table[@]}"
status=$failed
exit $failed
