# SPDX-License-Identifier: MIT
"""A manager that only listens: what systemd's notify socket is to a service, recorded for a test."""

import os
import selectors
import socket
import struct
import threading
import time

# As systemd's own: longer messages are dropped, more fds cannot be sent (NOTIFY_BUFFER_MAX, SCM_MAX_FD).
MESSAGE_MAX = 4096
FDS_MAX = 253
PATIENCE_SECONDS = 20


class Witness(threading.Thread):
    """How long the machine let nobody here run: what comes late then is not late by anybody's fault."""

    STEP, LATE = 0.02, 0.1

    def __init__(self):
        super().__init__(name="witness", daemon=True)
        self._stalls = []    # (begin, end)
        self.start()

    def run(self):
        last = time.monotonic()
        while True:
            time.sleep(self.STEP)
            now = time.monotonic()
            if now - last > self.STEP + self.LATE:
                self._stalls.append((last, now))
            last = now

    def stalled(self, begin, end):
        """Seconds between the two."""
        return sum(max(0.0, min(end, b) - max(begin, a)) for a, b in self._stalls)


_witness = []


class Datagram:
    """One message: at (CLOCK_MONOTONIC, seconds), pid, uid and gid of the sender, lines, fields, fds."""

    def __init__(self, at, credentials, data, fds):
        self.at = at
        self.pid, self.uid, self.gid = credentials
        self.data = data
        self.lines = data.decode("utf-8", "surrogateescape").rstrip("\n").split("\n")
        self.fds = fds
        # Of a field that comes twice systemd takes the first.
        self.fields = {}
        for line in self.lines:
            name, _, value = line.partition("=")
            self.fields.setdefault(name, value)

    def has(self, line):
        return line in self.lines

    def __repr__(self):
        fds = f" +{len(self.fds)} fds" if self.fds else ""
        return f"{self.at:.3f} [{self.pid}] {' | '.join(self.lines)}{fds}"


class Manager:
    """
    A notify socket at @address (a path, or @name for an abstract one) and a thread that records what arrives.
    Reading can be stopped (pause: the queue fills up), and the socket can vanish and come back, as while systemd
    re-executes.
    """

    def __init__(self, address):
        if not _witness:
            _witness.append(Witness())
        self.address = str(address)
        self.started_at = time.monotonic()
        self._news = threading.Condition()
        self._datagrams = []
        self._socket = None
        self._may_read = True
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._ends = False
        self._asked = 0
        self._done = 0
        self._bind()
        self._thread = threading.Thread(target=self._loop, name="manager", daemon=True)
        self._thread.start()

    # What a test asks -------------------------------------------------------------------------------------------

    @property
    def all(self):
        """Everything so far, oldest first."""
        with self._news:
            return list(self._datagrams)

    def matching(self, what):
        """Those that @what fits: a line ("READY=1"), the start of one ("STATUS="), or a function of a Datagram."""
        return [d for d in self.all if _fits(d, what)]

    def pings(self):
        return self.matching("WATCHDOG=1")

    def statuses(self):
        """The texts of STATUS=, in order."""
        return [d.fields["STATUS"] for d in self.all if "STATUS" in d.fields]

    def values(self, field):
        return [d.fields[field] for d in self.all if field in d.fields]

    @property
    def ready_at(self):
        """When READY=1 came first, or None."""
        found = self.matching("READY=1")
        return found[0].at if found else None

    def longest_gap(self, until=None):
        """
        Seconds: the longest time without a sign of life from READY=1 to @until (now), as WatchdogSec= sees it; without
        the times in which the machine stood.
        """
        signs = [d.at for d in self.all if d.has("WATCHDOG=1") or d.has("READY=1")]
        assert signs, "neither READY=1 nor a ping came"
        ends = signs[1:] + [time.monotonic() if until is None else until]
        return max(end - begin - _witness[0].stalled(begin, end) for begin, end in zip(signs, ends))

    def wait_for(self, what, timeout=PATIENCE_SECONDS, after=0.0, count=1):
        """
        Waits for the @count-th message after the time @after that @what fits (see matching()); returns it.
        Fails with everything that came instead.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = [d for d in self._datagrams if d.at >= after and _fits(d, what)]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                assert left > 0, f"no {what!r} (number {count}) within {timeout} s; came:\n{self._story()}"
                self._news.wait(left)

    def wait_ready(self, timeout=PATIENCE_SECONDS):
        return self.wait_for("READY=1", timeout)

    def wait_ping(self, timeout=PATIENCE_SECONDS, count=1):
        """The @count-th ping from now on."""
        return self.wait_for("WATCHDOG=1", timeout, after=time.monotonic(), count=count)

    def never(self, what, seconds):
        """Watches for @seconds that nothing comes that @what fits."""
        begin = time.monotonic()
        with self._news:
            while True:
                found = [d for d in self._datagrams if d.at >= begin and _fits(d, what)]
                assert not found, f"{what!r} came: {found[0]}\n{self._story()}"
                left = begin + seconds - time.monotonic()
                if left <= 0:
                    return
                self._news.wait(left)

    def forget(self):
        """Drops what is recorded, so that a later wait cannot see it."""
        with self._news:
            for datagram in self._datagrams:
                _close_all(datagram.fds)
            self._datagrams.clear()

    # What a manager may do to its services ---------------------------------------------------------------------

    def pause(self):
        """Stops reading: after a few messages (net.unix.max_dgram_qlen) the sender gets EAGAIN."""
        self._may_read = False
        self._sync()

    def resume(self):
        self._may_read = True
        self._sync()

    def go_away(self):
        """The socket vanishes with all that was not read: senders get ECONNREFUSED or ENOENT."""
        with self._news:
            self._socket.close()
            self._socket = None
            if not self.address.startswith("@"):
                os.unlink(self.address)
        self._sync()

    def come_back(self):
        with self._news:
            self._bind()
        self._sync()

    def close(self):
        if self._ends:
            return
        self._ends = True
        os.write(self._wake_write, b"x")
        self._thread.join()
        if self._socket is not None:
            self.go_away()
        self.forget()
        os.close(self._wake_read)
        os.close(self._wake_write)

    # Inside -----------------------------------------------------------------------------------------------------

    def _bind(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        s.bind("\0" + self.address[1:] if self.address.startswith("@") else self.address)
        if not self.address.startswith("@"):
            os.chmod(self.address, 0o777)
        self._socket = s

    def _sync(self):
        """Returns when the thread has seen what changed."""
        with self._news:
            self._asked += 1
            mine = self._asked
            if not self._ends:
                os.write(self._wake_write, b"x")
                assert self._news.wait_for(lambda: self._done >= mine or self._ends, 10), "the reader hangs"

    def _loop(self):
        while not self._ends:
            with selectors.DefaultSelector() as selector:
                selector.register(self._wake_read, selectors.EVENT_READ)
                with self._news:
                    s = self._socket if self._may_read else None
                    if s is not None:
                        selector.register(s, selectors.EVENT_READ)
                    self._done = self._asked
                    self._news.notify_all()
                selector.select()
            try:
                os.read(self._wake_read, 4096)
            except BlockingIOError:
                pass
            with self._news:
                while self._socket is not None and self._may_read and self._read_one():
                    self._news.notify_all()
        if self._socket is not None:
            with self._news:
                while self._read_one():
                    pass

    def _read_one(self):
        try:
            data, control, flags, _ = self._socket.recvmsg(
                MESSAGE_MAX + 1, socket.CMSG_SPACE(12) + socket.CMSG_SPACE(4 * FDS_MAX), socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return False
        at = time.monotonic()
        credentials, fds = (0, -1, -1), []
        for level, kind, content in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                credentials = struct.unpack("3i", content[:12])
            elif level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds += struct.unpack(f"{len(content) // 4}i", content)
        datagram = Datagram(at, credentials, data, fds)
        datagram.is_cut = bool(flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)) or len(data) > MESSAGE_MAX
        if datagram.lines == ["BARRIER=1"]:
            # The sender waits for the hang-up of its pipe.
            _close_all(fds)
        self._datagrams.append(datagram)
        return True

    def _story(self):
        return "\n".join(repr(d) for d in self._datagrams[-60:]) or "(nothing)"


def _fits(datagram, what):
    if callable(what):
        return bool(what(datagram))
    if what.endswith("="):
        return what[:-1] in datagram.fields
    return datagram.has(what)


def _close_all(fds):
    for fd in fds:
        os.close(fd)
    fds.clear()


def full_queue(manager):
    """Fills the queue of a manager that does not read; what is in it comes first when it reads again."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    s.connect("\0" + manager.address[1:] if manager.address.startswith("@") else manager.address)
    with s:
        try:
            while True:
                s.send(b"X_FILL=1")
        except BlockingIOError:
            pass
