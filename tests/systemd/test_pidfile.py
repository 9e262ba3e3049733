# SPDX-License-Identifier: MIT
"""Daemons that fork away: which process is supervised, what its end is to systemd, and which pidfile is believed."""

from pathlib import Path

import pytest

import daemons
import wrapped

AWAY = Path(__file__).resolve().parent / "away.py"
W = 2
KINDS = ["nginx", "postgres"]


@pytest.fixture(autouse=True)
def clusters(systemd, own_units):
    yield
    daemons.forget(systemd)


def signal(systemd, name, *pids):
    systemd.run("kill", f"-{name}", *pids)


def pid_in(systemd, path):
    """The first line of the file, seen from inside; '' where there is none."""
    lines = systemd.run("cat", path, check=False).stdout.split("\n")
    return lines[0].strip()


def processes_of(systemd, unit):
    """All of its control group, as text of numbers."""
    group = systemd.show(unit, "ControlGroup")
    return systemd.run("sh", "-c", f"cat /sys/fs/cgroup{group}/cgroup.procs 2>/dev/null", check=False).stdout.split()


def text_of(sdwd_path, daemon, options="", *lines):
    return wrapped.unit_text(f"{sdwd_path} --pidfile={daemon.pidfile} {options} -- {daemon.command}",
                             f"WatchdogSec={W}", *daemon.lines, *lines)


@pytest.mark.option("pidfile")
@pytest.mark.option("on-unhealthy")
@pytest.mark.parametrize("kind", KINDS)
def test_daemon_is_adopted_and_its_end_is_told(systemd, sdwd_path, tmp_path, kind):
    stems = "withhold", "trigger", "kill", "stop"
    made = {stem: daemons.make(systemd, kind, stem, tmp_path, 20200 + n) for n, stem in enumerate(stems)}
    units = wrapped.start_all(systemd, {
        stem: text_of(sdwd_path, made[stem], "--on-unhealthy=trigger" if stem == "trigger" else "",
                      "Restart=on-failure" if stem == "kill" else "") for stem in stems})
    pids = {}
    for stem, unit in units.items():
        systemd.wait_state(unit, ActiveState="active", StatusText="healthy")
        pids[stem] = wrapped.adopted(systemd, unit)
        assert str(pids[stem]) == pid_in(systemd, made[stem].pidfile), systemd.describe(unit)
        assert wrapped.has(systemd, unit, "ready after "), systemd.describe(unit)
        # The launcher is gone: the main process is sdwd, the daemon's other processes are in its group.
        assert str(pids[stem]) in processes_of(systemd, unit) and systemd.show(unit, "MainPID") != str(pids[stem])
    signal(systemd, "STOP", pids["withhold"], pids["trigger"])
    signal(systemd, "KILL", pids["kill"])
    systemd.stop(units["stop"])

    systemd.wait_state(units["stop"], ActiveState="inactive", Result="success")
    lines = wrapped.texts(systemd, units["stop"])
    assert not any("SIGKILL" in line or "Killing" in line or "Failed" in line for line in lines), "\n".join(lines)
    assert pid_in(systemd, made["stop"].pidfile) == "", "it ended in order, and removed its file"
    assert processes_of(systemd, units["stop"]) == []

    unit = units["kill"]
    systemd.wait_state(unit, NRestarts="1", ActiveState="active", StatusText="healthy")
    assert f"{unit}: Failed with result 'signal'." in wrapped.texts(systemd, unit), systemd.describe(unit)
    assert wrapped.has(systemd, unit, "the service was killed by SIGKILL"), systemd.describe(unit)
    assert wrapped.has(systemd, unit, "Main process exited, code=killed, status=9/KILL"), systemd.describe(unit)
    assert wrapped.adopted(systemd, unit, 2) != pids["kill"]

    for stem in "withhold", "trigger":
        systemd.wait_state(units[stem], ActiveState="failed", Result="watchdog")
        assert str(pids[stem]) not in processes_of(systemd, units[stem]), systemd.describe(units[stem])
        assert wrapped.has(systemd, units[stem], "the service was killed by SIGABRT"), systemd.describe(units[stem])
    # Its lease is W, as systemd's own timer: either may be first.
    assert wrapped.has(systemd, units["withhold"], f"Watchdog timeout (limit {W}s)!")
    lines = wrapped.texts(systemd, units["trigger"])
    assert any("Watchdog timeout (limit" in line or "Watchdog request (last status: unhealthy: p" in line
               for line in lines), "\n".join(lines)
    # The lease of the pidfile ends with that of the process, and either may be named: the cause is the same.
    for stem in "withhold", "trigger":
        for entry in systemd.journal(units[stem]):
            if str(entry["MESSAGE"]).startswith("unhealthy: "):
                assert entry["SDWD_PROBE"] in ("process", "pidfile") and entry["SDWD_CAUSE"] == "stopped", entry


@pytest.mark.option("pidfile")
def test_nginx_upgrade_moves_supervision_there_and_back(systemd, sdwd_path, tmp_path):
    there, back = (daemons.Nginx(systemd, tmp_path / stem, port) for stem, port in (("there", 20210), ("back", 20211)))
    units = wrapped.start_all(systemd, {"there": text_of(sdwd_path, there), "back": text_of(sdwd_path, back)})
    old = {stem: wrapped.adopted(systemd, unit) for stem, unit in units.items()}
    signal(systemd, "USR2", *old.values())
    new = {stem: wrapped.adopted(systemd, unit, 2) for stem, unit in units.items()}
    for stem, daemon in ("there", there), ("back", back):
        assert new[stem] != old[stem] and pid_in(systemd, daemon.pidfile) == str(new[stem])

    # The old one goes: nothing happens to the service.
    signal(systemd, "QUIT", old["there"])
    # The new one goes: the old one takes its name and its place again.
    signal(systemd, "KILL", new["back"])
    assert wrapped.adopted(systemd, units["back"], 3) == old["back"], systemd.describe(units["back"])
    wrapped.wait_for(lambda: str(old["there"]) not in processes_of(systemd, units["there"]), "the old one stays")
    pinged = {stem: int(systemd.show(unit, "WatchdogTimestampMonotonic")) for stem, unit in units.items()}
    for stem, unit in units.items():
        systemd.wait_state(unit, ActiveState="active", StatusText="healthy", NRestarts="0",
                           WatchdogTimestampMonotonic=lambda at, stem=stem: int(at) > pinged[stem] + W * 1.2e6)
    # And it is really these that are supervised.
    signal(systemd, "KILL", new["there"], old["back"])
    for unit in units.values():
        systemd.wait_state(unit, ActiveState="failed", Result="signal", ExecMainStatus="9")


@pytest.mark.option("http")
def test_workers_that_hang_are_seen_by_http(systemd, sdwd_path, tmp_path):
    nginx = daemons.Nginx(systemd, tmp_path / "web", 20220)
    unit = systemd.unit("web", text_of(sdwd_path, nginx, f"--http={nginx.url}"))
    systemd.start(unit)
    master = wrapped.adopted(systemd, unit)
    workers = systemd.run("pgrep", "-P", master).stdout.split()
    assert len(workers) == 2
    systemd.wait_state(unit, StatusText="healthy")
    signal(systemd, "STOP", *workers)
    systemd.wait_state(unit, ActiveState="failed", Result="watchdog")
    verdict = systemd.wait_journal("unhealthy: http: ", unit)
    assert (verdict["SDWD_PROBE"], verdict["SDWD_CAUSE"]) == ("http", "read-timeout"), systemd.describe(unit)
    assert processes_of(systemd, unit) == []


@pytest.mark.option("pidfile-timeout")
def test_a_pidfile_that_cannot_be_believed_is_refused_with_its_reason(systemd, sdwd_path, tmp_path):
    foreign = systemd.unit("foreign", "[Service]\nExecStart=/bin/sleep 3600\n")
    systemd.start(foreign)
    pid = systemd.show(foreign, "MainPID")
    reasons = {"number": (f" {pid}", "it names a process that sdwd did not start"),
               "link": ("", "it cannot be read")}
    units = wrapped.start_all(systemd, {
        kind: wrapped.unit_text(f"{sdwd_path} --pidfile={tmp_path}/{kind} --pidfile-timeout=1s -- "
                                f"{AWAY} {kind} {tmp_path}/{kind}{more}", f"WatchdogSec={W}")
        for kind, (more, _) in reasons.items()}, wait=False)
    for kind, (_, reason) in reasons.items():
        state = systemd.wait_state(units[kind], ActiveState="failed", Result="exit-code", ExecMainStatus="125",
                                   StatusText=lambda text: "--pidfile" in text)
        said = f"--pidfile={tmp_path}/{kind} names no daemon within 1s (--pidfile-timeout): {reason}"
        assert state["StatusText"].startswith(said), state
        assert wrapped.has(systemd, units[kind], said), systemd.describe(units[kind])
        assert not wrapped.has(systemd, units[kind], "supervising pid"), systemd.describe(units[kind])
        assert processes_of(systemd, units[kind]) == []
    assert systemd.show(foreign, "MainPID") == pid and systemd.show(foreign, "ActiveState") == "active"


@pytest.mark.option("pidfile")
def test_a_daemon_that_dies_before_its_file_is_read_keeps_its_status(systemd, sdwd_path, tmp_path):
    unit = systemd.unit("dies", wrapped.unit_text(
        f"{sdwd_path} --pidfile={tmp_path}/pid -- {AWAY} dies {tmp_path}/pid 7", f"WatchdogSec={W}"))
    systemd.start(unit, check=False)
    systemd.wait_state(unit, ActiveState="failed", Result="exit-code", ExecMainStatus="7")
    assert wrapped.has(systemd, unit, "has ended already"), systemd.describe(unit)


@pytest.mark.option("pidfile")
def test_a_pidfile_rewritten_to_a_foreign_process_moves_nothing(systemd, sdwd_path, tmp_path):
    foreign = systemd.unit("foreign", "[Service]\nExecStart=/bin/sleep 3600\n")
    systemd.start(foreign)
    file = tmp_path / "pid"
    unit = systemd.unit("own", wrapped.unit_text(f"{sdwd_path} --pidfile={file} -- {AWAY} alone {file}",
                                                 f"WatchdogSec={W}"))
    systemd.start(unit)
    own = wrapped.adopted(systemd, unit)
    file.write_text(systemd.show(foreign, "MainPID") + "\n")
    pinged = int(systemd.show(unit, "WatchdogTimestampMonotonic"))
    systemd.wait_state(unit, ActiveState="active",
                       WatchdogTimestampMonotonic=lambda at: int(at) > pinged + W * 1.2e6)
    signal(systemd, "KILL", own)
    systemd.wait_state(unit, ActiveState="failed", Result="signal", ExecMainStatus="9")
    assert wrapped.has(systemd, unit, "the service was killed by SIGKILL"), systemd.describe(unit)
    assert sum(line.startswith("supervising pid") for line in wrapped.texts(systemd, unit)) == 1
    assert systemd.show(foreign, "ActiveState") == "active"


@pytest.mark.option("forking")
def test_forking_supervises_the_one_that_remains(systemd, sdwd_path, tmp_path):
    units = wrapped.start_all(systemd, {
        f"{n}-left": wrapped.unit_text(f"{sdwd_path} --forking -- {AWAY} several {n}", f"WatchdogSec={W}")
        for n in (0, 1, 3)}, wait=False)
    one = units["1-left"]
    systemd.wait_state(one, ActiveState="active", StatusText="healthy")
    pid = wrapped.adopted(systemd, one)
    for n, count in ((0, "no process"), (3, "several processes")):
        state = systemd.wait_state(units[f"{n}-left"], ActiveState="failed", Result="exit-code", ExecMainStatus="125",
                                   StatusText=lambda text: "--pidfile=PATH" in text)
        assert state["StatusText"].startswith(f"--forking: {count} remained"), state
        assert wrapped.has(systemd, units[f"{n}-left"], state["StatusText"].partition("; stopping: ")[0])
        assert processes_of(systemd, units[f"{n}-left"]) == []
    signal(systemd, "TERM", pid)
    systemd.wait_state(one, ActiveState="inactive", Result="success")
    assert wrapped.has(systemd, one, "the service was killed by SIGTERM"), systemd.describe(one)
