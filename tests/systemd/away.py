#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
A launcher whose daemon forks away, in several ways; the launcher exits 0.

    away.py alone FILE        the daemon writes FILE and stays
    away.py number FILE PID   it writes PID instead of its own
    away.py link FILE         it writes FILE.real; FILE is a symbolic link to that
    away.py dies FILE CODE    it writes FILE and has exited with CODE before the launcher does
    away.py several N         N daemons (0: none), no file
"""

import os
import sys
import time

KIND, *WORDS = sys.argv[1:]


def write(path, pid):
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(f"{pid}\n")
    os.rename(path + ".new", path)


def fork_away(then):
    """A grandchild that nobody here waits for runs @then; returns a pipe that it closes at the latest by its end."""
    read, end = os.pipe()
    if os.fork() == 0:
        if os.fork() != 0:
            os._exit(0)
        os.close(read)
        os.setsid()
        then(end)
        os._exit(0)
    os.wait()
    os.close(end)
    return read


def stay(end):
    os.close(end)
    time.sleep(3600)


def daemon(end):
    if KIND == "link":
        write(WORDS[0] + ".real", os.getpid())
        os.symlink(WORDS[0] + ".real", WORDS[0])
    else:
        write(WORDS[0], WORDS[1] if KIND == "number" else os.getpid())
    if KIND == "dies":
        os._exit(int(WORDS[1]))
    stay(end)


if KIND == "several":
    for _ in range(int(WORDS[0])):
        os.read(fork_away(stay), 1)
else:
    os.read(fork_away(daemon), 1)
