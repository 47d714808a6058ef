#!/bin/bash
# A standard output that takes nothing: a full disk (/dev/full) or a closed stream is exit code 1 and a message, whatever
# the subcommand; no file is printed into that got the closed stream's number.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
study small.yaml 2 dog
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/; /adam:/d' small.yaml
options=(--threads 1 --cache cache)
"$viswords" run small.yaml -o whole --quiet "${options[@]}" > table.txt
[ -s table.txt ] || fail "the run prints no table"

refused() { # COMMAND...: with both kinds; 1 and one message
  local code=0 how
  for how in full closed; do
    code=0
    case $how in
      full) timeout "$most_seconds" "$viswords" "$@" > /dev/full 2> err.txt || code=$? ;;
      closed) timeout "$most_seconds" "$viswords" "$@" >&- 2> err.txt || code=$? ;;
    esac
    [ "$code" = 1 ] || { cat err.txt >&2 && fail "exit code $code, expected 1: $* > $how"; }
    [ "$(grep -c 'viswords: standard output could not be written' err.txt)" = 1 ] ||
      { cat err.txt >&2 && fail "no message: $* > $how"; }
  done
}
mapfile -t commands < <("$viswords" --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')
[ ${#commands[@]} -gt 10 ] || fail "no subcommands in the help"
refused --help
refused --version
for command in "${commands[@]}"; do refused "$command" --help; done
for json in '' --json; do
  refused check small.yaml $json
  refused plan small.yaml --cache cache $json
  refused status whole $json
  refused doctor $json
  refused diff whole whole $json
  refused verify --files whole $json
  refused encode "$source_dir/data/clip-tiny" --text 'a fox' $json
  rm -rf out
  refused run small.yaml -o out --quiet "${options[@]}" $json
  same whole out
  cmp -s whole/summary.csv out/summary.csv || fail "summary.csv differs"
  refused collect small.yaml -o out --quiet "${options[@]}" $json
done
refused plan --keys

# What says more than that keeps its exit code: refused is 2, stopped is 75.
code=0
"$viswords" status none > /dev/full 2> err.txt || code=$?
[ "$code" = 2 ] || fail "exit code $code, expected 2"
# The other streams: nothing is read or printed into a file.
rm -rf out
"$viswords" run small.yaml -o out "${options[@]}" > out.txt <&- 2>&- || fail "without standard input and error"
same whole out
[ "$(head -n 5 out.txt)" = "$(head -n 5 table.txt)" ] || fail "the table differs: $(cat out.txt)"
