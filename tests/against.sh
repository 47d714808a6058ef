#!/usr/bin/env bash
# Do the tests in tests/regress notice what was wrong? Builds an earlier revision beside this one and runs them on its
# program: each must fail there with a wrong value, neither succeed nor end in a usage error.
#   tests/against.sh [REVISION [CASE...]]     default: f22a301, all cases
# Exit code 0: every case fails there with a wrong value; 1: one does not; 2: the revision cannot be built.
# JOBS: parallel compilations (2). KEEP=DIR: the worktree and its build stay there and are used again.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
revision=${1:-f22a301}
shift $(($# > 0 ? 1 : 0))
cases=("$@")
[ ${#cases[@]} -gt 0 ] || { mapfile -t cases < <(cd "$root/tests/regress" && printf '%s\n' *.sh); cases=("${cases[@]%.sh}"); }

scratch=$(mktemp -d)
tree=${KEEP:-$scratch/tree}
cleanup() {
  [ -n "${KEEP:-}" ] || git -C "$root" worktree remove --force "$tree" > /dev/null 2>&1
  rm -rf "$scratch"
}
trap cleanup EXIT
give_up() {
  echo "against.sh: $*" >&2
  exit 2
}

commit=$(git -C "$root" rev-parse --verify --quiet "$revision^{commit}") || give_up "no revision '$revision' in this repository"
if [ ! -e "$tree/CMakeLists.txt" ]; then
  git -C "$root" worktree add --quiet --detach "$tree" "$commit" || give_up "git cannot make a worktree in $tree"
fi
[ "$(git -C "$tree" rev-parse HEAD)" = "$commit" ] || give_up "$tree holds another revision than $revision"
build=$tree/build/against
# HDF5 1.10's names: earlier revisions knew no newer ones. The program alone, as users build it.
echo "against.sh: building $revision"
if ! { cmake -S "$tree" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_TESTING=OFF -DVISWORDS_CUDA=OFF \
  -DCMAKE_C_FLAGS=-DH5_USE_110_API && cmake --build "$build" --parallel "${JOBS:-2}" --target viswords; } > "$scratch/log" 2>&1; then
  tail -n 30 "$scratch/log" >&2
  give_up "$revision cannot be built; see above"
fi

bad=0
for name in "${cases[@]}"; do
  code=0
  bash "$root/tests/regress/$name.sh" "$build/viswords" > "$scratch/out" 2>&1 || code=$?
  if [ $code = 1 ] && grep -q '^[^:].*: got: .* expected: ' "$scratch/out"; then
    echo "wrong value  $name"
    grep ': got: .* expected: ' "$scratch/out" | sed 's/^/             /'
  else
    case $code in
      0) echo "RIGHT        $name: this case says nothing about $revision" ;;
      1) echo "NO VALUE     $name: failed without naming one" ;;
      77) echo "SKIPPED      $name" ;;
      *) echo "NOT TRIED    $name: exit code $code" ;;
    esac
    tail -n 3 "$scratch/out" | sed 's/^/             /'
    bad=$((bad + 1))
  fi
done
echo "against.sh: $revision: ${#cases[@]} cases, $((${#cases[@]} - bad)) fail with a wrong value"
[ $bad = 0 ]
