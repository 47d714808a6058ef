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
# What plan says of each stage that is left, to stand beside what it took.
predicted=$(mktemp)
trap 'rm -f "$predicted"' EXIT
"$program" plan "$study" -o "$out" --ranks "$ranks" --json >"$predicted" 2>/dev/null || : >"$predicted"
times=$out/log/times.jsonl
before=0
if [ -e "$times" ]; then before=$(wc -l <"$times"); fi
started=$SECONDS
status=0
tools/mpirun.sh -n "$ranks" "$program" run "$study" -o "$out" || status=$?
if [ $status != 0 ]; then
  echo "study.sh: $study stopped with exit code $status; the same command goes on where it stopped (logs in $out/log)" >&2
  exit $status
fi

# Rows of stage, predicted, took; features are made at the start of the first stage that wants them.
compare() {
  tail -n "+$((before + 1))" "$times" | awk -v predicted="$predicted" '
    BEGIN {
      while ((getline line < predicted) > 0) {
        if (line ~ /"seconds": \{/) inside = 1
        if (inside && split(line, part, /[":, ]+/) >= 3) says[part[2]] = part[3]
      }
      if (!("learn" in says)) exit
      printf "%-12s %12s %8s\n", "stage", "predicted, s", "took, s"
    }
    match($0, /"stage":"[a-z]+"/) {
      stage = substr($0, RSTART + 9, RLENGTH - 10)
      match($0, /"seconds":[0-9.e+-]+/)
      seconds = substr($0, RSTART + 10, RLENGTH - 10)
      more = first++ ? 0 : says["features"]
      if (stage in says) printf "%-12s %12.1f %8.1f\n", stage, says[stage] + more, seconds
      else printf "%-12s %12s %8.1f\n", stage, "-", seconds
    }
    END { if (first) printf "(%s; viswords plan --measure times the steps first)\n", says["from"] }'
}
if [ -e "$times" ]; then echo && compare; fi
echo
echo "Done in $((SECONDS - started)) s. Results: $out/study.h5 (h5dump -n 1 $out/study.h5, or h5py), plan: $out/plan.yaml, logs: $out/log/"
if [ -e "$out/report.html" ]; then echo "Report: $out/report.html"; fi
