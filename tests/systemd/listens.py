#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A service that is started by its sockets: answers each connection with the name that systemd gave its socket."""

import os
import selectors
import socket

assert os.environ["LISTEN_PID"] == str(os.getpid()), "meant for another process"
names = os.environ["LISTEN_FDNAMES"].split(":")
assert len(names) == int(os.environ["LISTEN_FDS"])
selector = selectors.DefaultSelector()
for number, name in enumerate(names):
    selector.register(socket.socket(fileno=3 + number), selectors.EVENT_READ, name)
while True:
    for key, _ in selector.select():
        connection, _ = key.fileobj.accept()
        with connection:
            connection.sendall(f"{key.data} {os.getppid()}\n".encode())
