#!/usr/bin/env bash
# mpirun with what viswords needs on one machine: works as root, with more ranks than cores, and without binding a
# rank (and all its threads) to one core.   tools/mpirun.sh -n 2 PROGRAM ARGUMENTS...
# MPIRUN names another launcher; one that is not Open MPI's gets the arguments as they are.
#
# The exit code is the program's, with every launcher. INT (Ctrl-C), TERM, HUP, XCPU, USR1 and USR2 ask the ranks to save
# and stop: 75. A signal that was ignored at the start (nohup) stays ignored. QUIT (Ctrl-\) ends the ranks at once.
set -euo pipefail
say() { echo "mpirun.sh: $*" >&2 || true; } # a terminal that was closed must not end this script
pid=
repeater=
ender=
interrupted=0
asked=
# What comes before the launcher or its ranks listen is lost: said again until the launcher ends.
repeat() {
  local pause
  for pause in 2 2 4 8 15 30 60 60 60 60 60; do
    sleep "$pause"
    kill -USR1 "$1" 2>/dev/null || return
  done
}
# Ranks of viswords have a watchdog (--watchdog): one that raises an alarm ends the job and says so in the note. Where a
# node was cut off, Open MPI's launcher then waits for its own connection to it for minutes. It is ended (by signal 9: it is
# deaf to TERM then, or crashes) when it is still there VISWORDS_MPIRUN_GRACE seconds (20) after the alarm; without an
# alarm, or where something began after it, never.
alarmed() { # NOTE
  local what is=1
  while read -r what _; do
    case $what in alarm) is=0 ;; begin) is=1 ;; esac
  done <"$1"
  return $is
}
end_after_alarm() { # LAUNCHER NOTE
  local grace=${VISWORDS_MPIRUN_GRACE:-20}
  until alarmed "$2"; do
    sleep 2
    kill -0 "$1" 2>/dev/null || return
  done
  sleep "$grace"
  alarmed "$2" && kill -0 "$1" 2>/dev/null || return
  say "the watchdog has ended the job, and the launcher still waits: it is ended"
  kill -KILL -- "-$1" 2>/dev/null || return
}
stop_ranks() { # SIGNAL
  interrupted=1
  if [ -z "$asked" ]; then say "$1: the ranks are asked to save and stop${2:-}"; fi
  asked=$1
  [ -n "$pid" ] || return 0
  kill -USR1 "$pid" 2>/dev/null || true
  if [ -z "$repeater" ]; then
    set -m # with its `sleep` in a group that can be ended
    repeat "$pid" </dev/null >/dev/null 2>&1 3>&- 4<&- &
    repeater=$!
    disown "$repeater" # ended without a word
    set +m
  fi
}
# From here on no $(...), <(...) or >(...): bash 5.2 runs the trap of a signal that has come while it reads one, takes the
# trap for its inside, and ends with code 2 and "unexpected EOF". What programs print is read through pipes.
shopt -s lastpipe
trap 'stop_ranks INT " (Ctrl-\\ ends them at once)"' INT
for signal in TERM HUP XCPU USR1 USR2; do
  # shellcheck disable=SC2064 # the name of now
  trap "stop_ranks $signal" $signal
done
trap 'interrupted=1; [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null || true' QUIT

launcher=${MPIRUN:-mpirun}
command -v "$launcher" >/dev/null || { say "no '$launcher' on PATH; set MPIRUN or run tools/install-deps.sh"; exit 1; }
if ! { : 9>&1; } 2>/dev/null; then
  say "standard output is closed: send it to a file or to /dev/null"
  exit 1
fi
flags=()
version=
{ "$launcher" --version 2>/dev/null || true; } | IFS= read -r -d '' version || true # until the end: no NUL comes
case $version in
  *"Open MPI"* | *OpenRTE*)
    flags=(--oversubscribe --bind-to none)
    # Open MPI 5 finds no way from one IPv6 address of a machine to itself, and says so in every run.
    export OMPI_MCA_btl_tcp_disable_family=${OMPI_MCA_btl_tcp_disable_family:-6}
    if [ "$EUID" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
    ;;
esac
# Waiting threads sleep and waiting ranks yield: ranks x threads may exceed the free cores of a machine that others use too.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}

# Each process of viswords on this machine leaves "begin" and "end CODE" here: launchers lose exit codes.
note=
mktemp "${TMPDIR:-/tmp}/viswords-exit.XXXXXX" 2>/dev/null | read -r note || note=
trap '[ -z "$note" ] || rm -f "$note"' EXIT
export VISWORDS_EXIT_NOTE=$note

# A launcher drops output that a full disk refuses, and says nothing: `cat` notices, and goes on reading.
drain=
if [ -f /dev/stdout ] || { [ -c /dev/stdout ] && [ ! -t 1 ]; }; then
  exec 5>&1
  coproc output { trap '' INT TERM HUP QUIT XCPU USR1 USR2; cat >&5 || { cat >/dev/null; exit 9; }; }
  # shellcheck disable=SC2154 # set by coproc
  drain=$output_PID to_drain=${output[1]} from_drain=${output[0]}
  exec 3>&"$to_drain" 5>&- {to_drain}>&- {from_drain}<&-
else
  exec 3>&1
fi
if [ -t 0 ] || ! { : 9<&0; } 2>/dev/null; then # reading a terminal would stop it: it is in the background
  exec 4</dev/null
else
  exec 4<&0
fi

# A process group of its own: Ctrl-C on the terminal reaches this script alone. If this script is killed with signal 9,
# the launcher is ended by the system.
guard=()
if setpriv --pdeathsig TERM true 2>/dev/null; then guard=(setpriv --pdeathsig TERM); fi
[ -z "$asked" ] || exit 75 # nothing was begun
set -m
{
  trap '' TTOU # writes to its terminal from the background, whatever `stty tostop` says
  exec "${guard[@]}" "$launcher" "${flags[@]}" "$@"
} <&4 >&3 3>&- 4<&- &
pid=$!
exec 3>&- 4<&-
if [ -n "$note" ]; then # with its `sleep` in a group that can be ended
  end_after_alarm "$pid" "$note" </dev/null >/dev/null &
  ender=$!
  disown "$ender"
fi
set +m
[ -z "$asked" ] || stop_ranks "$asked" # came while it was started
# A signal ends `wait`, not the launcher: waits again. 127: the wait before had its exit code already.
status=0
while :; do
  interrupted=0 code=0
  wait "$pid" 2>/dev/null || code=$?
  if [ $interrupted = 1 ] && [ $code = 127 ]; then break; fi
  status=$code
  [ $interrupted = 1 ] || break
done
trap '' INT TERM HUP XCPU USR1 USR2
[ -z "$repeater" ] || kill -KILL -- "-$repeater" 2>/dev/null || true
[ -z "$ender" ] || kill -KILL -- "-$ender" 2>/dev/null || true

# What the program said of its end is right where the launcher differs: MPICH's returns 0 for a failed job now and then.
begun=0
ended=0
worst=0
alarm=0
if [ -n "$note" ]; then
  while read -r what code; do
    case $what in
      begin) begun=$((begun + 1)) ;;
      alarm) alarm=1 ;;
      end)
        ended=$((ended + 1))
        if [ "$code" != 0 ] && { [ "$worst" = 0 ] || [ "$worst" = 75 ]; }; then worst=$code; fi
        ;;
    esac
  done <"$note"
fi
launched=$status
kill -l USR1 | read -r usr1
if [ -n "$asked" ] && { [ $status = $((128 + usr1)) ] || [ $status = "$usr1" ]; }; then
  status=75 # asked before the launcher or a rank listened: nothing was begun
elif [ "$worst" != 0 ]; then
  status=$worst # ranks have agreed on it; a launcher may kill the others when the first one ends
elif [ $begun -gt $ended ] && [ $status -le 128 ]; then
  status=1 # a rank was killed; 129 and more: 128 + the signal, from a launcher that says so
fi
# The ssh of a launcher that was ended, to a node that is gone, keeps it open.
if [ -n "$drain" ] && { [ $alarm = 0 ] || [ $launched != 137 ]; }; then
  code=0
  wait "$drain" 2>/dev/null || code=$?
  if [ $code = 9 ]; then
    say "standard output could not be written: what was printed is not complete"
    [ "$status" != 0 ] || status=1
  fi
fi
exit "$status"
