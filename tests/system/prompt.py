# SPDX-License-Identifier: MIT
"""Whether sdwd itself notices what it should not: how late its pings and the signals that it passes on are."""

import os
import signal
import time

from puppet import wait_until
from scripted import median


def take_signals(child):
    """The puppet takes the signals of assert_prompt(), and says when."""
    child("got = []; take = lambda *_: got.append(time.monotonic())")
    child("signal.signal(signal.SIGUSR1, take), signal.signal(signal.SIGTERM, take)")


def assert_prompt(run, manager, child):
    """With W = 1 s and a good look each 50 ms each tenth of W has its ping; SIGTERM, the last signal, begins the stop."""
    manager.wait_ping(count=20)
    pings = [d.at for d in manager.pings()]
    late = [ping - before - 0.1 for before, ping in zip(pings, pings[1:])]
    delays = []
    for number in [signal.SIGUSR1] * 4 + [signal.SIGTERM]:
        sent, count = time.monotonic(), len(delays)
        run.signal(number)
        wait_until(lambda n=count: child("len(got)") > n, "forwarded signal")
        delays.append(child("got[-1]") - sent)
    print(f"pings late by up to {max(late)}, signals by {delays} s, load {os.getloadavg()[0]}")
    assert median(late) < 0.05 and median(delays) < 0.05
