# SPDX-License-Identifier: MIT
"""--listen-queue in a unit: with netlink, and where RestrictAddressFamilies= refuses it."""

import pytest

import wrapped
from test_sources import WORKER

UNIT = """\
[Service]
Type=notify
NotifyAccess=main
WatchdogSec=10
TimeoutAbortSec=5
KillMode=mixed
CapabilityBoundingSet=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 {netlink}
ProcSubset=pid
ExecStart={sdwd} --listen-queue={port} --interval=200ms --timeout=160ms --on-unhealthy=trigger -- \\
    /usr/bin/python3 {worker} accept 3 {sign} {port}
"""


@pytest.mark.option("listen-queue")
@pytest.mark.parametrize("netlink, port", [("AF_NETLINK", 20400), ("", 20401)])
def test_a_hang_is_found_with_and_without_netlink(systemd, sdwd_path, tmp_path, netlink, port):
    unit = systemd.unit("queue", UNIT.format(sdwd=sdwd_path, worker=WORKER, netlink=netlink, port=port,
                                             sign=tmp_path / "sign"))
    systemd.start(unit)
    systemd.wait_state(unit, ActiveState="active", StatusText="healthy")
    systemd.wait_state(unit, timeout=60, ActiveState="failed", Result="watchdog")
    messages = [str(entry.get("MESSAGE")) for entry in systemd.journal(unit)]
    # Or, where the machine let too few looks be: that was the last one, and it is stale.
    assert any("unhealthy: " in m and "not accepted for 160ms" in m for m in messages), messages
    told = [m for m in messages if "netlink is refused (Address family not supported by protocol)" in m]
    assert len(told) == (0 if netlink or not wrapped.RESTRICTS_FAMILIES else 1), messages
