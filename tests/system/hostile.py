# SPDX-License-Identifier: MIT
"""HTTP servers that misbehave, for tests of whatever looks at an HTTP server.

    with Hostile("drip-headers") as server:
        ... server.url("/health") ... server.requests ...

A server listens on a free port of 127.0.0.1 (family="v6": ::1, family="both": both, family="unix":
the socket at path=...) and answers each connection in a thread of its own as its mode says.  The
mode may be changed at any time: it holds for the connections accepted from then on.  `python3
hostile.py MODE` serves one in the foreground and prints its URL.
"""

import contextlib
import socket
import struct
import sys
import threading

BODY = b"ok body"
FOREVER = object()


def response(status=200, body=BODY, headers=(), version="HTTP/1.1", reason=" OK", end="\r\n"):
    """The bytes of a plain response that says that the server closes."""
    lines = [f"{version} {status}{reason}", "Connection: close", f"Content-Length: {len(body)}", *headers]
    return (end.join(lines) + end + end).encode("latin-1") + body


class Gone(Exception):
    """The client closed, or the server is being stopped."""


class Connection:
    """What a mode does with one accepted connection."""

    def __init__(self, server, sock, number):
        self.server = server
        self.sock = sock
        self.number = number  # from 0, over the life of the server
        self.request = b""

    def read_request(self):
        while b"\r\n\r\n" not in self.request and len(self.request) < 65536:
            data = self.sock.recv(4096)
            if not data:
                break
            self.request += data
        if self.request:
            self.server.requests.append(self.request)

    @property
    def path(self):
        words = self.request.split(b" ", 2)
        return words[1].decode("latin-1") if len(words) == 3 else ""

    @property
    def method(self):
        return self.request.split(b" ", 1)[0].decode("latin-1")

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def pause(self, seconds):
        if self.server.stopping.wait(seconds):
            raise Gone

    def drip(self, data, seconds=0.05):
        """Byte by byte."""
        for i in range(len(data)):
            self.send(data[i:i + 1])
            self.pause(seconds)

    def endless(self, data, times=FOREVER):
        """The same bytes again and again, as fast as they are taken."""
        while not self.server.stopping.is_set() and times != 0:
            self.send(data)
            if times is not FOREVER:
                times -= 1

    def hold(self):
        """Keeps the connection until the client closes it."""
        with contextlib.suppress(OSError):
            while not self.server.stopping.is_set():
                self.sock.settimeout(0.2)
                try:
                    if not self.sock.recv(4096):
                        break
                except TimeoutError:
                    continue

    def reset(self):
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _status(c, status):
    c.send(response(int(status), reason=""))


def _redirect(c, target="/new"):
    """Elsewhere once, then good: what is not at the target's path is sent there."""
    if c.path == target.split("?")[0]:
        c.send(response())
    else:
        c.send(response(302, b"moved", [f"Location: {target}"], reason=" Found"))


def _huge_headers(c):
    c.send(b"HTTP/1.1 200 OK\r\n")
    c.endless(b"X-Spam: spam spam spam spam\r\n", 40000)


def _endless_100(c):
    c.endless(b"HTTP/1.1 100 Continue\r\n\r\n")


def _keep_alive(c):
    """A server of persistent connections, which ignores Connection: close."""
    while c.request:
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + BODY)
        c.request = b""
        c.sock.settimeout(None)
        c.read_request()


def _half_closed(c):
    c.sock.shutdown(socket.SHUT_WR)
    c.hold()


def _sent(data):
    return lambda c: c.send(data)


def _sent_and_held(data):
    def mode(c):
        c.send(data)
        c.hold()
    return mode


def _then(data, action, *arguments):
    def mode(c):
        c.send(data)
        action(c, *arguments)
    return mode


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OPEN = b"HTTP/1.1 200 OK\r\n\r\n"

# Each mode takes a Connection whose request was read; those with an argument are "name:argument".
MODES = {
    "ok": lambda c: c.send(response(body=b"" if c.method == "HEAD" else BODY)),
    "status": _status,  # status:503
    "raw": lambda c, text="": c.send(text.encode("latin-1")),  # raw:HTTP/1.1 200 OK\r\n\r\n
    "raw-held": lambda c, text="": _sent_and_held(text.encode("latin-1"))(c),
    "no-body-204": _sent_and_held(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
    "http-1.0": _sent(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n" + BODY),
    "no-reason": _sent(response(reason="")),
    "lf-only": _sent(response(end="\n")),
    "chunked": _sent(CHUNKED + b"3\r\nok \r\n4;x=y\r\nbody\r\n0\r\nTrailer: x\r\n\r\n"),
    "keep-alive": _keep_alive,
    "100-then-ok": _sent(b"HTTP/1.1 100 Continue\r\n\r\n" + response()),
    "redirect": _redirect,  # redirect:/target
    "redirect-loop": lambda c: c.send(response(302, b"", ["Location: /again"], reason=" Found")),
    "drip-headers": lambda c: c.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Drip: drip\r\n" * 100000),
    "drip-body": _then(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
                       lambda c: c.drip(b"x" * 100000)),
    "drip-all": lambda c: c.drip(response(), 0.005),  # slow, but it gets there
    "endless-body": _then(OPEN, lambda c: c.endless(b"x" * 65536)),
    "endless-chunks": _then(CHUNKED, lambda c: c.endless(b"4\r\nspam\r\n" * 1000)),
    "large-body-then-hang": _sent_and_held(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
                                           + b"x" * 12288),
    "body-then-hang": _sent_and_held(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
                                     + b"x" * 5120),
    "headers-then-hang": _sent_and_held(b"HTTP/1.1 200 OK\r\nServer: x\r\n"),
    "huge-headers": _huge_headers,
    "endless-100": _endless_100,
    "silent": lambda c: c.hold(),
    "close": lambda c: None,
    "reset": lambda c: c.reset(),
    "reset-in-body": _then(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", Connection.reset),
    "half-closed": _half_closed,
    "short-body": _sent(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
    "bad-chunks": _sent_and_held(CHUNKED + b"xyz\r\nabc\r\n"),
    "two-lengths": _sent(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    "negative-length": _sent(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok"),
    "nul-in-header": _sent_and_held(b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"),
    "status-999": _sent(response(999)),
    "http-0.9": _sent(b"<html>hello</html>\n"),
    "http-2": _sent_and_held(b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64"),
    "banner": _sent_and_held(b"220 mail.example ESMTP\r\n"),
}


class Hostile:
    """One server; a context manager."""

    def __init__(self, mode="ok", family="v4", path=None, port=0):
        self.mode = mode
        self.family = family
        self.path = None if path is None else str(path)
        self.port = port
        self.requests = []      # the bytes of each request that was read
        self.connections = 0    # accepted ones
        self.stopping = threading.Event()
        self._listeners = []
        self._threads = []
        self._sockets = set()
        self._lock = threading.Lock()

    @property
    def mode(self):
        return self._mode

    @mode.setter
    def mode(self, mode):
        if mode.partition(":")[0] not in MODES:
            raise ValueError(f"no mode {mode!r}: there are {', '.join(MODES)}")
        self._mode = mode

    def url(self, path="/", host=None):
        if host is None:
            host = {"v6": "[::1]", "both": "localhost", "unix": "localhost"}.get(self.family, "127.0.0.1")
        port = f":{self.port}" if self.port else ""
        return f"http://{host}{port}{path}"

    def start(self):
        if self.family == "unix":
            listener = socket.socket(socket.AF_UNIX)
            listener.bind("\0" + self.path[1:] if self.path.startswith("@") else self.path)
            self._listeners = [listener]
        else:
            self._listeners = self._bind()
        for listener in self._listeners:
            listener.listen(128)
            # A closed listener does not wake up accept(): look whether to stop now and then.
            listener.settimeout(0.1)
            self._spawn(self._accept, listener)
        return self

    def _bind(self):
        families = {"v4": [(socket.AF_INET, "127.0.0.1")], "v6": [(socket.AF_INET6, "::1")]}
        families["both"] = families["v4"] + families["v6"]
        for attempt in range(100):
            listeners, port = [], self.port
            try:
                for family, host in families[self.family]:
                    listener = socket.socket(family)
                    listeners.append(listener)
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind((host, port))
                    port = listener.getsockname()[1]
            except OSError:
                # The port that one family gave is taken in the other.
                for listener in listeners:
                    listener.close()
                if self.port or attempt == 99:
                    raise
                continue
            self.port = port
            return listeners
        raise AssertionError("unreachable")

    def stop(self):
        self.stopping.set()
        with self._lock:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()
        for listener in self._listeners:
            listener.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    def _spawn(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener):
        while not self.stopping.is_set():
            try:
                sock, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            sock.settimeout(None)
            with self._lock:
                if self.stopping.is_set():
                    sock.close()
                    return
                number = self.connections
                self.connections += 1
                self._sockets.add(sock)
            self._spawn(self._serve, Connection(self, sock, number), self.mode)

    def _perform(self, connection, mode):
        name, _, argument = mode.partition(":")
        connection.read_request()
        MODES[name](connection, *([argument] if argument else []))

    def _serve(self, connection, mode):
        try:
            self._perform(connection, mode)
        except (Gone, OSError):
            pass
        finally:
            with self._lock:
                self._sockets.discard(connection.sock)
                connection.sock.close()


def main(arguments):
    if len(arguments) != 1 or arguments[0].partition(":")[0] not in MODES:
        print(f"hostile.py MODE: {', '.join(MODES)}", file=sys.stderr)
        return 2
    with Hostile(arguments[0]) as server:
        print(server.url(), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
