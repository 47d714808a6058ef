#!/bin/bash
# The cache of features: what killed writers left is deleted, what somebody may be writing stays.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
study small.yaml 1 dog
mkdir -p cache/features
part=cache/features/0123.safetensors.partial
touch -d '2 hours ago' "$part-old" "$part-held" cache/features/other-file
touch "$part-young"
exec 9< "$part-held"
flock -n 9
"$viswords" learn small.yaml -o out --quiet --threads 1 --cache cache
[ ! -e "$part-old" ] || fail "an old partial file stays"
[ -e "$part-held" ] || fail "a file that is being written was deleted"
[ -e "$part-young" ] || fail "a young partial file was deleted"
[ -e cache/features/other-file ] || fail "a file of somebody else was deleted"
[ "$(find cache/features -name '*.safetensors' | wc -l)" -ge 4 ] || fail "no features"
exec 9<&-
touch -d '2 hours ago' "$part-held"
sed -i 's/steps: 1/steps: 2/' small.yaml
"$viswords" learn small.yaml -o out --quiet --threads 1 --cache cache
[ ! -e "$part-held" ] || fail "a file whose writer is gone stays"

# Two files whose names were mixed up: each says what it holds, so neither is believed.
"$viswords" learn small.yaml -o plain --quiet --threads 1 --cache mixed
set -- mixed/features/*.safetensors
mv "$1" mixed/kept && mv "$2" "$1" && mv mixed/kept "$2"
"$viswords" learn small.yaml -o mixed-up --quiet --threads 1 --cache mixed
same plain mixed-up
# What a file of an older version, or somebody else, left under this name.
cp "$2" mixed/kept && echo "no features" > "$2"
"$viswords" learn small.yaml -o again --quiet --threads 1 --cache mixed
same plain again
cmp "$2" mixed/kept || fail "a damaged file of features was not made again"
