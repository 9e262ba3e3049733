# SPDX-License-Identifier: MIT
"""
The recipes of sdwd-recipes(7): each unit of units/examples with the real service, as it is shipped but for its times.
It becomes active and stays so for longer than W, hangs, is ended by the watchdog and started again, and stops cleanly.
"""

import re
import time
from pathlib import Path

import wrapped

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "units" / "examples"
APPS = HERE / "recipes"
W = 6
# All that is changed in the units: how long it takes. Where a line is there, it is there as it stands here.
TIMES = {"WatchdogSec=30s": f"WatchdogSec={W}s", "--silence=20s": "--silence=5s", "TimeoutAbortSec=15s": "TimeoutAbortSec=3s"}
PROGRAMS = ("sdwd", "sdwdctl", "sdwd-prober")
# A start and a restart of something large, on a loaded machine.
PATIENCE_SECONDS = 120


def text_of(name, **changes):
    """The example @name, with its times made short; @changes: further pieces of its text, each of which it has."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for old, new in TIMES.items():
        text = text.replace(old, new)
    assert f"WatchdogSec={W}s" in text, f"{name} has another watchdog time than all others"
    for old, new in changes.items():
        assert old in text, f"{name} has no {old!r} any more"
        text = text.replace(old, new)
    return text


def install(systemd, build):
    """sdwd where the units look for it, inside."""
    systemd.run("install", "-m", "755", "-t", "/usr/bin", *[build / name for name in PROGRAMS])


def uninstall(systemd):
    systemd.run("rm", "-f", *[f"/usr/bin/{name}" for name in PROGRAMS])


class Recipe:
    """
    One service. @name: of the file, or of the instance of a template; @probe: which one sees the hang; @text: the unit,
    where it is not the example as it stands. What each has of its own are the methods that do nothing here.
    """

    # Of the look that sees the hang, where it is always the same one.
    causes = {"silent", "read-timeout", "connect-timeout", "timeout", "exit-code", "body-mismatch", "http-status"}

    def __init__(self, name, probe, text=None):
        self.name, self.probe, self.text = name, probe, text
        self.systemd = self.since = None

    # What differs ------------------------------------------------------------------------------------------------

    def prepare(self):
        """Brings about what the unit expects to be there."""

    def hang(self):
        """Hangs the service: all of its processes are stopped."""
        for pid in self.pids():
            self.systemd.run("kill", "-STOP", pid)

    def release(self):
        """Takes away what it hung in, once it is being ended for it."""

    def after(self):
        """What else must be true when it was started again."""

    # What is the same --------------------------------------------------------------------------------------------

    @property
    def file(self):
        return re.sub(r"@[^.]*", "@", self.name)

    def systemctl(self, *words, check=True):
        return self.systemd.systemctl(*words, check=check)

    def install(self):
        self.systemd.unit(self.systemd.as_named(self.file), self.text or text_of(self.file), reload=False)
        self.systemd.as_named(self.name)

    def show(self, *properties):
        out = self.systemctl("show", self.name, *[f"--property={p}" for p in properties]).stdout
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def wait(self, timeout=PATIENCE_SECONDS, **wanted):
        deadline = time.monotonic() + timeout
        while True:
            now = self.show(*wanted)
            if all(w(now[p]) if callable(w) else now[p] == w for p, w in wanted.items()):
                return now
            assert time.monotonic() < deadline, f"{self.name}: {now} after {timeout} s\n{self.describe()}"
            time.sleep(0.1)

    def journal(self):
        return self.systemd.journal(self.name, self.since)

    def said(self):
        return [str(entry.get("MESSAGE")) for entry in self.journal()]

    def describe(self):
        return f"== {self.name}\n" + "\n".join(self.said()[-60:])

    def pids(self):
        """The service's processes, without sdwd."""
        now = self.show("ControlGroup", "MainPID")
        found = self.systemd.run("cat", f"/sys/fs/cgroup{now['ControlGroup']}/cgroup.procs").stdout.split()
        return [pid for pid in found if pid != now["MainPID"]]

    def begin(self):
        """Starts it; returns without waiting."""
        self.systemctl("start", "--no-block", self.name)

    def verdict(self):
        """What sdwd said it hung in."""
        return next((e for e in self.journal() if e.get("MESSAGE_ID") == "9b15d5d4eb1746eaa7aaa550408677e4"), None)

    def judge(self):
        said, verdict = self.said(), self.verdict()
        assert any(f"Watchdog timeout (limit {W}s)!" in line for line in said), self.describe()
        assert any("Failed with result 'watchdog'." in line for line in said), self.describe()
        assert verdict and verdict["SDWD_PROBE"] == self.probe and verdict["SDWD_CAUSE"] in self.causes, (
            f"{verdict}\n{self.describe()}")
        self.after()


def prove(systemd, build, *recipes):
    """All of it for all of @recipes, side by side."""
    install(systemd, build)
    try:
        for one in recipes:
            # Another test may have had a unit of the same name.
            one.systemd, one.since = systemd, systemd.cursor()
            one.prepare()
            one.install()
        systemd.daemon_reload()
        for one in recipes:
            one.begin()
        pinged = {}
        for one in recipes:
            now = one.wait(ActiveState="active", WatchdogTimestampMonotonic=lambda at: int(at) > 0)
            pinged[one] = int(now["WatchdogTimestampMonotonic"])
        # A healthy one stays.
        for one in recipes:
            one.wait(WatchdogTimestampMonotonic=lambda at, one=one: int(at) > pinged[one] + W * 1.5e6, NRestarts="0",
                     ActiveState="active")
        for one in recipes:
            assert one.verdict() is None, one.describe()
            one.hang()
        for one in recipes:
            wrapped.wait_for(lambda one=one: any("Watchdog timeout" in line for line in one.said()), one.describe, 90)
            one.release()
        for one in recipes:
            one.wait(ActiveState="active", NRestarts="1")
            one.judge()
        for one in recipes:
            one.systemctl("stop", one.name)
            assert one.show("ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}, one.describe()
    finally:
        uninstall(systemd)
