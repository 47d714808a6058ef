#!/usr/bin/env bash
# The tables of docs/benchmarks.md from a folder that tools/gpu-check.sh wrote:   tools/gpu-report.sh DIR [> tables.md]
set -euo pipefail
case ${1:-} in
  -h | --help) sed -n '2s/^# //p' "$0" && exit 0 ;;
  '') echo "usage: gpu-report.sh DIR" >&2 && exit 2 ;;
esac
exec python3 "$(dirname "$0")/bench/gpu_report.py" "$1"
