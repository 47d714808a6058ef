#!/bin/bash
# `viswords status --watch` beside a running, a finished, a killed and a silent run; metrics.jsonl.
#   test_status.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
cd "$work"
study s.yaml 60 dog
sed -i 's/block: 4/block: 4, backend: cpu/; s/^stages: .*/stages: [learn]/' s.yaml
steps=60

# Beside a run of two ranks: each with its block and step, until the run has ended.
mkdir out
VISWORDS_SIGN_SECONDS=0.05 mpi 2 "$viswords" learn s.yaml -o out -q -t 1 --cache cache 2> out.log &
until [ -s out/log/ranks.jsonl ]; do sleep 0.05; done
"$viswords" status out --watch --every 0.1 > watch.txt || fail "watch: $(tail -n 5 watch.txt)"
wait $! || fail "run: $(cat out.log)"
for rank in 0 1; do
  grep -Eq "^ +$rank [^ ]+ +learn +[0-9a-f]{8,} +[0-9]+/$steps +[0-9.e+]+ " watch.txt || fail "rank $rank: $(cat watch.txt)"
done
grep -Eq 'run: running, learn [0-9]+ of 12 trials on 2 ranks, .* trial-steps/s, .* left, .* TFLOP left' watch.txt ||
  fail "summary: $(cat watch.txt)"
tail -n 1 watch.txt | grep -q 'run: finished .* ago, learn 12 of 12 trials on 2 ranks$' || fail "end: $(tail -n 3 watch.txt)"
grep -q $'\033' watch.txt && fail "no terminal, but drawn as on one"
"$viswords" status out --watch --json | python3 -c '
import json, sys
lines = [json.loads(line) for line in sys.stdin]
assert len(lines) == 1 and len(lines[0][0]["ranks"]) == 2 and lines[0][0]["life"] == "finished", lines' || fail "json"
[ "$(stat -c %s out/log/ranks.jsonl)" = $((3 * 640)) ] || fail "ranks.jsonl has grown"

# Killed: known on its own machine, silent on another, where the process cannot be asked for.
code=0
VISWORDS_FAULT=renamed:checkpoint:15=kill "$viswords" learn s.yaml -o killed "${options[@]}" 2> killed.log || code=$?
[ "$code" = 137 ] || fail "killed: exit code $code"
"$viswords" status killed > status.txt
has status.txt 'run: killed .* ago, learn 0 of 12 trials on 1 rank; the same command goes on'
if "$viswords" status killed --watch > watch.txt; then fail "a killed run is no success"; fi
sed -i "s/$(hostname)/elsewhere/" killed/.lock
touch -d '10 minutes ago' killed/.lock
VISWORDS_LOCK_LEASE=0.2 "$viswords" status killed --watch > watch.txt && fail "silent: no success"
has watch.txt 'run: silent .* ago, learn'
# On a terminal: drawn over itself, and a line longer than it is wide does not go on below.
python3 - "$viswords" killed << 'END' || fail "on a terminal"
import os, pty, re, sys
child, terminal = pty.fork()
if not child:
    os.execv(sys.argv[1], ["viswords", "status", sys.argv[2], "--watch", "--every", "0.1"])
shown = b""
try:
    while len(shown) < 100000 and shown.count(b"\x1b[H") < 2:
        shown += os.read(terminal, 4096) or sys.exit("it ended")
except OSError:  # its end
    pass
os.close(terminal)
os.waitpid(child, 0)
frame = re.match(rb"\x1b\[2J\x1b\[H\x1b\[\?7l.*\x1b\[J\x1b\[\?7h", shown, re.S)
sys.exit(0 if frame else f"{shown!r}")
END
rm killed/.lock

# Torn and damaged lines are ranks of which nothing is known; a damaged file is no reason not to say the rest.
printf x | dd of=killed/log/ranks.jsonl bs=1 seek=700 conv=notrunc status=none
"$viswords" status killed > status.txt
has status.txt 'run: killed'
printf x | dd of=killed/log/ranks.jsonl bs=1 seek=10 conv=notrunc status=none
"$viswords" status killed > status.txt
has status.txt 'checkpoint at step'
# The run that goes on tells of itself again. A line at the begin and the end of a stage, at least; what a killed writer
# left is a line of its own. A file that cannot be written any more is one warning, and the run goes on.
printf '{"time":"2' >> killed/metrics.jsonl
rm killed/log/ranks.jsonl
"$viswords" learn s.yaml -o killed -q -t 1 --cache cache 2> killed.log &
until [ -s killed/log/ranks.jsonl ]; do sleep 0.02; done
ln killed/log/ranks.jsonl other
wait $! || fail "deaf: $(cat killed.log)"
[ "$(grep -c 'will not see this rank' killed.log)" = 1 ] || fail "deaf: $(cat killed.log)"
same killed out
python3 - out/metrics.jsonl killed/metrics.jsonl << 'END' || fail "metrics: $(cat out/metrics.jsonl killed/metrics.jsonl)"
import json, sys
whole, resumed = ([line for line in open(name).read().splitlines()] for name in sys.argv[1:])
rows = [json.loads(line) for line in whole]
assert [r["event"] for r in rows if r["event"] != "running"] == ["begin", "end"], rows
end = rows[-1]
assert end["ranks"] == 2 and end["done"] == end["total"] == 12 and end["trial_steps"] == 12 * 60, end
assert end["cost_left"] == 0 < end["rank_rate_min"] <= end["rank_rate_mean"] <= end["rank_rate_max"], end
assert end["losses"] == 2 and 0 < end["loss_min"] <= end["loss_mean"] <= end["loss_max"], end
assert [line for line in resumed if not line.endswith("}")] == ['{"time":"2'], resumed
END
