#!/bin/bash
# Control characters in names reach no terminal and begin no line: not in messages, logs, tables or JSON.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
evil=$'x\nviswords: forged \e[31m\xc2\x9b\xe2\x80\xae\x80\x7fcaf\xc3\xa9' # line end, ESC, C1, a bidi override, bad UTF-8
text=$'x\nviswords: forged \e[31m\xc2\x9b\xe2\x80\xae' # encode refuses a text that is not UTF-8
shown='x\\x0aviswords: forged \\x1b\[31m\\u009b\\u202e\\x80\\x7fcafé'

# clean FILE: nothing that a terminal obeys, and no forged line.
clean() {
  ! grep -q '^viswords: forged' "$1" || { cat -v "$1" >&2 && fail "$1: a forged line"; }
  ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]' "$1" ||
    { cat -v "$1" >&2 && fail "$1: control characters"; }
  iconv -f UTF-8 -t UTF-8 "$1" > iconv.txt || fail "$1: not UTF-8"
}
# try CODE COMMAND...: both outputs are clean
try() {
  local code=0 expected=$1
  shift
  timeout "$most_seconds" "$@" > out.txt 2> err.txt || code=$?
  [ "$code" = "$expected" ] || { cat -v err.txt >&2 && fail "exit code $code, expected $expected: $*"; }
  clean out.txt
  clean err.txt
}
says() { grep -q "$shown" "$1" || { cat -v "$1" >&2 && fail "$1 does not show the name: $2"; }; }

try 2 "$viswords" "$evil"
says err.txt command
try 2 "$viswords" check "$evil.yaml"
says out.txt check
try 2 "$viswords" status "$evil"
says err.txt status
try 2 "$viswords" status "$evil" --json
python3 -m json.tool < out.txt > json.txt || fail "status --json of no directory"
grep -q '"error"' json.txt || fail "status --json: no reason"
try 2 "$viswords" run --"$evil" a.yaml
says err.txt option
try 2 "$viswords" encode "$evil" --text a
says err.txt encode

study good.yaml 2 dog
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/' good.yaml
cp good.yaml "$evil.yaml"
for command in check plan; do
  try 0 "$viswords" $command "$evil.yaml"
  try 0 "$viswords" $command "$evil.yaml" --json
  python3 -m json.tool < out.txt > json.txt || fail "$command --json"
done
sed "s/^study: .*/study: \"small\\\\n\\\\x1b[2J\\\\u202e\"/" good.yaml > study.yaml
try 0 "$viswords" run study.yaml -o "$evil" --threads 1 --cache cache
clean "$evil/log/rank-0.jsonl"
clean "$evil/figures/recall_against_delta.svg"
python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$evil/log/rank-0.jsonl" || fail "log"
says out.txt table
for command in status verify diff; do
  arguments=("$command")
  [ $command != verify ] || arguments+=(--files)
  [ $command != diff ] || arguments+=("$evil")
  try 0 "$viswords" "${arguments[@]}" "$evil"
  try 0 "$viswords" "${arguments[@]}" "$evil" --json
  python3 -m json.tool < out.txt > json.txt || fail "${arguments[*]} --json"
done
mv "$evil/plan.yaml" plan.kept
echo "$evil" > "$evil/plan.yaml"
try 2 "$viswords" status "$evil"

# keys and values of the study file, and classes
sed 's/  steps: 2/  "st\\neps\\e[1m": 2/' good.yaml > bad.yaml
try 2 "$viswords" check bad.yaml
grep -qF 'learn.st?eps?[1m: unknown key' out.txt || fail "$(cat -v out.txt)"
mkdir -p "pictures/train/$evil" "pictures/test/$evil"
for part in train test; do cp "$source_dir/data/objects/$part/fox"/0[0-3].jpg "pictures/$part/$evil"; done
echo text > "pictures/train/$evil/$evil.jpg"
sed "s#root: .*#root: pictures#; s#concepts: .*#concepts: [fax]#; /classes:/d" good.yaml > bad.yaml
try 2 "$viswords" check bad.yaml
try 0 "$viswords" encode "$source_dir/data/clip-tiny" --text "$text" "pictures/test/$evil"
try 0 "$viswords" encode "$source_dir/data/clip-tiny" --text "$text" "pictures/test/$evil" --json
python3 -m json.tool < out.txt > json.txt || fail "encode --json"
try 2 "$viswords" encode "$source_dir/data/clip-tiny" "pictures/train/$evil"
says err.txt picture

# Nothing prints past the one function: what does writes files or fixed text.
left=$(cd "$source_dir" && git ls-files 'jobs/*.c' 'io/*.c' 'src/**/*.c' 2> /dev/null |
  xargs grep -nE '(^|[^a-z_])(printf|puts|perror|vprintf)\(|fprintf\((stdout|stderr)|json_dumpf' |
  grep -vE '^src/core/(log|text)\.c:' || true)
[ -z "$left" ] || fail "prints without vw_print: $left"
