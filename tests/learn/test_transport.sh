#!/bin/bash
# The exchange of device memory: on CUDA devices where they are, and on an emulated device by MPI and by NCCL's own calls
# against a stand-in for the library. What goes wrong with NCCL is said, and auto then goes through the host.
set -euo pipefail
source "$1/tests/cluster/run_mpi.sh"
emulated=$2/tests/emulated_mpi_transport
out=$(mktemp)
trap 'rm -f "$out"' EXIT
fail() { echo "FAILED: $*"; cat "$out"; exit 1; }
says() { grep -qF -- "$1" "$out" || fail "nobody said: $1"; } # TEXT

for kind in mpi nccl; do # rank i has device i modulo those that are there: NCCL needs one for each
  ranks=$(nvidia-smi -L 2> /dev/null | wc -l || true)
  mpi $((ranks > 1 ? (ranks > 4 ? 4 : ranks) : 1)) "$2/tests/learn_mpi_transport" "$kind" > "$out" 2>&1 || grep -q '^skipped' "$out" || fail "$kind on devices"
  sed -n "/^skipped\\|^cuda/s/^/$kind on devices: /p" "$out"
done
[ -x "$emulated" ] || { echo "skipped: built without CUDA"; exit 77; }

sums=
for ranks in 1 2 3; do
  mpi "$ranks" "$emulated" mpi > "$out" 2>&1 || fail "mpi"
  says 'cuda: device memory over MPI, through the host: sums'
  sums+=$(sed -n 's/.*sums //p' "$out")$'\n'
done
grep -q '^VISWORDS_HAS_NCCL:INTERNAL=ON' "$2/CMakeCache.txt" || { echo "NCCL: skipped: built without"; exit 0; }
export VISWORDS_NCCL_LIBRARY=$2/tests/libfake_nccl.so
for ranks in 1 2 3 4; do
  mpi "$ranks" "$emulated" nccl > "$out" 2>&1 || fail "nccl on $ranks ranks"
  says 'cuda: NCCL 2.28.9: sums'
  sums+=$(sed -n 's/.*sums //p' "$out")$'\n'
done
[ "$(sort -u <<< "${sums%$'\n'}" | wc -l)" = 1 ] || { echo "$sums"; fail "sums depend on ranks or kind"; }
mpi 2 "$emulated" auto > "$out" 2>&1 || fail auto
says 'auto: NCCL 2.28.9'

wrong() { # LIBRARY FAKE TEXT...: one broadcast fails and says so; auto goes on by MPI
  local library=$1 fake=$2 text
  shift 2
  VISWORDS_NCCL_LIBRARY=$library FAKE_NCCL=$fake mpi 2 "$emulated" nccl fails > "$out" 2>&1 || fail "$library $fake"
  for text; do says "$text"; done
}
fake=$VISWORDS_NCCL_LIBRARY
wrong /nowhere/libnccl.so.2 '' 'error unsupported:' 'NCCL is missing (/nowhere/libnccl.so.2: cannot open' 'VISWORDS_TRANSPORT=mpi'
wrong libm.so.6 '' 'libm.so.6 has no function ncclGetVersion'
wrong "$fake" old 'is NCCL 2.12.0; viswords was built for 2.' 'works with 2.14.0 and newer of 2.x'
wrong "$fake" differs 'ranks have NCCL 2.20.5 to 2.28.9: install one version on all nodes'
wrong "$fake" refuses 'NCCL start: NCCL: invalid usage: two ranks on one device' 'fake_nccl: aborted'
wrong "$fake" never_starts 'NCCL start: rank 0 of 2 on' 'waited 0.5 s' 'fake_nccl: aborted'
wrong "$fake" breaks 'error communication failed: ' 'broadcast: NCCL: remote process exited' 'fake_nccl: aborted'
wrong "$fake" hangs 'error communication failed: ' 'broadcast: rank 0 of 2 on' 'waited 0.5 s' 'fake_nccl: aborted'
FAKE_NCCL=refuses mpi 2 "$emulated" auto > "$out" 2>&1 || fail "auto without NCCL"
says 'auto: device memory over MPI, through the host'
says 'NCCL cannot be used: NCCL start: NCCL: invalid usage: two ranks on one device'
