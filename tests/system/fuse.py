# SPDX-License-Identifier: MIT
"""
A FUSE file system with one file, whose server is this process: it can change the file, and stop answering as a dead
file server does. Mounted by preexec() of who is started, in a mount namespace of its own, so nobody else meets it.
"""

import ctypes
import os
import struct
import threading

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS = 0x20000
_MS_REC_PRIVATE = 0x4000 | 0x40000
_LOOKUP, _FORGET, _GETATTR, _STATFS, _INIT, _INTERRUPT, _BATCH_FORGET = 1, 2, 3, 17, 26, 36, 42
_ENOENT, _ENOSYS = 2, 38
_ROOT, _FILE = 1, 2


def _checked(result):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class FileServer:
    """`path` is the file's, for who is started with `preexec`. It is there from the beginning, and does not change."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "beat"
        self._fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._modified = 1
        self._is_hung = False
        self._waiting = []
        self._n_looks = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def preexec(self):
        _checked(_libc.unshare(_CLONE_NEWNS))
        _checked(_libc.mount(None, b"/", None, _MS_REC_PRIVATE, None))
        options = f"fd={self._fd},rootmode=40000,user_id=0,group_id=0"
        _checked(_libc.mount(b"test", os.fsencode(self.folder), b"fuse", 0, options.encode()))

    def serve(self):
        """Once it is mounted."""
        self._thread.start()

    def touch(self):
        with self._lock:
            self._modified += 1

    def hang(self):
        """No answer any more."""
        with self._lock:
            self._is_hung = True

    def go_on(self):
        with self._lock:
            self._is_hung = False
            waiting, self._waiting = self._waiting, []
            for request in waiting:
                self._answer(*request)

    @property
    def n_looks(self):
        """How often the attributes of the file were asked for."""
        with self._lock:
            return self._n_looks

    @property
    def n_waiting(self):
        """How many calls have no answer yet."""
        with self._lock:
            return len(self._waiting)

    def close(self):
        """Whoever waits is told that the connection broke."""
        os.close(self._fd)

    def _serve(self):
        while True:
            try:
                data = os.read(self._fd, 1 << 17)
            except OSError:
                return
            _, opcode, unique, node = struct.unpack_from("=IIQQ", data)
            if opcode in (_FORGET, _BATCH_FORGET, _INTERRUPT):
                continue
            with self._lock:
                if self._is_hung:
                    self._waiting.append((opcode, unique, node, data[40:]))
                else:
                    self._answer(opcode, unique, node, data[40:])

    def _answer(self, opcode, unique, node, body):
        error, reply = 0, b""
        if opcode == _INIT:
            reply = struct.pack("=IIIIHHI", 7, 19, 0, 0, 0, 0, 1 << 16)
        elif opcode == _LOOKUP and body == b"beat\0":
            self._n_looks += 1
            reply = struct.pack("=QQQQII", _FILE, 0, 0, 0, 0, 0) + self._attributes(_FILE)
        elif opcode == _LOOKUP:
            error = _ENOENT
        elif opcode == _GETATTR:
            reply = struct.pack("=QII", 0, 0, 0) + self._attributes(node)
        elif opcode == _STATFS:
            reply = struct.pack("=5Q4I24x", 0, 0, 0, 0, 0, 4096, 255, 4096, 0)
        else:
            error = _ENOSYS
        try:
            os.write(self._fd, struct.pack("=IiQ", 16 + len(reply), -error, unique) + reply)
        except OSError:
            pass    # who asked was killed meanwhile

    def _attributes(self, node):
        mode = 0o100644 if node == _FILE else 0o40755
        return struct.pack("=6Q10I", node, 0, 0, 0, self._modified, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
