#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Counts the signals that it gets: each SIGABRT and SIGTERM is a line "NAME SECONDS" (CLOCK_MONOTONIC) in the file, and
"end SECONDS" is the last one. The first of them begins an end that takes so long; then it dies of it, as without us.
Beats once on the heartbeat pipe where there is one, and then never again.

    counter.py FILE SECONDS [ORPHAN-FILE]

ORPHAN-FILE: a child of it counts into that file in the same way, and ends only by SIGKILL.
"""

import os
import signal
import sys
import time

path, seconds = sys.argv[1], float(sys.argv[2])


def note(what):
    with open(path, "a", encoding="ascii") as f:
        f.write(f"{what} {time.monotonic()}\n")


if len(sys.argv) > 3 and os.fork() == 0:
    path, seconds = sys.argv[3], float("inf")

numbers = {signal.SIGABRT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
note("begin")
if "SDWD_HEARTBEAT_FD" in os.environ and seconds < float("inf"):
    os.write(int(os.environ["SDWD_HEARTBEAT_FD"]), b".")
first, deadline = None, float("inf")
while time.monotonic() < deadline:
    # One at a time: each that is taken out of the queue is one that came.
    info = signal.sigtimedwait(numbers, 0.05)
    if info is None:
        continue
    note(signal.Signals(info.si_signo).name)
    if first is None:
        first, deadline = info.si_signo, time.monotonic() + seconds
note("end")
signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
os.kill(os.getpid(), first)
