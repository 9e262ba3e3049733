# SPDX-License-Identifier: MIT
"""Servers of a stream socket that say what the test says, for tests of --tcp and --unix."""

import contextlib
import socket
import subprocess
import sys

import pytest

from scripted import Scripted

# Listens with a short queue, says where (a port, or nothing for a path), and accepts nothing until its stdin ends;
# then it sends its banner to each connection.
_STOPPABLE = """
import socket, sys
path = sys.argv[1]
listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
listener.bind(path or ("127.0.0.1", 0))
listener.listen(5)
print(listener.getsockname()[1] if not path else "", flush=True)
while True:
    connection, _ = listener.accept()
    try:
        connection.sendall(b"220 ready\\n")
    except OSError:
        pass
    connection.close()
"""


class Streams(Scripted):
    """
    Serves connection after connection by the functions of @script, and those behind its end by `then`, each with a
    hostile.Connection: streams(lambda c: c.send(b"220 hi")). What a client sends is for the function to read.
    """

    @property
    def mode(self):
        return self._mode

    @mode.setter
    def mode(self, mode):
        self._mode = mode

    @property
    def target(self):
        """The value of --tcp or --unix."""
        host = {"v6": "[::1]", "both": "localhost"}.get(self.family, "127.0.0.1")
        return self.path if self.family == "unix" else f"{host}:{self.port}"

    def _perform(self, connection, mode):
        mode(connection)


@pytest.fixture
def streams():
    """streams(f, g, then=h, family="unix", path=...) gives a running Streams, stopped at the end of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *script, **keywords: stack.enter_context(Streams(*script, **keywords))


@contextlib.contextmanager
def stoppable(path=""):
    """(target, pid) of a server of its own process, with a queue of 5: one that a test can stop by SIGSTOP."""
    with subprocess.Popen([sys.executable, "-SEc", _STOPPABLE, str(path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip()
            yield str(path) if path else f"127.0.0.1:{port}", process.pid
        finally:
            process.kill()


def banner(text=b"220 mail.example ready\r\n"):
    """Says it, and keeps the connection."""
    def serve(c):
        c.send(text)
        c.hold()
    return serve


def pieces(*parts, pause=0.03):
    """Says them one after the other, and keeps the connection."""
    def serve(c):
        for part in parts:
            c.send(part)
            c.pause(pause)
        c.hold()
    return serve


def says(text):
    """Says it and closes."""
    return lambda c: c.send(text)


def answers(question, text):
    """Reads @question, and nothing else will do; answers @text and keeps the connection."""
    def serve(c):
        asked = b""
        while len(asked) < len(question):
            data = c.sock.recv(4096)
            if not data:
                break
            asked += data
        c.server.requests.append(asked)
        if asked == question:
            c.send(text)
        c.hold()
    return serve


def silent(c):
    c.hold()


def resets(c):
    c.reset()


def drips(c):
    c.drip(b"x" * 100000)


def floods(c):
    c.endless(b"x" * 65536)
