#!/bin/bash
# The report of a study that was killed, that runs, that is finished, that lost a file; names that are markup; a study file
# that went away; in a browser, where there is one.
#   test_report.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
options=(--threads 1 --quiet --cache "$work/cache" --checkpoint-seconds 0)
cd "$work"

# Two concepts with hostile names, pictures of the embedded ones.
markup='<img src=x onerror=alert(1)>' turned=$'left \u202e right'
for part in train test; do
  mkdir -p "things/$part"
  ln -s "$source_dir/data/objects/$part/fox" "things/$part/$markup"
  ln -s "$source_dir/data/objects/$part/pineapple" "things/$part/$turned"
  ln -s "$source_dir/data/objects/$part/"{dog,hammer} "things/$part/"
done
cat > study.yaml << END
study: '<b>"small" & ''odd''</b>'
seed: 7
data:
  things:
    root: things
    concepts: ['$markup', "left \u202e right"]
    classes: [dog, hammer]
    pictures: {train: 4, test: 2}
models:
  m: {weights: $source_dir/data/clip-tiny}
trials: {anchors: [dog, bread], deltas: [0.5, 1]}
learn: {watch: {draws: 2}, steps: 40, batch: {positives: 2, negatives: 2}, templates: ['a photo of a {}']}
plan: {ranks: 4, block: 4}
stages: [learn, evaluate, collect, report]
END

# expect CODE COMMAND ...: its output in out.txt, what it says in log.txt.
expect() {
  local code=0 wanted=$1
  shift
  "$@" > out.txt 2> log.txt || code=$?
  [ "$code" = "$wanted" ] || { cat log.txt out.txt >&2 && fail "$*: exit code $code, expected $wanted"; }
}
says() { grep -qF -e "$1" log.txt out.txt || fail "nobody said '$1': $(cat log.txt out.txt)"; }
page() { python3 "$source_dir/tests/jobs/page.py" out/report.html "$@" >&2 || fail "the page is wrong"; }

expect 2 "$viswords" report nowhere
says 'nowhere: no plan.yaml in it'

# Killed when some blocks are there, then beside a run that holds the lock and stands still.
expect 137 env VISWORDS_FAULT=renamed:block:2=kill "$viswords" run study.yaml -o out "${options[@]}"
expect 0 "$viswords" report out --cache cache
says 'report: out/report.html (8 of 12 trials'
page 'Not finished: 8 of 12 trials are learned so far, 0 of them judged' "To go on when no run is at work: viswords run $work/study.yaml -o out" \
  'There are no figures yet' 'study.h5 is not there yet' "<b>\"small\" & 'odd'</b>" 'viswords evaluate' 'viswords transfer'
"$viswords" run study.yaml -o out "${options[@]}" > run.txt 2>&1 &
run=$!
for ((i = 0; i < 3000; i++)); do
  [ ! -e out/.lock ] || grep -q "\"*$run\b" out/.lock && break
  sleep 0.01
done
kill -STOP $run 2> /dev/null || true
cp -r out before
expect 0 "$viswords" report out --cache cache
page "The directory is held by process $run on"
cmp -s out/plan.yaml before/plan.yaml || fail "the report changed the plan"
kill -CONT $run 2> /dev/null || true
wait $run || { cat run.txt >&2 && fail "the run beside which a report was written"; }

# The finished study's, by the run itself, and from elsewhere.
grep -qF 'report: out/report.html (12 of 12 trials' run.txt || fail "the run does not say where its report is"
all=('All 12 trials are learned and judged' 'Performance against delta: classification' 'm on things: ' 'rank x' 'evaluate'
  'XXH3-128' 'arXiv:2406.07506' 'learn.steps 40 1000' '<img src=x onerror=alert(1)>' 'left \u202e right')
all[3]='1 ranks x 1 threads, cpu'
page "${all[@]}"
(cd / && "$viswords" report "$work/out" --cache "$work/cache" --quiet)
page "${all[@]}"
[ "$(wc -l < out/trials.csv)" = 13 ] || fail "trials.csv: $(cat out/trials.csv)"
grep -q '^[0-9a-f]\{32\},m,things,<img src=x onerror=alert(1)>,dog,0.5,0,0,' out/trials.csv || fail "trials.csv: $(cat out/trials.csv)"

# A block that is lost: the page is there, and says it.
mv "$(find out/blocks -name '*.safetensors' ! -name '*-*' | sort | head -1)" lost
expect 0 "$viswords" report out --cache cache
page 'Not finished: 8 of 12 trials' '4 trials are not learned yet' 'Figures are as they were last drawn'

# A link is replaced, not followed; a study file that went away can be named.
echo mine > victim
ln -sf "$work/victim" out/report.html
mv study.yaml moved.yaml
expect 2 "$viswords" report out --cache cache
says "its study file $work/study.yaml is not there any more: 'viswords report STUDY.yaml -o out'"
expect 0 "$viswords" report moved.yaml -o out --cache cache
[ ! -L out/report.html ] && [ "$(cat victim)" = mine ] || fail "a link was followed"
page 'Not finished: 8 of 12 trials'

# Light, dark, a phone's width, print, keyboard, accessibility.
if program=$(command -v chromium || command -v chromium-browser || command -v google-chrome); then
  code=0
  timeout "$most_seconds" python3 "$source_dir/tests/jobs/browser.py" "$program" out/report.html > browser.txt || code=$?
  [ $code = 0 ] || [ $code = 77 ] || { cat browser.txt >&2 && fail "in $program"; }
  cat browser.txt
else
  echo "no chromium: the report was not looked at in a browser"
fi
echo "the report of a killed, running, finished and damaged study"
