# SPDX-License-Identifier: MIT
"""For all tests in Python: what did not run did not pass. A skipped test, or one expected to fail, is a failure."""

import os
import signal
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]

# Under nohup(1) it would be ignored in all that is started here.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _fail_if_not_run(report):
    if report.skipped or hasattr(report, "wasxfail"):
        reason = getattr(report, "wasxfail", "") or (
            report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr))
        report.outcome = "failed"
        report.longrepr = f"did not run, which counts as a failure: {reason}"
        if hasattr(report, "wasxfail"):
            del report.wasxfail


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    _fail_if_not_run(outcome.get_result())


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_make_collect_report(collector):
    outcome = yield
    _fail_if_not_run(outcome.get_result())


@pytest.fixture(scope="session")
def build():
    """The build folder whose programs are tested."""
    return Path(os.environ.get("SDWD_BUILD", TOP / ".build" / "dev")).resolve()


@pytest.fixture(scope="session")
def sdwd_path(build):
    path = build / "sdwd"
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is missing: build it, or name the build folder in SDWD_BUILD", pytrace=False)
    return path
