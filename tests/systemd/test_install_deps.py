# SPDX-License-Identifier: MIT
"""tests/install-deps on a machine with a systemd: what it stops of what it installed, and what is none of its business."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
# On this machine nothing is installed, and apt-get installs what Debian's would start.
DPKG_QUERY = "#!/bin/sh\nexit 1\n"
APT_GET = """#!/bin/sh
echo "$@" >>{folder}/asked
[ "$1" = install ] || exit 0
systemctl enable --now -q redis-server.service
"""
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=private.target\n"


@pytest.fixture
def stand_ins(systemd, tmp_path):
    for name, text in {"dpkg-query": DPKG_QUERY, "apt-get": APT_GET.format(folder=tmp_path)}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    for unit in ("nginx.service", "postgresql.service", "redis-server.service"):
        systemd.unit(systemd.as_named(unit), UNIT, reload=False)
    systemd.daemon_reload()
    yield tmp_path
    systemd.systemctl("disable", "--now", "-q", "nginx", "postgresql", "redis-server", check=False)


def test_a_service_that_was_there_before_is_left_alone(systemd, stand_ins):
    systemd.systemctl("start", "nginx")
    systemd.systemctl("enable", "-q", "postgresql")
    done = systemd.run("env", f"PATH={stand_ins}:/usr/sbin:/usr/bin", TOP / "tests/install-deps", "--no-tools")
    assert "nginx-light" in (stand_ins / "asked").read_text() and "postgresql" in (stand_ins / "asked").read_text()
    named, = re.findall(r"^install-deps: stops and disables what came with them: (.*)", done.stdout, re.M)
    assert "redis-server.service" in named.split()
    assert not {"nginx.service", "postgresql.service"} & set(named.split()), named
    assert systemd.show("nginx.service", "ActiveState") == "active"
    assert systemd.systemctl("is-enabled", "postgresql").stdout.strip() == "enabled"
    assert systemd.show("redis-server.service", "ActiveState") == "inactive"
    assert systemd.systemctl("is-enabled", "redis-server", check=False).stdout.strip() == "disabled"
