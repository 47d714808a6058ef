#!/usr/bin/env bash
# Configures (once; again when the presets changed) and builds one preset: tools/build.sh PRESET [JOBS]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
jobs=${2:-2}
dir=build/$preset
# An older CMake stumbles over the presets' format before it reads which version they want.
read -r _ _ cmake_version _ < <(cmake --version 2>/dev/null) || {
  echo "build.sh: no cmake here; docs/install.md says how to bring it" >&2
  exit 1
}
if [ "$(printf '%s\n' 3.25 "$cmake_version" | sort -V | head -n 1)" != 3.25 ]; then
  echo "build.sh: CMake 3.25 or newer is wanted, this is $cmake_version; docs/install.md says how to bring it" >&2
  exit 1
fi
mkdir -p "$dir"
if [ ! -e "$dir/build.ninja" ] || [ CMakePresets.json -nt "$dir/build.ninja" ]; then
  # The log is shown in full only when something is wrong: CMake's own last lines name what is missing.
  if ! cmake --preset "$preset" >"$dir/configure.log" 2>&1; then
    cat "$dir/configure.log" >&2
    echo "build.sh: CMake could not configure preset '$preset'; see above and docs/install.md" >&2
    exit 1
  fi
fi
exec env NINJA_STATUS="[$preset %f/%t] " cmake --build "$dir" --parallel "$jobs"
