#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
secure.py CERTIFICATE KEY: an HTTPS server on a free port of 127.0.0.1 that answers every request with a 200 and closes.
The port comes on stdout; then each line on stdin is answered by the number of responses so far. Ends with the end of
stdin. One connection at a time: who looks here makes no two at once.
"""

import contextlib
import socket
import ssl
import sys
import threading

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
PATIENCE_SECONDS = 5

responses = [0]


def serve(listener, context):
    while True:
        plain, _ = listener.accept()
        plain.settimeout(PATIENCE_SECONDS)
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
            if connection.recv(4096):
                connection.sendall(RESPONSE)
                responses[0] += 1


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threading.Thread(target=serve, args=(listener, context), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(responses[0], flush=True)


if __name__ == "__main__":
    main()
