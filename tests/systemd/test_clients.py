# SPDX-License-Identifier: MIT
"""Programs that speak sd_notify, by the ways that they use, under sdwd --notify in units of all kinds."""

from pathlib import Path

import pytest

import wrapped

SPEAKS = Path(__file__).resolve().parent / "speaks.py"
W = 2

# systemd-notify(1), as root, speaks in the name of the shell that called it; its barrier comes from itself.
SHELL = """#!/bin/sh
systemd-notify --ready --status="at work, by systemd-notify" || exit 9
while :; do
	[ -e "$1/silent" ] || systemd-notify WATCHDOG=1 || exit 9
	sleep 0.1
done
"""

# Says where its NOTIFY_SOCKET is, and who it runs as.
PLACE = """#!/usr/bin/python3
import os, socket, time
address = os.environ["NOTIFY_SOCKET"]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.connect(address.replace("@", "\\0", 1))
    s.sendall(f"READY=1\\nSTATUS={address} {os.getuid()}".encode())
while True:
    time.sleep(3600)
"""


def clients(tmp_path):
    """Commands by client, each with a folder of its own."""
    shell = wrapped.script(tmp_path, "shell", SHELL)
    folders = {name: tmp_path / name for name in ("sdnotify", "libsystemd", "systemd-notify")}
    for folder in folders.values():
        folder.mkdir()
    commands = {name: f"{SPEAKS} {name} {folder}" for name, folder in folders.items()}
    commands["systemd-notify"] = f"{shell} {folders['systemd-notify']}"
    return commands, folders


@pytest.mark.option("notify")
def test_each_client_is_heard(systemd, sdwd_path, tmp_path):
    commands, folders = clients(tmp_path)
    units = wrapped.start_all(systemd, {
        name: wrapped.unit_text(f"{sdwd_path} --notify -- {command}", f"WatchdogSec={W}")
        for name, command in commands.items()})
    begin = {}
    for name, unit in units.items():
        state = systemd.wait_state(unit, ActiveState="active", StatusText=f"at work, by {name}", NotifyAccess="main",
                                   WatchdogTimestampMonotonic=lambda at: int(at) > 0)
        begin[name] = int(state["WatchdogTimestampMonotonic"])
    # They live by their pings, longer than W.
    for name, unit in units.items():
        systemd.wait_state(unit, ActiveState="active", NRestarts="0",
                           WatchdogTimestampMonotonic=lambda at, name=name: int(at) > begin[name] + W * 1.5e6)
    for folder in folders.values():
        (folder / "silent").touch()
    for name, unit in units.items():
        systemd.wait_state(unit, ActiveState="failed", Result="watchdog")
        verdict = systemd.wait_journal("unhealthy: notify: ", unit)
        assert (verdict["SDWD_PROBE"], verdict["SDWD_CAUSE"]) == ("notify", "silent"), systemd.describe(unit)
        lines = wrapped.texts(systemd, unit)
        assert not any("reception only permitted" in line or "refused" in line for line in lines), "\n".join(lines)


@pytest.mark.parametrize("way", ["sdnotify", "libsystemd"])
def test_G11_errno_reload_and_stored_fds(systemd, sdwd_path, tmp_path, way):
    unit = systemd.unit("speaks", wrapped.unit_text(
        f"{sdwd_path} --notify -- {SPEAKS} {way} {tmp_path}", f"WatchdogSec={W}", "FileDescriptorStoreMax=3",
        "Restart=on-failure", "ExecReload=/bin/kill -HUP $MAINPID"))
    systemd.start(unit)
    systemd.wait_state(unit, StatusText=f"at work, by {way}", StatusErrno="0")
    (tmp_path / "errno").touch()
    systemd.wait_state(unit, StatusText="no such file", StatusErrno="2")

    # The reload takes as long as the child says.
    systemd.systemctl("reload", "--no-block", unit)
    state = systemd.wait_state(unit, ActiveState="reloading", WatchdogTimestampMonotonic=lambda at: int(at) > 0,
                               StatusText=lambda text: text.startswith("reloading"))
    # It lasts longer than W, and the pings go on.
    pinged = int(state["WatchdogTimestampMonotonic"])
    systemd.wait_state(unit, ActiveState="reloading", WatchdogTimestampMonotonic=lambda at: int(at) > pinged + W * 1.2e6)
    (tmp_path / "reloaded").touch()
    systemd.wait_state(unit, ActiveState="active", StatusText="reloaded", ReloadResult="success")

    (tmp_path / "store").touch()
    systemd.wait_state(unit, NFileDescriptorStore="1")
    (tmp_path / "store").unlink()
    (tmp_path / "errno").unlink()
    systemd.run("pkill", "-KILL", "-x", SPEAKS.name)
    systemd.wait_state(unit, NRestarts="1", ActiveState="active", Result="success",
                       StatusText=f"got kept: kept from the first run, by {way}")
    assert f"{unit}: Failed with result 'signal'." in wrapped.texts(systemd, unit), systemd.describe(unit)


def test_the_relay_finds_a_place_in_each_unit(systemd, sdwd_path, tmp_path):
    name = {stem: systemd.name(stem) for stem in ("runtime", "dynamic")}
    sdwd, place = wrapped.install(systemd, sdwd_path, wrapped.script(tmp_path, "place", PLACE))
    settings = {
        "plain": ["Environment=LANG=C"],
        "runtime": [f"RuntimeDirectory={name['runtime']}"],
        "user": ["User=daemon"],
        "dynamic": ["DynamicUser=yes", f"RuntimeDirectory={name['dynamic']}"],
        "dynamic-bare": ["DynamicUser=yes"],
        "private-tmp": ["PrivateTmp=yes", "ProtectSystem=strict", "User=daemon"],
        "read-only": ["ProtectSystem=strict", "ProtectHome=yes", "User=daemon", "ReadOnlyPaths=/tmp /var/tmp /run"],
    }
    places = {"runtime": f"/run/{name['runtime']}/", "dynamic": f"/run/{name['dynamic']}/", "read-only": "@",
              "private-tmp": "/tmp/"}
    units = wrapped.start_all(systemd, {
        stem: wrapped.unit_text(f"{sdwd} --notify -- {place}", f"WatchdogSec={W}", *lines)
        for stem, lines in settings.items()}, wait=False)
    found = {}
    for stem, unit in units.items():
        state = systemd.wait_state(unit, ActiveState="active", NotifyAccess="main",
                                   StatusText=lambda text: text.startswith(("/", "@")))
        found[stem] = state["StatusText"].split()
    for stem, (address, uid) in found.items():
        assert address.startswith(places.get(stem, ("/run/sdwd/", "/tmp/"))), found
        assert (uid == "0") == (stem in ("plain", "runtime")), found
        assert not wrapped.has(systemd, units[stem], "refused"), systemd.describe(units[stem])
    # Nothing of it is left afterwards.
    folder = str(Path(found["plain"][0]).parent)
    assert systemd.run("test", "-d", folder, check=False).returncode == 0
    systemd.systemctl("stop", *units.values())
    for unit in units.values():
        systemd.wait_state(unit, ActiveState="inactive", Result="success")
    assert systemd.run("test", "-e", folder, check=False).returncode == 1


@pytest.mark.option("notify-access")
def test_a_child_of_another_user_reaches_the_relay_of_root(systemd, sdwd_path, tmp_path):
    """And systemd-notify of an ordinary user speaks in its own name: that needs --notify-access=all."""
    sdwd, place = wrapped.install(systemd, sdwd_path, wrapped.script(tmp_path, "place", PLACE))
    drop = "setpriv --reuid=daemon --regid=daemon --clear-groups"
    systemd.write("/usr/local/libexec/says", "#!/bin/sh\nsystemd-notify --ready --status=said\nexec sleep 3600\n")
    systemd.run("chmod", "755", "/usr/local/libexec/says")
    units = wrapped.start_all(systemd, {
        "dropped": wrapped.unit_text(f"{sdwd} --notify -- {drop} {place}"),
        "all": wrapped.unit_text(f"{sdwd} --notify --notify-access=all -- {drop} /usr/local/libexec/says"),
        "main": wrapped.unit_text(f"{sdwd} --notify -- {drop} /usr/local/libexec/says")}, wait=False)
    systemd.wait_state(units["dropped"], ActiveState="active", StatusText=lambda text: text.endswith(" 1"))
    systemd.wait_state(units["all"], ActiveState="active", StatusText="said")
    entry = systemd.wait_journal("--notify-access=main", units["main"])
    assert "refused: only the child" in entry["MESSAGE"] and "--notify-access=all takes" in entry["MESSAGE"]
    assert systemd.show(units["main"], "ActiveState") == "activating"
