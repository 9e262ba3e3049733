# SPDX-License-Identifier: MIT
"""
Docker in the private systemd: Debian's, as tests/install-deps --containers unpacks it, started as docker.service. What it
stores, runs and listens at is below the /var/lib and /run there, its network is the empty one there, and it makes no bridge.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".build" / "docker"
UNIT = """\
[Service]
Type=notify
Environment="PATH={path}:/usr/sbin:/usr/bin:/sbin:/bin" "LD_LIBRARY_PATH={libraries}"
ExecStart={dockerd} --storage-driver=vfs --bridge=none --iptables=false --ip6tables=false --ip-forward=false {more}
Delegate=yes
KillMode=mixed
TimeoutStartSec=2min
TimeoutStopSec=30
"""


# Where units and people look for it; the machine may have another one in /usr/local.
CLIENT = "/usr/bin/docker"


class CannotRun(Exception):
    """No docker can be had here; the text says why."""


class Docker:
    """A running dockerd and its client. Whoever makes it calls close()."""

    def __init__(self, systemd, more=""):
        """@more: further options of dockerd."""
        self._systemd = systemd
        found = sorted(FOLDER.glob("usr/*bin/dockerd"))
        if not found:
            raise CannotRun(f"{FOLDER} has no dockerd; tests/install-deps --containers unpacks it there")
        libraries = sorted({str(path.parent) for path in FOLDER.rglob("lib*.so.*")})
        # It needs no library of its own.
        systemd.run("ln", "-sf", FOLDER / "usr/bin/docker", CLIENT)
        systemd.write("/run/systemd/system/docker.service", UNIT.format(
            path=f"{FOLDER}/usr/sbin:{FOLDER}/usr/bin", libraries=":".join(libraries), dockerd=found[0], more=more))
        systemd.daemon_reload()
        if systemd.systemctl("start", "docker.service", check=False, timeout=150).returncode != 0:
            said = systemd.run("journalctl", "-u", "docker.service", "-o", "cat", "-n", "30").stdout
            self.close()
            raise CannotRun(f"dockerd does not start:\n{said}")

    def close(self):
        self._systemd.systemctl("stop", "docker.service", check=False)
        self._systemd.run("rm", "-f", CLIENT, "/run/systemd/system/docker.service")
        self._systemd.daemon_reload()

    def __call__(self, *words, check=True, timeout=60):
        """docker WORD..., as root inside."""
        return self._systemd.run(CLIENT, *words, check=check, timeout=timeout)

    def inspect(self, name):
        return json.loads(self("inspect", name).stdout)[0]

    def state(self, name):
        return self.inspect(name)["State"]

    def said(self, name):
        """What sdwd and the service wrote, both to the standard error of the container or its output."""
        done = self("logs", name)
        return done.stdout + done.stderr

    def pids(self, name):
        """The processes of the container by their pids inside of the private systemd: the first, and those below it."""
        first = str(self.state(name)["Pid"])
        return [first, *self._systemd.run("cat", f"/proc/{first}/task/{first}/children").stdout.split()]

    def comm(self, pid):
        return self._systemd.run("cat", f"/proc/{pid}/comm", check=False).stdout.strip()

    def remove_all(self):
        names = self("ps", "--all", "--quiet").stdout.split()
        if names:
            self("rm", "--force", *names)
