#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
A server that only accepts, and the clients that wait for it.

    acceptor.py FD PER_SECOND [BACKLOG]

accepts from the listening socket FD so many connections a second, each of which it closes at once; with BACKLOG it
calls listen() first.  Its socket is made by a test (Listener), which so knows the port beforehand.  If the machine kept
it from clients that waited, it says for how long, on its standard error (STOOD).
"""

import contextlib
import os
import select
import socket
import sys
import threading
import time

# What it says then, and from which time on (seconds).
STOOD, STOOD_MIN = "acceptor: stood still for ", 0.2


class Listener:
    """
    A socket for the server: address is (host, port), a path, or b"\\0name". Closed by close() and by `with`.
    @run calls a function where the sockets shall be: in the network of names.py, say.
    """

    def __init__(self, address=("127.0.0.1", 0), backlog=128, is_shared=False, run=lambda f, *words: f(*words)):
        self._run = run
        self.family = (socket.AF_UNIX if isinstance(address, (str, bytes)) else
                       socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self._socket = run(socket.socket, self.family)
        if is_shared:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind(address)
        if backlog is not None:
            self._socket.listen(backlog)
        self.address = self._socket.getsockname()

    @property
    def port(self):
        return self.address[1]

    @property
    def fd(self):
        return self._socket.fileno()

    def command(self, per_second=1000, backlog=None):
        """A server at this socket, for sdwd's command=; pass_fds=[fd] hands it on."""
        more = [] if backlog is None else [str(backlog)]
        return ["/usr/bin/python3", "-SE", os.path.abspath(__file__), str(self.fd), str(per_second), *more]

    def connect(self, patience=20):
        """A client that waits."""
        client = self._run(socket.socket, self.family)
        client.settimeout(patience)
        client.connect(self.address)
        return client

    def queue_length(self):
        return self._run(queue_at, self.port, self.family)

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Crowd:
    """
    @n clients that come back again and again, from `with` to its end; served counts what the server took.  Who waits for
    longer than @patience seconds gives up, and comes back.
    """

    def __init__(self, listener, n, patience=20):
        self._patience = patience
        self.served = 0
        self._listener, self._ends, self._clients = listener, threading.Event(), {}
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(n)]

    def _run(self):
        while not self._ends.is_set():
            try:
                with self._listener.connect(self._patience) as client:
                    self._clients[threading.get_ident()] = client
                    if client.recv(1) == b"":
                        self.served += not self._ends.is_set()
            except OSError:
                time.sleep(0.01)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        for client in list(self._clients.values()):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)


def queue_at(port, family=socket.AF_INET):
    """How many wait at a port, as /proc says."""
    with open(f"/proc/thread-self/net/tcp{'6' if family == socket.AF_INET6 else ''}", encoding="ascii") as table:
        for line in table:
            words = line.split()
            # The listening ones come first.
            if words[3] == "0A" and int(words[1].partition(":")[2], 16) == port:
                return int(words[4].partition(":")[2], 16)
    return 0


def main(fd, per_second, backlog=None):
    listener = socket.socket(fileno=int(fd))
    if backlog is not None:
        listener.listen(int(backlog))
    next_at = time.monotonic()
    while True:
        somebody_waits = select.select([listener], [], [], 0)[0]
        listener.accept()[0].close()
        now = time.monotonic()
        if somebody_waits and now - next_at >= STOOD_MIN:
            print(f"{STOOD}{now - next_at:.3f} s", file=sys.stderr, flush=True)
        # No catching up: never more than so many a second.
        next_at = max(next_at + 1 / float(per_second), now)
        time.sleep(max(0, next_at - time.monotonic()))


if __name__ == "__main__":
    main(*sys.argv[1:])
