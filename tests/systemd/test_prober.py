# SPDX-License-Identifier: MIT
"""The prober under a real systemd: in a unit that allows as little as the example does, and while the unit stops."""

import re
from pathlib import Path

import pytest

from bus import Bus
from tls import Authority
from wrapped import has, install, texts, unit_text, wait_for

EXAMPLES = Path(__file__).resolve().parents[2] / "units" / "examples"
PROBER = "sdwd-prober"


@pytest.fixture
def certificate(tmp_path):
    """ca.pem, and web.pem with web.key, which worker.py takes."""
    return Authority(tmp_path).issue("web")


def probers(systemd, unit):
    """The pids of the unit's probers."""
    group = systemd.show(unit, "ControlGroup")
    pids = systemd.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").stdout.split()
    return [pid for pid in pids if systemd.run("cat", f"/proc/{pid}/comm", check=False).stdout.strip() == PROBER]


@pytest.mark.parametrize("name, port", [("https", "8443"), ("grpc", "50051")])
def test_the_example_with_all_that_it_forbids(systemd, build, name, port):
    sdwd, _ = install(systemd, build / "sdwd", build / PROBER)
    text = (EXAMPLES / f"{name}.service").read_text(encoding="utf-8")
    unit = systemd.unit(f"{name}-example", text.replace("/usr/bin/sdwd ", f"{sdwd} ").replace(port, "28443"))
    systemd.start(unit)
    assert systemd.show(unit, "StatusText") == "healthy", systemd.describe(unit)
    [pid] = probers(systemd, unit)
    status = systemd.run("cat", f"/proc/{pid}/status").stdout
    assert re.search(r"^CapEff:\t0+$", status, re.M) and re.search(r"^Seccomp:\t2$", status, re.M)
    assert not re.search(r"^Uid:\t0\t", status, re.M)
    systemd.stop(unit)
    assert systemd.show(unit, "Result", "ActiveState") == {"Result": "success", "ActiveState": "inactive"}


def test_the_example_of_dbus(systemd, build, tmp_path):
    sdwd, _ = install(systemd, build / "sdwd", build / PROBER)
    bus = Bus(tmp_path / "b")
    try:
        text = (EXAMPLES / "dbus-echo.service").read_text(encoding="utf-8").replace("/usr/bin/sdwd ", f"{sdwd} ")
        address = f"[Service]\nEnvironment=DBUS_SESSION_BUS_ADDRESS={bus.address}\n"
        unit = systemd.unit("dbus-example", text.replace("[Service]\n", address))
        systemd.start(unit)
        assert systemd.show(unit, "StatusText") == "healthy", systemd.describe(unit)
        systemd.stop(unit)
        assert systemd.show(unit, "Result", "ActiveState") == {"Result": "success", "ActiveState": "inactive"}
    finally:
        bus.end()


@pytest.mark.parametrize("mode", ["mixed", "control-group"])
def test_a_stop_of_the_unit_is_not_seen_by_it(systemd, sdwd_path, tmp_path, certificate, mode):
    """SIGTERM reaches the whole group, or sdwd alone: in both cases no death of the prober is told, and nothing is left."""
    server = Path(__file__).resolve().parent / "worker.py"
    command = (f"{sdwd_path} --http=https://127.0.0.1:28444/ --http-ca={tmp_path}/ca.pem -- "
               f"/usr/bin/python3 {server} https 3600 {tmp_path}/web-alive 28444")
    unit = systemd.unit(f"https-{mode}", unit_text(command, "WatchdogSec=5", f"KillMode={mode}"))
    systemd.start(unit)
    [pid] = probers(systemd, unit)
    systemd.run("kill", "-TERM", pid)
    systemd.run("kill", "-ABRT", pid)
    systemd.stop(unit)
    assert systemd.show(unit, "Result") == "success"
    said = texts(systemd, unit)
    assert not [line for line in said if "prober" in line or "left behind" in line], said


def test_a_crash_in_between_is_told_and_restarts_nothing(systemd, sdwd_path, tmp_path, certificate):
    server = Path(__file__).resolve().parent / "worker.py"
    command = (f"{sdwd_path} --http=https://127.0.0.1:28445/ --http-ca={tmp_path}/ca.pem --fall=1 -- "
               f"/usr/bin/python3 {server} https 3600 {tmp_path}/web-alive 28445")
    unit = systemd.unit("https-crash", unit_text(command, "WatchdogSec=5", "Restart=on-failure"))
    systemd.start(unit)
    [first] = probers(systemd, unit)
    systemd.run("kill", "-SEGV", first)
    wait_for(lambda: probers(systemd, unit) not in ([], [first]), lambda: systemd.describe(unit))
    assert has(systemd, unit, f"sdwd-prober (pid {first}) killed by SIGSEGV; its looks are unknown")
    assert systemd.show(unit, "NRestarts", "ActiveState", "StatusText") == {
        "NRestarts": "0", "ActiveState": "active", "StatusText": "healthy"}
