# SPDX-License-Identifier: MIT
"""
scale   10, 100 and 1000 instances with one HTTP look a second each, of one server.c: the CPU time of all sdwd together, in
        percent of one processor, and of each look; and how long after the look's second the latest ping came (W is 5 s)
"""

import contextlib
import subprocess
import time

from common import PATIENCE_SECONDS, cpu_usec, crowd, environment, fail, table, until

COMPARED = {"scale": [("1000", "10"), ("1000", "100"), ("100", "10")]}
COUNTS, TURNS, SECONDS = (10, 100, 1000), 3, 15
WATCHDOG_USEC, LOOK_SECONDS = 5_000_000, 1


class Listener:
    """listen.c: a manager that remembers who pinged when."""

    def __init__(self, bench, name):
        self.socket, self._file = bench.folder / f"{name}.socket", bench.folder / f"{name}.log"
        self.socket.unlink(missing_ok=True)
        with open(self._file, "wb") as log:
            self._process = subprocess.Popen([bench.helper("listen"), self.socket], stdout=log, env=environment())
        until("ready", lambda: self._file.stat().st_size > 0, self._process)

    def pings(self):
        """{pid: [seconds of CLOCK_MONOTONIC]}; ends it."""
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)
        found = {}
        for line in self._file.read_text(encoding="ascii").splitlines()[1:]:
            nsec, pid = map(int, line.split())
            found.setdefault(pid, []).append(nsec / 1e9)
        return found


def latest(pings, pids, begin, end, apart):
    """Seconds: how much more than @apart there was at most between two pings of one of @pids from @begin to @end."""
    most = 0
    for pid in pids:
        times = [begin, *(at for at in pings.get(pid, []) if begin < at <= end), end]
        if len(times) == 2:
            fail(f"{pid}: no ping in {end - begin:.0f} s")
        # What began before the first and ended after the last is not known whole, but no shorter than this.
        most = max(most, *(b - a for a, b in zip(times, times[1:])))
    return max(0, most - apart)


def _turn(bench, count, seconds):
    listener = Listener(bench, "scale")
    command = [bench.sdwd, f"--http={bench.server.url}", f"--interval={LOOK_SECONDS}s", "--", "sleep", "1000"]
    begin_looks = bench.server.counts()[0]
    with contextlib.ExitStack() as stack:
        processes = stack.enter_context(crowd([command] * count, NOTIFY_SOCKET=str(listener.socket),
                                                   WATCHDOG_USEC=str(WATCHDOG_USEC)))
        # Each has looked, and is past what follows a start.
        until("looks of all", lambda: bench.server.counts()[0] >= begin_looks + 2 * count, processes[-1])
        time.sleep(2 * LOOK_SECONDS)
        begin, looks = time.monotonic(), bench.server.counts()[0]
        usec = sum(cpu_usec(process.pid) for process in processes)
        time.sleep(seconds)
        usec = sum(cpu_usec(process.pid) for process in processes) - usec
        end, looks = time.monotonic(), bench.server.counts()[0] - looks
        pids = [process.pid for process in processes]
        pings = listener.pings()
    return usec / (end - begin) / 1e4, usec / looks, looks / (end - begin) / count, \
        latest(pings, pids, begin, end, LOOK_SECONDS) * 1000


def measure(bench):
    counts = bench.times(COUNTS, (10, 100))
    subjects = [str(count) for count in counts]
    found = table(["scale: CPU of all (% of one processor)", "scale, CPU of a look (us)", "scale: looks a second of each",
                   "scale: latest ping (ms)"], subjects)
    for _ in range(bench.times(TURNS, 2)):
        for count in counts:
            for title, value in zip(found, _turn(bench, count, bench.times(SECONDS, 3))):
                found[title][str(count)].append(value)
    return found
