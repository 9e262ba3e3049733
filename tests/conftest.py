# SPDX-License-Identifier: MIT
"""For all tests in Python: what did not run did not pass. A skipped test, or one expected to fail, is a failure."""

import pytest


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
