# shellcheck shell=bash
# Sourced by the scripts here: mpi RANKS [mpirun options] PROGRAM ...; ends after $most_seconds whatever happens.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
# Open MPI unloads its modules before the end: what they leak has no name to suppress. Programs without MPI look for ours.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
command -v mpirun > /dev/null || { echo "skipped: no mpirun"; exit 77; }
# What takes so long hangs. Where tests do not judge times (sanitizers, coverage) everything takes longer.
most_seconds=60
[ -z "${VISWORDS_UNTIMED:-}" ] || most_seconds=600
mpi() {
  local ranks=$1
  shift
  timeout "$most_seconds" mpirun --oversubscribe --bind-to none -n "$ranks" "$@"
}
