#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
A gRPC server with the health service, of what its arguments say; a program of its own, because grpcio's threads and
fork() do not go together.

    health.py [--port=N | --unix=PATH] [--cert=FILE --key=FILE [--client-ca=FILE]] [--none] [SERVICE=STATE...]

STATE is a word of STATES, "hang", or the number of a gRPC status. Says "port N" and a line for each call. A line
SERVICE=STATE on its input changes one. --unix: at a Unix socket (@NAME: an abstract one), where N says nothing. --none: a
server without the health service.
"""

import argparse
import os
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc

STATES = {"UNKNOWN": b"", "SERVING": b"\x08\x01", "NOT_SERVING": b"\x08\x02", "SERVICE_UNKNOWN": b"\x08\x03", "99": b"\x08\x63",
          "MORE": b"\x12\x03abc\x08\x01\x18\x80\x01", "GARBAGE": b"\xff\xff\xff", "LONG": b"\x12\x88\x27" + 5000 * b"x"}


class Health:
    def __init__(self, states):
        self.states = states

    def check(self, request, context):
        name = request[2:] if len(request) < 130 else request[3:]
        say("call", name.decode())
        state = self.states.get(name.decode())
        if state is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        if state == "hang":
            gone = threading.Event()
            context.add_callback(gone.set)
            gone.wait()
        elif state.isdigit() and int(state) < 17:
            context.abort(next(c for c in grpc.StatusCode if c.value[0] == int(state)), "on purpose")
        return STATES.get(state, b"")


def say(*words):
    """One line, whole: print() writes word by word, and each call has a thread of its own."""
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--unix")
    parser.add_argument("--none", action="store_true")
    for name in ("--cert", "--key", "--client-ca"):
        parser.add_argument(name, type=Path)
    parser.add_argument("states", nargs="*")
    arguments = parser.parse_args()
    health = Health(dict(word.split("=", 1) for word in arguments.states))
    server = grpc.server(futures.ThreadPoolExecutor(16))
    if not arguments.none:
        check = grpc.unary_unary_rpc_method_handler(health.check)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})])
    address = f"127.0.0.1:{arguments.port}"
    if arguments.unix is not None:
        name = arguments.unix
        address = f"unix-abstract:{name[1:]}" if name.startswith("@") else f"unix:{name}"
    if arguments.cert is None:
        port = server.add_insecure_port(address)
    else:
        client_ca = arguments.client_ca.read_bytes() if arguments.client_ca else None
        pair = [(arguments.key.read_bytes(), arguments.cert.read_bytes())]
        port = server.add_secure_port(address, grpc.ssl_server_credentials(pair, client_ca, client_ca is not None))
    server.start()
    say("port", port)
    for line in sys.stdin:
        health.states.update([line.rstrip("\n").split("=", 1)])
        say("set", line.rstrip("\n"))


if __name__ == "__main__":
    main()
