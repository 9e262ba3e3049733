# SPDX-License-Identifier: MIT
"""A network, name servers and /etc/hosts of its own for one sdwd. Needs root."""

import concurrent.futures
import ctypes
import errno
import fcntl
import os
import socket
import struct

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def _checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _bind(source, target):
    _checked(_libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(_MS_BIND), None))


class Names:
    """
    names.preexec goes to sdwd(preexec=...): it then is in a network of its own, of which only lo is up, and has the
    files `hosts` and `resolv_conf` in the place of /etc's. names.run(f) calls f in that network, to make servers there.
    """

    def __init__(self, folder):
        self.hosts, self.resolv_conf, self._nsswitch = (folder / name for name in ("hosts", "resolv.conf", "nsswitch.conf"))
        self.hosts.write_text("127.0.0.1 localhost\n", encoding="utf-8")
        self.resolv_conf.write_text("", encoding="utf-8")
        self._nsswitch.write_text("hosts: files dns\n", encoding="utf-8")
        self.binds = [(self.hosts, "/etc/hosts"), (self.resolv_conf, "/etc/resolv.conf"),
                      (self._nsswitch, "/etc/nsswitch.conf")]
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._network = self.run(self._unshare)

    @staticmethod
    def _unshare():
        _checked(_libc.unshare(_CLONE_NEWNET))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            fcntl.ioctl(s, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def run(self, function, *arguments):
        return self._pool.submit(function, *arguments).result()

    def set_hosts(self, *lines):
        """In place: the file is a mount in sdwd's world."""
        self.hosts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def without_ipv6(self):
        """As in most containers: there is no ::1."""
        def forbid():
            with open("/proc/sys/net/ipv6/conf/all/disable_ipv6", "w", encoding="ascii") as f:
                f.write("1\n")
        self.run(forbid)

    def without_ports(self):
        """A port at ::1 to which nobody can connect, for want of one's own; and what must be kept open for that."""
        def take_all():
            taken = [socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=16)]
            port = taken[0].getsockname()[1]
            with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as f:
                f.write("61001 61004\n")
            try:
                while True:
                    taken.append(socket.create_connection(("::1", port)))
            except OSError as error:
                assert error.errno == errno.EADDRNOTAVAIL
            return port, taken
        return self.run(take_all)

    def preexec(self):
        _checked(_libc.setns(self._network, _CLONE_NEWNET))
        self.preexec_here()

    def preexec_here(self):
        """Only the files: the network is ours."""
        _checked(_libc.unshare(_CLONE_NEWNS))
        _checked(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
        for source, target in self.binds:
            _bind(source, target)

    def silent_server(self):
        """A name server at 127.0.0.1 that never answers, and resolv.conf that names it; a socket."""
        def listen():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("127.0.0.1", 53))
            return s
        self.resolv_conf.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n", encoding="utf-8")
        return self.run(listen)

    def close(self):
        os.close(self._network)
        self._pool.shutdown()


@pytest.fixture
def names(tmp_path):
    one = Names(tmp_path)
    yield one
    one.close()
