# SPDX-License-Identifier: MIT
"""--http and servers that misbehave do not make sdwd deaf or late. Their verdicts: test_http_conformance.py."""

import contextlib
import os
import resource
import signal
import socket
import time

import pytest

from puppet import child, cpu_seconds, wait_until  # pylint: disable=unused-import
from scripted import edges, median, outcomes, serve  # pylint: disable=unused-import

SEEN = ["--log-level=debug", "--log-target=stderr"]


def test_nobody_accepts_at_a_unix_socket(sdwd, tmp_path):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(tmp_path / "web"))
        listener.listen(0)
        stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(tmp_path / "web"))
        run = sdwd("--http=http://x/", f"--http-unix={tmp_path}/web", "--interval=50ms", "--timeout=300ms", *SEEN)
        run.wait_stderr("fail (connect-timeout): no connection within 300ms: the server's listen queue is full")


def test_F10_sdwd_itself_cannot_look(sdwd, manager, serve):
    # Out of fds: that says nothing of the service, so no streak grows; but its lease runs out.
    server = serve()
    run = sdwd(f"--http={server.url()}", "--interval=100ms", "--timeout=400ms", "--fall=1", *SEEN, watchdog=1)
    manager.wait_ready()
    limits = resource.prlimit(run.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    run.wait_stderr("; healthy -> unhealthy")
    assert ("unknown", "self", "sdwd cannot look: connect: Too many open files") in outcomes(run.stderr())
    [(_, text, cause, rest)] = edges(run.stderr())
    assert cause == "stale" and text.endswith("; last: sdwd cannot look: connect: Too many open files")
    assert "failures in a row" not in rest
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, limits)
    run.wait_stderr("healthy again: http")
    manager.wait_ping()


# Other things go on -----------------------------------------------------------------------------------------------

HOLDING = ["drip-headers", "drip-body", "silent", "endless-body"]


@pytest.mark.parametrize("mode", HOLDING)
def test_signals_are_forwarded_at_once_meanwhile(sdwd, manager, serve, child, mode):
    server, fine = serve("ok", then=mode), serve()
    sdwd(f"--http={server.url()}", "--interval=20ms", "--timeout=1min", f"--http={fine.url()}", "--interval=20ms",
         "--require=any", command=child.command)
    child("heard = []")
    for number in (signal.SIGUSR1, signal.SIGTERM):
        child(f"signal.signal({int(number)}, lambda *_: heard.append(time.monotonic()))")
    ready = manager.wait_ready()
    server.start_of(3 if mode == "endless-body" else 1)
    delays = []
    for number in [signal.SIGUSR1] * 5 + [signal.SIGTERM]:
        before = time.monotonic()
        os.kill(ready.pid, number)
        wait_until(lambda: child("len(heard)") > len(delays), f"signal {number}")  # pylint: disable=cell-var-from-loop
        delays.append(child("heard[-1]") - before)
    assert median(delays) < 0.1 and max(delays) < 1, delays
    child.tell("os._exit(0)")


@pytest.mark.parametrize("mode", HOLDING)
def test_A43_pings_stay_on_time_meanwhile(sdwd, manager, serve, mode):
    server, fine = serve("ok", then=mode), serve()
    run = sdwd(f"--http={server.url()}", "--timeout=1min", "--interval=50ms", f"--http={fine.url()}",
               "--interval=100ms", "--timeout=500ms", "--require=any", watchdog=1)
    manager.wait_ready()
    server.start_of(1)
    before = cpu_seconds(run.pid)
    began = time.monotonic()
    manager.wait_ping(count=4)
    assert manager.longest_gap() < 0.95
    assert cpu_seconds(run.pid) - before < 0.2 * (time.monotonic() - began) + 0.05


def test_a_child_that_dies_during_a_look(sdwd, manager, serve):
    server = serve("ok", then="silent")
    run = sdwd(f"--http={server.url()}", "--interval=50ms", "--timeout=1min", "--fall=1", *SEEN)
    manager.wait_ready()
    server.start_of(1)
    os.kill(run.child(), signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    server.end_of(1)
    assert outcomes(run.stderr()) == [("pass", "ok", "HTTP 200")] and not edges(run.stderr())


def test_F19_a_look_under_way_at_stop_is_cancelled(sdwd, manager, serve, child):
    server = serve("ok", then="silent")
    run = sdwd(f"--http={server.url()}", "--interval=50ms", "--timeout=1500ms", "--fall=1", *SEEN,
               command=child.command, watchdog=1)
    child("signal.signal(15, lambda *_: None)")
    manager.wait_ready()
    server.start_of(1)
    run.signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    # The child takes its time: longer than the look's timeout, and no other look begins.
    assert server.end_of(1) - server.start_of(1) < 1.4
    manager.never(lambda d: "unhealthy" in d.fields.get("STATUS", "") or d.has("WATCHDOG=1"), 1.6)
    assert server.connections == 2
    child.tell("os._exit(0)")
    assert run.wait() == 0
    assert outcomes(run.stderr()) == [("pass", "ok", "HTTP 200")] and not edges(run.stderr())
