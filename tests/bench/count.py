# SPDX-License-Identifier: MIT
"""
instructions of a start, of a look with its ping, of a beat with its ping and of a relayed datagram: user space only, without
        the program below. By the processor's counter where there is one for us (counted.c), else by callgrind
"""

import re
import subprocess

import latency
import look
from common import environment, fail, run, started, table, until

COMPARED = {"start": [("sdwd", "tini"), ("sdwd", "bare")], "look": [("sdwd", "look.c")]}
TURNS, FEW, MANY = 3, 20, 100
BEAT_WATCHDOG_USEC, BEAT_USEC = 500_000, 60_000     # under callgrind all is slower


class Counted:
    """Instructions of a process of ours, by the words that come before its command; what it forks is not counted."""

    def __init__(self, bench):
        self._log = bench.folder / "instructions.log"
        self.command = [bench.helper("counted"), self._log]
        probe = subprocess.run([*self.command, "true"], capture_output=True, check=False)
        self._pattern = r"(\d+)"
        if probe.returncode != 0:
            self._pattern = r"Collected : (\d+)"
            self.command = ["valgrind", "--tool=callgrind", "--child-silent-after-fork=yes", "--callgrind-out-file=/dev/null",
                            f"--log-file={self._log}"]

    def instructions(self):
        found = re.search(self._pattern, self._log.read_text(encoding="utf-8", errors="replace"))
        if not found:
            fail("nothing counted the instructions")
        return int(found.group(1))


def count_start(bench, counted):
    subjects = {"sdwd": [bench.sdwd, "--", "/bin/true"], "bare": [bench.helper("bare"), "/bin/true"]}
    if bench.peers.has("tini"):
        subjects["tini"] = [*bench.peers["tini"], "-s", "/bin/true"]
    found = {name: [] for name in subjects}
    for _ in range(bench.times(TURNS, 1)):
        for name, command in subjects.items():
            run(*counted.command, *command, env=environment())
            found[name].append(counted.instructions())
    return {"start, instructions": found}


def _each(bench, one):
    """The difference of a long and a short run, by the difference of what was done: one(count) gives both."""
    (few, few_done), (many, many_done) = one(bench.times(FEW, 10)), one(bench.times(MANY, 50))
    return (many - few) / (many_done - few_done)


def count_look(bench, counted):
    def one(command, looks):
        begin = bench.server.counts()[0]
        with started([*counted.command, *command], **look.surroundings(bench)) as process:
            until("looks", lambda: bench.server.counts()[0] >= begin + looks, process)
        return counted.instructions(), bench.server.counts()[0] - begin

    subjects = {name: command for name, command in look.subjects(bench).items() if not name.endswith(" again")}
    found = {name: [] for name in subjects}
    for _ in range(bench.times(TURNS, 1)):
        for name, command in subjects.items():
            found[name].append(_each(bench, lambda looks, command=command: one(command, looks)))
    return {"look, instructions": found}


def count_messages(bench, counted):
    def beats(count):
        latency.run(bench, "beat", count, BEAT_USEC, *counted.command, bench.sdwd, "--heartbeat", "--",
                    bench.helper("latency"), "give", WATCHDOG_USEC=str(BEAT_WATCHDOG_USEC))
        return counted.instructions(), count

    def datagrams(count):
        latency.run(bench, "talk", count, latency.TALK_USEC, *counted.command, bench.sdwd, "--",
                    bench.helper("latency"), "say", count, latency.TALK_USEC)
        return counted.instructions(), count

    titles = ["beat and ping, instructions", "relayed datagram, instructions"]
    found = table(titles, ["sdwd"])
    for _ in range(bench.times(TURNS, 1)):
        for title, one in zip(titles, (beats, datagrams)):
            found[title]["sdwd"].append(_each(bench, one))
    return found


def measure(bench):
    counted = Counted(bench)
    return count_start(bench, counted) | count_look(bench, counted) | count_messages(bench, counted)
