# SPDX-License-Identifier: MIT
"""Cases of the table G that need no systemd; the others, and the list of them: tests/systemd/test_conformance.py."""

import mmap
import os
import re
import struct
import subprocess
import time
from pathlib import Path

import pytest

from puppet import child, state_of, wait_until  # pylint: disable=unused-import
from runner import stat_of
from scripted import edges, serve  # pylint: disable=unused-import

DAY = 86400
# How many commands G17 runs.
RUNS = int(os.environ.get("SDWD_TEST_RUNS", "150"))


class WallClock:
    """The wall clock of a program that is started with env: step(DAY) sets it a day forward of the true time."""

    def __init__(self, folder):
        library, file = folder / "wallclock.so", folder / "wallclock"
        source = Path(__file__).with_name("wallclock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        file.write_bytes(bytes(16))
        self.env = {"LD_PRELOAD": library, "WALLCLOCK": file,
                    # A sanitizer wants to be the first library; here it need not be.
                    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        with open(file, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), 16)

    def step(self, seconds):
        self._map[:8] = struct.pack("q", seconds)

    @property
    def looks(self):
        return struct.unpack("q", self._map[8:])[0]


@pytest.fixture
def wall_clock(tmp_path):
    return WallClock(tmp_path)


def test_G15_steps_of_the_wall_clock_change_nothing(sdwd, manager, serve, child, wall_clock):
    server = serve()
    run = sdwd("--heartbeat", "--silence=1s", f"--http={server.url()}", "--interval=100ms", "--timeout=2s",
               command=child.command, env=wall_clock.env, watchdog=1.5)
    child("repeat(0.05, beat)")
    manager.wait_ready()
    for seconds in DAY, -DAY, 0:
        wall_clock.step(seconds)
        assert abs(child("time.time()") - time.time() - seconds) < DAY / 2, "the clock is not stepped"
        # sdwd's loop has seen it, and goes on.
        looks = wall_clock.looks
        wait_until(lambda n=looks: wall_clock.looks > n, "look at the wall clock")
        server.wait_looks(4)
        manager.wait_ping()
    assert manager.longest_gap() < 1.5
    # A stall of milliseconds is this machine's load; the steps are days.
    stalls = re.findall(r"did not run for ([^;]*);", run.stderr())
    assert not edges(run.stderr()) and all(re.fullmatch(r"[\d.]+m?s", stall) for stall in stalls), run.stderr()
    # And silence is silence still.
    child("stop()")
    run.wait_stderr("unhealthy: heartbeat: no sign of life")


def children_of(pid):
    """All children, dead ones too."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and (stat_of(name) or (0, 0))[1] == pid]


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmRSS"].split()[0]), int(fields["VmData"].split()[0])


@pytest.mark.option("unhealthy-hook")
def test_G17_many_commands_leave_nothing_behind(sdwd, manager, serve, tmp_path):
    log = tmp_path / "log"
    log.touch()
    # Each look is an edge, and each edge runs it; it leaves something behind itself.
    server = serve(*["ok", "status:500"] * RUNS, then="ok")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\nsleep 0.01 &\necho x >>{log}\n")
    hook.chmod(0o755)
    run = sdwd(f"--http={server.url()}", "--interval=40ms", "--fall=1", "--timeout=5s", "--on-unhealthy=warn",
               f"--unhealthy-hook={hook}")
    manager.wait_ready()

    def ran(count):
        return log.stat().st_size >= 2 * count

    wait_until(lambda: ran(20), "run 20")
    before, fds = resident(run.pid), len(os.listdir(f"/proc/{run.pid}/fd"))
    most = 0
    deadline = time.monotonic() + RUNS + 60
    while not ran(RUNS):
        assert time.monotonic() < deadline, log.stat().st_size
        most = max(most, len(children_of(run.pid)))
        time.sleep(0.01)
    # The service, a command, and what that one and the one before left behind, until they are reaped.
    assert most <= 8
    server.script = ()
    wait_until(lambda: len(children_of(run.pid)) == 1, "end of all commands")
    assert state_of(children_of(run.pid)[0]) != "Z"
    # AddressSanitizer (its shadow is terabytes) keeps freed memory for a while.
    more = 256 if before[1] < 1 << 30 else 8192
    assert all(b - a < more for a, b in zip(before, resident(run.pid)))
    assert len(os.listdir(f"/proc/{run.pid}/fd")) <= fds + 2
