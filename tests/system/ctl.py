# SPDX-License-Identifier: MIT
"""Fixtures for the tests of sdwdctl: a /run of its own, and servers that play instances in it."""

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import instances
import runner
from names import _MS_BIND, _MS_PRIVATE, _MS_REC, _CLONE_NEWNS, _checked, _libc
from terminal import Terminal

PATIENCE_SECONDS = 60


class Done(subprocess.CompletedProcess):
    """What sdwdctl did; .seconds: how long it took; .lines: of stdout."""

    seconds = 0.0

    @property
    def lines(self):
        return self.stdout.splitlines()


class Ctl:
    """Runs sdwdctl where /run is empty but for the folder `run`, and XDG_RUNTIME_DIR is the folder `user`."""

    def __init__(self, binary, folder, stack):
        self.binary = binary
        self.run_folder, self.user_folder = folder / "run", folder / "user"
        self.run_folder.mkdir()
        self.user_folder.mkdir()
        self._stack = stack
        self.farm = self.make_farm(self.user_folder / "sdwd")

    def is_sanitized(self):
        """Sanitizers take address space as they like."""
        return b"__asan_init" in Path(self.binary).read_bytes()

    def make_farm(self, folder):
        return self._stack.enter_context(contextlib.closing(instances.Farm(folder)))

    def serve_as(self, uid, *answers):
        """A process of another user with these instances; returns its pid."""
        folder = self.user_folder / "sdwd"
        folder.chmod(0o1777)
        for above in (folder.parent, folder.parent.parent):
            above.chmod(0o755)
        # pylint: disable=consider-using-with
        process = subprocess.Popen([sys.executable, instances.__file__, folder, str(uid), json.dumps(answers)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._stack.callback(process.wait, PATIENCE_SECONDS)
        self._stack.callback(process.stdout.close)
        self._stack.callback(process.stdin.close)
        return int(process.stdout.readline())

    def environment(self, **changes):
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "XDG_RUNTIME_DIR": str(self.user_folder)}
        env |= {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS") or k.startswith("GCOV_")}
        env |= changes
        return {key: value for key, value in env.items() if value is not None}

    def preexec(self):
        """In the new process: the machine's own instances are out of sight."""
        _checked(_libc.unshare(_CLONE_NEWNS))
        _checked(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
        _checked(_libc.mount(os.fsencode(self.run_folder), b"/run", None, ctypes.c_ulong(_MS_BIND), None))

    def __call__(self, *words, env=None, preexec=None):
        def prepare():
            self.preexec()
            if preexec:
                preexec()

        started = time.monotonic()
        # pylint: disable=subprocess-popen-preexec-fn
        done = subprocess.run([self.binary, *map(str, words)], env=self.environment(**(env or {})), text=True,
                              encoding="utf-8", capture_output=True, timeout=PATIENCE_SECONDS, preexec_fn=prepare,
                              check=False, stdin=subprocess.DEVNULL)
        assert not any(word in done.stderr for word in runner.SANITIZER_WORDS), done.stderr
        done = Done(done.args, done.returncode, done.stdout, done.stderr)
        done.seconds = time.monotonic() - started
        return done

    def on_terminal(self, *words, env=None, **keywords):
        """The same on a terminal (terminal.Terminal)."""
        made = Terminal([self.binary, *map(str, words)], self.environment(**(env or {})), preexec=self.preexec,
                        **keywords)
        self._stack.callback(made.close)
        return made


@pytest.fixture
def ctl(build):
    """sdwdctl, and ctl.farm for the instances that it sees."""
    binary = build / "sdwdctl"
    if not os.access(binary, os.X_OK):
        pytest.fail(f"{binary} is missing: build it, or name the build folder in SDWD_BUILD", pytrace=False)
    # A short path: sockets stand in it.
    with tempfile.TemporaryDirectory(prefix="ctl-") as folder, contextlib.ExitStack() as stack:
        yield Ctl(binary, Path(folder), stack)
