#!/usr/bin/env bash
# Fuzzes the readers of foreign files with libFuzzer under the address and undefined-behaviour sanitizers.
#   tools/fuzz.sh [JOBS]
#     FUZZ_RUNS=10000000    executions a target, those of earlier calls counted too
#     FUZZ_SECONDS=n        instead: at most n seconds a target, after replaying seeds and regressions; with FUZZ_RUNS too:
#                           whatever comes first
#     FUZZ_TARGETS="image study"    only these (default: all)
# Seeds are made by tests/fuzz/make_corpus.py; tests/fuzz/corpus/TARGET has what it cannot make, and inputs that once failed.
# New inputs go to build/fuzz/corpus/TARGET, what crashes or hangs to build/fuzz/found/TARGET-*; another call goes on.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
jobs=${1:-2}
build=build/fuzz
if ! command -v clang >/dev/null || ! compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*' >/dev/null; then
  echo "fuzz: skipped: no clang with libFuzzer here (Debian: clang and libclang-rt-14-dev)"
  exit 0
fi
mkdir -p $build
if [ ! -e $build/build.ninja ] || [ CMakePresets.json -nt $build/build.ninja ]; then
  cmake --preset fuzz >$build/configure.log 2>&1 || { cat $build/configure.log >&2 && exit 1; }
fi
NINJA_STATUS='[fuzz %f/%t] ' cmake --build $build --target fuzzers --parallel "$jobs" || exit 1
mkdir -p $build/found $build/runs
rm -rf $build/seeds && python3 tests/fuzz/make_corpus.py $build/seeds || exit 1

# one TARGET: its last lines, "TARGET executions rate found".
one() {
  local name=$1 corpus=$build/corpus/$1 log=$build/runs/$1.log done_before=0 limit
  mkdir -p "$corpus"
  [ -s "$build/runs/$name.count" ] && done_before=$(cat "$build/runs/$name.count")
  if [ -n "$FUZZ_SECONDS" ] && [ -z "$FUZZ_RUNS" ]; then
    limit=(-max_total_time="$FUZZ_SECONDS" -seed=1)
  else
    limit=(-runs="$((FUZZ_RUNS - done_before))" ${FUZZ_SECONDS:+-max_total_time="$FUZZ_SECONDS"})
    if [ "$done_before" -ge "$FUZZ_RUNS" ]; then echo "$name $done_before - 0" && return 0; fi
  fi
  local dictionary=() seeds=() folder
  for folder in $build/seeds/"$name" tests/fuzz/corpus/"$name"; do
    [ -d "$folder" ] && seeds+=("$folder")
  done
  [ -e "tests/fuzz/$name.dict" ] && dictionary=(-dict="tests/fuzz/$name.dict")
  # a quarantine of 4 MiB holds what one execution frees and stays in the cache: 2.5 times as fast as with 256 MiB
  # no stacks of allocations, no filling: a third faster on what allocates much; an input that fails tells them when run alone
  # 1 s of processor time is tests/fuzz/fuzz.c's limit; libFuzzer's is for what waits, and a busy machine is not a hang
  ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1:quarantine_size_mb=4:malloc_context_size=0:max_malloc_fill_size=0 \
    "$build/fuzz_$name" "${limit[@]}" "${dictionary[@]}" \
    -timeout=60 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 -artifact_prefix="$build/found/$name-" "$corpus" \
    "${seeds[@]}" >"$log" 2>&1
  local code=$? runs rate
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
  echo $((done_before + ${runs:-0})) >"$build/runs/$name.count"
  echo "$name $((done_before + ${runs:-0})) ${rate:-?} $code"
  [ $code = 0 ] || tail -n 40 "$log" >&2
  return $code
}
export -f one
export build FUZZ_SECONDS=${FUZZ_SECONDS:-}
export FUZZ_RUNS=${FUZZ_RUNS:-}
[ -n "$FUZZ_SECONDS$FUZZ_RUNS" ] || FUZZ_RUNS=10000000
targets=${FUZZ_TARGETS:-$( (ls $build/seeds && ls tests/fuzz/corpus) | sort -u)}
# shellcheck disable=SC2086 # a list
printf '%s\n' $targets | xargs -P "$jobs" -I{} bash -c 'one {}' >$build/runs/summary
code=$?
printf '%-18s %14s %12s  %s\n' target executions per_second found
sort $build/runs/summary | while read -r name runs rate found; do
  printf '%-18s %14s %12s  %s\n' "$name" "$runs" "$rate" "$([ "$found" = 0 ] && echo nothing || echo "see $build/runs/$name.log")"
done
if [ $code != 0 ]; then echo "fuzz: inputs are in $build/found; again: $build/fuzz_TARGET FILE" >&2; fi
[ $code = 0 ]
