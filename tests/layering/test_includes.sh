#!/usr/bin/env bash
# Every #include line against the tables of docs/design.md (who may include whom; which library header where), and a
# self-check with wrong files: a check that finds nothing proves nothing.   test_includes.sh SOURCE [BUILD]
set -euo pipefail
source=$(cd "$1" && pwd)

scan() { # ROOT: prints file:line: message for what is wrong
  (
    cd "$1"
    { find src kernels io jobs tests \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' -o -name '*.def' \) -type f 2>/dev/null || true; } |
      LC_ALL=C sort | xargs -r awk -v root="$1" -f "$source/tests/layering/includes.awk" docs/design.md
  )
}

wrong=$(mktemp -d)
trap 'rm -rf "$wrong"' EXIT
mkdir -p "$wrong"/{docs,src/models,src/new,src/learn,kernels/cpu,io,jobs,tests/models}
cp "$source/docs/design.md" "$wrong/docs/"
printf '/* fine */\n#include <stdio.h>\n#include "core/status.h"\n  #  include "graph/graph.h"\n' >"$wrong/src/models/good.c"
expect=()
refused() { # FILE TEXT: one wrong line, on line 2
  printf '\n%s\n' "$2" >"$wrong/$1"
  expect+=("$1:2: ")
}
refused src/models/reads_files.c '#include "io/safetensors.h"'
refused src/models/upward.c '#include "../io/x.h"'
refused src/models/by_root.c '#include "src/cluster/queue.h"'
refused src/models/computed.c '#include HEADER'
refused src/models/test_header.h '#include "tests/support/test.h"'
refused src/new/unknown_folder.c '#include "core/status.h"'
refused src/learn/mpi.c '# include <mpi.h>'
refused src/learn/backend.c '#include "kernels/cpu/gemm.h"'
refused kernels/uses_graph.c '#include "graph/graph.h"'
refused kernels/cpu/cuda.c '#include <cuda_runtime.h>'
refused kernels/blas.c '#include <cblas.h>'
refused io/uses_graph.h '#include "graph/graph.h"'
refused jobs/hdf5.c '#include <hdf5.h>'
refused tests/models/test_mpi.c '#include <mpi.h>'
found=$(scan "$wrong" || true)
for start in "${expect[@]}"; do
  grep -qF -- "$start" <<<"$found" || { echo "self-check: nothing was said about $start"; exit 1; }
done
[ "$(wc -l <<<"$found")" = ${#expect[@]} ] || { printf 'self-check: expected %d messages, got:\n%s\n' ${#expect[@]} "$found"; exit 1; }

scan "$source"
