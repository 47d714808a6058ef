#!/usr/bin/env bash
# A FIFO or a directory in the place of a picture or of a file of the output directory is an error or is replaced, never
# a hang.
source "$(dirname "$0")/../support/regress.sh"
most_seconds=20 # without them a run takes 2 s
[ -z "${VISWORDS_UNTIMED:-}" ] || most_seconds=200
small_study study.yaml
must run study.yaml -o whole -t 1 -q
ended() { # WHAT: within the time
  case $code in
    124 | 137) expect "$1" "still running after $most_seconds s" "an end" ;;
    0 | 1 | 2) echo "$1: right: exit code $code" ;;
    *) expect "$1" "exit code $code" "0, 1 or 2" ;;
  esac
}
for name in .lock MANIFEST.json plan.yaml log/rank-0.jsonl study.h5 summary.csv; do
  rm -rf out && cp -r whole out && rm -rf "out/$name" && mkfifo "out/$name" || untried "no FIFO $name"
  program run study.yaml -o out -t 1 -q
  ended "a run with the FIFO $name"
done
for name in .lock MANIFEST.json plan.yaml; do
  rm -rf out && cp -r whole out && rm -rf "out/$name" && mkfifo "out/$name" || untried "no FIFO $name"
  program status out
  ended "status with the FIFO $name"
done
small_pictures pictures
rm pictures/train/dog/00.jpg && mkfifo pictures/train/dog/00.jpg
small_study pictures.yaml '' "$work/pictures"
program check pictures.yaml
ended "check with a FIFO as picture"
finish
