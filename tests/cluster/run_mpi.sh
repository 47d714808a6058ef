# shellcheck shell=bash disable=SC2034
# Sourced by the scripts here: mpi RANKS [launcher's options] PROGRAM ...; ends after $most_seconds whatever happens.
# Where a script starts ranks itself: "${launch[@]}" -n RANKS [options] PROGRAM ...; "${tcp[@]}" among the options keeps
# ranks of one machine from sharing memory. MPIRUN names another launcher than mpirun.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
# Open MPI unloads its modules before the end: what they leak has no name to suppress. Programs without MPI look for ours.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
command -v "${MPIRUN:-mpirun}" > /dev/null || { echo "skipped: no ${MPIRUN:-mpirun}"; exit 77; }
mpi_version=$("${MPIRUN:-mpirun}" --version 2> /dev/null || true)
case $mpi_version in
  *"Open MPI"* | *OpenRTE* | *PRRTE*)
    mpi_kind=openmpi
    launch=("${MPIRUN:-mpirun}" --oversubscribe --bind-to none)
    tcp=(--mca btl tcp,self --mca osc ^sm)
    # Its UCX component complains of a machine without a fabric, and would be chosen; Open MPI 4 has no other for threads.
    case $mpi_version in *"Open MPI) 4"*) ;; *) tcp=(--mca btl tcp,self --mca osc ^sm,ucx) ;; esac
    # Open MPI 5 finds no way from one IPv6 address of a machine to itself, says so in every run, and gives up over TCP.
    export OMPI_MCA_btl_tcp_disable_family=${OMPI_MCA_btl_tcp_disable_family:-6}
    ;;
  *HYDRA*)
    mpi_kind=mpich
    launch=("${MPIRUN:-mpirun}")
    tcp=(-genv MPIR_CVAR_NOLOCAL 1)
    ;;
  *)
    mpi_kind=other
    launch=("${MPIRUN:-mpirun}")
    tcp=()
    ;;
esac
# What takes so long hangs. Where tests do not judge times (sanitizers, coverage) everything takes longer.
most_seconds=60
[ -z "${VISWORDS_UNTIMED:-}" ] || most_seconds=600
mpi() {
  local ranks=$1
  shift
  timeout "$most_seconds" "${launch[@]}" -n "$ranks" "$@"
}
