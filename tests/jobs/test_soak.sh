#!/bin/bash
# A sample of `make soak`, always the same one: of the quick study alone.
set -euo pipefail
grep -q '^VISWORDS_SANITIZE:BOOL=ON' "$2/CMakeCache.txt" && echo "skipped: too slow with sanitizers" && exit 77
SOAK_CLIP_ONLY=1 exec bash "$(dirname "$0")/soak.sh" "$1" "$2" 8 2406
