#!/usr/bin/python3 -IS
# SPDX-License-Identifier: MIT
"""
Notes all that this process can know of itself, as JSON; says READY=1 and ends.

    seen.py FILE

FILE.signals holds the lines Sig... of /proc/PID/status as they were before Python.
"""

import ctypes
import json
import os
import pathlib
import socket
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
IOPRIO_GET = {"x86_64": 252, "i686": 290, "ppc64le": 274, "s390x": 283, "armv7l": 315}.get(os.uname().machine, 31)


def text(name):
    try:
        return pathlib.Path("/proc/self/" + name).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        return error.strerror


def link(name):
    try:
        return os.readlink("/proc/self/" + name)
    except OSError as error:
        return error.strerror


def prctl(option):
    return LIBC.prctl(option, 0, 0, 0, 0)


seen = {}
# The folder's own fd is among them, and gone afterwards.
for fd in os.listdir("/proc/self/fd"):
    if link("fd/" + fd) != "No such file or directory":
        seen[f"fd {fd}"] = link("fd/" + fd)
        seen[f"fdflags {fd}"] = text("fdinfo/" + fd).split("flags:")[1].split()[0]
for line in text("status").splitlines():
    seen["status " + line.split(":")[0]] = line.split(":", 1)[1].strip()
# Python ignores SIGPIPE as it starts: what was before that is in this file.
for line in pathlib.Path(sys.argv[1] + ".signals").read_text().splitlines():
    seen["status " + line.split(":")[0]] = line.split(":", 1)[1].strip()
stat = text("stat").rpartition(") ")[2].split()
for number, name in (5, "pgrp"), (6, "session"), (7, "tty"), (8, "tpgid"), (18, "priority"), (19, "nice"), \
                    (38, "exit_signal"), (40, "rt_priority"), (41, "policy"):
    seen["stat " + name] = stat[number - 3]
for entry in text("environ").split("\0"):
    seen["environ " + entry.partition("=")[0]] = entry.partition("=")[2]
for name in "limits cgroup attr/current oom_score_adj loginuid sessionid coredump_filter personality timerslack_ns " \
            "comm cmdline uid_map".split():
    seen[name] = text(name)
for name in "cwd root exe ns/mnt ns/net ns/pid ns/ipc ns/uts ns/cgroup ns/user".split():
    seen[name] = link(name)
for option, name in (3, "dumpable"), (27, "securebits"), (7, "keepcaps"), (39, "no_new_privs"), (30, "timerslack"), \
                    (37, "child_subreaper"), (42, "thp"):
    seen["prctl " + name] = prctl(option)
deathsig = ctypes.c_int()
LIBC.prctl(2, ctypes.byref(deathsig), 0, 0, 0)
seen["prctl pdeathsig"] = deathsig.value
seen["affinity"] = sorted(os.sched_getaffinity(0))
seen["scheduler"] = [os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, os.getpriority(os.PRIO_PROCESS, 0)]
seen["ids"] = [os.getresuid(), os.getresgid(), sorted(os.getgroups())]
seen["ioprio"] = LIBC.syscall(IOPRIO_GET, 1, 0)
seen["pid"], seen["ppid"] = os.getpid(), os.getppid()
pathlib.Path(sys.argv[1] + ".new").write_text(json.dumps(seen))
os.rename(sys.argv[1] + ".new", sys.argv[1])
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
    s.sendall(b"READY=1")
