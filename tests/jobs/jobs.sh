# shellcheck shell=bash disable=SC2034
# Sourced by the scripts here (arguments: source folder, build folder): a scratch folder, small studies, comparisons.
source "$1/tests/cluster/run_mpi.sh"
source_dir=$(cd "$1" && pwd)
viswords=$(cd "$2" && pwd)/viswords
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Sanitizers cost a factor of ten: scripts do less there.
sanitized=$(grep -c '^VISWORDS_SANITIZE:BOOL=ON' "$2/CMakeCache.txt" || true)
# A thread that waits for a core must not spin: machines of tests are busy.
export OMP_WAIT_POLICY=passive XDG_CACHE_HOME=$work/cache

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# A study of few pictures: study FILE STEPS ANCHORS [keys of the models' learn ...].
study() {
  local file=$1 steps=$2 anchors=$3
  cat > "$file" << END
study: small
seed: 7
data:
  objects:
    root: $source_dir/data/objects
    concepts: [fox, pineapple]
    classes: [dog, hammer, camel, camera]
    pictures: {train: 4, test: 2}
models:
  ball: {weights: $source_dir/data/clip-tiny}
  adam: {weights: $source_dir/data/clip-tiny, learn: {optimiser: adamw}}
trials:
  anchors: [$anchors]
  deltas: [0.5, free]
  null_concepts: 1
learn:
  steps: $steps
  batch: {positives: 2, negatives: 3}
  templates: ['a photo of a {}', 'a {}']
  watch: {draws: 2}
plan: {ranks: 4, block: 4}
stages: [learn, evaluate]
END
}

# What a safetensors file holds, without what may differ: the seconds it took, the checksum over them.
contents() {
  local header
  header=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
  head -c $((8 + header)) "$1" | tail -c "$header" | sed 's/"seconds":"[^"]*"//; s/"xxh128":"[^"]*"//; s/ *$//'
  tail -c +$((9 + header)) "$1"
}

# One line a finished file of an output or cache folder: hash of its contents, name without folders; sorted by it, as a
# file may lie in a folder of its own or in none.
results() {
  local file
  (cd "$1" && find . -name '*.safetensors') | while read -r file; do
    echo "$(contents "$1/$file" | sha256sum | cut -d ' ' -f 1) $(basename "$file")"
  done | LC_ALL=C sort -k 2
}

# Two folders hold the same results, some at least.
same() {
  results "$1" > "$work/a.txt"
  results "$2" > "$work/b.txt"
  [ -s "$work/a.txt" ] || fail "$1 holds no results"
  diff "$work/a.txt" "$work/b.txt" >&2 || fail "$1 and $2 differ"
}
