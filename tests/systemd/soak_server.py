# SPDX-License-Identifier: MIT
"""
The services that a soak looks at. Both end by a signal only.

    soak_server.py all FOLDER PORT
        Always well, to every kind of probe: HTTP at PORT and @sdwd-soak-http, HTTPS at PORT + 1 (FOLDER/web.pem), lines
        at PORT + 2 and @sdwd-soak, gRPC at PORT + 3, nobody comes to PORT + 4; beats, says READY=1 and pings, and touches FOLDER/beats.

    soak_server.py turns FOLDER NAME PORT [hooked]
        HTTP at PORT that turns ill (503) and well (200) with every answer, as often as FOLDER/NAME.limit says; it ends
        well where that is even. hooked: only after the hook of the last turn, which noted its pid in FOLDER/NAME.hooks,
        has ended. While there is FOLDER/NAME.still nobody gets an answer. FOLDER/NAME.turns tells the turns, and the dump signals (SIGUSR1) that came.
"""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

HEALTH = Path(__file__).resolve().parents[1] / "system" / "health.py"
FOLDER = Path(sys.argv[2])
HEAD = "HTTP/1.1 {}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
WELL, ILL = HEAD.format("200 OK").encode(), HEAD.format("503 Service Unavailable").encode()


class Answer(asyncio.Protocol):
    """One answer to whatever comes, and the end of the connection. None: not yet."""

    def __init__(self, answer):
        self.answer, self.transport = answer, None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self.transport.is_closing():
            return
        answer = self.answer()
        if answer is None:
            asyncio.get_running_loop().call_later(0.1, self.data_received, data)
            return
        self.transport.write(answer)
        self.transport.close()


class Turns:
    def __init__(self, name, is_hooked):
        self.limit, self.still, self.is_hooked = FOLDER / f"{name}.limit", FOLDER / f"{name}.still", is_hooked
        self.told = os.open(FOLDER / f"{name}.turns", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self.hooks = open(FOLDER / f"{name}.hooks", "a+", encoding="ascii") if is_hooked else None
        self.n = self.n_dumps = self.n_hooks = 0
        self.hook = None
        self.tell()

    def tell(self):
        os.pwrite(self.told, b"%08d %08d\n" % (self.n, self.n_dumps), 0)

    def on_dump(self):
        self.n_dumps += 1
        self.tell()

    def may_turn(self):
        if self.is_hooked:
            for line in self.hooks:
                self.n_hooks += 1
                self.hook = line.split()[0]
            if self.n_hooks < self.n or (self.hook and os.path.exists(f"/proc/{self.hook}")):
                return False
        return self.n < int(self.limit.read_text(encoding="ascii"))

    def answer(self):
        if self.still.exists():
            return None
        if self.may_turn():
            self.n += 1
            self.tell()
        return ILL if self.n % 2 else WELL


async def turns(name, port, is_hooked):
    loop, mine = asyncio.get_running_loop(), Turns(name, is_hooked)
    loop.add_signal_handler(signal.SIGUSR1, mine.on_dump)
    await loop.create_server(lambda: Answer(mine.answer), "127.0.0.1", port)
    await asyncio.Event().wait()


def notify(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        s.sendall(text)


async def everything(port):
    loop, tls = asyncio.get_running_loop(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(FOLDER / "web.pem", FOLDER / "web.key")

    def http():
        return Answer(lambda: WELL)

    def line():
        return Answer(lambda: b"PONG\n")

    await loop.create_server(http, "127.0.0.1", port)
    await loop.create_unix_server(http, "\0sdwd-soak-http")
    await loop.create_server(http, "127.0.0.1", port + 1, ssl=tls)
    await loop.create_server(line, "127.0.0.1", port + 2)
    await loop.create_unix_server(line, "\0sdwd-soak")
    await loop.create_server(line, "127.0.0.1", port + 4)
    # Its input stays open as long as this process.
    grpc = subprocess.Popen([sys.executable, HEALTH, f"--port={port + 3}", "=SERVING"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)  # pylint: disable=consider-using-with
    grpc.stdout.readline()
    loop.add_reader(grpc.stdout.fileno(), lambda: os.read(grpc.stdout.fileno(), 65536))
    notify(b"READY=1")
    beats, n = FOLDER / "beats", 0
    while True:
        os.write(int(os.environ["SDWD_HEARTBEAT_FD"]), b".")
        beats.touch()
        n += 1
        if n % 2 == 0:
            notify(b"WATCHDOG=1")
        await asyncio.sleep(0.01)


if sys.argv[1] == "all":
    asyncio.run(everything(int(sys.argv[3])))
else:
    asyncio.run(turns(sys.argv[3], int(sys.argv[4]), "hooked" in sys.argv))
