# SPDX-License-Identifier: MIT
"""Starts sdwd as a manager would, and cleans up after it."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

PATIENCE_SECONDS = 20
# How long what is dying anyway may take until it counts as left behind.
GRACE_SECONDS = 3
SANITIZER_WORDS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")

_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper():
    """From now on whoever loses its parent below us becomes our child, where it can be found."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def stat_of(pid):
    """(state, parent) of a process from /proc, or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    words = text[text.rindex(")") + 2:].split()
    return words[0], int(words[1])


def descendants(pid):
    """The pids of all live processes below @pid (zombies are not among them), parents before children."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = stat_of(entry)
            if stat is not None:
                children.setdefault(stat[1], []).append((int(entry), stat[0]))
    found, todo = [], [pid]
    while todo:
        for child, state in children.get(todo.pop(0), []):
            todo.append(child)
            if state not in "ZX":
                found.append(child)
    return found


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


@contextlib.contextmanager
def ended(process):
    """A Popen that is over with this, also where a test fails: subprocess itself would wait for it."""
    with process:
        try:
            yield process
        finally:
            process.kill()


_PTRACE_SEIZE = 0x4206
_WALL = 0x40000000


@contextlib.contextmanager
def held(pid):
    """Traced by us, @pid cannot be reaped by its parent when it ends: as one that the kernel keeps. It has ended after this."""
    _libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if _libc.ptrace(_PTRACE_SEIZE, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, _WALL)


class Sdwd:
    """One started sdwd. pid is sdwd's own; returncode as in subprocess (negative: the signal that ended it)."""

    def __init__(self, process, stdout_path, stderr_path, started_at):
        self._process = process
        self._stdout_path, self._stderr_path = stdout_path, stderr_path
        self.started_at = started_at    # before it was: nothing is earlier than it seems
        self.pid = process.pid
        self.may_leave = False

    @property
    def returncode(self):
        return self._process.poll()

    @property
    def stdin(self):
        return self._process.stdin

    def is_running(self):
        return self._process.poll() is None

    def stdout(self):
        return self._stdout_path.read_text(encoding="utf-8", errors="replace")

    def stderr(self):
        return self._stderr_path.read_text(encoding="utf-8", errors="replace")

    def wait(self, timeout=PATIENCE_SECONDS):
        """Waits for its end; returns the exit status. Fails with what it said."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"sdwd still runs after {timeout} s; it said:\n{self.stderr()}") from None

    def signal(self, number):
        os.kill(self.pid, number)

    def terminate(self, timeout=PATIENCE_SECONDS):
        """SIGTERM, then wait()."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def children(self):
        """All live descendants."""
        return descendants(self.pid)

    def child(self, timeout=PATIENCE_SECONDS, command=None):
        """The pid of its first child; with @command: whose own command line has that text. Waits for it."""
        def look():
            for pid in self.children():
                # What is forked only has sdwd's command line, which ends in the child's.
                if command is None or command in command_of(pid) != command_of(self.pid):
                    return pid
            return None

        return self._wait(look, timeout, "child")

    def wait_stderr(self, text, timeout=PATIENCE_SECONDS):
        """Waits for @text on stderr; returns all of stderr."""
        self._wait(lambda: text in self.stderr(), timeout, f"{text!r} on stderr")
        return self.stderr()

    def wait_stdout(self, text, timeout=PATIENCE_SECONDS):
        self._wait(lambda: text in self.stdout(), timeout, f"{text!r} on stdout")
        return self.stdout()

    def kill(self):
        """Ends it and all below it at once, for a test whose end is not an orderly one; nothing counts as left behind."""
        self.may_leave = True
        for pid in [self.pid, *self.children()] if self.is_running() else []:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.wait(PATIENCE_SECONDS)

    def end(self):
        """What the fixture does at the end of a test. Returns complaints."""
        complaints = []
        if self.is_running():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                complaints.append(f"sdwd [{self.pid}] did not end within {PATIENCE_SECONDS} s of SIGTERM")
                self.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        said = self.stderr()
        complaints += [f"sanitizer: {word}\n{said}" for word in SANITIZER_WORDS if word in said]
        return complaints

    def _wait(self, look, timeout, what):
        deadline = time.monotonic() + timeout
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < deadline, f"no {what} within {timeout} s; sdwd said:\n{self.stderr()}"
            time.sleep(0.01)


class Runner:
    """Makes Sdwd objects for one test. Called: run(*options, command=[...], ...)."""

    def __init__(self, binary, folder, manager):
        self.binary = Path(binary)
        self._folder = folder
        self._manager = manager
        self._started = []
        self._before = set(descendants(os.getpid()))

    def environment(self, notify, watchdog):
        """What a service starts with, and nothing of ours but what sanitizers and coverage need."""
        env = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LANG": "C.UTF-8", "HOME": "/"}
        env |= {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS") or k.startswith("GCOV_")}
        if "XDG_RUNTIME_DIR" in os.environ:
            env["XDG_RUNTIME_DIR"] = os.environ["XDG_RUNTIME_DIR"]
        if notify and self._manager is not None:
            env["NOTIFY_SOCKET"] = self._manager().address
        if watchdog is not None:
            env["WATCHDOG_USEC"] = str(int(watchdog * 1000000))
        return env

    def __call__(self, *options, command=("sleep", "1000"), env=None, notify=True, watchdog=None, watchdog_pid=None,
                 stdin=subprocess.DEVNULL, cwd=None, pass_fds=(), preexec=None, separator=True, stdout=None):
        """
        Starts sdwd with @options around @command (None: no command).
        @notify: with NOTIFY_SOCKET of the fixture `manager`. @watchdog: seconds for WATCHDOG_USEC; WATCHDOG_PID is
        then sdwd's own pid unless @watchdog_pid says other. @env: changes of the environment, None takes a variable
        away. @preexec runs in the new process before sdwd (signal masks, limits, sessions).
        """
        full = self.environment(notify, watchdog)
        for key, value in (env or {}).items():
            if value is None:
                full.pop(key, None)
            else:
                full[key] = str(value)
        line = [str(self.binary), *map(str, options)]
        if command is not None:
            line += (["--"] if separator else []) + list(map(str, command))
        if watchdog_pid is not None:
            full["WATCHDOG_PID"] = str(watchdog_pid)
        elif watchdog is not None:
            # The shell's pid is sdwd's: exec keeps it.
            line = ["/bin/sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh", *line]
        number, started_at = len(self._started), time.monotonic()
        out, err = self._folder / f"sdwd-{number}.out", self._folder / f"sdwd-{number}.err"
        with open(out, "wb") as out_file, open(err, "wb") as err_file:
            # pylint: disable=subprocess-popen-preexec-fn,consider-using-with
            process = subprocess.Popen(line, env=full, stdin=stdin, stdout=out_file if stdout is None else stdout,
                                       stderr=err_file, cwd=cwd, pass_fds=pass_fds, preexec_fn=preexec)
        started = Sdwd(process, out, err, started_at)
        self._started.append(started)
        return started

    def end(self):
        """Ends what still runs; returns complaints: what did not end, what was left behind."""
        complaints = []
        for sdwd in self._started:
            complaints += sdwd.end()
        may_leave = any(sdwd.may_leave for sdwd in self._started)
        left = self._left(0 if may_leave else GRACE_SECONDS)
        if not may_leave:
            complaints += [f"left behind: [{pid}] {command_of(pid)}" for pid in left]
        self._remove()
        return complaints

    def _left(self, grace):
        deadline = time.monotonic() + grace
        while True:
            left = [p for p in descendants(os.getpid()) if p not in self._before]
            if not left or time.monotonic() >= deadline:
                return left
            time.sleep(0.02)

    def _remove(self):
        """Kills what is left, again until nothing is: a killed one's children come to us."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            left = self._left(0)
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self._reap()
            if not left:
                return
            time.sleep(0.01)

    def _reap(self):
        """Orphans that came to us as zombies; processes of a Popen are its own to wait for."""
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) not in self._before:
                stat = stat_of(entry)
                if stat == ("Z", os.getpid()):
                    try:
                        os.waitpid(int(entry), os.WNOHANG)
                    except ChildProcessError:
                        pass
