# SPDX-License-Identifier: MIT
"""
beats   what a child costs that writes to its pipe all the time (pour.c), W being 2 s: a million bytes a second, one by one (or
        as many as this machine can write) and ten at a time, and 4 KiB at a time without a pause. CPU time of sdwd in
        percent of one processor, of a MB, and the latest ping
"""

import os
import signal
import time

from common import cpu_usec, children, fail, started, table, until
from scale import Listener, latest

COMPARED = {}
TURNS, SECONDS = 5, 5
WATCHDOG_USEC = 2_000_000
LEAST_APART_SECONDS = WATCHDOG_USEC / 1e7       # pings are no closer than a tenth of W
# Writes in a second, and the bytes of each.
POURED = {"10^6 beats": (1_000_000, 1), "10^6 beats, ten a write": (100_000, 10), "4 KiB at a time": (0, 4096)}


def _turn(bench, words, seconds):
    listener, log = Listener(bench, "beats"), bench.folder / "pour.log"
    with open(log, "wb") as output:
        command = [bench.sdwd, "--heartbeat", "--", bench.helper("pour"), *words]
        with started(command, stdout=output, NOTIFY_SOCKET=str(listener.socket), WATCHDOG_USEC=str(WATCHDOG_USEC)) as process:
            until("its child", lambda: children(process.pid), process)
            time.sleep(1)

            def told(number):
                """What the child says of itself, for the @number-th time."""
                os.kill(children(process.pid)[0], signal.SIGUSR1)
                until("its word", lambda: log.read_bytes().count(b"\n") >= number, process)
                return [int(word) for word in log.read_text(encoding="ascii").splitlines()[-1].split()]

            before, usec, begin = told(1), cpu_usec(process.pid), time.monotonic()
            time.sleep(seconds)
            after, usec, end = told(2), cpu_usec(process.pid) - usec, time.monotonic()
            pings = listener.pings()
            taken, refused, nsec = (b - a for a, b in zip(before, after))
    if taken == 0:
        fail("the pipe took nothing")
    return [usec / (end - begin) / 1e4, usec / 1000 / (taken * words[1] / 1e6), taken * 1e3 / nsec, refused * 1e3 / nsec,
            latest(pings, [process.pid], begin, end, LEAST_APART_SECONDS) * 1000]


def measure(bench):
    found = table(["beats: CPU (% of one processor)", "beats: CPU of a MB (ms)", "beats: writes taken (million a second)",
                   "beats: writes refused (million a second)", "beats: latest ping (ms)"], POURED)
    for _ in range(bench.times(TURNS, 2)):
        for name, words in POURED.items():
            for title, value in zip(found, _turn(bench, words, bench.times(SECONDS, 2))):
                found[title][name].append(value)
    return found
