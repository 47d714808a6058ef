#!/bin/bash
# `viswords submit` and the jobs in `viswords status`, with stand-ins for Slurm's programs (a real one: make test-slurm).
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
study small.yaml 2 dog
sed -i 's/stages: .*/stages: [learn, evaluate, collect]/; /adam:/d' small.yaml
printf '%s\n' "site_program=$viswords" site_ranks_per_node=2 site_cores_per_rank=3 site_time=2:00:00 > site.sh
mkdir bin
# Numbers from 100 on; what was asked is kept. A second line in `refuse` is what it says instead.
cat > bin/sbatch << END
#!/bin/bash
if [ -e "$work/refuse" ] && [[ "\$*" == *collect* ]]; then echo "sbatch: error: \$(cat "$work/refuse")" >&2; exit 1; fi
echo "\$*" >> "$work/asked"
echo \$((99 + \$(wc -l < "$work/asked")))
END
printf '#!/bin/bash\ncat "%s/queue"\n' "$work" > bin/squeue
printf '#!/bin/bash\necho "$*" >> "%s/cancelled"\n' "$work" > bin/scancel
printf '#!/bin/bash\n' > bin/scontrol
chmod +x bin/*
export PATH=$work/bin:$PATH VISWORDS_SITE=$work/site.sh VISWORDS_SLURM=$source_dir/slurm
: > queue
try() { # CODE TEXT ARGUMENTS...: of viswords; both outputs are in out.txt
  local code=0
  "$viswords" "${@:3}" > out.txt 2>&1 < /dev/null || code=$?
  [ "$code" = "$1" ] || { cat out.txt >&2 && fail "exit code $code, expected $1: ${*:3}"; }
  grep -q -- "$2" out.txt || { cat out.txt >&2 && fail "nothing says '$2': ${*:3}"; }
}
run=(submit small.yaml -o out)

try 2 'o DIR is missing' submit small.yaml
try 2 'nothing.yaml' submit nothing.yaml -o out
try 2 'pass --yes to submit' "${run[@]}"
try 2 'choose --chain or --array' "${run[@]}" --chain --array 2
for n in 0 -1 x 2x; do try 2 "'$n': expected a number of parts" "${run[@]}" "--array=$n"; done
VISWORDS_SLURM=/nowhere try 2 'VISWORDS_SLURM is /nowhere, and no submit.sh is there' "${run[@]}"
VISWORDS_SITE=/nowhere/site.sh try 2 'no site file /nowhere/site.sh: copy one of' "${run[@]}"
[ ! -e out ] || fail "a refused submission made a folder"

try 0 'on 2 ranks x 3 cores .* core-hours; a start has 2:00:00 and is told to save 300 s before its end' "${run[@]}" --dry-run
grep -q '^  sbatch --parsable .*--signal=B:USR1@300 .*viswords.sbatch .*small.yaml .*/out run' out.txt || { cat out.txt >&2 && fail "--dry-run"; }
[ "$(grep -c '^  sbatch' out.txt)" = 1 ] || fail "--dry-run: one job"
try 0 'dependency=afterok:ID-OF-learn' "${run[@]}" --dry-run --chain
try 0 'array=1-3 ' "${run[@]}" --dry-run --array 3
# Every stage of the study, in the order in which they run; one that has no parts is one job.
sed 's/stages: .*/stages: [collect, tsne, probe, evaluate, learn]/' small.yaml > probed.yaml
stages() { sed -n 's/^  sbatch .*probed.yaml [^ ]* \([a-z]*\) $/\1/p' out.txt | paste -sd ' '; }
try 0 'dependency=afterok:ID-OF-tsne .* collect ' submit probed.yaml -o out --dry-run --chain
[ "$(stages)" = 'learn evaluate probe tsne collect' ] || { cat out.txt >&2 && fail "the chain's stages"; }
! grep -q -- --array out.txt || fail "an array in a chain"
try 0 'dependency=afterok:ID-OF-probe .* tsne ' submit probed.yaml -o out --dry-run --array 3
[ "$(stages)" = 'learn evaluate probe tsne collect' ] || { cat out.txt >&2 && fail "the array's stages"; }
[ "$(grep -e '--array=1-3 ' out.txt | grep -o 'array=1-3 .* \([a-z]*\) $' | sed 's/.* \([a-z]*\) $/\1/' | paste -sd ' ')" = 'learn evaluate probe' ] ||
  { cat out.txt >&2 && fail "the stages with parts"; }
[ ! -e out ] && [ ! -e asked ] || fail "--dry-run did something"

try 0 '^  100 run' "${run[@]}" --yes
[ "$(cat out/slurm-jobs.txt)" = '100 run' ] || fail "the list: $(cat out/slurm-jobs.txt)"
echo "100 PENDING" > queue
try 0 '/*out: submitted, nothing has begun' status out
grep -q 'Slurm job 100 (run): PENDING' out.txt || { cat out.txt >&2 && fail "status before the first job begins"; }
try 0 '"state": "PENDING"' status out --json
for state in PENDING RUNNING; do
  echo "100 $state" > queue
  try 2 "job 100 of it is $state; wait for it, or 'scancel 100' first" "${run[@]}" --yes
  try 2 "job 100 of it is $state" "${run[@]}" --dry-run
done
printf '#!/bin/bash\nexit 1\n' > bin/squeue
try 2 'squeue does not say whether they still run' "${run[@]}" --yes
printf '#!/bin/bash\ncat "%s/queue"\n' "$work" > bin/squeue
echo "100 COMPLETED" > queue
try 0 '^  102 evaluate' "${run[@]}" --yes --chain
[ "$(cut -d ' ' -f 2 out/slurm-jobs.txt | paste -sd ' ')" = 'run learn evaluate collect' ] || fail "the list: $(cat out/slurm-jobs.txt)"
grep -q 'dependency=afterok:102 .*collect' asked || fail "the chain: $(cat asked)"

# Refused in the middle: what was submitted before is taken back, and nothing is listed.
echo 'invalid account or partition' > refuse
cp out/slurm-jobs.txt kept
try 2 'sbatch refused: invalid account or partition; set site_partition' "${run[@]}" --yes --array 2
[ "$(tail -n 1 cancelled)" = '104 105' ] || fail "taken back: $(cat cancelled)"
cmp -s kept out/slurm-jobs.txt || fail "refused jobs are listed"
rm refuse

# status: jobs beside what is learned
"$viswords" learn small.yaml -o out --quiet --threads 1 --cache cache
printf '%s\n' '101 PENDING' '102 RUNNING' '102 PENDING' '102 RUNNING' '7 RUNNING' > queue
try 0 'Slurm job 100 (run): not queued any more' status out
grep -q 'Slurm job 101 (learn): PENDING$' out.txt && grep -q 'Slurm job 102 (evaluate): RUNNING, 3 tasks$' out.txt ||
  { cat out.txt >&2 && fail "states"; }
! grep -q ' 7 ' out.txt || fail "somebody else's job"
try 0 '"active_tasks": 3' status out --json
python3 -m json.tool < out.txt > json.txt || fail "status --json"
echo 'no job' >> out/slurm-jobs.txt
try 2 "slurm-jobs.txt: 'no job' is no job" status out
sed -i '$d' out/slurm-jobs.txt
: > queue
sed -i 's/anchors: .*/anchors: [dog, hammer]/' small.yaml # half of it is new
"$viswords" learn small.yaml -o out --quiet --threads 1 --cache cache --max-time 3600
try 0 '' status out
rm -f "$(find out/blocks -name '*.safetensors' | head -n 1)"
try 0 'left to learn: about .* of one rank' status out
"$viswords" run small.yaml -o out --quiet --threads 1 --cache cache > /dev/null
rm asked
try 0 'all of study small is done; nothing is submitted' "${run[@]}" --yes
[ ! -e asked ] || fail "what is done was submitted"
