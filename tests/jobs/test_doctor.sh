#!/bin/bash
# doctor: what it shows, that it starts no MPI, its JSON, and for everything that can be wrong with devices and NCCL one
# clear line and an exit code; a run says the same. Devices are emulated.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
emulated=$2/tests/viswords_emulated

doctor() { # CODE PROGRAM ARGUMENTS...: its exit code; output and errors in out.txt
  local expected=$1 code=0
  shift
  "$1" doctor "${@:2}" > "$work/out.txt" 2> "$work/err.txt" || code=$?
  cat "$work/err.txt" >> "$work/out.txt"
  [ "$code" = "$expected" ] || fail "exit code $code, expected $expected: $(cat "$work/out.txt")"
}
says() { grep -qF -- "$1" "$work/out.txt" || fail "nobody said '$1': $(cat "$work/out.txt")"; } # TEXT

# Open MPI refuses to start anything when its modules are missing: who does not start it does not notice.
OMPI_MCA_pml=none doctor 0 "$viswords" --dir "$work"
for text in 'viswords  ' 'gcc ' 'MPI_THREAD_MULTIPLE' 'HDF5 ' ', parallel' 'OpenBLAS' 'libyaml' 'kernel set' 'cpu ' \
  'files can be locked' 'locked memory' 'NCCL  ' 'unverified on'; do says "$text"; done
[ -z "$(find "$work" -name '.viswords*')" ] || fail "a file was left behind"
doctor 0 "$viswords" --json --dir "$work"
grep -q '"usable": true' "$work/out.txt" || fail "$(cat "$work/out.txt")"
says '"several GPUs"'
doctor 2 "$viswords" --backend abacus
says "choose auto, ref, cpu or cuda"
doctor 1 "$viswords" --dir "$work/nowhere"
says "$work/nowhere: cannot make a file there: No such file or directory"

[ -x "$emulated" ] || { echo "devices: skipped: built without CUDA"; exit 0; }
doctor 0 "$emulated" --backend cuda --dir "$work"
says 'device 0               emulated, no GPU, compute capability 9.0, 1 SMs'
# NAME=VALUE of the emulator, what is said: by doctor, and by a run that is refused
while IFS='|' read -r setting text; do
  export "${setting?}"
  doctor 1 "$emulated" --backend cuda --dir "$work"
  grep -q "^viswords: .*$text" "$work/out.txt" || fail "nobody said '$text': $(cat "$work/out.txt")"
  doctor 0 "$emulated" --backend cpu --dir "$work"
  says "$text"
  if [ "${setting%%=*}" != VW_EMULATOR_FREE_MIB ]; then
    study "$work/study.yaml" 1 dog
    "$emulated" run "$work/study.yaml" -o "$work/out" --backend cuda > "$work/out.txt" 2>&1 && fail "ran with $setting"
    says "$text"
  fi
  unset "${setting%%=*}"
done << 'END'
VW_EMULATOR_DEVICES=0|no CUDA device: no CUDA-capable device is detected; look at CUDA_VISIBLE_DEVICES
VW_EMULATOR_DRIVER=12020|the CUDA driver serves CUDA 12.2, viswords runs on CUDA
VW_EMULATOR_CAPABILITY=75|compute capability 7.5
VW_EMULATOR_FREE_MIB=300|300 of 1048576 MiB are free, viswords needs 1024
END

grep -q '^VISWORDS_HAS_NCCL:INTERNAL=ON' "$2/CMakeCache.txt" || { echo "NCCL: skipped: built without"; exit 0; }
fake=$2/tests/libfake_nccl.so
VISWORDS_NCCL_LIBRARY=$fake doctor 0 "$emulated" --backend cuda --dir "$work"
says "NCCL, found            2.28.9 ($fake)"
VISWORDS_NCCL_LIBRARY=/nowhere/libnccl.so doctor 0 "$emulated" --backend cuda --dir "$work" # not needed: MPI does it
says 'NCCL is missing (/nowhere/libnccl.so: cannot open'
VISWORDS_TRANSPORT=nccl VISWORDS_NCCL_LIBRARY=/nowhere/libnccl.so doctor 2 "$emulated" --backend cuda --dir "$work"
says 'viswords: NCCL is missing'
FAKE_NCCL=old VISWORDS_TRANSPORT=nccl VISWORDS_NCCL_LIBRARY=$fake doctor 2 "$emulated" --backend cuda --dir "$work"
says 'is NCCL 2.12.0; viswords was built for'
