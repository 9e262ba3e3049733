# SPDX-License-Identifier: MIT
"""A child that does what the test says: sends this message, beats, forks, ends."""

import ast
import os
import socket
import time

import pytest

PATIENCE_SECONDS = 20

# Reads lines of Python, answers each with (True, value) or (False, error).  beat() and notify() are the two ways to
# be healthy; repeat(seconds, f) calls f in a thread until stop() comes.
_CODE = r"""
import array, os, signal, socket, sys, threading, time
here = socket.socket(socket.AF_UNIX)
here.connect("\0" + sys.argv[1])
lines = here.makefile("rw")
def notify(text, fds=(), repeat=1):
    up = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = os.environ["NOTIFY_SOCKET"]
    data = text.encode() if isinstance(text, str) else text
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    with up:
        for i in range(repeat):
            up.sendmsg([data], rights, 0, "\0" + name[1:] if name[0] == "@" else name)
def beat(data=b"\n", name=""):
    os.write(int(os.environ["SDWD_HEARTBEAT_FD" + name]), data)
stopped = threading.Event()
def repeat(seconds, f, *arguments):
    def loop():
        while not stopped.is_set():
            f(*arguments)
            time.sleep(seconds)
    stopped.clear()
    threading.Thread(target=loop, daemon=True).start()
def stop():
    stopped.set()
def fork(f, *arguments):
    pid = os.fork()
    if pid == 0:
        f(*arguments)
        os._exit(0)
    return pid
for line in lines:
    code = eval(line)
    try:
        try:
            value = eval(code)
            answer = (True, value if type(value) in (bool, int, float, str, bytes, list) else None)
        except SyntaxError:
            exec(code)
            answer = (True, None)
    except BaseException as error:
        answer = (False, repr(error))
    lines.write(repr(answer) + "\n")
    lines.flush()
"""


class Puppet:
    """puppet("notify('READY=1')") runs that in the child; returns its value. command is what sdwd shall start."""

    def __init__(self):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind("")
        self._listener.listen()
        self._listener.settimeout(PATIENCE_SECONDS)
        self.command = ["/usr/bin/python3", "-SEc", _CODE, self._listener.getsockname()[1:].decode()]
        self._socket = self._lines = None

    def __call__(self, code):
        self.tell(code)
        return self.answer()

    def tell(self, code):
        """Without waiting: for what ends or stops the child."""
        if self._socket is None:
            self._socket = self._listener.accept()[0]
            self._socket.settimeout(PATIENCE_SECONDS)
            self._lines = self._socket.makefile("rw")
        self._lines.write(repr(code) + "\n")
        self._lines.flush()

    def answer(self):
        line = self._lines.readline()
        assert line, "the child is gone"
        is_good, value = ast.literal_eval(line)
        assert is_good, value
        return value

    def close(self):
        for one in (self._lines, self._socket, self._listener):
            if one is not None:
                one.close()


@pytest.fixture
def child():
    """The puppet: sdwd(..., command=child.command), then child("beat()")."""
    puppet = Puppet()
    yield puppet
    puppet.close()


@pytest.fixture
def running(sdwd, manager, child):
    """Starts the puppet under sdwd and waits for READY=1, which is not recorded any more."""

    def start(*options, **more):
        started = sdwd(*options, command=child.command, **more)
        child("None")
        manager.wait_ready()
        manager.forget()
        return started

    return start


def wait_until(look, what, timeout=PATIENCE_SECONDS):
    """Waits until look() is true; returns what it gave."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"no {what} within {timeout} s"
        time.sleep(0.01)


def state_of(pid):
    """R, S, T, t, Z, or None for a process that is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except OSError:
        return None


def open_fds(pid):
    return sorted(os.listdir(f"/proc/{pid}/fd"), key=int)


def cpu_seconds(pid):
    """User and system time."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid):
    """(VmRSS, VmData) in KiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmRSS"].split()[0]), int(fields["VmData"].split()[0])
