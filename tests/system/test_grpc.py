# SPDX-License-Identifier: MIT
"""--grpc: the health service of a real gRPC server, and what else may stand at its port."""

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from names import names  # pylint: disable=unused-import
from puppet import wait_until
from runner import command_of
from scripted import outcomes, serve  # pylint: disable=unused-import
from streams import streams  # pylint: disable=unused-import
from tls import authority, certificate, serve_tls, system, Authority  # pylint: disable=unused-import

SOON = ["--interval=100ms", "--start-interval=100ms", "--timeout=5s"]
ONCE = ["--interval=1h", "--start-interval=1h"]
SEEN = ["--log-level=debug", "--log-target=stderr"]


class Server:
    """health.py, started with those arguments."""

    def __init__(self, *arguments):
        program = Path(__file__).with_name("health.py")
        self.process = subprocess.Popen([sys.executable, program, *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.said = []
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(wait_until(lambda: self.said, "the server's port")[0].split()[1])

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))

    def calls(self):
        """The services that were asked for, in order; what was said of them is read first."""
        self.set(f"all {len(self.said)}", "SERVING")
        return [line.split(" ", 1)[1] for line in self.said if line.startswith("call ")]

    def set(self, service, state):
        line = f"{service}={state}"
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        wait_until(lambda: f"set {line}" in self.said, "the new state")

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def health():
    """health("web=SERVING", "--none") gives a running Server, ended with the test."""
    with contextlib.ExitStack() as stack:
        def start(*arguments):
            server = Server(*map(str, arguments))
            stack.callback(server.end)
            return server
        yield start


def one_look(sdwd, target, *options, timeout="20s", **more):
    """(verdict, cause, text) of the first look."""
    run = sdwd(f"--grpc={target}", *options, *ONCE, f"--timeout={timeout}", *SEEN, **more)
    wait_until(lambda: outcomes(run.stderr(), "grpc"), "outcome")
    return outcomes(run.stderr(), "grpc")[0]


# Table D of other systems' cases ----------------------------------------------------------------------------------


def test_D1_nobody_listens(sdwd):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        look = one_look(sdwd, f"127.0.0.1:{s.getsockname()[1]}", timeout="1s")
    assert look == ("fail", "connect-refused", "connection refused")


def test_D1_nobody_listens_at_localhost_where_there_is_no_ipv6(sdwd, names):
    names.without_ipv6()
    assert one_look(sdwd, "localhost:50051", preexec=names.preexec) == ("fail", "connect-refused", "connection refused")


def test_D2_a_plain_http_server(sdwd, serve, streams):
    def waits_for_all(c):
        request = b""
        while frame(DATA, END_STREAM, 1, 5 * b"\0") not in request:
            request += c.sock.recv(4096)
        c.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    verdict, cause, text = one_look(sdwd, streams(then=waits_for_all).target)
    # Some libcurls know why.
    assert (verdict, cause) == ("fail", "http-protocol") and "no answer in HTTP/2" in text
    # One that hangs up over what it does not read.
    verdict, cause, text = one_look(sdwd, f"127.0.0.1:{serve().port}")
    assert verdict == "fail" and cause in ("http-protocol", "read-failed") and "answer in HTTP/2" in text


def test_D3_not_serving(sdwd, health):
    server = health("=NOT_SERVING")
    assert one_look(sdwd, f"127.0.0.1:{server.port}") == ("fail", "not-serving", "says NOT_SERVING")


@pytest.mark.option("timeout")
def test_D4_a_call_that_hangs(sdwd, health):
    server = health("=hang")
    run = sdwd(f"--grpc=127.0.0.1:{server.port}", *ONCE, "--timeout=2s", *SEEN)
    wait_until(server.calls, "call")
    began = time.monotonic()
    run.wait_stderr("grpc: fail (read-timeout): rpc did not complete within 2s")
    # The prober ends its look 0.1 s before the deadline; it began before the server told of the call.
    assert 1.5 < time.monotonic() - began < 15


@pytest.mark.option("grpc")
def test_D5_serving(sdwd, manager, health):
    server = health("=SERVING")
    run = sdwd(f"--grpc=127.0.0.1:{server.port}", *SOON, *SEEN)
    assert manager.wait_ready().fields["STATUS"] == "healthy"
    assert outcomes(run.stderr(), "grpc") == [("pass", "ok", "SERVING")]


def test_D6_an_unknown_service(sdwd, health):
    server = health("=SERVING")
    assert one_look(sdwd, f"127.0.0.1:{server.port}/web") == (
        "fail", "not-serving", "the server does not know the service 'web' (5 NOT_FOUND)")


def test_D7_no_health_service(sdwd, health):
    """The server answers before it has the whole request, which not every look of an old libcurl survives."""
    server = health("--none")
    run = sdwd(f"--grpc=127.0.0.1:{server.port}", *SOON, *SEEN)
    run.wait_stderr("grpc: fail (not-serving): the server does not implement grpc.health.v1.Health (12 UNIMPLEMENTED)")
    assert {verdict for verdict, _, _ in outcomes(run.stderr(), "grpc")} == {"fail"}


def test_D8_several_services(sdwd, health):
    long = 200 * "x"
    server = health("=SERVING", "a.B=SERVING", "c/d=NOT_SERVING", f"{long}=SERVING")
    target = f"127.0.0.1:{server.port}"
    assert one_look(sdwd, f"{target}/a.B") == ("pass", "ok", "SERVING")
    assert one_look(sdwd, f"{target}/c/d") == ("fail", "not-serving", "says NOT_SERVING")
    assert one_look(sdwd, f"{target}/{long}") == ("pass", "ok", "SERVING")
    assert one_look(sdwd, f"{target}/") == ("pass", "ok", "SERVING")
    assert server.calls() == ["a.B", "c/d", long, ""]


@pytest.mark.option("grpc-tls")
@pytest.mark.option("grpc-ca")
@pytest.mark.option("grpc-insecure")
def test_D9_tls_and_plaintext(sdwd, authority, certificate, health, tmp_path):
    plain, tls = health("=SERVING"), health("=SERVING", f"--cert={certificate[0]}", f"--key={certificate[1]}")
    good = ["--grpc-tls", f"--grpc-ca={authority.pem}"]
    for host in ("127.0.0.1", "localhost"):
        assert one_look(sdwd, f"{host}:{tls.port}", *good) == ("pass", "ok", "SERVING")
    verdict, cause, text = one_look(sdwd, f"127.0.0.1:{plain.port}", *good)
    assert (verdict, cause) == ("fail", "tls"), text
    verdict, cause, text = one_look(sdwd, f"127.0.0.1:{tls.port}")
    assert verdict == "fail" and cause in ("http-protocol", "read-failed"), text
    # Whose certificate it must be.
    other = Authority(tmp_path, "other")
    for trusts in (["--grpc-tls"], ["--grpc-tls", f"--grpc-ca={other.pem}"]):
        verdict, cause, text = one_look(sdwd, f"127.0.0.1:{tls.port}", *trusts)
        assert (verdict, cause) == ("fail", "tls") and "unable to get local issuer certificate" in text
    assert one_look(sdwd, f"127.0.0.1:{tls.port}", "--grpc-tls", "--grpc-insecure") == ("pass", "ok", "SERVING")


@pytest.mark.option("grpc-unix")
@pytest.mark.parametrize("kind", ["absolute", "relative", "abstract"])
def test_D10_a_unix_socket(sdwd, health, tmp_path, kind):
    path = f"@sdwd-test-grpc-{os.getpid()}" if kind == "abstract" else tmp_path / "socket"
    server = health(f"--unix={path}", "=SERVING", "shop.Orders=NOT_SERVING")
    to = f"--grpc-unix={'socket' if kind == 'relative' else path}"
    assert one_look(sdwd, "localhost", to, cwd=tmp_path) == ("pass", "ok", "SERVING")
    # No name is looked up, and no port is connected to.
    assert one_look(sdwd, "no.such.name:1/shop.Orders", to, cwd=tmp_path) == ("fail", "not-serving", "says NOT_SERVING")
    assert server.calls() == ["", "shop.Orders"]


@pytest.mark.option("grpc-unix")
def test_D10_tls_at_a_unix_socket(sdwd, authority, certificate, health, tmp_path):
    path = tmp_path / "socket"
    health(f"--unix={path}", "=SERVING", f"--cert={certificate[0]}", f"--key={certificate[1]}")
    good = [f"--grpc-unix={path}", "--grpc-tls", f"--grpc-ca={authority.pem}"]
    assert one_look(sdwd, "localhost", *good) == ("pass", "ok", "SERVING")
    # The certificate must have the name that is said.
    verdict, cause, text = one_look(sdwd, "other.test", *good)
    assert (verdict, cause) == ("fail", "tls") and "other.test" in text


def test_D10_a_unix_socket_missing_dead_and_full(sdwd, tmp_path):
    to = f"--grpc-unix={tmp_path}/socket"
    assert one_look(sdwd, "localhost", to) == ("fail", "connect-failed", "cannot connect: No such file or directory")
    with socket.socket(socket.AF_UNIX) as s, socket.socket(socket.AF_UNIX) as waits:
        s.bind(f"{tmp_path}/socket")
        assert one_look(sdwd, "localhost", to) == ("fail", "connect-refused", "connection refused")
        s.listen(0)
        waits.connect(f"{tmp_path}/socket")
        for tls in ([], ["--grpc-tls"]):
            assert one_look(sdwd, "localhost", to, *tls, timeout="1s") == (
                "fail", "connect-timeout", "no connection within 1s: the server's listen queue is full")


def switches(pid):
    """How often the threads of a process have waited for something."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(OSError):
            total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read_text(), re.M)[1])
    return total


def test_a_place_in_the_queue_of_a_unix_socket_is_waited_for(sdwd, tmp_path):
    with socket.socket(socket.AF_UNIX) as s, socket.socket(socket.AF_UNIX) as waits:
        s.bind(f"{tmp_path}/socket")
        s.listen(0)
        waits.connect(f"{tmp_path}/socket")
        run = sdwd("--grpc=localhost", f"--grpc-unix={tmp_path}/socket", *ONCE, "--timeout=1min", *SEEN)
        [prober] = wait_until(lambda: [pid for pid in run.children() if "sdwd-prober" in command_of(pid)], "prober")
        # It has a thread that looks, and looks again.
        wait_until(lambda: len(os.listdir(f"/proc/{prober}/task")) == 2, "look")
        before = switches(prober)
        wait_until(lambda: switches(prober) > before + 3, "tries")
        assert not outcomes(run.stderr(), "grpc")
        s.accept()[0].close()
        with s.accept()[0] as connection:
            assert connection.recv(24, socket.MSG_WAITALL).startswith(b"PRI * HTTP/2.0")
        run.wait_stderr("grpc: fail (read-failed): ")


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def literal(name, value):
    """A header of HPACK: literal, not indexed, no Huffman."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4
HEAD = frame(HEADERS, END_HEADERS, 1, literal(b":status", b"200") + literal(b"content-type", b"application/grpc"))
GOOD = HEAD + frame(DATA, 0, 1, b"\0\0\0\0\2\x08\1") + frame(HEADERS, END_HEADERS | END_STREAM, 1,
                                                               literal(b"grpc-status", b"0"))


class Raw:
    """
    Speaks HTTP/2 by hand: says @early at once, and @answer when the request is there and so many of its PING and SETTINGS
    were acknowledged. calls: the requests that came.
    """

    def __init__(self, answer, early=b"", pings=0, settings=0, is_closed=False, path=None):
        self.answer, self.early, self.pings, self.settings, self.is_closed = answer, early, pings, settings, is_closed
        self.request, self.head, self.calls = b"", b"", 0
        if path is None:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen()
        self.held = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.held.append(connection)
                self._talk(connection)

    def _talk(self, connection):
        def take(n):
            data = b""
            while len(data) < n:
                more = connection.recv(n - len(data))
                if not more:
                    raise ConnectionError
                data += more
            return data
        with contextlib.suppress(ConnectionError):
            take(24)
            connection.sendall(frame(SETTINGS) + self.early)
            pings, settings, has_asked = 0, 0, False
            while not has_asked or pings < self.pings or settings < self.settings:
                head = take(9)
                payload = take(int.from_bytes(head[:3], "big"))
                pings += head[3] == PING and head[4] & ACK
                settings += head[3] == SETTINGS and head[4] & ACK
                if head[3] == HEADERS:
                    self.head = payload
                if head[3] == DATA:
                    self.request += payload
                    has_asked |= bool(head[4] & END_STREAM)
            self.calls += 1
            connection.sendall(self.answer)
            if self.is_closed:
                connection.shutdown(socket.SHUT_WR)

    def close(self):
        for one in [self.listener, *self.held]:
            one.close()


@pytest.fixture
def raw():
    with contextlib.ExitStack() as stack:
        def start(*arguments, **keywords):
            server = Raw(*arguments, **keywords)
            stack.callback(server.close)
            return server
        yield start


@pytest.mark.parametrize("answer, is_closed", [
    (frame(RST_STREAM, 0, 1, struct.pack("!I", 2)), False),
    (frame(RST_STREAM, 0, 1, struct.pack("!I", 7)), False),
    (HEAD + frame(RST_STREAM, 0, 1, struct.pack("!I", 8)), False),
    (frame(GOAWAY, 0, 0, struct.pack("!II", 0, 1)), True),
    (b"", True),
    (HEAD, True),
], ids=["reset", "refused", "reset-after-head", "goaway", "closed", "closed-after-head"])
def test_D11_a_call_that_is_broken_off_fails_at_once(sdwd, raw, answer, is_closed):
    server = raw(answer, is_closed=is_closed)
    began = time.monotonic()
    verdict, cause, text = one_look(sdwd, f"127.0.0.1:{server.port}", timeout="60s")
    assert verdict == "fail" and cause in ("read-failed", "http-protocol"), text
    assert time.monotonic() - began < 30
    # One look is one call.
    assert server.calls == 1


def test_D12_a_state_of_zero(sdwd, health):
    server = health("=UNKNOWN")
    assert one_look(sdwd, f"127.0.0.1:{server.port}") == ("fail", "not-serving", "says UNKNOWN")


def test_D13_pings_and_settings_before_the_answer(sdwd, raw):
    early = frame(PING, 0, 0, b"12345678") + frame(SETTINGS, 0, 0, struct.pack("!HI", 4, 70000)) + frame(PING, 0, 0, b"abcdefgh")
    server = raw(GOOD, early=early, pings=2, settings=2)
    assert one_look(sdwd, f"127.0.0.1:{server.port}/web") == ("pass", "ok", "SERVING")
    assert server.request == b"\0\0\0\0\5\x0a\3web"


def test_D10_what_a_server_at_a_unix_socket_is_told(sdwd, raw, tmp_path):
    server = raw(GOOD, path=tmp_path / "socket")
    assert one_look(sdwd, "localhost/web", f"--grpc-unix={tmp_path}/socket") == ("pass", "ok", "SERVING")
    assert server.request == b"\0\0\0\0\5\x0a\3web"
    # "localhost" in Huffman's code, and its length: what clients of gRPC say there, without a port.
    assert b"\x86\xa0\xe4\x1d\x13\x9d\x09" in server.head


# What is our own --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state, look", [
    ("13", ("fail", "not-serving", "the call failed: 13 INTERNAL: on purpose")),
    ("4", ("fail", "not-serving", "the call failed: 4 DEADLINE_EXCEEDED: on purpose")),
    ("SERVICE_UNKNOWN", ("fail", "not-serving", "says SERVICE_UNKNOWN")),
    ("MORE", ("pass", "ok", "SERVING")),
    ("GARBAGE", ("fail", "http-protocol", "the answer is no HealthCheckResponse")),
    ("LONG", ("fail", "http-protocol", "the answer is too long (more than 4096 bytes)")),
])
def test_what_a_server_may_say(sdwd, health, state, look):
    server = health(f"={state}")
    assert one_look(sdwd, f"127.0.0.1:{server.port}") == look


def test_answers_that_are_not_of_grpc(sdwd, raw):
    def answer(status, kind, *more):
        headers = literal(b":status", status) + literal(b"content-type", kind) + b"".join(more)
        return frame(HEADERS, END_HEADERS | END_STREAM, 1, headers)
    for data, look in [
        (answer(b"404", b"text/html"), ("fail", "http-status", "HTTP 404, and not a gRPC answer")),
        (answer(b"200", b"text/html"), ("fail", "http-protocol", "not a gRPC answer: its type is 'text/html'")),
        (answer(b"200", b"application/grpc"), ("fail", "http-protocol", "not a gRPC answer: it has no grpc-status")),
        (answer(b"200", b"application/grpc", literal(b"grpc-status", b"0")),
         ("fail", "http-protocol", "the answer is no HealthCheckResponse")),
        (answer(b"200", b"application/grpc", literal(b"grpc-status", b"12")),
         ("fail", "not-serving", "the server does not implement grpc.health.v1.Health (12 UNIMPLEMENTED)")),
    ]:
        assert one_look(sdwd, f"127.0.0.1:{raw(data).port}") == look


def test_nobody_accepts_and_nobody_speaks(sdwd):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        target = f"127.0.0.1:{s.getsockname()[1]}"
        assert one_look(sdwd, target, timeout="1s") == ("fail", "read-timeout", "rpc did not complete within 1s")
        assert one_look(sdwd, target, "--grpc-tls", timeout="1s")[1] in ("read-timeout", "connect-timeout")


@pytest.mark.parametrize("where", ["folder", "file"])
def test_an_authority_that_the_system_trusts(sdwd, health, authority, certificate, names, system, where):
    server = health("=SERVING", f"--cert={certificate[0]}", f"--key={certificate[1]}")
    other = system.folder.parent / "other"
    other.mkdir()
    file = authority if where == "file" else Authority(other)
    system.trust([authority] if where == "folder" else [], file.pem.read_bytes())
    assert one_look(sdwd, f"127.0.0.1:{server.port}", "--grpc-tls", preexec=names.preexec_here) == ("pass", "ok", "SERVING")


@pytest.mark.option("grpc-cert")
@pytest.mark.option("grpc-key")
def test_a_client_certificate(sdwd, authority, certificate, health):
    server = health("=SERVING", f"--cert={certificate[0]}", f"--key={certificate[1]}", f"--client-ca={authority.pem}")
    pem, key = authority.issue("grpc-client", ())
    target, trusts = f"127.0.0.1:{server.port}", ["--grpc-tls", f"--grpc-ca={authority.pem}"]
    verdict, cause, text = one_look(sdwd, target, *trusts)
    assert verdict == "fail" and cause in ("tls", "read-failed"), text
    assert one_look(sdwd, target, *trusts, f"--grpc-cert={pem}", f"--grpc-key={key}") == ("pass", "ok", "SERVING")


def test_tls_without_http2(sdwd, authority, serve_tls):
    """A server of https that knows HTTP/1.1 only: the certificate is good, and it is no gRPC."""
    server = serve_tls(alpn=["http/1.1"])
    assert one_look(sdwd, f"127.0.0.1:{server.port}", "--grpc-tls", f"--grpc-ca={authority.pem}") == (
        "fail", "http-protocol", "the server does not speak HTTP/2")
    assert server.requests[0].startswith(b"POST /grpc.health.v1.Health/Check HTTP/1.1\r\n")


def test_down_and_up_again(sdwd, manager, health):
    server = health("=SERVING")
    sdwd(f"--grpc=127.0.0.1:{server.port}", *SOON, "--fall=2")
    manager.wait_ready()
    server.set("", "NOT_SERVING")
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy: grpc: says NOT_SERVING"))
    server.set("", "SERVING")
    manager.wait_for(lambda d: d.fields.get("STATUS") == "healthy")


def test_a_stopped_server_is_seen(sdwd, manager, health):
    server = health("=SERVING")
    sdwd(f"--grpc=127.0.0.1:{server.port}", "--interval=200ms", "--start-interval=200ms", "--timeout=500ms", "--fall=2")
    manager.wait_ready()
    server.process.send_signal(signal.SIGSTOP)
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith(
        "unhealthy: grpc: rpc did not complete within 500ms"))


def test_a_name_is_resolved_and_its_last_addresses_kept(sdwd, manager, raw, names):
    """The server's certificate and authority are those of the name; the address is where it last was."""
    server = names.run(raw, GOOD)
    names.set_hosts("127.0.0.1 grpc.test")
    run = sdwd(f"--grpc=grpc.test:{server.port}", *SOON, *SEEN, preexec=names.preexec)
    manager.wait_ready()
    names.set_hosts("127.0.0.9 other.test")
    before = len(server.held)
    wait_until(lambda: len(server.held) > before + 3, "looks")
    assert outcomes(run.stderr(), "grpc") == [("pass", "ok", "SERVING")]


def test_a_name_that_was_never_resolved_is_no_failure(sdwd, names):
    verdict, cause, text = one_look(sdwd, "grpc.test:50051", preexec=names.preexec)
    assert (verdict, cause) == ("unknown", "dns") and text.startswith("cannot resolve grpc.test: ")


def test_a_proxy_is_never_contacted(sdwd, manager, health, serve):
    server, proxy = health("=SERVING"), serve()
    variables = [n for name in ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy") for n in (name, name.upper())]
    sdwd(f"--grpc=127.0.0.1:{server.port}", *SOON, env={n: proxy.url() for n in variables})
    manager.wait_ready()
    assert proxy.connections == 0


def test_bad_values_are_refused(sdwd, authority):
    for options, line in [
        (["--grpc=127.0.0.1"], "--grpc: '127.0.0.1' has no port: it must be HOST:PORT"),
        (["--grpc=127.0.0.1/web"], "--grpc: '127.0.0.1' has no port: it must be HOST:PORT"),
        (["--grpc=127.0.0.1:0"], "--grpc: '127.0.0.1:0' has no port within 1-65535"),
        (["--grpc=::1:50051"], "--grpc: '::1:50051' has an IPv6 address without brackets"),
        (["--grpc=http://127.0.0.1:1/"], "--grpc: 'http://127.0.0.1:1/' is a URL; what is wanted is HOST:PORT[/SERVICE]"),
        (["--grpc=unix:/run/web"], "--grpc: 'unix:/run/web' is a socket's name; what is wanted is HOST[/SERVICE] (localhost "
                                   "will do) with --grpc-unix=PATH"),
        (["--grpc=localhost", "--grpc-unix="], "--grpc-unix: '': the path is empty"),
        (["--grpc=[::1", "--grpc-unix=/run/web"], "--grpc: '[::1:80' has no closing bracket"),
        (["--http=http://127.0.0.1/", "--grpc-unix=/run/web"],
         "--grpc-unix: '/run/web': not an option of --http; it belongs to --grpc"),
        (["--grpc=127.0.0.1:1/a b"], "--grpc: '127.0.0.1:1/a b' has a blank or control character in its service"),
        ([f"--grpc=a:1/{256 * 'x'}"], None),
        (["--grpc=127.0.0.1:1", f"--grpc-ca={authority.pem}"], "--grpc: --grpc-ca needs --grpc-tls"),
        (["--grpc=127.0.0.1:1", "--grpc-insecure"], "--grpc: --grpc-insecure needs --grpc-tls"),
        (["--grpc=127.0.0.1:1", "--grpc-tls", f"--grpc-key={authority.pem}"], "--grpc: --grpc-key needs --grpc-cert"),
        (["--grpc=127.0.0.1:1", "--grpc-tls", "--grpc-ca=/none"], "--grpc-ca: '/none': No such file or directory"),
    ]:
        run = sdwd(*options, command=["sh", "-c", "echo started"])
        assert run.wait() == 125
        said = run.stderr()
        assert said == f"sdwd: {line}\n" if line else said.endswith("has a service that is too long\n")
        assert said.count("\n") == 1 and run.stdout() == ""
