# SPDX-License-Identifier: MIT
"""Floods (flood.c) of the child, of its descendants and of other users, and what sdwd is like while they go on."""

import ctypes
import os
import re
import signal
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from puppet import PATIENCE_SECONDS, cpu_seconds, memory_of, open_fds, wait_until

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

# Somebody else on the machine.
STRANGER = 60007


def long_queue(number):
    """To be run in sdwd before it begins: its sockets hold so many datagrams.  For its command: what brings that back."""
    def enter():
        if _libc.unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        with open("/proc/sys/net/unix/max_dgram_qlen", "w", encoding="ascii") as qlen:
            qlen.write(str(number))

    return enter, ["nsenter", f"--net=/proc/{os.getpid()}/ns/net"]


class Flood:
    """One that goes on until stop(), which returns (done, refused)."""

    def __init__(self, child, name, end):
        self._child, self._name, self._end = child, name, end

    def stop(self):
        return self._read(self._end(True))

    def wait(self):
        """The same of one with a number, at its end."""
        return self._read(self._end(False))

    @staticmethod
    def _read(said):
        found = re.search(r"(\d+) done, (\d+) refused\n\Z", said)
        assert found, f"a flood ended early: {said!r}"
        return int(found[1]), int(found[2])


class Floods:
    """Makes them; made once for all tests, which takes a compiler."""

    def __init__(self, folder):
        self.path = Path(folder) / "flood"
        # Another user must be able to run it.
        self.path.parent.chmod(0o755)
        source = Path(__file__).with_name("flood.c")
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", self.path, source], check=True)

    def below(self, child, *words, count=0):
        """By a process that the puppet @child starts, which has its fds and its environment."""
        name = f"flood_{time.monotonic_ns()}"
        line = [str(self.path), str(count), *map(str, words)]
        child(f"import subprocess; {name} = subprocess.Popen({line!r}, stdout=-1, close_fds=False)")

        def end(is_early):
            if is_early:
                child(f"{name}.terminate()")
            return child(f"{name}.communicate()[0].decode()")

        return Flood(child, name, end)

    def beside(self, *words, count=0, user=None):
        """By a process of ours, of @user where that is given."""
        who = {"user": user, "group": user, "extra_groups": []} if user else {}
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen([self.path, str(count), *map(str, words)], stdout=subprocess.PIPE, text=True, **who)

        def end(is_early):
            if is_early:
                process.terminate()
            return process.communicate(timeout=PATIENCE_SECONDS)[0]

        return Flood(None, None, end)


@pytest.fixture(scope="session")
def floods(tmp_path_factory):
    folder = Path("/tmp") / f"sdwd-flood-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir()
    yield Floods(folder)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def prepare(child):
    """
    The puppet beats without end, whatever the pipe has room for, hears SIGUSR2 and takes no other signal amiss.
    A pipe that is full is full of beats.
    """
    child("""def try_to_beat():
        try: beat()
        except BlockingIOError: pass""")
    child("for n in (signal.SIGHUP, signal.SIGUSR1, *range(34, 65)): signal.signal(n, lambda *_: None)")
    child("heard = []; signal.signal(signal.SIGUSR2, lambda *_: heard.append(time.monotonic()))")
    child("repeat(0.05, try_to_beat)")


def send_and_hear(run, child):
    """Seconds until a signal to sdwd has come to the child."""
    n = child("len(heard)")
    sent = time.monotonic()
    run.signal(signal.SIGUSR2)
    wait_until(lambda: child("len(heard)") > n, "forwarded signal")
    return child(f"heard[{n}]") - sent


class Measure:
    """What sdwd is like from here to end()."""

    def __init__(self, run, manager, watchdog):
        self._run, self._manager, self._watchdog = run, manager, watchdog
        self.fds, self.rss = len(open_fds(run.pid)), memory_of(run.pid)[0]
        self._cpu, self.began = cpu_seconds(run.pid), time.monotonic()
        self.delays = []

    def end(self):
        """The flood is over, or about to be."""
        self.seconds = time.monotonic() - self.began
        self.cpu = cpu_seconds(self._run.pid) - self._cpu
        pings = [d.at for d in self._manager.pings() if d.at >= self.began]
        # Without a reason to come earlier a ping is due W/2 after the last one.
        self.late = [max(0.0, b - a - self._watchdog / 2) for a, b in zip([self.began, *pings], pings)]

    def rest(self):
        """Waits until all is read, and no fd of it is left. Returns how many KiB there are more than before."""
        wait_until(lambda: len(open_fds(self._run.pid)) <= self.fds, "end of the fds")
        return memory_of(self._run.pid)[0] - self.rss

    def summary(self):
        late = self.late or [float("nan")]
        delays = self.delays or [float("nan")]
        return (f"{self.cpu / self.seconds:7.1%} {statistics.median(late) * 1000:8.1f} {max(late) * 1000:8.1f} "
                f"{statistics.median(delays) * 1000:8.1f} {max(delays) * 1000:8.1f}")
