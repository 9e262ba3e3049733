# SPDX-License-Identifier: MIT
"""--notify: programs that speak sd_notify, each in its own way, are children like under systemd itself."""

import os
import signal
import time

import pytest

from puppet import child, state_of, wait_until  # pylint: disable=unused-import
from test_child_race import children_of


@pytest.fixture
def running(sdwd, manager, child):
    """Starts the puppet under sdwd and waits for READY=1."""

    def start(*options, **more):
        started = sdwd(*options, command=child.command, **more)
        child("None")
        manager.wait_ready()
        return started

    return start


# Programs as they are ---------------------------------------------------------------------------------------------


def test_a_program_that_connects_once(sdwd, manager):
    program = """import sdnotify, time
n = sdnotify.SystemdNotifier(debug=True)
n.notify("STATUS=sdnotify starts"); n.notify("READY=1\\nSTATUS=sdnotify serves"); n.notify("X_LAST=1")
time.sleep(1000)"""
    sdwd("--notify", command=["/usr/bin/python3", "-c", program])
    assert manager.wait_ready().fields["STATUS"] == "sdnotify serves"
    manager.wait_for("X_LAST=1")


def test_libsystemd(running, manager, child):
    run = running("--notify", "--ready=exec")
    child("import ctypes; lib = ctypes.CDLL('libsystemd.so.0')")
    assert child("lib.sd_notify(0, b'READY=1\\nX_A=1')") > 0
    assert manager.wait_for("X_A=1").lines == ["X_A=1"]
    child("r, w = os.pipe(); fds = (ctypes.c_int * 1)(w)")
    assert child("lib.sd_pid_notify_with_fds(0, 0, b'FDSTORE=1\\nFDNAME=lib', fds, 1)") > 0
    assert len(manager.wait_for("FDNAME=lib").fds) == 1
    begin = time.monotonic()
    assert child("lib.sd_notify_barrier(0, ctypes.c_uint64(15000000))") > 0
    assert time.monotonic() - begin < 4
    assert run.is_running()


@pytest.mark.parametrize("access", ["main", "all"])
def test_systemd_notify(sdwd, manager, access):
    if access == "main" and os.getuid() != 0:
        # Only root's may send as its parent.
        access = "all"
    script = """systemd-notify --ready --status="the script is up" || exit 9; echo said; exec sleep 1000"""
    begin = time.monotonic()
    run = sdwd("--notify", f"--notify-access={access}", command=["sh", "-c", script])
    assert manager.wait_ready().fields["STATUS"] == "the script is up"
    run.wait_stdout("said")
    assert time.monotonic() - begin < 4.5, "it waits 5 s for a barrier that is not passed on"
    manager.wait_for("BARRIER=1")


@pytest.mark.option("notify")
def test_the_child_of_notify_sees_a_watchdog_of_its_own(running, child):
    running("--notify", "--silence=700ms", "--ready=exec", watchdog=60)
    assert child("os.environ['WATCHDOG_USEC']") == "700000"
    assert child("int(os.environ['WATCHDOG_PID']) - os.getpid()") == 0
    child("import ctypes; lib = ctypes.CDLL('libsystemd.so.0'); usec = ctypes.c_uint64()")
    assert child("lib.sd_watchdog_enabled(0, ctypes.byref(usec))") > 0 and child("usec.value") == 700000


def test_other_children_see_none(running, child):
    running("--heartbeat", "--ready=exec", watchdog=60)
    assert child("[n for n in os.environ if n.startswith('WATCHDOG')]") == []
    child("import ctypes; lib = ctypes.CDLL('libsystemd.so.0')")
    assert child("lib.sd_watchdog_enabled(0, None)") == 0


@pytest.mark.option("notify")
def test_notify_awaits_ready_and_judges_pings_from_the_first_on(sdwd, manager, child):
    run = sdwd("--notify", "--silence=300ms", "--on-unhealthy=warn", command=child.command)
    child("notify('WATCHDOG=1'), notify('X_A=1')")
    manager.wait_for("X_A=1")
    assert manager.ready_at is None
    child("notify('READY=1')")
    manager.wait_ready()
    child("notify('WATCHDOG=1')")
    run.wait_stderr("(silent)")
    child("notify('WATCHDOG=1')")
    run.wait_stderr("healthy again")


def test_pings_hold_while_another_probe_is_not_ready_yet(sdwd, manager, child):
    """The child said READY=1 and pings; the other source comes much later than --silence, and may not be in vain."""
    sdwd("--notify=watchdog", "--silence=600ms", "--heartbeat", "--silence=10s", command=child.command)
    child("notify('READY=1'), repeat(0.1, notify, 'WATCHDOG=1')")
    manager.wait_for("STATUS=starting: heartbeat: nothing heard yet")
    manager.never("READY=1", 2)
    assert not [d for d in manager.all if "no sign of life" in str(d)]
    child("beat()")
    manager.wait_ready()


@pytest.mark.option("notify")
def test_a_child_that_never_pings(sdwd, manager, child):
    # Without =watchdog its lease has no end; with it, READY=1 begins the first one.
    other = sdwd("--notify=watchdog", "--silence=300ms", "--on-unhealthy=warn", notify=False,
                 command=["sh", "-c", "systemd-notify --ready; exec sleep 1000"])
    run = sdwd("--notify", "--silence=300ms", command=child.command, watchdog=0.6)
    child("notify('READY=1')")
    manager.wait_ready()
    other.wait_stderr("(silent)")
    manager.wait_ping(count=4)
    assert "unhealthy:" not in run.stderr()


# A child that is faster than sdwd -----------------------------------------------------------------------------------


def test_ready_said_before_sdwd_saw_the_exec_is_not_lost(sdwd, manager):
    """sdwd is stopped between fork and exec (made slow by a long PATH), and continued after the child has spoken."""
    slow = {"PATH": "/:" * 15000 + "/usr/bin:/bin"}
    program = """import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
s.sendall(b"READY=1\\nSTATUS=at once"); print("said", flush=True); time.sleep(1000)"""
    run = sdwd("--notify", command=["python3", "-c", program], env=slow)
    wait_until(lambda: children_of(run.pid), "fork")
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop of sdwd")
    run.wait_stdout("said")
    run.signal(signal.SIGCONT)
    assert manager.wait_ready().fields["STATUS"] == "at once"
