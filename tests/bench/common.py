# SPDX-License-Identifier: MIT
"""What every measure needs: programs in the background, and what the kernel says of them."""

import contextlib
import dataclasses
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE_SECONDS = 30
# Where sdwd makes its control socket; gone at our end.
RUNTIME = tempfile.TemporaryDirectory(prefix="sdwd-bench-")  # pylint: disable=consider-using-with


class Failure(Exception):
    """A measure that cannot be made, and why."""


def fail(text):
    raise Failure(text)


def finished(command, **options):
    """Runs @command to its end; gives its exit status, stdout and stderr. What it started ends with us, too."""
    process = None
    try:
        with unbroken():
            process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, **options)
        out, errors = process.communicate()
    except BaseException:
        if process is not None:
            end_all([process])
        raise
    return process.returncode, out, errors


def run(*command, **options):
    """stdout and stderr of @command together; that it fails is a Failure."""
    status, out, _ = finished(command, stderr=subprocess.STDOUT, **options)
    if status != 0:
        fail(f"{' '.join(map(str, command))}: exit status {status}\n{out}")
    return out


@dataclasses.dataclass
class Bench:
    """What a measure is given."""

    sdwd: Path
    folder: Path                # ours alone; the helpers are there
    server: object
    peers: object               # peers.Peers
    is_quick: bool

    def times(self, full, quick):
        return quick if self.is_quick else full

    def helper(self, name):
        return self.folder / name


def table(titles, subjects):
    """{title: {subject: []}}, to be filled."""
    return {title: {name: [] for name in subjects} for title in titles}


def by_turns(folder, count, runs_a_turn, subjects, *options):
    """
    Runs @subjects by turns.c, @count turns of @runs_a_turn; gives wall time, CPU time, time to the word, and from there to
    the end, in us, each as {subject: [a median for each turn]}.
    """
    words = []
    for command in subjects.values():
        words += ([";"] if words else []) + list(command)
    run(folder / "turns", *options, 3, *words, env=environment())
    lines = run(folder / "turns", *options, count * runs_a_turn, *words, env=environment()).splitlines()
    runs = [{name: [] for name in subjects} for _ in range(4)]
    for line in lines:
        number, wall_nsec, of_cpu_usec, word_nsec = map(int, line.split())
        for which, value in zip(runs, (wall_nsec / 1000, of_cpu_usec, word_nsec / 1000, (wall_nsec - word_nsec) / 1000)):
            which[list(subjects)[number]].append(value)
    return [{name: [statistics.median(values[i:i + runs_a_turn]) for i in range(0, len(values), runs_a_turn)]
             for name, values in which.items()} for which in runs]


def environment(**more):
    """Nothing of whoever runs this: what a program is told by its manager changes what it does."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "XDG_RUNTIME_DIR": RUNTIME.name, **more}


def children(pid):
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return []


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def ended(process, may_be_killed=False):
    """Ends @process, which is ours, in order."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        return process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        if may_be_killed:
            return None
        fail(f"{process.args[0]} did not end within {PATIENCE_SECONDS} s of SIGTERM")


@contextlib.contextmanager
def started(command, stdout=subprocess.DEVNULL, **more):
    """@command in the background, with its output thrown away; @more is its environment."""
    with crowd([command], stdout, **more) as processes:
        yield processes[0]


@contextlib.contextmanager
def crowd(commands, stdout=subprocess.DEVNULL, **more):
    """All of @commands in the background, and afterwards none of them."""
    processes = []
    try:
        for command in commands:
            with unbroken():
                processes.append(subprocess.Popen([str(word) for word in command], env=environment(**more), cwd="/",
                                                  stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.DEVNULL))
        yield processes
    finally:
        end_all(processes)


@contextlib.contextmanager
def unbroken():
    """SIGTERM waits for the end of the block: what was started in it is known then."""
    held = []
    before = signal.signal(signal.SIGTERM, lambda *words: held.append(words))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    if held and callable(before):
        before(*held[0])


def end_all(processes):
    """Ends @processes, which are ours, and what runs below them: bare passes no signal on, and others start it anew."""
    below = []
    for process in processes:
        mine = descendants(process.pid)
        below += [(pid, start_of(pid)) for pid in mine]
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        for child in children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
    for process in processes:
        # Of others it is not our matter how they end.
        ended(process, may_be_killed=Path(process.args[0]).name != "sdwd")
    for pid, start in below:
        if start is not None and start_of(pid) == start:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def start_of(pid):
    """What tells a process from a later one of the same pid; None: there is none."""
    with contextlib.suppress(OSError, ValueError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return stat[stat.rindex(")") + 2:].split()[19]
    return None


def until(what, condition, process, every=0.005):
    """Waits for @condition, while @process lives; looks @every so many seconds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if process.poll() is not None:
            fail(f"{process.args[0]} ended with {process.returncode} before {what}")
        if time.monotonic() > deadline:
            fail(f"no {what} within {PATIENCE_SECONDS} s")
        time.sleep(every)


class Server:
    """server.c: what looks and pings go to."""

    def __init__(self, folder, program):
        self.socket, self.stream = str(folder / "notify"), str(folder / "stream")
        self._process = subprocess.Popen([program, self.socket, self.stream], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/"

    def counts(self):
        """Responses, pings and other messages so far."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return [int(word) for word in self._process.stdout.readline().split()]

    def close(self):
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)


def memory(pid):
    """PSS, private dirty and anonymous memory of a process, in KiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return [int(re.search(rf"^{field}: +(\d+) kB$", text, re.M).group(1))
            for field in ("Pss", "Private_Dirty", "Anonymous")]


def has_sleeping_child(pid):
    with contextlib.suppress(OSError):
        return any(Path(f"/proc/{child}/comm").read_text(encoding="utf-8") == "sleep\n" for child in children(pid))
    return False


def cpu_usec(pid):
    """CPU time of a process, with all threads that it ever had, but not of those that it waited for."""
    # What clock_getcpuclockid(3) makes: CPUCLOCK_SCHED of that process.
    return time.clock_gettime_ns((~pid << 3) | 2) / 1000


def reaped_usec(pid):
    """CPU time of all that a process waited for; the kernel gives it in ticks."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    words = stat[stat.rindex(")") + 2:].split()
    return (int(words[13]) + int(words[14])) * 1e6 / os.sysconf("SC_CLK_TCK")
