# SPDX-License-Identifier: MIT
"""
What sdwd and its probers hold, and PID 1, as JSON: what is there in each of many looks, and the least of all counts, so
that what comes and goes with a check is not among it.

    soak_measure.py < JSON

{"seconds": how long, "units": [NAME], "quiet": {NAME: FILE}, "heap": PATH, "least": null, or what was told before: then
looked at until there is no more than that, or for 20 s}
"""

import collections
import json
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

# How long the quiet ones are looked at, and how long their last looks may take until then. All of it is shorter than a look.
QUIET_SECONDS, CALM_SECONDS = 3, 0.5


def text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def fds(pid):
    """(fd, what it is, with the number of its inode) of each."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.add((fd, os.readlink(f"/proc/{pid}/fd/{fd}")))
        except FileNotFoundError:
            pass
    return found


def kind(link):
    return re.sub(r"\d+", "N", re.sub(r"/sdwd-\w{6}\b", "/sdwd-XXXXXX", link))


def kinds(found):
    """How many of each kind."""
    return dict(sorted(collections.Counter(kind(link) for _, link in found).items()))


def status(pid, name):
    return int(re.search(rf"^{name}:\s+(\d+)", text(f"/proc/{pid}/status"), re.MULTILINE)[1])


def memory(pid):
    """In KiB."""
    rollup = dict(re.findall(r"^(\w+): +(\d+) kB", text(f"/proc/{pid}/smaps_rollup"), re.MULTILINE))
    heap = re.search(r"\[heap\]\nSize: +(\d+) kB", text(f"/proc/{pid}/smaps"))
    return {"rss": int(rollup["Rss"]), "pss": int(rollup["Pss"]), "anonymous": int(rollup["Anonymous"]),
            "heap": int(heap[1]) if heap else 0, "data": status(pid, "VmData")}


def processes():
    """(pid, parent, state, name) of all."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name, rest = text(f"/proc/{pid}/stat").split(" (", 1)[1].rsplit(") ", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield int(pid), int(rest.split()[1]), rest[0], name


class Watched:
    """One process, as it is in all looks."""

    def __init__(self, pid, heap):
        self.pid, self.fds, self.least = pid, None, {}
        self.heap = Path(f"{heap}.{pid}")

    def take(self, **values):
        for name, value in values.items():
            self.least[name] = min(value, self.least.get(name, value))

    def look(self, also_memory):
        now = fds(self.pid)
        self.fds = now if self.fds is None else self.fds & now
        self.take(threads=status(self.pid, "Threads"))
        if self.heap.exists():
            blocks, size = struct.unpack("qq", self.heap.read_bytes())
            self.take(blocks=blocks, bytes=size)
        if also_memory:
            self.take(**memory(self.pid))

    def told(self):
        return {"pid": self.pid, "fds": kinds(self.fds), **self.least}


class Unit:
    def __init__(self, name, heap):
        pid, group = subprocess.check_output(["systemctl", "show", "--value", "-p", "MainPID", "-p", "ControlGroup", name],
                                             text=True).split()
        self.main, self.prober, self.members = Watched(int(pid), heap), None, None
        self.group = f"/sys/fs/cgroup{group}/cgroup.procs"
        for child, parent, _, command in processes():
            if parent == int(pid) and command == "sdwd-prober":
                self.prober = Watched(child, heap)

    def look(self, names, also_memory):
        for one in filter(None, (self.main, self.prober)):
            one.look(also_memory)
        now = {(int(pid), names[int(pid)]) for pid in text(self.group).split() if int(pid) in names}
        self.members = now if self.members is None else self.members & now

    def told(self):
        return {"main": self.main.told(), "prober": self.prober.told() if self.prober else None,
                "processes": sorted(name for _, name in self.members)}


def has_no_more(now, before):
    """Of all that there may be none more."""
    if now["zombies"] > before["zombies"] or sum(now["manager"].values()) > sum(before["manager"].values()):
        return False
    for name, unit in now["units"].items():
        for who in "main", "prober":
            one, other = unit[who], before["units"][name][who]
            if one and (any(n > other["fds"].get(kind, 0) for kind, n in one["fds"].items()) or
                        any(one.get(what, 0) > other.get(what, 0) for what in ("threads", "blocks"))):
                return False
        if len(unit["processes"]) > len(before["units"][name]["processes"]):
            return False
    return True


def quiet_wakes(units, files):
    """How often each was woken while its last looks had no answer yet: the least of a few windows."""
    def count():
        return {name: status(units[name].main.pid, "voluntary_ctxt_switches") for name in files}

    for path in files.values():
        Path(path).touch()
    time.sleep(CALM_SECONDS)
    least = None
    for _ in range(4):
        before = count()
        time.sleep(QUIET_SECONDS)
        wakes = {name: n - before[name] for name, n in count().items()}
        least = {name: min(n, (least or wakes)[name]) for name, n in wakes.items()}
        if not any(least.values()):
            break
    for path in files.values():
        Path(path).unlink()
    return least


def look(order):
    units = {name: Unit(name, order["heap"]) for name in order["units"]}
    began_at, zombies, manager, n = time.monotonic(), None, None, 0
    while True:
        everybody = list(processes())
        names = {pid: name for pid, _, _, name in everybody}
        for unit in units.values():
            unit.look(names, n % 10 == 0)
        dead = {pid for pid, _, state, _ in everybody if state == "Z"}
        zombies = dead if zombies is None else zombies & dead
        manager = fds(1) if manager is None else manager & fds(1)
        told = {"zombies": len(zombies), "manager": kinds(manager),
                "units": {name: unit.told() for name, unit in units.items()}}
        n += 1
        took = time.monotonic() - began_at
        if took > order["seconds"] and (order["least"] is None or took > 20 or has_no_more(told, order["least"])):
            return told | {"quiet": quiet_wakes(units, order["quiet"])}
        time.sleep(0.01)


print(json.dumps(look(json.load(sys.stdin))))
