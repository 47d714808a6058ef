# shellcheck shell=bash disable=SC2034
# A site with CPU nodes: copy to slurm/site.sh and edit. Every name: slurm/README.md.
site_program=$HOME/viswords/build/release/viswords
site_partition=             # empty: the default one (sinfo lists them)
site_account=               # empty: yours
site_time=12:00:00          # of a start; the job queues itself again until the study is done
site_nodes=2
site_ranks_per_node=4       # a rank for each group of cores that shares a last-level cache
site_cores_per_rank=16
site_mpi=pmix               # srun --mpi=...; or mpirun
site_setup() {              # on the node, before the program
  module load gcc openmpi hdf5-mpi openblas
}
