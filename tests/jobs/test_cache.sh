#!/bin/bash
# The cache of features: what killed writers left is deleted, what somebody may be writing stays.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
build=$(cd "$2" && pwd)
cd "$work"
study small.yaml 1 dog
mkdir -p cache/features
name=0123456789abcdef0123456789abcdef.safetensors
old=cache/features/$name.partial-0000000000000001
held=cache/features/$name.partial-0000000000000002
young=cache/features/$name.partial-0000000000000003
foreign=("cache/features/$name.partial-mine" "cache/features/notes.partial-0000000000000004" cache/features/other-file)
touch -d '2 hours ago' "$old" "$held" "${foreign[@]}"
touch "$young"
exec 9< "$held"
flock -n 9
"$viswords" learn small.yaml -o out --quiet --threads 1 --cache cache
[ ! -e "$old" ] || fail "an old partial file stays"
[ -e "$held" ] || fail "a file that is being written was deleted"
[ -e "$young" ] || fail "a young partial file was deleted"
for file in "${foreign[@]}"; do [ -e "$file" ] || fail "a file of somebody else was deleted: $file"; done
[ "$(find cache/features -name '*.safetensors' | wc -l)" -ge 4 ] || fail "no features"
exec 9<&-
touch -d '2 hours ago' "$held"
sed -i 's/steps: 1/steps: 2/' small.yaml
"$viswords" learn small.yaml -o out --quiet --threads 1 --cache cache
[ ! -e "$held" ] || fail "a file whose writer is gone stays"

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

[ "$sanitized" = 0 ] || exit 0 # 70 sentences take minutes there
# Many texts of classes are encoded once: a stop keeps those that are done, and nobody encodes them again.
sentences=$(for i in $(seq 70); do printf "'picture %d of a {}', " "$i"; done)
sed "s/templates: .*/templates: [${sentences%, }]/" small.yaml > many.yaml
learn() { # DIR CACHE
  "$viswords" learn many.yaml -o "$1" --quiet --threads 1 --cache "$2"
}
learn whole kept-texts
[ "$(find kept-texts/texts -name '*.safetensors' | wc -l)" = 70 ] || fail "70 sentences: $(ls kept-texts/texts | wc -l) files"
find kept-texts/texts -name '*.safetensors' -printf '%p %T@ %i\n' | sort > before
learn whole-2 kept-texts
same whole whole-2
find kept-texts/texts -name '*.safetensors' -printf '%p %T@ %i\n' | sort | cmp - before || fail "texts were encoded again"
set -- kept-texts/texts/*.safetensors
cp "$1" kept && echo "no features" > "$1" && rm "$2"
learn whole-3 kept-texts
same whole whole-3
cmp "$1" kept || fail "a damaged file of texts was not made again"
code=0
VISWORDS_FAULT=renamed:texts:5=term learn stopped halfway 2> log || code=$?
if grep -q '^VISWORDS_FAULTS:BOOL=ON' "$build/CMakeCache.txt"; then
  [ $code = 75 ] || { cat log >&2 && fail "stopped while texts were encoded: exit code $code"; }
  [ "$(find halfway/texts -name '*.safetensors' | wc -l)" = 5 ] || fail "a stop among the texts: $(cat log)"
  learn stopped halfway
fi
same whole stopped
