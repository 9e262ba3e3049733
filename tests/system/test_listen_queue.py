# SPDX-License-Identifier: MIT
"""--listen-queue: a stopped server with waiting clients fails, a busy one never does; also where netlink is refused."""

import ctypes
import os
import platform
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

from acceptor import STOOD, Crowd, Listener
from names import names  # pylint: disable=unused-import
from puppet import open_fds, state_of, wait_until
from scripted import edges, outcomes

NAME = "listen-queue"
SEEN = ["--log-level=debug", "--log-target=stderr"]
SOON = ["--interval=300ms", "--timeout=200ms"]
# How long the saturated servers run.
SATURATED_SECONDS = float(os.environ.get("SDWD_TEST_SATURATED", "10"))


@pytest.fixture
def listener():
    with Listener() as one:
        yield one


@pytest.fixture
def start(sdwd):
    """start(listener, options...): sdwd with a server at that socket."""
    def run(one, *options, target=None, per_second=1000, backlog=None, **keywords):
        return sdwd(f"--listen-queue={one.port if target is None else target}", *options,
                    command=one.command(per_second, backlog), pass_fds=[one.fd], **keywords)
    return run


def places(tmp_path):
    """A listener of each sort and what names it."""
    yield "port", lambda: Listener(), lambda one: one.port
    yield "ipv6", lambda: Listener(("::1", 0)), lambda one: one.port
    yield "path", lambda: Listener(str(tmp_path / "sock")), lambda one: one.address
    yield "abstract", lambda: Listener(f"\0{tmp_path}".encode()[:90]), lambda one: "@" + one.address[1:].decode()


@pytest.fixture(params=["port", "ipv6", "path", "abstract"])
def place(request, tmp_path):
    """(listener, the value of --listen-queue) of each sort."""
    make, name = next((make, name) for sort, make, name in places(tmp_path) if sort == request.param)
    with make() as one:
        yield one, name(one)


def stop(run):
    """Stops the server; returns its pid. What it is woken for by the signal itself it would still accept: waits for it."""
    child = run.child(command="acceptor")
    os.kill(child, signal.SIGSTOP)
    wait_until(lambda: state_of(child) == "T", "stopped server")
    return child


# Good and bad -----------------------------------------------------------------------------------------------------


@pytest.mark.option("listen-queue")
def test_ready_when_it_listens(start, manager):
    with Listener(backlog=None) as one:
        run = start(one, *SOON, *SEEN, backlog=5)
        manager.wait_ready()
        assert outcomes(run.stderr(), NAME)[-1] == ("pass", "ok", "nothing waits")


def test_nothing_that_listens_is_told(sdwd, manager, tmp_path):
    with Listener(backlog=None) as one:
        sdwd(f"--listen-queue={one.port}", *SOON)
        manager.wait_for(f"STATUS=starting: listen-queue: nothing listens on port {one.port}")
        sdwd(f"--listen-queue={tmp_path}/sock", *SOON)
        manager.wait_for(f"STATUS=starting: listen-queue: nothing listens at {tmp_path}/sock")
        assert manager.ready_at is None


@pytest.mark.option("listen-queue")
def test_a_stopped_server_fails_and_comes_back(start, manager, place):
    one, target = place
    run = start(one, *SOON, *SEEN, "--fall=1", "--on-unhealthy=warn", target=target)
    manager.wait_ready()
    child = stop(run)
    clients = [one.connect() for _ in range(3)]
    said = run.wait_stderr("unhealthy: ")
    [(probe, text, cause, _)] = edges(said)
    assert (probe, cause) == (NAME, "not-accepting")
    assert re.fullmatch(r"[123] connections? not accepted for 200ms \([123] in the queue\)", text), text
    os.kill(child, signal.SIGCONT)
    run.wait_stderr(f"healthy again: {NAME}")
    for client in clients:
        client.close()


@pytest.mark.option("timeout")
def test_B3_a_stopped_server_fails_within_the_timeout(start, manager):
    """Six connects succeed in a row against a stopped server with listen(5); the queue shows it."""
    with Listener(backlog=5) as one:
        run = start(one, "--interval=500ms", "--timeout=1s", "--fall=1", "--on-unhealthy=warn", *SEEN)
        manager.wait_ready()
        stop(run)
        begin = time.monotonic()
        clients = [one.connect() for _ in range(6)]
        assert time.monotonic() - begin < 1
        said = run.wait_stderr("unhealthy: ")
        took = time.monotonic() - begin
        # The next look begins within the interval and ends with its deadline; more is the machine's.
        assert 1 <= took < 0.5 + 1 + 5, took
        assert "6 connections not accepted for 1s (6 in the queue)" in said
        for client in clients:
            client.close()


def test_a_client_that_gave_up_counts_all_the_same(start, manager, listener):
    run = start(listener, *SOON, *SEEN, "--fall=1", "--on-unhealthy=warn")
    manager.wait_ready()
    stop(run)
    with listener.connect() as client:
        client.sendall(b"hello")
    run.wait_stderr("1 connection not accepted for 200ms (1 in the queue)")


def test_without_clients_a_stopped_server_looks_well(start, manager, listener):
    """The limit of this probe: nobody waits, so nothing shows."""
    run = start(listener, *SOON, *SEEN, "--fall=1")
    manager.wait_ready()
    stop(run)
    manager.never(lambda d: "unhealthy" in d.fields.get("STATUS", "") or "degraded" in d.fields.get("STATUS", ""), 2)
    assert "not-accepting" not in run.stderr()


def test_one_stuck_process_of_a_shared_port_is_found(start, manager):
    """SO_REUSEPORT: a queue each; the other one is never empty, and moves."""
    with Listener(is_shared=True) as one, Listener(one.address, is_shared=True):
        run = start(one, *SOON, *SEEN, "--on-unhealthy=warn", per_second=50)
        manager.wait_ready()
        with Crowd(one, 60, patience=1):
            run.wait_stderr("unhealthy: ")
        assert edges(run.stderr())[0][2] == "not-accepting"


def test_the_end_comes_at_once_while_a_look_waits(start, manager, listener):
    run = start(listener, "--interval=60s", "--timeout=60s", *SEEN, per_second=0.001)
    manager.wait_ready()
    run.terminate()


def test_looks_leave_no_fd_behind(start, manager, place):
    one, target = place
    run = start(one, "--interval=20ms", "--timeout=10ms", target=target)
    manager.wait_ready()
    before = open_fds(run.pid)
    with Crowd(one, 4) as crowd:
        wait_until(lambda: crowd.served > 300, "300 served")
        time.sleep(1)
    wait_until(lambda: open_fds(run.pid) == before, f"fds as before: {before}")


# A busy server is not a stuck one ---------------------------------------------------------------------------------


def hold_saturated(run, manager, one, crowd, part=0.4):
    """Watches that its queue is never empty, that it is served all the time, and that nothing is said against it."""
    lengths, begin, served = [], time.monotonic(), crowd.served
    while time.monotonic() < begin + part * SATURATED_SECONDS:
        if one.family != socket.AF_UNIX:
            lengths.append(one.queue_length())
        assert run.is_running()
        time.sleep(0.05)
    took = time.monotonic() - begin
    rate = (crowd.served - served) / took
    said = run.stderr()
    assert rate >= 50, f"the server accepted {rate:.0f}/s only"
    assert not lengths or sum(n > 20 for n in lengths) > 0.9 * len(lengths), f"not saturated: {lengths}"
    # A server that a loaded machine kept from its clients for that long is rightly called so.
    assert len(edges(said)) <= said.count(STOOD), said
    if STOOD not in said:
        assert "not-accepting" not in said, said
        assert not [text for text in manager.statuses() if "healthy" != text and "starting" not in text], manager.statuses()


@pytest.mark.parametrize("timeout, part", [("1s", 1), ("300ms", 0.4)])
def test_a_saturated_server_is_never_called_stuck(start, manager, listener, timeout, part):
    """
    100 accepts a second with more clients than that: its queue is never empty, and always moves.  Within 300 ms most of
    those that wait are not served yet: each of them alone would look stuck.
    """
    run = start(listener, "--interval=1100ms", f"--timeout={timeout}", "--fall=1", "--on-unhealthy=warn", *SEEN,
                per_second=100, watchdog=10)
    manager.wait_ready()
    with Crowd(listener, 160) as crowd:
        wait_until(lambda: listener.queue_length() > 50, "full queue")
        hold_saturated(run, manager, listener, crowd, part)
    assert manager.longest_gap() < 10


def test_a_saturated_unix_server_is_never_called_stuck(start, manager, tmp_path):
    with Listener(str(tmp_path / "sock"), backlog=50) as one:
        run = start(one, "--interval=400ms", "--timeout=300ms", "--fall=1", "--on-unhealthy=warn", *SEEN, target=one.address,
                    per_second=100, watchdog=10)
        manager.wait_ready()
        with Crowd(one, 80) as crowd:
            wait_until(lambda: crowd.served > 100, "saturation")
            hold_saturated(run, manager, one, crowd)
        assert manager.longest_gap() < 10


def test_a_saturated_server_that_stops_is_found(start, manager, listener):
    run = start(listener, *SOON, "--on-unhealthy=warn", *SEEN, per_second=200)
    manager.wait_ready()
    with Crowd(listener, 160):
        wait_until(lambda: listener.queue_length() > 50, "full queue")
        child = stop(run)
        run.wait_stderr("unhealthy: listen-queue")
        assert edges(run.stderr())[0][2] == "not-accepting"
        os.kill(child, signal.SIGCONT)
        run.wait_stderr("healthy again")


# Where netlink is refused -----------------------------------------------------------------------------------------

_SOCKET_CALL = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


def refuse_netlink():
    """As RestrictAddressFamilies= without AF_NETLINK: socket() says EAFNOSUPPORT."""
    libc = ctypes.CDLL(None, use_errno=True)
    arch, number = _SOCKET_CALL[platform.machine()]
    program = b"".join(struct.pack("HBBI", *line) for line in [
        (0x20, 0, 0, 4), (0x15, 0, 5, arch),  # another architecture: allowed
        (0x20, 0, 0, 0), (0x15, 0, 3, number),
        (0x20, 0, 0, 16), (0x15, 0, 1, socket.AF_NETLINK),
        (0x06, 0, 0, 0x00050000 | 97),  # SECCOMP_RET_ERRNO, EAFNOSUPPORT
        (0x06, 0, 0, 0x7FFF0000),
    ])
    data = ctypes.create_string_buffer(program)

    class Fprog(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    fprog = Fprog(len(program) // 8, ctypes.cast(data, ctypes.c_void_p))
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.byref(fprog)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


REFUSED = "netlink is refused (Address family not supported by protocol): /proc/net is read, which "


@pytest.fixture
def quiet(names):
    """A listener in a network of its own, whose table is short: what runs beside fills ours with its closed connections."""
    with Listener(("::1", 0), run=names.run) as one:
        yield one


@pytest.fixture
def without_netlink(names):
    """For preexec: in that network, and without netlink."""
    def preexec():
        names.preexec()
        refuse_netlink()
    return preexec


def test_without_netlink_a_port_is_looked_at_in_proc(start, manager, quiet, without_netlink):
    run = start(quiet, *SOON, *SEEN, "--fall=1", "--on-unhealthy=warn", preexec=without_netlink)
    manager.wait_ready()
    assert f"sdwd: listen-queue: {REFUSED}tells less; in a unit RestrictAddressFamilies= must have AF_NETLINK" in run.stderr()
    child = stop(run)
    with quiet.connect():
        run.wait_stderr("1 connection not accepted for 200ms (1 in the queue)")
        os.kill(child, signal.SIGCONT)
        run.wait_stderr("healthy again")


def test_without_netlink_a_saturated_server_is_never_called_stuck(start, manager, quiet, without_netlink):
    run = start(quiet, "--interval=400ms", "--timeout=300ms", "--fall=1", "--on-unhealthy=warn", *SEEN, per_second=100,
                preexec=without_netlink)
    manager.wait_ready()
    with Crowd(quiet, 160) as crowd:
        wait_until(lambda: quiet.queue_length() > 50, "full queue")
        hold_saturated(run, manager, quiet, crowd)


def test_without_netlink_a_unix_socket_that_stands_is_unknown_and_runs_out(start, manager, tmp_path):
    """Only the number is known there: it is no failure, but no good evidence either."""
    with Listener(str(tmp_path / "sock")) as one:
        run = start(one, *SOON, *SEEN, "--on-unhealthy=warn", target=one.address, preexec=refuse_netlink)
        manager.wait_ready()
        assert f"{REFUSED}does not tell a full queue from one that hangs" in run.stderr()
        child = stop(run)
        with one.connect():
            said = run.wait_stderr("(stale)")
            assert "last: 1 in the queue, and whether it moves cannot be seen" in said
            assert "degraded" not in said
            os.kill(child, signal.SIGCONT)
            run.wait_stderr("healthy again")


# Values, --check --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value, error", [
    ("", "'' is empty"), ("0", "'0' is not a port (1-65535)"), ("65536", "'65536' is not a port (1-65535)"),
    ("localhost:80", "'localhost:80' is neither a port nor the path of a Unix socket (one in this folder is ./NAME)"),
    ("http", "'http' is neither a port nor the path of a Unix socket (one in this folder is ./NAME)"),
    ("/" + "x" * 110, "is longer than the address of a Unix socket can be"),
])
def test_what_is_no_place(sdwd, value, error):
    run = sdwd(f"--listen-queue={value}")
    assert run.wait() == 125
    [line] = run.stderr().splitlines()
    assert line.startswith("sdwd: --listen-queue: ") and line.endswith(error), line


def test_a_relative_path_is_that_of_the_start(start, manager, tmp_path):
    with Listener(str(tmp_path / "sock")) as one:
        run = start(one, *SOON, target="./sock", cwd=tmp_path)
        wait_until(lambda: os.readlink(f"/proc/{run.pid}/cwd") == "/", "working folder /")
        manager.wait_ready()


def check(sdwd_path, *options, preexec=None):
    # pylint: disable=subprocess-popen-preexec-fn
    done = subprocess.run([sdwd_path, "--check", *options, "--", "true"], capture_output=True, text=True, check=True,
                          preexec_fn=preexec)
    return done.stdout.splitlines()


@pytest.mark.option("check")
def test_the_time_line_and_the_warning(sdwd_path):
    options = ["--watchdog-sec=30s", "--listen-queue=80", "--interval=4s", "--timeout=3s", "--fall=2",
               "--on-unhealthy=trigger"]
    lines = check(sdwd_path, *options)
    at = lines.index("time line of a hang (from the last good evidence; nothing answers after it)")
    assert [line.strip() for line in lines[at + 1:]] == [
        "at 0 it hangs", "by 10s listen-queue has failed 2 times", "by 10s the service is unhealthy",
        "then at once systemd aborts it (WATCHDOG=trigger)"]
    lines = check(sdwd_path, *options, preexec=refuse_netlink)
    assert [line for line in lines if line.startswith("warning: ")] == [
        f"warning: listen-queue: {REFUSED}tells less; in a unit RestrictAddressFamilies= must have AF_NETLINK"]
