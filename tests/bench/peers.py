# SPDX-License-Identifier: MIT
"""
The programs that sdwd is measured beside. What is not installed is fetched from Debian by apt-get and unpacked into a folder:
installed, some of them would be started.
"""

import os
import shutil
import subprocess
from pathlib import Path

from common import fail

# program: Debian's package
PROGRAMS = {"tini": "tini", "dumb-init": "dumb-init", "catatonit": "catatonit", "monit": "monit", "s6-supervise": "s6",
            "supervisord": "supervisor", "runsv": "runit", "supervise": "daemontools"}

# One look of curl for each ping, as a user would write it.
SHELL_LOOP = 'while :; do curl -fsS -m 1 -o /dev/null "$1" && systemd-notify WATCHDOG=1; sleep "$2"; done'


class Peers:
    """Where the programs are: as words to begin a command with. @folder keeps what was unpacked for the next run."""

    def __init__(self, folder, may_fetch):
        self._root = folder / "root"
        missing = [package for program, package in PROGRAMS.items() if self._find(program) is None]
        if missing and may_fetch:
            self._fetch(folder, missing)
        self.missing = [program for program in PROGRAMS if self._find(program) is None]

    def _find(self, program):
        for path in (shutil.which(program), *(str(self._root / sub / program) for sub in ("usr/bin", "usr/sbin"))):
            if path is not None and os.access(path, os.X_OK):
                return path
        return None

    def _fetch(self, folder, packages):
        print(f"bench: fetches and unpacks, below {folder}: {' '.join(packages)}", flush=True)
        archives = folder / "archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["apt-get", "install", "-y", "-q", "--download-only", "--no-install-recommends", "-o",
                               "Debug::NoLocking=1", "-o", f"Dir::Cache::archives={archives}", *packages],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            fail(f"apt-get could not fetch {' '.join(packages)}:\n{done.stdout}{done.stderr}")
        for package in sorted(archives.glob("*.deb")):
            done = subprocess.run(["dpkg", "-x", package, self._root], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                fail(f"{package}: {done.stderr}")
        # Pages that are not on the disk yet would count as dirty memory of whoever runs the program.
        os.sync()

    def has(self, *programs):
        return all(self._find(program) is not None for program in programs)

    def __getitem__(self, program):
        path = self._find(program)
        if not path.startswith(str(self._root)):
            return [path]
        if program == "supervisord":
            return ["env", f"PYTHONPATH={self._root}/usr/lib/python3/dist-packages", "/usr/bin/python3", path]
        if program.startswith("s6-"):
            folders = {str(file.parent) for file in self._root.rglob("lib*.so.*")}
            return ["env", f"LD_LIBRARY_PATH={':'.join(sorted(folders))}", path]
        return [path]


def service_folder(folder, command):
    """What s6-supervise, runsv and supervise run."""
    folder.mkdir(parents=True)
    script = folder / "run"
    script.write_text(f"#!/bin/sh\nexec {command}\n", encoding="ascii")
    script.chmod(0o755)
    return folder


def monit_file(folder, port, looks, cycle_seconds):
    """Its configuration with so many HTTP looks each cycle."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "monitrc"
    lines = [f"set daemon {cycle_seconds}", *(f"set {kind}file {folder}/{kind}" for kind in ("pid", "id", "state"))]
    for number in range(looks):
        lines += [f"check host h{number} with address 127.0.0.1", f"  if failed port {port} protocol http then alert"]
    file.write_text("\n".join(lines) + "\n", encoding="ascii")
    file.chmod(0o700)
    return file


def supervisor_file(folder, programs):
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["[supervisord]", "nodaemon=true", f"pidfile={folder}/pid", "logfile=/dev/null", "logfile_maxbytes=0"]
    for number in range(programs):
        lines += [f"[program:p{number}]", "command=sleep 1000", "stdout_logfile=NONE", "stderr_logfile=NONE"]
    file = folder / "supervisord.conf"
    file.write_text("\n".join(lines) + "\n", encoding="ascii")
    return file


def shell_loop(url, seconds):
    return ["sh", "-c", SHELL_LOOP, "sh", url, seconds]


def build_folder(top):
    return Path(top) / ".build" / "bench-peers"
