# SPDX-License-Identifier: MIT
"""--reload=signal: the reload of a child that does not speak sd_notify is answered for it."""

import signal
import threading
import time

import pytest

from puppet import child, state_of, wait_until  # pylint: disable=unused-import
from scripted import Scripted

SEEN = ["--log-target=stderr"]
COUNTER = "hups = []; signal.signal(signal.SIGHUP, lambda *_: hups.append(time.monotonic()))"


def reloads(manager):
    return manager.matching("RELOADING=1")


def readies(manager):
    return manager.matching("READY=1")


def no_second_ready(manager):
    manager.never(lambda d: d.has("READY=1") and d.at > manager.ready_at, 0.3)


def ask(run, manager, child):
    """Sends SIGHUP; returns the RELOADING datagram once the child has the signal too."""
    before = len(reloads(manager))
    asked_at = time.monotonic()
    run.signal(signal.SIGHUP)
    up = manager.wait_for("RELOADING=1", count=before + 1)
    assert set(up.lines) == {"RELOADING=1", f"MONOTONIC_USEC={up.fields['MONOTONIC_USEC']}"}, "one datagram, nothing else"
    assert asked_at <= int(up.fields["MONOTONIC_USEC"]) / 1e6 <= up.at, "the time is that of the signal"
    wait_until(lambda: child("len(hups)") == before + 1, "SIGHUP at the child")
    return up


@pytest.mark.option("reload")
def test_the_handshake_ends_with_the_next_beat(sdwd, manager, child):
    run = sdwd("--heartbeat", "--reload=signal", *SEEN, command=child.command, watchdog=60)
    child(COUNTER)
    child("beat()")
    manager.wait_ready()
    up = ask(run, manager, child)
    assert len(readies(manager)) == 1, "nothing was heard of the child since the signal"
    child("beat()")
    end = manager.wait_for("READY=1", after=up.at)
    assert end.lines == ["READY=1"] and end.at > up.at
    run.wait_stderr("reloaded after ")
    child("beat()")
    ask(run, manager, child)
    child("beat()")
    manager.wait_for("READY=1", count=3)


@pytest.mark.option("reload")
@pytest.mark.parametrize("probe,says", [("--heartbeat", "beat()"), ("--notify", "notify('WATCHDOG=1')")])
def test_what_was_said_before_the_signal_does_not_end_it(sdwd, manager, child, probe, says):
    run = sdwd(probe, "--silence=1h", "--ready=exec", "--reload=signal", *SEEN, command=child.command, watchdog=60)
    child(COUNTER)
    manager.wait_ready()
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop of sdwd")
    child(says)
    run.signal(signal.SIGHUP)
    run.signal(signal.SIGCONT)
    up = manager.wait_for("RELOADING=1")
    wait_until(lambda: child("len(hups)") == 1, "SIGHUP at the child")
    no_second_ready(manager)
    assert len(readies(manager)) == 1
    child(says)
    manager.wait_for("READY=1", after=up.at)


@pytest.mark.option("reload")
def test_nor_does_a_pipe_that_is_full_of_it(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=1h", "--ready=exec", "--reload=signal", *SEEN, command=child.command, watchdog=60)
    child(COUNTER)
    child("import fcntl, termios; unread = lambda: int.from_bytes(fcntl.ioctl(3, termios.FIONREAD, bytes(4)), sys.byteorder)")
    # More than one turn takes of it.
    child("fcntl.fcntl(3, fcntl.F_SETPIPE_SZ, 1 << 20)")
    manager.wait_ready()
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop of sdwd")
    child("for i in range(100): beat(b'READY=1\\n' * 512)")
    run.signal(signal.SIGHUP)
    run.signal(signal.SIGCONT)
    up = manager.wait_for("RELOADING=1")
    wait_until(lambda: child("len(hups)") == 1, "SIGHUP at the child")
    wait_until(lambda: child("unread()") == 0, "empty pipe")
    no_second_ready(manager)
    assert len(readies(manager)) == 1
    child("beat()")
    manager.wait_for("READY=1", after=up.at)


@pytest.mark.option("reload")
def test_without_it_the_signal_is_only_forwarded(sdwd, manager, child):
    run = sdwd("--heartbeat", *SEEN, command=child.command)
    child(COUNTER)
    child("beat()")
    manager.wait_ready()
    run.signal(signal.SIGHUP)
    wait_until(lambda: child("len(hups)"), "SIGHUP at the child")
    child("beat()")
    manager.never("RELOADING=1", 0.3)


class Gate(Scripted):
    """Answers well; look 1 only once the gate is open."""

    def __init__(self):
        self.gate = threading.Event()
        super().__init__()

    def _serve(self, connection, mode):
        if connection.number == 1:
            self._starts[1] = time.monotonic()
            self.gate.wait(20)
        super()._serve(connection, mode)


def test_a_look_that_began_before_the_signal_does_not_end_it(sdwd, manager, child):
    with Gate() as server:
        run = sdwd(f"--http={server.url()}", "--interval=100ms", "--timeout=60s", "--reload=signal", *SEEN,
                   command=child.command, watchdog=100)
        child(COUNTER)
        manager.wait_ready()
        server.start_of(1)
        up = ask(run, manager, child)
        server.gate.set()
        end = manager.wait_for("READY=1", after=up.at)
        assert server.start_of(2) < end.at, "look 1 says nothing of the time after the signal"


def test_all_required_probes_must_be_good_again(sdwd, manager, child):
    run = sdwd("--heartbeat", "--name=a", "--heartbeat", "--name=b", "--reload=signal", *SEEN, command=child.command,
               watchdog=60)
    child(COUNTER)
    child("beat(name='_A'), beat(name='_B')")
    manager.wait_ready()
    ask(run, manager, child)
    child("beat(name='_A')")
    no_second_ready(manager)
    child("beat(name='_B')")
    manager.wait_for("READY=1", count=2)


def test_any_of_two_is_enough_where_any_is_required(sdwd, manager, child):
    run = sdwd("--require=any", "--heartbeat", "--name=a", "--heartbeat", "--name=b", "--reload=signal", *SEEN,
               command=child.command, watchdog=60)
    child(COUNTER)
    child("beat(name='_A'), beat(name='_B')")
    manager.wait_ready()
    ask(run, manager, child)
    child("beat(name='_B')")
    manager.wait_for("READY=1", count=2)


def test_with_no_probe_the_living_process_is_enough(sdwd, manager, child):
    run = sdwd("--reload=signal", *SEEN, command=child.command)
    child(COUNTER)
    manager.wait_ready()
    ask(run, manager, child)
    manager.wait_for("READY=1", count=2)


@pytest.mark.option("reload-signal")
def test_another_signal(sdwd, manager, child):
    run = sdwd("--reload=signal", "--reload-signal=USR2", *SEEN, command=child.command)
    child(COUNTER)
    child("signal.signal(signal.SIGUSR2, lambda *_: hups.append(0))")
    manager.wait_ready()
    run.signal(signal.SIGHUP)
    wait_until(lambda: child("len(hups)") == 1, "SIGHUP at the child")
    assert not reloads(manager)
    run.signal(signal.SIGUSR2)
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1", count=2)


def test_of_many_reloads_a_manager_that_is_busy_hears_the_last(sdwd, manager, child):
    run = sdwd("--heartbeat", "--reload=signal", *SEEN, command=child.command, watchdog=60)
    child(COUNTER)
    child("beat()")
    manager.wait_ready()
    manager.pause()
    for number in range(1, 151):
        last_at = time.monotonic()
        run.signal(signal.SIGHUP)
        wait_until(lambda number=number: child("len(hups)") == number, "SIGHUP at the child")
        child("beat()")
        wait_until(lambda number=number: run.stderr().count("reloaded after ") == number, "end of the reload")
    manager.resume()
    wait_until(lambda: reloads(manager) and last_at <= int(reloads(manager)[-1].fields["MONOTONIC_USEC"]) / 1e6, "last reload")
    manager.wait_for("READY=1", after=reloads(manager)[-1].at)
    assert "cannot tell" not in run.stderr()
    # Those that its queue had room for, and the last.
    assert len(reloads(manager)) < 50


def test_the_child_that_answers_itself_is_listened_to(sdwd, manager, child):
    run = sdwd("--heartbeat", "--reload=signal", *SEEN, command=child.command, watchdog=60)
    child(COUNTER)
    child("beat()")
    manager.wait_ready()
    ask(run, manager, child)
    child("notify('RELOADING=1\\nMONOTONIC_USEC=7')")
    manager.wait_for("MONOTONIC_USEC=7")
    child("beat()")
    no_second_ready(manager)
    child("notify('READY=1')")
    manager.wait_for("READY=1", count=2)


def test_a_stop_ends_the_wait(sdwd, manager, child):
    run = sdwd("--heartbeat", "--reload=signal", *SEEN, command=child.command, watchdog=60)
    child(COUNTER)
    child("beat()")
    manager.wait_ready()
    ask(run, manager, child)
    child("signal.signal(signal.SIGTERM, lambda *_: None)")
    run.signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    child("beat()")
    no_second_ready(manager)
    child.tell("os._exit(0)")
    assert run.wait() == 0


def test_before_ready_there_is_nothing_to_reload(sdwd, manager, child):
    run = sdwd("--heartbeat", "--reload=signal", *SEEN, command=child.command)
    child(COUNTER)
    run.signal(signal.SIGHUP)
    wait_until(lambda: child("len(hups)"), "SIGHUP at the child")
    assert not reloads(manager)
    child("beat()")
    assert not manager.wait_ready().has("RELOADING=1")
