# SPDX-License-Identifier: MIT
"""Drives a real systemd of our own (private-systemd) from a test."""

import functools
import json
import os
import re
import select
import subprocess
import time
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "private-systemd"

# Between two looks at a state that is waited for.
POLL_SECONDS = 0.05
# Long enough for a loaded machine; what is waited for is nearly always there after milliseconds.
PATIENCE_SECONDS = 30


class CannotBoot(Exception):
    """No real systemd can be had here; the text says why."""


class Private:
    """One booted systemd. Whoever makes it calls close(); if he dies instead, it ends by the end of its stdin."""

    def __init__(self, folder, share=(), show=()):
        """Boots with its state in @folder. @share and @show: paths of the outside, writable and read-only."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [str(SCRIPT), "boot", str(self.folder)]
        for path in share:
            command += ["--share", os.path.realpath(path)]
        for path in show:
            command += ["--show", os.path.realpath(path)]
        self._errors = open(self.folder / "boot.log", "w+", encoding="utf-8")
        self._keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors)
        self._test = 0
        self._units = {}
        ready, _, _ = select.select([self._keeper.stdout], [], [], 60)
        line = self._keeper.stdout.readline().decode() if ready else ""
        if not line.startswith("ready "):
            self.close()
            reason = (self.folder / "boot.log").read_text(encoding="utf-8").strip() or "no answer within 60 s"
            raise CannotBoot(reason)
        self.pid = int(line.split()[1])

    def close(self):
        """Ends it and everything in it. May be called twice."""
        if self._keeper is None:
            return
        self._keeper.stdin.close()
        try:
            self._keeper.wait(30)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        self._keeper.stdout.close()
        self._errors.close()
        self._keeper = None

    # Commands ---------------------------------------------------------------------------------------------------

    def run(self, *command, check=True, timeout=60, stdin=None):
        """
        Runs @command inside, as root in /, and returns its CompletedProcess with text stdout and stderr.
        @check: a failure is an AssertionError that shows its output. @stdin: text for it.
        """
        line = [str(SCRIPT), "exec", str(self.folder), "timeout", "--kill-after=2", str(timeout), *map(str, command)]
        done = subprocess.run(line, input=stdin if stdin is not None else "", capture_output=True, text=True,
                              timeout=timeout + 10, check=False)
        if check:
            assert done.returncode == 0, (
                f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    @functools.cached_property
    def version(self):
        return int(self.systemctl("--version").stdout.split()[1])

    @functools.cached_property
    def main_alone(self):
        """The option of `systemctl kill` with which only the main process gets the signal."""
        return "--kill-whom=main" if self.version >= 252 else "--kill-who=main"

    def systemctl(self, *words, check=True, timeout=120):
        return self.run("systemctl", *words, check=check, timeout=timeout)

    def daemon_reload(self):
        self.systemctl("daemon-reload")

    # Units ------------------------------------------------------------------------------------------------------

    def name(self, stem):
        """
        The name of this test's unit @stem ("web", "web.socket"; a service where it says nothing): no other test has
        the same one, and within a test the same stem is the same unit.
        """
        if stem in self._units.values():
            return stem
        if stem not in self._units:
            base, dot, kind = stem.rpartition(".")
            if not dot:
                base, kind = stem, "service"
            at, instance = base.find("@"), ""
            if at >= 0:
                base, instance = base[:at], base[at:]
            self._units[stem] = f"{base}-{self._test}{instance}.{kind}"
        return self._units[stem]

    def as_named(self, name):
        """This test has a unit of that very name, because others, or its own settings, say it. Returns @name."""
        self._units[name] = name
        return name

    def unit(self, stem, text, reload=True):
        """Writes a unit file to /run/systemd/system; returns its name (see name())."""
        name = self.name(stem)
        self.write(f"/run/systemd/system/{name}", text)
        if reload:
            self.daemon_reload()
        return name

    def write(self, path, text):
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "sh", path, stdin=text)

    def start(self, unit, check=True, wait=True):
        return self.systemctl("start", *([] if wait else ["--no-block"]), self.name(unit), check=check)

    def stop(self, unit, check=True, wait=True):
        return self.systemctl("stop", *([] if wait else ["--no-block"]), self.name(unit), check=check)

    def restart(self, unit, check=True):
        return self.systemctl("restart", self.name(unit), check=check)

    def show(self, unit, *properties):
        """The properties of @unit: one as text, several as a dict."""
        out = self.systemctl("show", self.name(unit), *[f"--property={p}" for p in properties]).stdout
        values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        return values.get(properties[0], "") if len(properties) == 1 else values

    def wait_state(self, unit, timeout=PATIENCE_SECONDS, **properties):
        """
        Waits until all of @properties hold (ActiveState="active", NRestarts="1"; a callable is asked about the text).
        Returns them as a dict; fails with the last ones, the status and the journal.
        """
        deadline = time.monotonic() + timeout
        while True:
            now = self.show(unit, *properties)
            if len(properties) == 1:
                now = {next(iter(properties)): now}
            if all(w(now.get(p, "")) if callable(w) else now.get(p, "") == str(w) for p, w in properties.items()):
                return now
            assert time.monotonic() < deadline, f"{self.name(unit)}: {now} after {timeout} s\n{self.describe(unit)}"
            time.sleep(POLL_SECONDS)

    # Journal ----------------------------------------------------------------------------------------------------

    def cursor(self):
        """The journal's end now, for journal(since=...)."""
        out = self.run("journalctl", "-n", "0", "--show-cursor", "-q").stdout
        found = re.search(r"-- cursor: (\S+)", out)
        return found.group(1) if found else None

    def journal(self, unit=None, since=None):
        """Entries as dicts, oldest first: of @unit (its own and what systemd says of it) or of all, after @since."""
        self.run("journalctl", "--sync", check=False)
        words = ["journalctl", "-q", "--no-pager", "--all", "-o", "json"]
        if unit is not None:
            words += ["-u", self.name(unit)]
        if since is not None:
            # Not --after-cursor: with a filter that the entry at the cursor does not pass it loses the first one.
            words += [f"--cursor={since}"]
        entries = [json.loads(line) for line in self.run(*words).stdout.splitlines()]
        return [entry for entry in entries if entry["__CURSOR"] != since]

    def messages(self, unit=None, since=None):
        return [entry.get("MESSAGE") for entry in self.journal(unit, since)]

    def wait_journal(self, text, unit=None, since=None, timeout=PATIENCE_SECONDS):
        """The first entry whose MESSAGE contains @text."""
        deadline = time.monotonic() + timeout
        while True:
            entries = self.journal(unit, since)
            for entry in entries:
                if text in str(entry.get("MESSAGE")):
                    return entry
            assert time.monotonic() < deadline, (
                f"no {text!r} in the journal:\n" + "\n".join(str(e.get("MESSAGE")) for e in entries[-40:]))
            time.sleep(POLL_SECONDS)

    def describe(self, unit):
        """Status and journal of @unit as text, for messages of failed tests."""
        status = self.systemctl("status", "--no-pager", "-l", "-n", "0", self.name(unit), check=False).stdout
        return status + "\n".join(str(message) for message in self.messages(unit)[-60:])

    # Tests ------------------------------------------------------------------------------------------------------

    def begin_test(self):
        self._test += 1
        self._units = {}

    def test_units(self):
        return list(self._units.values())

    def end_test(self):
        """Stops and forgets this test's units. Returns those that could not be stopped, as text."""
        names, self._units = list(self._units.values()), {}
        if not names:
            return []
        loaded = [n for n in names if "@." not in n]
        self.systemctl("stop", *loaded, check=False, timeout=10)
        self.systemctl("kill", "--signal=KILL", *loaded, check=False)
        self.systemctl("stop", *loaded, check=False, timeout=30)
        self.run("sh", "-c", 'cd /run/systemd/system && for u; do rm -rf "$u" "$u.d" "/etc/systemd/system/$u" '
                 '"/etc/systemd/system/$u.d"; done', "sh", *names)
        self.systemctl("reset-failed", *loaded, check=False)
        self.daemon_reload()
        left = []
        for name in loaded:
            state = self.systemctl("show", name, "--property=ActiveState", "--value").stdout.strip()
            if state not in ("inactive", "failed"):
                left.append(f"{name} is still {state}")
        return left
