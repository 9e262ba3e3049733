# SPDX-License-Identifier: MIT
"""
Stops, and --forward-stop, where the manager is a process like any other; what systemd itself does is in tests/systemd.
"""

import os
import re
import signal
import subprocess
import time

import pytest

from puppet import child, wait_until  # pylint: disable=unused-import

SEEN = ["--log-target=stderr"]
COUNTER = "got = []; [signal.signal(n, lambda n, _: got.append(n)) for n in (signal.SIGTERM, signal.SIGUSR1)]"


@pytest.mark.option("forward-stop")
def test_never_keeps_the_managers_stop_signals_from_the_child(sdwd, manager, child):
    run = sdwd("--forward-stop=never", *SEEN, command=child.command)
    child(COUNTER)
    manager.wait_ready()
    run.signal(signal.SIGUSR1)
    wait_until(lambda: child("got") == [signal.SIGUSR1], "what is no stop signal")
    run.signal(signal.SIGTERM)
    run.wait_stderr("SIGTERM held back")
    manager.wait_for("STOPPING=1")
    assert child("got") == [signal.SIGUSR1]
    # Somebody else's is forwarded.
    subprocess.run(["/bin/sh", "-c", f"kill -TERM {run.pid}"], check=True)
    wait_until(lambda: child("got") == [signal.SIGUSR1, signal.SIGTERM], "the signal of another process")
    child.tell("os._exit(0)")
    assert run.wait() == 0


def test_without_a_unit_nobody_is_asked(sdwd, manager, child):
    run = sdwd(*SEEN, command=child.command)
    child(COUNTER)
    manager.wait_ready()
    run.signal(signal.SIGTERM)
    wait_until(lambda: child("got") == [signal.SIGTERM], "SIGTERM")
    assert len(run.children()) == 1, "no process that asks"
    child.tell("os._exit(0)")
    assert run.wait() == 0


@pytest.mark.parametrize("silent, word", [("heartbeat", r"no sign of life for (4\.\d+|5|5\.\d+)s"),
                                          ("process", r"the process is stopped .*")])
def test_an_abort_that_outruns_the_verdict_names_who_was_silent(sdwd, manager, silent, word):
    """systemd's timer and a lease longer than W end at the same moment; which of them is heard first is chance."""
    beats_once = ["sh", "-c", "echo >&$SDWD_HEARTBEAT_FD; exec sleep 1000"]
    for _ in range(5):
        begin = time.monotonic()
        run = sdwd("--heartbeat", "--silence=5s", *SEEN, command=beats_once, watchdog=4.0)
        last = manager.wait_for("READY=1", after=begin)
        if silent == "process":
            worker = run.children()[0]
            os.kill(worker, signal.SIGSTOP)
        else:
            last = manager.wait_for("WATCHDOG=1", after=begin)
        # Within the slack, a twentieth of W, before the lease ends.
        time.sleep(max(0, last.at + 4.0 - 0.1 - time.monotonic()))
        run.signal(signal.SIGABRT)
        run.wait_stderr("SIGABRT")
        if silent == "process":
            os.kill(worker, signal.SIGCONT)
        run.wait()
        # Nor was there a stall of the machine, by which every lease ends later.
        if not re.search("unhealthy: |did not run", run.stderr()):
            break
    assert re.search(rf"SIGABRT from pid {os.getpid()}: stopping, (4s|3\.[89]\d*s) after the last ping; {silent}: {word}\n",
                     run.stderr()), run.stderr()


def test_any_other_stop_says_nothing_of_pings(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=5s", *SEEN, command=child.command, watchdog=4.0)
    child("beat()")
    manager.wait_ready()
    run.signal(signal.SIGABRT)
    run.wait()
    assert f"SIGABRT from pid {os.getpid()}: stopping\n" in run.stderr()


def test_an_abort_while_nobody_was_silent_blames_nobody(sdwd):
    """Only sdwd itself was: it was stopped, and pinged not."""
    run = sdwd(*SEEN, command=["sleep", "1000"], watchdog=2.0)
    run.wait_stderr("ready after")
    run.signal(signal.SIGSTOP)
    time.sleep(2.5)
    run.signal(signal.SIGABRT)
    run.signal(signal.SIGCONT)
    assert run.wait() == -signal.SIGABRT
    assert re.search(r"SIGABRT from pid \d+: stopping, [23][.\d]*s after the last ping\n", run.stderr()), run.stderr()
