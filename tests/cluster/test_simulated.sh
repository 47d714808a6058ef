#!/bin/bash
# The simulated queue against a run of it on 1 to 16 ranks that share what cores there are: items sleep.
set -euo pipefail
source "$1/tests/cluster/run_mpi.sh"
for ranks in 1 4 16; do mpi "$ranks" "$2/tests/cluster_mpi_simulated"; done
