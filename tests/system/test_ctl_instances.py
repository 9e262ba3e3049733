# SPDX-License-Identifier: MIT
"""sdwdctl and real instances of sdwd."""

import json
import os
import shutil
import signal

from ctl import ctl  # pylint: disable=unused-import
from puppet import wait_until

NOBODY = 65534
BEATS = ["sh", "-c", 'while :; do echo >&"$SDWD_HEARTBEAT_FD"; sleep 0.1; done']

# pylint: disable=redefined-outer-name


def start(sdwd, ctl, label, *options, **keywords):
    return sdwd(f"--label={label}", *options, env={"XDG_RUNTIME_DIR": ctl.user_folder}, **keywords)


def status_of(ctl, label):
    """What it answers, or {}."""
    found = json.loads(ctl("status", "--json", label).stdout)
    return found[0] if found else {}


def wait_status(ctl, label, **fields):
    return wait_until(lambda: fields.items() <= status_of(ctl, label).items(), f"{label} with {fields}", 60)


def as_nobody(ctl):
    """preexec= for sdwdctl; it and the folders can be reached then."""
    shutil.copy(ctl.binary, ctl.user_folder / "sdwdctl")
    ctl.binary = ctl.user_folder / "sdwdctl"
    for folder in (ctl.user_folder, ctl.user_folder.parent):
        folder.chmod(0o755)

    def become():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    return become


def test_what_instances_say(sdwd, ctl, tmp_path):
    good = tmp_path / "good"
    good.touch()
    start(sdwd, ctl, "beats", "--heartbeat", command=BEATS)
    start(sdwd, ctl, "process-only")
    start(sdwd, ctl, "ill", f"--exec=test -e {good}", "--name=check", "--interval=50ms", "--fall=2", "--on-unhealthy=warn",
          notify=False)
    wait_status(ctl, "beats", state="running")
    wait_status(ctl, "process-only", state="running")
    wait_status(ctl, "ill", state="running")
    good.unlink()
    wait_status(ctl, "ill", state="unhealthy", culprit="check")
    done = ctl("status")
    rows = [line.split() for line in done.lines[1:] if not line.startswith(" ")]
    assert [row[0] for row in rows] == ["ill", "beats", "process-only"]
    assert rows[0][2] == rows[0][4] == "unhealthy"
    assert rows[0][5:7] == ["check", "exit-code"]
    assert rows[0][-1].endswith("××")
    assert rows[1][4:8] == ["healthy", "heartbeat", "ok", "-"]
    assert rows[2][4:] == ["healthy", "process", "running", "-", "-"]
    assert done.lines[2].startswith("  unhealthy: check: ")
    assert (done.returncode, done.stderr) == (1, "")
    assert ctl("status", "beats", "process-only").returncode == 0


def test_a_pause_is_shown_and_ends_by_itself(sdwd, ctl, manager):
    start(sdwd, ctl, "web", "--exec=true", "--interval=50ms", watchdog=5)
    wait_status(ctl, "web", state="running")
    assert ctl("pause", "web").stdout == "web: paused until: sdwdctl resume web\n"
    assert " paused " in ctl("status").lines[1]
    assert ctl("drill", "web", "exec").returncode == 1
    assert ctl("resume", "web").stdout == "web: resumed\n"
    assert not status_of(ctl, "web")["paused"]
    assert ctl("pause", "web", "--for=300ms").stdout == "web: paused for 300ms\n"
    wait_status(ctl, "web", paused=False)


def test_a_drill_is_taken_back(sdwd, ctl):
    web = start(sdwd, ctl, "web", "--exec=true", "--name=check", "--interval=50ms", "--on-unhealthy=warn", notify=False)
    wait_status(ctl, "web", state="running")
    assert ctl("drill", "web", "chekc").stderr == "sdwdctl: drill: web: no probe 'chekc'; there are: check\n"
    assert ctl("drill", "web", "check").returncode == 0
    wait_status(ctl, "web", state="unhealthy", culprit="check")
    done = ctl("status")
    assert "drill" in done.lines[1].split()
    assert done.returncode == 1
    ctl("resume", "web")
    wait_status(ctl, "web", state="running", health="healthy")
    assert web.is_running()


def test_a_drill_leads_to_the_end(sdwd, ctl):
    web = start(sdwd, ctl, "web", "--exec=true", "--name=check", "--interval=50ms", notify=False)
    wait_status(ctl, "web", state="running")
    ctl("drill", "web", "check")
    assert web.wait() == 124


def test_other_users_read_and_change_nothing(sdwd, ctl):
    start(sdwd, ctl, "web", "--exec=true", "--interval=50ms")
    wait_status(ctl, "web", state="running")
    nobody = as_nobody(ctl)
    done = ctl("status", preexec=nobody)
    assert done.lines[1].split()[:5] == ["web", "-", "running", done.lines[1].split()[3], "healthy"]
    assert (done.returncode, done.stderr) == (0, "")
    for words in (("pause", "web"), ("resume", "web"), ("drill", "web", "exec")):
        done = ctl(*words, preexec=nobody)
        assert done.stderr == f"sdwdctl: {words[0]}: web: permission denied: only root may\n"
        assert done.returncode == 1
    assert not status_of(ctl, "web")["paused"]


def test_one_that_hangs_and_one_that_was_killed(sdwd, ctl):
    web, db = start(sdwd, ctl, "web"), start(sdwd, ctl, "db")
    wait_status(ctl, "web", state="running")
    wait_status(ctl, "db", state="running")
    web.signal(signal.SIGSTOP)
    done = ctl("status", "--timeout=500ms")
    assert done.stderr == f"sdwdctl: status: {ctl.user_folder}/sdwd/web: no answer in time\n"
    assert (len(done.lines), done.returncode) == (2, 1)
    web.signal(signal.SIGCONT)
    assert len(ctl("status").lines) == 3
    db.kill()
    # Its socket is left behind, and nobody speaks of it.
    assert (ctl.user_folder / "sdwd" / "db").exists()
    done = ctl("status")
    assert (len(done.lines), done.returncode, done.stderr) == (2, 0, "")


def test_watch_follows_an_instance(sdwd, ctl, tmp_path):
    shown = ctl.on_terminal("watch")
    shown.wait("0 services")
    good = tmp_path / "good"
    good.touch()
    web = start(sdwd, ctl, "web", f"--exec=test -e {good}", "--name=check", "--interval=50ms", "--on-unhealthy=warn",
                notify=False)
    shown.wait("1 service, 0 unwell")
    good.unlink()
    screen = shown.wait("1 service, 1 unwell")
    assert "×××" in screen
    good.touch()
    shown.wait("1 service, 0 unwell")
    web.terminate()
    shown.wait("0 services")
    shown.type("q")
    assert shown.wait_end() == 0
