#!/usr/bin/env bash
# mpirun with what viswords needs on one machine: works as root, with more ranks than cores, and without binding a
# rank (and all its threads) to one core.   tools/mpirun.sh -n 2 PROGRAM ARGUMENTS...
# MPIRUN names another launcher; one that is not Open MPI's gets the arguments as they are.
set -euo pipefail
launcher=${MPIRUN:-mpirun}
command -v "$launcher" >/dev/null || { echo "mpirun.sh: no '$launcher' on PATH; set MPIRUN or run tools/install-deps.sh" >&2; exit 1; }
flags=()
version=$("$launcher" --version 2>/dev/null || true)
case $version in
  *"Open MPI"* | *OpenRTE*)
    flags=(--oversubscribe --bind-to none)
    # Open MPI 5 finds no way from one IPv6 address of a machine to itself, and says so in every run.
    export OMPI_MCA_btl_tcp_disable_family=${OMPI_MCA_btl_tcp_disable_family:-6}
    if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
    ;;
esac
# Waiting threads sleep and waiting ranks yield: ranks x threads may exceed the free cores of a machine that others use too.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
exec "$launcher" "${flags[@]}" "$@"
