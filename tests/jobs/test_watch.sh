#!/bin/bash
# Looking at words on the way changes none of them; words that stop early are the same in blocks of any size, by one rank
# and by a team, and after a kill.   test_watch.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
cd "$work"
study plain.yaml 24 dog
sed -i 's/block: 4/block: 4, backend: cpu/; s/^stages: .*/stages: [learn, collect]/; /^  watch:/d' plain.yaml
sed 's/^  steps: 24/&\n  watch: {every: 12}/' plain.yaml > watched.yaml
sed 's/^  steps: 24/&\n  watch: {every: 6}\n  early_stop: {patience: 1, threshold: 0.1}/' plain.yaml > stopped.yaml
sed 's/block: 4/block: 1/' stopped.yaml > alone.yaml
sed 's/block: 4/block: 8, ranks_per_block: 2/' stopped.yaml > sliced.yaml
go() { "$viswords" "$1" "$2.yaml" -o "$3" -q -t 1 --cache cache "${@:4}" > "$3.out" 2> "$3.log" || fail "$3: $(cat "$3.log")"; }
same_words() { # DIR DIR
  "$viswords" diff "$1" "$2" > diff.txt || true
  grep -q ' results: 12 trials compared, 0 differ' diff.txt || fail "$1 and $2: $(cat diff.txt)"
}
numbers() { # of the first array that h5dump -y prints, a line each
  awk '/ DATA {/ && !n { n = 1; next } n == 1 && /}/ { n = 2 } n == 1' | tr -s ', \n' '\n' | grep .
}
steps() { h5dump -d /trials/steps -y "$1/study.h5" | numbers; }

go run plain plain
go run watched watched
same_words plain watched
h5dump -d /loss_watch/ball_watch_step -y watched/study.h5 | grep -q ' 0, 12, 24' || fail "looks: $(h5ls -r watched/study.h5)"
h5dump -d /loss_watch/ball -y watched/study.h5 | numbers | grep -qi nan && fail "a look is missing"
h5ls plain/study.h5/loss_watch > /dev/null 2>&1 && fail "plain: somebody looked"
if grep -q 'stopped early' watched.out; then fail "watched: $(cat watched.out)"; fi
# The first look is the loss before the first step, the last one that after the last step.
for end in 0 2; do
  h5dump -d /loss_watch/ball -s "0,$end" -c "6,1" -y -m %.12g watched/study.h5 | numbers > look.txt
  h5dump -d /loss_fixed/ball -s "0,$((end / 2))" -c "6,1" -y -m %.12g watched/study.h5 | numbers > fixed.txt
  cmp look.txt fixed.txt || fail "look $end: $(cat look.txt fixed.txt)"
done

go run stopped stopped
go run alone alone
same_words stopped alone
n=$(steps stopped | awk '$1 < 24' | wc -l)
{ [ "$n" -gt 2 ] && [ "$n" -lt 12 ]; } || fail "stopped early: $n of 12: $(steps stopped | tr '\n' ' ')"
cmp <(steps stopped) <(steps alone) || fail "steps differ"
grep -q "; $n stopped early" stopped.out || fail "not told: $(cat stopped.out)"
[ "$(h5dump -d /trials/reason stopped/study.h5 | grep -o '"stopped early' | wc -l)" = "$n" ] || fail "reasons"
# Trials that may stop are others than those that may not; those that did not stop have the words of the plain run.
"$viswords" diff plain stopped > diff.txt || true
grep -q ' 0 trials in both' diff.txt || fail "ids: $(cat diff.txt)"

go learn sliced one
mpi 2 "$viswords" learn sliced.yaml -o team -q -t 1 --cache cache
same one team

# Killed after 15 steps: some words of the block have stopped, others have not.
code=0
VISWORDS_FAULT=renamed:checkpoint:15=kill "$viswords" learn stopped.yaml -o killed "${options[@]}" 2> killed.log || code=$?
[ "$code" = 137 ] || fail "killed: exit code $code"
"$viswords" learn stopped.yaml -o killed "${options[@]:0:5}" --log info 2> killed.log
has killed.log 'goes on from its checkpoint at step'
same stopped killed

# A study that asks for looks later: what was learned stays; of a block in its middle the looks to come are made.
code=0
VISWORDS_FAULT=renamed:checkpoint:15=kill "$viswords" learn plain.yaml -o later "${options[@]}" 2> later.log || code=$?
go run watched later
same_words plain later

bad() { # MESSAGE SED...
  sed "${@:2}" plain.yaml > bad.yaml
  code=0
  "$viswords" check bad.yaml > bad.log 2>&1 || code=$?
  { [ "$code" = 2 ] && grep -qF -- "$1" bad.log; } || fail "'$1': code $code: $(cat bad.log)"
}
bad 'learn.early_stop.patience: model '\''ball'\'' is not looked at; give the steps between looks, learn.watch.every' \
  's/^  steps: 24/&\n  early_stop: {patience: 2}/'
bad 'learn.early_stop.patience: no word could stop early: model '\''ball'\'' has 24 steps, and 4 looks, each 6 steps' \
  's/^  steps: 24/&\n  watch: {every: 6}\n  early_stop: {patience: 4}/'
bad 'learn.early_stop.threshold: nothing uses it; words learn all their steps' \
  's/^  steps: 24/&\n  early_stop: {threshold: 0.1}/'
bad 'learn.early_stop.threshold' 's/^  steps: 24/&\n  watch: {every: 4}\n  early_stop: {patience: 1, threshold: 2}/'
bad 'learn.watch.every' 's/^  steps: 24/&\n  watch: {every: -1}/'
bad 'learn.watch.pictures: nothing uses it; no task of this study does' 's/^  steps: 24/&\n  watch: {pictures: 4}/'
echo "looks, early stops: blocks, teams, kills"
