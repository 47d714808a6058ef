# shellcheck shell=bash
# Sourced by the cases in tests/regress: values that an earlier revision had wrong (tests/regress/README.md).
#   usage of a case: tests/regress/NAME.sh PROGRAM
# It makes its inputs in $work, runs `program`, and compares with `expect` or `refused`. The end of the script is `finish`:
#   0   every value is right
#   1   a value is wrong; `NAME: got: ... expected: ...` says which
#   2   the case could not be tried: an option that this program does not know, an input that cannot be made
#   77  skipped: a tool is missing
set -uo pipefail
program=$(realpath "${1:?the path of viswords is missing}")
regress_data=$(cd "$(dirname "${BASH_SOURCE[0]}")/../regress/data" && pwd)
source_dir=$(cd "$regress_data/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive LC_ALL=C
export XDG_CACHE_HOME=$work/cache ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
# What takes so long hangs.
most_seconds=60
[ -z "${VISWORDS_UNTIMED:-}" ] || most_seconds=600
wrong=0

untried() { # WHY...
  echo "not tried: $*"
  exit 2
}

# Runs the program with arguments: $code, its output in out.txt, its messages in err.txt.
program() {
  code=0
  timeout -k 5 "$most_seconds" "$program" "$@" > "$work/out.txt" 2> "$work/err.txt" || code=$?
  if grep -qE "unknown (option|command|key)" "$work/out.txt" "$work/err.txt"; then
    untried "viswords $*: $(grep -hE 'unknown (option|command|key)' "$work/out.txt" "$work/err.txt" | head -1)"
  fi
}

# The same, where only its success lets the case go on.
must() {
  program "$@"
  [ "$code" = 0 ] || untried "viswords $*: exit code $code: $(tail -n 3 "$work/err.txt")"
}

# expect WHAT GOT EXPECTED
expect() {
  if [ "$2" = "$3" ]; then
    echo "$1: right: $2"
  else
    echo "$1: got: $2 expected: $3"
    wrong=1
  fi
}

# expect_near WHAT GOT EXPECTED LIMIT: lists of numbers, each within LIMIT.
expect_near() {
  if awk -v got="$2" -v expected="$3" -v limit="$4" 'BEGIN {
    n = split(got, g, " "); m = split(expected, e, " ")
    for (i = 1; i <= m; i++) { d = g[i] - e[i]; if (d < 0) d = -d; if (!(d <= limit)) exit 1 }
    exit n != m || !m }'; then
    echo "$1: right: $2"
  else
    echo "$1: got: $2 expected: $3 (within $4)"
    wrong=1
  fi
}

# refused WHAT CODES TEXT: the program ended with one of the exit codes (a|b) and a message that holds TEXT.
refused() {
  if [[ $code =~ ^($2)$ ]] && grep -qF -- "$3" "$work/out.txt" "$work/err.txt"; then
    echo "$1: right: exit code $code"
  else
    local said
    said=$(cat "$work/err.txt" "$work/out.txt" | head -n 2 | cut -c 1-160 | tr '\n' ' ')
    echo "$1: got: exit code $code and '$said' expected: exit code $2 and a message with '$3'"
    wrong=1
  fi
}

# said WHAT TEXT: whatever the exit code, a message (of warning, at least) holds TEXT.
said() {
  if grep -qF -- "$2" "$work/out.txt" "$work/err.txt"; then
    echo "$1: right: it says '$2'"
  else
    echo "$1: got: exit code $code and no word of '$2' expected: a message with '$2'"
    wrong=1
  fi
}

# The ids of a text's tokens as MODEL_DIR has them, in $ids: "2212 320 2213".
ids_of() { # MODEL_DIR TEXT
  must encode "$1" -t "$2" --json --threads 1
  ids=$(sed -n '/"texts"/,/"words"/p' "$work/out.txt" | grep -o '"id":[0-9]*' | sed 's/.*://' | paste -sd ' ')
}

# A small CLIP directory (2,214 tokens and room for one more), in the folder NAME.
small_clip() { # NAME
  mkdir -p "$1" && cp "$regress_data"/clip-small/* "$1/" || untried "no directory $1"
}

# A study of few pictures on data/clip-tiny and the folder objects: small_study FILE [WEIGHTS [ROOT]].
small_study() {
  cat > "$1" << END || untried "no file $1"
study: small
seed: 7
data:
  objects:
    root: ${3:-$source_dir/data/objects}
    concepts: [fox, pineapple]
    classes: [dog, hammer, camel, camera]
    pictures: {train: 4, test: 2}
models:
  clip: {weights: ${2:-$source_dir/data/clip-tiny}}
trials:
  anchors: [dog]
  deltas: [0.5]
  null_concepts: 0
learn:
  steps: 4
  batch: {positives: 2, negatives: 3}
  watch: {draws: 2}
END
}

# The classes of small_study, four pictures of each for training and two for testing, in the folder NAME.
small_pictures() { # NAME
  local part class
  for part in train test; do
    for class in fox pineapple dog hammer camel camera; do
      mkdir -p "$1/$part/$class"
      cp "$source_dir/data/objects/$part/$class"/0[0-3].jpg "$1/$part/$class/" || untried "no pictures in $1"
    done
  done
}

finish() { exit $wrong; }
