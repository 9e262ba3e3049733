# SPDX-License-Identifier: MIT
"""
How systemd's watchdog behaves was measured once by hand; here each finding (G1 to G17) is held against sdwd under a
real systemd. Those that had a test already carry their id where they stand.
"""

import time

import pytest

import conformance
import wrapped
from test_sources import LATENESS

IDS = [f"G{number}" for number in range(1, 18)]
LEFT_OUT = {}

# Of G14; 32 for ten minutes, and other loads: full-hogs.
HOGS, HOGS_SECONDS = 4, 6

# Beats once and hangs.
HUNG = "#!/bin/sh\necho >&$SDWD_HEARTBEAT_FD\nexec sleep 3600\n"

# Beats once, notes what it sees of a watchdog, and pings for ever: to the relay, and to the manager itself.
PINGS = """#!/usr/bin/python3
import os, socket, sys, time
os.write(int(os.environ["SDWD_HEARTBEAT_FD"]), b".")
with open(sys.argv[1], "w") as f:
    f.write(" ".join(name for name in os.environ if name.startswith("WATCHDOG_")) or "none")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    while True:
        for address in os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1), "/run/systemd/notify":
            s.sendto(b"WATCHDOG=1", address)
        time.sleep(0.05)
"""

BEATS = "#!/bin/sh\nwhile :; do echo >&$SDWD_HEARTBEAT_FD; sleep 0.2; done\n"

# Ignores SIGTERM, and hangs after its only beat.
DEAF = "#!/bin/sh\ntrap '' TERM\necho >&$SDWD_HEARTBEAT_FD\nwhile :; do sleep 0.1; done\n"

# Beats, and answers HTTP. After a time in which it did not run it needs a moment.
LIVES = """#!/usr/bin/python3
import http.server, os, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *words):
        pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
while True:
    os.write(int(os.environ["SDWD_HEARTBEAT_FD"]), b".")
    before = time.monotonic()
    time.sleep(0.1)
    if time.monotonic() - before > 0.7:
        time.sleep(0.2)
"""

# Beats beside that many processes that do nothing else than to use the processor.
STARVED = """#!/usr/bin/python3
import ctypes, os, sys, time
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG
        while True:
            pass
while True:
    os.write(int(os.environ["SDWD_HEARTBEAT_FD"]), b".")
    time.sleep(0.3)
"""


def test_every_case_is_here():
    conformance.check(IDS, LEFT_OUT)


def said_at(systemd, unit, text):
    """When the journal of @unit says that first, in seconds of CLOCK_MONOTONIC; waits for it."""
    return wrapped.monotonic_of(systemd.wait_journal(text, unit))


def pinged_at(systemd, unit):
    """When the manager had the last ping."""
    return int(systemd.show(unit, "WatchdogTimestampMonotonic")) / 1e6


def has_false_failure(systemd, unit):
    return wrapped.has(systemd, unit, "unhealthy:")


@pytest.mark.option("on-unhealthy")
@pytest.mark.option("heartbeat")
def test_G1_silence_after_ready(systemd, sdwd_path, tmp_path):
    w = 2
    child = wrapped.script(tmp_path, "hung", HUNG)
    unit = systemd.unit("silent", wrapped.unit_text(f"{sdwd_path} --heartbeat --silence={w}s -- {child}",
                                                    f"WatchdogSec={w}", "Restart=on-watchdog"))
    systemd.start(unit)
    ready_at = int(systemd.show(unit, "ActiveEnterTimestampMonotonic")) / 1e6
    took = said_at(systemd, unit, f"Watchdog timeout (limit {w}s)!") - ready_at
    assert w - 0.005 <= took <= w + 0.25 + LATENESS, took
    systemd.wait_journal("Main process exited, code=killed, status=6/ABRT", unit)
    systemd.wait_journal("Failed with result 'watchdog'", unit)
    systemd.wait_state(unit, NRestarts=lambda n: int(n) >= 1)


@pytest.mark.option("on-unhealthy")
def test_G3_a_trigger_restarts_on_watchdog(systemd, sdwd_path, tmp_path):
    child = wrapped.script(tmp_path, "hung", HUNG)
    unit = systemd.unit("trigger", wrapped.unit_text(
        f"{sdwd_path} --heartbeat --silence=200ms --on-unhealthy=trigger -- {child}", "WatchdogSec=1h",
        "Restart=on-watchdog"))
    systemd.start(unit)
    systemd.wait_journal("Watchdog request (last status: unhealthy: heartbeat: ", unit)
    systemd.wait_state(unit, NRestarts=lambda n: int(n) >= 1)
    assert wrapped.has(systemd, unit, "Failed with result 'watchdog'")


def test_G5_a_stopped_sdwd_is_killed_after_its_last_ping(systemd, sdwd_path, tmp_path):
    w = 1.5
    unit = systemd.unit("stopped", wrapped.unit_text(f"{sdwd_path} -- /bin/sleep 3600", f"WatchdogSec={w}"))
    systemd.start(unit)
    systemd.wait_state(unit, WatchdogTimestampMonotonic=lambda at: int(at) > 0)
    systemd.systemctl("kill", systemd.main_alone, "--signal=STOP", unit)
    last = pinged_at(systemd, unit)
    took = said_at(systemd, unit, "Watchdog timeout (limit ") - last
    assert w - 0.005 <= took <= w + 0.25 + LATENESS, took
    systemd.wait_state(unit, ActiveState="failed", Result="watchdog")
    assert not has_false_failure(systemd, unit)


def test_G7_pings_of_the_child_keep_nothing_alive(systemd, sdwd_path, tmp_path):
    child, seen = wrapped.script(tmp_path, "pings", PINGS), tmp_path / "seen"
    unit = systemd.unit("pings", wrapped.unit_text(f"{sdwd_path} --heartbeat -- {child} {seen}", "WatchdogSec=1"))
    systemd.start(unit)
    systemd.wait_state(unit, ActiveState="failed", Result="watchdog")
    assert seen.read_text() == "none", "it sees a watchdog that is not its own"
    # Newer ones ignore it without a word.
    assert systemd.version >= 257 or wrapped.has(systemd, unit, "reception only permitted for main PID"), systemd.describe(unit)


def test_G10_a_hung_child_is_killed_at_the_stop_timeout(systemd, sdwd_path, tmp_path):
    w = 0.5
    child = wrapped.script(tmp_path, "deaf", DEAF)
    unit = systemd.unit("deaf", wrapped.unit_text(f"{sdwd_path} --heartbeat -- {child}", f"WatchdogSec={w}",
                                                  "TimeoutStopSec=2"))
    systemd.start(unit)
    systemd.stop(unit, wait=False)
    # STOPPING=1 and its reason come before the end.
    systemd.wait_state(unit, SubState="stop-sigterm", StatusText="stopping: SIGTERM")
    systemd.wait_state(unit, ActiveState="failed", Result="timeout")
    assert wrapped.has(systemd, unit, "State 'stop-sigterm' timed out. Killing.")
    assert not wrapped.has(systemd, unit, "Watchdog") and not has_false_failure(systemd, unit)


def test_G13_frozen_together_nothing_fails(systemd, sdwd_path, tmp_path):
    """
    As a paused machine; for longer than W this systemd acts itself, and newer ones do not. What is not counted begins
    when sdwd would have woken up: here, with a look each 100 ms, soon after the freeze.
    """
    w = 2
    child = wrapped.script(tmp_path, "lives", LIVES)
    units = wrapped.start_all(systemd, {stem: wrapped.unit_text(
        f"{sdwd_path} --heartbeat --silence=900ms --http=http://127.0.0.1:{port}/ --interval=100ms --timeout=900ms "
        f"--fall=1 -- {child} {port}", f"WatchdogSec={w}") for stem, port in (("half", 20401), ("double", 20402))})
    files = {stem: f"/sys/fs/cgroup{systemd.show(unit, 'ControlGroup')}/cgroup.freeze" for stem, unit in units.items()}

    def freeze(stem, value):
        systemd.run("sh", "-c", 'echo "$2" >"$1"', "sh", files[stem], value)

    for stem in units:
        systemd.wait_state(units[stem], WatchdogTimestampMonotonic=lambda at: int(at) > 0)
        freeze(stem, 1)
    time.sleep(w / 2)
    freeze("half", 0)
    thawed_at = time.monotonic()
    time.sleep(1.5 * w)
    freeze("double", 0)
    systemd.wait_journal("did not run for", units["half"])
    systemd.wait_state(units["half"], ActiveState="active", Result="success", StatusText="healthy",
                       WatchdogTimestampMonotonic=lambda at: int(at) > (thawed_at + w) * 1e6)
    state = systemd.wait_state(units["double"], SubState=lambda now: now in ("running", "failed"), Result=lambda _: True)
    assert state["Result"] in ("success", "watchdog"), systemd.describe(units["double"])
    for unit in units.values():
        assert not has_false_failure(systemd, unit), systemd.describe(unit)


def test_frozen_by_systemctl_a_service_comes_back(systemd, sdwd_path, tmp_path):
    """
    In time: as if nothing had been. For longer than W: an old systemd kills what it froze itself, and starts it again; from
    258 on, and in later releases of 257, it waits. Neither is a failure of the child.
    """
    child = wrapped.script(tmp_path, "beats", BEATS)
    units = wrapped.start_all(systemd, {stem: wrapped.unit_text(
        f"{sdwd_path} --heartbeat -- {child}", f"WatchdogSec={w}", "Restart=on-failure", "TimeoutAbortSec=1")
        for stem, w in (("short", 20), ("long", 1.5))})
    for unit in units.values():
        systemd.wait_state(unit, ActiveState="active", StatusText="healthy")
        systemd.systemctl("freeze", unit)
    time.sleep(1)
    systemd.systemctl("thaw", units["short"])
    thawed_at = time.monotonic()
    time.sleep(2)
    killed = wrapped.has(systemd, units["long"], "Watchdog timeout")
    assert not killed or systemd.version < 258, systemd.describe(units["long"])
    # Where it was killed there is nothing left to thaw.
    systemd.systemctl("thaw", units["long"], check=False)
    long_thawed_at = time.monotonic()
    systemd.wait_state(units["long"], ActiveState="active", StatusText="healthy", NRestarts=lambda n: (int(n) > 0) == killed,
                       WatchdogTimestampMonotonic=lambda at: int(at) > long_thawed_at * 1e6)
    systemd.wait_state(units["short"], ActiveState="active", StatusText="healthy", NRestarts="0",
                       WatchdogTimestampMonotonic=lambda at: int(at) > thawed_at * 1e6)
    for unit in units.values():
        assert not has_false_failure(systemd, unit), systemd.describe(unit)


@pytest.mark.option("kill-timeout")
def test_a_child_that_is_frozen_alone_has_hung(systemd, sdwd_path, tmp_path):
    """What it handles it cannot take: withhold leaves it to systemd, and kill sends SIGKILL after --kill-timeout."""
    child = wrapped.script(tmp_path, "beats", BEATS.replace("\n", "\ntrap : TERM\n", 1))
    units = wrapped.start_all(systemd, {stem: wrapped.unit_text(
        f"{sdwd_path} --heartbeat --on-unhealthy={stem} --kill-timeout=500ms -- {child}", "WatchdogSec=2", "Delegate=yes",
        "TimeoutAbortSec=1") for stem in ("withhold", "kill")})
    for unit in units.values():
        systemd.wait_state(unit, WatchdogTimestampMonotonic=lambda at: int(at) > 0)
        group = f"/sys/fs/cgroup{systemd.show(unit, 'ControlGroup')}"
        pid = systemd.wait_journal("ready after", unit)["MESSAGE"].split("pid ")[1].split(",")[0]
        systemd.run("sh", "-c", 'mkdir "$1/alone" && echo "$2" >"$1/alone/cgroup.procs" && echo 1 >"$1/alone/cgroup.freeze"',
                    "sh", group, pid)
    for stem, result in ("withhold", "watchdog"), ("kill", "exit-code"):
        systemd.wait_state(units[stem], ActiveState="failed", Result=result)
        assert wrapped.has(systemd, units[stem], "unhealthy: heartbeat: no sign of life"), systemd.describe(units[stem])
    assert systemd.show(units["kill"], "ExecMainStatus") == "124"


def test_G14_processors_that_are_taken(systemd, sdwd_path, tmp_path):
    child = wrapped.script(tmp_path, "starved", STARVED)
    unit = systemd.unit("starved", wrapped.unit_text(f"{sdwd_path} --heartbeat -- {child} {HOGS}", "WatchdogSec=3"))
    systemd.start(unit)
    # The manager's timer ends at the latest 3 s after its last ping: looked at for longer than that.
    until = (time.monotonic() + HOGS_SECONDS) * 1e6
    systemd.wait_state(unit, timeout=HOGS_SECONDS + 30, ActiveState="active", NRestarts="0",
                       WatchdogTimestampMonotonic=lambda at: int(at) > until)
    assert not has_false_failure(systemd, unit), systemd.describe(unit)
