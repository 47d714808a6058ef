"""What `make soak` does (docs/soak.md): small studies are disturbed again and again, and every round ends with the bits
of an undisturbed run.

A reference run of each study tells its fault points (src/core/fault.h, action `tell`) with their stages. A round is an
empty folder, disturbed runs, and one to the end. A disturbed run is killed at one of three: a fault point of a stage that
is drawn first, so that short stages are hit as often as long ones; a little after some fault point was passed; any time.
Rounds are numbered, and what a round draws depends on the seed and its number alone.
"""
import argparse
import collections
import fcntl
import hashlib
import json
import os
import pathlib
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import threading
import time

TOLD = re.compile(r"fault point: stage=(\S*) state=(\S+) kind=(\S+) path=(.*)")
STAGES = "start learn evaluate transfer truncation probe tsne collect figures report".split()
FILE_STATES = "writing written fsynced renamed".split()
ACTIONS = "kill kill kill kill torn term usr1 enospc eio edquot erofs".split()
ENDS = {"kill": {137}, "torn": {137}, "term": {75}, "usr1": {75}}  # the others: 1; and 0 where it came too late
MADE_EACH_RUN = {"lock", "manifest", "study", "table", "figure", "report"}
OTHERS = "Other states: "
LONGEST = 300  # seconds: what takes so long hangs
Point = collections.namedtuple("Point", "stage state kind path")


class Wrong(Exception):
    pass


def contents(path):
    """The hash of a safetensors file without what may differ: the seconds it took, the checksum over them."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    head = re.sub(rb'"(seconds|xxh128)":"[^"]*"', b"", data[8 : 8 + size]).rstrip(b" ")
    return hashlib.sha256(head + data[8 + size :]).hexdigest()


def results(folder):
    """{name of a finished file: its contents}; block files and features of a run."""
    return {p.name: contents(p) for p in sorted(folder.rglob("*.safetensors"))}


def others(folder):
    """What words drew, tables, figures, the plan: whole files that have the same bytes every time."""
    kept = [p for p in folder.rglob("*") if p.suffix in (".csv", ".svg", ".pdf", ".png") or p.name == "plan.yaml"]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(kept)}


def differences(a, b):
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))[:5]


class Run:
    """One process (or mpirun with its ranks) on a folder; what it told on the way."""

    def __init__(self, soak, study, folder, cache, ranks=1, fault=None):
        self.folder, self.ranks, self.points, self.text = str(folder), ranks, [], b""
        base = [soak.viswords, "run", str(study), "-o", self.folder, "--cache", str(cache)]
        command = base + "--quiet --threads 1 --checkpoint-seconds 0 --log info".split()
        self.command = (soak.launch + ["-n", str(ranks)] if ranks > 1 else []) + command
        # what is told first is told also where the other one kills
        env = dict(os.environ, VISWORDS_FAULT="any:any:0=tell" + ("," + fault if fault else ""))
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            self.command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def read(self, until):
        """Reads what it tells until this time or its end; True: it has ended."""
        pipe = self.process.stderr.fileno()
        while (left := until - time.monotonic()) > 0:
            if not select.select([pipe], [], [], left)[0]:
                return False
            more = os.read(pipe, 65536)
            if not more:
                return True
            *lines, self.rest = (getattr(self, "rest", b"") + more).split(b"\n")
            for line in lines:
                told = TOLD.search(line.decode(errors="replace"))
                if told:
                    self.points.append(Point(told[1] or "start", *told.groups()[1:]))
                else:
                    self.text += line + b"\n"
            if self.wants and len(self.points) >= self.wants:
                return False
        return False

    wants = 0  # fault points after which `read` returns

    def kill(self, draw):
        """Kills the process; with mpirun it or one of its ranks."""
        pid = self.process.pid
        if self.ranks > 1:
            try:
                ranks = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                pid = draw.choice([pid, *map(int, ranks), *map(int, ranks)])
            except OSError:
                pass
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def end(self):
        """Waits for the end: (exit code, seconds of CPU)."""
        self.wants = 0
        if not self.read(self.begun + LONGEST):
            self.process.kill()
            raise Wrong(f"does not end in {LONGEST} s; last point {self.points[-1:]}")
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.stderr.close()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.wait_for_ranks()
        code = self.process.returncode
        return (128 - code if code < 0 else code), used.ru_utime + used.ru_stime

    def wait_for_ranks(self):
        """mpirun's ranks outlive it for a moment."""
        until = time.monotonic() + 60
        while self.ranks > 1 and (left := [p for p in os.listdir("/proc") if p.isdigit() and self.is_ours(p)]):
            if time.monotonic() > until:
                raise Wrong(f"ranks stay: {left}")
            time.sleep(0.02)

    def is_ours(self, pid):
        try:
            return self.folder.encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False


class Study:
    """A study, its undisturbed run and the fault points of that."""

    def __init__(self, soak, path):
        self.path, self.name, self.whole = path, path.stem, soak.work / f"whole-{path.stem}"
        cache = soak.work / f"cache-{self.name}"
        run = Run(soak, path, self.whole, cache)
        code, self.cpu = run.end()
        if code:
            raise Wrong(f"{self.name}: undisturbed: exit code {code}: {run.text.decode()}")
        self.took = time.monotonic() - run.begun
        self.results, self.others = results(self.whole), others(self.whole)
        self.features = {p.name: contents(p) for p in sorted(cache.rglob("*.safetensors"))}
        self.points = [p._replace(path=self.made(p.path, self.whole, cache)) for p in run.points]

    @staticmethod
    def made(path, folder, cache):
        """What a point's path will be called, from its folder on; a block's id stays what it is."""
        path = re.sub(r"\.partial-\d+$", "", path)
        for root, mark in ((folder, "out"), (cache, "cache")):
            if path.startswith(f"{root}/"):
                return f"{mark}/{path[len(str(root)) + 1:]}"
        return path

    def left(self, folder, cache):
        """The fault points that a run in this folder comes to, nearly: those of files that are not there."""
        there = {p.name for p in folder.rglob("*.safetensors")}
        roots = {"out": folder, "cache": cache}

        def is_left(point):
            if point.kind in MADE_EACH_RUN or point.state in ("gathering", "looking", "drawing", "telling"):
                return True
            if point.kind == "checkpoint" or point.state in ("taking", "checkpointing"):
                return re.sub(r"\.checkpoint\..*", "", os.path.basename(point.path)) + ".safetensors" not in there
            mark, _, rest = point.path.partition("/")
            return mark not in roots or not (roots[mark] / rest).exists()

        return [p for p in self.points if is_left(p)]


class Round:
    """What is drawn and done in one round."""

    def __init__(self, soak, study, number, lane):
        self.soak, self.study, self.number = soak, study, number
        self.draw = random.Random(f"{soak.seed} {number}")
        self.folder, self.cache = soak.work / f"lane-{lane}", soak.work / f"lane-{lane}-cache-{study.name}"
        self.is_torn, self.what = False, ""

    def go(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.draw.random() < 0.25:
            shutil.rmtree(self.cache, ignore_errors=True)
        for _ in range(self.draw.randint(1, 16)):
            if self.disturbed() == 0:
                break  # nothing is left to disturb
        run = Run(self.soak, self.study.path, self.folder, self.cache)
        code, cpu = run.end()
        self.soak.spent(self.study, cpu)
        if code:
            raise Wrong(f"{self.place()}: going on ended with {code}: {run.text.decode()}")
        self.compare()

    def place(self):
        return f"{self.study.name}, round {self.number}: after {self.what or 'nothing'}"

    def choose_point(self, left):
        """A stage, half of the time rather an early one, then one of its points: the point's place among those left."""
        stages = sorted({p.stage for p in left}, key=STAGES.index)
        places = [self.draw.randrange(len(stages)) for _ in range(self.draw.randint(1, 2))]
        stage = stages[min(places)]
        return self.draw.choice([i for i, p in enumerate(left) if p.stage == stage])

    def named_fault(self, left, ranks):
        at = self.choose_point(left)
        p = left[at]
        before = sum(q.state == p.state and p.kind in ("any", q.kind) for q in left[:at])
        action = self.draw.choice(ACTIONS)
        # a torn plan is refused, and said so in test_faults.sh; where there is no file there is nothing to tear
        if action == "torn" and (p.state not in FILE_STATES or (p.kind, p.state) == ("plan", "renamed")):
            action = "kill"
        return f"{p.state}:{p.kind}:{before // ranks + 1}={action}", action

    def disturbed(self):
        draw = self.draw
        ranks = draw.randint(2, 3) if draw.random() < self.soak.mpi_share else 1
        left, way = self.study.left(self.folder, self.cache), draw.choices(("named", "passed", "time"), (5, 4, 1))[0]
        fault, action = self.named_fault(left, ranks) if way == "named" else (None, "kill")
        wants = self.choose_point(left) if way == "passed" else 0
        seconds = self.study.took * draw.random()
        delay = draw.random() * (seconds if way == "time" else 0.05 if wants else 0.2)
        run = Run(self.soak, self.study.path, self.folder, self.cache, ranks, fault)
        self.what = f"{ranks} ranks, " + (f"fault {fault}" if fault else f"killed {delay:.3f} s after point {wants}")
        if way != "named":
            run.wants = wants
            has_ended = wants > 0 and run.read(run.begun + LONGEST)
            run.wants = 0
            if not has_ended and not run.read(time.monotonic() + delay):
                run.kill(draw)
        code, cpu = run.end()
        self.soak.spent(self.study, cpu)
        ends = {1} if fault and fault.startswith("reading:") else ENDS.get(action, {1})  # its child alone is hit
        if code not in ends | {0}:
            raise Wrong(f"{self.place()}: exit code {code}: {run.text.decode()}")
        self.is_torn |= bool(fault) and fault.startswith("renamed:") and action == "torn"
        self.look()
        self.soak.count(self.study, code, run.points, fault, action, ranks)
        return code

    def look(self):
        """`viswords status` reads what is left, and what is finished is right (unless a disk lied: torn)."""
        if not self.folder.exists():
            return
        if (self.folder / "plan.yaml").exists():
            status = subprocess.run([self.soak.viswords, "status", self.folder], capture_output=True)
            if status.returncode:
                raise Wrong(f"{self.place()}: status: {status.stderr.decode()}")
        if self.is_torn:
            return
        for name, hash in results(self.folder).items():
            # what was judged of one picture goes into the file of all of them and is then gone
            if not re.search(r"-picture-\d+\.safetensors$", name) and self.study.results.get(name) != hash:
                raise Wrong(f"{self.place()}: finished file {name} differs from the undisturbed run's")

    def compare(self):
        study = self.study
        for what, whole, now in (
            ("block files", study.results, results(self.folder)),
            ("tables, figures or pictures", study.others, others(self.folder)),
            ("what is cached", study.features, {p.name: contents(p) for p in self.cache.rglob("*.safetensors")}),
        ):
            wrong = differences(whole, now)
            # a torn file of the cache is made again by the run that reads it, which may be the next round's
            if wrong and not (self.is_torn and what == "what is cached"):
                raise Wrong(f"{self.place()}: {what} differ: {wrong}")
        diff = subprocess.run([self.soak.viswords, "diff", study.whole, self.folder], capture_output=True)
        if diff.returncode:
            raise Wrong(f"{self.place()}: study.h5: {diff.stdout.decode()[:500]} {diff.stderr.decode()}")
        left = [p.name for p in self.folder.rglob("*") if re.search(r"\.partial|\.deleted$|^\.lock|\.checkpoint\.", p.name)]
        if left:
            raise Wrong(f"{self.place()}: files are left behind: {left[:5]}")


class Soak:
    def __init__(self, args):
        self.viswords, self.work, self.launch = args.viswords, args.work, args.launch.split()
        self.seed, self.kills, self.mpi_share = args.seed, args.kills, args.mpi_share
        self.guard, self.counts = threading.Lock(), collections.Counter()
        self.cpu, self.rounds, self.next, self.failure = collections.Counter(), 0, args.first, None
        self.last = args.first + args.rounds
        self.until = time.monotonic() + args.seconds
        self.studies = [Study(self, p) for p in args.studies]

    def spent(self, study, cpu):
        with self.guard:
            self.cpu[study.name] += cpu

    def count(self, study, code, points, fault, action, ranks):
        """Where a run was disturbed: its last fault point; nothing where it came to its end."""
        with self.guard:
            self.counts["code", str(code)] += 1
            if not code:
                return
            last = points[-1] if points else Point("start", "", "", "")
            self.counts["disturbed", study.name] += 1
            self.counts["stage", last.stage, "at a point" if fault else "in between"] += 1
            self.counts["action", action] += 1
            self.counts["ranks", str(ranks)] += 1
            if fault:
                self.counts["point", last.kind, last.state] += 1

    def disturbed(self):
        return sum(n for key, n in self.counts.items() if key[0] == "disturbed")

    def take(self):
        """The number of the next round, or None: it is enough."""
        with self.guard:
            if self.failure or self.disturbed() >= self.kills or self.next >= self.last:
                return None
            if time.monotonic() > self.until:
                return None
            self.next += 1
            return self.next - 1

    def lane(self, i):
        while (number := self.take()) is not None:
            study = self.studies[-1] if number % 4 == 3 else self.studies[0]
            try:
                Round(self, study, number, i).go()
            except Wrong as wrong:
                self.failure = self.failure or str(wrong)
            except BaseException as error:
                self.failure = self.failure or f"the check itself: {error!r}"
                raise
            with self.guard:
                self.rounds += 1

    def codes(self):
        codes = sorted((int(key[1]), n) for key, n in self.counts.items() if key[0] == "code")
        return ", ".join(f"{code}: {n}" for code, n in codes)

    def each(self):
        """Seconds of CPU for a disturbed run, its part of the round's last one included."""
        spent = [(s.name, self.cpu[s.name], self.counts["disturbed", s.name]) for s in self.studies]
        return ", ".join(f"{name} {cpu / n:.2f}" for name, cpu, n in spent if n)


def table(title, rows, columns, counts):
    """A table of the record: counts added to those that stand there."""
    lines = [f"| {title} | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    return lines + [f"| {row} | " + " | ".join(str(counts[row, c]) for c in columns) + " |" for row in rows]


def read_table(lines, title):
    counts, columns = collections.Counter(), None
    for line in lines:
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if cells[0] == title:
            columns = cells[1:]
        elif columns and not line.startswith("|"):
            break
        elif columns and not line.startswith("|---"):
            counts.update({(cells[0], c): int(n) for c, n in zip(columns, cells[1:])})
    return counts


def record(path, soak, seconds, result):
    """A line for this call behind the page's last, the sum, and where runs were disturbed."""
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lines = path.read_text().rstrip().split("\n")
        stages, points = read_table(lines, "stage"), read_table(lines, "kind of file")
        for row in lines:
            if row.startswith(OTHERS):
                points.update({("", state): int(n) for state, n in re.findall(r"(\w+) (\d+)", row[len(OTHERS) :])})
        for key, n in soak.counts.items():
            if key[0] == "stage":
                stages[key[1], key[2]] += n
            elif key[0] == "point":
                points[key[1:] if key[2] in FILE_STATES else ("", key[2])] += n
        line = f"| {time.strftime('%Y-%m-%d', time.gmtime())} | {soak.seed} | {soak.disturbed()} | {soak.rounds} | "
        lines.append(line + f"{soak.codes()} | {seconds:.0f} | {soak.each()} | {result} |")
        total = sum(int(row.split("|")[3]) for row in lines if re.match(r"\| \d{4}-", row))
        kinds = sorted({kind for kind, _ in points if kind})
        rest = [f"{state} {n}" for (kind, state), n in sorted(points.items()) if not kind] or ["none"]
        new = {
            "stage": table("stage", STAGES, ["at a point", "in between"], stages),
            "kind of file": table("kind of file", kinds, FILE_STATES, points),
        }
        out, skip = [], False
        for row in lines:
            title = row.strip("| ").split(" | ")[0]
            if title in new:
                out += new[title]
                skip = True
            skip &= row.startswith("|")
            if not skip:
                row = f"Sum: {total} disturbed runs." if row.startswith("Sum: ") else row
                out.append(OTHERS + ", ".join(rest) + "." if row.startswith(OTHERS) else row)
        path.write_text("\n".join(out) + "\n")
    path.with_suffix(".lock").unlink()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--viswords", required=True)
    p.add_argument("--work", type=pathlib.Path, required=True, help="a folder for what it makes")
    p.add_argument("--launch", default="mpirun", help="the launcher with its options")
    p.add_argument("--kills", type=int, default=200, help="runs that end with another exit code than 0")
    p.add_argument("--seed", default=str(int(time.time())))
    p.add_argument("--seconds", type=float, default=1e9, help="no round begins after so many")
    p.add_argument("--lanes", type=int, default=1, help="rounds at a time")
    p.add_argument("--mpi-share", type=float, default=0.1, help="of runs with 2 or 3 ranks")
    p.add_argument("--first", type=int, default=0, help="number of the first round: repeats a round that failed")
    p.add_argument("--rounds", type=int, default=10**9, help="at most")
    p.add_argument("--record", type=pathlib.Path, help="a page that gets a line")
    p.add_argument("studies", type=pathlib.Path, nargs="+", help="the second, if there is one, is every fourth round's")
    args = p.parse_args()
    begun = time.monotonic()
    soak = Soak(args)
    lanes = [threading.Thread(target=soak.lane, args=(i,)) for i in range(args.lanes)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    seconds = time.monotonic() - begun
    result = f"FAILED: {soak.failure}" if soak.failure else "passed"
    if args.record:
        record(args.record, soak, seconds, " ".join(result.split())[:300])
    print(f"soak: seed {soak.seed}: {soak.disturbed()} disturbed runs in {soak.rounds} rounds; exit codes {soak.codes()};")
    print(f"{seconds:.0f} s; CPU s a disturbed run: {soak.each()}")
    for what in "stage action ranks point".split():
        counted = {" ".join(key[1:]): n for key, n in sorted(soak.counts.items()) if key[0] == what}
        print(f"{what}: {json.dumps(counted)}")
    if soak.failure:
        raise SystemExit(f"FAILED: {soak.failure}")


if __name__ == "__main__":
    main()
