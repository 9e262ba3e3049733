# SPDX-License-Identifier: MIT
"""What the tests here stand on: this is a real systemd, and it does what its manual says of a watchdog."""

import subprocess
import time
from pathlib import Path

import pytest

import private

# Pings every 100 ms while the file named first exists, then hangs; says READY=1 first.
PINGER = """#!/bin/sh
systemd-notify --ready
while [ -e "$1" ]; do systemd-notify WATCHDOG=1; sleep 0.1; done
exec sleep 1000
"""


def script(tmp_path, text):
    path = tmp_path / "service"
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_boots_as_pid_1(systemd):
    assert systemd.run("cat", "/proc/1/comm").stdout.strip() == "systemd"
    assert systemd.run("systemctl", "is-system-running").stdout.strip() == "running"
    assert systemd.run("busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                       "org.freedesktop.DBus.Peer", "Ping").returncode == 0


def test_machine_is_not_touched(systemd, tmp_path):
    systemd.write("/etc/sdwd-harness", "inside")
    assert not Path("/etc/sdwd-harness").exists()
    systemd.write(tmp_path / "shared", "both")
    assert (tmp_path / "shared").read_text() == "both"
    assert systemd.run("sh", "-c", "echo 1 >/proc/sys/vm/swappiness", check=False).returncode != 0
    assert Path(f"/proc/{systemd.pid}/ns/net").stat().st_ino != Path("/proc/self/ns/net").stat().st_ino


def test_project_and_build_are_there(systemd, build):
    """Wherever they lie, also below /tmp, which is another one inside; and only to be read."""
    for folder in {private.SCRIPT.parents[2]} | ({build} if build.exists() else set()):
        inside = set(systemd.run("ls", "-A", folder).stdout.split("\n")) - {""}
        assert inside == {path.name for path in folder.iterdir()}
        assert systemd.run("touch", folder / "written", check=False).returncode != 0


def test_failure_of_a_command_is_a_failure(systemd):
    with pytest.raises(AssertionError, match="exit 3"):
        systemd.run("sh", "-c", "echo why; exit 3")


def test_watchdog_aborts_and_restarts(systemd, tmp_path):
    alive = tmp_path / "alive"
    alive.touch()
    since = systemd.cursor()
    unit = systemd.unit("pinger", f"""
[Service]
Type=notify
NotifyAccess=all
ExecStart={script(tmp_path, PINGER)} {alive}
WatchdogSec=1
TimeoutAbortSec=2
""")
    systemd.start(unit)
    time.sleep(1.5)
    assert systemd.show(unit, "ActiveState") == "active", "pings keep it alive for longer than WatchdogSec="

    alive.unlink()
    state = systemd.wait_state(unit, ActiveState="failed", Result="watchdog", ExecMainStatus="6")
    assert state["Result"] == "watchdog"
    assert "Watchdog timeout (limit 1s)!" in " ".join(map(str, systemd.messages(unit, since)))

    alive.touch()
    systemd.write(f"/run/systemd/system/{unit}.d/restart.conf", "[Service]\nRestart=always\nRestartSec=100ms\n")
    systemd.daemon_reload()
    systemd.restart(unit)
    alive.unlink()
    systemd.wait_state(unit, NRestarts=lambda n: int(n) >= 1)
    alive.touch()
    systemd.wait_state(unit, ActiveState="active", SubState="running")


def test_journal(systemd):
    since = systemd.cursor()
    unit = systemd.unit("speaker", """
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo one; echo "<3>two"'
""")
    systemd.start(unit)
    systemd.wait_journal("two", unit, since)
    # What systemd and the service say comes to journald by two ways, so in no certain order.
    assert f"Starting {unit}..." in systemd.messages(unit, since), "none after the cursor is lost"
    said = {e["MESSAGE"]: e["PRIORITY"] for e in systemd.journal(unit, since) if e.get("_TRANSPORT") == "stdout"}
    assert said == {"one": "6", "two": "3"}
    later = systemd.cursor()
    assert systemd.journal(unit, later) == []


def test_unit_names_are_the_tests_own(systemd):
    assert systemd.name("web").startswith("web-") and systemd.name("web").endswith(".service")
    assert systemd.name("web.socket").endswith(".socket")
    assert systemd.name("web") == systemd.name("web")
    assert systemd.name(systemd.name("web")) == systemd.name("web")
    assert systemd.name("sdwd@web").startswith("sdwd-") and "@web.service" in systemd.name("sdwd@web")


@pytest.mark.parametrize("turn", ["leaves", "finds"])
def test_units_do_not_outlive_their_test(systemd, turn):
    units = systemd.systemctl("list-units", "--all", "--plain", "--no-legend", "stayer-*").stdout
    assert units == "", f"{turn}: of an earlier test: {units}"
    unit = systemd.unit("stayer", """
[Service]
ExecStart=/bin/sh -c 'trap "" TERM; while :; do sleep 1; done'
TimeoutStopSec=1
""")
    systemd.start(unit)
    assert systemd.show(unit, "ActiveState") == "active"


def test_two_at_once_do_not_meet(systemd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("second")
    other = private.Private(folder)
    try:
        groups = Path(f"/proc/{other.pid}/cgroup").read_text(), Path(f"/proc/{systemd.pid}/cgroup").read_text()
        assert groups[0] != groups[1]
        unit = systemd.unit("only-here", "[Service]\nExecStart=/bin/sleep 1000\n")
        systemd.start(unit)
        assert other.run("systemctl", "is-active", unit, check=False).stdout.strip() == "inactive"
    finally:
        other.close()
    assert not Path(f"/proc/{other.pid}").exists()
    with pytest.raises(AssertionError):
        other.run("true")
    assert systemd.show(unit, "ActiveState") == "active"


def test_ends_with_whoever_started_it(tmp_path_factory):
    """Killed tests leave no systemd behind: it ends at the end of its stdin."""
    folder = tmp_path_factory.mktemp("orphan")
    keeper = subprocess.Popen([str(private.SCRIPT), "boot", str(folder)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    pid = int(keeper.stdout.readline().split()[1])
    assert Path(f"/proc/{pid}/comm").read_text().strip() == "systemd"
    keeper.stdin.close()
    assert keeper.wait(30) == 0
    keeper.stdout.close()
    assert not Path(f"/proc/{pid}").exists()
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()


def test_refuses_with_a_reason(tmp_path):
    """What cannot boot says why, and the fixture makes a failure of it."""
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", str(private.SCRIPT), "boot", str(tmp_path)],
                          capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert done.stderr.startswith("private-systemd: must be root")
