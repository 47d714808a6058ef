#!/bin/bash
# study.h5 written by 1 to 4 ranks and without MPI is the same to h5diff; h5dump reads it; a damaged one is refused; a
# full disk or a failing rank leaves the old file in place and no rank waiting.
set -euo pipefail
source "$1/tests/cluster/run_mpi.sh"
study=$2/tests/io_mpi_study_file
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

for ranks in 1 2 3 4; do
  mkdir "$dir/$ranks"
  mpi "$ranks" "$study" write "$dir/$ranks/study.h5"
  "$study" read "$dir/$ranks/study.h5"
  [ -z "$(find "$dir/$ranks" -name 'study.h5.partial*')" ] || fail "a partial file is left"
done
mkdir "$dir/single"
export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=1 # no MPI here
"$study" single "$dir/single/study.h5"
"$study" read "$dir/single/study.h5"
mkdir "$dir/refuse"
"$study" refuse "$dir/refuse/study.h5" || fail "something that netCDF cannot read was written"
[ -z "$(ls "$dir/refuse")" ] || fail "refused, but there is $(ls "$dir/refuse")"
export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0

if command -v h5diff > /dev/null; then
  for other in 2 3 4 single; do
    h5diff "$dir/1/study.h5" "$dir/$other/study.h5" > "$dir/diff" || fail "h5diff 1 $other: $(cat "$dir/diff")"
  done
  h5dump -H -p "$dir/3/study.h5" > "$dir/header"
  for text in 'DATASET "clip"' DEFLATE FLETCHER32 SHUFFLE DIMENSION_LIST units H5T_CSET_UTF8; do
    grep -q "$text" "$dir/header" || fail "h5dump shows no $text"
  done
  h5dump -d /trials/steps -s 35 -c 1 "$dir/3/study.h5" | grep -q 350 || fail "h5dump: steps of row 35"
fi

# Nobody reads what was changed.
cp -r "$dir/2" "$dir/bad"
printf '\xff' | dd of="$dir/bad/study.h5" bs=1 seek=3000 conv=notrunc status=none
"$study" read "$dir/bad/study.h5" 2> "$dir/message" && fail "a damaged file was read"
grep -q 'damaged or edited' "$dir/message" || fail "message: $(cat "$dir/message")"
rm "$dir/bad/MANIFEST.json"
"$study" read "$dir/bad/study.h5" 2> "$dir/message" && fail "a file without manifest was read"

# fails COMMAND...: on two ranks, with exit code 1; its messages. MPICH's launcher reports 9 (of a rank that was ended) and,
# once in twenty (4.2), 0 for a job that gave up: there the messages tell, which are looked at behind it.
fails() {
  code=0
  mpi 2 "$@" 2> "$dir/message" || code=$?
  [ "$mpi_kind" != mpich ] || [ "$code" = 124 ] || code=1
  [ "$code" = 1 ]
}

# The old file survives.
for how in full break fail; do
  fails "$study" "$how" "$dir/2/study.h5" || fail "$how: exit code $code; 124: it hangs"
  [ "$how" = full ] && ! grep -q 'study.h5.partial.* raise the limit' "$dir/message" && fail "message: $(cat "$dir/message")"
  [ "$how" = break ] && ! grep -q 'is the disk full' "$dir/message" && fail "message: $(cat "$dir/message")"
  [ "$how" = fail ] && ! grep -q 'rank 1 on .*: given up' "$dir/message" && fail "message: $(cat "$dir/message")"
  [ -z "$(find "$dir/2" -name 'study.h5.partial*')" ] || fail "$how: a partial file is left"
  "$study" read "$dir/2/study.h5"
done
fails "$study" write "$dir/nowhere/study.h5" || fail "a missing folder went unnoticed"
grep -q 'nowhere/study.h5.partial-[0-9a-f]*: cannot create: No such file' "$dir/message" || fail "message: $(cat "$dir/message")"
if [ "$(id -u)" = 0 ] && mkdir "$dir/small" && mount -t tmpfs -o size=200k vw "$dir/small" 2> /dev/null; then
  trap 'umount "$dir/small"; rm -rf "$dir"' EXIT
  fails "$study" write "$dir/small/study.h5" || fail "a full disk went unnoticed"
  grep -q 'make space and run again' "$dir/message" || fail "message: $(cat "$dir/message")"
fi
mpi 2 "$study" write "$dir/2/study.h5" # written again in the same place
"$study" read "$dir/2/study.h5"
