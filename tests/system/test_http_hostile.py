# SPDX-License-Identifier: MIT
"""--http and servers that misbehave: each has its verdict in time, and none makes sdwd deaf, late or larger."""

import contextlib
import os
import resource
import signal
import socket
import time

import pytest

from puppet import child, open_fds, wait_until  # pylint: disable=unused-import
from scripted import edges, median, outcomes, serve  # pylint: disable=unused-import

SEEN = ["--log-level=debug", "--log-target=stderr"]
# How often the test of leaks looks.
LOOKS = int(os.environ.get("SDWD_TEST_LOOKS", "2000"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid):
    """(VmRSS, VmData) in KiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmRSS"].split()[0]), int(fields["VmData"].split()[0])


@pytest.fixture
def full_queue():
    """The port of a listener that accepts nothing and whose queue is full: a connection to it is never made."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


# Verdicts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode, text", [
    ("no-body-204", "HTTP 204"),
    ("http-1.0", "HTTP 200"),
    ("no-reason", "HTTP 200"),
    ("lf-only", "HTTP 200"),
    ("chunked", "HTTP 200"),
    ("keep-alive", "HTTP 200"),
    ("100-then-ok", "HTTP 200"),
    ("drip-all", "HTTP 200"),
    ("redirect-loop", "HTTP 302"),
    # The cap of 10 KiB is reached: what comes behind it is not waited for.
    ("large-body-then-hang", "HTTP 200"),
    ("endless-body", "HTTP 200"),
    ("endless-chunks", "HTTP 200"),
])
def test_odd_but_good(sdwd, manager, serve, mode, text):
    server = serve(then=mode)
    run = sdwd(f"--http={server.url()}", "--interval=50ms", "--timeout=10s", *SEEN)
    manager.wait_ready()
    server.start_of(2)  # by a fresh connection each
    assert outcomes(run.stderr()) == [("pass", "ok", text)]


BAD = [
    ("status:404", "http-status", "HTTP 404, not within 200-399"),
    ("status-999", "http-status", "HTTP 999, not within 200-399"),
    ("close", "read-failed", "the connection was closed without a response"),
    ("half-closed", "read-failed", "the connection was closed without a response"),
    ("reset", "read-failed", "the connection broke: Connection reset by peer"),
    ("reset-in-body", "read-failed", "the connection broke: Connection reset by peer"),
    ("short-body", "http-protocol", "the body is shorter than its Content-Length"),
    ("bad-chunks", "http-protocol", "a malformed chunk"),
    ("two-lengths", "http-protocol", "contradictory Content-Length headers"),
    ("negative-length", "http-protocol", "a malformed Content-Length"),
    ("nul-in-header", "http-protocol", "a NUL byte in the headers"),
    ("huge-headers", "http-protocol", "headers larger than 16 KiB"),
    ("endless-100", "http-protocol", "headers larger than 16 KiB"),
    ("http-0.9", "http-protocol", "not an HTTP/1 response"),
    ("http-2", "http-protocol", "not an HTTP/1 response"),
    ("banner", "http-protocol", "not an HTTP/1 response"),
]
# These keep the look waiting until its timeout.
HANGING = [
    ("silent", "read-timeout", "no response within 300ms"),
    ("headers-then-hang", "read-timeout", "headers incomplete within 300ms"),
    ("drip-headers", "read-timeout", "headers incomplete within 300ms"),
    ("body-then-hang", "read-timeout", "HTTP 200, body incomplete within 300ms"),
    ("drip-body", "read-timeout", "HTTP 200, body incomplete within 300ms"),
]


@pytest.mark.parametrize("mode, cause, text, timeout",
                         [(*row, "10s") for row in BAD] + [(*row, "300ms") for row in HANGING])
def test_bad_with_its_cause(sdwd, manager, serve, mode, cause, text, timeout):
    server = serve("ok", then=mode)
    run = sdwd(f"--http={server.url()}", "--interval=50ms", "--fall=1", f"--timeout={timeout}", "--log-target=stderr")
    manager.wait_ready()
    run.wait_stderr("; healthy -> unhealthy")
    assert edges(run.stderr())[0][:3] == ("http", text, cause)
    server.mode = "ok"
    run.wait_stderr("healthy again: http")


def test_nobody_listens(sdwd, manager, serve):
    server = serve()
    run = sdwd(f"--http={server.url()}", "--interval=50ms", "--timeout=10s", *SEEN)
    manager.wait_ready()
    server.stop()
    run.wait_stderr("fail (connect-refused): connection refused")
    run.wait_stderr("(connect-refused), 3 failures in a row")


def test_nobody_accepts(sdwd, full_queue):
    run = sdwd(f"--http=http://127.0.0.1:{full_queue}/", "--interval=50ms", "--timeout=300ms", *SEEN)
    run.wait_stderr("fail (connect-timeout): no connection within 300ms")


def test_nobody_accepts_at_a_unix_socket(sdwd, tmp_path):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(tmp_path / "web"))
        listener.listen(0)
        stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(tmp_path / "web"))
        run = sdwd("--http=http://x/", f"--http-unix={tmp_path}/web", "--interval=50ms", "--timeout=300ms", *SEEN)
        run.wait_stderr("fail (connect-timeout): no connection within 300ms: its listen queue is full")


def test_sdwd_itself_cannot_look(sdwd, manager, serve):
    # Out of fds: that says nothing of the service, so no streak grows; but its lease runs out.
    server = serve()
    run = sdwd(f"--http={server.url()}", "--interval=100ms", "--timeout=400ms", "--fall=1", *SEEN, watchdog=1)
    manager.wait_ready()
    limits = resource.prlimit(run.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    run.wait_stderr("; healthy -> unhealthy")
    assert ("unknown", "self", "connect: Too many open files") in outcomes(run.stderr())
    [(_, text, cause, rest)] = edges(run.stderr())
    assert cause == "stale" and text.endswith("; last: connect: Too many open files")
    assert "failures in a row" not in rest
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, limits)
    run.wait_stderr("healthy again: http")
    manager.wait_ping()


# Time -------------------------------------------------------------------------------------------------------------


@pytest.mark.option("timeout")
@pytest.mark.parametrize("mode", ["silent", "drip-headers", "drip-body", "body-then-hang"])
def test_a_timed_out_look_ends_at_its_timeout(sdwd, serve, mode):
    server = serve(then=mode)
    sdwd(f"--http={server.url()}", "--interval=450ms", "--start-interval=450ms", "--timeout=400ms")
    took = [server.end_of(number) - server.start_of(number) for number in range(5)]
    # A dripping server notices at its next drips only.
    late = 0.25 if "drip" in mode else 0.05
    assert 0.35 < median(took) < 0.4 + late, took


@pytest.mark.option("timeout")
def test_one_deadline_for_the_whole_look(sdwd, serve):
    # Each byte comes soon after the last one, but all of them take 0.3 s at least.
    server = serve(then="drip-all")
    run = sdwd(f"--http={server.url()}", "--interval=50ms", "--timeout=150ms", *SEEN)
    server.start_of(3)
    assert {cause for _, cause, _ in outcomes(run.wait_stderr("fail"))} == {"read-timeout"}


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
def test_pings_stay_on_time_meanwhile(sdwd, manager, serve, mode):
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


def test_a_look_under_way_at_stop_is_cancelled(sdwd, manager, serve, child):
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


# For ever ---------------------------------------------------------------------------------------------------------


def test_many_looks_leave_nothing_behind(sdwd, manager, serve):
    cycle = ["ok", "status:500", "keep-alive", "close", "chunked", "reset", "short-body", "redirect-loop", "half-closed",
             "large-body-then-hang", "nul-in-header", "endless-body", "huge-headers", "http-1.0"]
    server = serve(*cycle * (LOOKS // len(cycle) + 20))
    # The least interval there is, whatever comes; a failure is no more than that.
    run = sdwd(f"--http={server.url()}", "--interval=10ms", "--fast-interval=10ms", "--timeout=2s", "--fall=1000")
    manager.wait_ready()

    def count_fds(looks):
        """Between two looks: their own is not among them."""
        found = []
        while server.connections < looks:
            found.append(len(open_fds(run.pid)))
            time.sleep(0.001)
        return min(found)

    fds, before = count_fds(200), memory_of(run.pid)
    server.start_of(LOOKS, LOOKS / 10 + 60)
    fds_after, after = count_fds(LOOKS + 200), memory_of(run.pid)
    assert fds_after == fds
    # AddressSanitizer (its shadow is terabytes) keeps freed memory for a while.
    more = 256 if before[1] < 1 << 30 else 8192
    assert all(b - a < more for a, b in zip(before, after)), f"VmRSS and VmData in KiB: {before}, then {after}"
    assert not edges(run.stderr())
