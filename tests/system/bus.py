# SPDX-License-Identifier: MIT
"""A D-Bus of its own for a test, and a GDBus service on it (bus_service.py)."""

import subprocess
import sys
import threading
from pathlib import Path

from puppet import wait_until

CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <servicedir>{folder}/services</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <deny send_destination="test.sdwd.Denied"/>
  </policy>
</busconfig>
"""


class Bus:
    """In @folder: its socket, and services/ for files of services that it starts."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "services").mkdir(parents=True, exist_ok=True)
        (folder / "bus.conf").write_text(CONFIG.format(folder=folder), encoding="utf-8")
        self.address = f"unix:path={folder}/bus"
        self.process = None
        self.begin()

    def begin(self):
        (self.folder / "bus").unlink(missing_ok=True)
        self.process = subprocess.Popen(["dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork", "--nosyslog",
                                         "--print-address"], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().startswith("unix:")

    def end(self):
        self.process.kill()
        self.process.communicate()

    def send(self, name, method="test.sdwd.Any.Thing", path="/"):
        """A call by another client; what it said."""
        return subprocess.run(["dbus-send", f"--bus={self.address}", "--print-reply", f"--dest={name}", path, method],
                              capture_output=True, text=True, timeout=20, check=False)


class Service:
    """bus_service.py with that name on that bus; do("block") and other commands."""

    def __init__(self, bus, name):
        program = Path(__file__).with_name("bus_service.py")
        self.process = subprocess.Popen([sys.executable, program, bus.address, name], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.said = []
        threading.Thread(target=self._read, daemon=True).start()
        self.wait("owns")

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))

    def wait(self, line):
        wait_until(lambda: line in self.said, f"{line!r} of the service")

    def do(self, command, then):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        self.wait(then)

    def end(self):
        self.process.kill()
        self.process.communicate()
