#!/usr/bin/env bash
# A real Slurm on this one machine, for tests: slurmctld, munged and three slurmd, all state below DIR, loopback only.
#   slurm.sh up DIR      then: export SLURM_CONF=DIR/slurm.conf
#   slurm.sh down DIR    ends what `up` started, by the pid files in DIR
# Needs root and Debian's slurmctld, slurmd, slurm-client, munge (tools/install-deps.sh slurm). Exit code 77: cannot run here.
# Nodes n1, n2, n3 of 4 pretended cores. Partitions: main (default), low (preempted by main, 20 s of grace).
set -euo pipefail
case ${1:-} in up | down) ;; *) echo "usage: slurm.sh up|down DIR" >&2; exit 2 ;; esac
dir=${2:?DIR is missing}

down() {
  local file pid
  for file in "$dir"/run/slurmd-n?.pid "$dir"/run/slurmctld.pid "$dir"/run/munged.pid; do
    [ -s "$file" ] || continue
    pid=$(cat "$file")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
}
if [ "$1" = down ]; then down; exit 0; fi

skip() { echo "slurm.sh: skipped: $*" >&2; exit 77; }
[ "$(id -u)" = 0 ] || skip "slurmd wants root"
for program in slurmctld slurmd sbatch srun scontrol munged; do
  command -v $program >/dev/null || skip "no $program (tools/install-deps.sh slurm installs it)"
done
mkdir -p "$dir"/{state,spool,log,run}
dir=$(cd "$dir" && pwd)
chmod 755 "$dir"
(umask 077 && head -c 1024 /dev/urandom >"$dir/munge.key")
munged --key-file="$dir/munge.key" --socket="$dir/run/munge" --pid-file="$dir/run/munged.pid" --log-file="$dir/log/munged.log" \
  --seed-file="$dir/run/seed" || skip "munged does not start, see $dir/log/munged.log"
host=$(hostname -s)
port=$((20000 + $$ % 20000)) # several at once on one machine
# cred_expire: a job that is queued again starts after so many seconds (default 120).
cat >"$dir/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmctldPort=$port
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
TmpFS=$dir/tmp/%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
MpiDefault=none
ReturnToService=2
KillWait=20
OverTimeLimit=0
MinJobAge=300
InactiveLimit=0
MessageTimeout=30
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=4 RealMemory=8000 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=4 RealMemory=8000 State=UNKNOWN
NodeName=n3 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 3)) CPUs=4 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=n1,n2,n3 Default=YES MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=low Nodes=n1,n2,n3 MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
END
export SLURM_CONF=$dir/slurm.conf
failed() {
  echo "slurm.sh: Slurm did not come up ($1)" >&2
  tail -n 5 "$dir"/log/*.log >&2
  down
  exit 1
}
slurmctld -f "$SLURM_CONF" >"$dir/log/start" 2>&1 || failed slurmctld
for n in n1 n2 n3; do
  mkdir -p "$dir/spool/$n" "$dir/tmp/$n"
  slurmd -N $n -f "$SLURM_CONF" >>"$dir/log/start" 2>&1 || failed "slurmd of $n"
done
for _ in $(seq 100); do
  [ "$(sinfo -h -N -p main -o %T 2>/dev/null | grep -c '^idle$')" != 3 ] || exit 0
  sleep 0.2
done
failed "nodes are not idle"
