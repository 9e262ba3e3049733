# SPDX-License-Identifier: MIT
"""
What sdwd speaks to dies, hangs and comes back: systemd itself, the journal, the bus, the prober, folders and files. The
service is well all the time, and goes on; where nobody can know that for too long, systemd acts as the leases say.

SDWD_PEERS_ROUNDS=N: how often each of them dies (6; tests/systemd/full-peers: 20).
"""

import json
import os
import signal
import time
from pathlib import Path

import pytest

import wrapped
from tls import Authority
from wrapped import wait_for

HERE = Path(__file__).resolve().parent
FOLDER = "/usr/local/libexec/of-tests"
ROUNDS = int(os.environ.get("SDWD_PEERS_ROUNDS", "6"))
PORT = 23500

# Fills the queue of a datagram socket: flood.py PATH TEXT. What one socket may have in it is limited, too.
FLOOD = """#!/usr/bin/python3
import socket, sys
for _ in range(1000):
    s, n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK), 0
    s.connect(sys.argv[1])
    try:
        while True:
            s.send(sys.argv[2].encode())
            n += 1
    except BlockingIOError:
        if n == 0:
            sys.exit(0)
sys.exit("it is not full")
"""


@pytest.fixture
def here(systemd, build, tmp_path):
    """sdwd inside, with its neighbours and all that the service needs."""
    paths = wrapped.install(systemd, build / "sdwd", build / "sdwd-prober", build / "sdwdctl", HERE / "sandboxed.py",
                            wrapped.script(tmp_path, "flood.py", FLOOD), *Authority(tmp_path).issue("web"))
    systemd.run("sh", "-c", "mkdir -p /run/sdwd; chmod 1777 /run/sdwd")
    return paths[0]


@pytest.fixture
def start(systemd, here):
    """Starts the service under sdwd with @options, as soon as it is well; returns the unit's name."""
    def begin(stem, w, options, *lines, sdwd=here, port=0):
        unit = systemd.unit(stem, wrapped.unit_text(f"{sdwd} {options} -- {FOLDER}/sandboxed.py {port}", f"WatchdogSec={w}",
                                                    "Restart=on-failure", *lines))
        systemd.start(unit)
        systemd.wait_state(unit, ActiveState="active", StatusText="healthy", NRestarts="0")
        return unit

    return begin


def asked(systemd, unit):
    """What its control socket says: it answers, whoever else does not."""
    found = json.loads(systemd.run(f"{FOLDER}/sdwdctl", "status", "--json", "--timeout=20s", unit, check=False).stdout)
    return found[0].get("status") or found[0]


def is_untouched(systemd, unit, pid):
    # STATUS= is said once a second at most.
    systemd.wait_state(unit, StatusText="healthy")
    return systemd.show(unit, "MainPID", "NRestarts", "ActiveState", "StatusText") == {
        "MainPID": pid, "NRestarts": "0", "ActiveState": "active", "StatusText": "healthy"}


def tell_twice(systemd, unit):
    """Two lines of the log, each by its own cause."""
    for verb in "pause", "resume":
        systemd.run(f"{FOLDER}/sdwdctl", verb, unit)


def hangs_and_is_restarted(systemd, unit):
    systemd.systemctl("kill", systemd.main_alone, "--signal=USR1", unit)
    systemd.wait_state(unit, timeout=90, NRestarts="1", ActiveState="active", StatusText="healthy")
    systemd.stop(unit)
    assert systemd.show(unit, "Result") == "success"


BEATS = "--heartbeat --silence={l} --notify=watchdog --silence={l}"


# systemd ------------------------------------------------------------------------------------------------------------


def test_no_ping_is_lost_while_systemd_executes_itself_again(systemd, start):
    unit = start("reexec", 3, BEATS.format(l="2500ms"))
    pid = systemd.show(unit, "MainPID")
    for number in range(2 * ROUNDS):
        systemd.systemctl("daemon-reload" if number % 2 else "daemon-reexec")
        assert is_untouched(systemd, unit, pid), systemd.describe(unit)
    said = wrapped.texts(systemd, unit)
    assert not [line for line in said if "given up" in line or "takes no message" in line or "unhealthy" in line], said
    hangs_and_is_restarted(systemd, unit)


def test_a_systemd_that_does_not_run_blocks_nothing(systemd, start):
    """First with room in its queue for pings, then without."""
    unit = start("stopped", 2, BEATS.format(l="1600ms"))
    full = start("full", 40, BEATS.format(l="32s") + " --http=http://127.0.0.1:{0}/ --interval=500ms".format(PORT), port=PORT)
    pids = {name: systemd.show(name, "MainPID") for name in (unit, full)}
    since = systemd.cursor()
    os.kill(systemd.pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        while time.monotonic() - begin < 6:
            assert asked(systemd, unit)["health"] == "healthy"
            time.sleep(0.5)
        looks = sum(asked(systemd, full)["probes"][2]["looks"].values())
        systemd.run(f"{FOLDER}/flood.py", "/run/systemd/notify", "X_FILL=1")
        # A change of STATUS=, which must wait.
        tell_twice(systemd, full)
        systemd.wait_journal("systemd takes no message for 5s", since=since)
        assert sum(asked(systemd, full)["probes"][2]["looks"].values()) > looks
    finally:
        os.kill(systemd.pid, signal.SIGCONT)
    wait_for(lambda: wrapped.has(systemd, full, "systemd takes messages again"), lambda: systemd.describe(full))
    systemd.wait_state(full, StatusText="healthy")
    # That one pinged all the time; what it said before the queue was full counts.
    assert is_untouched(systemd, full, pids[full]), systemd.describe(full)


# The journal --------------------------------------------------------------------------------------------------------


def test_a_journal_that_hangs_or_dies_blocks_nothing_and_what_was_lost_is_told(systemd, start):
    unit = start("logs", 3, BEATS.format(l="2400ms"))
    pid = systemd.show(unit, "MainPID")
    journald = systemd.systemctl("show", "systemd-journald.service", "--property=MainPID", "--value").stdout.strip()
    systemd.run("kill", "-STOP", journald)
    try:
        systemd.run(f"{FOLDER}/flood.py", "/run/systemd/journal/socket", "MESSAGE=filled\n")
        begin = time.monotonic()
        tell_twice(systemd, unit)
        while time.monotonic() - begin < 6:
            assert asked(systemd, unit)["health"] == "healthy"
            time.sleep(0.5)
    finally:
        systemd.run("kill", "-CONT", journald)
    # It has read all that there was.
    systemd.run("journalctl", "--sync")
    tell_twice(systemd, unit)
    systemd.wait_journal("2 log lines were lost because of: Resource temporarily unavailable", unit)
    for number in range(ROUNDS):
        how = number % 3
        if how == 0:
            systemd.systemctl("restart", "systemd-journald.service")
        elif how == 1:
            systemd.systemctl("kill", "--signal=KILL", "systemd-journald.service")
        else:
            sockets = ["systemd-journald.socket", "systemd-journald-dev-log.socket"]
            systemd.systemctl("stop", *sockets, "systemd-journald.service", check=False)
            tell_twice(systemd, unit)
            systemd.systemctl("start", *sockets, "systemd-journald.service")
        since = systemd.cursor()
        tell_twice(systemd, unit)
        systemd.wait_journal("resumed by uid 0", since=since)
    assert is_untouched(systemd, unit, pid), systemd.describe(unit)
    assert any("log lines were lost" in str(m) for m in systemd.messages()), "those that came while there was none"
    hangs_and_is_restarted(systemd, unit)


# The bus ------------------------------------------------------------------------------------------------------------


def test_a_bus_that_is_gone_says_nothing_of_the_service(systemd, start):
    unit = start("bus", 4, BEATS.format(l="3s") + " --dbus=org.freedesktop.systemd1 --optional --interval=500ms --timeout=400ms")

    def bus():
        return asked(systemd, unit)["probes"][2]

    wait_for(lambda: bus()["cause"] == "ok", lambda: str(bus()))
    pid = systemd.show(unit, "MainPID")
    try:
        for _ in range(max(1, ROUNDS // 3)):
            systemd.systemctl("stop", "dbus.socket", "dbus.service", check=False)
            wait_for(lambda: bus()["cause"] != "ok", lambda: str(bus()))
            assert bus()["verdict"] == "unknown" and bus()["fails"] == 0, bus()
            systemd.systemctl("start", "dbus.socket")
            wait_for(lambda: bus()["cause"] == "ok", lambda: str(bus()))
    finally:
        systemd.systemctl("start", "dbus.socket")
    assert is_untouched(systemd, unit, pid), systemd.describe(unit)


# The prober ---------------------------------------------------------------------------------------------------------


def prober(systemd, unit):
    """The pid of the unit's prober, or None."""
    group = systemd.show(unit, "ControlGroup")
    line = f'for p in $(cat /sys/fs/cgroup{group}/cgroup.procs); do [ "$(cat /proc/$p/comm)" != sdwd-prober ] || echo $p; done'
    return (systemd.run("sh", "-c", line, check=False).stdout.split() or [None])[0]


HTTPS = f"--http=https://127.0.0.1:{PORT + 1}/ --http-insecure --interval=1s --timeout=1s"


def test_a_prober_that_dies_again_and_again_is_no_failure(systemd, start):
    # The lease of the look is longer than the time between two starts of the prober ever gets.
    unit = start("prober", 5, BEATS.format(l="4s") + f" {HTTPS} --fall=15", port=PORT)
    pid, last = systemd.show(unit, "MainPID"), None
    for number in range(ROUNDS):
        this = wait_for(lambda: prober(systemd, unit) not in (None, last) and prober(systemd, unit),
                        lambda: systemd.describe(unit), 60)
        systemd.run("kill", "-STOP" if number % 3 == 2 else "-KILL", this)
        last = this
        # What is stopped is killed when it did not answer.
        wait_for(lambda: not systemd.run("test", "-d", f"/proc/{last}", check=False).returncode == 0, "its end", 60)
    wait_for(lambda: prober(systemd, unit) not in (None, last), lambda: systemd.describe(unit), 60)
    wait_for(lambda: asked(systemd, unit)["probes"][2]["cause"] == "ok", lambda: systemd.describe(unit), 60)
    assert is_untouched(systemd, unit, pid), systemd.describe(unit)
    said = wrapped.texts(systemd, unit)
    assert sum("its looks are unknown" in line for line in said) == ROUNDS, said
    assert not [line for line in said if "degraded" in line or "unhealthy" in line], said
    hangs_and_is_restarted(systemd, unit)


def test_a_prober_that_never_lives_is_a_stale_probe(systemd, start):
    unit = start("never", 4, BEATS.format(l="3s") + f" {HTTPS} --fall=1", port=PORT)
    kills = 0
    deadline = time.monotonic() + 90
    while systemd.show(unit, "NRestarts") == "0" and time.monotonic() < deadline:
        pid = prober(systemd, unit)
        if pid:
            kills += 1
            systemd.run("kill", "-STOP", pid, check=False)
    systemd.wait_state(unit, NRestarts=lambda n: int(n) >= 1, ActiveState="active", StatusText="healthy", timeout=90)
    said = wrapped.texts(systemd, unit)
    assert any("unhealthy: https: " in line or "unhealthy: http: " in line for line in said) and kills > 1, said
    assert any("(stale)" in line for line in said), said
    assert "Watchdog timeout (limit 4s)!" in " ".join(said)


# Folders and files ---------------------------------------------------------------------------------------------------


def test_folders_and_programs_that_are_taken_away_are_not_missed(systemd, start):
    """The folder of the control sockets, the working folder, and both programs: an upgrade that went wrong."""
    own = f"{FOLDER}/own"
    systemd.run("sh", "-c", f"mkdir -p {own} /run/of-tests; cp {FOLDER}/sdwd {FOLDER}/sdwd-prober {own}")
    unit = start("upgrade", 5, BEATS.format(l="4s") + f" {HTTPS} --fall=15", "WorkingDirectory=/run/of-tests", "RuntimeDirectory=of-upgrade", port=PORT,
                 sdwd=f"{own}/sdwd")
    pid, first = systemd.show(unit, "MainPID"), prober(systemd, unit)
    try:
        # As a package does it: a new file by the old name.
        systemd.run("sh", "-c", f"printf '#!/bin/false\\n' >{own}/new; chmod +x {own}/new; mv {own}/new {own}/sdwd-prober; "
                    f"rm {own}/sdwd; rm -r /run/of-tests /run/sdwd")
        systemd.run("kill", "-KILL", first)
        second = wait_for(lambda: prober(systemd, unit) not in (None, first) and prober(systemd, unit),
                          lambda: systemd.describe(unit), 60)
        assert systemd.run("readlink", f"/proc/{second}/exe").stdout.strip() == f"{own}/sdwd-prober (deleted)"
        time.sleep(6)
        assert is_untouched(systemd, unit, pid), systemd.describe(unit)
    finally:
        systemd.run("sh", "-c", "mkdir -p /run/sdwd; chmod 1777 /run/sdwd")
    systemd.stop(unit)
    assert systemd.show(unit, "Result") == "success"


# The manager of a user -----------------------------------------------------------------------------------------------


def test_under_the_manager_of_a_user(systemd, here):
    uid, runtime = 1, "/run/user/1"

    def as_user(*words, check=True):
        return systemd.run("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "env", f"XDG_RUNTIME_DIR={runtime}",
                           *words, check=check)

    def shown(*names):
        out = as_user("systemctl", "--user", "show", "own.service", *[f"--property={n}" for n in names]).stdout
        return dict(line.split("=", 1) for line in out.splitlines())

    systemd.systemctl("start", f"user@{uid}.service")
    try:
        # Without KillMode=: what the manager sends to all of them is held back.
        text = wrapped.unit_text(f"{here} {BEATS.format(l='2400ms')} --exec=/bin/true -- {FOLDER}/sandboxed.py 0", "WatchdogSec=3",
                                 "Restart=on-failure", "KillMode=control-group",
                                 # Longer than it takes to ask what the stop is.
                                 "Environment=END_SECONDS=1")
        systemd.write(f"{runtime}/systemd/user/own.service", text)
        as_user("systemctl", "--user", "daemon-reload")
        as_user("systemctl", "--user", "start", "own.service")
        assert shown("ActiveState", "StatusText") == {"ActiveState": "active", "StatusText": "healthy"}
        status = json.loads(as_user(f"{FOLDER}/sdwdctl", "status", "--json").stdout)[0]
        status = status.get("status") or status
        assert (status["label"], status["unit"], status["health"]) == ("own.service", "own.service", "healthy")
        assert systemd.run("stat", "-c", "%a %u", f"{runtime}/sdwd").stdout.split() == ["700", "1"]
        for _ in range(ROUNDS):
            as_user("systemctl", "--user", "daemon-reexec")
        assert shown("NRestarts", "StatusText") == {"NRestarts": "0", "StatusText": "healthy"}
        as_user("systemctl", "--user", "kill", systemd.main_alone, "--signal=USR1", "own.service")
        wait_for(lambda: shown("NRestarts", "ActiveState", "StatusText") == {
            "NRestarts": "1", "ActiveState": "active", "StatusText": "healthy"}, lambda: str(shown("NRestarts", "StatusText")), 60)
        since = systemd.cursor()
        as_user("systemctl", "--user", "stop", "own.service")
        assert shown("ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}
        assert "SIGTERM held back" in " ".join(str(m) for m in systemd.messages(since=since))
    finally:
        systemd.systemctl("stop", f"user@{uid}.service", "user-runtime-dir@1.service", check=False)
