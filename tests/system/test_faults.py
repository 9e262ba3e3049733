# SPDX-License-Identifier: MIT
"""
Some of the faults of full-faults: those that found a defect, and others of each kind. What they are injected by is not
built with AddressSanitizer, which replaces malloc(3) itself and must be the first of all preloaded libraries.
"""

import concurrent.futures
import errno
import itertools
import os
import re
import subprocess

import pytest

import faults
from control import make_instance  # pylint: disable=unused-import
from puppet import Puppet, child, running  # pylint: disable=unused-import

# A few at a time: most of a run is waiting.
JOBS = 6

_theatre = None


def _theatre_of(build):
    global _theatre  # pylint: disable=global-statement
    if _theatre is None:
        _theatre = faults.Theatre(build)
    return _theatre


def _base(build, scenario, programs):
    theatre = _theatre_of(build)
    base = theatre.base(scenario)
    return base, {program: theatre.sites(scenario, program, base) for program in programs}


def _run(build, *arguments):
    return _theatre_of(build).run(*arguments)


def _close():
    if _theatre:
        _theatre.close()


class Stages:
    """Runs of scenarios side by side; what they are like without a fault is found out once."""

    def __init__(self, build):
        self._build = build
        self._pool = concurrent.futures.ProcessPoolExecutor(JOBS)
        self._bases = {}

    def base(self, scenario):
        if scenario not in self._bases:
            programs = faults.SCENARIOS[scenario].programs
            self._bases[scenario] = self._pool.submit(_base, self._build, scenario, programs).result()
        return self._bases[scenario]

    def run(self, scenario, program, function, numbers, error, count=1):
        """A verdict of each call that is in @numbers."""
        base = self.base(scenario)[0]
        futures = [self._pool.submit(_run, self._build, scenario, base, program, function, number, error, count)
                   for number in numbers]
        return dict(zip(numbers, (future.result() for future in futures)))

    def close(self):
        for future in [self._pool.submit(_close) for _ in range(4 * JOBS)]:
            future.result()
        self._pool.shutdown()


@pytest.fixture(scope="module")
def stages(build):
    made = Stages(build)
    yield made
    made.close()


def first_of_each_site(sites):
    """The numbers of the calls that are the first from their place."""
    return sorted({site: n for n, site in reversed(list(enumerate(sites, 1)))}.values())


def check(stages, scenario, function, error, program="sdwd", numbers=None, count=1):
    if numbers is None:
        numbers = first_of_each_site(stages.base(scenario)[1][program].get(function, []))
        assert numbers, f"{program} does not call {function} in {scenario}"
    verdicts = stages.run(scenario, program, function, numbers, error, count)
    bad = [f"call {n}: {v.why}, at {' < '.join(v.frames[:6])}\n{v.said}" for n, v in verdicts.items() if v.kind == "finding"]
    assert not bad, "\n".join(bad)
    assert any(v.injected for v in verdicts.values())
    return verdicts


def test_libev_without_memory_does_not_abort(stages):
    verdicts = check(stages, "service", "realloc", "ENOMEM")
    assert any("sdwd goes on with a reserve" in v.said for v in verdicts.values())


@pytest.mark.parametrize("error", ["EBADF", "EINTR"])
def test_epoll_wait_fails(stages, error):
    check(stages, "service", "epoll_wait", error, numbers=[1, 5])


def test_epoll_wait_fails_for_good(stages):
    """The service is ended in order, and sdwd says why."""
    (verdict,) = check(stages, "service", "epoll_wait", "EINVAL", numbers=[10], count=1000000).values()
    assert verdict.kind == "125" and "epoll_wait" in verdict.why


@pytest.mark.parametrize("scenario", ["service", "pidfile"])
def test_an_fd_that_epoll_refuses_is_not_forgotten(stages, scenario):
    sites = stages.base(scenario)[1]["sdwd"]["epoll_ctl"]
    check(stages, scenario, "epoll_ctl", "ENOSPC", numbers=range(1, len(sites) + 1))


def test_what_a_policy_forbids_once_is_said_to_systemd_all_the_same(stages):
    """READY=1 above all: without it systemd ends a healthy service."""
    sites = stages.base("kill")[1]["sdwd"]["sendmsg"]
    check(stages, "kill", "sendmsg", "EACCES", numbers=range(1, len(sites) + 1))


@pytest.mark.parametrize("function", ["calloc", "malloc"])
def test_no_memory_at_the_start_is_said(stages, function):
    check(stages, "service", function, "ENOMEM")


@pytest.mark.parametrize("error", ["EIO", "EINVAL", "EINTR"])
def test_a_read_of_signals_that_fails_is_tried_again(stages, error):
    check(stages, "alone", "read", error)


def test_signals_that_can_never_be_read(stages):
    """No SIGTERM, no SIGCHLD: the service is ended in order rather than left alone."""
    check(stages, "service", "signalfd", "ENOMEM")


@pytest.mark.parametrize("error", ["EINTR", "EINVAL"])
def test_waitid_that_fails_is_tried_again(stages, error):
    check(stages, "service", "waitid", error)


@pytest.mark.parametrize("error", ["ENOMEM", "EINTR"])
def test_the_relay_survives_a_failed_recvmsg(stages, error):
    check(stages, "service", "recvmsg", error)


@pytest.mark.parametrize("error", ["ESRCH", "EPERM"])
def test_a_signal_that_cannot_be_forwarded_is_logged(stages, error):
    check(stages, "service", "kill", error)


def test_signals_that_cannot_be_blocked(stages):
    (verdict,) = check(stages, "service", "rt_sigprocmask", "EINVAL", numbers=[1]).values()
    assert verdict.kind == "125" and verdict.why == "sdwd: cannot block signals: Invalid argument"


@pytest.mark.parametrize("error", ["SHORT", "EAGAIN"])
def test_a_log_line_that_is_not_written_whole(stages, error):
    for verdict in check(stages, "alone", "write", error).values():
        assert all(re.match(r"<\d>sdwd: ", line) for line in verdict.said.splitlines()), verdict.said


def test_an_fd_that_cannot_be_asked_for_its_flags(stages):
    check(stages, "probes", "fcntl", "EINTR", numbers=range(1, 6))


def test_a_list_of_fds_that_is_not_whole_is_not_believed(stages):
    """What the child inherited would stay open in sdwd."""
    check(stages, "probes", "readdir", "EBADF")


def test_a_list_of_services_that_is_not_whole_is_told(stages):
    """Else sdwdctl would say that all is well with those that it saw."""
    verdicts = check(stages, "control", "readdir", "EBADF", program="sdwdctl")
    assert all(v.kind == "logged" for v in verdicts.values() if v.injected), verdicts


def test_a_list_of_processes_that_cannot_be_read_is_not_an_empty_one(stages):
    (verdict,) = check(stages, "forking", "readdir", "EBADF", numbers=[1], count=9).values()
    assert verdict.kind == "125" and "/proc does not show what remained" in verdict.said


def test_a_field_for_which_there_is_no_memory_is_not_one_that_was_not_told(stages):
    """json-c leaves it out, and says nothing: of the state or the health it would be that of an unhealthy service."""
    verdicts = check(stages, "control", "malloc", "ENOMEM", program="sdwdctl", numbers=range(50, 66))
    assert any(v.kind == "logged" for v in verdicts.values())


def test_an_fd_that_cannot_be_looked_at_is_kept_and_told(stages):
    """It may be one of sdwd's own; one of the child's stays open as long as sdwd is there."""
    # So many in a row: where coverage is measured its own locks are among them.
    (verdict,) = check(stages, "probes", "fcntl", "EACCES", numbers=[8], count=150).values()
    assert verdict.said.count("cannot tell whether fd ") > 1


@pytest.mark.parametrize("function, error", [("read", "EIO"), ("recvmsg", "EINVAL")])
def test_what_the_child_says_is_not_given_up_for_one_error(stages, function, error):
    check(stages, "service", function, error, numbers=range(1, 9))


@pytest.mark.parametrize("error", ["EAGAIN", "ENOMEM"])
def test_fork_fails(stages, error):
    """Of the command: 125. Of a check: nothing is known."""
    verdicts = check(stages, "kill", "fork", error, numbers=[1, 2, 3])
    assert verdicts[1].kind == "125"


@pytest.mark.parametrize("function", ["socket", "connect"])
def test_no_socket_for_a_look(stages, function):
    check(stages, "kill", function, "ENOMEM" if function == "socket" else "EAGAIN")



def test_a_pause_without_memory_is_none_and_never_one_without_an_end(make_instance, build, tmp_path):
    one = make_instance("--exec=true", "--interval=1h")
    for number in itertools.count(1):
        report = faults.Report(tmp_path / "report")
        done = subprocess.run(
            [build / "sdwdctl", "pause", one.path.name, "--for=1h"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, env={**os.environ, "LD_PRELOAD": build / "tests/system/fault.so", "SDWD_FAULT_REPORT": report.path,
                              "SDWD_FAULT": f"sdwdctl calloc {number} 1 {errno.ENOMEM}"})
        assert done.returncode >= 0 and (done.returncode == 0 or done.stderr), (number, done)
        status = one.status()
        assert status["paused"] is (status["pausedLeftUsec"] is not None), (number, done)
        one.ask("Resume")
        if not report.read()[1]:
            break
    assert number > 10


# At once, or just when it was found to be one that may be supervised.
@pytest.mark.parametrize("first", [1, 2])
def test_a_process_whose_end_cannot_be_watched_is_not_supervised(running, child, build, tmp_path, first):
    report = faults.Report(tmp_path / "report")
    run = running(env={"LD_PRELOAD": build / "tests/system/fault.so", "SDWD_FAULT_REPORT": report.path,
                       "SDWD_FAULT": f"sdwd pidfd_open {first} 1000000 {errno.EPERM}"})
    new = Puppet()
    try:
        pid = child(f"fork(os.execv, {new.command[0]!r}, {new.command!r})")
        new("None")
        child(f"notify('MAINPID={pid}')")
        run.wait_stderr(f"MAINPID={pid} of the child names a process whose end sdwd cannot watch (pidfd_open): ignored")
        child.tell("os._exit(3)")
        assert run.wait() == 3
    finally:
        new.close()
