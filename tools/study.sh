#!/usr/bin/env bash
# Runs a study on this machine and says where its results are: tools/study.sh PROGRAM STUDY.yaml OUT [RANKS]
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
study=$2
out=$3
ranks=${4:-2}
[ -x "$program" ] || { echo "study.sh: no program $program; run 'make build' first" >&2; exit 1; }
[ -r "$study" ] || { echo "study.sh: no study file $study" >&2; exit 1; }
mkdir -p "$out"
started=$SECONDS
status=0
tools/mpirun.sh -n "$ranks" "$program" run "$study" -o "$out" || status=$?
if [ $status != 0 ]; then
  echo "study.sh: $study stopped with exit code $status; the same command goes on where it stopped (logs in $out/log)" >&2
  exit $status
fi
echo
echo "Done in $((SECONDS - started)) s. Results: $out/study.h5 (h5dump -n 1 $out/study.h5, or h5py), plan: $out/plan.yaml, logs: $out/log/"
if [ -e "$out/report.html" ]; then echo "Report: $out/report.html"; fi
