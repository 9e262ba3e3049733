# SPDX-License-Identifier: MIT
"""--forward-stop where the manager is a process like any other; what systemd itself does is in tests/systemd."""

import signal
import subprocess

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
