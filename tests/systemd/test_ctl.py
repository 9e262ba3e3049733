# SPDX-License-Identifier: MIT
"""sdwdctl under a real systemd: ten services, two of them unwell; and what another user may do."""

import json
import os

import pytest

import private
import wrapped
from terminal import Terminal

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture
def ctl(systemd, build):
    """ctl("status", ...) inside; ctl(..., as_user=NOBODY)."""
    def run(*words, as_user=()):
        return systemd.run("env", "LANG=C.UTF-8", *as_user, build / "sdwdctl", *words, check=False)

    run.binary = build / "sdwdctl"
    return run


def ten(systemd, sdwd_path, tmp_path):
    """Eight that are well, two that are not as soon as the file is gone; the units' names by stem."""
    good = tmp_path / "good"
    good.touch()
    tmp_path.chmod(0o755)
    units = {f"well{n}": wrapped.unit_text(f"{sdwd_path} --exec=/bin/true --interval=300ms -- /bin/sleep 1000",
                                          "WatchdogSec=30") for n in range(8)}
    units |= {f"ill{n}": wrapped.unit_text(
        f"{sdwd_path} --exec='/bin/test -e {good}' --name=check --interval=200ms --on-unhealthy=warn -- /bin/sleep 1000",
        "WatchdogSec=30") for n in range(2)}
    return wrapped.start_all(systemd, units), good


def rows(text):
    """Cells by label."""
    return {line.split()[0]: line.split() for line in text.splitlines()[1:] if line and not line.startswith(" ")}


def test_ten_services(systemd, sdwd_path, tmp_path, ctl):
    units, good = ten(systemd, sdwd_path, tmp_path)
    ill, well = sorted([units["ill0"], units["ill1"]]), sorted(units[f"well{n}"] for n in range(8))
    done = ctl("status", *units.values())
    assert (done.returncode, done.stderr) == (0, "")
    assert list(rows(done.stdout)) == sorted(units.values())

    shown = Terminal([str(private.SCRIPT), "exec", str(systemd.folder), "env", "LANG=C.UTF-8", str(ctl.binary), "watch",
                      *units.values()], dict(os.environ), columns=150, lines=50)
    try:
        shown.wait("10 services, 0 unwell")
        good.unlink()
        screen = shown.wait("10 services, 2 unwell")
        shown.type("q")
        assert shown.wait_end() == 0
    finally:
        shown.close()
    assert [line.split()[0] for line in screen.splitlines()[2:] if not line.startswith(" ")] == ill + well

    done = ctl("status", *units.values())
    assert (done.returncode, done.stderr) == (1, "")
    table = rows(done.stdout)
    assert list(table) == ill + well
    for unit in ill:
        # The label is the unit's name, and the unit is that of its cgroup.
        assert table[unit][:3] == [unit, unit, "unhealthy"]
        assert "unhealthy" in table[unit][3:] and {"check", "exit-code"} < set(table[unit])
    for unit in well:
        assert table[unit][:3] == [unit, unit, "running"]
    answers = json.loads(ctl("status", "--json", *units.values()).stdout)
    assert [answer["unit"] for answer in answers] == ill + well
    assert {answer["culprit"] for answer in answers[:2]} == {"check"}


def test_maintenance_and_other_users(systemd, sdwd_path, ctl):
    unit = wrapped.start_all(systemd, {"web": wrapped.unit_text(
        f"{sdwd_path} --exec=/bin/true --interval=300ms -- /bin/sleep 1000", "WatchdogSec=30")})["web"]
    short = unit.removesuffix(".service")
    assert ctl("pause", short, "--for=10min").stdout == f"{unit}: paused for 10min\n"
    systemd.wait_state(unit, StatusText=lambda text: text.startswith("paused for 10min"))
    assert " paused " in ctl("status", unit).stdout
    done = ctl("status", unit, as_user=NOBODY)
    assert (done.returncode, done.stderr) == (0, "")
    assert rows(done.stdout)[unit][1] == unit
    done = ctl("resume", unit, as_user=NOBODY)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"sdwdctl: resume: {unit}: permission denied: only root may\n"
    assert ctl("resume", unit).stdout == f"{unit}: resumed\n"
    systemd.wait_state(unit, StatusText="healthy")


def test_a_drill_shows_that_the_restart_happens(systemd, sdwd_path, ctl):
    unit = wrapped.start_all(systemd, {"web": wrapped.unit_text(
        f"{sdwd_path} --exec=/bin/true --interval=300ms -- /bin/sleep 1000", "WatchdogSec=2", "Restart=on-failure")})["web"]
    before = systemd.show(unit, "MainPID")
    assert ctl("drill", unit, "exec").returncode == 0
    systemd.wait_state(unit, NRestarts="1", ActiveState="active", MainPID=lambda pid: pid not in ("0", before))
    wrapped.wait_for(lambda: ctl("status", unit).returncode == 0, "healthy again")
    assert wrapped.has(systemd, unit, "Watchdog timeout")


def test_a_forged_socket_is_not_believed(systemd, sdwd_path, tmp_path, ctl):
    """Another user's unit that plays the server's."""
    web, evil = systemd.name("web"), systemd.name("evil")
    script = wrapped.script(tmp_path, "evil.py", f"""#!/usr/bin/python3
import json, os, socket, sys
unit = sys.argv[1]
with socket.socket(socket.AF_UNIX) as s:
    s.bind("/run/sdwd/{web}")
    s.listen(100)
    while True:
        c, _ = s.accept()
        c.recv(1000)
        status = {{"label": "{web}", "unit": unit, "pid": os.getpid(), "state": "running", "health": "healthy",
                  "process": "running", "probes": []}}
        c.sendall(json.dumps({{"parameters": {{"status": status}}}}).encode() + b"\\0")
        c.close()
""")
    [inside] = wrapped.install(systemd, script)
    systemd.run("mkdir", "-p", "-m", "1777", "/run/sdwd")
    for claim, reason in ((web, f"not believed: it says that it is of {web}, and process"),
                          (evil, f"not believed: it calls itself {web}, and process")):
        systemd.unit("evil", f"[Service]\nUser=nobody\nExecStart={inside} {claim}\n")
        systemd.start("evil")
        wrapped.wait_for(lambda: "no service under sdwd" not in ctl("status", web).stderr, "socket")
        done = ctl("status", web)
        assert (done.stdout, done.returncode) == ("", 3)
        assert reason in done.stderr and f"is of {evil}" in done.stderr
        systemd.stop("evil")
        systemd.run("rm", "-f", f"/run/sdwd/{web}")
