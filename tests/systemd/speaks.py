#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
A service that speaks sd_notify by one of the ways that programs use.

    speaks.py sdnotify|libsystemd FOLDER

READY=1 and STATUS= come first, pings every 100 ms while there is no FOLDER/silent. SIGHUP reloads: RELOADING=1, and
READY=1 once FOLDER/reloaded is there. FOLDER/errno makes it say ERRNO=2, FOLDER/store keep a file by FDSTORE=1.
"""

import ctypes
import os
import signal
import socket
import sys
import time

WAY, FOLDER = sys.argv[1:]


def by_sdnotify():
    import sdnotify

    return sdnotify.SystemdNotifier(debug=True).notify


def by_libsystemd():
    library = ctypes.CDLL("libsystemd.so.0")
    usec = ctypes.c_uint64()
    # What a careful program asks first: is it this process that shall ping?
    assert library.sd_watchdog_enabled(0, ctypes.byref(usec)) == 1 and usec.value > 0

    def notify(text):
        assert library.sd_notify(0, text.encode()) == 1

    return notify


notify = {"sdnotify": by_sdnotify, "libsystemd": by_libsystemd}[WAY]()


def has(name):
    return os.path.exists(os.path.join(FOLDER, name))


def store():
    fd = os.memfd_create("kept")
    os.write(fd, b"kept from the first run")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        socket.send_fds(s, [b"FDSTORE=1\nFDNAME=kept"], [fd])
    os.close(fd)


is_reloading = False


def reload(number, frame):
    global is_reloading
    is_reloading = True
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=reloading")


signal.signal(signal.SIGHUP, reload)
status = "at work"
if os.environ.get("LISTEN_FDS") == "1" and os.environ["LISTEN_PID"] == str(os.getpid()):
    status = f"got {os.environ['LISTEN_FDNAMES']}: {os.pread(3, 99, 0).decode()}"
notify("READY=1")
notify(f"STATUS={status}, by {WAY}")
done = set()
while True:
    time.sleep(0.1)
    if not has("silent"):
        notify("WATCHDOG=1")
    if is_reloading and has("reloaded"):
        is_reloading = False
        notify("READY=1\nSTATUS=reloaded")
    for name, say in ("errno", lambda: notify("ERRNO=2\nSTATUS=no such file")), ("store", store):
        if has(name) and name not in done:
            done.add(name)
            say()
