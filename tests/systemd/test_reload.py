# SPDX-License-Identifier: MIT
"""--reload=signal under a real systemd: a reload lasts until the child, which knows nothing of it, is well again."""

import wrapped

# Beats unless FOLDER/hold is there; each SIGHUP is a line in FOLDER/hups, and holds the beats by itself.
BEATS = """#!/bin/bash
trap 'echo hup >>"$1/hups"; touch "$1/hold"' HUP
while :; do
	[ -e "$1/hold" ] || echo >&"$SDWD_HEARTBEAT_FD"
	sleep 0.1
done
"""


def hups(folder):
    return (folder / "hups").read_text().count("hup") if (folder / "hups").exists() else 0


def test_a_reload_lasts_until_the_child_is_well_again(systemd, sdwd_path, tmp_path):
    # Type=notify-reload came with systemd 253; for an older one it is a mistake in the unit.
    for kind in ["notify", "notify-reload"] if systemd.version >= 253 else ["notify"]:
        folder = tmp_path / kind
        folder.mkdir()
        reload_twice(systemd, sdwd_path, folder, kind)


def reload_twice(systemd, sdwd_path, tmp_path, kind):
    beats = wrapped.script(tmp_path, "beats", BEATS)
    lines = ["ExecReload=/bin/kill -HUP $MAINPID"] if kind == "notify" else []
    unit = systemd.unit(f"reloads-{kind}", wrapped.unit_text(
        f"{sdwd_path} --heartbeat --silence=15s --reload=signal -- {beats} {tmp_path}", "WatchdogSec=20",
        f"Type={kind}", *lines))
    systemd.start(unit)
    for n in (1, 2):
        systemd.systemctl("reload", "--no-block", unit)
        systemd.wait_state(unit, ActiveState="reloading")
        wrapped.wait_for(lambda n=n: hups(tmp_path) == n, "SIGHUP at the child")
        assert systemd.show(unit, "ActiveState") == "reloading", "no sign of life since the signal"
        (tmp_path / "hold").unlink()
        systemd.wait_state(unit, ActiveState="active", SubState="running", ReloadResult="success")
    assert hups(tmp_path) == 2, "once for each reload"
    assert wrapped.has(systemd, unit, "reloaded after ")
    systemd.stop(unit)
    systemd.wait_state(unit, ActiveState="inactive", Result="success")
