#!/usr/bin/python3 -IS
# SPDX-License-Identifier: MIT
"""
A service that every probe can look at, in whatever its unit locks away. It beats, pings, changes its file, and answers
HTTP at its port and HTTPS at the next one, all in one thread; SIGUSR1 makes it hang. $END_SECONDS: so long an orderly
end takes, by SIGTERM.

    sandboxed.py PORT [PROOF...]

Each PROOF is a thing that its unit's settings must have done to it (PROOFS below): where one did not, it exits with 9.
"""

import contextlib
import ctypes
import mmap
import os
import resource
import select
import signal
import socket
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)


def status(field):
    with open("/proc/self/status", encoding="ascii") as f:
        return next(line.split(":")[1].strip() for line in f if line.startswith(field + ":"))


def refused(call, *arguments):
    """Whether that fails, at whatever."""
    try:
        call(*arguments)
    except (OSError, ValueError):
        return True
    return False


def is_read_only(folder):
    return os.statvfs(folder).f_flag & os.ST_RDONLY != 0


def fails(number, *arguments):
    """Whether that call of libc fails."""
    return LIBC.syscall(number, *arguments) < 0


PROOFS = {
    "read-only-root": lambda: is_read_only("/") and is_read_only("/usr"),
    "read-only-run": lambda: is_read_only("/run"),
    "private-tmp": lambda: not os.path.exists("/tmp/of-the-tests"),
    "private-network": lambda: len(open("/proc/self/net/unix", encoding="ascii").read().splitlines()) < 12,
    "private-users": lambda: not open("/proc/self/uid_map", encoding="ascii").read().split()[2].startswith("42949"),
    "not-root": lambda: os.getuid() != 0,
    "root-folder": lambda: not os.path.exists("/srv"),
    "no-new-privileges": lambda: status("NoNewPrivs") == "1",
    "no-capabilities": lambda: int(status("CapBnd"), 16) == int(status("CapPrm"), 16) == 0,
    "filtered": lambda: status("Seccomp") == "2",
    "no-wx": lambda: refused(mmap.mmap, -1, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "no-netlink": lambda: refused(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "netlink": lambda: not refused(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "packets": lambda: not refused(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0),
    "no-packets": lambda: refused(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0),
    "no-proc-1": lambda: not os.path.exists("/proc/1/cgroup"),
    "no-proc-sys": lambda: not os.path.exists("/proc/sys/kernel"),
    "no-proc": lambda: not os.path.exists("/proc/self"),
    "no-personality": lambda: LIBC.personality(0x0008) < 0,
    "no-namespaces": lambda: LIBC.unshare(0x10000000) < 0,
    "no-setuid": lambda: refused(os.chmod, "/proc/self/../../tmp", 0o6777) or refused(os.open, "/tmp/x", os.O_CREAT, 0o4755),
    "no-realtime": lambda: refused(os.sched_setscheduler, 0, os.SCHED_RR, os.sched_param(1)),
    "umask": lambda: os.umask(0o777) == 0o777,
    "few-files": lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 18,
    "few-processes": lambda: resource.getrlimit(resource.RLIMIT_NPROC)[0] == 12,
    "no-locked-memory": lambda: resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == 0,
    "no-run": lambda: not os.path.exists("/run/systemd/journal"),
    "no-home": lambda: not os.listdir("/root"),
    "no-devices": lambda: not os.path.exists("/dev/tty"),
}


def unproven():
    return [name for name in sys.argv[2:] if not PROOFS[name]()]


def listener(port):
    return socket.create_server(("127.0.0.1", port))


def answer(server, tls):
    with contextlib.suppress(OSError):
        connection, _ = server.accept()
        connection.settimeout(2)
        with tls.wrap_socket(connection, server_side=True) if tls else connection as peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def beat(say, file):
    os.write(int(os.environ["SDWD_HEARTBEAT_FD"]), b".")
    say(b"WATCHDOG=1")
    if file:
        with open(file, "w", encoding="ascii") as f:
            f.write(repr(time.monotonic()))


def hang(*_):
    while True:
        time.sleep(3600)


def end(*_):
    time.sleep(float(os.environ["END_SECONDS"]))
    sys.exit(0)


def main():
    missing = unproven()
    if missing:
        print("took no effect here:", *missing, file=sys.stderr)
        sys.exit(9)
    port = int(sys.argv[1])
    servers = {}
    if port:
        servers[listener(port)] = None
    if port and os.path.exists("/usr/local/libexec/of-tests/web.key"):
        import ssl  # pylint: disable=import-outside-toplevel

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain("/usr/local/libexec/of-tests/web.pem", "/usr/local/libexec/of-tests/web.key")
        servers[listener(port + 1)] = tls
    relay = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)

    def say(text):
        relay.sendto(text, address)

    file = os.environ.get("RUNTIME_DIRECTORY") and os.environ["RUNTIME_DIRECTORY"] + "/beat"
    signal.signal(signal.SIGUSR1, hang)
    if "END_SECONDS" in os.environ:
        signal.signal(signal.SIGTERM, end)
    say(b"READY=1")
    due = 0
    while True:
        if time.monotonic() >= due:
            beat(say, file)
            due = time.monotonic() + 0.3
        for server in select.select(list(servers), [], [], 0.3)[0]:
            answer(server, servers[server])


main()
