#!/usr/bin/env bash
# Line coverage by file and folder after the tests of a coverage build ran: tools/coverage.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
find "$1" -name '*.gcno' ! -path '*/tests/*' -print0 | xargs -0 -n 16 gcov -n -s "$root" -r 2>/dev/null |
  awk '/^File /{file=$2; gsub(/\x27/, "", file); sub(/^(\.\.\/)+/, "", file)} # ccache writes paths relative to the build
       /^Lines executed:/{if (file != "" && file !~ /^\// && file ~ /\.c$/) {split($0, part, /[:% ]+/); percent[file]=part[3]; lines[file]=$NF}; file=""} # a last line without a file sums up a call of gcov
       END{for (f in percent) {folder=f; sub(/\/[^\/]*$/, "", folder); hit[folder]+=percent[f]*lines[f]/100; all[folder]+=lines[f]
             printf "%6.1f %% of %5d lines  %s\n", percent[f], lines[f], f | "sort -k5"}
           close("sort -k5"); for (d in all) {h+=hit[d]; n+=all[d]; printf "%6.1f %% of %5d lines  %s/\n", 100*hit[d]/all[d], all[d], d}
           if (n) printf "%6.1f %% of %5d lines  all host C code\n", 100*h/n, n}'
