#!/bin/bash
# study.h5 of 1 to 4 ranks and 1 or 2 threads is the same to h5diff and to `viswords diff`; all writes were collective;
# what is in it; `status`; collecting with blocks missing.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
study "$work/study.yaml" 6 'dog, hammer'
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/' "$work/study.yaml"
export OMPI_MCA_mpi_yield_when_idle=1

has() { # FILE TEXT ...
  local file=$1 text
  shift
  for text in "$@"; do grep -qF -e "$text" "$file" || fail "'$text' is not in: $(cat "$file")"; done
}
# same_as_one DIR: all that collect writes
same_as_one() {
  cmp "$work/1/summary.csv" "$work/$1/summary.csv" || fail "$1: summary.csv differs"
  for ending in svg pdf png csv; do
    cmp "$work/1/figures/recall_against_delta.$ending" "$work/$1/figures/recall_against_delta.$ending" || fail "$1: $ending differs"
  done
  "$viswords" diff "$work/1" "$work/$1" > "$work/diff" || fail "diff: $(cat "$work/diff")"
  has "$work/diff" 'are equal, bit for bit' '24 trials compared, 0 differ'
  if command -v h5diff > /dev/null; then
    h5diff --exclude-path /provenance "$work/1/study.h5" "$work/$1/study.h5" > "$work/diff" ||
      fail "h5diff 1 and $1 ranks: $(cat "$work/diff")"
  fi
}

# --- the same on any number of ranks and threads
"$viswords" run "$work/study.yaml" -o "$work/1" -t 1 -q --log error > "$work/table"
has "$work/table" 'words of ball for objects' 'words of adam' 'untouched anchor' 'random direction' 'null concept' \
  '24 trials:' 'study.h5'
if [ "$sanitized" = 0 ]; then
  mpi 2 "$viswords" run "$work/study.yaml" -o "$work/2" -t 2 -q --log error > "$work/table_2"
  same_as_one 2
  cmp <(grep -v study.h5 "$work/table") <(grep -v study.h5 "$work/table_2") || fail "the tables differ"
fi
for ranks in 2 3 4; do # learning on any number of ranks: test_identity.sh
  [ -e "$work/$ranks" ] && continue
  cp -r "$work/1" "$work/$ranks"
  mpi $ranks "$viswords" collect "$work/study.yaml" -o "$work/$ranks" -q --log error > /dev/null
  same_as_one $ranks
done

# --- what is in it
if command -v h5dump > /dev/null; then
  h5dump -H "$work/2/study.h5" > "$work/header"
  has "$work/header" 'DATASET "ball_trial"' 'DATASET "classification"' 'GROUP "classification_baselines"' \
    'DATASET "neighbour_distance"' 'GROUP "provenance"' 'DIMENSION_LIST'
  value() { h5dump "${@:2}" "$work/$1/study.h5" | sed -n 's/^ *(0[0-9,]*): //p'; }
  for ranks in 2 3 4; do
    [ "$(value $ranks -a /provenance/ranks)" = $ranks ] || fail "ranks"
    [ "$(value $ranks -a /provenance/writes)" = "$(value $ranks -a /provenance/collective_writes)" ] ||
      fail "$ranks ranks: not all writes were collective"
  done
  value 2 -d /evaluation/metric | grep -q recall_10 || fail "metrics"
  value 2 -d /trials/delta | grep -q inf || fail "deltas"
  [ "$(value 2 -d /loss/ball_step | head -1)" = '0, 1, 2, 3, 4, 5' ] || fail "steps: $(value 2 -d /loss/ball_step)"
fi
head -1 "$work/1/summary.csv" | grep -q '^model,data,what,quantity,delta,metric,n,mean' || fail "summary.csv"
# Intervals of shares end at 0 and 1 (of differences at -1 and 1) where people see them; study.h5 has what was computed.
awk -F, 'NR > 1 { least = $4 == "value" ? 0 : -1
  for (i = 9; i <= 12; i++) if ($i != "" && ($i < least || $i > 1)) { print; bad = 1 } } END { exit bad }' \
  "$work/1/summary.csv" >&2 || fail "summary.csv: an interval that no share can have"
"$viswords" status "$work/2" > "$work/status"
has "$work/status" '24 of 24 trials learned (100 %), 24 judged; baselines of 2 concepts' 'study.h5: whole' 'nobody is working here'
"$viswords" collect "$work/study.yaml" -o "$work/1" -q --json > "$work/json"
has "$work/json" '"recall_minus_anchor"' '"what": "real name"' '"nothing_learned"'

# --- blocks that are missing, then made
cp -r "$work/1" "$work/part"
some=$(cd "$work/part/blocks" && find . -name '*.safetensors' ! -name '*-*' | sort | head -1)
rm "$work/part/blocks/$some"
mpi 2 "$viswords" collect "$work/study.yaml" -o "$work/part" -q > "$work/table" 2> "$work/message"
has "$work/table" ', 4 missing'
has "$work/message" '4 of 24 trials are not learned yet (1 blocks)'
"$viswords" status "$work/part" > "$work/status"
has "$work/status" '20 of 24 trials'
mkdir "$work/empty"
cp "$work/1/plan.yaml" "$work/empty"
"$viswords" collect "$work/study.yaml" -o "$work/empty" -q > "$work/table" 2> "$work/message"
has "$work/table" ' 24 missing'
"$viswords" run "$work/study.yaml" -o "$work/part" -t 1 -q --log error > /dev/null
same_as_one part
printf '\xff' | dd of="$work/part/study.h5" bs=1 seek=3000 conv=notrunc status=none
"$viswords" status "$work/part" > "$work/status"
has "$work/status" 'study.h5: DAMAGED'
