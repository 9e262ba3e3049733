# SPDX-License-Identifier: MIT
"""The prober without sdwd: what it answers to which request (lib/core/prober_msg.h)."""

import os
import resource
import signal
import socket
import struct
import subprocess
import time

import pytest

from names import names  # pylint: disable=unused-import
from puppet import state_of, wait_until
from scripted import serve  # pylint: disable=unused-import

PATIENCE_SECONDS = 20


class Prober:
    """One started sdwd-prober. ask() sends, answer() receives: (id, cause, addresses, text)."""

    def __init__(self, path, preexec=None):
        self.here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.here.settimeout(PATIENCE_SECONDS)

        def begin():
            os.dup2(there.fileno(), 3)
            if preexec is not None:
                preexec()

        # pylint: disable=subprocess-popen-preexec-fn,consider-using-with
        self.process = subprocess.Popen([path], close_fds=False, preexec_fn=begin, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        there.close()

    def ask(self, number, *words, seconds=PATIENCE_SECONDS, known=()):
        deadline = int((time.monotonic() + seconds) * 1e6)
        data = b"Q\1" + struct.pack("<IQB", number, deadline, len(known))
        data += b"".join(b"\4" + bytes(4) + socket.inet_aton(a) + bytes(12) for a in known)
        self.here.send(data + b"".join(w.encode() + b"\0" for w in words))

    def answer(self):
        data = self.here.recv(4096)
        assert data[:2] == b"A\1"
        number, cause, count = struct.unpack_from("<IBB", data, 2)
        addresses = []
        for i in range(count):
            family, _, raw = struct.unpack_from("<BI16s", data, 8 + 21 * i)
            addresses.append(socket.inet_ntop(*((socket.AF_INET, raw[:4]) if family == 4 else (socket.AF_INET6, raw))))
        text = data[8 + 21 * count:]
        assert text[0] == len(text) - 1
        return number, cause, addresses, text[1:].decode()

    def close(self):
        self.here.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def make(build):
    made = []

    def one(**more):
        made.append(Prober(build / "sdwd-prober", **more))
        return made[-1]

    yield one
    for prober in made:
        prober.close()


def test_a_name_is_resolved_for_whoever_asks(make, names):
    names.set_hosts("127.0.0.9 web.test", "::1 web.test", "127.0.0.8 web.test")
    prober = make(preexec=names.preexec)
    prober.ask(7, "resolve", "web.test")
    number, good, addresses, text = prober.answer()
    assert (number, text) == (7, "ok") and sorted(addresses) == ["127.0.0.8", "127.0.0.9", "::1"]
    # What cannot be resolved has no addresses, also where some were known: those are the asker's own.
    prober.ask(8, "resolve", "none.test", known=["127.0.0.1"])
    number, bad, addresses, text = prober.answer()
    assert (number, addresses) == (8, []) and text.startswith("cannot resolve none.test: ") and bad != good
    with names.silent_server():
        began = time.monotonic()
        prober.ask(9, "resolve", "slow.test", seconds=0.3)
        assert prober.answer() == (9, bad, [], "cannot resolve slow.test: no answer in time")
        assert 0.29 < time.monotonic() - began < 10


def test_a_name_has_at_most_8_addresses_and_one_look_up(make, names):
    names.set_hosts(*(f"127.0.0.{n} web.test" for n in range(1, 20)))
    prober = make(preexec=names.preexec)
    prober.ask(1, "resolve", "web.test")
    assert len(prober.answer()[2]) == 8
    with names.silent_server() as dns:
        for number in range(30):
            prober.ask(number + 1, "resolve", "slow.test", seconds=0.2)
        assert sorted(prober.answer()[0] for _ in range(30)) == list(range(1, 31))
        # The 30 threads that asked are over; the one that looks it up for all of them hangs.
        tasks = f"/proc/{prober.process.pid}/task"
        wait_until(lambda: len(os.listdir(tasks)) == 2, "end of the threads")
        dns.settimeout(PATIENCE_SECONDS)
        assert b"slow" in dns.recv(512)


def test_looks_side_by_side_answer_in_their_own_time(make, serve):
    slow, good = serve(then="silent"), serve()
    prober = make()
    url = "http://127.0.0.1:{}/".format
    prober.ask(1, "http", url(slow.port), "timeout=1s", seconds=0.9)
    prober.ask(2, "http", url(good.port), "timeout=1s")
    assert prober.answer()[::3] == (2, "HTTP 200")
    assert prober.answer()[::3] == (1, "no response within 1s")


@pytest.mark.parametrize("words, text", [
    (["ftp", "x"], "the prober does not know this kind of question"),
    (["http", "nonsense"], "'nonsense' does not begin with http:// or https://"),
    (["http", "http://127.0.0.1/", "fall=x"], "--fall: 'x' is not a number"),
    (["http", "https://127.0.0.1/", "http-ca=/none"], "--http-ca: '/none': No such file or directory"),
])
def test_what_it_cannot_do_is_unknown(make, words, text):
    prober = make()
    prober.ask(5, *words)
    number, cause, addresses, said = prober.answer()
    prober.ask(6, "ftp", "x")
    assert (number, addresses, said) == (5, [], text) and prober.answer()[1] == cause


@pytest.mark.parametrize("kind", ["v4", "unix"])
def test_want_of_files_is_no_failure_of_the_server(make, serve, tmp_path, kind):
    server = serve(family=kind, path=tmp_path / "s") if kind == "unix" else serve()
    words = ["http", "http://localhost/", f"http-unix={tmp_path}/s" if kind == "unix" else f"http-connect=localhost:{server.port}"]
    prober, said = make(), []
    prober.ask(1, *words)
    assert prober.answer()[3] == "HTTP 200"
    limits = resource.prlimit(prober.process.pid, resource.RLIMIT_NOFILE)
    # At one of them it is the socket that is not to be had.
    for limit in range(16, 2, -1):
        resource.prlimit(prober.process.pid, resource.RLIMIT_NOFILE, (limit, limits[1]))
        prober.ask(limit, *words)
        said.append(prober.answer()[3])
    assert "sdwd cannot look: connect: Too many open files" in said
    assert set(said) <= {"HTTP 200", "sdwd cannot look: connect: Too many open files", "Out of memory"}


def test_a_request_that_comes_too_late_is_not_worked_on(make, serve):
    server = serve()
    prober = make()
    prober.ask(5, "http", f"http://127.0.0.1:{server.port}/", seconds=-1)
    assert prober.answer()[3] == "the prober was asked too late"
    assert server.connections == 0


def test_a_timeout_that_it_slept_through_is_none(make, serve):
    """Frozen together with the service it cannot say that this one was silent."""
    server = serve(then="silent")
    prober = make()
    prober.ask(5, "http", f"http://127.0.0.1:{server.port}/", "timeout=1s", seconds=1)
    server.start_of(0)
    os.kill(prober.process.pid, signal.SIGSTOP)
    wait_until(lambda: state_of(prober.process.pid) == "T", "stop")
    asked = time.monotonic()
    wait_until(lambda: time.monotonic() > asked + 1.5, "time")
    os.kill(prober.process.pid, signal.SIGCONT)
    assert prober.answer()[3] == "the prober did not run for a while"


def test_it_ends_where_sdwd_does(make):
    prober = make()
    prober.here.close()
    assert prober.process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize("data", [b"x", b"Q\2" + bytes(13) + b"http\0x\0", b"A\1" + bytes(20), b"Q\1" * 40000],
                         ids=["short", "version", "reply", "large"])
def test_nonsense_ends_it(make, data):
    prober = make()
    prober.here.send(data)
    assert prober.process.wait(PATIENCE_SECONDS) == 1

