# SPDX-License-Identifier: MIT
"""
wakeups how often each gives up the processor and is woken in a minute in which nothing happens (voluntary_ctxt_switches; all
        of them at the same time, a minute a turn): sdwd with W=30s and one HTTP probe, with its looks and pings in the same
        minute; with a pipe that is written every 6 s; with the process alone; and the others, monit and the shell loop
        with one look each 6 s (the loop: sh alone, not what it runs)
"""

import contextlib
import re
import time
from pathlib import Path

import peers as peer
from common import Server, crowd, table, until

COMPARED = {}
TURNS, SECONDS = 3, 60
WATCHDOG_USEC, LOOK_SECONDS = 30_000_000, 6     # W/5 is the default of --interval

BEATS = f'while :; do echo >&"$SDWD_HEARTBEAT_FD"; sleep {LOOK_SECONDS}; done'


def switches(pid):
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.M).group(1))


def commands(bench, url):
    folder, sleep = bench.folder / "wakeups", ["sleep", "1000"]
    found = {
        "sdwd --http": [bench.sdwd, f"--http={url}", "--", *sleep],
        "sdwd --heartbeat": [bench.sdwd, "--heartbeat", "--", "sh", "-c", BEATS],
        "sdwd": [bench.sdwd, "--", *sleep],
    }
    for name, words in (("tini", ["-s"]), ("dumb-init", []), ("catatonit", [])):
        if bench.peers.has(name):
            found[name] = [*bench.peers[name], *words, *sleep]
    for name in ("s6-supervise", "runsv", "supervise"):
        if bench.peers.has(name):
            found[name] = [*bench.peers[name], peer.service_folder(folder / name, "sleep 1000")]
    found["shell loop"] = peer.shell_loop(bench.server.url, str(LOOK_SECONDS))
    if bench.peers.has("monit"):
        found["monit"] = [*bench.peers["monit"], "-I", "-c",
                          peer.monit_file(folder / "monit", bench.server.port, 1, LOOK_SECONDS)]
    if bench.peers.has("supervisord"):
        found["supervisord"] = [*bench.peers["supervisord"], "-c", peer.supervisor_file(folder / "supervisor", 1)]
    return found


def measure(bench):
    folder = bench.folder / "wakeups"
    folder.mkdir()
    seconds = bench.times(SECONDS, 13)
    with contextlib.ExitStack() as stack:
        # One for that one sdwd, so that its looks and pings can be counted.
        own = Server(folder, bench.helper("server"))
        stack.callback(own.close)
        subjects = commands(bench, own.url)
        environment = {"WATCHDOG_USEC": str(WATCHDOG_USEC)}
        first, *rest = subjects
        processes = stack.enter_context(crowd([subjects[first]], NOTIFY_SOCKET=own.socket, **environment))
        processes = processes + stack.enter_context(
            crowd([subjects[name] for name in rest], NOTIFY_SOCKET=bench.server.socket, **environment))
        until("a ping", lambda: own.counts()[1] >= 2, processes[0])

        title, done = "wake-ups a minute", "looks and pings of sdwd --http a minute"
        found = table([title], subjects) | table([done], ["looks", "pings", "wake-ups beyond looks and pings"])
        for _ in range(bench.times(TURNS, 2)):
            at, (looks, pings, _) = time.monotonic(), own.counts()
            before = [switches(process.pid) for process in processes]
            time.sleep(seconds)
            after = [switches(process.pid) for process in processes]
            minutes, (looks, pings) = (time.monotonic() - at) / 60, (b - a for a, b in zip((looks, pings), own.counts()))
            for name, a, b in zip(subjects, before, after):
                found[title][name].append((b - a) / minutes)
            for name, value in zip(found[done], (looks, pings, after[0] - before[0] - looks - pings)):
                found[done][name].append(value / minutes)
    return found
