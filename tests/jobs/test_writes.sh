#!/bin/bash
# A run writes below -o and the cache alone, whatever HOME and the folder that it starts in; Open MPI has its session in
# TMPDIR and shared memory.   test_writes.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
strace -o /dev/null true 2> /dev/null || { echo "skipped: no strace here" && exit 77; }
cd "$work"
mkdir home tmp here
study study.yaml 6 dog
sed -i 's/^stages: .*/stages: [learn, evaluate, probe, tsne, collect, figures, report]/' study.yaml
unset XDG_CACHE_HOME
cd here
HOME=$work/home TMPDIR=$work/tmp strace -f -qq -o "$work/trace" \
  -e trace=openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,symlink,symlinkat,link,linkat,truncate,mknod,mknodat \
  "$viswords" run ../study.yaml -o ../out --cache ../cache --quiet --threads 1 > "$work/log" 2>&1 || fail "run: $(cat "$work/log")"
grep -E '^[0-9]+ +(open(at)?\(.*O_(WRONLY|RDWR|CREAT)|mk|ren|un|sym|link|trunc|creat)' "$work/trace" | grep -v ' = -1 ' |
  grep -oE '"[^"]+"' | tr -d '"' | sort -u > "$work/written"
[ "$(grep -c '^\.\./out/' "$work/written")" -gt 20 ] || fail "the trace shows little: $(cat "$work/written")"
outside=$(grep -vE "^\.\./(out|cache)(/|\$)|^$work/tmp(/|\$)|^/dev/(null|shm/)" "$work/written" || true)
[ -z "$outside" ] || fail "written outside: $outside"
[ -z "$(find "$work/home" "$work/here" -mindepth 1)" ] || fail "left: $(find "$work/home" "$work/here")"
