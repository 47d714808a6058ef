#!/usr/bin/env bash
# Fills and submits slurm/viswords.sbatch from the site file; `viswords submit` calls it and asks first.
#   submit.sh info                                           ranks=, cores=, time=, signal= ... of the site, a line each
#   submit.sh print|submit STUDY OUT job [OPTIONS...]        one job for all stages
#   submit.sh print|submit STUDY OUT chain[:STAGES] [OPTIONS...]    a job a stage, each after the one before
#   submit.sh print|submit STUDY OUT array:N[:STAGES] [OPTIONS...]  those that have parts in N jobs of an array, the others in one
#     STAGES: names with commas between, a + behind those that have parts; default: learn+,evaluate+,collect
#   submit.sh again STUDY OUT COMMAND [OPTIONS...]           one COMMAND, from inside a job; prints the new job's id
# OPTIONS are of `viswords run`. `submit` prints "ID WHAT" a job. Exit code 2: the site file or Slurm refused; one line says
# why on stderr. Jobs that were submitted before a later one was refused are cancelled again.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/common.sh"
what=${1:-}
case $what in info | print | submit | again) ;; *) fail 2 "usage: submit.sh info | print|submit|again STUDY OUT job|chain[:STAGES]|array:N[:STAGES] [OPTIONS]" ;; esac
load_site
if [ "$what" = info ]; then
  printf '%s=%s\n' ranks "$ranks" cores "$site_cores_per_rank" nodes "$site_nodes" time "$site_time" signal "$site_signal" site "$site"
  exit 0
fi
study=$2 out=$3 how=$4
shift 4
[ "$what" = print ] || command -v sbatch >/dev/null ||
  fail 2 "no sbatch here: this is no login node of a Slurm cluster (tools/mpirun.sh runs a study without Slurm)"
export VISWORDS_SLURM=$here VISWORDS_SITE=$site VISWORDS_SUBMITTED=1

submitted=()
# one WHAT COMMAND [sbatch options... --] [viswords options...]: prints "ID WHAT", or the command line.
one() {
  local name=$1 command=$2 id message more=()
  shift 2
  while [ "$1" != -- ]; do more+=("$1"); shift; done
  shift
  local nodes=$site_nodes
  local line=(sbatch --parsable --job-name="viswords-$command" --nodes="$nodes" --ntasks-per-node="$site_ranks_per_node"
    --cpus-per-task="$site_cores_per_rank" --time="$site_time" --signal="B:USR1@$site_signal" --requeue --open-mode=append
    --output="$out/log/slurm-$([ "$name" = "${name#array}" ] && echo %j || echo %A-%a).out"
    ${site_partition:+--partition="$site_partition"} ${site_account:+--account="$site_account"} ${site_qos:+--qos="$site_qos"}
    ${site_memory:+--mem="$site_memory"} ${site_gres:+--gres="$site_gres"} ${site_sbatch[@]+"${site_sbatch[@]}"}
    ${more[@]+"${more[@]}"} "$here/viswords.sbatch" "$study" "$out" "$command" "$@")
  if [ "$what" = print ]; then
    printf '%q ' "${line[@]}"
    echo
    last=ID-OF-$command
    return
  fi
  if ! message=$("${line[@]}" 2>&1); then
    [ ${#submitted[@]} = 0 ] || scancel "${submitted[@]}" || true
    message=$(sed -n 's/^sbatch: error: //p' <<<"$message" | paste -sd ' ')
    case $message in
      *artition*) message+="; set site_partition in $site (sinfo lists them)" ;;
      *ccount*) message+="; set site_account in $site" ;;
      *) message+="; see $site" ;;
    esac
    fail 2 "sbatch refused: $message"
  fi
  id=$(tail -n 1 <<<"$message")
  last=${id%%;*}
  submitted+=("$last")
  if [ "$what" = again ]; then echo "$last"; else echo "$last $name"; fi
}

last=
# all STAGES PARTS [viswords options...]: each stage after the one before; PARTS '': no arrays.
all() {
  local list=${1:-learn+,evaluate+,collect} parts=$2 stages stage name job more
  shift 2
  IFS=, read -ra stages <<<"$list"
  for stage in "${stages[@]}"; do
    name=${stage%+} more=()
    job=$name
    [ -z "$last" ] || more=(--dependency=afterok:"$last" --kill-on-invalid-dep=yes)
    if [ -n "$parts" ] && [ "$name" != "$stage" ]; then job=array-$name more+=(--array="1-$parts"); fi
    one "$job" "$name" ${more[@]+"${more[@]}"} -- "$@"
  done
}
case $what:$how in
  again:*) one "$how" "$how" -- "$@" ;;
  *:job) one run run -- "$@" ;;
  *:chain | *:chain:*)
    command -v scontrol >/dev/null || [ "$what" = print ] || fail 2 "a chain needs scontrol on the nodes, and there is none here: submit one job"
    stages=${how#chain}
    all "${stages#:}" '' "$@"
    ;;
  *:array:*)
    parts=${how#array:} stages=
    case $parts in *:*) stages=${parts#*:} parts=${parts%%:*} ;; esac
    [[ $parts =~ ^[1-9][0-9]*$ ]] || fail 2 "array:$parts: expected a number of parts"
    all "$stages" "$parts" "$@"
    ;;
  *) fail 2 "'$how': choose job, chain or array:N" ;;
esac
