#!/bin/bash
# Which files collect makes, as strace sees them: none beside its own and its MPI's, no named semaphore. What a killed
# collect leaves in /dev/shm: nothing. A user's choice of another part of MPI stands; where there is no ROMIO, it is said.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
if ! strace -qq -o /dev/null true 2> /dev/null; then
  command -v strace > /dev/null || [ "${VISWORDS_DEPS:-}" = skip ] || ! command -v dpkg > /dev/null || fail "no strace: tools/install-deps.sh test"
  echo "skipped: strace is not here, or may not trace"
  exit 77
fi
study "$work/study.yaml" 2 'dog'
"$viswords" run "$work/study.yaml" -o "$work/a" -t 1 -q --log error > /dev/null
mkdir "$work/trace"
openmpi=$(mpirun --version 2> /dev/null | grep -c 'Open MPI' || true)

# traced OUT RANKS: collects again; the calls that make or name files are in $work/calls.
traced() {
  rm -rf "${work:?}/trace"/*
  local start=(mpi "$2")
  [ "$2" != 0 ] || start=() # not even mpirun
  "${start[@]}" strace -ff -qq -e trace=open,openat,creat,link,linkat,symlink,symlinkat,mknod,mknodat,mkdir,mkdirat,rename,renameat,renameat2 \
    -o "$work/trace/rank" "$viswords" collect "$work/study.yaml" -o "$work/$1" -t 1 -q > "$work/out" 2> "$work/message" ||
    fail "$2 ranks: $(cat "$work/message")"
  # what exists already, or cannot be made, is not made: a mkdir of /tmp is how folders are made on the way
  cat "$work"/trace/rank.* | grep -E 'O_CREAT|^(creat|link|symlink|mknod|mkdir|rename)' | grep -v 'E[A-Z]* (' > "$work/calls"
  [ -s "$work/calls" ] || fail "nothing was traced"
}
# Paths that were made: the last one of a call, "" removed.
made() { grep -o '"[^"]*"' "$work/calls" | tr -d '"' | sort -u; }
# Its own names in its folder; MPI's in the folder of sessions and its memory that ranks share.
own='(study\.h5|MANIFEST\.json|(summary|trials)\.csv|plan\.yaml|study-file|\.lock|metrics\.jsonl|log(/(rank-[0-9]+|ranks|times)\.jsonl)?|figures(/recall_against_delta\.(svg|pdf|png|csv))?|blocks(/[0-9a-f][0-9a-f])?)'
mpis='/(vader_segment|sm_segment|open_mpi|mpich|psm|ucx)[^/]*'
foreign() {
  made | grep -vE "^$work/[a-z0-9]+(/$own([._-][A-Za-z0-9._-]*)?)?$|^/dev/shm$mpis$|^(/tmp|$TMPDIR)/(ompi|prte|pmix)[^/]*(/[^/]*)*$|^/dev/(null|tty|urandom)$|^/(proc|sys)/" |
    grep -vE "^($work/cache|$TMPDIR)(/|$)" || true
}
export TMPDIR=$work/tmp
mkdir "$TMPDIR"

for ranks in 0 1 2 4; do
  cp -r "$work/a" "$work/c$ranks"
  traced "c$ranks" $ranks
  found=$(grep -E 'sem\.|OMPIO|locktest|\.shfp' "$work/calls" || true)
  [ -z "$found" ] || fail "$ranks ranks: $found"
  found=$(foreign)
  [ -z "$found" ] || fail "$ranks ranks made foreign files: $found"
  made | grep -q "/c$ranks/study.h5" || fail "$ranks ranks: the trace does not show study.h5"
  "$viswords" diff "$work/c0" "$work/c$ranks" > "$work/diff" || fail "$(cat "$work/diff")"
done

# A file system without locks: files are made and read as with them.
cp -r "$work/a" "$work/unlocked"
for command in "collect $work/study.yaml -o $work/unlocked -t 1 -q" "figures $work/unlocked" "status $work/unlocked"; do
  # shellcheck disable=SC2086 # words of a command
  strace -f -qq -o "$work/calls" -e trace=flock -e inject=flock:error=ENOLCK "$viswords" $command > "$work/out" 2> "$work/message" ||
    fail "without locks: ${command%% *}: $(cat "$work/message")"
  [ "${command%% *}" != collect ] || grep -q INJECTED "$work/calls" || fail "nothing was locked: $(cat "$work/calls")"
done
"$viswords" diff "$work/c0" "$work/unlocked" > "$work/diff" || fail "without locks: $(cat "$work/diff")"

if [ "$openmpi" != 0 ]; then
  # The trace can see a semaphore: a user who wants ompio gets it, and hears nothing.
  OMPI_MCA_io=ompio traced c2 2
  grep -q 'sem\.OMPIO' "$work/calls" || fail "ompio was asked for: $(cat "$work/calls")"
  if grep -q ROMIO "$work/message"; then fail "message: $(cat "$work/message")"; fi
  # An Open MPI whose plugins lack ROMIO (Open MPI 5 has it in the library as a rule).
  plugins=$(ompi_info --parsable --path pkglibdir | sed 's/^[^:]*:[^:]*://')
  if ls "$plugins"/mca_io_romio*.so > /dev/null 2>&1; then
    mkdir "$work/plugins"
    ln -s "$plugins"/mca_*.so "$work/plugins"
    rm "$work/plugins"/mca_io_romio*
    OMPI_MCA_mca_base_component_path=$work/plugins traced c2 2
    grep -q 'this Open MPI has no ROMIO' "$work/message" || fail "no word about ROMIO: $(cat "$work/message")"
  fi
fi

# kill -9 of all ranks at any moment: what Open MPI shared between them goes too (mpirun lives and tidies up). A /dev/shm of
# its own, because other programs use the machine's.
if [ "$(id -u)" = 0 ] && unshare -m true 2> /dev/null; then
  export work viswords
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare -m bash -euc '
    mount -t tmpfs vw /dev/shm
    source "$1/tests/cluster/run_mpi.sh"
    for k in 1 2 3 4 5 6; do
      rm -f "$work/pids"
      set +e
      mpi 2 bash -c "echo \$\$ >> \"$work/pids\"; exec \"$viswords\" collect \"$work/study.yaml\" -o \"$work/c2\" -t 1 -q --log error" > /dev/null 2>&1 &
      set -e
      for ((i = 0; i < 600; i++)); do # from the moment that both run
        [ "$(cat "$work/pids" 2> /dev/null | wc -l)" -lt 2 ] || break
        sleep 0.05
      done
      sleep "0.$((k * 3 / 2))"
      kill -9 $(cat "$work/pids") 2> /dev/null || true
      wait || true
      left=$(ls -A /dev/shm | grep -v "^sm_segment" || true) # Open MPI 5 forgets its own
      [ -z "$left" ] || { echo "FAILED: kill -9 left in /dev/shm: $left" >&2; exit 1; }
    done' _ "$source_dir"
  "$viswords" collect "$work/study.yaml" -o "$work/c2" -t 1 -q --log error > /dev/null
  "$viswords" diff "$work/c0" "$work/c2" > "$work/diff" || fail "after kill -9: $(cat "$work/diff")"
fi
