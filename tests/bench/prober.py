# SPDX-License-Identifier: MIT
"""
prober  what sdwd costs with its second process (needs root): start to the child's first step, to the end, to the first good
        look; memory of both; CPU time of a look that the prober or a command does (secure.py, a gRPC server, a bus; one
        each 40 ms), with all processes of sdwd, against an in-process HTTP look
"""

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from common import (HERE, PATIENCE_SECONDS, by_turns, children, cpu_usec, fail, has_sleeping_child, memory, reaped_usec,
                    run, started, until)

COMPARED = {
    "prober start": [("with prober", "sdwd"), ("with prober", "sdwd --http"), ("sdwd again", "sdwd")],
    "prober ready": [("with prober", "sdwd --http"), ("sdwd --http again", "sdwd --http")],
    "prober idle": [(f"both, {kind}", "sdwd") for kind in ("https, one CA", "https, system's CAs", "http by name")],
    "looks": [(kind, "http") for kind in ("exec", "http by name", "grpc", "dbus", "https, one CA",
                                          "https, system's CAs", "https, these as one file", "http again")],
}
START_TURNS, START_RUNS = 40, 3             # a turn's sample is the median of its runs
IDLE_TURNS, IDLE_SETTLE_SECONDS = 5, 0.4
LOOK_TURNS, LOOKS_A_TURN, LOOKS_BEFORE = 5, 120, 10
# One ping a look, as in `run`. A look's lease is interval, timeout and a bit, below the watchdog's time.
LOOK_MSEC, LOOK_TIMEOUT_MSEC, LOOK_WATCHDOG_MSEC = 40, 320, 400
FAILURES_MAX = 20

BUS_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
NAME = "bench.test"
SYSTEM_FOLDER = Path("/etc/ssl/certs")      # where Debian's libcurl looks for authorities, by file and by folder
SYSTEM_BUNDLE = "ca-certificates.crt"
HEALTH = HERE.parent / "system" / "health.py"


class World:
    """An authority, a certificate of it, servers, and a view of /etc in which the system trusts that authority."""

    def __init__(self, folder, server):
        self.folder, self.server = folder / "world", server
        self.folder.mkdir()
        self.ca = self.folder / "ca.pem"
        self._certificates()
        self._programs = []
        self._secure = self._start(HERE / "secure.py", self.folder / "web.pem", self.folder / "web.key")
        self.secure_port = int(self._secure.stdout.readline())
        self.url = f"https://127.0.0.1:{self.secure_port}/"
        self._calls = 0
        grpc = self._start(HEALTH, "=SERVING")
        self.grpc_port = int(grpc.stdout.readline().split()[1])
        threading.Thread(target=self._count_calls, args=(grpc.stdout,), daemon=True).start()
        self.bus = self._bus()
        self.inside = self._view()

    def _start(self, *command):
        self._programs.append(subprocess.Popen([sys.executable, *map(str, command)], stdin=subprocess.PIPE,
                                               stdout=subprocess.PIPE, text=True))
        return self._programs[-1]

    def _bus(self):
        """The address of a bus of our own, or None: there is no dbus-daemon."""
        if shutil.which("dbus-daemon") is None:
            return None
        config = self.folder / "bus.conf"
        config.write_text(BUS_CONFIG.format(path=self.folder / "bus"), encoding="ascii")
        bus = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork", "--nosyslog", "--print-address"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._programs.append(bus)
        self._bus_process = bus
        return bus.stdout.readline().strip()

    def _certificates(self):
        def openssl(*words):
            run("openssl", *words, cwd=self.folder)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        (self.folder / "names").write_text(f"subjectAltName=DNS:{NAME},IP:127.0.0.1\n", encoding="ascii")
        openssl("req", "-x509", *key, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench authority")
        openssl("req", *key, "-keyout", "web.key", "-out", "web.csr", "-subj", "/CN=bench")
        openssl("x509", "-req", "-in", "web.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "names", "-out", "web.pem")

    def _view(self):
        """The words that put a command into that view, or None: there is none here."""
        hosts, certs = self.folder / "hosts", self.folder / "certs"
        hosts.write_text(f"127.0.0.1 localhost {NAME}\n", encoding="ascii")
        if not (SYSTEM_FOLDER / SYSTEM_BUNDLE).is_file():
            return None
        shutil.copytree(SYSTEM_FOLDER, certs, ignore_dangling_symlinks=True,
                        ignore=lambda path, names: [n for n in names if not (Path(path) / n).is_file()])
        pem = self.ca.read_text(encoding="ascii")
        hashed = run("openssl", "x509", "-noout", "-hash", "-in", self.ca).strip()
        (certs / f"{hashed}.0").write_text(pem, encoding="ascii")
        with open(certs / SYSTEM_BUNDLE, "a", encoding="ascii") as file:
            file.write(pem)
        shutil.copy(certs / SYSTEM_BUNDLE, self.folder / "bundle.pem")
        script = f'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/certs" {SYSTEM_FOLDER} && exec "$@"'
        words = ["unshare", "--mount", "sh", "-c", script, self.folder]
        done = subprocess.run([*words, "true"], capture_output=True, check=False)
        return words if done.returncode == 0 else None

    def _count_calls(self, lines):
        for line in lines:
            self._calls += line.startswith("call ")

    def http_looks(self):
        return self.server.counts()[0]

    def pings(self):
        return self.server.counts()[1]

    def secure_looks(self):
        self._secure.stdin.write("\n")
        self._secure.stdin.flush()
        return int(self._secure.stdout.readline())

    def grpc_looks(self):
        return self._calls

    def close(self):
        if self.bus is not None:
            self._bus_process.terminate()
        for program in self._programs:
            program.stdin.close()
        for program in self._programs:
            # grpcio's threads may be slow to end.
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(PATIENCE_SECONDS)
            program.kill()
            program.wait()


@contextlib.contextmanager
def world(folder, server):
    one = World(folder, server)
    try:
        if one.inside is None:
            print(f"bench: no view of /etc with an authority of ours here (it needs root, unshare and {SYSTEM_FOLDER}): "
                  "without names and the system's authorities", flush=True)
        yield one
    finally:
        one.close()


def prober_of(pid):
    for child in children(pid):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{child}/comm").read_text(encoding="utf-8") == "sdwd-prober\n":
                return child
    return None


# What is measured: each gives {measure: {subject: [a sample for each turn]}} ----------------------------------------

def measure_start(bench, w):
    sdwd, folder = bench.sdwd, bench.folder
    turns, runs = bench.times(START_TURNS, 5), bench.times(START_RUNS, 1)
    http, https = f"--http={w.server.url}", [f"--http={w.url}", f"--http-ca={w.ca}"]
    began = ["--", folder / "began"]
    wall, cpu, word, _ = by_turns(folder, turns, runs, {
        "sdwd": [sdwd, *began], "sdwd --http": [sdwd, http, *began], "with prober": [sdwd, *https, *began],
        "sdwd again": [sdwd, *began]})
    found = {"prober start, to the child's first step (us)": word, "prober start, to the end (us)": wall,
             "prober start, CPU time (us)": cpu}
    sleep = ["--interval=1h", "--start-interval=1h", "--", "sleep", "1000"]
    _, ready_cpu, ready, _ = by_turns(folder, turns, runs, {
        "sdwd --http": [sdwd, http, *sleep], "with prober": [sdwd, *https, *sleep], "sdwd --http again": [sdwd, http, *sleep]},
        f"--ready={folder / 'ready'}")
    return found | {"prober ready, to the first good look (us)": ready, "prober ready, CPU time (us)": ready_cpu}


def measure_idle(bench, w):
    """After the first look, and nothing more to do."""
    sdwd = bench.sdwd
    def with_prober(*options, inside=False):
        return [*(w.inside if inside else []), sdwd, *options, "--interval=1h", "--start-interval=1h", "--", "sleep", "1000"]
    subjects = {
        "": ([sdwd, "--", "sleep", "1000"], None),
        ", https, one CA": (with_prober(f"--http={w.url}", f"--http-ca={w.ca}"), w.secure_looks),
    }
    if w.inside is not None:
        subjects |= {
            ", https, system's CAs": (with_prober(f"--http={w.url}", inside=True), w.secure_looks),
            ", http by name": (with_prober(f"--http=http://{NAME}:{w.server.port}/", inside=True), w.http_looks),
        }
    titles = ["prober idle, PSS (KiB)", "prober idle, private dirty (KiB)"]
    found = {title: {} for title in titles}

    def add(name, values):
        for title, value in zip(titles, values):
            found[title].setdefault(name, []).append(value)
    for _ in range(bench.times(IDLE_TURNS, 2)):
        for name, (command, looks) in subjects.items():
            begin = looks() if looks else 0
            with started(command) as process:
                until("its child", lambda p=process: has_sleeping_child(p.pid), process)
                if looks:
                    until("its first look", lambda b=begin, n=looks: n() > b, process)
                time.sleep(IDLE_SETTLE_SECONDS)
                own = memory(process.pid)
                add(f"sdwd{name}", own)
                if looks:
                    prober = memory(prober_of(process.pid))
                    add(f"prober{name}", prober)
                    add(f"both{name}", [a + b for a, b in zip(own, prober)])
    return found


def measure_look(bench, w):
    """
    CPU time of one look with its ping: of sdwd, its prober, and the commands that it ran. Counted are the looks that the
    server answered, of --exec and --dbus the pings.
    """
    sdwd = bench.sdwd

    def command(*options, inside=False):
        return [*(w.inside if inside else []), sdwd, *options, f"--interval={LOOK_MSEC}ms", f"--start-interval={LOOK_MSEC}ms",
                f"--fast-interval={LOOK_MSEC}ms", f"--timeout={LOOK_TIMEOUT_MSEC}ms", "--fall=1", "--", "sleep", "1000"]
    subjects = {
        "http": (command(f"--http={w.server.url}"), w.http_looks),
        "exec": (command("--exec=/bin/true"), w.pings),
        "grpc": (command(f"--grpc=127.0.0.1:{w.grpc_port}"), w.grpc_looks),
        "https, one CA": (command(f"--http={w.url}", f"--http-ca={w.ca}"), w.secure_looks),
        "http again": (command(f"--http={w.server.url}"), w.http_looks),
    }
    if w.inside is not None:
        subjects |= {
            "http by name": (command(f"--http=http://{NAME}:{w.server.port}/", inside=True), w.http_looks),
            "https, system's CAs": (command(f"--http={w.url}", inside=True), w.secure_looks),
            "https, these as one file": (command(f"--http={w.url}", f"--http-ca={w.folder / 'bundle.pem'}"), w.secure_looks),
        }
    if w.bus is not None:
        # The bus itself has this name, and answers at once.
        subjects["dbus"] = (command("--dbus=org.freedesktop.DBus", "--dbus-user"), w.pings)
    titles = ["looks, CPU time (us)", "sdwd's own part of looks (us)", "looks, pings"]
    found = {title: {name: [] for name in subjects} for title in titles}
    failures = 0
    for _ in range(bench.times(LOOK_TURNS, 2)):
        for name, (words, looks) in subjects.items():
            while (sample := _one_turn(words, looks, w, bench.times(LOOKS_A_TURN, 25))) is None:
                failures += 1
                if failures > FAILURES_MAX:
                    fail(f"{name}: the prober is started anew again and again: is the machine this busy?")
            for title, value in zip(titles, sample):
                found[title][name].append(value)
    return found


def _one_turn(command, looks, w, looks_a_turn):
    """CPU time of a look, that of sdwd alone, pings of a look; None where a busy machine cost the prober its life."""
    begin = looks()
    with started(command, NOTIFY_SOCKET=w.server.socket, WATCHDOG_USEC=str(LOOK_WATCHDOG_MSEC * 1000),
                 DBUS_SESSION_BUS_ADDRESS=w.bus or "") as process:
        def now():
            prober = prober_of(process.pid)
            others = reaped_usec(process.pid) + (cpu_usec(prober) if prober is not None else 0)
            return prober, looks(), w.pings(), cpu_usec(process.pid), others

        until("looks", lambda: looks() >= begin + LOOKS_BEFORE, process)
        try:
            before = now()
            time.sleep(looks_a_turn * LOOK_MSEC / 1000)
            until("looks", lambda: looks() >= before[1] + looks_a_turn, process)
            after = now()
        except OSError:
            return None
    if after[0] != before[0]:
        return None
    n, pings, own, others = (b - a for a, b in zip(before[1:], after[1:]))
    return (own + others) / n, own / n, pings / n


def measure(bench):
    with world(bench.folder, bench.server) as w:
        return measure_start(bench, w) | measure_idle(bench, w) | measure_look(bench, w)
