# SPDX-License-Identifier: MIT
"""
Servers that speak sdwd.Supervisor as instances of sdwd do, or as those do who want to deceive sdwdctl. All of a Farm
are served by one thread of this process, so each says that it is this process.
"""

import copy
import json
import os
import selectors
import socket
import sys
import threading
from pathlib import Path

MINUTE = 60 * 1000000
# Before a command: nothing but what a test makes, because /run is an empty one of its own (which needs root).
ALONE = ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]


def look(verdict="pass", us=300):
    return {"v": verdict, "us": us}


def probe(name="http", **changes):
    """A Probe that passes."""
    return {
        "name": name, "kind": "http", "optional": False, "state": "healthy", "drilled": False, "verdict": "pass",
        "cause": "ok", "text": "200 OK", "latencyUsec": 300, "ageUsec": 1000, "fails": 0, "fall": 3, "passes": 9,
        "rise": 1, "leaseLeftUsec": 9000000, "looks": {"pass": 9, "warn": 0, "fail": 0, "unknown": 0},
        "latency": {"buckets": [{"le": 1000, "n": 9}, {"le": None, "n": 9}], "sumUsec": 2700},
        "history": [look() for _ in range(9)],
    } | changes


def status(label, *probes, **changes):
    """A Status of a service that is well; @probes: its own, else one that passes."""
    return {
        "label": label, "unit": None, "pid": os.getpid(), "childPid": 4242, "version": "0.1.0", "state": "running",
        "stateUsec": 5 * MINUTE, "health": "healthy", "statusText": "healthy", "culprit": None,
        "onUnhealthy": "withhold", "watchdogUsec": 30000000, "hasWatchdog": True, "paused": False,
        "pausedLeftUsec": None, "startedUsec": 6 * MINUTE, "pings": 20, "lastPingUsec": 1000000, "stalls": 0,
        "stallUsec": 0, "proberRestarts": 0, "process": "running", "probes": list(probes) or [probe()],
    } | changes


def unwell(label, **changes):
    """A Status of one whose only probe failed three times."""
    bad = probe(state="unhealthy", verdict="fail", cause="read-timeout", text="no complete answer within 4.8s",
                latencyUsec=4800000, fails=3, passes=0, history=[look(), look(), *[look("fail", 4800000)] * 3])
    return status(label, bad, **({"state": "unhealthy", "health": "unhealthy", "culprit": "http",
                                  "statusText": "unhealthy: http: no complete answer within 4.8s"} | changes))


class Instance:
    """One server. @mode: see Farm._answer, besides "full" (its queue is) and "stale" (it has ended)."""

    def __init__(self, farm, path, answer, mode):
        self.farm, self.path, self.mode = farm, path, mode
        self.status = answer
        self.errors = {}        # method -> (error, parameters)
        self.calls = []         # (method, parameters)
        self.connections = 0
        self.watchers = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.listener.bind(str(path))
        os.chmod(path, 0o666)
        self.listener.listen(0 if mode == "full" else 128)
        self.fillers = []
        if mode == "full":
            # A backlog of 0 takes one connection.
            for _ in range(2):
                filler = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                self.fillers.append(filler)
                try:
                    filler.connect(str(path))
                except BlockingIOError:
                    break

    def change(self, **changes):
        """Changes fields of the status, and tells those who watch."""
        with self.farm.lock:
            self.status = self.status | changes
            for peer in self.watchers:
                peer.say({"parameters": {"status": self.status}, "continues": True})
            self.farm.wake()

    def drop(self):
        """Closes all connections, as sdwd does with the oldest where there are too many."""
        with self.farm.lock:
            self.farm.drop_all(self)
            self.farm.wake()

    def end(self):
        """Ends the instance as sdwd does: its socket is gone."""
        with self.farm.lock:
            self.farm.end(self)
            self.farm.wake()


class Peer:
    """One connection."""

    def __init__(self, instance, connection):
        self.instance, self.connection = instance, connection
        self.input, self.output = b"", b""
        self.is_endless = False

    def say(self, message):
        self.output += json.dumps(message).encode() + b"\0"


class Farm:
    """All instances of one test, in @folder."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.instances = []
        self.lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_out, selectors.EVENT_READ, None)
        self._is_over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def add(self, answer, mode="ok", name=None):
        """One more. @answer: its Status; a text stands for status(text)."""
        if isinstance(answer, str):
            answer = status(answer)
        with self.lock:
            one = Instance(self, self.folder / (name or answer["label"]), copy.deepcopy(answer), mode)
            self.instances.append(one)
            if mode not in ("full", "stale"):
                self._selector.register(one.listener, selectors.EVENT_READ, one)
            if mode == "stale":
                one.listener.close()
            self.wake()
        return one

    def wake(self):
        os.write(self._wake_in, b"!")

    def drop_all(self, one):
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, Peer) and key.data.instance is one:
                self._drop(key.data)

    def end(self, one):
        self.drop_all(one)
        if any(key.data is one for key in self._selector.get_map().values()):
            self._selector.unregister(one.listener)
        one.listener.close()
        for filler in one.fillers:
            filler.close()
        one.path.unlink(missing_ok=True)

    def close(self):
        with self.lock:
            self._is_over = True
            self.wake()
        self._thread.join()
        for one in self.instances:
            self.end(one)
        self._selector.close()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def _serve(self):
        while True:
            events = self._selector.select()
            with self.lock:
                if self._is_over:
                    return
                for key, _ in events:
                    if key.fileobj == self._wake_out:
                        os.read(self._wake_out, 65536)
                    elif isinstance(key.data, Instance):
                        self._accept(key.data)
                    elif key.fileobj.fileno() >= 0:
                        self._turn(key.data)
                self._arm()

    def _arm(self):
        """Who has something to say waits for room as well."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, Peer):
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if key.data.output or key.data.is_endless else 0)
                if key.events != wanted:
                    self._selector.modify(key.fileobj, wanted, key.data)

    def _accept(self, one):
        try:
            connection, _ = one.listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        one.connections += 1
        self._selector.register(connection, selectors.EVENT_READ, Peer(one, connection))

    def _turn(self, peer):
        try:
            data = peer.connection.recv(65536)
            if not data:
                raise ConnectionResetError
            peer.input += data
        except BlockingIOError:
            pass
        except OSError:
            self._drop(peer)
            return
        while b"\0" in peer.input:
            message, peer.input = peer.input.split(b"\0", 1)
            if not self._answer(peer, json.loads(message)):
                self._drop(peer)
                return
        try:
            if peer.is_endless:
                peer.connection.send(b"[" * 65536)
            elif peer.output:
                peer.output = peer.output[peer.connection.send(peer.output):]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(peer)

    def _drop(self, peer):
        if peer in peer.instance.watchers:
            peer.instance.watchers.remove(peer)
        self._selector.unregister(peer.connection)
        peer.connection.close()

    def _answer(self, peer, call):
        """Answers as the mode says. False: the connection is to be closed."""
        one, method = peer.instance, call["method"].rpartition(".")[2]
        one.calls.append((method, call.get("parameters")))
        if one.mode == "silent":
            return True
        if one.mode == "replaced":
            # By the time that its answer is there another process has the socket.
            os.rename(self.folder / "other", one.path)
        if one.mode == "closes":
            return False
        if one.mode == "endless":
            peer.is_endless = True
        elif one.mode.startswith("raw:"):
            peer.output += one.mode[4:].encode("latin-1")
        elif method in one.errors:
            error, parameters = one.errors[method]
            peer.say({"error": error, "parameters": parameters})
        elif method == "Watch" and call.get("more"):
            peer.say({"parameters": {"status": one.status}, "continues": True})
            one.watchers.append(peer)
        elif method in ("GetStatus", "Watch"):
            peer.say({"parameters": {"status": one.status}})
        else:
            peer.say({"parameters": {}})
        return True



def main(folder, uid, answers):
    """Serves @answers (JSON: a list of Status) as user @uid, each as this process, until stdin ends."""
    os.setgid(uid)
    os.setuid(uid)
    farm = Farm(Path(folder))
    for answer in json.loads(answers):
        errors = answer.pop("errors", {})
        farm.add(answer | {"pid": os.getpid()}).errors = errors
    print(os.getpid(), flush=True)
    sys.stdin.read()
    farm.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
