# shellcheck shell=bash disable=SC2034
# The program in an Apptainer image (packaging/viswords.def): copy to slurm/site.sh and edit. The MPI in the image must speak
# the PMI of the site's srun: Open MPI 4 and 5 speak PMIx.
site_program=/opt/viswords/bin/viswords
site_wrap=(apptainer exec --bind "$HOME,/scratch" "$HOME/viswords.sif") # --nv for GPUs
site_partition=
site_time=12:00:00
site_nodes=2
site_ranks_per_node=4
site_cores_per_rank=16
site_mpi=pmix
