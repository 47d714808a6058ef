#!/bin/bash
# A study that grows learns only what is new and leaves finished files alone; one directory has one run at a time.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
dir=$work/out
learn() { # STUDY MESSAGE: what it says about the trials that are there
  "$viswords" run "$1" -o "$dir" --threads 1 --cache "$work/cache" 2> "$work/log"
  grep -q "^learn: $2" "$work/log" || { cat "$work/log" >&2 && fail "nothing says '$2'"; }
}
files() { find "$dir/blocks" -type f -printf '%p %i %T@ %s\n' | sort; }

study "$work/one.yaml" 5 dog
study "$work/two.yaml" 5 "hammer, dog"
"$viswords" run "$work/one.yaml" -o "$dir" --quiet --threads 1 --cache "$work/cache"
files > "$work/before"
learn "$work/two.yaml" "resuming, 12 of 24 trials are done already"
files > "$work/after"
[ -z "$(comm -23 "$work/before" "$work/after")" ] || fail "adding an anchor touched finished files"
[ "$(comm -13 "$work/before" "$work/after" | wc -l)" -gt 4 ] || fail "adding an anchor made nothing new"
learn "$work/one.yaml" "all 12 trials are done already" # removed
learn "$work/two.yaml" "all 24 trials are done already" # and added back
files | cmp - "$work/after" || fail "removing an anchor and adding it back changed files"

# Another study in the same directory: told, and nothing of the first is lost.
sed 's/^study: small/study: stranger/; s/seed: 7/seed: 8/' "$work/two.yaml" > "$work/stranger.yaml"
cp -r "$dir" "$work/two"
mpi 2 "$viswords" run "$work/stranger.yaml" -o "$work/two" --quiet --threads 1 --cache "$work/cache" 2> "$work/log"
[ "$(grep -c "the plan was of study 'small' and becomes that of 'stranger'" "$work/log")" = 1 ] || fail "not told: $(cat "$work/log")"
[ -z "$(comm -23 <(results "$dir" | sort) <(results "$work/two" | sort))" ] || fail "another study touched finished files"
dir=$work/two learn "$work/two.yaml" "all 24 trials are done already"

# Words of the grown study are those of a study planned at once, trial by trial (blocks differ).
words() { # DIR: trial id and loss of every trial
  local file
  for file in "$1"/blocks/*/*.safetensors; do
    contents "$file" | head -c 4000 | tr -d '\0' | grep -ao '\\"id\\":\\"[0-9a-f]*' || true
  done | sort
}
"$viswords" run "$work/two.yaml" -o "$work/once" --quiet --threads 1 --cache "$work/cache"
cmp <(words "$dir") <(words "$work/once") || fail "a study that grew has other trials than one planned at once"

# A second run on the directory, while the first one works, is refused and says who is there.
study "$work/long.yaml" 1000000 dog
"$viswords" learn "$work/long.yaml" -o "$work/held" --quiet --threads 1 --cache "$work/cache" 2> "$work/first" &
job=$!
until [ -e "$work/held/.lock" ]; do sleep 0.01; done
code=0
timeout 30 "$viswords" learn "$work/long.yaml" -o "$work/held" --cache "$work/cache" 2> "$work/second" || code=$?
[ "$code" = 2 ] || fail "the second run: exit code $code"
grep -q "process $job on $(hostname) is working here; wait for it or choose another -o directory" "$work/second" ||
  { cat "$work/second" >&2 && fail "the second run"; }
code=0
mpi 2 "$viswords" learn "$work/long.yaml" -o "$work/held" --cache "$work/cache" 2> "$work/second" || code=$?
[ "$code" = 2 ] || fail "the second run on two ranks: exit code $code"
[ "$(grep -c "working here" "$work/second")" = 1 ] || fail "not one line about the lock"
kill -TERM "$job"
code=0
wait "$job" || code=$?
[ "$code" = 75 ] || fail "the first run: exit code $code"
[ ! -e "$work/held/.lock" ] || fail "the lock stayed"
