# shellcheck shell=bash disable=SC2034
# Sourced by the scripts here: reads the one site-specific file, checks it, and fills in what it leaves out.
# `here` is the folder of these scripts. fail CODE MESSAGE: one line on stderr, and the end.
fail() {
  echo "${0##*/}: ${*:2}" >&2
  exit "$1"
}

# Every name that a site file may set; anything else that begins with site_ is a mistake in it.
readonly site_names='site_program site_partition site_account site_qos site_time site_signal site_nodes site_ranks_per_node
site_cores_per_rank site_memory site_gres site_sbatch site_mpi site_srun site_wrap site_options site_setup site_mpirun'

load_site() {
  local name known wrong number
  site=${VISWORDS_SITE:-$here/site.sh}
  [ -r "$site" ] || fail 2 "no site file $site: copy one of $here/sites/ there and edit it, or name yours in VISWORDS_SITE"
  wrong=$(bash -n "$site" 2>&1) || fail 2 "$site is no bash: $(head -n 1 <<<"$wrong")"
  site_program='' site_partition='' site_account='' site_qos='' site_time=24:00:00 site_signal=300 site_nodes=1 site_ranks_per_node=1
  site_cores_per_rank=1 site_memory='' site_gres='' site_sbatch=() site_mpi=pmix site_srun=() site_wrap=() site_options=()
  site_mpirun=$here/../tools/mpirun.sh
  # shellcheck disable=SC2317 # called by viswords.sbatch
  site_setup() { :; }
  # shellcheck disable=SC1090 # the user's
  source "$site" || fail 2 "$site ended with an error: run 'bash $site' to see where"
  for name in $(compgen -A variable site_) $(compgen -A function site_); do
    known=0
    for wrong in $site_names site_names; do [ "$name" != "$wrong" ] || known=1; done
    [ $known = 1 ] || fail 2 "$site sets $name, which nothing reads (known: ${site_names//$'\n'/ })"
  done
  for name in site_nodes site_ranks_per_node site_cores_per_rank site_signal; do
    number=${!name}
    [[ $number =~ ^[1-9][0-9]*$ ]] || fail 2 "$site: $name is '$number', expected a whole number of at least 1"
  done
  [ -n "$site_program" ] || fail 2 "$site: site_program is missing: the path of viswords on the nodes"
  if [ ${#site_wrap[@]} = 0 ] && [ ! -x "$site_program" ]; then
    fail 2 "$site: site_program is $site_program, and no such program is on $(hostname -s)"
  fi
  ranks=$((site_nodes * site_ranks_per_node))
}

# Inside a job: launch=(...) starts the ranks as the site does.
choose_launch() {
  local kinds
  case $site_mpi in
    mpirun) launch=("$site_mpirun" -n "${SLURM_NTASKS:-$ranks}") ;;
    *)
      kinds=$(srun --mpi=list 2>&1)
      grep -qwE -- "$site_mpi" <<<"$kinds" ||
        fail 2 "this Slurm's srun has no --mpi=$site_mpi (it has: $(tail -n +2 <<<"$kinds" | tr -s '\n\t ' ' ')): set site_mpi in $site, for example to mpirun"
      launch=(srun "--mpi=$site_mpi")
      [ -z "${SLURM_CPUS_PER_TASK:-}" ] || launch+=("--cpus-per-task=$SLURM_CPUS_PER_TASK")
      launch+=(${site_srun[@]+"${site_srun[@]}"})
      ;;
  esac
}
