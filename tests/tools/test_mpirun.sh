#!/bin/bash
# tools/mpirun.sh: exit codes through the launcher, whatever signal comes and whatever the launcher makes of it.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
mkdir tmp
export TMPDIR=$work/tmp # of the notes that it makes
wrapper=$source_dir/tools/mpirun.sh
study long.yaml 1000000 dog # hours

echo "no substitution of a command or a process while traps are set" # see the script; seen in 1 of 1,000 early signals
for script in "$wrapper" "$source_dir/slurm/viswords.sbatch"; do
  found=$(awk '{ sub(/#.*/, "") } /^ *trap / { trapped = !/trap \047\047 (INT|USR1)/ } trapped && /[$<>]\([^(]/' "$script")
  [ -z "$found" ] || fail "$script: $found"
done

cat > signals.py << 'END'
import os, pty, signal, subprocess, sys, time
wrapper, viswords, limit = sys.argv[1], sys.argv[2], float(sys.argv[3])
wrong = []

def command(name):
    return [wrapper, "-n", "2", viswords, "run", "long.yaml", "-o", name, "--quiet", "--threads", "1", "--cache", "cache"]

def fresh(ignored=()):  # whoever started this test may have had signals ignored
    for name in ("INT", "TERM", "HUP", "QUIT", "XCPU", "USR1", "USR2"):
        number = getattr(signal, "SIG" + name)
        signal.signal(number, signal.SIG_IGN if name in ignored else signal.SIG_DFL)

def start(name, ignored=(), wait=True):
    p = subprocess.Popen(command(name), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=open(name + ".err", "w"), preexec_fn=lambda: fresh(ignored))
    until = time.time() + limit
    while wait and not os.path.exists(name + "/.lock") and p.poll() is None and time.time() < until:
        time.sleep(0.02)
    return p

def expect(name, code, expected):
    text = open(name + ".err").read()
    if code != expected:
        wrong.append(f"{name}: exit code {code}, expected {expected}\n{text}")
    return text

for name in ("INT", "TERM", "HUP", "XCPU", "USR1", "USR2"):
    p = start(name)
    p.send_signal(getattr(signal, "SIG" + name))
    text = expect(name, p.wait(limit), 75)
    if f"mpirun.sh: {name}: the ranks are asked to save and stop" not in text or "all is saved in " + name not in text:
        wrong.append(f"{name} says:\n{text}")

p = start("nohup", ignored=("HUP", "INT"))  # as nohup and a shell's background job have it
for number in (signal.SIGHUP, signal.SIGINT):
    p.send_signal(number)
time.sleep(0.5)
if p.poll() is not None:
    wrong.append(f"a signal that was ignored ended the run with {p.returncode}\n" + open("nohup.err").read())
p.send_signal(signal.SIGTERM)
expect("nohup", p.wait(limit), 75)

def has_trap(p, number):  # before, a signal ends the shell itself, and nothing was begun
    for line in open(f"/proc/{p.pid}/status"):
        if line.startswith("SigCgt:"):
            return int(line.split()[1], 16) >> (number - 1) & 1

for k, delay in enumerate((0, 0.02, 0.08, 0.2)):  # before the launcher or its ranks listen
    p = start(f"early{k}", wait=False)
    until = time.time() + limit
    while not has_trap(p, signal.SIGTERM) and time.time() < until:
        time.sleep(0.001)
    time.sleep(delay)
    p.send_signal(signal.SIGTERM)
    expect(f"early{k}", p.wait(limit), 75)

pid, terminal = pty.fork()
if pid == 0:
    fresh()
    os.execvp(wrapper, command("terminal"))
until = time.time() + limit
while not os.path.exists("terminal/.lock") and time.time() < until:
    time.sleep(0.02)
os.write(terminal, b"\x03")  # Ctrl-C
shown = b""
try:
    while more := os.read(terminal, 4096):
        shown += more
except OSError:  # its last user is gone
    pass
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
if code != 75 or b"all is saved in terminal" not in shown:
    wrong.append(f"Ctrl-C: exit code {code}\n{shown.decode()}")

if subprocess.run("setpriv --pdeathsig TERM true", shell=True).returncode == 0:
    p = start("killed")
    p.kill()
    p.wait()
    until = time.time() + limit
    while subprocess.run(["pgrep", "-f", "--", "run long.yaml -o killed"], stdout=subprocess.DEVNULL).returncode == 0 and time.time() < until:
        time.sleep(0.1)
    if time.time() >= until:
        wrong.append("kill -9 of the script left its ranks running")
sys.exit("\n".join(wrong) or 0)
END
echo "signals"
python3 signals.py "$wrapper" "$viswords" "$most_seconds" || fail "signals, see above"
[ "$(find tmp -name 'viswords-exit.*' | wc -l)" -le 1 ] || fail "notes were left behind: $(ls tmp)" # the one of kill -9

# A launcher that runs one process and ends with $LAUNCHER_CODE, whatever became of it.
cat > launcher << 'END'
#!/bin/sh
[ "$1" != --version ] || { echo "a launcher"; exit 0; }
shift 2
code=0
"$@" || code=$?
exit "${LAUNCHER_CODE:-$code}"
END
chmod +x launcher
export MPIRUN=$work/launcher
gives() { # CODE LAUNCHER_CODE COMMAND...
  local code=0 expected=$1
  export LAUNCHER_CODE=$2
  "$wrapper" -n 2 "${@:3}" > out.txt 2> err.txt || code=$?
  [ "$code" = "$expected" ] || { cat err.txt >&2 && fail "exit code $code, expected $expected: ${*:2}"; }
}
echo "launchers that lose exit codes"
gives 0 0 "$viswords" --version
gives 2 0 "$viswords" status nowhere
gives 2 1 "$viswords" status nowhere
gives 1 1 "$viswords" --version                                         # another node's rank, say
# shellcheck disable=SC2016 # the program's own variables
{
  gives 1 0 sh -c 'echo begin >> "$VISWORDS_EXIT_NOTE"'                 # a rank that was killed
  gives 1 9 sh -c 'echo begin >> "$VISWORDS_EXIT_NOTE"'
  gives 137 137 sh -c 'echo begin >> "$VISWORDS_EXIT_NOTE"'
  gives 75 1 sh -c 'printf "begin\nbegin\nend 75\n" >> "$VISWORDS_EXIT_NOTE"' # the second one was killed by the launcher
  gives 1 75 sh -c 'printf "begin\nbegin\nend 75\nend 1\n" >> "$VISWORDS_EXIT_NOTE"'
}
gives 7 7 true # programs that leave no note

echo "a launcher that goes on after the watchdog's alarm, and no other"
cat > waits << 'END'
#!/bin/bash
# Ranks that leave such a note; then the launcher waits, deaf to TERM, until it is told to end.
[ "$1" != --version ] || { echo "a launcher"; exit 0; }
trap '' TERM
printf '%b' "$3" >> "$VISWORDS_EXIT_NOTE"
for ((i = 0; i < ${4:-600}; i++)); do sleep 0.1; done
exit 5
END
chmod +x waits
export MPIRUN=$work/waits VISWORDS_MPIRUN_GRACE=1
gives 75 '' 'begin\nbegin\nalarm\nend 75\n'
grep -q 'the watchdog has ended the job, and the launcher still waits: it is ended' err.txt || fail "nothing is said: $(cat err.txt)"
gives 75 '' 'begin\nend 75\n' 40 # stopped, and the launcher takes its time
! grep -q 'it is ended' err.txt || fail "a launcher was ended without an alarm"
gives 75 '' 'begin\nalarm\nend 75\nbegin\nend 0\n' 40 # somebody tried again
! grep -q 'it is ended' err.txt || fail "a launcher was ended though a program goes on"
export MPIRUN=$work/launcher
unset VISWORDS_MPIRUN_GRACE
LAUNCHER_CODE=
echo text | "$wrapper" -n 1 cat > out.txt
[ "$(cat out.txt)" = text ] || fail "standard input does not reach the program"

echo "standard output that takes nothing"
code=0
"$wrapper" -n 1 echo text > /dev/full 2> err.txt || code=$?
{ [ "$code" = 1 ] && grep -q 'mpirun.sh: standard output could not be written' err.txt; } || { cat err.txt >&2 && fail "/dev/full: $code"; }
code=0
"$wrapper" -n 1 echo text >&- 2> err.txt || code=$?
{ [ "$code" = 1 ] && grep -q 'mpirun.sh: standard output is closed' err.txt; } || { cat err.txt >&2 && fail "closed: $code"; }
"$wrapper" -n 1 echo text <&- > out.txt || fail "without standard input"
code=0
MPIRUN=none "$wrapper" -n 1 true 2> err.txt || code=$?
{ [ "$code" = 1 ] && grep -q "mpirun.sh: no 'none' on PATH" err.txt; } || { cat err.txt >&2 && fail "no launcher: $code"; }
