#!/bin/bash
# A node is cut off from the network: two network namespaces stand for two nodes, and the link of one goes down. The other's
# rank names the rank and its host and ends; so does the one that was cut off. Open MPI's mpirun itself only notices when
# its own connection times out, minutes later: tools/mpirun.sh ends it.   test_cut_off.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
[ "$mpi_kind" = openmpi ] && [ "$(id -u)" = 0 ] && command -v ip > /dev/null && ip netns add "vw-a-$$" 2> /dev/null ||
  { echo "skipped: needs Open MPI and a user who may make network namespaces" && exit 77; }
a=vw-a-$$ b=vw-b-$$
clean() {
  for space in "$a" "$b"; do
    ip netns pids "$space" 2> /dev/null | xargs -r kill -9 2> /dev/null || true
    ip netns del "$space" 2> /dev/null || true
  done
  rm -rf "$work"
}
trap clean EXIT
ip netns add "$b"
ip link add vwa netns "$a" type veth peer name vwb netns "$b" 2> "$work/message" || { echo "skipped: $(cat "$work/message")" && exit 77; }
ip -n "$a" addr add 10.99.7.1/24 dev vwa
ip -n "$b" addr add 10.99.7.2/24 dev vwb
for space in "$a" "$b"; do ip -n "$space" link set lo up; done
ip -n "$a" link set vwa up
ip -n "$b" link set vwb up
study "$work/study.yaml" 4000 dog
cat > "$work/agent" << END_OF_AGENT
#!/bin/bash
shift
exec ip netns exec $b unshare -u bash -c "hostname vw-node-b; \$*"
END_OF_AGENT
chmod +x "$work/agent"
printf '10.99.7.1 slots=1\n10.99.7.2 slots=1\n' > "$work/hosts"
net=10.99.7.0/24
export VISWORDS_MPIRUN_GRACE=2
command=("$source_dir/tools/mpirun.sh" --mca plm_rsh_agent "$work/agent" --hostfile "$work/hosts" --mca btl 'tcp,self' --mca osc ^sm
  --mca btl_tcp_if_include $net --mca oob_tcp_if_include $net -n 2 "$viswords" run "$work/study.yaml" -o "$work/run"
  --threads 1 --cache "$work/cache" --checkpoint-seconds 0.1 --quiet --watchdog 2)
ip netns exec "$a" unshare -u bash -c 'hostname vw-node-a; exec "$@"' _ "${command[@]}" > /dev/null 2> "$work/log" &
launcher=$!
until [ "$(find "$work/run" -name '*.checkpoint.*' 2> /dev/null | wc -l)" -ge 2 ]; do
  kill -0 $launcher 2> /dev/null || fail "ended: $(cat "$work/log")"
  sleep 0.05
done
ip -n "$b" link set vwb down
for ((i = 0; i < 300; i++)); do
  find /proc -maxdepth 2 -name exe -lname "$viswords" 2> /dev/null > "$work/left" || true
  for exe in $(cat "$work/left"); do # a rank of this study
    ! grep -qsF "$work/run" "${exe%exe}cmdline" || { sleep 0.1 && continue 2; }
  done
  break
done
[ "$i" -lt 300 ] || fail "a rank goes on: $(cat "$work/log")"
for ((i = 0; i < 300; i++)); do
  kill -0 $launcher 2> /dev/null || break
  sleep 0.1
done
[ "$i" -lt 300 ] || fail "mpirun goes on: $(cat "$work/log")"
code=0
wait $launcher || code=$?
[ $code = 75 ] || fail "exit code $code, expected 75: $(cat "$work/log")"
grep -q '^mpirun.sh: the watchdog has ended the job, and the launcher still waits: it is ended' "$work/log" || fail "mpirun ended by itself: $(cat "$work/log")"
grep -q "^viswords: rank 1 on vw-node-b has given no sign of life for .*: stage learn, block .*: the job ends (--watchdog); \
finished blocks and checkpoints are kept in $work/run" "$work/log" || fail "not told: $(cat "$work/log")"
