# SPDX-License-Identifier: MIT
"""
idle    memory of each of 1, 100 and 1000 instances while their services sleep, from smaps_rollup, without the services: sdwd,
        sdwd with one --http probe, tini, dumb-init, catatonit, bare, s6-supervise, runsv, supervise, the shell loop between
        two looks (with its sleep); monit and supervisord, of which one looks after all, by the number of services. (Private
        dirty above anonymous: the file is not on the disk yet, or the folder is in memory; what is run is synced before)
"""

import time

import peers as peer
from common import crowd, descendants, fail, has_sleeping_child, memory, table, until

COMPARED = {"idle": [("sdwd", "tini"), ("sdwd", "bare"), ("sdwd --http", "sdwd"), ("sdwd", "s6-supervise"), ("sdwd", "runsv"),
                     ("sdwd", "supervise"), ("sdwd", "shell loop"), ("sdwd", "monit"), ("sdwd", "supervisord")]}
TURNS = {1: 5, 100: 3, 1000: 3}
SETTLE_SECONDS = 0.4
# Of those of which there is one for all, and whose files say for what.
FOR_ALL = ("monit", "supervisord")
# What 1000 of the others are is seen at 100; these show that it stays so.
AT_1000 = ("sdwd", "sdwd --http", "tini")


def title(count, kind):
    return f"idle, {kind} of each of {count} (KiB)"


def _commands(bench, count):
    """{subject: a function from a number to the command of that instance}."""
    folder, sleep = bench.folder / "idle", ["sleep", "1000"]
    found = {
        "sdwd": lambda n: [bench.sdwd, "--", *sleep],
        "sdwd --http": lambda n: [bench.sdwd, f"--http={bench.server.url}", "--", *sleep],
        "bare": lambda n: [bench.helper("bare"), *sleep],
    }
    for name, words in (("tini", ["-s"]), ("dumb-init", []), ("catatonit", [])):
        if bench.peers.has(name):
            found[name] = lambda n, name=name, words=words: [*bench.peers[name], *words, *sleep]
    for name in ("s6-supervise", "runsv", "supervise"):
        if bench.peers.has(name):
            found[name] = lambda n, name=name: [
                *bench.peers[name], peer.service_folder(folder / f"{name}-{time.monotonic_ns()}", "sleep 1000")]
    found["shell loop"] = lambda n: peer.shell_loop(bench.server.url, "1000")
    if bench.peers.has("monit"):
        found["monit"] = lambda n: [*bench.peers["monit"], "-I", "-c",
                                    peer.monit_file(folder / "monit", bench.server.port, count, 1)]
    if bench.peers.has("supervisord"):
        found["supervisord"] = lambda n: [*bench.peers["supervisord"], "-c", peer.supervisor_file(folder / "supervisor", count)]
    return {name: make for name, make in found.items() if count < 1000 or name in AT_1000}


def _one(bench, name, make, count):
    """PSS and private dirty of one instance, in KiB."""
    n = 1 if name in FOR_ALL else count
    begin = bench.server.counts()[0]
    with crowd([make(number) for number in range(n)], NOTIFY_SOCKET=bench.server.socket) as processes:
        if name == "monit":
            until("a whole cycle", lambda: bench.server.counts()[0] >= begin + 2 * count, processes[0])
        elif name == "supervisord":
            until("its children", lambda: len(descendants(processes[0].pid)) >= count, processes[0])
        else:
            for process in processes:
                until("its child", lambda p=process: has_sleeping_child(p.pid), process)
        # Long enough for a first look of the probe, and of what follows the first pass.
        time.sleep(SETTLE_SECONDS)
        found = [0, 0]
        for process in processes:
            mine = [process.pid]
            if name == "shell loop":
                mine += descendants(process.pid)
            for pid in mine:
                pss, dirty, _ = memory(pid)
                found = [found[0] + pss, found[1] + dirty]
        if any(process.poll() is not None for process in processes):
            fail(f"{name}: one of {count} has ended")
    return [value / count for value in found]


def measure(bench):
    found = {}
    for count, turns in TURNS.items():
        if bench.is_quick:
            count, turns = {1000: 300}.get(count, count), 1
        commands = _commands(bench, count)
        titles = [title(count, kind) for kind in ("PSS", "private dirty")]
        found |= table(titles, commands)
        for _ in range(turns):
            for name, make in commands.items():
                for one, value in zip(titles, _one(bench, name, make, count)):
                    found[one][name].append(value)
    return found
