# SPDX-License-Identifier: MIT
"""
Where it began: a Python service that says READY=1, then WATCHDOG=1 every two seconds eleven times, and then goes on
running silently, with WatchdogSec=5. Wrapped or not, systemd does the same to it.
"""

import textwrap

import pytest

SERVICE = textwrap.dedent("""\
    import os, socket, time

    def notify(text):
        address = os.environ["NOTIFY_SOCKET"]
        if address[0] == "@":
            address = "\\0" + address[1:]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(address)
            s.sendall(text.encode())

    notify("READY=1")
    for _ in range(11):
        time.sleep(2)
        notify("WATCHDOG=1")
    while True:
        time.sleep(60)
    """)

UNIT = """\
[Service]
Type=notify
WatchdogSec=5
Restart=always
ExecStart={command}
"""


@pytest.mark.option("notify")
@pytest.mark.parametrize("is_wrapped", [True, False], ids=["wrapped", "bare"])
def test_silent_service_is_aborted_and_restarted(systemd, sdwd_path, tmp_path, is_wrapped):
    script = tmp_path / "test.py"
    script.write_text(SERVICE)
    command = f"/usr/bin/python3 {script}"
    if is_wrapped:
        command = f"{sdwd_path} --notify -- {command}"
    unit = systemd.unit("origin", UNIT.format(command=command))
    since = systemd.cursor()
    systemd.start(unit)
    systemd.wait_state(unit, timeout=60, NRestarts="1", ActiveState="active")

    messages = systemd.messages(unit, since)
    timeout = next(e for e in systemd.journal(unit, since) if "Watchdog timeout" in str(e["MESSAGE"]))
    began = next(e for e in systemd.journal(unit, since) if "Started" in str(e["MESSAGE"]))
    assert f"{unit}: Watchdog timeout (limit 5s)!" in messages
    assert any("with signal SIGABRT." in str(m) for m in messages)
    assert f"{unit}: Failed with result 'watchdog'." in messages
    assert any("Scheduled restart job, restart counter is at 1." in str(m) for m in messages)
    # Eleven pings, two seconds apart, and five more seconds: not before, and not long after.
    took = (int(timeout["__REALTIME_TIMESTAMP"]) - int(began["__REALTIME_TIMESTAMP"])) / 1e6
    assert 26.5 < took < 32, took
