# SPDX-License-Identifier: MIT
"""sdwd or the child does not run for a while: what is taken out of time, and what is not."""

import os
import signal
import time

import pytest

from manager import full_queue
from puppet import child, state_of, wait_until  # pylint: disable=unused-import


def stop_for(run, seconds):
    """SIGSTOP and SIGCONT of sdwd; returns when it was continued."""
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop of sdwd")
    time.sleep(seconds)
    now = time.monotonic()
    run.signal(signal.SIGCONT)
    return now


@pytest.fixture
def beating(sdwd, manager, child):
    def start(*options, **more):
        run = sdwd("--heartbeat", *options, command=child.command, **more)
        child("repeat(0.05, beat)")
        manager.wait_ready()
        return run

    return start


# sdwd -------------------------------------------------------------------------------------------------------------


def test_E3_a_healthy_child_survives_and_a_ping_comes_first(beating, manager):
    run = beating("--silence=500ms", "--on-unhealthy=kill", watchdog=1.5)
    manager.wait_ping()
    continued = stop_for(run, 1.3)
    first = manager.wait_for(lambda d: True, after=continued)
    assert first.has("WATCHDOG=1"), "before all else"
    run.wait_stderr("did not run for")
    manager.wait_ping(count=3)
    assert "unhealthy:" not in run.stderr() and run.is_running()


def test_frozen_together_a_healthy_child_is_not_ended(beating, manager, child):
    """As a frozen cgroup or a suspended machine: the child cannot speak before it runs again itself."""
    run = beating("--silence=1s", "--on-unhealthy=kill", watchdog=10)
    manager.wait_ping()
    pid = child("os.getpid()")
    for _ in range(3):
        os.kill(pid, signal.SIGSTOP)
        stop_for(run, 1.8)
        run.wait_stderr("did not run for")
        os.kill(pid, signal.SIGCONT)
        # Fence: beats are heard for longer than a silence may last.
        time.sleep(1.2)
    assert "unhealthy:" not in run.stderr() and run.is_running()


def stalls_told(run):
    return [line for line in run.stderr().splitlines() if "did not run for" in line]


def test_stalls_are_told_once_a_second(sdwd):
    run = sdwd("--watchdog-sec=20ms", notify=False)
    run.wait_stderr("ready after")
    begin = time.monotonic()
    for _ in range(20):
        stop_for(run, 0.05)
        # Fence: it ran.
        time.sleep(0.02)
    stop_for(run, 1)
    wait_until(lambda: sum(int(line.split()[-2]) for line in stalls_told(run) if "pieces" in line) >= 5, "stalls together")
    assert 2 <= len(stalls_told(run)) <= 2 + (time.monotonic() - begin), run.stderr()


@pytest.mark.parametrize("ends", [False, True], ids=["", "end"])
def test_the_last_stall_is_told_though_no_other_follows(sdwd, ends):
    run = sdwd("--watchdog-sec=400ms", notify=False)
    run.wait_stderr("ready after")
    stop_for(run, 1)
    run.wait_stderr("did not run for")
    stop_for(run, 0.5)
    if ends:
        # Fence: it ran, and that second is not over.
        time.sleep(0.1)
        run.terminate()
        assert len(stalls_told(run)) >= 2, run.stderr()
    else:
        wait_until(lambda: len(stalls_told(run)) >= 2, "line of the second stall")


def test_a_silent_child_does_not_gain_for_ever(beating, manager, child):
    run = beating("--silence=500ms", watchdog=1)
    manager.wait_ping()
    child("stop()")
    stop_for(run, 1)
    continued = time.monotonic()
    run.wait_stderr("unhealthy: heartbeat")
    # The whole second is credited, no more than that.
    assert time.monotonic() - continued < 3


@pytest.mark.parametrize("said", ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=1000000"])
def test_what_is_read_after_a_stall_is_no_evidence_of_later_than_that(sdwd, manager, child, said):
    """The end of an orphan makes sdwd read what the child said, before it takes the time of the stall out."""
    run = sdwd("--notify", "--silence=1s", command=child.command, watchdog=2)
    child("r, w = os.pipe()")
    child("fork(lambda: os.write(w, b'%d' % fork(time.sleep, 1000)))")
    orphan = int(child("os.read(r, 20)"))
    child("notify('READY=1\\nWATCHDOG=1'), repeat(0.05, notify, 'WATCHDOG=1')")
    manager.wait_ping()
    child("stop()")
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop of sdwd")
    child(f"notify({said!r})")
    time.sleep(8)
    os.kill(orphan, signal.SIGKILL)
    wait_until(lambda: state_of(orphan) == "Z", "end of the orphan")
    continued = time.monotonic()
    run.signal(signal.SIGCONT)
    run.wait_stderr("unhealthy: notify: no sign of life")
    assert time.monotonic() - continued < 6


def stand_still(run, child, seconds, *says):
    """
    sdwd stands for @seconds; at their end the child does what @says, and an orphan ends, for which sdwd reads that
    before it takes the time of the stall out. Returns when the child spoke last.
    """
    child("r, w = os.pipe()")
    child("fork(lambda: os.write(w, b'%d' % fork(time.sleep, 1000)))")
    orphan = int(child("os.read(r, 20)"))
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop of sdwd")
    child("stop()")
    time.sleep(seconds)
    for say in says:
        said_at = time.monotonic()
        child(say)
    os.kill(orphan, signal.SIGKILL)
    wait_until(lambda: state_of(orphan) == "Z", "end of the orphan")
    run.signal(signal.SIGCONT)
    return said_at


MORE = "EXTEND_TIMEOUT_USEC=4000000"


@pytest.mark.parametrize("says", [
    (f"notify('WATCHDOG=1\\n{MORE}')",),
    ("notify('WATCHDOG=1')", f"notify('{MORE}')"),
    (f"notify('{MORE}')",),
], ids=["one", "two", "alone"])
@pytest.mark.parametrize("stalls", [1, 2], ids=["", "budget used up"])
def test_the_time_asked_for_in_a_stall_is_had_whole(sdwd, manager, child, says, stalls):
    run = sdwd("--notify", "--silence=1s", "--on-unhealthy=warn", command=child.command, watchdog=1)
    child("notify('READY=1\\nWATCHDOG=1'), repeat(0.05, notify, 'WATCHDOG=1')")
    manager.wait_ping()
    if stalls == 2:
        stop_for(run, 2.5)
        run.wait_stderr("did not run for")
        # Fence: what was said meanwhile is read.
        manager.wait_ping(count=2)
    said_at = stand_still(run, child, 3, *says)
    run.wait_stderr("unhealthy: notify")
    assert time.monotonic() - said_at >= 4, run.stderr()


def test_the_time_asked_for_by_pipe_in_a_stall_is_had_whole(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=1s", "--on-unhealthy=warn", "--reload=signal", command=child.command, watchdog=1)
    child("signal.signal(signal.SIGHUP, signal.SIG_IGN), beat(), repeat(0.05, beat)")
    manager.wait_ping()
    said_at = stand_still(run, child, 3, f"beat(b'{MORE}\\n'), os.kill(os.getppid(), signal.SIGHUP)")
    run.wait_stderr("unhealthy: heartbeat")
    assert time.monotonic() - said_at >= 4, run.stderr()


def test_a_beat_takes_back_the_time_asked_for_before_it_also_in_a_stall(sdwd, manager, child):
    run = sdwd("--notify", "--silence=1s", "--on-unhealthy=warn", command=child.command, watchdog=1)
    child("notify('READY=1\\nWATCHDOG=1'), repeat(0.05, notify, 'WATCHDOG=1')")
    manager.wait_ping()
    stand_still(run, child, 3, "notify('EXTEND_TIMEOUT_USEC=3600000000')", "notify('WATCHDOG=1')")
    run.wait_stderr("unhealthy: notify")


FORKS_AWAY = """import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    os.closerange(3, 1000)
    time.sleep(1000)
os.wait()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
"""


def test_a_pipe_found_closed_after_a_stall_counts_a_second_later(sdwd, manager, tmp_path):
    go = tmp_path / "go"
    run = sdwd("--forking", "--heartbeat", "--on-unhealthy=warn", command=["/usr/bin/python3", "-SEc", FORKS_AWAY, go])
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("starting: the command still runs"))
    launcher = run.child(command="closerange")
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop of sdwd")
    go.touch()
    wait_until(lambda: state_of(launcher) == "Z", "end of the launcher")
    time.sleep(8)
    continued = time.monotonic()
    run.signal(signal.SIGCONT)
    run.wait_stderr("unhealthy: heartbeat: the pipe was closed before the first beat")
    assert 1 <= time.monotonic() - continued < 7


def test_a_stop_that_came_meanwhile_is_obeyed_first(beating, manager, child):
    run = beating("--silence=500ms", watchdog=0.6)
    manager.wait_ping()
    child("signal.signal(signal.SIGTERM, lambda *_: os._exit(0))")
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop of sdwd")
    run.signal(signal.SIGTERM)
    time.sleep(1)
    continued = time.monotonic()
    run.signal(signal.SIGCONT)
    assert run.wait() == 0
    assert not [d for d in manager.pings() if d.at >= continued], "no ping follows a stop"


def test_a_child_that_ended_meanwhile_gets_no_ping(beating, manager, child):
    run = beating("--silence=500ms", watchdog=0.6)
    manager.wait_ping()
    pid = child("os.getpid()")
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop of sdwd")
    child.tell("os._exit(6)")
    wait_until(lambda: state_of(pid) == "Z", "end of the child")
    time.sleep(0.8)
    continued = time.monotonic()
    run.signal(signal.SIGCONT)
    assert run.wait() == 6
    assert not [d for d in manager.pings() if d.at >= continued]


# The child --------------------------------------------------------------------------------------------------------


def test_a_stopped_child_is_unhealthy_after_w(sdwd, manager, child):
    run = sdwd(command=child.command, watchdog=1)
    manager.wait_ready()
    pid = child("os.getpid()")
    manager.wait_ping()
    begin = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    run.wait_stderr("(stopped)")
    # The last good look may have been up to W/2 before.
    assert 0.45 < time.monotonic() - begin < 3
    assert not [d for d in manager.pings() if d.at > begin + 0.15]
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy: process: "))
    os.kill(pid, signal.SIGCONT)
    run.wait_stderr("healthy again")
    manager.wait_ping(count=2)


def test_a_child_continued_in_time_stays_healthy(sdwd, manager, child):
    run = sdwd(command=child.command, watchdog=2)
    manager.wait_ready()
    pid = child("os.getpid()")
    manager.wait_ping()
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: state_of(pid) == "T", "stop of the child")
    time.sleep(0.4)
    os.kill(pid, signal.SIGCONT)
    manager.wait_ping(count=2)
    assert "(stopped)" not in run.stderr() and manager.longest_gap() < 2


def test_a_stopped_child_is_ended_by_kill(sdwd, manager, child):
    run = sdwd("--on-unhealthy=kill", command=child.command, watchdog=0.6)
    manager.wait_ready()
    os.kill(child("os.getpid()"), signal.SIGSTOP)
    assert run.wait() == 124, "SIGCONT goes with the kill signal"
    assert "(stopped)" in run.stderr() and "did not end within" not in run.stderr()


# The manager ------------------------------------------------------------------------------------------------------


def test_sigterm_is_forwarded_while_the_notify_socket_is_full(beating, manager, child):
    run = beating(watchdog=0.6)
    child("got = []; signal.signal(signal.SIGTERM, lambda *_: got.append(time.monotonic()))")
    manager.pause()
    full_queue(manager)
    child("for i in range(50): notify(f'X_N={i}')")
    time.sleep(0.5)  # pings and messages wait by now
    delays = []
    for i in range(5):
        sent = time.monotonic()
        run.signal(signal.SIGTERM)
        wait_until(lambda n=i: child("len(got)") > n, "SIGTERM")
        delays.append(child("got[-1]") - sent)
    print(f"{[round(d * 1000) for d in delays]} ms at load {os.getloadavg()[0]}")
    assert sorted(delays)[2] < 0.1
    child.tell("os._exit(3)")
    assert run.wait() == 3


def test_sdwd_ends_though_the_manager_never_reads(beating, manager, child):
    run = beating(watchdog=0.6)
    manager.pause()
    full_queue(manager)
    child.tell("os._exit(3)")
    assert run.wait(5) == 3
