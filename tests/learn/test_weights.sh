#!/bin/bash
# Weights that rank 0 reads for all: values, who reads, failures that all hear of; on the host and on an emulated device.
set -euo pipefail
source "$1/tests/cluster/run_mpi.sh"
for ranks in 1 2 3; do mpi "$ranks" "$2/tests/learn_mpi_weights"; done
emulated=$2/tests/emulated_mpi_weights
[ -x "$emulated" ] || { echo "devices: skipped: built without CUDA"; exit 0; }
for ranks in 1 2 3; do VISWORDS_TRANSPORT=mpi mpi "$ranks" "$emulated" cuda; done
[ ! -e "$2/tests/libfake_nccl.so" ] || VISWORDS_NCCL_LIBRARY=$2/tests/libfake_nccl.so mpi 2 "$emulated" cuda
