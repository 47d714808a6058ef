#!/bin/bash
# The scripts of slurm/ and `viswords submit` against a real Slurm on this machine: check.sh SOURCE BUILD   (make test-slurm)
# Most cases run at the same time. Ends with 77 and one line where Slurm cannot run.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
chmod 755 "$work" # of Slurm's socket
code=0
"$source_dir/tests/slurm/slurm.sh" up "$work/slurm" || code=$?
[ "$code" = 0 ] || exit "$code"
export SLURM_CONF=$work/slurm/slurm.conf
finish() {
  code=$?
  scancel --user="$(id -un)" 2> /dev/null || true
  sleep 1
  "$source_dir/tests/slurm/slurm.sh" down "$work/slurm"
  if [ -n "${KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap finish EXIT
export VISWORDS_UNTIMED=1 OMP_NUM_THREADS=1
# The pretended nodes are one machine: their ranks must not take each other's memory for shared.
export OMPI_MCA_btl=tcp,self OMPI_MCA_osc=^sm
patience=240 # seconds that something may take on a busy machine
failed=0
wrong() {
  echo "FAILED: $*" >&2
  failed=1
}
logs() { cat "$1"/log/slurm-*.out 2> /dev/null || true; }
wait_for() { # WHAT COMMAND...: until it succeeds
  local until=$((SECONDS + patience))
  while ! "${@:2}" > /dev/null 2>&1; do
    [ $SECONDS -lt $until ] || { squeue >&2; fail "waited $patience s for: $1"; }
    sleep 0.3
  done
}
says() { logs "$1" | grep -q "$2"; }                         # DIR TEXT
expect() { says "$1" "$2" || { logs "$1" >&2; wrong "$1: no log says: $2"; }; }
state() { squeue -h -j "$1" -o %T 2> /dev/null | head -n 1; } # JOB
is() { [ "$(state "$1")" = "$2" ]; }
active() { [ -n "$(squeue -h -j "$1" -t PENDING,RUNNING,COMPLETING,CONFIGURING -o %i 2> /dev/null)" ]; }
over() { ! active "$1"; }
job_of() { awk -v n="${2:-1}" 'NR == n { print $1 }' "$1/slurm-jobs.txt"; } # DIR [N]
make_site() { # NAME [LINE...]: the site file NAME.sh; later lines win
  printf '%s\n' "site_program=$viswords" site_nodes=1 site_ranks_per_node=2 site_time=10 site_signal=60 "${@:2}" > "$work/$1.sh"
}
submit() { "$viswords" submit "$@" --yes < /dev/null; }
study endless.yaml 1000000 dog
study small.yaml 40 dog
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/' endless.yaml
sed -i 's/stages: .*/stages: [learn, evaluate, probe, tsne, collect]/' small.yaml # tsne has no parts

make_site plain
make_site short site_time=1 site_signal=45
make_site saving 'site_options=(--checkpoint-seconds 1)'
make_site low site_partition=low 'site_options=(--checkpoint-seconds 1)'
make_site two site_nodes=2 site_ranks_per_node=1 site_mpi=mpirun
export VISWORDS_SITE=$work/plain.sh

echo "what is wrong is said in one line"
refused() { # TEXT COMMAND...: exit code 2 and one line
  local code=0
  "${@:2}" > out.txt 2> err.txt < /dev/null || code=$?
  sed -i '/ level=info /d' err.txt # which pictures are used
  { [ "$code" = 2 ] && grep -q "$1" err.txt && [ "$(wc -l < err.txt)" = 1 ]; } ||
    { cat err.txt >&2; wrong "exit code $code, expected 2 and one line with '$1': ${*:2}"; }
}
make_site broken 'site_setup() {'
make_site unknown site_partiton=gpu
make_site number site_nodes=two
make_site nowhere site_program=/nowhere/viswords
make_site partition site_partition=nowhere
refused 'none.sh: No such file' "$viswords" submit small.yaml -o x --yes --site none.sh
refused 'broken.sh is no bash: ' "$viswords" submit small.yaml -o x --yes --site broken.sh
refused 'unknown.sh sets site_partiton, which nothing reads' "$viswords" submit small.yaml -o x --yes --site unknown.sh
refused "number.sh: site_nodes is 'two'" "$viswords" submit small.yaml -o x --yes --site number.sh
refused 'no such program is on' "$viswords" submit small.yaml -o x --yes --site nowhere.sh
refused 'invalid partition specified.*; set site_partition in' "$viswords" submit small.yaml -o x --yes --site partition.sh
[ ! -s x/slurm-jobs.txt ] || wrong "a refused job is in the list"
refused 'pass --yes' "$viswords" submit small.yaml -o x
refused 'choose --chain or --array' "$viswords" submit small.yaml -o x --chain --array 2
refused "'2x': expected a number of parts" "$viswords" submit small.yaml -o x --array 2x
mkdir bin
for program in bash dirname hostname compgen head grep sed tr cat paste tail; do
  [ ! -x "/usr/bin/$program" ] || ln -s "/usr/bin/$program" bin/
done
refused 'no sbatch here' env PATH="$work/bin" "$viswords" submit small.yaml -o x --yes
"$viswords" submit small.yaml -o dry --dry-run --chain > out.txt
[ "$(grep -c '^  sbatch .*viswords.sbatch' out.txt)" = 5 ] && grep -q -- '--dependency=afterok:' out.txt || { cat out.txt >&2 && wrong "--dry-run"; }
grep -q 'core-hours' out.txt && grep -q 'memory  [1-9]' out.txt && grep -q 'disk' out.txt || wrong "--dry-run tells no cost"
[ ! -e dry ] || wrong "--dry-run made a folder"
code=0
srun -n 2 --mpi=none "$viswords" run small.yaml -o x > out.txt 2>&1 || code=$?
{ [ "$code" = 2 ] && grep -q "srun started processes without a PMI: .*'srun --mpi=pmix'" out.txt; } || { cat out.txt >&2 && wrong "srun without PMI: $code"; }

echo "the undisturbed run"
mpi 2 "$viswords" run small.yaml -o whole --quiet --threads 1 > /dev/null || fail "the undisturbed run"

echo "docs/cluster.md, line by line"
# The lines of its blocks number FROM to TO.
block() { awk -v from="$1" -v to="$2" '/^```sh$/ { n++; on = n >= from && n <= to; next } /^```$/ { on = 0 } on' "$source_dir/docs/cluster.md"; }
[ "$(grep -c '^```sh$' "$source_dir/docs/cluster.md")" = 6 ] || fail "docs/cluster.md has other blocks than this script knows"
module() { :; } # names of a site
export -f module
{
  echo "set -euo pipefail; unset VISWORDS_SITE; VISWORDS_URL=$source_dir"
  echo "make() { mkdir -p build/release && cp $viswords build/release/; }" # it is built
  block 1 5 | sed 's#--size L/14#--size B/32#'
} > cluster.sh
bash cluster.sh > cluster.txt 2>&1 || { cat cluster.txt >&2 && fail "docs/cluster.md"; }
grep -q 'Slurm job [0-9]* (run): ' cluster.txt || { cat cluster.txt >&2 && wrong "docs/cluster.md: status shows no job"; }

echo "jobs"
submit endless.yaml -o limit --site short.sh > /dev/null  # time limit: signal, saved, queued again
refused "limit: job $(job_of limit) of it is " "$viswords" submit endless.yaml -o limit --yes
submit small.yaml -o plain > /dev/null
submit small.yaml -o chain --chain > /dev/null
submit small.yaml -o array --array 2 > /dev/null
submit small.yaml -o two --site two.sh > /dev/null
submit endless.yaml -o cancelled --site saving.sh > /dev/null
[ "$(wc -l < chain/slurm-jobs.txt) $(wc -l < array/slurm-jobs.txt)" = "5 5" ] || wrong "a chain and an array have a job a stage"

measured=$(VISWORDS_SLURM=$source_dir/slurm sbatch --parsable --ntasks=2 --output="$work/bench.out" "$source_dir/slurm/bench.sbatch" small.yaml bench --seconds 0.2)

has_checkpoint() { [ -n "$(find "$1/blocks" -name '*.checkpoint.?' 2> /dev/null | head -n 1)" ]; }
wait_for "a checkpoint of cancelled" has_checkpoint cancelled
"$viswords" status cancelled > out.txt
grep -q "Slurm job $(job_of cancelled) (run): RUNNING" out.txt || { cat out.txt >&2 && wrong "status does not show the job"; }
scancel "$(job_of cancelled)"
wait_for "the cancelled job's end" over "$(job_of cancelled)"
expect cancelled 'all is saved; the job is [A-Z]* and is not queued again'
"$viswords" status cancelled --json > out.txt
grep -q '"active_tasks": 0' out.txt || wrong "status --json: the cancelled job is said to be active"
submit endless.yaml -o cancelled --site saving.sh > /dev/null || wrong "a cancelled study can be submitted again"
wait_for "the cancelled study to go on" says cancelled 'goes on from its checkpoint at step [1-9]'
scancel "$(job_of cancelled 2)"

wait_for "bench.sbatch to end" over "$measured"
{ grep -q '"strong_efficiency"' bench/study.json && grep -q '"ranks": 2' bench/queue.json; } || { cat bench.out >&2 && wrong "bench.sbatch"; }

for dir in plain chain array two; do
  wait_for "$dir to be done" test -s $dir/MANIFEST.json
  wait_for "$dir to end" over "$(tail -n 1 $dir/slurm-jobs.txt | cut -d ' ' -f 1)"
  "$viswords" diff whole $dir > out.txt || { cat out.txt >&2 && logs $dir >&2 && wrong "$dir differs from the undisturbed run"; }
done
expect plain 'run ended with exit code 0'
expect chain 'collect ended with exit code 0'
[ "$(cut -d ' ' -f 2 array/slurm-jobs.txt | paste -sd ' ')" = 'array-learn array-evaluate array-probe tsne collect' ] || wrong "$(cat array/slurm-jobs.txt)"
[ "$(find array/log -name 'slurm-*-[12].out' | wc -l)" = 6 ] || wrong "the array's logs: $(ls array/log)"
expect two 'on n\[[1-3],*-*[1-3]\]: run'
submit small.yaml -o plain > out.txt || wrong "submitting what is done"
grep -q 'all of study small is done; nothing is submitted' out.txt || { cat out.txt >&2 && wrong "what is done was submitted again"; }

echo "a time limit, preemption, a lost node"
wait_for "limit to be queued again" says limit "job $(job_of limit) is queued again"
submit endless.yaml -o preempted --site low.sh > /dev/null
submit endless.yaml -o node --site saving.sh > /dev/null
wait_for "limit to go on" says limit 'goes on from its checkpoint at step [1-9]'
expect limit 'USR1: the ranks are asked to save and stop'
[ "$(wc -l < limit/slurm-jobs.txt)" = 1 ] || wrong "a job that was queued again is another job"
scancel "$(job_of limit)"

wait_for "a checkpoint of node" has_checkpoint node
name=$(squeue -h -j "$(job_of node)" -o %N)
scontrol update nodename="$name" state=down reason=test
wait_for "the lost node's job to start again" says node 'start 2 on'
! says node 'ended with exit code 0' || wrong "a lost node is said to be a success"
scontrol update nodename="$name" state=resume 2> /dev/null || true # it may be back by itself
wait_for "the lost node's job to go on" says node 'goes on from its checkpoint at step [1-9]'
scancel "$(job_of node)"

wait_for "a checkpoint of preempted" has_checkpoint preempted
urgent=$(sbatch --parsable --nodes=3 --exclusive --time=5 --output=/dev/null --wrap 'sleep 4')
wait_for "the urgent job to run" over "$urgent"
wait_for "the preempted job to go on" says preempted 'goes on from its checkpoint at step [1-9]'
expect preempted 'the ranks are asked to save and stop'
scancel "$(job_of preempted)"

echo "what stands in a job's way"
# A program that only counts its starts and says 75, three times or until $work/enough is there.
cat > counter << END
#!/bin/sh
echo start >> "$work/starts"
[ "\$(wc -l < "$work/starts")" -lt "\$(cat "$work/enough")" ] || exit 0
[ ! -e "$work/saves" ] || { mkdir -p "\$4/blocks" && date +%N > "\$4/blocks/x\$\$"; }
exit 75
END
chmod +x counter
make_site stub "site_program=$work/counter" site_ranks_per_node=1
echo 99 > enough
run_script() { # DIR [sbatch options...]: a job of the stub, without viswords submit
  mkdir -p "$1/log"
  VISWORDS_SLURM=$source_dir/slurm VISWORDS_SITE=$work/$1.sh sbatch --parsable --nodes=1 --output="$work/$1.out" --time=5 "${@:2}" \
    "$source_dir/slurm/viswords.sbatch" "$work/small.yaml" "$work/$1"
}
job_says() { grep -q "$2" "$work/$1.out" || { cat "$work/$1.out" >&2; wrong "$1: no log says: $2"; }; }
stalled=$(run_script stub)
make_site nompi site_mpi=nosuch
nompi=$(run_script nompi)
cp plain.sh away.sh
away=$(VISWORDS_SUBMITTED=1 VISWORDS_SLURM=$source_dir/slurm sbatch --parsable --output="$work/away.out" "$source_dir/slurm/viswords.sbatch" \
  "$work/small.yaml" /nowhere/out)
wait_for "the stalled job's end" over "$stalled"
job_says stub 'stopped 3 times before anything new was saved: give more time'
[ "$(wc -l < starts)" = 3 ] || wrong "the stalled job was started $(wc -l < starts) times"
wait_for "nompi" over "$nompi"
job_says nompi "srun has no --mpi=nosuch (it has: .*pmix.*): set site_mpi"
wait_for "away" over "$away"
job_says away '/nowhere/out is not there on .*: choose an output directory on a file system that all nodes see'
# Without scontrol on the node it submits itself again.
mkdir all
for program in /usr/bin/*; do ln -s "$program" all/; done
rm -f all/scontrol starts
touch saves
echo 2 > enough
make_site alone "site_program=$work/counter" site_ranks_per_node=1 "site_setup() { PATH=$work/all; }"
alone=$(run_script alone)
wait_for "the job without scontrol" over "$alone"
job_says alone 'queued again as job [0-9]'
wait_for "its second start" sh -c "[ \$(wc -l < $work/starts) = 2 ]"

wait_for "the study of docs/cluster.md" over "$(job_of viswords/out/hundred)"
{
  echo "set -euo pipefail; cd viswords"
  block 6 6
} > cluster.sh
bash cluster.sh > cluster.txt 2>&1 || { cat cluster.txt >&2 && logs viswords/out/hundred >&2 && wrong "docs/cluster.md: results"; }
grep -q '100 of 100 trials learned (100 %), 100 judged' cluster.txt || { cat cluster.txt >&2 && wrong "docs/cluster.md: the study is not done"; }

[ $failed = 0 ] || exit 1
echo "slurm: all is well"
