# SPDX-License-Identifier: MIT
"""--unix: the same as --tcp at a Unix socket, and --peer: who listens there."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from puppet import child, open_fds, wait_until  # pylint: disable=unused-import
from runner import ended
from scripted import edges, outcomes
from streams import answers, banner, pieces, says, silent, stoppable, streams  # pylint: disable=unused-import
from test_tcp import refusal

SOON = ["--interval=50ms", "--timeout=5s"]
SEEN = ["--log-level=debug", "--log-target=stderr"]
NOTE = "unix: without --expect a hang is not seen: the kernel accepts connections for a hung server, too"


@pytest.mark.option("unix")
def test_B5_missing_dead_and_alive(sdwd, manager, streams, tmp_path):
    path = tmp_path / "socket"
    run = sdwd(f"--unix={path}", *SOON, *SEEN)
    manager.wait_for("STATUS=starting: unix: cannot connect: No such file or directory")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    run.wait_stderr("fail (connect-refused): connection refused")
    assert manager.ready_at is None
    path.unlink()
    streams(family="unix", path=path, then=banner())
    manager.wait_ready()
    assert outcomes(run.stderr(), "unix") == [("fail", "connect-failed", "cannot connect: No such file or directory"),
                                              ("fail", "connect-refused", "connection refused"),
                                              ("pass", "ok", "connected")]
    assert run.stderr().count(NOTE) == 1


@pytest.mark.option("unix")
@pytest.mark.parametrize("kind", ["absolute", "relative", "abstract"])
def test_paths(sdwd, manager, streams, tmp_path, kind):
    path = f"@sdwd-test-unix-{os.getpid()}" if kind == "abstract" else tmp_path / "socket"
    server = streams(family="unix", path=path, then=answers(b"zPING\0", b"PONG\0"))
    run = sdwd(f"--unix={'socket' if kind == 'relative' else path}", r"--send=zPING\0", "--expect=^PONG", *SOON, *SEEN,
               cwd=tmp_path)
    manager.wait_ready()
    # A relative path holds although sdwd itself has left the folder it was started in.
    assert os.readlink(f"/proc/{run.pid}/cwd") == "/"
    server.wait_looks(3)
    assert set(server.requests) == {b"zPING\0"} and NOTE not in run.stderr()
    assert outcomes(run.stderr(), "unix") == [("pass", "ok", "the answer matches")]


def test_B3_a_stopped_server_passes_until_its_queue_is_full(sdwd, manager, tmp_path):
    with stoppable(tmp_path / "socket") as (target, pid):
        os.kill(pid, signal.SIGSTOP)
        run = sdwd(f"--unix={target}", "--interval=100ms", "--fast-interval=100ms", "--timeout=300ms", "--fall=1", *SEEN)
        manager.wait_ready()
        run.wait_stderr("; healthy -> unhealthy")
        text = "no connection within 300ms: the server's listen queue is full"
        assert outcomes(run.stderr(), "unix") == [("pass", "ok", "connected"), ("fail", "connect-timeout", text)]
        os.kill(pid, signal.SIGCONT)
        run.wait_stderr("healthy again: unix")


@pytest.mark.option("expect")
def test_B3_expect_fails_within_its_deadline_at_a_stopped_server(sdwd, manager, tmp_path):
    with stoppable(tmp_path / "socket") as (target, pid):
        run = sdwd(f"--unix={target}", "--expect=^220 ", "--interval=100ms", "--fast-interval=100ms", "--timeout=700ms",
                   "--fall=1", *SEEN)
        manager.wait_ready()
        os.kill(pid, signal.SIGSTOP)
        stopped = time.monotonic()
        run.wait_stderr("; healthy -> unhealthy")
        assert 0.6 < time.monotonic() - stopped < 10
        assert edges(run.stderr())[0][:3] == ("unix", "no answer within 700ms", "read-timeout")


@pytest.mark.option("expect")
def test_B4_banner_split_over_packets(sdwd, manager, streams, tmp_path):
    server = streams(family="unix", path=tmp_path / "socket", then=pieces(b"2", b"20 mail.exam", b"ple rea", b"dy"))
    run = sdwd(f"--unix={server.target}", "--expect=^220 .*ready", *SOON, *SEEN)
    manager.wait_ready()
    server.wait_looks(2)
    assert outcomes(run.stderr(), "unix") == [("pass", "ok", "the answer matches")]


@pytest.mark.option("expect")
@pytest.mark.parametrize("mode, cause, text, timeout", [
    (banner(b"554 no\n"), "read-timeout", "7 bytes and no match within 300ms", "300ms"),
    (silent, "read-timeout", "no answer within 300ms", "300ms"),
    (says(b"554 no\n"), "body-mismatch", "the connection was closed after 7 bytes without a match", "10s"),
    (says(b""), "body-mismatch", "the connection was closed without an answer", "10s"),
])
def test_B4_wrong_banner_or_none(sdwd, manager, streams, tmp_path, mode, cause, text, timeout):
    server = streams(family="unix", path=tmp_path / "socket", then=banner())
    run = sdwd(f"--unix={server.target}", "--expect=^220 ", "--interval=50ms", "--fall=1", f"--timeout={timeout}",
               "--log-target=stderr")
    manager.wait_ready()
    server.mode = mode
    run.wait_stderr("; healthy -> unhealthy")
    assert edges(run.stderr())[0][:3] == ("unix", text, cause)


# --peer -----------------------------------------------------------------------------------------------------------

LISTEN = """
def serve():
    s = socket.socket(socket.AF_UNIX)
    s.bind({path!r})
    s.listen()
    while True:
        connection, _ = s.accept()
        connection.recv(100)
        connection.sendall(b"ok")
        connection.close()
"""


@pytest.mark.option("peer")
@pytest.mark.parametrize("who", ["threading.Thread(target=serve, daemon=True).start()", "fork(serve)",
                                 "fork(lambda: fork(serve))"])
def test_B6_the_child_or_below_it(sdwd, manager, child, tmp_path, who):
    path = str(tmp_path / "socket")
    run = sdwd(f"--unix={path}", "--peer=child", "--send=x", "--expect=ok", *SOON, *SEEN, command=child.command)
    child(LISTEN.format(path=path))
    child(who)
    manager.wait_ready()
    run.signal(signal.SIGTERM)
    run.wait()
    assert {cause for _, cause, _ in outcomes(run.stderr(), "unix")} <= {"connect-failed", "connect-refused", "ok"}


@pytest.mark.option("peer")
def test_B6_a_foreign_process_is_told_and_gets_nothing(sdwd, manager, streams, tmp_path):
    server = streams(family="unix", path=tmp_path / "socket", then=answers(b"secret", b"ok"))
    options = ["--send=secret", "--expect=ok", *SOON, *SEEN]
    run = sdwd(f"--unix={server.target}", *options, "--peer=child")
    server.start_of(2)
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("starting: unix: pid "))
    with open("/proc/self/comm", encoding="utf-8") as comm:
        name = comm.read().strip()
    assert outcomes(run.stderr(), "unix") == [
        ("fail", "wrong-peer", f"pid {os.getpid()} ({name}) listens there, which is no process of this service")]
    assert manager.ready_at is None and not any(server.requests)
    # Who does not ask for it takes anybody.
    other = sdwd(f"--unix={server.target}", *options)
    other.wait_stderr("pass (ok)")
    assert b"secret" in server.requests


@pytest.mark.option("peer")
def test_B6_a_foreign_process_takes_the_socket_over(sdwd, manager, child, streams, tmp_path):
    path = tmp_path / "socket"
    run = sdwd(f"--unix={path}", "--peer=child", "--send=x", "--expect=ok", *SOON, "--log-target=stderr",
               command=child.command)
    child(LISTEN.format(path=str(path)))
    child("threading.Thread(target=serve, daemon=True).start()")
    manager.wait_ready()
    path.unlink()
    streams(family="unix", path=path, then=answers(b"x", b"ok"))
    run.wait_stderr("; healthy -> unhealthy")
    assert edges(run.stderr())[0][2] == "wrong-peer"


# Listens at argv[1] as a process of its own, or in one below it, and stays.
LISTENER = """#!/usr/bin/python3
import os, socket, sys, time
if len(sys.argv) > 2 and os.fork() > 0:
    time.sleep(1000)
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
while True:
    s.accept()[0].sendall(b"ok")
"""


@pytest.mark.option("peer")
@pytest.mark.parametrize("by", ["--exec", "--unhealthy-hook"])
@pytest.mark.parametrize("where", ["itself", "below"])
def test_B6_a_check_or_hook_of_sdwds_own_is_not_the_child(sdwd, manager, child, tmp_path, by, where):
    script, path = tmp_path / "listener.py", tmp_path / "socket"
    script.write_text(LISTENER, encoding="utf-8")
    script.chmod(0o755)
    run = sdwd("--heartbeat", "--silence=300ms", f"{by}={script} {path}{' below' if where == 'below' else ''}",
               *(["--timeout=1h", "--optional"] if by == "--exec" else ["--hook-timeout=1h"]),
               f"--unix={path}", "--peer=child", "--expect=ok", "--optional", *SOON, *SEEN, command=child.command,
               watchdog=30)
    child("beat()")
    run.wait_stderr(") listens there, which belongs to a check or hook of sdwd's")
    assert {cause for _, cause, _ in outcomes(run.stderr(), "unix")} <= {"connect-failed", "connect-refused", "wrong-peer"}
    # The service's own at the same path is taken.
    path.unlink()
    child(LISTEN.format(path=str(path)).replace("connection.recv(100)", "pass"))
    child("threading.Thread(target=serve, daemon=True).start()")
    run.wait_stderr("sdwd: unix: pass (ok)")
    assert manager.ready_at is not None


@pytest.mark.option("peer")
def test_B6_a_socket_of_whoever_passed_it_on(sdwd, tmp_path):
    # As with socket activation: the child accepts, but another process listened.
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        listener.set_inheritable(True)
        run = sdwd(f"--unix={tmp_path}/socket", "--peer=child", *SOON, *SEEN, pass_fds=[listener.fileno()])
        run.wait_stderr(f"fail (wrong-peer): pid {os.getpid()} ")


@pytest.mark.parametrize("options, line", [
    (["--peer=child", "--unix=/x"], "--peer: 'child': belongs after the probe that it is for"),
    (["--unix=/x", "--peer=all"], "--peer: 'all' is not one of child"),
    (["--unix=@"], "--unix: '@': the name is empty"),
    (["--unix="], "--unix: '' is empty"),
    (["--unix=/" + "x" * 107], "the path of a socket has at most 107 bytes"),
    (["--socket=/x"], "--socket: not an option here; use --unix"),
])
def test_refused_at_start(sdwd, manager, options, line):
    run = sdwd(*options, command=["sh", "-c", "echo started"])
    assert line in refusal(run)
    assert run.stdout() == "" and not manager.all


# Answers with @1, and with a TCP socket that lingers for a minute where somebody closes it last; that is the receiver.
GIVES_A_SOCKET = r"""
import os, socket, struct, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("listening", flush=True)
kept = []
while True:
    client = server.accept()[0]
    listener = socket.create_server(("127.0.0.1", 0))
    given = socket.create_connection(listener.getsockname())
    kept.append(listener.accept()[0])
    given.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    given.setblocking(False)
    try:
        while True:
            given.send(bytes(65536))
    except BlockingIOError:
        pass
    go = os.pipe()
    if os.fork() == 0:
        os.close(go[1])
        os.read(go[0], 1)
        try:
            socket.send_fds(client, [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], [given.fileno()])
        except OSError:
            pass
        os._exit(0)
    given.close()
    client.close()
    os.close(go[0])
    os.close(go[1])
    os.wait()
"""


@contextlib.contextmanager
def gives_files(name):
    """Answers hello, and with a file."""
    def serve():
        with contextlib.suppress(OSError), open("/dev/null", "rb") as null:
            while True:
                with server.accept()[0] as client, contextlib.suppress(OSError):
                    socket.send_fds(client, [b"hello"], [null.fileno()])

    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


# Says how many of its messages were taken; no queue of the kernel holds so many.
TALKS = """
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
for n in range(10 ** 9):
    s.send(b"X_A=1")
    if n % 1000 == 0:
        print(n, flush=True)
        time.sleep(0.1)
"""


def test_a_connection_that_no_process_could_close_is_closed_later(sdwd):
    name, user = f"sdwd-test-unix-{os.getpid()}", 100000 + os.getpid()

    def become_user():
        resource.setrlimit(resource.RLIMIT_NPROC, (1000, 1000))
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)

    def limit_processes(n):
        subprocess.run(["prlimit", f"--pid={run.pid}", f"--nproc={n}:"], user=user, group=user, extra_groups=[], check=True)

    with gives_files(name):
        looks = [word for i in range(4) for word in (f"--unix=@{name}", f"--name=u{i}", "--expect=hello", "--optional",
                                                     "--interval=50ms")]
        run = sdwd(*looks, "--notify", *SEEN, notify=False, preexec=become_user, command=["/usr/bin/python3", "-c", TALKS])
        run.wait_stderr("read-failed")
        before = len(open_fds(run.pid))
        limit_processes(1)
        # More than the fds of one datagram leave room for in a list of that size.
        wait_until(lambda: len(open_fds(run.pid)) > before + 240, "connections that are kept")
        run.wait_stderr("no process can be started to close the sockets that others sent along: Resource temporarily unavail")
        before_that = len(run.stdout().splitlines())
        wait_until(lambda: len(run.stdout().splitlines()) > before_that + 2, "messages that are read all the same")
        limit_processes(1000)
        wait_until(lambda: len(open_fds(run.pid)) < before + 10, "their end")
        assert run.terminate() == -signal.SIGTERM


@pytest.mark.parametrize("options", [
    ["--unix={path}", "--expect=ok"], ["--unix={path}"], ["--http=http://localhost/", "--http-unix={path}"],
], ids=["expect", "unix", "http"])
def test_a_socket_that_a_server_sends_along_is_not_waited_for(sdwd, manager, tmp_path, options):
    path = tmp_path / "socket"
    with ended(subprocess.Popen(["/usr/bin/python3", "-c", GIVES_A_SOCKET, str(path)], stdout=subprocess.PIPE)) as server:
        assert server.stdout.readline() == b"listening\n"
        run = sdwd(*(one.format(path=path) for one in options), "--optional", "--interval=200ms", "--timeout=5s", *SEEN,
                   watchdog=1)
        manager.wait_ready()
        if "--unix={path}" != options[-1]:
            run.wait_stderr("fail (read-failed): the connection broke: Bad message")
        before = len(open_fds(run.pid))
        manager.wait_ping(count=6)
        # Of 15 looks. Who closes them comes twice a second.
        assert len(open_fds(run.pid)) < before + 8, "they do not pile up"
        assert run.terminate() == -signal.SIGTERM
