# SPDX-License-Identifier: MIT
"""
A service for the tests: healthy for a while, then hung, in one of several ways. It writes the time of each sign of life
(CLOCK_MONOTONIC, seconds) to a file.

    worker.py KIND HEALTHY_SECONDS FILE [ARGUMENT]
"""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

KIND, HEALTHY, FILE = sys.argv[1], float(sys.argv[2]), sys.argv[3]
BEGAN = time.monotonic()


def alive():
    """Notes a sign of life as late as possible before it is given."""
    with open(FILE + ".new", "w", encoding="ascii") as f:
        f.write(repr(time.monotonic()))
    os.rename(FILE + ".new", FILE)


def is_healthy():
    return time.monotonic() < BEGAN + HEALTHY


def heartbeat():
    fd = int(os.environ["SDWD_HEARTBEAT_FD"])
    while is_healthy():
        alive()
        os.write(fd, b".")
        time.sleep(0.3)
    time.sleep(3600)


def notify():
    def say(text):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
            s.sendall(text)

    say(b"READY=1")
    while is_healthy():
        alive()
        say(b"WATCHDOG=1")
        time.sleep(0.3)
    time.sleep(3600)


def file():
    while is_healthy():
        alive()
        with open(f"/run/sdwd-test-beat-{sys.argv[4]}", "a", encoding="ascii") as f:
            f.write(".")
        time.sleep(0.05)
    time.sleep(3600)


def serve(listener, answer, hang="hang", tls=None):
    if hang == "close":
        threading.Timer(HEALTHY, lambda: listener.shutdown(socket.SHUT_RDWR)).start()
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            break
        connection.settimeout(1)
        try:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            connection.recv(65536)
            if not is_healthy():
                break
            alive()
            connection.sendall(answer)
            connection.close()
        except OSError:
            pass
    if hang == "close":
        listener.close()
    time.sleep(3600)


def accept():
    """Serves its own client, which goes on connecting when nobody accepts any more."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[4])))

    def client():
        while True:
            with socket.create_connection(listener.getsockname()) as connection:
                connection.recv(1)
            time.sleep(0.02)

    threading.Thread(target=client, daemon=True).start()
    while is_healthy():
        connection, _ = listener.accept()
        alive()
        connection.close()
    time.sleep(3600)


def tcp_listener():
    return socket.create_server(("127.0.0.1", int(sys.argv[4])))


def unix_listener():
    """An abstract one: its name is free where the network is the private systemd's own."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0sdwd-row-{sys.argv[4]}")
    listener.listen()
    return listener


def https():
    """The certificate is in FILE's folder."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(os.path.join(os.path.dirname(FILE), "web.pem"), os.path.join(os.path.dirname(FILE), "web.key"))
    serve(tcp_listener(), HTTP_OK, tls=tls)


def dbus_service():
    """With a bus of its own."""
    from gi.repository import Gio, GLib  # pylint: disable=import-outside-toplevel

    def on_call(*call):
        if not is_healthy():
            time.sleep(3600)
        alive()
        call[-1].return_value(None)

    # It ends with the unit.
    daemon = subprocess.Popen(  # pylint: disable=consider-using-with
        ["dbus-daemon", "--session", "--nofork", "--nosyslog", "--print-address",
         f"--address={os.environ['DBUS_SESSION_BUS_ADDRESS']}"], stdout=subprocess.PIPE)
    daemon.stdout.readline()
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    about = Gio.DBusNodeInfo.new_for_xml("<node><interface name='test.sdwd.Row'><method name='Fine'/></interface></node>")
    bus.register_object("/row", about.interfaces[0], on_call)
    Gio.bus_own_name_on_connection(bus, "test.sdwd.Row", Gio.BusNameOwnerFlags.NONE)
    GLib.MainLoop().run()


def grpc_server():
    # Only this kind needs it, and it takes a while to load.
    import grpc  # pylint: disable=import-outside-toplevel
    from concurrent import futures  # pylint: disable=import-outside-toplevel

    def check(request, context):
        if not is_healthy():
            time.sleep(3600)
        alive()
        return b"\x08\x01"

    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)})])
    server.add_insecure_port(f"127.0.0.1:{sys.argv[4]}")
    server.start()
    time.sleep(3600)


HTTP_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def stop_itself():
    while is_healthy():
        alive()
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(3600)


{
    "heartbeat": heartbeat,
    "notify": notify,
    "file": file,
    "http": lambda: serve(tcp_listener(), HTTP_OK),
    "http-close": lambda: serve(tcp_listener(), HTTP_OK, "close"),
    "https": https,
    "grpc": grpc_server,
    "dbus": dbus_service,
    "tcp": lambda: serve(tcp_listener(), b"PONG\n"),
    "tcp-close": lambda: serve(tcp_listener(), b"PONG\n", "close"),
    "unix": lambda: serve(unix_listener(), b"PONG\n"),
    "accept": accept,
    "stop": stop_itself,
}[KIND]()
