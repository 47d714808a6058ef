#!/usr/bin/env bash
# clang-tidy over every C file of a build, in parallel: tools/tidy.sh BUILD [JOBS] [FILES...]
# A file that was clean is not looked at again until it, a header that it includes, its compile command, .clang-tidy or
# the tool changes: BUILD/tidy/<file>.ok holds what was checked. BUILD must be built (its dependencies are read).
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
jobs=${2:-2}
shift $(($# < 2 ? $# : 2))
tool=
for name in ${CLANG_TIDY:-} clang-tidy-14 clang-tidy; do
  if command -v "$name" >/dev/null; then tool=$name; break; fi
done
[ -n "$tool" ] || { echo "tidy.sh: no clang-tidy; run tools/install-deps.sh check" >&2; exit 1; }
[ -e "$build/build.ninja" ] || { echo "tidy.sh: $build is not built; run tools/build.sh ${build##*/}" >&2; exit 1; }
cache=$build/tidy
mkdir -p "$cache/include"
# clang does not look where gcc keeps OpenMP's header, and does not know one of gcc's attributes in it.
rm -f "$cache/include/omp.h"
sed 's/__malloc__ *(omp_free[^)]*)/__malloc__/g' "$(gcc -print-file-name=include/omp.h)" >"$cache/include/omp.h"

# One line a C file of this repository: FILE, then hashes of all that decides the verdict.
list=$cache/list
sums=$cache/sums
find src kernels io jobs tests -type f \( -name "*.[ch]" -o -name "*.def" \) -exec sha256sum {} + >"$sums" 2>/dev/null || true
tool_key=$({ "$tool" --version; cat .clang-tidy tools/tidy.sh; echo "${TIDY_ANALYZER:-}"; } | sha256sum | cut -c 1-16)
{
  sed 's/^/S /' "$sums"
  ninja -C "$build" -t deps | sed 's/^/D /'
  ninja -C "$build" -t compdb | sed 's/^/C /'
} | awk -v root="$PWD/" -v tool="$tool_key" '
  function flush() { if (object != "" && main != "") print main, tool, command[object], key; object = main = key = "" }
  $1 == "S" { sum[$3] = $2; next }
  # compdb comes last in the stream but is needed first: dependencies are kept until the end.
  $1 == "D" { line[++n] = $0; next }
  /^C .*"command":/ { c = $0; next }
  /^C .*"output":/ { o = $0; sub(/.*"output": "/, "", o); sub(/".*/, "", o); gsub(/[ \t]+/, "_", c); command[o] = c }
  END {
    for (i = 1; i <= n; i++) {
      l = line[i]
      if (l ~ /^D [^ ]/) { flush(); object = l; sub(/^D /, "", object); sub(/: #deps.*/, "", object); continue }
      f = l
      sub(/^D +/, "", f)
      if (index(f, root) == 1) f = substr(f, length(root) + 1)
      sub(/^(\.\.\/)+/, "", f) # ccache writes paths relative to the build
      if (!(f in sum)) continue
      if (main == "" && f ~ /\.c$/) main = f
      key = key substr(sum[f], 1, 16)
    }
    flush()
  }' | sort -u >"$list"

[ -s "$list" ] || { echo "tidy.sh: the build in $build names no C file" >&2; exit 1; }
todo=()
clean=0
while read -r file key; do
  [ $# = 0 ] || [[ " $* " == *" $file "* ]] || continue
  ok=$cache/${file//\//_}.ok
  if [ -e "$ok" ] && [ "$(<"$ok")" = "$key" ]; then clean=$((clean + 1)); else todo+=("$file"); fi
done <"$list"
if [ ${#todo[@]} = 0 ]; then
  echo "clang-tidy: $clean files are clean (none changed)"
  exit 0
fi

# The path analyzer takes nine tenths of the time: it is for `make check-long` alone (TIDY_ANALYZER=on).
one() { # FILE: its messages go to a file of its own, so that parallel runs do not mix
  local out=$cache/${1//\//_} fewer=()
  if [ "${TIDY_ANALYZER:-}" != on ]; then fewer=('--checks=-clang-analyzer-*'); fi
  if "$tool" --quiet "${fewer[@]}" -p "$build" --extra-arg=-isystem"$PWD/$cache/include" --extra-arg=-Wno-unknown-warning-option "$1" >"$out.log" 2>"$out.err"; then
    awk -v f="$1" '$1 == f { sub(/^[^ ]* /, ""); print }' "$list" >"$out.ok"
  else
    rm -f "$out.ok"
    cat "$out.log"
    grep -E 'error:|Error' "$out.err" || true
    return 1
  fi
}
export -f one
export tool build cache list
if ! printf '%s\0' "${todo[@]}" | xargs -0 -P "$jobs" -I{} bash -c 'one "$1"' _ {}; then
  echo "clang-tidy: messages above; ${#todo[@]} files looked at, $clean clean from before" >&2
  exit 1
fi
echo "clang-tidy: $((clean + ${#todo[@]})) files are clean (${#todo[@]} looked at)"
