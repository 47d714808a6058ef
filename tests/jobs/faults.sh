# shellcheck shell=bash disable=SC2034,SC2154
# Sourced after jobs.sh by the scripts that need fault points (src/core/fault.h): skips where the build has none.
grep -q '^VISWORDS_FAULTS:BOOL=ON' "$2/CMakeCache.txt" ||
  { echo "skipped: built without fault points (cmake -DVISWORDS_FAULTS=ON)" && exit 77; }
cache=$work/cache
options=(--quiet --threads 1 --cache "$cache" --checkpoint-seconds 0 --log info) # a checkpoint every step

has() { grep -q "$2" "$1" || { cat "$1" >&2 && fail "$1: nothing says '$2'"; }; }

# Finished files are immutable: every one in DIR is there with the same contents in the undisturbed run. What was judged
# of single pictures goes into the file of all of them and is then gone.
finished_are_whole() {
  results "$1" | { grep -vE -e '-picture-[0-9]+\.safetensors$' || true; } > "$work/now.txt"
  [ -z "$(comm -23 <(sort "$work/now.txt") <(results "$work/whole" | sort))" ] ||
    fail "$1: finished files differ from the undisturbed run's: $(comm -23 <(sort "$work/now.txt") <(results "$work/whole" | sort) | head -5)"
}

# readable DIR [TORN]: `viswords status` reads what a killed run left, and what is finished is right, unless a finished
# file was torn.
readable() {
  [ -d "$1" ] || return 0 # killed before it made one
  [ ! -e "$1/plan.yaml" ] || "$viswords" status "$1" > "$work/status" || fail "$1: status"
  [ -n "${2:-}" ] || finished_are_whole "$1"
}
