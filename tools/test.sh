#!/usr/bin/env bash
# Runs the tests of a built preset, half as many again at once as there are JOBS (many wait for disks, ranks or leases);
# names the slowest and ends with one plain line: tools/test.sh PRESET [JOBS] [CTEST ARGUMENTS...]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
jobs=${2:-2}
shift $(($# < 2 ? $# : 2))
dir=build/$preset
# Ranks and threads of several tests share the cores: who waits must sleep. MPI as root and in containers needs a word.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$PWD/tests/support/lsan.supp:print_suppressions=0}
# Sanitizers and coverage slow programs down several times: tests measure there but do not judge times.
limit=600
case $preset in *asan* | coverage | *debug) export VISWORDS_UNTIMED=1 limit=1800 ;; esac
log=$dir/tests.log
set +e # the exit code that counts is ctest's, not grep's
ctest --test-dir "$dir" --parallel $((jobs + jobs / 2)) --output-on-failure --no-tests=error --timeout "$limit" "$@" 2>&1 | tee "$log" |
  grep -vE '^ *Start |^Internal ctest|^Test project'
status=${PIPESTATUS[0]}
set -e
# What was not run, by its reason; a test says it itself.
awk '/^[0-9]+\/[0-9]+ Testing: / { name = $3 } /^skipped: / { why = substr($0, 10); n[why] = n[why] " " name }
  END { for (why in n) print "not run:" n[why] ": " why
        for (why in n) if (why ~ /fault points/) print "`PRESET=ci make test` builds with fault points and runs these too" }' \
  "$dir/Testing/Temporary/LastTest.log" 2>/dev/null || true
failed=$(sed -n 's/^\t *[0-9]* - \(.*\) (\(.*\))$/\1 (\2)/p' "$log" | grep -v '(Skipped)' || true)
awk '/ sec$/ && / Test +#/ { for (i = 1; i <= NF; i++) if ($i == "Test") name = $(i + 1) == "#" ? $(i + 3) : $(i + 2)
    if ($(NF - 1) >= 20) print $(NF - 1), name }' "$log" | sort -rn |
  awk '{ s = s sprintf("%s %s %.0f s", s ? "," : "", $2, $1) } END { if (s) print "longest:" s }'
if [ "$status" = 0 ]; then
  echo "tests ($preset): all passed, $(grep -cE 'Test +#.*Passed' "$log") programs; log in $log"
else
  echo "tests ($preset): FAILED: $(echo $failed); the output of each is above and in $log"
fi
exit "$status"
