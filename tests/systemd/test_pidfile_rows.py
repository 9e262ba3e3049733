# SPDX-License-Identifier: MIT
"""
The rows of test_sources.py for daemons that fork away: Debian's nginx and PostgreSQL, healthy for a while, then their
main process is stopped. The last good look is one of those W/2 apart, so systemd acts between W/2 and W after the
stop, and at the latest min(W/10, 1s) + 250 ms after that.
"""

import os
import statistics
import time

import pytest

import daemons
import wrapped
from test_pidfile import clusters, signal, text_of  # pylint: disable=unused-import
from test_sources import HEALTHY_W, LATENESS, ROWS, W, at, write_table

KINDS = ["nginx", "postgres"]
VERDICT = "9b15d5d4eb1746eaa7aaa550408677e4"


@pytest.mark.option("pidfile")
@pytest.mark.option("on-unhealthy")
@pytest.mark.parametrize("action", ["withhold", "trigger"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_daemon_is_acted_on_by_the_formula(systemd, sdwd_path, tmp_path, kind, action):
    stems = [f"row-{n}" for n in range(ROWS)]
    made = {stem: daemons.make(systemd, kind, stem, tmp_path, 20300 + n) for n, stem in enumerate(stems)}
    units = wrapped.start_all(systemd, {
        stem: text_of(sdwd_path, made[stem], f"--on-unhealthy={action}") for stem in stems})
    for unit in units.values():
        systemd.wait_state(unit, ActiveState="active", StatusText="healthy")
    time.sleep(HEALTHY_W * W)
    stopped, late, lines = {}, [], []
    for unit in units.values():
        assert systemd.show(unit, "ActiveState") == "active", systemd.describe(unit)
        signal(systemd, "STOP", wrapped.adopted(systemd, unit))
        stopped[unit] = time.monotonic()
    latest = W + min(W / 10, 1) + 0.25
    for unit, stopped_at in stopped.items():
        systemd.wait_state(unit, timeout=30, ActiveState="failed", Result="watchdog")
        entries = systemd.journal(unit)
        acted = at(entries, "Watchdog request") or at(entries, "Watchdog timeout (limit")
        took = acted - stopped_at
        lines.append(f"stopped {stopped_at:.3f} action {acted:.3f} after {took:.3f} formula {W / 2:.3f}..{latest:.3f}")
        # The stop itself was noted a moment after it was sent.
        assert took > W / 2 - 0.3, f"too early: {lines[-1]}\n{systemd.describe(unit)}"
        late.append(took - latest)
        verdicts = [e for e in entries if e.get("MESSAGE_ID") == VERDICT]
        assert all(v["SDWD_CAUSE"] == "stopped" for v in verdicts), verdicts
        assert verdicts or at(entries, "Watchdog timeout"), systemd.describe(unit)
    write_table(f"pidfile-{kind}", action, lines)
    assert statistics.median(late) <= LATENESS, (late, os.getloadavg())
