# SPDX-License-Identifier: MIT
"""The control socket under a real systemd: where instances have it, what a pause and a drill do to the watchdog."""

import json
import re
import shutil
import subprocess
import time

import pytest

import wrapped

# Calls a method over a socket and prints the reply: ask SOCKET METHOD [PARAMETERS].
ASK = """#!/usr/bin/python3
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
method = sys.argv[2] if "." in sys.argv[2] else "sdwd.Supervisor." + sys.argv[2]
call = {"method": method, "parameters": json.loads((sys.argv[3:] + ["{}"])[0])}
s.sendall(json.dumps(call).encode() + b"\\0")
reply = b""
while not reply.endswith(b"\\0"):
    data = s.recv(65536)
    if not data:
        sys.exit("closed")
    reply += data
print(reply[:-1].decode())
"""
BEATS = "sh -c 'while :; do echo >&$SDWD_HEARTBEAT_FD; sleep 0.1; done'"
W = 2
# systemd has a client of its own from 255 on.
CLIENTS = ["by-hand", "varlinkctl"] if shutil.which("varlinkctl") else ["by-hand"]


@pytest.fixture(scope="module")
def stage(build, tmp_path_factory):
    """What an install puts where, below a folder of its own."""
    folder = tmp_path_factory.mktemp("stage")
    done = subprocess.run(["cmake", "--install", build], env={"DESTDIR": str(folder), "PATH": "/usr/bin:/bin"},
                          timeout=120, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def ask(systemd, tmp_path):
    script = wrapped.script(tmp_path, "ask", ASK)

    def call(unit, method, user=None, **parameters):
        """The whole reply of @unit's instance."""
        words = ["setpriv", f"--reuid={user}", "--clear-groups"] if user else []
        # What others may not reach is read by root.
        copy = wrapped.install(systemd, script)[0]
        done = systemd.run(*words, copy, f"/run/sdwd/{unit}", method, json.dumps(parameters))
        return json.loads(done.stdout)

    return call


@pytest.fixture
def watched(systemd, sdwd_path):
    """A unit whose child beats; KillMode and all else as wrapped.UNIT has it."""
    def start(stem, *options):
        unit = systemd.unit(stem, wrapped.unit_text(f"{sdwd_path} --heartbeat --silence=1s {' '.join(options)} -- {BEATS}",
                                                    f"WatchdogSec={W}", "Restart=on-failure"))
        systemd.start(unit)
        systemd.wait_state(unit, ActiveState="active", StatusText="healthy", NRestarts="0")
        return unit

    return start


@pytest.fixture(params=CLIENTS)
def client(request, systemd, ask, tmp_path):
    """(describe, call): the text of the interface, and the parameters of a reply."""
    def describe_by_hand(unit):
        reply = ask(unit, "org.varlink.service.GetInterfaceDescription", interface="sdwd.Supervisor")
        return reply["parameters"]["description"]

    def call_by_hand(unit, method, **parameters):
        return ask(unit, method, **parameters)["parameters"]

    def describe_by_varlinkctl(unit):
        text = systemd.run("varlinkctl", "introspect", f"unix:/run/sdwd/{unit}", "sdwd.Supervisor").stdout
        (tmp_path / "idl").write_text(text, encoding="utf-8")
        systemd.run("varlinkctl", "validate-idl", tmp_path / "idl")
        return text

    def call_by_varlinkctl(unit, method, **parameters):
        done = systemd.run("varlinkctl", "call", "--json=short", f"unix:/run/sdwd/{unit}", f"sdwd.Supervisor.{method}",
                           json.dumps(parameters))
        return json.loads(done.stdout)

    if request.param == "by-hand":
        return describe_by_hand, call_by_hand
    return describe_by_varlinkctl, call_by_varlinkctl


def test_a_client_introspects_and_calls(systemd, watched, client):
    describe, call = client
    unit = watched("stock")
    assert {"GetStatus", "Watch", "Pause", "Resume", "Drill"} <= set(re.findall(r"^method (\w+)", describe(unit), re.M))
    status = call(unit, "GetStatus")["status"]
    assert (status["label"], status["unit"], status["health"], status["hasWatchdog"]) == (unit, unit, "healthy", True)
    assert call(unit, "Pause", forUsec=60_000_000) == {}
    systemd.wait_state(unit, StatusText="paused for 1min; healthy")
    assert call(unit, "Resume") == {}
    systemd.wait_state(unit, StatusText="healthy")


def test_an_instance_of_the_template_has_its_socket(systemd, stage, ask):
    systemd.run("sh", "-c", f"tar -C {stage} -c . | tar -C / -x --no-overwrite-dir --no-same-owner")
    systemd.run("sh", "-c", "rm -rf /run/sdwd; systemd-tmpfiles --create sdwd.conf")
    assert systemd.run("stat", "-c", "%a %U", "/run/sdwd").stdout.split() == ["1777", "root"]
    systemd.unit("sdwd@", next(stage.rglob("sdwd@.service")).read_text(encoding="utf-8"))
    unit = systemd.name("sdwd@asked")
    systemd.write("/etc/sdwd/asked.conf", f"heartbeat\ncommand = {BEATS}\n")
    systemd.start(unit)
    systemd.wait_state(unit, ActiveState="active", StatusText="healthy")
    status = ask(unit, "GetStatus", user=65534)["parameters"]["status"]
    assert status["unit"] == status["label"] == unit and status["state"] == "running"
    assert str(status["pid"]) == systemd.show(unit, "MainPID") and status["hasWatchdog"]
    assert ask(unit, "Pause", user=65534)["error"] == "org.varlink.service.PermissionDenied"
    assert "no control socket" not in " ".join(wrapped.texts(systemd, unit))
    systemd.stop(unit)
    assert systemd.run("ls", "-A", "/run/sdwd").stdout.split().count(unit) == 0


def test_without_the_folder_the_template_says_so_once_and_works(systemd, stage):
    systemd.run("sh", "-c", f"tar -C {stage} -c . | tar -C / -x --no-overwrite-dir --no-same-owner; rm -rf /run/sdwd")
    systemd.unit("sdwd@", next(stage.rglob("sdwd@.service")).read_text(encoding="utf-8"))
    unit = systemd.name("sdwd@unheard")
    systemd.write("/etc/sdwd/unheard.conf", f"heartbeat\ncommand = {BEATS}\n")
    systemd.start(unit)
    systemd.wait_state(unit, ActiveState="active", StatusText="healthy")
    said = [line for line in wrapped.texts(systemd, unit) if "control socket" in line]
    assert len(said) == 1 and said[0].startswith("no control socket: /run/sdwd: "), said


def test_a_pause_holds_the_watchdog_off_and_a_resume_does_not(systemd, watched, ask):
    unit = watched("paused")
    child = ask(unit, "GetStatus")["parameters"]["status"]["childPid"]
    assert ask(unit, "Pause") == {"parameters": {}}
    systemd.run("kill", "-STOP", child)
    begun = time.monotonic()
    while time.monotonic() - begun < 3 * W + 1:
        assert systemd.show(unit, "NRestarts", "ActiveState") == {"NRestarts": "0", "ActiveState": "active"}
        time.sleep(0.2)
    assert systemd.show(unit, "StatusText").startswith("paused; healthy")
    assert ask(unit, "Resume") == {"parameters": {}}
    systemd.wait_state(unit, NRestarts="1", ActiveState="active", StatusText="healthy", timeout=60)
    assert wrapped.has(systemd, unit, f"Watchdog timeout (limit {W}s)!"), systemd.describe(unit)
    said = {e.get("MESSAGE_ID"): e for e in systemd.journal(unit)}
    for number, text in (("d668b63aaab64a17a5e1c96517f37c9e", "paused by uid 0"),
                         ("c8cf7eea512e4af684b49dc2ba49f497", "resumed by uid 0")):
        assert text in said[number]["MESSAGE"]


def test_a_drill_ends_in_a_restart_by_the_watchdog(systemd, watched, ask):
    unit = watched("drilled")
    assert ask(unit, "Drill", probe="heartbeat") == {"parameters": {}}
    systemd.wait_state(unit, NRestarts="1", ActiveState="active", StatusText="healthy", timeout=60)
    assert wrapped.has(systemd, unit, f"Watchdog timeout (limit {W}s)!"), systemd.describe(unit)
    causes = [e["MESSAGE_ID"] for e in systemd.journal(unit) if e.get("SDWD_CAUSE") == "drill"]
    # The drill itself, and the edge to unhealthy.
    assert causes == ["eb080574c10e423188540bc5c1a014b2", "9b15d5d4eb1746eaa7aaa550408677e4"]
    assert ask(unit, "GetStatus")["parameters"]["status"]["probes"][0]["drilled"] is False, "the next one has no drill"
