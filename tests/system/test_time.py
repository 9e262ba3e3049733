# SPDX-License-Identifier: MIT
"""
Time that stands still, for sdwd and its child together, and a clock that began elsewhere. Steps of the wall clock:
test_unit_conformance.py (G15), test_file.py; control groups that are frozen: tests/systemd/test_conformance.py (G13).
"""

import contextlib
import ctypes
import os
import re
import signal
import time

import pytest

from control import Client
from puppet import child, state_of, wait_until  # pylint: disable=unused-import
from scripted import edges, serve  # pylint: disable=unused-import
from test_grpc import health  # pylint: disable=unused-import
from test_stall import beating, stop_for  # pylint: disable=unused-import
from test_unit_conformance import DAY, wall_clock  # pylint: disable=unused-import
from tls import authority, certificate, serve_tls  # pylint: disable=unused-import

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWTIME = 0x80
YEAR = 365.25 * 86400


def must(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "time namespace")


def clock_from(offset):
    """For preexec: from then on CLOCK_MONOTONIC is @offset seconds ahead of ours, for the process and all below it."""
    def enter():
        must(_libc.unshare(CLONE_NEWTIME))
        seconds, part = divmod(offset, 1)
        with open("/proc/self/timens_offsets", "w", encoding="ascii") as offsets:
            offsets.write(f"monotonic {int(seconds)} {int(part * 1e9)}\n")
        # Older kernels enter it at a fork only.
        fd = os.open("/proc/self/ns/time_for_children", os.O_RDONLY)
        must(_libc.setns(fd, CLONE_NEWTIME))
        os.close(fd)
    return enter


# How far the clock is from zero when sdwd starts.
AGES = {"just-booted": 0.02, "a-century": 100 * YEAR}


@pytest.fixture(params=AGES)
def elsewhere(request):
    """The preexec for a clock of that age, and that age."""
    age = AGES[request.param]

    def enter():
        clock_from(age - time.monotonic())()
    enter.age = age
    return enter


# A clock that began elsewhere -------------------------------------------------------------------------------------


def test_a_clock_of_any_age_changes_nothing(sdwd, manager, serve, serve_tls, authority, child, elsewhere, runtime_folder):
    """
    A machine that was started just now, or a hundred years ago: READY, pings within W and no stall; looks and the
    prober go on; what sdwdctl is told are spans, so they hold outside as well; silence is seen when it is due.
    """
    plain, tls = serve(), serve_tls()
    run = sdwd("--heartbeat", "--silence=600ms", f"--http={plain.url()}", "--interval=100ms", "--timeout=2s",
               f"--http={tls.url()}", f"--http-ca={authority.pem}", "--interval=100ms", "--timeout=2s",
               "--label=elsewhere", command=child.command, watchdog=1.5, preexec=elsewhere)
    child("repeat(0.05, beat)")
    there = child("time.monotonic()")
    assert elsewhere.age < there < elsewhere.age + 60, "the clock is not from elsewhere"
    manager.wait_ready()
    for server in plain, tls:
        server.wait_looks(5)
    manager.wait_ping(count=3)
    assert manager.longest_gap() < 1.5 and not edges(run.stderr())
    stalls = re.findall(r"did not run for ([^;]*);", run.stderr())
    assert all(re.fullmatch(r"[\d.]+m?s", stall) for stall in stalls), run.stderr()
    client = Client(runtime_folder / "sdwd" / "elsewhere")
    with contextlib.closing(client.socket):
        status = client.call("GetStatus")["status"]
    assert 0 < status["stateUsec"] <= status["startedUsec"] < 60e6 and 0 <= status["lastPingUsec"] < 20e6
    assert all(0 <= probe["ageUsec"] < 20e6 for probe in status["probes"])
    silent = time.monotonic()
    child("stop()")
    run.wait_stderr("unhealthy: heartbeat: no sign of life for ")
    assert time.monotonic() - silent > 0.6 - 0.1, "a beat may have been read before"
    found = re.search(r"no sign of life for (\d+)ms", run.stderr())
    assert found is None or int(found.group(1)) >= 600


def test_the_prober_does_not_mind_steps_of_the_wall_clock(sdwd, manager, health, wall_clock):
    """A day forward and back: looks through the prober go on, and each in its time."""
    server = health("=SERVING")
    run = sdwd(f"--grpc=127.0.0.1:{server.port}", "--interval=100ms", "--timeout=2s", env=wall_clock.env, watchdog=1.5)
    manager.wait_ready()
    with open(f"/proc/{run.child(command='sdwd-prober')}/maps", encoding="utf-8") as maps:
        assert "wallclock.so" in maps.read(), "the prober's clock is not stepped"
    for seconds in DAY, -DAY, 0:
        wall_clock.step(seconds)
        looks = len(server.calls())
        wait_until(lambda n=looks: len(server.calls()) > n + 4, "looks of the prober")
        manager.wait_ping()
    assert manager.longest_gap() < 1.5 and not edges(run.stderr()) and "prober" not in run.stderr(), run.stderr()


@pytest.mark.option("reload")
def test_a_reload_tells_the_time_of_its_own_clock(sdwd, manager, child):
    """
    The child's MONOTONIC_USEC goes up as it is, and sdwd's own (--reload=signal) is of the clock that sdwd sees: in a
    time namespace neither is the manager's, with sdwd as without it.
    """
    offset = 1000.0
    run = sdwd("--heartbeat", "--reload=signal", command=child.command, watchdog=60, preexec=clock_from(offset))
    child("repeat(0.05, beat)")
    child("signal.signal(signal.SIGHUP, lambda *_: None)")
    manager.wait_ready()
    run.signal(signal.SIGHUP)
    up = manager.wait_for("RELOADING=1")
    assert 0 <= up.at + offset - int(up.fields["MONOTONIC_USEC"]) / 1e6 < 20
    manager.wait_for("READY=1", count=2)
    child("notify('RELOADING=1\\nMONOTONIC_USEC=1')")
    assert manager.wait_for("RELOADING=1", count=2).fields["MONOTONIC_USEC"] == "1"


# sdwd alone, for longer than W ------------------------------------------------------------------------------------


def test_stopped_for_longer_than_w_the_child_is_not_blamed(beating, manager):
    """
    The manager would have acted, by itself. Where nobody does (here), the first thing said is a ping, all of the time
    is taken out, and the child is healthy as it was.
    """
    run = beating("--silence=500ms", "--on-unhealthy=kill", watchdog=0.6)
    manager.wait_ping()
    continued = stop_for(run, 1.2)
    assert manager.wait_for(lambda d: True, after=continued).has("WATCHDOG=1")
    said = run.wait_stderr("did not run for")
    assert re.search(r"did not run for [\d.]+m?s; none of it counts against the service \(", said), said
    manager.wait_ping(count=3)
    assert not edges(run.stderr()) and run.is_running()


# Both together, while something has a deadline --------------------------------------------------------------------


def freeze(run, child, seconds):
    """Stops sdwd and its child for @seconds, as a frozen control group or a suspended machine; sdwd wakes first."""
    pid = child if isinstance(child, int) else child("os.getpid()")
    os.kill(pid, signal.SIGSTOP)
    continued = stop_for(run, seconds)
    os.kill(pid, signal.SIGCONT)
    return continued


@pytest.mark.option("kill-timeout")
def test_frozen_while_it_ends_the_child_keeps_its_time(beating, manager, child):
    """--kill-timeout is time in which the child could run: frozen, it could not."""
    run = beating("--silence=300ms", "--on-unhealthy=kill", "--kill-timeout=4s", watchdog=10)
    child("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    pid = child("os.getpid()")
    child("stop()")
    run.wait_stderr("ending pid")
    freeze(run, pid, 4.2)
    child.tell("os._exit(0)")
    assert run.wait() == 124
    assert "SIGKILL" not in run.stderr(), run.stderr()


@pytest.mark.option("start-timeout")
def test_frozen_while_it_starts_the_child_keeps_its_time(sdwd, manager, child):
    """--start-timeout the same: an hour of suspend is no slow start."""
    run = sdwd("--heartbeat", "--start-timeout=4s", command=child.command, watchdog=10)
    pid = child("os.getpid()")
    freeze(run, pid, 4.2)
    child("beat()")
    manager.wait_ready()
    assert "--start-timeout" not in run.stderr() and run.is_running()


@pytest.mark.option("hook-timeout")
def test_frozen_while_the_hook_runs_it_keeps_its_time(beating, child, tmp_path):
    """--hook-timeout the same: the hook is frozen with all else."""
    hook, log = tmp_path / "hook", tmp_path / "log"
    hook.write_text(f"#!/bin/sh\necho $$ >{log}; while test ! -e {log}.end; do sleep 0.02; done; echo end >>{log}\n")
    hook.chmod(0o755)
    run = beating("--silence=300ms", "--on-unhealthy=warn", f"--unhealthy-hook={hook}", "--hook-timeout=4s", watchdog=10)
    child("stop()")
    pid = int(wait_until(lambda: log.exists() and log.read_text().strip(), "hook"))
    freeze(run, pid, 4.2)
    (tmp_path / "log.end").touch()
    wait_until(lambda: "end" in log.read_text(), "end of the hook")
    assert "--hook-timeout" not in run.stderr(), run.stderr()


@pytest.mark.option("orphan-timeout")
def test_frozen_while_orphans_end_they_keep_their_time(sdwd, manager, child):
    """--orphan-timeout the same."""
    run = sdwd("--heartbeat", "--orphan-timeout=4s", command=child.command, watchdog=10)
    child("beat()")
    manager.wait_ready()
    child("r, w = os.pipe()")
    orphan = child("fork(lambda: (signal.signal(signal.SIGTERM, signal.SIG_IGN), os.write(w, b'x'), time.sleep(1000)))")
    child("os.read(r, 1)")
    child.tell("os._exit(0)")
    run.wait_stderr("got SIGTERM")
    freeze(run, orphan, 4.2)
    os.kill(orphan, signal.SIGUSR1)
    assert run.wait() == 0
    assert "did not end within" not in run.stderr(), run.stderr()
