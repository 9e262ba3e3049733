# SPDX-License-Identifier: MIT
"""Whoever can open the control socket is not trusted: pings and signals stay on time, memory and fds are bounded."""

import contextlib
import os
import resource
import signal
import socket
import struct
import threading
import time

import pytest

from control import Client, make_instance  # pylint: disable=unused-import
from puppet import child, cpu_seconds, memory_of, open_fds, state_of, wait_until  # pylint: disable=unused-import
from test_prober import with_asan

WATCHDOG = 2
CLIENTS, CLIENTS_OF_UID = 32, 8


@pytest.fixture
def target(make_instance, manager, child):
    """An instance whose child beats; at the end it must have missed no ping, and stop when it is told to."""
    one = make_instance("--heartbeat", "--silence=1500ms", command=child.command, watchdog=WATCHDOG,
                        env=with_asan("quarantine_size_mb=0:thread_local_quarantine_size_kb=0:detect_stack_use_after_return=0"))
    child("repeat(0.05, beat)")
    manager.wait_ready()
    fds = len(open_fds(one.run.pid))
    # What json-c and the heap take at the first call is no leak.
    one.ask("GetStatus")
    wait_until(lambda: len(open_fds(one.run.pid)) == fds, "end of the connection")
    yield one
    manager.wait_ping()
    assert manager.longest_gap() < WATCHDOG
    assert one.status()["state"] == "running"
    begun = time.monotonic()
    assert one.run.terminate() == -15
    assert time.monotonic() - begun < WATCHDOG
    assert "unhealthy" not in one.run.stderr()


CALL = b'{"method":"sdwd.Supervisor.GetStatus"}\0'
WATCH = b'{"method":"sdwd.Supervisor.Watch","more":true}\0'


@pytest.mark.parametrize("data", [
    b"\0", b"{}\0", b"{\0", b'{"method":}\0', b'{"method":"sdwd.Supervisor.Pause","parameters":[]}\0', b"GET / HTTP/1.1\r\n\r\n\0",
    b"\xff\xfe\xfd\0", bytes(range(1, 256)) + b"\0", b'{"method":"sdwd.Supervisor.Pause"\0',
    b'{"method":"a.B","x":' + b"[" * 2000 + b"]" * 2000 + b"}\0", b'{"x":' * 500 + b"1" + b"}" * 500 + b"\0",
    b'{"method":"sdwd.Supervisor.Pause","parameters":{"forUsec":' + b"9" * 3000 + b"}}\0",
    b"A" * 4097, b"{" * 5000,
], ids=range(14))
def test_what_is_no_call_ends_the_connection(target, data):
    with target.client() as client:
        client.send_bytes(data)
        if b"99999" in data:
            assert client.receive()["error"] == "org.varlink.service.InvalidParameter"
        else:
            assert client.is_closed()
    assert target.status()["paused"] is False


def test_a_message_of_100_mb_is_not_read(target):
    before = memory_of(target.run.pid)
    sent = 0
    with target.client() as client:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while sent < 100_000_000:
                client.send_bytes(b"x" * 100_000)
                sent += 100_000
    # What the kernel holds of it is the sender's.
    assert sent < 2_000_000
    after = memory_of(target.run.pid)
    assert after[0] - before[0] < 500 and after[1] - before[1] < 500, (before, after)


def test_half_messages_cost_nothing(target):
    clients = [target.client() for _ in range(CLIENTS_OF_UID - 1)]
    for client in clients:
        client.send_bytes(CALL[:20])
    assert target.status()["state"] == "running"
    for client in clients:
        client.send_bytes(CALL[20:])
        assert client.receive()["parameters"]["status"]["state"] == "running"
        client.close()


def test_who_leaves_without_his_reply_is_forgotten(target):
    before = len(open_fds(target.run.pid))
    for _ in range(50):
        with target.client() as client:
            client.send_bytes(CALL)
    wait_until(lambda: len(open_fds(target.run.pid)) <= before, "end of the connections")


def test_who_does_not_take_his_replies_is_dropped(target):
    """It fills its own queue in the kernel, and then has ten seconds."""
    before = memory_of(target.run.pid)
    with target.client() as client:
        client.socket.settimeout(0.5)
        refused = 0
        begun = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() - begun < 60:
                try:
                    client.socket.send(CALL * 50)
                except TimeoutError:
                    refused += 1
        assert refused > 5 and time.monotonic() - begun > 9
    after = memory_of(target.run.pid)
    assert after[0] - before[0] < 1000, (before, after)


def test_a_watcher_that_never_reads_is_dropped_or_costs_nothing(target):
    before = memory_of(target.run.pid)
    with target.client() as client:
        client.send("Watch", more=True)
        time.sleep(2)
        assert target.status()["state"] == "running"
    after = memory_of(target.run.pid)
    assert after[0] - before[0] < 500, (before, after)


def test_a_watcher_that_talks_on_is_not_answered_but_watched_for_its_end(target):
    with target.client() as client:
        client.send("Watch", more=True)
        client.receive()
        for _ in range(3):
            client.send_bytes(CALL)
        assert "continues" in client.receive()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(1000):
                client.send_bytes(CALL)
                time.sleep(0.002)


def test_a_thousand_connections(target):
    fds = len(open_fds(target.run.pid))
    before = memory_of(target.run.pid)
    clients = []
    most = 0
    for _ in range(1000):
        # The queue of those who wait to be accepted is bounded: connect(2) waits for its turn.
        clients.append(target.client())
        most = max(most, len(open_fds(target.run.pid)))
    assert most <= fds + CLIENTS_OF_UID + 1
    wait_until(lambda: len(open_fds(target.run.pid)) <= fds + CLIENTS_OF_UID, "the last of them")
    # The newest have the places.
    clients[-1].send("GetStatus")
    assert clients[-1].receive()["parameters"]["status"]["state"] == "running"
    assert clients[0].is_closed()
    after = memory_of(target.run.pid)
    for client in clients:
        client.close()
    assert after[0] - before[0] < 1000, (before, after)
    wait_until(lambda: len(open_fds(target.run.pid)) == fds, "the end of all")


def test_a_watcher_outlives_a_crowd_of_its_own_user(target):
    with target.client() as client:
        client.send("Watch", more=True)
        client.receive()
        crowd = [target.client() for _ in range(100)]
        # The crowd is let in after what was said before it: the third comes after it.
        for _ in range(3):
            assert client.receive() is not None
        for one in crowd:
            one.close()


def connect_as(uid, path, n):
    """@n connections of user @uid, in our hands."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setuid(uid)
            clients = []
            for _ in range(n):
                clients.append(socket.socket(socket.AF_UNIX))
                clients[-1].connect(str(path))
            socket.send_fds(theirs, [b"x"], [c.fileno() for c in clients])
        finally:
            os._exit(0)
    theirs.close()
    _, fds, _, _ = socket.recv_fds(ours, 1, n)
    os.waitpid(pid, 0)
    ours.close()
    return [socket.socket(fileno=fd) for fd in fds]


def test_many_users_take_no_place_of_others_but_of_the_greediest(target):
    fds = len(open_fds(target.run.pid))
    crowds = [connect_as(60001 + n, target.path, CLIENTS_OF_UID) for n in range(4)]
    wait_until(lambda: len(open_fds(target.run.pid)) >= fds + CLIENTS, "all places taken")
    assert target.status()["state"] == "running", "root is let in"
    lone = connect_as(60100, target.path, 1)[0]
    lone.settimeout(20)
    lone.sendall(CALL)
    assert lone.recv(100)
    assert len(open_fds(target.run.pid)) <= fds + CLIENTS + 1
    for one in [lone, *sum(crowds, [])]:
        one.close()


def test_without_fds_nobody_is_let_in_and_nothing_else_happens(target):
    def limit(n):
        resource.prlimit(target.run.pid, resource.RLIMIT_NOFILE, (n, hard))

    hard = resource.prlimit(target.run.pid, resource.RLIMIT_NOFILE)[1]
    limit(3)
    clients = [target.client() for _ in range(3)]
    for client in clients:
        client.send("GetStatus")
    before = cpu_seconds(target.run.pid)
    time.sleep(3)
    assert cpu_seconds(target.run.pid) - before < 1, "it waits for better times"
    clients[0].socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        clients[0].receive()
    limit(hard)
    clients[0].socket.settimeout(20)
    for client in clients:
        assert client.receive()["parameters"]["status"]["state"] == "running"
        client.close()


def test_a_flood_of_calls_gets_a_small_part_of_the_processor(target):
    stop = threading.Event()
    n = [0]

    def flood():
        with Client(target.path) as client:
            while not stop.is_set():
                client.send_bytes(CALL * 20)
                for _ in range(20):
                    if client.receive() is None:
                        return
                    n[0] += 1

    threads = [threading.Thread(target=flood) for _ in range(4)]
    before, begun = cpu_seconds(target.run.pid), time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(4)
    stop.set()
    for thread in threads:
        thread.join()
    took, lasted = cpu_seconds(target.run.pid) - before, time.monotonic() - begun
    print(f"{n[0]} replies in {lasted:.1f} s, {took / lasted:.0%} of a processor")
    assert n[0] > 20 and n[0] <= 500 * lasted + 10
    # A sanitized or slow build takes longer for each.
    assert took / lasted < 0.6


def test_random_bytes(target):
    for seed in range(200):
        data = os.urandom(seed * 7 % 300 + 1)
        with target.client() as client:
            try:
                client.send_bytes(data + b"\0")
            except BrokenPipeError:
                pass


class Lingering:
    """A TCP socket with SO_LINGER that nobody reads from: whoever closes it last waits for that long."""

    def __init__(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.socket = socket.create_connection(listener.getsockname())
            self.peer = listener.accept()[0]
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.send(bytes(65536))

    def give_to(self, client, data, pid, goes_on=True, flags=0, behind=b""):
        """While the receiver is stopped it cannot close it first, which would leave the last close(2) to us."""
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: state_of(pid) == "T", "stop of sdwd")
        client.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", self.socket.fileno()))], flags)
        self.socket.close()
        client.sendall(behind)
        if goes_on:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def give():
    """give(instance, data, ...): connects, sends @data, the last of it with a socket that lingers; returns the connection."""
    connections, kept = [], []

    def send(one, *data, **more):
        connections.append(socket.socket(socket.AF_UNIX))
        connections[-1].connect(str(one.path))
        for part in data[:-1]:
            connections[-1].sendall(part)
        kept.append(Lingering())
        kept[-1].give_to(connections[-1], data[-1], one.run.pid, **more)
        return connections[-1]

    yield send
    for one in connections + [one.peer for one in kept]:
        one.close()


@pytest.mark.parametrize("data", [
    (CALL,), (b"{",), (CALL, CALL), (CALL[:-1], b"\0"), (CALL * 20, b"\0"), (WATCH, CALL),
], ids=["call", "half", "next", "end", "behind", "watch"])
def test_a_socket_that_lingers_is_not_waited_for(target, give, data):
    before = len(open_fds(target.run.pid))
    client = give(target, *data)
    client.settimeout(10)
    with contextlib.suppress(ConnectionError):
        while client.recv(65536):
            pass
    wait_until(lambda: len(open_fds(target.run.pid)) == before, "end of the connection")


@pytest.mark.parametrize("behind", [b"", CALL], ids=["alone", "call"])
def test_a_socket_that_lingers_comes_out_of_band(target, give, behind):
    """What reads on takes such a byte (MSG_OOB) away without ever seeing it, and what came along with it."""
    before = len(open_fds(target.run.pid))
    client = give(target, b"!", flags=socket.MSG_OOB, behind=behind)
    client.settimeout(10)
    with contextlib.suppress(ConnectionError):
        while client.recv(65536):
            pass
    wait_until(lambda: len(open_fds(target.run.pid)) == before, "end of the connection")


def test_sockets_that_linger_in_a_crowd(target, give):
    before = len(open_fds(target.run.pid))
    connections = [give(target, CALL * 3, CALL) for _ in range(3 * CLIENTS)]
    assert target.status()["state"] == "running"
    assert len(open_fds(target.run.pid)) < before + 4 * CLIENTS
    for one in connections:
        one.close()
    wait_until(lambda: len(open_fds(target.run.pid)) == before, "end of the connections")


def test_a_socket_that_lingers_does_not_delay_the_end(make_instance, manager, give):
    one = make_instance(watchdog=WATCHDOG)
    manager.wait_ready()
    # More than are let in at once.
    for _ in range(60):
        give(one, CALL, goes_on=False)
    begun = time.monotonic()
    one.run.signal(signal.SIGTERM)
    one.run.signal(signal.SIGCONT)
    assert one.run.wait() == -signal.SIGTERM
    assert time.monotonic() - begun < 30
