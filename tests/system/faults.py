# SPDX-License-Identifier: MIT
"""
Whole runs of the programs in which one call of one function fails: what is injected, what is run, and how it is judged.
tests/system/full-faults does it for every call, test_faults.py for some. The calls are made to fail by fault.c.
"""

import collections
import contextlib
import errno
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import manager as manager_module
import runner

# How long what is promised may take until it counts as missing; what ends, until it hangs.
PATIENCE_SECONDS = 6
END_SECONDS = 12
# A finding is looked at a second time with so much more of it: on a loaded machine sdwd does not run for seconds.
MORE = 4
CHILD_STATUS = 3
ILL = "sdwd: unhealthy"
EXIT_UNHEALTHY, EXIT_SDWD = 124, 125

# The errno values that each function's manual page lists, by sections 2 and 3 of Linux man-pages; SHORT: it moves one byte
# only; a number: what a function of section 3 returns as its error.
EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_NONAME, EAI_SYSTEM = -3, -4, -10, -2, -11
_PATH = "EACCES ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR"
_OPEN = _PATH + " EMFILE ENFILE EINTR ENXIO EPERM EROFS ETXTBSY EOVERFLOW ENODEV ENOSPC EDQUOT EISDIR EWOULDBLOCK EBUSY EFBIG EINVAL EEXIST"
_STAT = _PATH + " EOVERFLOW EBADF EFAULT"
ERRORS = {name: words.split() for name, words in {
    "socket": "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT",
    "socketpair": "EAFNOSUPPORT EFAULT EMFILE ENFILE EOPNOTSUPP EPROTONOSUPPORT",
    "bind": "EACCES EADDRINUSE EBADF EINVAL ENOTSOCK EADDRNOTAVAIL EFAULT ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EROFS",
    "connect": "EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED EFAULT EINTR "
               "EISCONN ENETUNREACH ENOTSOCK EPROTOTYPE ETIMEDOUT",
    "listen": "EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP",
    "accept": "EAGAIN EBADF ECONNABORTED EFAULT EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOTSOCK EOPNOTSUPP EPERM EPROTO",
    "accept4": "EAGAIN EBADF ECONNABORTED EFAULT EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOTSOCK EOPNOTSUPP EPERM EPROTO",
    "getsockopt": "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK",
    "setsockopt": "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK",
    "getsockname": "EBADF EFAULT EINVAL ENOBUFS ENOTSOCK",
    "getpeername": "EBADF EFAULT EINVAL ENOBUFS ENOTCONN ENOTSOCK",
    "shutdown": "EBADF EINVAL ENOTCONN ENOTSOCK",
    "send": "EACCES EAGAIN EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM "
            "ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE SHORT",
    "sendto": "EACCES EAGAIN EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM "
              "ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE",
    "sendmsg": "EACCES EAGAIN EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM "
               "ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE ECONNREFUSED ENOENT",
    "recv": "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK SHORT",
    "recvfrom": "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK SHORT",
    "recvmsg": "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK",
    "getaddrinfo": "EAI_AGAIN EAI_FAIL EAI_MEMORY EAI_NONAME EAI_SYSTEM",
    "if_nametoindex": "ENODEV",
    "fork": "EAGAIN ENOMEM ENOSYS ERESTARTNOINTR",
    "posix_spawnp": "EAGAIN ENOMEM ENOSYS ENOENT EACCES",
    "pthread_create": "EAGAIN EINVAL EPERM",
    "execve": "E2BIG EACCES EAGAIN EFAULT EINVAL EIO EISDIR ELIBBAD ELOOP EMFILE ENAMETOOLONG ENFILE ENOENT ENOEXEC ENOMEM "
              "ENOTDIR EPERM ETXTBSY",
    "execvpe": "E2BIG EACCES EAGAIN EFAULT EINVAL EIO EISDIR ELIBBAD ELOOP EMFILE ENAMETOOLONG ENFILE ENOENT ENOEXEC ENOMEM "
               "ENOTDIR EPERM ETXTBSY",
    "execveat": "E2BIG EACCES EAGAIN EBADF EFAULT EINVAL EIO EISDIR ELIBBAD ELOOP EMFILE ENAMETOOLONG ENFILE ENOENT ENOEXEC "
                "ENOMEM ENOTDIR EPERM ETXTBSY",
    "waitid": "ECHILD EINTR EINVAL EAGAIN",
    "waitpid": "ECHILD EINTR EINVAL EAGAIN",
    "kill": "EINVAL EPERM ESRCH",
    "sigqueue": "EAGAIN EINVAL EPERM ESRCH",
    "sigaction": "EFAULT EINVAL",
    "sigprocmask": "EFAULT EINVAL",
    "pthread_sigmask": "EFAULT EINVAL",
    "rt_sigprocmask": "EFAULT EINVAL",
    "sigpending": "EFAULT",
    "sigtimedwait": "EAGAIN EINTR EINVAL",
    "signalfd": "EBADF EINVAL EMFILE ENFILE ENODEV ENOMEM",
    "prctl": "EACCES EBADF EBUSY EFAULT EINVAL ENODEV ENXIO EOPNOTSUPP EPERM",
    "setsid": "EPERM",
    "getsid": "EPERM ESRCH",
    "setpgid": "EACCES EINVAL EPERM ESRCH",
    "setpriority": "EACCES EINVAL EPERM ESRCH",
    "getpriority": "EINVAL ESRCH",
    "sched_setscheduler": "EINVAL EPERM ESRCH",
    "mlockall": "EINVAL ENOMEM EPERM EAGAIN",
    "getrlimit": "EFAULT EINVAL EPERM ESRCH",
    "setrlimit": "EFAULT EINVAL EPERM ESRCH",
    "capset": "EFAULT EINVAL EPERM ESRCH",
    "tcsetpgrp": "EBADF EINVAL ENOTTY EPERM",
    "tcgetpgrp": "EBADF ENOTTY",
    "tcgetattr": "EBADF ENOTTY",
    "tcsetattr": "EBADF EINTR ENOTTY",
    "ioctl": "EBADF EFAULT EINVAL ENOTTY",
    "epoll_create1": "EINVAL EMFILE ENFILE ENOMEM",
    "epoll_ctl": "EBADF EEXIST EINVAL ELOOP ENOENT ENOMEM ENOSPC EPERM",
    "epoll_wait": "EBADF EFAULT EINTR EINVAL",
    "epoll_pwait": "EBADF EFAULT EINTR EINVAL",
    "poll": "EFAULT EINTR EINVAL ENOMEM",
    "ppoll": "EFAULT EINTR EINVAL ENOMEM",
    "select": "EBADF EINTR EINVAL ENOMEM",
    "eventfd": "EINVAL EMFILE ENFILE ENODEV ENOMEM",
    "timerfd_create": "EINVAL EMFILE ENFILE ENODEV ENOMEM EPERM",
    "timerfd_settime": "EBADF EFAULT EINVAL ECANCELED",
    "nanosleep": "EFAULT EINTR EINVAL",
    "usleep": "EINTR EINVAL",
    "pipe": "EFAULT EMFILE ENFILE",
    "pipe2": "EFAULT EINVAL EMFILE ENFILE ENOPKG",
    "dup": "EBADF EMFILE ENOMEM",
    "dup2": "EBADF EBUSY EINTR EMFILE ENOMEM",
    "dup3": "EBADF EBUSY EINTR EINVAL EMFILE ENOMEM",
    "fcntl": "EACCES EAGAIN EBADF EBUSY EDEADLK EFAULT EINTR EINVAL EMFILE ENOLCK ENOTDIR EPERM",
    "close": "EBADF EINTR EIO ENOSPC EDQUOT",
    "close_range": "EINVAL EMFILE ENOMEM ENOSYS",
    "pidfd_open": "EINVAL EMFILE ENFILE ENODEV ENOMEM ESRCH ENOSYS EPERM",
    "read": "EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR SHORT",
    "readv": "EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR",
    "write": "EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE SHORT",
    "writev": "EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE",
    "inotify_init1": "EINVAL EMFILE ENFILE ENOMEM",
    "inotify_add_watch": "EACCES EBADF EEXIST EFAULT EINVAL ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR",
    "inotify_rm_watch": "EBADF EINVAL",
    "getrandom": "EAGAIN EFAULT EINTR EINVAL ENOSYS",
    "open": _OPEN,
    "openat": _OPEN + " EBADF",
    "fopen": _OPEN,
    "fdopen": "EBADF EINVAL ENOMEM",
    "open_memstream": "EMFILE ENOMEM",
    "fflush": "EBADF EAGAIN EINTR EIO ENOSPC EPIPE",
    "fclose": "EBADF EINTR EIO ENOSPC EDQUOT",
    "fwrite": "",
    "fputs": "EBADF EINTR EIO ENOSPC EPIPE",
    "puts": "EBADF EINTR EIO ENOSPC EPIPE",
    "getdelim": "EINVAL ENOMEM EIO",
    "fsync": "EBADF EINTR EIO ENOSPC EROFS EINVAL EDQUOT",
    "opendir": "EACCES EBADF EMFILE ENFILE ENOENT ENOMEM ENOTDIR",
    "fdopendir": "EACCES EBADF EMFILE ENFILE ENOENT ENOMEM ENOTDIR",
    "readdir": "EBADF",
    "closedir": "EBADF",
    "stat": _STAT, "lstat": _STAT, "fstat": "EBADF EFAULT ENOMEM EOVERFLOW", "fstatat": _STAT + " EINVAL",
    "statfs": _PATH + " EFAULT EINTR EIO ENOSYS EOVERFLOW",
    "fstatfs": "EBADF EFAULT EINTR EIO ENOMEM ENOSYS EOVERFLOW",
    "access": _PATH + " EROFS EFAULT EINVAL EIO EPERM ETXTBSY",
    "faccessat": _PATH + " EROFS EFAULT EINVAL EIO EPERM ETXTBSY EBADF",
    "readlink": _PATH + " EFAULT EINVAL EIO",
    "readlinkat": _PATH + " EFAULT EINVAL EIO EBADF",
    "getxattr": _PATH + " E2BIG ENODATA ENOTSUP ERANGE",
    "chdir": _PATH + " EFAULT EIO",
    "getcwd": "EACCES EFAULT EINVAL ENAMETOOLONG ENOENT ENOMEM ERANGE",
    "mkdir": _PATH + " EDQUOT EEXIST EFAULT EINVAL EMLINK ENOSPC EPERM EROFS",
    "mkdirat": _PATH + " EBADF EDQUOT EEXIST EFAULT EINVAL EMLINK ENOSPC EPERM EROFS",
    "mkdtemp": _PATH + " EEXIST EINVAL ENOSPC EROFS",
    "mkostemp": _PATH + " EEXIST EINVAL EMFILE ENFILE ENOSPC EROFS",
    "rmdir": _PATH + " EBUSY EFAULT EINVAL ENOTEMPTY EPERM EROFS",
    "unlink": _PATH + " EBUSY EFAULT EIO EISDIR EPERM EROFS",
    "unlinkat": _PATH + " EBADF EBUSY EFAULT EINVAL EIO EISDIR EPERM EROFS",
    "link": _PATH + " EDQUOT EEXIST EFAULT EIO EMLINK ENOSPC EPERM EROFS EXDEV",
    "rename": _PATH + " EBUSY EDQUOT EFAULT EINVAL EISDIR EMLINK ENOSPC EPERM EROFS EXDEV",
    "renameat": _PATH + " EBADF EBUSY EDQUOT EFAULT EINVAL EISDIR EMLINK ENOSPC EPERM EROFS EXDEV",
    "renameat2": _PATH + " EBADF EBUSY EDQUOT EEXIST EFAULT EINVAL EISDIR EMLINK ENOSPC EPERM EROFS EXDEV",
    "chmod": _PATH + " EFAULT EIO EPERM EROFS",
    "fchmod": "EBADF EIO EPERM EROFS",
    "mmap": "EACCES EAGAIN EBADF EEXIST EINVAL ENFILE ENODEV ENOMEM EOVERFLOW EPERM ETXTBSY",
    "malloc": "ENOMEM", "calloc": "ENOMEM", "realloc": "ENOMEM",
}.items() if words}

# Of a function's errors the likeliest, so many.
_LIKELY = ("SHORT EINTR ENOMEM EMFILE EAGAIN EPERM EACCES ENOSPC ENOBUFS ENOENT EIO ECONNREFUSED ESRCH EPIPE ENOSYS ECHILD "
           "EAI_AGAIN EAI_MEMORY EROFS EINVAL EBADF").split()
_LIKELY_MAX = 3


def likely(function):
    return [e for e in _LIKELY if e in ERRORS[function]][:_LIKELY_MAX] or ERRORS[function][:1]


# What is listed, and cannot be without a mistake of the caller's; why it is left out.
IMPOSSIBLE = {
    ("epoll_ctl", "EBADF"): "libev asserts that its fds are open",
    ("epoll_ctl", "EINVAL"): "libev asserts that its fds are open",
    ("epoll_ctl", "ELOOP"): "libev asserts that its fds are open",
    ("epoll_ctl", "EEXIST"): "libev takes it at its word, and does not add the fd again",
    ("fcntl", "EBADF"): "it is the answer for a closed fd, and fds 0 to 2 are open",
    ("fclose", "EBADF"): "libsystemd asserts that its files are open",
    ("waitid", "ECHILD"): "there is a child",
}


def error_number(name):
    if name == "SHORT":
        return 0
    if name == "ERESTARTNOINTR":
        return 513
    return globals()[name] if name.startswith("EAI_") else getattr(errno, name)


class Report:
    """The file that fault.c maps (struct report)."""

    _HEAD, _FRAMES, _FRAME, _SITES, _SITE = 16, 12, 96, 65536, "24sQ"

    def __init__(self, path, wants_sites=False):
        self.path = path
        with open(path, "wb") as file:
            file.write(struct.pack("4I", 0, 0, int(wants_sites), 0))
            file.truncate(self._HEAD + self._FRAMES * self._FRAME + 32 * self._SITES)

    def read(self):
        """Calls, injected, where (innermost first)."""
        with open(self.path, "rb") as file:
            calls, injected, _, n = struct.unpack("4I", file.read(self._HEAD))
            frames = [file.read(self._FRAME).split(b"\0", 1)[0].decode() for _ in range(n)]
        return calls, injected, frames

    def sites(self):
        """By function: where from it was called, a number for each call in order."""
        found = collections.defaultdict(list)
        with open(self.path, "rb") as file:
            file.seek(self._HEAD + self._FRAMES * self._FRAME)
            data = file.read(struct.calcsize(self._SITE) * min(self.read()[0], self._SITES))
        for function, callers in struct.iter_unpack(self._SITE, data):
            found[function.split(b"\0", 1)[0].decode()].append(callers)
        return dict(found)


def children(pid):
    """(pid, state) of each child, zombies too; cheaper than a walk over all of /proc."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii").split():
                stat = runner.stat_of(child)
                if stat:
                    found.append((int(child), stat[0]))
    except OSError:
        pass
    return found


def living(pid):
    """All live descendants."""
    return [one for child, state in children(pid) for one in ([child] if state not in "ZX" else []) + living(child)]


class Missed(Exception):
    """What is promised did not come, and nothing after it can."""


Verdict = collections.namedtuple("Verdict", "kind why calls injected frames said is_shaky", defaults=(False,))
# Of a scenario: the fds that stay open, the lines that are usual.
Base = collections.namedtuple("Base", "n_fds usual")
# A crash inside of a library, which nothing that its caller does could prevent: program, function, frames, why.
OTHERS = [
    ("sdwdctl", "malloc", r"libc\.so\S* libjson-c\.so\S* sdwdctl\S*", "json-c takes what strdup(3) gave unseen"),
]
# "theirs" is one of OTHERS.
GOOD_KINDS = ("works", "logged", "125", "theirs")


class Stage:
    """One run of one scenario. What plays on it starts programs, says what must come, and ends them."""

    def __init__(self, build, folder, fault=None, report=None, base=None, more=1):
        self._more = more
        self.build, self.folder, self.base, self._fault = build, folder, base, fault
        self.folder.mkdir()
        self.log = self.folder / "child.log"
        self._env = {}
        if report:
            program, function, first, count, error = fault
            self._env = {"LD_PRELOAD": build / "tests/system/fault.so", "SDWD_FAULT_REPORT": report.path,
                         "SDWD_FAULT": f"{program} {function} {first} {count} {error_number(error)}"}
        self.manager = manager_module.Manager(self.folder / "n")
        self._before = set(living(os.getpid()))
        self._closes = []
        self.run = self.expected = None
        self.missed, self.violations, self.tools = [], [], []
        self.asked_at = None      # when the child was asked to end, by us or by what sdwd promises
        self.may_log_ill = False
        self.n_fds = 0

    # What a scenario does ---------------------------------------------------------------------------------------------

    def listener(self, path=None):
        """A listening socket that sdwd inherits, and the child serves."""
        s = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        s.bind(str(path) if path else ("127.0.0.1", 0))
        s.listen(16)
        self._closes.append(s)
        return s

    def child(self, *words):
        return [self.build / "tests/system/fault-child", f"log={self.log}", *words]

    def environment(self, notify=True, watchdog=None):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/", "XDG_RUNTIME_DIR": self.runtime()}
        if notify:
            env["NOTIFY_SOCKET"] = self.manager.address
        if watchdog:
            env["WATCHDOG_USEC"] = int(watchdog * 1e6)
        return {k: str(v) for k, v in (env | self._env).items()}

    def runtime(self):
        folder = self.folder / "r"
        folder.mkdir(exist_ok=True)
        return folder

    def start(self, *options, command, notify=True, watchdog=None, fds=(), preexec=None, stdin=subprocess.DEVNULL):
        line = [self.build / "sdwd", "--log-target=stderr", *options, "--", *command]
        out, err = self.folder / "out", self.folder / "err"
        with open(out, "wb") as out_file, open(err, "wb") as err_file:
            # pylint: disable=subprocess-popen-preexec-fn,consider-using-with
            process = subprocess.Popen([str(word) for word in line], env=self.environment(notify, watchdog), stdin=stdin,
                                       stdout=out_file, stderr=err_file, pass_fds=fds, preexec_fn=preexec, cwd=self.folder)
        self.run = runner.Sdwd(process, out, err, time.monotonic())

    def tool(self, *words, good=0, shows=None):
        """sdwdctl: what it did is complete, or it says so and fails."""
        try:
            done = subprocess.run([str(self.build / "sdwdctl"), *map(str, words)], env=self.environment(notify=False),
                                  capture_output=True, text=True, errors="replace", timeout=END_SECONDS * self._more, check=False)
        except subprocess.TimeoutExpired:
            self.violations.append(f"sdwdctl {words[0]} hangs")
            return None
        self.tools.append(done)
        if done.returncode < 0:
            self.violations.append(f"sdwdctl {words[0]} was ended by signal {-done.returncode}: {done.stderr}")
        elif done.returncode == good and shows and not re.search(shows, done.stdout):
            self.missed.append(f"output of sdwdctl {words[0]} is not whole: {done.stdout!r}")
        elif done.returncode != good:
            if not done.stderr.strip() and not done.stdout.strip():
                self.violations.append(f"sdwdctl {words[0]} exits with {done.returncode} and says nothing")
            self.missed.append(f"sdwdctl {words[0]}: {done.returncode}")
        return done

    def stderr(self):
        return self.run.stderr()

    def child_log(self):
        return self.log.read_text(encoding="ascii").split() if self.log.exists() else []

    def until(self, look):
        """Whether look() comes true before the time is over, or sdwd is."""
        deadline = time.monotonic() + PATIENCE_SECONDS * self._more
        while not look():
            if time.monotonic() > deadline:
                return False
            if not self.run.is_running():
                # What it did last may still be on its way to us.
                deadline = min(deadline, time.monotonic() + 0.3)
            time.sleep(0.005)
        return True

    def must(self, what, look):
        """A promise without which there is nothing more to see."""
        if not self.until(look):
            self.missed.append(what)
            raise Missed(what)

    def should(self, what, look):
        """One that may be lost, if that is said."""
        if not self.until(look):
            self.missed.append(f"({what})")
            if not self.run.is_running():
                raise Missed(what)

    def must_ready(self):
        self.must("READY=1", lambda: self.manager.ready_at is not None)

    def must_ping(self, count=1):
        at = time.monotonic()
        self.must("WATCHDOG=1", lambda: len([d for d in self.manager.pings() if d.at >= at]) >= count)

    def has_status(self, text, after=0.0):
        return any(text in d.fields.get("STATUS", "") for d in self.manager.all if d.at >= after)

    def stop(self, number=signal.SIGTERM, status=CHILD_STATUS):
        """The service is stopped, as by systemd; sdwd ends as the child does."""
        self.asked_at = time.monotonic()
        self.expected = status
        if self.run.is_running():
            self.run.signal(number)

    def ends_with(self, status):
        self.asked_at = time.monotonic()
        self.expected = status

    def settle(self):
        """No fd and no zombie is left of what is over. In the run without faults: counts the fds that stay."""
        def fds():
            found, folder = set(), f"/proc/{self.run.pid}/fd"
            # One that goes in between hides none of the others.
            with contextlib.suppress(OSError):
                for fd in os.listdir(folder):
                    with contextlib.suppress(OSError):
                        found.add((fd, os.readlink(f"{folder}/{fd}")))
            return found

        def zombies():
            return [pid for pid, state in children(self.run.pid) if state == "Z"]

        # Those of looks come and go.
        stay = fds()

        def no_more_than(n):
            stay.intersection_update(fds())
            return len(stay) <= n

        if self.base is None:
            for _ in range(60):
                no_more_than(0)
                time.sleep(0.01)
            self.n_fds = len(stay)
            return
        # Where waitid(2) does not tell whose child a daemon is, a pidfd watches it, too. A file of which nothing says
        # where it is, is looked at by a prober: its program, and the socket to it. What is kept is told.
        more = {"waitid": 1, "statfs": 2}
        most = self.base.n_fds + more.get(self._fault[1] if self._fault else None, 0)
        most += self.stderr().count("it stays open in sdwd, too")
        if not self.until(lambda: no_more_than(most)) and self.run.is_running():
            self.violations.append(f"open fds: {len(stay)} instead of {most}: {sorted(stay)}")
        if not self.until(lambda: not zombies()) and self.run.is_running():
            self.violations.append(f"zombies: {zombies()}")

    # The end ------------------------------------------------------------------------------------------------------------

    def end(self):
        """Ends all, and adds what is wrong about the end."""
        status = None
        if self.run:
            was_asked = self.asked_at is not None
            if not was_asked and self.run.is_running():
                self.asked_at = time.monotonic()
                self.run.signal(signal.SIGTERM)
            # A SIGTERM that could not be forwarded is lost, if that was said; whoever sent it sends another one.
            if not self._waits(END_SECONDS * self._more / 3):
                self.missed.append("(the first SIGTERM)")
                self.run.signal(signal.SIGTERM)
            if self._waits(END_SECONDS * self._more):
                status = self.run.returncode
            else:
                self.violations.append(f"hangs: it still runs {END_SECONDS * self._more} s after it was to end")
                self.run.kill()
                status = "hang"
        deadline = time.monotonic() + 3
        while True:
            left = [p for p in living(os.getpid()) if p not in self._before]
            if not left or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        if left:
            self.violations.append("left behind: " + ", ".join(f"[{p}] {runner.command_of(p)}" for p in left))
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self._reap()
        self.manager.close()
        for one in self._closes:
            one.close()
        return status

    def _waits(self, seconds):
        try:
            self.run.wait(seconds)
            return True
        except AssertionError:
            return False

    @staticmethod
    def _reap():
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass


def normal(line):
    """A line without what differs from run to run."""
    line = re.sub(r"/[\w/.-]*/", "/", line)
    return re.sub(r"\d[\d.]*(ms|us|s|min)?", "#", line)


def judge(stage, status, usual):
    """(kind, why) of a run with a fault; @usual: the lines that come without any."""
    said = stage.stderr() if stage.run else ""
    news = [line for line in said.splitlines() if normal(line) not in usual]
    news += [line for tool in stage.tools for line in tool.stderr.splitlines()]
    violations = list(stage.violations)
    log = stage.child_log()
    if isinstance(status, int) and status < 0 and status != stage.expected:
        violations.append(f"ended by signal {-status}")
    if status == EXIT_UNHEALTHY != stage.expected:
        violations.append("false kill: exit 124")
    if ILL in said and not stage.may_log_ill:
        violations.append("false alarm: " + next(line for line in said.splitlines() if ILL in line))
    if "begin" in log and "end" not in log and not (status == stage.expected == EXIT_UNHEALTHY):
        violations.append("the child was not properly ended (no SIGTERM): " + " ".join(log))
    if violations:
        return "finding", "; ".join(violations)
    if status in (125, 126, 127) and stage.expected != status:
        return ("125", news[-1]) if news else ("finding", f"exit {status} without a line")
    missed = stage.missed + ([f"exit status {status} instead of {stage.expected}"]
                             if stage.expected is not None and status != stage.expected else [])
    if any(not m.startswith(("(", "sdwdctl ", "output of")) for m in missed):
        return "finding", f"missed: {', '.join(missed)}; news: {news}"
    if missed:
        return ("logged", ", ".join(missed)) if news else ("finding", f"silent loss: {', '.join(missed)}")
    return ("logged", news[0]) if news else ("works", "")


# The scenarios --------------------------------------------------------------------------------------------------------------

# Between two looks there is time in which none is under way.
SOON = ["--interval=250ms", "--start-interval=50ms", "--timeout=2s", "--fast-interval=50ms"]


def play_service(st):
    """A service with a heartbeat and sd_notify under systemd."""
    st.start("--heartbeat", "--silence=20s", "--notify", "--silence=20s", "--ready=healthy,notify", watchdog=1,
             command=st.child("beat", "notify"))
    st.must_ready()
    st.must_ping()
    st.run.signal(signal.SIGHUP)
    st.should("SIGHUP forwarded", lambda: "1" in st.child_log())
    st.settle()
    st.stop()
    st.should("STOPPING=1", lambda: st.manager.matching("STOPPING=1"))


def play_probes(st, action="withhold"):
    """Every probe that sdwd does by itself; it falls ill."""
    web, local, path = st.listener(), st.listener(st.folder / "u"), st.folder / "f"
    port, gate = web.getsockname()[1], st.folder / "gate"
    gate.write_text("")
    st.start(*SOON, "--fall=2", f"--on-unhealthy={action}", f"--http=http://127.0.0.1:{port}/", f"--tcp=127.0.0.1:{port}",
             f"--unix={st.folder / 'u'}", f"--listen-queue={port}", "--timeout=200ms", "--interval=250ms", "--fall=20",
             f"--exec=test -e {gate}",
             f"--file={path}", "--silence=20s", "--kill-timeout=5s", watchdog=1 if action == "withhold" else None,
             command=st.child(f"serve={web.fileno()}", f"serve={local.fileno()}", f"touch={path}"),
             fds=(web.fileno(), local.fileno()))
    st.must_ready()
    if action == "withhold":
        st.must_ping()
        st.settle()
    # From here on exec fails.
    st.may_log_ill = True
    if ILL in st.stderr():
        st.violations.append("false alarm: " + st.stderr())
    at = time.monotonic()
    gate.unlink()
    if action == "kill":
        st.ends_with(EXIT_UNHEALTHY)
        return
    # That line alone may be lost; STATUS= says it, too.
    st.should("unhealthy in the log", lambda: ILL in st.stderr())
    st.should("STATUS=unhealthy", lambda: st.has_status("unhealthy: exec", at))
    ill_at = time.monotonic()
    time.sleep(0.3)
    if [d for d in st.manager.pings() if d.at > ill_at + 0.02]:
        st.violations.append("WATCHDOG=1 while unhealthy")
    gate.write_text("")
    st.must_ping()
    st.stop()


def play_kill(st):
    """Unhealthy without systemd's help: sdwd ends the service."""
    play_probes(st, "kill")


def play_pidfile(st):
    """A daemon that forks away, found by its pidfile."""
    path = st.folder / "d.pid"
    st.start(f"--pidfile={path}", watchdog=1, command=st.child(f"daemon={path}"))
    st.must_ready()
    st.must_ping()
    st.settle()
    st.stop()


def play_forking(st):
    """The same without a pidfile."""
    st.start("--forking", watchdog=1, command=st.child(f"daemon={st.folder / 'd.pid'}"))
    st.must_ready()
    st.must_ping()
    st.settle()
    st.stop()


def play_prober(st):
    """Looks that another process does: a name that is to be resolved, TLS, gRPC."""
    web = st.listener()
    port = web.getsockname()[1]
    st.start(*SOON, "--fall=3", f"--http=http://web.localhost:{port}/", f"--http-connect=127.0.0.1:{port}",
             f"--http=https://127.0.0.1:{port}/", "--optional",
             f"--grpc=127.0.0.1:{port}", "--optional", watchdog=1,
             command=st.child(f"serve={web.fileno()}"), fds=(web.fileno(),))
    st.must_ready()
    st.must_ping(2)
    st.settle()
    st.stop()


def play_alone(st):
    """Without systemd: a configuration file, a hook, a dump signal, and what sdwd asks for itself."""
    config, gate, hooked = st.folder / "c.conf", st.folder / "gate", st.folder / "hooked"
    gate.write_text("")
    config.write_text(f"exec = test -e {gate}\ninterval = 50ms\nstart-interval = 50ms\ntimeout = 2s\nfall = 2\n"
                      f"unhealthy-hook = touch {hooked}\ndump-signal = USR2\ndump-wait = 100ms\nmlock = yes\nrtprio = 1\n"
                      "nice = 1\noom-score-adjust = 1\nkill-timeout = 5s\nwatchdog-sec = 2s\n", encoding="ascii")
    st.start(f"--config={config}", notify=False, command=st.child())
    st.must("the child's begin", lambda: "begin" in st.child_log())
    st.should("the line of readiness", lambda: "ready after" in st.stderr())
    st.settle()
    st.may_log_ill = True
    if ILL in st.stderr():
        st.violations.append("false alarm: " + st.stderr())
    gate.unlink()
    st.ends_with(EXIT_UNHEALTHY)
    st.should("the hook", hooked.exists)
    st.should("the dump signal", lambda: "12" in st.child_log())


def play_control(st):
    """The control socket."""
    st.start("--label=web", *SOON, "--exec=true", watchdog=1, command=st.child())
    st.must_ready()
    # web, or web.PID where that name cannot be had.
    st.should("the control socket", lambda: any((st.runtime() / "sdwd").glob("web*")))
    st.tool("status", shows=r"web.*running")
    st.tool("pause", "web", "--for=1h", shows="paused")
    st.tool("resume", "web")
    st.tool("drill", "--help", shows="drill")
    st.tool("metrics", shows="# EOF")
    st.settle()
    st.must_ping()
    st.stop()


Scenario = collections.namedtuple("Scenario", "name play programs")
SCENARIOS = {s.name: s for s in (
    Scenario("service", play_service, ("sdwd",)),
    Scenario("probes", play_probes, ("sdwd",)),
    Scenario("kill", play_kill, ("sdwd",)),
    Scenario("pidfile", play_pidfile, ("sdwd",)),
    Scenario("forking", play_forking, ("sdwd",)),
    Scenario("prober", play_prober, ("sdwd", "sdwd-prober")),
    Scenario("alone", play_alone, ("sdwd",)),
    Scenario("control", play_control, ("sdwd", "sdwdctl")),
)}


class Theatre:
    """Plays scenarios of one build, in folders of its own; one process each."""

    def __init__(self, build):
        self.build = Path(build).resolve()
        # Short, because a socket's address is.
        self.folder = Path(tempfile.mkdtemp(prefix="sdwd-f-", dir="/tmp"))
        self._number = 0
        runner.become_subreaper()

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def _play(self, scenario, fault=None, wants_sites=False, base=None, more=1):
        self._number += 1
        folder = self.folder / str(self._number)
        report = Report(self.folder / f"{self._number}.report", wants_sites) if fault else None
        stage = Stage(self.build, folder, fault, report, base, more)
        try:
            SCENARIOS[scenario].play(stage)
        except Missed:
            pass
        status = stage.end()
        return stage, status, report

    def base(self, scenario):
        """The scenario without faults, which must work: what a run with one is compared with."""
        usual, n_fds = set(), 0
        for _ in range(2):
            stage, status, _ = self._play(scenario, more=MORE)
            assert not stage.violations and not stage.missed and status == stage.expected, \
                f"{scenario} without a fault: {status}, {stage.violations}, {stage.missed}\n{stage.stderr()}" \
                f"{stage.child_log()}{stage.tools}"
            usual |= {normal(line) for line in stage.stderr().splitlines()}
            n_fds = max(n_fds, stage.n_fds)
            shutil.rmtree(stage.folder)
        return Base(n_fds, usual)

    def sites(self, scenario, program, base):
        """Report.sites() of a run without a fault."""
        stage, _, report = self._play(scenario, (program, "*", 0, 0, "EIO"), True, base, MORE)
        shutil.rmtree(stage.folder)
        return report.sites()

    def run(self, scenario, base, program, function, first, error, count=1):
        """A Verdict. A finding comes again, or it was the machine's load; then is_shaky is set."""
        verdict = self._run_once(scenario, base, program, function, first, error, count, 1)
        if verdict.kind != "finding":
            return verdict
        if "was ended by signal 11" in verdict.why and any(
                (program, function) == other[:2] and re.match(other[2], " ".join(verdict.frames)) for other in OTHERS):
            return verdict._replace(kind="theirs")
        again = self._run_once(scenario, base, program, function, first, error, count, MORE)
        return again._replace(is_shaky=again.kind != "finding", why=again.why or f"once only: {verdict.why}")

    def _run_once(self, scenario, base, program, function, first, error, count, more):
        stage, status, report = self._play(scenario, (program, function, first, count, error), False, base, more)
        calls, injected, frames = report.read()
        kind, why = judge(stage, status, base.usual)
        said = stage.stderr() if stage.run else ""
        said += "".join(tool.stderr for tool in stage.tools)
        shutil.rmtree(stage.folder, ignore_errors=True)
        os.unlink(report.path)
        return Verdict(kind, why, calls, injected, frames, said)
