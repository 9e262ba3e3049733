# SPDX-License-Identifier: MIT
"""sdwd-metrics.service and its timer, as they are installed, under a real systemd."""

import os
import re
import subprocess

import pytest

import wrapped

PROM = "/var/lib/prometheus/node-exporter/sdwd.prom"

# An instance as sdwdctl sees it: a socket, and one answer to each question.
ANSWERS = """
import json, os, socket
os.makedirs("/run/sdwd", exist_ok=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind("/run/sdwd/" + os.environ.get("SOCKET", os.environ["LABEL"]))
listener.listen()
status = {"label": os.environ["LABEL"], "unit": os.environ["LABEL"], "pid": os.getpid(), "state": "unhealthy",
          "health": "unhealthy", "pings": 7, "probes": []}
while True:
    peer = listener.accept()[0]
    peer.recv(65536)
    peer.sendall(json.dumps({"parameters": {"status": status}}).encode() + bytes(1))
    peer.close()
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
def units(systemd, stage):
    """Both units under names of this test's; the programs are installed inside. Returns the names."""
    systemd.run("sh", "-c", f"tar -C {stage} -c . | tar -C / -x --no-overwrite-dir --no-same-owner")
    systemd.run("mkdir", "-p", os.path.dirname(PROM))
    systemd.run("rm", "-f", PROM)
    names = []
    for kind in ("service", "timer"):
        text = next(stage.rglob(f"sdwd-metrics.{kind}")).read_text(encoding="utf-8")
        assert "DIR@" not in text
        names.append(systemd.unit(f"sdwd-metrics.{kind}", text))
    return names


def test_what_belongs_to_them_is_installed(stage):
    unit = next(stage.rglob("sdwd-metrics.service")).read_text(encoding="utf-8")
    folder = re.search(r"is in (\S+/examples/monitoring)\.", unit)[1]
    assert sorted(path.name for path in (stage / folder.lstrip("/")).iterdir()) == [
        "sdwd.dashboard.json", "sdwd.rules.yml"]
    binary = re.search(r"^ExecStart=(\S+) metrics ", unit, re.MULTILINE)[1]
    assert os.access(stage / binary.lstrip("/"), os.X_OK)


def test_systemd_has_nothing_to_say_against_them(systemd, units):
    done = systemd.run("systemd-analyze", "verify", *units, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_the_service_leaves_open(systemd, units):
    said = systemd.run("systemd-analyze", "security", "--no-pager", units[0]).stdout
    assert float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)[1]) < 2.5, said


def test_the_timer_writes_the_file_again_and_again(systemd, units, tmp_path):
    """Locked in as it is, it finds the instances and believes them; and the file is renewed."""
    script = tmp_path / "answers.py"
    script.write_text(ANSWERS, encoding="utf-8")
    name = systemd.name("answers")
    systemd.unit("answers", f"[Service]\nEnvironment=LABEL={name}\nExecStart=/usr/bin/python3 {script}\n"
                            "ExecStopPost=rm -f /run/sdwd/" + name + "\n")
    systemd.start("answers")
    # As often as can be seen here; by itself it is 15 s.
    assert "{ OnUnitActiveUSec=15s ;" in systemd.systemctl("show", units[1]).stdout
    systemd.write(f"/run/systemd/system/{units[1]}.d/often.conf", "[Timer]\nOnUnitActiveSec=200ms\nAccuracySec=1ms\n")
    systemd.daemon_reload()
    systemd.start(units[1])
    line = f'sdwd_health{{service="{name}",unit="{name}",health="unhealthy"}} 1'
    systemd.run("sh", "-c", f"until grep -qF '{line}' {PROM}; do sleep 0.05; done", timeout=60)
    systemd.run("sh", "-c", f"i=$(stat -c %i.%y {PROM}); until [ $(stat -c %i.%y {PROM} | tr ' ' _) != "
                            f"$(echo $i | tr ' ' _) ]; do sleep 0.05; done", timeout=60)
    assert systemd.run("stat", "-c", "%a %U", PROM).stdout == "644 root\n"
    assert systemd.run("ls", "-A", os.path.dirname(PROM)).stdout == "sdwd.prom\n"
    systemd.stop(units[1])
    systemd.wait_state(units[0], ActiveState="inactive", Result="success")
    # It does not fill the journal; of what systemd itself says LogLevelMax= takes care since 249.
    entries = systemd.journal(units[0])
    assert not [entry for entry in entries if entry["_PID"] != "1"]
    assert any("Metrics of" in entry.get("MESSAGE", "") for entry in entries) == (systemd.version < 249)
    systemd.stop("answers")


def test_without_node_exporter_it_does_nothing(systemd, units):
    systemd.run("rm", "-rf", os.path.dirname(PROM))
    systemd.start(units[0])
    assert systemd.show(units[0], "ActiveState", "ConditionResult", "Result") == {
        "ActiveState": "inactive", "ConditionResult": "no", "Result": "success"}


def test_what_it_complains_of_is_in_the_journal(systemd, units):
    systemd.run("sh", "-c", "mkdir -p /run/sdwd && python3 -c \"import socket; s = socket.socket(socket.AF_UNIX); "
                            "s.bind('/run/sdwd/mute'); s.listen(); import time; time.sleep(20)\" >/dev/null 2>&1 & "
                            "until [ -S /run/sdwd/mute ]; do sleep 0.05; done")
    systemd.start(units[0])
    systemd.wait_journal("/run/sdwd/mute: no answer in time", units[0])
    systemd.run("rm", "-f", "/run/sdwd/mute")


def test_a_users_unit_of_the_same_name_is_another_one(systemd, build, tmp_path):
    """Whoever has a user manager may name a unit as he likes; the series of the machine's own stays what it is."""
    script = tmp_path / "answers.py"
    script.write_text(ANSWERS, encoding="utf-8")
    name = systemd.name("answers")
    systemd.unit("answers", f"[Service]\nEnvironment=LABEL={name}\nExecStart=/usr/bin/python3 {script}\n"
                            f"ExecStopPost=rm -f /run/sdwd/{name}\n")
    # Where a user manager has its units, without one.
    systemd.write("/run/systemd/system/user@1234.service", f"""[Service]
Slice=user-1234.slice
Delegate=yes
Environment=LABEL={name} SOCKET=theirs
ExecStart=/bin/sh -c 'g=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/app.slice/{name}; \
    mkdir -p $g && echo 0 >$g/cgroup.procs && exec python3 {script}'
ExecStopPost=rm -f /run/sdwd/theirs
""")
    systemd.daemon_reload()
    try:
        systemd.start("answers")
        systemd.systemctl("start", "user@1234.service")

        def told():
            lines = systemd.run(build / "sdwdctl", "metrics").stdout.splitlines()
            return sorted(line for line in lines if line.startswith("sdwd_up{") and f'"{name}"' in line)

        wrapped.wait_for(lambda: len(told()) == 2, "both")
        assert told() == [f'sdwd_up{{service="{name}",unit="{name}",owner="1234"}} 1',
                          f'sdwd_up{{service="{name}",unit="{name}"}} 1']
    finally:
        systemd.stop("answers", check=False)
        systemd.systemctl("stop", "user@1234.service", "user-1234.slice", check=False)
        systemd.run("rm", "-f", "/run/systemd/system/user@1234.service")
        systemd.daemon_reload()
