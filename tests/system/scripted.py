# SPDX-License-Identifier: MIT
"""HTTP servers that answer each look as a script says, and know when it came."""

import contextlib
import re
import socket
import statistics
import time

import pytest

from hostile import Hostile
from puppet import wait_until


class Scripted(Hostile):
    """Answers connection after connection with the modes of @script, and those behind its end with the mode `then`."""

    def __init__(self, *script, then="ok", **keywords):
        self.script = script
        self._starts, self._ends = {}, {}
        super().__init__(then, **keywords)

    def _serve(self, connection, mode):
        number = connection.number
        self._starts[number] = time.monotonic()
        super()._serve(connection, self.script[number] if number < len(self.script) else mode)
        self._ends[number] = time.monotonic()

    def start_of(self, number, timeout=20):
        """When look @number, from 0, came in; waits for it."""
        return wait_until(lambda: self._starts.get(number), f"look {number}", timeout)

    def end_of(self, number, timeout=20):
        """When its connection was over; waits for it."""
        return wait_until(lambda: self._ends.get(number), f"end of look {number}", timeout)

    def gaps(self, first, last):
        """Seconds from start to start, for the looks @first to @last; waits for the last one."""
        starts = [self.start_of(number) for number in range(first, last + 1)]
        return [after - before for before, after in zip(starts, starts[1:])]

    def wait_looks(self, count, timeout=20):
        """Waits for @count more looks."""
        self.start_of(self.connections + count - 1, timeout)


@pytest.fixture
def serve():
    """serve("status:503", "ok", then="silent") gives a running Scripted, stopped at the end of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *script, **keywords: stack.enter_context(Scripted(*script, **keywords))


@pytest.fixture
def refuses_more():
    """The port of a listener that accepts nothing and whose queue is full: a connection to it is never made."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            connection = stack.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def outcomes(text, probe="http"):
    """(verdict, cause, text) of each change of a probe's outcome, in order, from a log of --log-level=debug."""
    return re.findall(rf"sdwd: {probe}: (\w+) \(([a-z-]+)\): (.*)", text)


def edges(text):
    """(probe, text, cause, rest) of each edge to unhealthy, in order, from a log."""
    return re.findall(r"sdwd: unhealthy: ([^:]+): (.*?) \(([a-z-]+)\)(.*)", text)


median = statistics.median
