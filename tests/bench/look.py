# SPDX-License-Identifier: MIT
"""
look    CPU time of one look with its ping, by the process's own clock. Of an in-process HTTP look, one each 10 ms, against
        server.c: sdwd, and look.c, the fewest system calls in a loop (twice, as above); the shell loop (curl, then
        systemd-notify, then sleep; with all that it ran), and monit (one look a second, and 20 a second; it pings nobody).
        Then of each kind that sdwd does by itself or by a command
"""

import contextlib
import os
import threading
import time

import peers as peer
from common import cpu_usec, reaped_usec, started, table, until

COMPARED = {
    "look": [("sdwd", "look.c"), ("look.c again", "look.c"), ("shell loop", "sdwd"), ("monit", "sdwd"),
             ("monit, 20 looks", "sdwd")],
    "look of each kind": [(kind, "http") for kind in ("tcp", "tcp, send and expect", "unix", "listen-queue", "file", "exec",
                                                      "http again")],
}
TURNS, LOOKS_A_TURN, LOOKS_BEFORE = 7, 200, 20
LOOK_MSEC, WATCHDOG_MSEC = 10, 80           # one ping a look: not closer than a tenth of the watchdog's time
SHELL_LOOKS, SHELL_SECONDS = 40, "0.02"
MONIT_LOOKS, MONIT_CYCLES = {"monit": 1, "monit, 20 looks": 20}, 5      # looks of a cycle, which is a second
RARELY_SECONDS = 0.1                        # between two questions to the server while somebody is measured
KIND_TURNS, KIND_MSEC, KIND_TIMEOUT_MSEC, KIND_WATCHDOG_MSEC, KIND_LOOKS = 5, 20, 100, 160, 100


def subjects(bench):
    options = [f"--http={bench.server.url}", f"--interval={LOOK_MSEC}ms", f"--start-interval={LOOK_MSEC}ms",
               f"--timeout={LOOK_MSEC * 5 // 2}ms", "--fall=2"]
    bare = [bench.helper("look"), bench.server.port, bench.server.socket, LOOK_MSEC * 1000]
    return {"sdwd": [bench.sdwd, *options, "--", "sleep", "1000"], "look.c": bare, "look.c again": bare}


def others(bench):
    found = {"shell loop": peer.shell_loop(bench.server.url, SHELL_SECONDS)}
    if bench.peers.has("monit"):
        for name, looks in MONIT_LOOKS.items():
            file = peer.monit_file(bench.folder / f"look-monit-{looks}", bench.server.port, looks, 1)
            found[name] = [*bench.peers["monit"], "-I", "-c", file]
    return found


def surroundings(bench, watchdog_msec=WATCHDOG_MSEC):
    return {"NOTIFY_SOCKET": bench.server.socket, "WATCHDOG_USEC": str(watchdog_msec * 1000)}


def turn(bench, command, looks_before, looks, looks_now, with_children=False, **more):
    """One turn of @looks: CPU time of a look in us, and pings of a look. looks_now(): how many there were so far."""
    begin = looks_now()
    with started(command, **surroundings(bench), **more) as process:
        def used():
            return cpu_usec(process.pid) + (reaped_usec(process.pid) if with_children else 0)

        until("looks", lambda: looks_now() >= begin + looks_before, process)
        before, pings, usec = looks_now(), bench.server.counts()[1], used()
        until("looks", lambda: looks_now() >= before + looks, process, RARELY_SECONDS)
        after, pings, usec = looks_now(), bench.server.counts()[1] - pings, used() - usec
    return usec / (after - before), pings / (after - before)


def measure_http(bench):
    def responses():
        return bench.server.counts()[0]
    all_subjects = subjects(bench) | others(bench)
    found = table(["look, CPU time (us)", "look, pings"], all_subjects)
    for _ in range(bench.times(TURNS, 3)):
        for name, command in all_subjects.items():
            before, looks = LOOKS_BEFORE, LOOKS_A_TURN
            if name == "shell loop":
                before, looks = 2, SHELL_LOOKS
            elif name in MONIT_LOOKS:
                before, looks = MONIT_LOOKS[name], MONIT_LOOKS[name] * bench.times(MONIT_CYCLES, 3)
            for title, value in zip(found, turn(bench, command, before, looks, responses, name == "shell loop")):
                found[title][name].append(value)
    return found


@contextlib.contextmanager
def touched(path):
    """A file that changes all the time."""
    ends = threading.Event()
    path.touch()

    def touch():
        while not ends.wait(KIND_MSEC / 1000 / 4):
            os.utime(path)
    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def measure_kinds(bench):
    port, file = bench.server.port, bench.folder / "touched"
    exchange = ["--send=GET / HTTP/1.1\\r\\n\\r\\n", "--expect=^HTTP/1.1 200"]
    kinds = {
        "http": [f"--http={bench.server.url}"],
        "tcp": [f"--tcp=127.0.0.1:{port}"],
        "tcp, send and expect": [f"--tcp=127.0.0.1:{port}", *exchange],
        "unix": [f"--unix={bench.server.stream}"],
        "listen-queue": [f"--listen-queue={port}"],
        "file": [f"--file={file}", f"--silence={KIND_TIMEOUT_MSEC}ms"],
        "exec": ["--exec=/bin/true"],
        "http again": [f"--http={bench.server.url}"],
    }
    found = table(["look of each kind, CPU time (us)", "look of each kind, pings"], kinds)
    with touched(file):
        for _ in range(bench.times(KIND_TURNS, 2)):
            for name, options in kinds.items():
                often = [f"--interval={KIND_MSEC}ms"]
                if name != "file":
                    often += [f"--start-interval={KIND_MSEC}ms", f"--fast-interval={KIND_MSEC}ms",
                              f"--timeout={KIND_TIMEOUT_MSEC if name == 'exec' else KIND_MSEC}ms", "--fall=1"]
                cpu, pings = _turn_of_kind(bench, [bench.sdwd, *options, *often, "--", "sleep", "1000"])
                found["look of each kind, CPU time (us)"][name].append(cpu)
                found["look of each kind, pings"][name].append(pings)
    return found


def _turn_of_kind(bench, command):
    """Each look has its ping, and there is one look each KIND_MSEC."""
    def pings():
        return bench.server.counts()[1]
    begin = pings()
    with started(command, **surroundings(bench, KIND_WATCHDOG_MSEC)) as process:
        until("pings", lambda: pings() >= begin + 5, process)
        at, before = time.monotonic(), pings()
        usec = cpu_usec(process.pid) + reaped_usec(process.pid)
        until("pings", lambda: pings() >= before + bench.times(KIND_LOOKS, 40), process, RARELY_SECONDS)
        usec, after = cpu_usec(process.pid) + reaped_usec(process.pid) - usec, pings()
        looks = (time.monotonic() - at) * 1000 / KIND_MSEC
    return usec / (after - before), (after - before) / looks


def measure(bench):
    return measure_http(bench) | measure_kinds(bench)
