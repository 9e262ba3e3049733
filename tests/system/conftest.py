# SPDX-License-Identifier: MIT
"""Fixtures of the tests of the real binaries against a manager that only listens."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

import manager as manager_module
import runner


def _has_sanitizers():
    build = Path(os.environ.get("SDWD_BUILD", Path(__file__).resolve().parents[2] / ".build" / "dev"))
    cache = build / "CMakeCache.txt"
    return cache.exists() and "SDWD_SANITIZE:STRING=address" in cache.read_text(encoding="utf-8")


# See there: that build has nothing to inject faults with.
collect_ignore = ["test_faults.py"] if _has_sanitizers() else []


@pytest.fixture(scope="session", autouse=True)
def subreaper():
    runner.become_subreaper()


@pytest.fixture(scope="session", autouse=True)
def runtime_folder():
    """XDG_RUNTIME_DIR of every sdwd here: its control socket is no matter of the machine's /run/sdwd."""
    # Short, because a socket's address is; and for every user that a test makes sdwd run as.
    folder = Path(tempfile.mkdtemp(prefix="sdwd-tests-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "sdwd").mkdir()
    (folder / "sdwd").chmod(0o1777)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_RUNTIME_DIR"]
    else:
        os.environ["XDG_RUNTIME_DIR"] = before
    shutil.rmtree(folder)


@pytest.fixture
def make_manager(tmp_path):
    """Makes managers: make_manager() at a path, make_manager("@name") abstract."""
    made = []

    def make(address=None):
        if address is None:
            address = tmp_path / f"notify-{len(made)}"
            # A path of more than 107 bytes is no socket address; such a folder has a short name by its fd.
            if len(str(address)) > 107:
                address = f"@sdwd-test-{os.getpid()}-{tmp_path.name}-{len(made)}"
        made.append(manager_module.Manager(address))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def manager(make_manager):
    """The manager whose socket sdwd gets."""
    return make_manager()


@pytest.fixture
def make_runner(tmp_path, request):
    """For other programs than sdwd itself: make_runner(path)."""
    made = []

    def make(binary):
        made.append(runner.Runner(binary, tmp_path, lambda: request.getfixturevalue("manager")))
        return made[-1]

    yield make
    complaints = [text for one in made for text in one.end()]
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def sdwd(manager, make_runner, sdwd_path):
    """
    Starts sdwd: sdwd("--fall=2", command=["sleep", "9"], watchdog=1) gives a runner.Sdwd; see runner.Runner.
    At the end of the test it is stopped by SIGTERM. A test fails whose sdwd does not end then, leaves processes
    behind, or was complained of by a sanitizer.
    """
    return make_runner(sdwd_path)
