#!/bin/bash
# --completion and --man: every command and option that --help tells is in them, and shells and groff take them.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"

for shell in bash zsh fish; do
  "$viswords" --completion $shell > $shell.txt
  if command -v $shell > /dev/null; then $shell -n $shell.txt || fail "$shell does not take its completion"; fi
done
"$viswords" --man > page.1
if command -v groff > /dev/null; then
  groff -man -Tutf8 -ww page.1 > page.txt 2> err.txt
  [ ! -s err.txt ] || fail "groff: $(cat err.txt)"
fi
code=0
"$viswords" --completion tcsh 2> err.txt || code=$?
[ $code = 2 ] && grep -q 'bash, zsh and fish' err.txt || fail "tcsh: $code, $(cat err.txt)"

mapfile -t commands < <("$viswords" --help | sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
[ ${#commands[@]} -ge 14 ] || fail "--help lists ${#commands[@]} commands"
options=0
for command in "${commands[@]}"; do
  for option in $("$viswords" "$command" --help | grep -oE '^  (-., |    )--[a-z0-9-]+' | grep -oE '[a-z0-9]+[a-z0-9-]*$'); do
    options=$((options + 1))
    grep -E "^    $command\) " bash.txt | grep -q -- "--$option " || fail "bash: $command --$option"
    sed -n "/^    $command) _arguments/,/;;\$/p" zsh.txt | grep -qE -- "--$option[}[]" || fail "zsh: $command --$option"
    grep -qE "seen_subcommand_from $command' -l $option( |\$)" fish.txt || fail "fish: $command --$option"
    sed -n "/^.SS \"viswords $command /,/^.SS/p" page.1 | grep -qF "\\-\\-${option//-/\\-}\\fR" || fail "page: $command --$option"
  done
done
[ $options -ge 80 ] || fail "only $options options were looked at"

# What bash completes, asked as bash asks: the last word is the one to be completed.
complete_words() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _viswords
  printf '%s\n' "${COMPREPLY[@]}"
}
source ./bash.txt
mkdir results.d
touch study.yaml
[ "$(complete_words viswords ev)" = evaluate ] || fail "a command"
[ "$(complete_words viswords run --che)" = --checkpoint-seconds ] || fail "an option"
[ "$(complete_words viswords run study)" = study.yaml ] || fail "a file"
[ "$(complete_words viswords run study.yaml -o res)" = results.d ] || fail "a folder"
[ -z "$(complete_words viswords run study.yaml -o stu)" ] || fail "a file in the place of a folder"
[ -z "$(complete_words viswords run study.yaml --threads res)" ] || fail "a file in the place of a number"
