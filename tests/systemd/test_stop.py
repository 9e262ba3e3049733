# SPDX-License-Identifier: MIT
"""The end of a wrapped service: a stop is never turned into a watchdog kill, and systemd learns how the child ended."""

import time
from pathlib import Path

import pytest

import wrapped

FATE = Path(__file__).resolve().parent / "fate.py"
W = 1

# Takes 3 W to end after SIGTERM; notes when that came.
SLOW_STOP = """#!/usr/bin/python3
import os, signal, sys, time
def stop(number, frame):
    with open(sys.argv[1], "a") as f:
        f.write(f"{time.monotonic()}\\n")
    time.sleep(3)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
while True:
    signal.pause()
"""

# Exits 0 once the file is there, and leaves a process behind that ignores SIGTERM until the other file is there.
SLOW_ORPHAN = """#!/bin/sh
sh -c 'trap "" TERM; while [ ! -e "$1" ]; do sleep 0.05; done; echo >"$2"' sh "$2" "$3" &
while [ ! -e "$1" ]; do sleep 0.05; done
exit 0
"""

HUNG = "#!/bin/sh\necho >&$SDWD_HEARTBEAT_FD\nexec sleep 3600\n"


def test_a_slow_stop_is_no_watchdog_kill(systemd, sdwd_path, tmp_path):
    child, told = wrapped.script(tmp_path, "slow-stop", SLOW_STOP), tmp_path / "told"
    unit = systemd.unit("slow", wrapped.unit_text(f"{sdwd_path} -- {child} {told}", f"WatchdogSec={W}",
                                                  "RemainAfterExit=yes"))
    systemd.start(unit)
    # It pings: longer than W it stays.
    pinged = int(systemd.show(unit, "WatchdogTimestampMonotonic"))
    systemd.wait_state(unit, ActiveState="active", WatchdogTimestampMonotonic=lambda at: int(at) > pinged + 1.2e6 * W)
    systemd.stop(unit, wait=False)
    state = systemd.wait_state(unit, SubState="stop-sigterm", StatusText="stopping: SIGTERM")
    began = float(wrapped.wait_for(lambda: told.exists() and told.read_text(), "no SIGTERM came"))
    last = None
    while True:
        now = systemd.show(unit, "SubState", "WatchdogTimestampMonotonic")
        if now["SubState"] != "stop-sigterm":
            break
        last = int(now["WatchdogTimestampMonotonic"]) / 1e6
    assert last is not None and last <= began, f"a ping {last - began} s after the stop began, {state}"
    systemd.wait_state(unit, ActiveState="inactive", Result="success")
    assert len(told.read_text().split()) == 1, "SIGTERM came more than once"
    assert_no_watchdog(systemd, unit)


def assert_no_watchdog(systemd, unit):
    lines = wrapped.texts(systemd, unit)
    assert not any("Watchdog" in line or "Failed" in line or "unhealthy" in line for line in lines), "\n".join(lines)


@pytest.mark.option("orphans")
def test_an_exit_with_a_slow_orphan_is_no_watchdog_kill(systemd, sdwd_path, tmp_path):
    child, go, end = wrapped.script(tmp_path, "slow-orphan", SLOW_ORPHAN), tmp_path / "go", tmp_path / "end"
    units = wrapped.start_all(systemd, {
        "term": wrapped.unit_text(f"{sdwd_path} --orphan-timeout=20s -- {child} {go} {end} {end}.term",
                                  f"WatchdogSec={W}"),
        "leave": wrapped.unit_text(f"{sdwd_path} --orphans=leave -- {child} {go} {end} {end}.leave",
                                   f"WatchdogSec={W}", "KillMode=process")})
    go.touch()
    systemd.wait_state(units["leave"], ActiveState="inactive", Result="success")
    systemd.wait_state(units["term"], SubState="stop-sigterm",
                       StatusText="stopping: waiting for processes left behind")
    time.sleep(2.5 * W)
    assert systemd.show(units["term"], "SubState") == "stop-sigterm", systemd.describe(units["term"])
    end.touch()
    systemd.wait_state(units["term"], ActiveState="inactive", Result="success")
    assert Path(f"{end}.term").exists(), "it was not waited for\n" + systemd.describe(units["term"])
    assert_no_watchdog(systemd, units["term"])


def test_G16_the_end_is_the_same_with_and_without(systemd, sdwd_path, tmp_path):
    """ExecMainCode= 1: exited, 2: killed. Restart= and SuccessExitStatus= go by these."""
    fates = ["0", "1", "3", "143", "TERM", "KILL", "SEGV", "HUP"]
    wanted = {"0": "success", "TERM": "success", "HUP": "success", "KILL": "signal", "SEGV": "signal"}
    go = tmp_path / "go"
    texts = {}
    for fate in fates:
        texts[f"bare-{fate}"] = wrapped.unit_text(f"{FATE} {go} {fate}", "Type=simple", "RemainAfterExit=yes")
        texts[f"under-{fate}"] = wrapped.unit_text(f"{sdwd_path} -- {FATE} {go} {fate}", "RemainAfterExit=yes")
    units = wrapped.start_all(systemd, texts)
    go.touch()
    properties = "Result", "ExecMainCode", "ExecMainStatus", "ActiveState", "SubState"
    table = {}
    for stem, unit in units.items():
        systemd.wait_state(unit, SubState=lambda state: state in ("exited", "failed"))
        table[stem] = systemd.show(unit, *properties)
    for fate in fates:
        bare, under = table[f"bare-{fate}"], table[f"under-{fate}"]
        assert under == bare, systemd.describe(units[f"under-{fate}"])
        assert bare["Result"] == wanted.get(fate, "exit-code") and bare["ExecMainCode"] in "12", (fate, bare)
    assert wrapped.has(systemd, units["under-SEGV"], "the service was killed by SIGSEGV")


def test_its_own_exit_codes_can_forbid_a_restart(systemd, sdwd_path, tmp_path):
    (tmp_path / "plain").write_text("no program\n")
    commands = {"125": f"{sdwd_path} --fall=0 -- /bin/true", "126": f"{sdwd_path} -- {tmp_path}/plain",
                "127": f"{sdwd_path} -- {tmp_path}/missing"}
    texts = {}
    for code, command in commands.items():
        texts[f"ends-{code}"] = wrapped.unit_text(command, "Restart=always", "RestartPreventExitStatus=125 126 127")
        texts[f"again-{code}"] = wrapped.unit_text(command, "Restart=always")
    units = wrapped.start_all(systemd, texts, wait=False)
    for code in commands:
        systemd.wait_state(units[f"again-{code}"], NRestarts=lambda n: int(n) >= 3)
        systemd.wait_state(units[f"ends-{code}"], ActiveState="failed", Result="exit-code", ExecMainStatus=code,
                           NRestarts="0")


@pytest.mark.option("on-unhealthy")
def test_F18_restart_on_failure_follows_each_action(systemd, sdwd_path, tmp_path):
    child = wrapped.script(tmp_path, "hung", HUNG)
    said = {"withhold": (f"Watchdog timeout (limit {W}s)!", "watchdog"),
            "trigger": ("Watchdog request (last status: unhealthy: heartbeat: ", "watchdog"),
            "kill": ("status=124", "exit-code")}
    units = wrapped.start_all(systemd, {
        mode: wrapped.unit_text(f"{sdwd_path} --heartbeat --on-unhealthy={mode} -- {child}", f"WatchdogSec={W}",
                                "Restart=on-failure") for mode in said})
    for mode, (line, result) in said.items():
        unit = units[mode]
        systemd.wait_state(unit, NRestarts=lambda n: int(n) >= 1)
        lines = wrapped.texts(systemd, unit)
        assert any(line in text for text in lines), "\n".join(lines)
        assert f"{unit}: Failed with result '{result}'." in lines, "\n".join(lines)
        assert any("unhealthy: heartbeat: " in text and "(silent)" in text for text in lines), "\n".join(lines)
        # Which of the ways it went, no other.
        assert sum(any(other in text for text in lines) for other, _ in said.values()) == 1, "\n".join(lines)
