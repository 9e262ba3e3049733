# SPDX-License-Identifier: MIT
"""What full-hogs needs: load of three kinds, control groups with too little memory, and when pings were sent."""

import glob
import os
import re
import selectors
import shutil
import socket
import statistics
import struct
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SO_TIMESTAMPNS = 35


def build_hogs(folder):
    """The program hogs (hogs.c), built in @folder."""
    program = folder / "hogs"
    subprocess.run(["cc", "-O1", "-o", program, HERE / "hogs.c"], check=True)
    return program


def forget_pages(path):
    """Takes a file out of the page cache: whoever reads it next is charged for it."""
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def private_copy(folder, build):
    """
    sdwd, its prober and their libraries in @folder, all out of the page cache. What runs them by LD_LIBRARY_PATH alone
    uses these pages, so a group with too little memory loses them.
    """
    folder.mkdir()
    for name in "sdwd", "sdwd-prober":
        shutil.copy(build / name, folder)
        for line in subprocess.run(["ldd", build / name], capture_output=True, text=True, check=True).stdout.splitlines():
            found = re.search(r"=> (/\S+)", line)
            if found and not (folder / Path(found.group(1)).name).exists():
                shutil.copy(found.group(1), folder)
    for path in folder.iterdir():
        forget_pages(path)
    return folder


class Group:
    """A control group whose memory is limited: of its own (v1, v2), or that of a unit (v2)."""

    @staticmethod
    def is_v2():
        return not os.path.isdir("/sys/fs/cgroup/memory")

    def __init__(self, path, is_own=True):
        self.path, self.is_own = Path(path), is_own
        if is_own:
            self.path.mkdir()

    @classmethod
    def make(cls, name):
        top = "/sys/fs/cgroup" if cls.is_v2() else "/sys/fs/cgroup/memory"
        return cls(f"{top}/sdwd-hogs-{os.getpid()}-{name}")

    def enter(self, pid=0):
        (self.path / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def _stat(self):
        lines = (self.path / "memory.stat").read_text(encoding="ascii").splitlines()
        return {line.split()[0]: int(line.split()[1]) for line in lines}

    def unreclaimable(self):
        """Bytes that nothing can be done about without swap: what is no page of a file."""
        stat = self._stat()
        if self.is_v2():
            return stat["anon"] + stat.get("kernel", 0) + stat["shmem"] + stat["unevictable"]
        kernel = int((self.path / "memory.kmem.usage_in_bytes").read_text(encoding="ascii"))
        return stat["rss"] + kernel + stat.get("shmem", 0) + stat["unevictable"]

    def limit(self, spare):
        """From now on only @spare bytes are left for pages of files."""
        name = "memory.max" if self.is_v2() else "memory.limit_in_bytes"
        # The kernel may need more than one turn to get there.
        for _ in range(20):
            try:
                (self.path / name).write_text(str(self.unreclaimable() + spare), encoding="ascii")
                return
            except OSError:
                time.sleep(0.1)
        raise OSError(f"cannot limit {self.path}")

    def unlimit(self):
        name, value = ("memory.max", "max") if self.is_v2() else ("memory.limit_in_bytes", "-1")
        (self.path / name).write_text(value, encoding="ascii")

    def oom_kills(self):
        name = "memory.events" if self.is_v2() else "memory.oom_control"
        text = (self.path / name).read_text(encoding="ascii")
        return int(re.search(r"oom_kill (\d+)", text).group(1))

    def major_faults(self):
        stat = self._stat()
        return stat.get("total_pgmajfault", stat.get("pgmajfault"))

    def remove(self):
        for _ in range(100):
            try:
                if self.is_own:
                    self.path.rmdir()
                return
            except OSError:
                time.sleep(0.05)
        print(f"cannot remove {self.path}", flush=True)


def major_faults_of(pid):
    """How often this process waited for a page to be read from the disk."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        return int(stat.read().rpartition(")")[2].split()[9])


class Load:
    """Processes that end with us."""

    def __init__(self, hogs, folder):
        self.hogs, self.folder = hogs, folder
        self._processes = []

    def _start(self, *words, group=None):
        # pylint: disable=subprocess-popen-preexec-fn,consider-using-with
        self._processes.append(subprocess.Popen([self.hogs, *map(str, words)], preexec_fn=group and group.enter))
        return self._processes[-1]

    def spin(self, n):
        self._start("spin", n)

    def thrash(self, group, name, size):
        """Returns the process, for stop()."""
        path = self.folder / f"thrash-{name}"
        if not path.exists():
            with open(path, "wb") as f:
                for _ in range(size >> 20):
                    f.write(os.urandom(1 << 20))
        forget_pages(path)
        process = self._start("thrash", path, group=group)
        # It is charged for itself before the group is limited.
        time.sleep(0.2)
        return process

    def write(self, n, size):
        for i in range(n):
            self._start("write", self.folder / f"written-{i}", size)

    def is_whole(self):
        """None of it has ended."""
        return all(p.poll() is None for p in self._processes)

    def stop(self, process):
        process.kill()
        process.wait()
        self._processes.remove(process)

    def end(self):
        for process in list(self._processes):
            self.stop(process)
        for path in glob.glob(str(self.folder / "thrash-*")) + glob.glob(str(self.folder / "written-*")):
            os.unlink(path)


class Pinged:
    """
    An sdwd of our own, whose pings are W/2 apart when nothing is late. When each was sent the kernel tells
    (SO_TIMESTAMPNS), so it does not matter how late they are read.
    """

    def __init__(self, name, folder, sdwd, options, w, group=None):
        self.name, self.w, self.group, self.at, self.is_counting = name, w, group, [], False
        self.address = address = str(folder / f"notify-{name}")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind(address)
        self.socket.setblocking(False)
        environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(w * 1e6)),
                       "XDG_RUNTIME_DIR": str(folder), "LD_LIBRARY_PATH": str(sdwd.parent)}
        self.log = open(folder / f"log-{name}", "w+b")  # pylint: disable=consider-using-with
        # pylint: disable=subprocess-popen-preexec-fn,consider-using-with
        self.process = subprocess.Popen([sdwd, f"--label={name}", *options, "--", "sleep", "100000"], env=environment,
                                        stderr=self.log, preexec_fn=group and group.enter)

    def read(self):
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(4096, 256)
            except BlockingIOError:
                return
            for level, kind, value in ancillary:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and b"WATCHDOG=1" in data:
                    seconds, nanoseconds = struct.unpack("qq", value)
                    if self.is_counting:
                        self.at.append(seconds + nanoseconds / 1e9)

    def stalls(self):
        self.log.seek(0)
        return self.log.read().count(b"did not run for")

    def lateness(self):
        """Seconds by which each ping came later than W/2 after the one before, sorted."""
        return sorted(max(0.0, after - before - self.w / 2) for before, after in zip(self.at, self.at[1:]))

    def row(self):
        late = self.lateness()
        if not late:
            return f"{self.name:10} no pings"
        p99 = late[min(len(late) - 1, int(len(late) * 0.99))]
        return (f"{self.name:10} {len(late):5} {statistics.median(late) * 1e3:10.3f} {p99 * 1e3:9.1f} {late[-1] * 1e3:9.1f} "
                f"{self.stalls():6} {major_faults_of(self.process.pid):12}")

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.socket.close()
        os.unlink(self.address)
        self.log.close()


class Reader(threading.Thread):
    """Reads the sockets of several Pinged until end()."""

    def __init__(self, pinged):
        super().__init__(daemon=True)
        self._pinged, self._ends = pinged, threading.Event()

    def run(self):
        with selectors.DefaultSelector() as selector:
            for one in self._pinged:
                selector.register(one.socket, selectors.EVENT_READ, one)
            while not self._ends.is_set():
                for key, _ in selector.select(0.5):
                    key.data.read()

    def end(self):
        self._ends.set()
        self.join()
