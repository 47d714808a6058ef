# shellcheck shell=bash disable=SC2034
# A partition with four GPUs a node: a rank for each. Copy to slurm/site.sh and edit.
site_program=$HOME/viswords/build/release/viswords
site_partition=gpu
site_account=
site_gres=gpu:4             # of a node
site_time=08:00:00
site_nodes=1
site_ranks_per_node=4       # rank r of a node takes device r
site_cores_per_rank=8
site_memory=200G            # of a node
site_mpi=pmix
site_options=(--backend cuda)
site_setup() {
  module load gcc cuda openmpi hdf5-mpi openblas
}
