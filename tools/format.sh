#!/usr/bin/env bash
# clang-format on every C, CUDA and C++ file of the repository; --check only names the files that it would change.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=
for name in ${CLANG_FORMAT:-} clang-format-14 clang-format; do
  if command -v "$name" >/dev/null; then tool=$name; break; fi
done
[ -n "$tool" ] || { echo "format.sh: no clang-format; run tools/install-deps.sh check" >&2; exit 1; }
files=$(git ls-files -co --exclude-standard -- '*.c' '*.h' '*.cu' '*.cuh' '*.cpp' '*.hpp' 2>/dev/null) ||
  files=$(find src kernels io jobs tests tools -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' -o -name '*.[ch]pp')
[ -n "$files" ] || exit 0
if [ "${1:-}" = --check ]; then
  if ! bad=$(xargs -P "$(nproc)" -n 16 "$tool" --dry-run --Werror <<<"$files" 2>&1); then
    grep -E 'error:' <<<"$bad" >&2 || echo "$bad" >&2
    echo "format.sh: run 'make format' ($($tool --version))" >&2
    exit 1
  fi
  echo "format: $(wc -l <<<"$files") files are clean"
else
  xargs "$tool" -i <<<"$files"
fi
