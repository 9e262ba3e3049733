# SPDX-License-Identifier: MIT
"""READY=1: never too early, never lost; and a start that takes too long."""

import os
import signal
import socket
import time

import pytest

from faults import children
from manager import full_queue
from puppet import child, cpu_seconds, state_of, wait_until  # pylint: disable=unused-import


def is_pingless_before_ready(manager):
    before = [d for d in manager.all if manager.ready_at is None or d.at < manager.ready_at]
    return not [d for d in before if d.has("WATCHDOG=1")]


# What is waited for -----------------------------------------------------------------------------------------------


HURRIED = """import os, signal, socket
os.kill(os.getppid(), signal.SIGSTOP)
{says}
"""


@pytest.mark.parametrize("options, says", [
    (["--notify"], "address = os.environ['NOTIFY_SOCKET']; "
     "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', address.replace('@', chr(0)))"),
    (["--heartbeat"], "os.write(int(os.environ['SDWD_HEARTBEAT_FD']), bytes([10]))"),
    (["--heartbeat"], "os.write(int(os.environ['SDWD_HEARTBEAT_FD']), b'READY=1')"),
], ids=["notify", "beat", "word"])
def test_what_the_child_said_before_its_end_counts_however_late_it_is_read(sdwd, manager, options, says):
    run = sdwd(*options, command=["/usr/bin/python3", "-SEc", HURRIED.format(says=says)])
    wait_until(lambda: state_of(run.pid) == "T", "stop of sdwd")
    wait_until(lambda: [state for _, state in children(run.pid)] == ["Z"], "end of the child")
    run.signal(signal.SIGCONT)
    assert run.wait() == 0
    manager.wait_ready()


@pytest.mark.option("ready")
def test_exec_is_enough_without_probes(sdwd, manager):
    run = sdwd(command=["sleep", "1000"])
    assert manager.wait_ready().pid == run.pid
    assert "watching the process only" in run.stderr()


@pytest.mark.parametrize("command,code", [("/nowhere/command", 127), ("/etc/passwd", 126)])
def test_never_before_exec_succeeded(sdwd, manager, command, code):
    assert sdwd("--ready=exec", command=[command]).wait() == code
    manager.wait_for("ERRNO=")
    assert manager.ready_at is None


@pytest.mark.option("ready")
@pytest.mark.parametrize("ready,needed", [
    (None, ["beat()"]),
    ("healthy", ["beat()"]),
    ("exec", []),
    ("notify", ["notify('READY=1')"]),
    ("healthy,notify", ["notify('READY=1')", "beat()"]),
    ("notify,healthy", ["beat()", "notify('READY=1')"]),
    ("exec,notify", ["notify('READY=1')"]),
    ("exec,healthy", ["beat()"]),
    ("exec,healthy,notify", ["beat()", "notify('READY=1')"]),
])
def test_all_of_the_list_must_hold(sdwd, manager, child, ready, needed):
    sdwd("--heartbeat", *([f"--ready={ready}"] if ready else []), command=child.command, watchdog=1)
    for i, step in enumerate(needed):
        assert manager.ready_at is None, f"before {step}"
        child(f"{step}, notify('X_STEP={i}')")
        manager.wait_for(f"X_STEP={i}")
        if i + 1 < len(needed):
            manager.never("READY=1", 0.2)
    manager.wait_ready()
    assert is_pingless_before_ready(manager) and len(manager.matching("READY=1")) == 1


def test_G2_no_ping_before_ready_however_healthy(sdwd, manager, child):
    sdwd("--heartbeat", "--ready=healthy,notify", command=child.command, watchdog=0.5)
    child("repeat(0.02, beat)")
    manager.never("WATCHDOG=1", 1)
    child("notify('READY=1')")
    manager.wait_ready()
    manager.wait_for("WATCHDOG=1")
    assert is_pingless_before_ready(manager)


@pytest.mark.option("require")
@pytest.mark.parametrize("require,needed", [(None, 3), ("all", 3), ("any", 1), ("2", 2), ("1", 1)])
def test_so_many_probes_as_are_required(sdwd, manager, child, require, needed):
    names = ["_ONE", "_TWO", "_THREE"]
    options = [o for n in names for o in ("--heartbeat", f"--name={n[1:].lower()}", "--silence=1h")]
    sdwd(*options, *([f"--require={require}"] if require else []), command=child.command)
    for name in names[-needed:][:-1]:
        child(f"beat(name={name!r})")
    child("notify('X_STEP=1')")
    manager.wait_for("X_STEP=1")
    assert manager.ready_at is None
    child(f"beat(name={names[-1]!r})")
    manager.wait_ready()


@pytest.mark.option("require")
def test_required_ones_keep_it_healthy(sdwd, manager, child):
    run = sdwd("--heartbeat", "--name=a", "--heartbeat", "--name=b", "--silence=300ms", "--require=any",
               command=child.command, watchdog=0.6)
    child("beat(name='_A'), repeat(0.05, beat, b'x', '_B')")
    manager.wait_ready()
    manager.wait_ping(count=4)
    assert "unhealthy:" not in run.stderr()
    child("stop()")
    run.wait_stderr("unhealthy:")


def test_requiring_more_than_there_are_is_an_error(sdwd):
    run = sdwd("--heartbeat", "--heartbeat", "--optional", "--require=2", command=["true"])
    assert run.wait() == 125 and "--require" in run.stderr()


# The manager's side -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_both_kinds_of_addresses(make_manager, sdwd, child, kind):
    manager = make_manager(f"@sdwd-ready-{os.getpid()}" if kind == "abstract" else None)
    run = sdwd("--heartbeat", command=child.command, env={"NOTIFY_SOCKET": manager.address}, watchdog=0.5)
    child("repeat(0.05, beat)")
    assert manager.wait_ready().pid == run.pid
    manager.wait_ping(count=2)


def test_a_ready_that_waits_for_the_manager_holds_back_the_pings(sdwd, manager, child):
    manager.pause()
    full_queue(manager)
    run = sdwd("--heartbeat", command=child.command, watchdog=0.5)
    child("repeat(0.02, beat)")
    time.sleep(0.7)
    assert "ready after" not in run.stderr(), "it is not ready before the manager took it"
    manager.resume()
    manager.wait_ready()
    run.wait_stderr("ready after")
    manager.wait_for("WATCHDOG=1")
    assert is_pingless_before_ready(manager) and len(manager.matching("READY=1")) == 1


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_manager_that_is_gone_at_the_start(make_manager, sdwd, child, kind):
    manager = make_manager(f"@sdwd-gone-{os.getpid()}" if kind == "abstract" else None)
    manager.go_away()
    sdwd("--heartbeat", command=child.command, env={"NOTIFY_SOCKET": manager.address}, watchdog=0.5)
    child("repeat(0.02, beat)")
    time.sleep(0.3)
    manager.come_back()
    manager.wait_ready()
    manager.wait_ping()
    assert is_pingless_before_ready(manager)


def test_a_manager_that_goes_and_comes_back(sdwd, manager, child):
    run = sdwd("--heartbeat", command=child.command, watchdog=0.5)
    child("repeat(0.02, beat)")
    manager.wait_ready()
    manager.go_away()
    child("notify('X_WHILE=1')")
    time.sleep(0.7)
    manager.come_back()
    manager.wait_for("X_WHILE=1")
    manager.wait_ping(count=3)
    assert len(manager.matching("READY=1")) == 1 and "unhealthy:" not in run.stderr()


@pytest.mark.parametrize("word", ["WATCHDOG=trigger", ""], ids=["trigger", "closed"])
def test_a_ready_that_waits_is_taken_back_when_health_is_lost(sdwd, manager, child, word):
    manager.pause()
    full_queue(manager)
    run = sdwd("--heartbeat", "--silence=1h", "--log-level=debug", command=child.command, watchdog=2)
    child("beat()")
    run.wait_stderr("heartbeat: pass (ok)")
    child("beat(b'WATCHDOG=trigger\\n')" if word else "os.close(int(os.environ['SDWD_HEARTBEAT_FD']))")
    run.wait_stderr("withholding READY=1 until the service recovers")
    manager.resume()
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy: heartbeat: "))
    assert manager.ready_at is None
    if not word:
        return
    child("beat()")
    manager.wait_ready()
    run.wait_stderr("healthy again")
    manager.wait_ping()


@pytest.mark.parametrize("order,n_fds", [("before", 0), ("before", 1), ("after", 0)])
def test_so_is_a_reload_behind_it(sdwd, manager, child, order, n_fds):
    """The child's own READY=1, which ends its reload, is not the one that the manager waits for. What it came with is."""
    manager.pause()
    full_queue(manager)
    run = sdwd("--notify", "--heartbeat", "--ready=notify", "--log-level=debug", command=child.command, watchdog=20)
    child("notify('READY=1')")
    run.wait_stderr("notify: pass (ok)")
    child("notify('RELOADING=1\\nMONOTONIC_USEC=7')")
    if order == "before":
        store = "FDSTORE=1" if n_fds else "X_NONE=1"
        child(f"notify('READY=1\\n{store}\\nX_WITH=1', {[0] * n_fds})")
    child("os.close(int(os.environ['SDWD_HEARTBEAT_FD']))")
    run.wait_stderr("withholding READY=1 until the service recovers")
    if order == "after":
        child("notify('READY=1')")
    child("notify('X_END=1')")
    manager.resume()
    manager.wait_for("X_END=1")
    assert manager.ready_at is None
    assert manager.matching("RELOADING=1")
    assert [len(d.fds) for d in manager.matching("X_WITH=1")] == [n_fds] * (order == "before")


def test_a_stop_takes_a_waiting_ready_with_it(sdwd, manager, child):
    manager.pause()
    full_queue(manager)
    run = sdwd("--heartbeat", command=child.command, watchdog=0.5)
    child("signal.signal(signal.SIGTERM, lambda *_: None), repeat(0.02, beat)")
    child("beat()")
    time.sleep(0.3)
    run.signal(signal.SIGTERM)
    run.wait_stderr("stopping")
    manager.resume()
    manager.wait_for("STOPPING=1")
    manager.never("WATCHDOG=1", 0.5)
    child.tell("os._exit(0)")
    assert run.wait() == 0 and not manager.pings()


# Too late ---------------------------------------------------------------------------------------------------------


@pytest.mark.option("start-timeout")
def test_start_timeout_ends_the_child_and_says_what_is_missing(sdwd, manager, child):
    run = sdwd("--heartbeat", "--name=pulse", "--start-timeout=700ms", command=child.command)
    child("signal.signal(signal.SIGTERM, lambda *_: os._exit(0))")
    stopping = manager.wait_for("STOPPING=1")
    assert "pulse: nothing heard yet" in stopping.fields["STATUS"]
    assert run.wait() == 124
    assert "not ready within --start-timeout=700ms: pulse: nothing heard yet; ending the service\n" in run.stderr()
    assert manager.ready_at is None


@pytest.mark.option("start-timeout")
def test_start_timeout_ends_with_ready(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=1h", "--start-timeout=3s", command=child.command)
    child("beat()")
    manager.wait_ready()
    wait_until(lambda: time.monotonic() > run.started_at + 3.3, "time")
    assert run.is_running() and "start-timeout" not in run.stderr()


# Says it while sdwd stands still, from half a second before 1.5 s to a tenth after them: not long enough for a stall.
IN_TIME = """import os, signal, socket, sys, time
began = float(open('/proc/self/stat').read().rpartition(')')[2].split()[19]) / os.sysconf('SC_CLK_TCK')
def age():
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began
while age() < 1:
    time.sleep(0.01)
os.kill(os.getppid(), signal.SIGSTOP)
address = os.environ['NOTIFY_SOCKET']
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', address.replace('@', chr(0)))
said = age()
while age() < 1.6:
    time.sleep(0.01)
with open(sys.argv[1], 'w') as f:
    f.write(str(said))
os.kill(os.getppid(), signal.SIGCONT)
time.sleep(1000)
"""


@pytest.mark.option("start-timeout")
def test_what_was_said_within_the_start_timeout_counts_however_late_it_is_read(sdwd, manager, tmp_path):
    for turn in range(10):
        said = tmp_path / f"said-{turn}"
        run = sdwd("--notify", "--start-timeout=1500ms", command=["/usr/bin/python3", "-SEc", IN_TIME, said])
        wait_until(lambda r=run: "ready after" in r.stderr() or not r.is_running(), "end of the start")
        if run.is_running():
            break
        # A busy machine may have been too late for it.
        assert not said.exists() or float(said.read_text()) > 1.45, run.stderr()
    assert run.is_running() and "--start-timeout" not in run.stderr()
    manager.wait_ready()


@pytest.mark.option("start-timeout")
def test_a_manager_that_does_not_read_is_no_slow_start(sdwd, manager, child):
    """Nor is one that does not take what the child says before its READY=1."""
    manager.pause()
    full_queue(manager)
    run = sdwd("--notify", "--start-timeout=3s", command=child.command)
    child("[notify('X_A=1') for _ in range(258)], notify('READY=1')")
    used = cpu_seconds(run.pid)
    wait_until(lambda: time.monotonic() > run.started_at + 4, "time")
    assert run.is_running() and "--start-timeout" not in run.stderr()
    assert cpu_seconds(run.pid) - used < 0.5, "nor does sdwd wait for it without rest"
    manager.resume()
    manager.wait_ready()
    run.wait_stderr("ready after")


@pytest.mark.option("extend-start")
def test_G9_extend_start_asks_for_more_time_until_ready_or_its_limit(sdwd, manager, child):
    names = ("EXTEND_TIMEOUT_USEC=",)
    long = sdwd("--heartbeat", "--extend-start=1h", command=["sleep", "1000"])
    short = sdwd("--heartbeat", "--extend-start=2s", command=["sleep", "1000"])
    ready = sdwd("--heartbeat", "--silence=1h", "--extend-start=1h", command=child.command)
    first = manager.wait_for(lambda d: d.pid == long.pid and "EXTEND_TIMEOUT_USEC" in d.fields)
    manager.wait_for(lambda d: d.pid == ready.pid and "EXTEND_TIMEOUT_USEC" in d.fields)
    child("beat()")
    ready_at = manager.wait_ready().at
    # Renewed before what was asked for has passed.
    again = manager.wait_for(lambda d: d.pid == long.pid and "EXTEND_TIMEOUT_USEC" in d.fields, count=2)
    assert again.at < first.at + int(first.fields["EXTEND_TIMEOUT_USEC"]) / 1e6
    wait_until(lambda: time.monotonic() > ready_at + 5.5, "time")
    asked = [d for d in manager.matching(names[0]) if d.pid == short.pid]
    assert asked and all(d.at + int(d.fields["EXTEND_TIMEOUT_USEC"]) / 1e6 < asked[0].at + 2.5 for d in asked)
    assert not [d for d in manager.matching(names[0]) if d.pid == ready.pid and d.at > ready_at]


def test_extend_start_is_off_by_default(sdwd, manager, child):
    sdwd("--heartbeat", command=child.command)
    child("notify('X_A=1')")
    manager.wait_for("X_A=1")
    assert not manager.matching("EXTEND_TIMEOUT_USEC=")
