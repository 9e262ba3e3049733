# SPDX-License-Identifier: MIT
"""A client of the control socket, written by hand: Varlink as https://varlink.org has it, and what is not Varlink."""

import contextlib
import itertools
import json
import os
import re
import socket
import time
from pathlib import Path

import pytest

from puppet import wait_until

PATIENCE_SECONDS = 20
SERVICE, SUPERVISOR = "org.varlink.service", "sdwd.Supervisor"
_labels = itertools.count()


class Refused(Exception):
    """A Varlink error; name without its interface, parameters."""

    def __init__(self, reply):
        super().__init__(str(reply))
        self.error, self.parameters = reply["error"], reply["parameters"]
        self.name = self.error.rpartition(".")[2]


class Client:
    """One connection. call() for one reply; send() and receive() for what is more, or less."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        # Without a timeout it waits where the queue of those who wait to be accepted is full; with one: EAGAIN.
        self.socket.connect(str(path))
        self.socket.settimeout(PATIENCE_SECONDS)
        self._read = b""

    def send(self, method, more=False, oneway=False, **parameters):
        call = {"method": f"{SUPERVISOR}.{method}" if "." not in method else method, "parameters": parameters}
        if more:
            call["more"] = True
        if oneway:
            call["oneway"] = True
        self.send_bytes(json.dumps(call).encode() + b"\0")

    def send_bytes(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next reply as it is, or None at the end of the connection."""
        while b"\0" not in self._read:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                assert not self._read, f"half a reply: {self._read!r}"
                return None
            self._read += data
        reply, _, self._read = self._read.partition(b"\0")
        return json.loads(reply)

    def call(self, method, **more):
        """The reply's parameters, or Refused."""
        self.send(method, **more)
        reply = self.receive()
        assert reply is not None, f"the connection ended instead of an answer to {method}"
        if "error" in reply:
            raise Refused(reply)
        assert "continues" not in reply
        return reply["parameters"]

    def is_closed(self):
        """Waits: whether the other side closes, without a reply."""
        try:
            return self.receive() is None
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Instance:
    """A started sdwd and its socket."""

    def __init__(self, run, path):
        self.run, self.path = run, path

    def client(self):
        return Client(self.path)

    def ask(self, method, **more):
        """One call on a connection of its own."""
        with self.client() as client:
            return client.call(method, **more)

    def status(self):
        return self.ask("GetStatus")["status"]

    def wait_status(self, what, fits):
        """Waits until the status is one that @fits; returns it."""
        found = []

        def look():
            found[:] = [self.status()]
            return fits(found[0])

        try:
            wait_until(look, what)
        except AssertionError:
            raise AssertionError(f"no {what}: {found[0]}\n{self.run.stderr()}") from None
        return found[0]


@pytest.fixture
def make_instance(sdwd, runtime_folder):
    """make_instance(*options, command=..., label=...): an sdwd under a label of its own, once its socket is there."""
    def make(*options, label=None, name=None, **more):
        label = label or f"t{os.getpid()}-{next(_labels)}"
        run = sdwd(f"--label={label}", *options, **more)
        path = runtime_folder / "sdwd" / (name or label)
        wait_until(lambda: path.is_socket() or not run.is_running(), f"socket {path}")
        assert run.is_running(), run.stderr()
        one = Instance(run, path)

        def has_begun():
            # What is there may be an older one's.
            with contextlib.suppress(ConnectionRefusedError):
                return one.status()["state"] != "launching"
            return False

        # Before the command runs nothing can be paused.
        wait_until(has_begun, "exec")
        return one

    return make


# Varlink's interface language, as far as ours uses it --------------------------------------------------------------


class Interface:
    """The text of GetInterfaceDescription, read: check() compares a value with a type of it."""

    def __init__(self, text):
        self._words = re.findall(r"->|\?|\[\]|\[string\]|[(),:]|[A-Za-z][A-Za-z0-9_.]*", re.sub(r"#[^\n]*", "", text))
        assert self._take() == "interface"
        self.name = self._take()
        self.types, self.methods, self.errors = {}, {}, {}
        while self._words:
            kind, name = self._take(), self._take()
            if kind == "method":
                takes = self._type()
                assert self._take() == "->"
                self.methods[name] = (takes, self._type())
            else:
                {"type": self.types, "error": self.errors}[kind][name] = self._type()

    def _take(self):
        return self._words.pop(0)

    def _type(self):
        word = self._take()
        if word == "?":
            return ("maybe", self._type())
        if word == "[]":
            return ("array", self._type())
        if word != "(":
            return ("name", word)
        fields, names = {}, []
        while self._words[0] != ")":
            name = self._take()
            if self._words[0] == ":":
                self._take()
                fields[name] = self._type()
            else:
                names.append(name)
            if self._words[0] == ",":
                self._take()
        self._take()
        assert not (fields and names)
        return ("enum", names) if names else ("struct", fields)

    def check(self, value, kind, where="reply"):
        what, of = kind
        plain = {"string": str, "int": int, "bool": bool}
        if what == "maybe":
            if value is not None:
                self.check(value, of, where)
        elif what == "array":
            assert isinstance(value, list), where
            for i, one in enumerate(value):
                self.check(one, of, f"{where}[{i}]")
        elif what == "enum":
            assert value in of, f"{where}: {value!r} is none of {of}"
        elif what == "struct":
            assert isinstance(value, dict) and set(value) == set(of), f"{where}: {value!r} against {sorted(of)}"
            for name, one in of.items():
                self.check(value[name], one, f"{where}.{name}")
        elif of in plain:
            # pylint: disable-next=unidiomatic-typecheck
            assert type(value) is plain[of], f"{where}: {value!r} is no {of}"
        else:
            self.check(value, self.types[of], where)


def as_nobody(function, *arguments):
    """Runs it in a process of user nobody; returns what it returned, as JSON has it."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            result = function(*arguments)
        except BaseException as error:  # pylint: disable=broad-exception-caught
            result = repr(error)
        os.write(write, json.dumps(result).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(said)


def error_of(path, method, **parameters):
    """The name of the error that this call gets, or None."""
    with Client(path) as client:
        try:
            client.call(method, **parameters)
        except Refused as refused:
            return refused.error
    return None


def wait_gone(path: Path):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while path.exists():
        assert time.monotonic() < deadline, f"{path} is still there"
        time.sleep(0.01)
