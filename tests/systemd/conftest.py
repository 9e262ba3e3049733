# SPDX-License-Identifier: MIT
"""Fixtures of the tests under a real systemd. Where none can be booted they fail; nothing here is ever skipped."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

import private

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def systemd(tmp_path_factory, build):
    """
    A booted systemd for the whole session (private.Private). tmp_path is the same folder inside and outside; the
    project and the build are there read-only.
    """
    share = tmp_path_factory.getbasetemp()
    # Inside the shared folder the overlay's own layers would be mounted into themselves: beside it.
    # (Not named pytest-...: another session would clear it away.)
    folder = share.parent / f"private-{share.name}-{os.getpid()}"
    show = [TOP] + ([build] if build.exists() and TOP not in build.parents else [])
    try:
        booted = private.Private(folder, share=[share], show=show)
    except private.CannotBoot as reason:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.fail(f"no real systemd here, and these tests need one: {reason}", pytrace=False)
    yield booted
    booted.close()
    # Only empty mount points and logs are left: the mounts were in a namespace of their own.
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def own_units(request):
    """Each test has units of its own, and leaves none behind."""
    if "systemd" not in request.fixturenames:
        yield
        return
    systemd = request.getfixturevalue("systemd")
    systemd.begin_test()
    yield
    report = getattr(request.node, "report_of_call", None)
    if report is not None and report.failed:
        for unit in systemd.test_units():
            report.sections.append((f"systemd: {unit}", systemd.describe(unit)))
    left = systemd.end_test()
    assert not left, "left behind: " + "; ".join(left)


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.report_of_call = outcome.get_result()
