# SPDX-License-Identifier: MIT
"""sdwd@.service as it is installed: systemd finds nothing wrong with it, and an instance of it is watched for real."""

import os
import re
import subprocess

import pytest

import wrapped

# Beats until the file "hang" is there, and tells what it is and where it may write.
BEATS = """\
# Written for sdwd@%s
heartbeat
    silence = 1s
command = /bin/sh -c 'echo "uid $(id -u)"; grep -E "^(NoNewPrivs|CapBnd):" /proc/self/status; \\
    echo mine >$STATE_DIRECTORY/file && echo "wrote $STATE_DIRECTORY"; \\
    for f in /etc/x /usr/x /opt/x /var/x /run/x; do (echo >$f) 2>/dev/null && echo "wrote $f"; done; \\
    while test ! -e %s; do echo >&$SDWD_HEARTBEAT_FD; sleep 0.2; done; sleep 1000'
"""


@pytest.fixture(scope="module")
def stage(build, tmp_path_factory):
    """What an install puts where, below a folder of its own."""
    folder = tmp_path_factory.mktemp("stage")
    done = subprocess.run(["cmake", "--install", build], env=os.environ | {"DESTDIR": str(folder)}, timeout=120,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def template(systemd, stage):
    """The unit under a name of this test's; what it needs is installed inside. Returns a maker of instances."""
    # Folders that are there keep their modes.
    systemd.run("sh", "-c", f"tar -C {stage} -c . | tar -C / -x --no-overwrite-dir --no-same-owner")
    text = next(stage.rglob("sdwd@.service")).read_text(encoding="utf-8")
    systemd.unit("sdwd@", text)

    def instance(name, config, drop_in=""):
        """An instance with that file of options; its name is also the file's. Returns the unit's name."""
        unit = systemd.name(f"sdwd@{name}")
        if config is not None:
            systemd.write(f"/etc/sdwd/{name}.conf", config)
        if drop_in:
            systemd.write(f"/run/systemd/system/{unit}.d/test.conf", f"[Service]\n{drop_in}\n")
            systemd.daemon_reload()
        return unit

    return instance


def test_it_is_installed_where_systemd_finds_it(systemd, stage, template):
    units = list(stage.rglob("sdwd@.service"))
    assert len(units) == 1, "one unit, and nothing of it that was not configured"
    assert "@BINDIR@" not in units[0].read_text(encoding="utf-8")
    systemd.daemon_reload()
    shown = systemd.systemctl("cat", "sdwd@web.service").stdout
    assert shown.startswith(f"# /{units[0].relative_to(stage)}\n")
    binary = re.search(r"^ExecStart=(\S+) --config=/etc/sdwd/%i\.conf$", shown, re.MULTILINE)[1]
    assert os.access(stage / binary.lstrip("/"), os.X_OK)
    for page in ("man1/sdwd.1", "man5/sdwd.conf.5", "man7/sdwd-probes.7", "man7/sdwd-recipes.7"):
        assert len(list(stage.rglob(page))) == 1
    example = re.search(r"\S+/examples/web\.conf", shown)[0]
    assert (stage / example.lstrip("/")).is_file()


def test_systemd_has_nothing_to_say_against_it(systemd, template):
    systemd.daemon_reload()
    # --man=no: the pages are not where man(1) looks.
    done = systemd.run("systemd-analyze", "verify", "--man=no", "sdwd@web.service", check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_it_leaves_open(systemd, template):
    """The verdict of systemd-analyze: of what is open, each has its reason in the unit's comments."""
    unit = template("open", BEATS % ("open", "/nowhere"))
    systemd.start(unit)
    assert systemd.show(unit, "Type", "NotifyAccess", "KillMode", "WatchdogUSec", "Restart") == {
        "Type": "notify", "NotifyAccess": "main", "KillMode": "mixed", "WatchdogUSec": "30s", "Restart": "on-failure"}
    said = systemd.run("systemd-analyze", "security", "--no-pager", unit).stdout
    print(said)
    exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)[1])
    assert exposure < 3, said


@pytest.mark.option("config")
def test_an_instance_is_active_hangs_and_is_restarted(systemd, stage, template):
    """With the file that is shipped as an example; only the watchdog is a shorter one."""
    example = next(stage.rglob("examples/web.conf")).read_text(encoding="utf-8")
    unit = template("web", example, "WatchdogSec=2s\nRestartSec=100ms")
    systemd.start(unit)
    systemd.wait_state(unit, ActiveState="active", StatusText="healthy", NRestarts="0")
    group = systemd.show(unit, "ControlGroup")
    pids = systemd.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").stdout.split()
    assert len(pids) == 2, pids
    child = next(pid for pid in pids if pid != systemd.show(unit, "MainPID"))
    assert "http.server" in systemd.run("cat", f"/proc/{child}/cmdline").stdout

    systemd.run("kill", "-STOP", child)
    systemd.wait_state(unit, NRestarts="1", ActiveState="active", StatusText="healthy", timeout=60)
    assert wrapped.has(systemd, unit, "Watchdog timeout (limit 2s)!"), systemd.describe(unit)
    assert wrapped.has(systemd, unit, "Failed with result 'watchdog'."), systemd.describe(unit)
    systemd.stop(unit)
    assert systemd.show(unit, "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}


def test_the_child_runs_locked_in(systemd, template):
    unit = template("locked", BEATS % ("locked", "/nowhere"))
    systemd.start(unit)
    systemd.wait_journal("wrote ", unit)
    entries = [e for e in systemd.journal(unit) if e.get("SYSLOG_IDENTIFIER") == "locked"]
    said = [e["MESSAGE"].split() for e in entries]
    uid = int(said[0][1])
    assert 61184 <= uid <= 65519, "a dynamic user"
    assert ["NoNewPrivs:", "1"] in said and ["CapBnd:", "0" * 16] in said
    assert [words for words in said if words[0] == "wrote"] == [["wrote", "/var/lib/sdwd-locked"]]


def test_the_umask_closes_no_folder_to_the_child(stage):
    """Up to systemd 249 what is above a folder of a dynamic user is made as the unit's own UMask= says, and is root's."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in stage.rglob("*.service")}
    closed = {name: text for name, text in texts.items() if re.search(r"^UMask=\d*[1357]$", text, re.M)}
    assert "sdwd@.service" in closed
    for name, text in closed.items():
        folders = re.findall(r"^(?:State|Cache|Logs|Runtime)Directory=(.*)$", text, re.M)
        assert not [folder for folder in folders if "/" in folder], name


@pytest.mark.parametrize("drop_in, expected", [
    ("DynamicUser=no\nUser=nobody", ["uid 65534"]),
    ("DynamicUser=no\nReadWritePaths=/var /etc", ["uid 0", "wrote /etc/x", "wrote /var/x"]),
    ("CapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE",
     ["CapBnd:\t0000000000000400"]),
], ids=["user", "root", "capability"])
def test_what_is_loosened_is_loose(systemd, template, drop_in, expected):
    unit = template("loose", BEATS % ("loose", "/nowhere"), drop_in)
    systemd.start(unit)
    systemd.wait_state(unit, ActiveState="active", StatusText="healthy")
    for line in expected:
        assert line in wrapped.texts(systemd, unit), systemd.describe(unit)


@pytest.mark.option("config")
def test_a_wrong_file_is_told_once_and_not_tried_again(systemd, template):
    bad = template("bad", "heartbeat\n  fall = 3\nfoo = 1\ncommand = true\n")
    missing = template("missing", None)
    for unit in (bad, missing):
        systemd.start(unit, check=False)
        systemd.wait_state(unit, ActiveState="failed", Result="exit-code", ExecMainStatus="125", NRestarts="0")
    said = wrapped.texts(systemd, bad)
    assert "sdwd: /etc/sdwd/bad.conf:2: fall: '3': not an option of --heartbeat" in said
    assert "sdwd: /etc/sdwd/bad.conf:3: unknown option 'foo'" in said
    assert "sdwd: --config: '/etc/sdwd/missing.conf': No such file or directory" in wrapped.texts(systemd, missing)
