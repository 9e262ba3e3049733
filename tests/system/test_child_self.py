# SPDX-License-Identifier: MIT
"""What sdwd may do for itself alone: memory, priority, OOM score. The child keeps what it would have without."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import runner as runner_module


def status(pid, name):
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return line.split()[1]
    raise AssertionError(f"no {name} in /proc/{pid}/status")


def eventually(look):
    deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def oom_score(pid):
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii"))


@pytest.fixture
def running(sdwd):
    """Starts sdwd around `sleep`; returns it and the pid of the child."""
    def start(*options, **settings):
        one = sdwd("--heartbeat", *options, command=["sleep", "1000"], **settings)
        return one, one.child(command="sleep")

    return start


def is_sanitized(path):
    return b"__asan_init" in Path(path).read_bytes()


@pytest.mark.option("mlock")
def test_mlock(running, sdwd_path):
    one, child = running("--mlock")
    if is_sanitized(sdwd_path):
        # The sanitizer turns mlockall(2) into nothing, since its shadow memory could not be locked.
        eventually(lambda: os.readlink(f"/proc/{one.pid}/cwd") == "/")
        assert "--mlock" not in one.stderr()
    else:
        eventually(lambda: int(status(one.pid, "VmLck")) > 0)
    assert status(child, "VmLck") == "0"


@pytest.mark.option("rtprio")
def test_rtprio(running):
    one, child = running("--rtprio=7")
    eventually(lambda: os.sched_getscheduler(one.pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR)
    assert os.sched_getparam(one.pid).sched_priority == 7
    assert os.sched_getscheduler(child) == os.SCHED_OTHER
    assert os.getpriority(os.PRIO_PROCESS, child) == os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.option("nice")
@pytest.mark.parametrize("value", [-5, 11])
def test_nice(running, value):
    one, child = running(f"--nice={value}", preexec=lambda: os.nice(3))
    eventually(lambda: os.getpriority(os.PRIO_PROCESS, one.pid) == value)
    assert os.getpriority(os.PRIO_PROCESS, child) == os.getpriority(os.PRIO_PROCESS, 0) + 3


@pytest.mark.option("oom-score-adjust")
def test_oom_score_adjust(running):
    def begin():
        Path("/proc/self/oom_score_adj").write_text("300", encoding="ascii")

    one, child = running("--oom-score-adjust=77", preexec=begin)
    eventually(lambda: oom_score(one.pid) == 77)
    assert oom_score(child) == 300


def test_what_the_kernel_refuses_is_a_warning(running):
    """Not more than that: the service runs."""
    def begin():
        subprocess.run(["true"], check=True)
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)

    one, child = running("--rtprio=50", "--nice=-10", "--oom-score-adjust=-900", preexec=begin, notify=False)
    said = one.wait_stderr("--oom-score-adjust=-900")
    assert "--rtprio=50: " in said and "--nice=-10: " in said
    assert one.terminate() == -signal.SIGTERM and child
