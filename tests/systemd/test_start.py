# SPDX-License-Identifier: MIT
"""Start: READY=1 when it is true, systemd's start timeout, failures to start, and units without a watchdog."""

import pytest

import wrapped

# Says READY=1 by itself (a pid of its own would be refused) after that many seconds, then pings.
SLOW = """#!/usr/bin/python3
import os, socket, sys, time
time.sleep(float(sys.argv[1]))
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.connect(os.environ["NOTIFY_SOCKET"])
    s.sendall(b"READY=1")
    time.sleep(3600)
"""

# Answers 503 until the file is there, 200 then; notes each answer in the other file.
HTTP = """#!/usr/bin/python3
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 200 if os.path.exists(sys.argv[2]) else 503
        with open(sys.argv[3], "a") as f:
            f.write(f"{status}\\n")
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.option("extend-start")
def test_G8_slow_start_outlives_systemds_timeout_only_with_extend_start(systemd, sdwd_path, tmp_path):
    child = wrapped.script(tmp_path, "slow", SLOW)
    lines = "TimeoutStartSec=2", "WatchdogSec=10"
    units = wrapped.start_all(systemd, {
        "extended": wrapped.unit_text(f"{sdwd_path} --notify --extend-start=60s -- {child} 6", *lines),
        "bounded": wrapped.unit_text(f"{sdwd_path} --notify --extend-start=4s -- {child} 3600", *lines),
        "plain": wrapped.unit_text(f"{sdwd_path} --notify -- {child} 6", *lines)}, wait=False)
    systemd.wait_state(units["plain"], ActiveState="failed", Result="timeout")
    # Still starting, long after TimeoutStartSec=.
    systemd.wait_state(units["bounded"], ActiveState="failed", Result="timeout")
    systemd.wait_state(units["extended"], ActiveState="active")
    took = {stem: began_to(systemd, units[stem], text) for stem, text in
            (("plain", "start operation timed out"), ("bounded", "start operation timed out"),
             ("extended", "ready after"))}
    assert took["plain"] < 4 <= took["bounded"] < 6 <= took["extended"], took


def began_to(systemd, unit, text):
    entries = systemd.journal(unit)
    began = next(e for e in entries if "Starting " in str(e["MESSAGE"]))
    then = next((e for e in entries if text in str(e["MESSAGE"])), None)
    assert then, f"no {text!r}\n{systemd.describe(unit)}"
    return wrapped.monotonic_of(then) - wrapped.monotonic_of(began)


@pytest.mark.option("start-timeout")
def test_start_timeout_is_exit_124_with_its_reason(systemd, sdwd_path, tmp_path):
    child = wrapped.script(tmp_path, "slow", SLOW)
    unit = systemd.unit("late", wrapped.unit_text(f"{sdwd_path} --notify --start-timeout=1s -- {child} 3600",
                                                  "WatchdogSec=10"))
    done = systemd.start(unit, check=False)
    assert done.returncode != 0
    state = systemd.wait_state(unit, ActiveState="failed", Result="exit-code", ExecMainStatus="124",
                               StatusText=lambda text: "notify: nothing heard yet" in text)
    assert state["StatusText"].startswith("stopping: not ready: "), state
    assert wrapped.has(systemd, unit, "not ready within --start-timeout=1s: notify: nothing heard yet"), \
        systemd.describe(unit)
    assert wrapped.has(systemd, unit, "status=124"), systemd.describe(unit)


def test_what_cannot_be_executed_is_127_or_126_with_its_errno(systemd, sdwd_path, tmp_path):
    (tmp_path / "plain").write_text("no program\n")
    units = wrapped.start_all(systemd, {
        "missing": wrapped.unit_text(f"{sdwd_path} -- {tmp_path}/missing"),
        "refused": wrapped.unit_text(f"{sdwd_path} -- {tmp_path}/plain")}, wait=False)
    for stem, status, errno, text in (("missing", 127, 2, "No such file or directory"),
                                      ("refused", 126, 13, "Permission denied")):
        state = systemd.wait_state(units[stem], ActiveState="failed", ExecMainStatus=status, Result="exit-code",
                                   StatusErrno=errno, StatusText=lambda t: t != "")
        assert state["StatusText"].startswith("cannot execute '") and text in state["StatusText"], state
        assert wrapped.has(systemd, units[stem], state["StatusText"]), systemd.describe(units[stem])


@pytest.mark.option("ready")
def test_ready_only_when_http_answers_well(systemd, sdwd_path, tmp_path):
    go, seen = tmp_path / "go", tmp_path / "seen"
    child = wrapped.script(tmp_path, "http", HTTP)
    command = f"{child} 20100 {go} {seen}"
    other = f"{child} 20101 {tmp_path}/never {tmp_path}/other"
    units = wrapped.start_all(systemd, {
        "web": wrapped.unit_text(f"{sdwd_path} --http=http://127.0.0.1:20100/ -- {command}", "WatchdogSec=5"),
        "at-once": wrapped.unit_text(f"{sdwd_path} --ready=exec --http=http://127.0.0.1:20101/ -- {other}",
                                     "WatchdogSec=30")}, wait=False)
    wrapped.wait_for(lambda: seen.exists() and len(seen.read_text().split()) >= 4, "it was not asked")
    state = systemd.wait_state(units["web"], ActiveState="activating", StatusText=lambda t: "503" in t)
    assert state["StatusText"].startswith("starting: http: "), state
    systemd.wait_state(units["at-once"], ActiveState="active")
    go.touch()
    systemd.wait_state(units["web"], ActiveState="active", StatusText="healthy")
    assert seen.read_text().split()[-1] == "200"


@pytest.mark.parametrize("line", ["WatchdogSec=infinity", "WatchdogSec=0", ""], ids=["infinity", "zero", "none"])
def test_G12_without_a_watchdog_it_only_says_so(systemd, sdwd_path, tmp_path, line):
    child = wrapped.script(tmp_path, "silent", "#!/bin/sh\necho >&$SDWD_HEARTBEAT_FD\nexec sleep 3600\n")
    unit = systemd.unit("unwatched", wrapped.unit_text(f"{sdwd_path} --heartbeat --silence=500ms -- {child}", line))
    systemd.start(unit)
    systemd.wait_journal("unhealthy: heartbeat: ", unit)
    assert wrapped.has(systemd, unit, "no WatchdogSec= in this unit: an unhealthy service is only reported; "
                       "--on-unhealthy=kill would end it"), systemd.describe(unit)
    state = systemd.wait_state(unit, ActiveState="active", StatusText=lambda t: t.startswith("unhealthy: heartbeat: "))
    assert state and wrapped.has(systemd, unit, "only reported (--on-unhealthy=warn)"), systemd.describe(unit)
    assert systemd.show(unit, "MainPID") != "0" and systemd.show(unit, "NRestarts") == "0"
