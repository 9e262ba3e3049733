# SPDX-License-Identifier: MIT
"""Signals to sdwd reach the child: all of them, once, with their value; and what the signal options change."""

import ctypes
import os
import resource
import signal
import time
from pathlib import Path

import pytest

import listener
import runner as runner_module
from puppet import wait_until

FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}
FORWARDED = [n for n in range(1, 65) if n not in FAULTS | {signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP}]
FENCE = signal.SIGRTMIN + 7


@pytest.fixture
def listening(sdwd):
    """Starts sdwd around a listener and waits until it listens."""
    def start(*options, until=0, before=None, **settings):
        one = sdwd(*options, command=listener.command(until, before), **settings)
        one.wait_stdout("listening")
        return one

    return start


def heard(one, count):
    """Waits for @count signals at the child; returns all that it heard."""
    deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
    while len(listener.heard(one.stdout())) < count:
        assert time.monotonic() < deadline, f"{one.stdout()}\nsdwd said:\n{one.stderr()}"
        assert one.is_running(), one.stderr()
        time.sleep(0.002)
    return listener.heard(one.stdout())


def numbers_until_fence(one, fence=FENCE):
    """Sends one more signal; returns the numbers of all that came before it. Then ends the child."""
    known = len(listener.heard(one.stdout()))
    one.signal(fence)
    while (all_heard := heard(one, known + 1))[-1].number != fence:
        known = len(all_heard)
    finish(one)
    return [s.number for s in all_heard[:-1]]


def finish(one):
    os.kill(one.child(command="listener"), signal.SIGKILL)
    assert one.wait() == -signal.SIGKILL


def test_every_signal_arrives_once_and_in_order(listening):
    one = listening()
    for count, number in enumerate(FORWARDED, 1):
        one.signal(number)
        assert heard(one, count)[-1].number == number
    assert numbers_until_fence(one) == FORWARDED


def test_realtime_signals_come_with_their_values(listening):
    one = listening()
    for number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
        listener.queue(one.pid, number, 1000 + number)
    # The kernel keeps the order of equal ones, and hands out lower numbers first.
    last = signal.SIGRTMAX
    found = heard(one, last - signal.SIGRTMIN + 1)
    assert [(s.number, s.value) for s in sorted(found, key=lambda s: s.number)] \
        == [(n, 1000 + n) for n in range(signal.SIGRTMIN, last + 1)]
    assert {s.code for s in found} == {-1}, "SI_QUEUE"
    finish(one)


def test_a_burst_keeps_its_order_and_loses_none(listening):
    one = listening()
    for value in range(200):
        listener.queue(one.pid, signal.SIGRTMIN + 3, value)
    assert [s.value for s in heard(one, 200)] == list(range(200))
    assert numbers_until_fence(one) == [signal.SIGRTMIN + 3] * 200


def test_a_standard_signal_keeps_a_value_too(listening):
    one = listening()
    listener.queue(one.pid, signal.SIGUSR1, 4711)
    assert [(s.number, s.value) for s in heard(one, 1)] == [(signal.SIGUSR1, 4711)]
    finish(one)


def test_forwarding_goes_on_after_the_first_stop_signal(listening, manager):
    one = listening()
    manager.wait_ready()
    for count in range(1, 4):
        one.signal(signal.SIGTERM)
        heard(one, count)
    one.signal(signal.SIGHUP)
    heard(one, 4)
    assert numbers_until_fence(one) == [signal.SIGTERM] * 3 + [signal.SIGHUP]
    assert len(manager.matching("STOPPING=1")) == 1


def soft_cpu_limit(pid):
    lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[3]) for line in lines if line.startswith("Max cpu time"))


def test_processor_time_of_sdwd_is_not_the_childs(listening):
    """LimitCPU= is for each process: the kernel's SIGXCPU is about the one that gets it."""
    # A watchdog that no sdwd can feed keeps it busy.
    one = listening("--log-level=err", watchdog=1e-6,
                    preexec=lambda: resource.setrlimit(resource.RLIMIT_CPU, (1, 1000)))
    # The kernel moves the limit as it sends the signal.
    wait_until(lambda: soft_cpu_limit(one.pid) > 1, "no SIGXCPU for sdwd")
    assert numbers_until_fence(one) == []


def test_sigchld_stays_with_sdwd(listening):
    one = listening()
    for count in range(1, 4):
        one.signal(signal.SIGCHLD)
        one.signal(signal.SIGUSR1)
        heard(one, count)
    child = one.child(command="listener")
    # The listener is deaf to its own: what it would tell of must not be pending either.
    assert int(status_line(child, "ShdPnd"), 16) == int(status_line(child, "SigPnd"), 16) == 0
    finish(one)


def status_line(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(line.split()[1] for line in file if line.startswith(name + ":"))


def test_the_dump_of_an_abort_is_the_childs(sdwd, manager):
    """WatchdogSignal= reaches only sdwd under KillMode=mixed: the child gets it, and sdwd outlives the child."""
    one = sdwd(command=["sh", "-c", "trap 'echo dumped; exit 9' ABRT; echo up; while :; do sleep 0.05; done"])
    one.wait_stdout("up")
    one.signal(signal.SIGABRT)
    assert one.wait() == 9 and "dumped" in one.stdout()
    manager.wait_for("STOPPING=1")


def wait_state(pid, states):
    deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
    while runner_module.stat_of(pid)[0] not in states:
        assert time.monotonic() < deadline, f"{pid} is {runner_module.stat_of(pid)}, not one of {states}"
        time.sleep(0.005)


def test_the_child_stops_and_continues_and_sdwd_does_not(sdwd, manager):
    one = sdwd(command=["sleep", "1000"])
    manager.wait_ready()
    child = one.child(command="sleep")
    for _ in range(3):
        one.signal(signal.SIGTSTP)
        wait_state(child, "T")
        assert runner_module.stat_of(one.pid)[0] in "SR"
        one.signal(signal.SIGCONT)
        wait_state(child, "SR")
    assert one.terminate() == -signal.SIGTERM


def test_a_stopped_child_does_not_hinder_the_stop(sdwd, manager):
    one = sdwd(command=["sleep", "1000"])
    manager.wait_ready()
    child = one.child(command="sleep")
    os.kill(child, signal.SIGSTOP)
    wait_state(child, "T")
    one.signal(signal.SIGTERM)
    one.signal(signal.SIGCONT)  # as systemd does, right after
    assert one.wait() == -signal.SIGTERM


# Maps ------------------------------------------------------------------------------------------------------------


@pytest.mark.option("signal-map")
def test_signal_map_changes_drops_and_does_not_chain(listening):
    one = listening("--signal-map=TERM:INT,SIGINT:TERM,USR1:0", "--signal-map=1:SIGRTMIN+2,RTMIN+3:USR2")
    sent = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGRTMIN + 3, signal.SIGUSR2]
    came = [signal.SIGINT, signal.SIGTERM, signal.SIGRTMIN + 2, signal.SIGUSR2, signal.SIGUSR2]
    count = 0
    for number in sent:
        one.signal(number)
        count += number != signal.SIGUSR1
        heard(one, count)
    assert numbers_until_fence(one) == came


@pytest.mark.option("signal-map")
def test_a_dropped_stop_signal_stops_nothing(listening, manager):
    one = listening("--signal-map=TERM:0")
    manager.wait_ready()
    one.signal(signal.SIGTERM)
    assert numbers_until_fence(one) == []
    assert not manager.matching("STOPPING=1")


@pytest.mark.option("signal-map")
def test_a_mapped_stop_signal_still_stops(listening, manager):
    one = listening("--signal-map=TERM:QUIT", until=signal.SIGQUIT)
    manager.wait_ready()
    one.signal(signal.SIGTERM)
    assert one.wait() == 0
    manager.wait_for("STOPPING=1")


# Group, session, parent ------------------------------------------------------------------------------------------

# A child with a listener of its own beside it, in its group.
WITH_NEIGHBOUR = ["sh", "-c", 'trap "echo parent" USR1; "$@" & while :; do wait; done', "sh"]


@pytest.mark.option("signal-group")
@pytest.mark.parametrize("options", [[], ["--signal-group"]], ids=["pid", "group"])
def test_signals_go_to_the_child_or_to_its_group(sdwd, options):
    one = sdwd(*options, command=[*WITH_NEIGHBOUR, *listener.command(until=0)])
    one.wait_stdout("listening")
    one.signal(signal.SIGUSR1)
    one.wait_stdout("parent")
    neighbour = next(p for p in one.children() if runner_module.command_of(p).startswith("/usr/bin/python3"))
    os.kill(neighbour, FENCE)
    found = heard(one, 2 if options else 1)
    assert [s.number for s in found] == ([signal.SIGUSR1] if options else []) + [FENCE]
    one.kill()


@pytest.mark.option("setsid")
@pytest.mark.parametrize("options", [[], ["--setsid"]], ids=["same", "own"])
def test_session_and_group_of_the_child(sdwd, options):
    one = sdwd(*options, command=["sleep", "1000"])
    child = one.child(command="sleep")
    assert os.getpgid(child) == child
    assert os.getsid(child) == (child if options else os.getsid(one.pid))
    assert os.getpgid(one.pid) != child


def test_a_group_signal_reaches_a_session_of_its_own(listening):
    one = listening("--setsid", "--signal-group")
    one.signal(signal.SIGUSR2)
    assert numbers_until_fence(one) == [signal.SIGUSR2]


@pytest.mark.option("pdeathsig")
def test_pdeathsig_when_sdwd_dies(listening):
    one = listening("--pdeathsig=USR2", until=signal.SIGUSR2)
    child = one.child(command="listener")
    one.signal(signal.SIGKILL)
    assert one.wait() == -signal.SIGKILL
    deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
    while runner_module.stat_of(child) is not None and runner_module.stat_of(child)[0] != "Z":
        assert time.monotonic() < deadline, "the child never got it"
        time.sleep(0.01)
    assert [s.number for s in listener.heard(one.stdout())] == [signal.SIGUSR2]


def test_without_pdeathsig_the_child_hears_nothing(listening):
    one = listening(until=FENCE)
    child = one.child(command="listener")
    one.signal(signal.SIGKILL)
    assert one.wait() == -signal.SIGKILL
    os.kill(child, FENCE)
    one.wait_stdout(f"heard {int(FENCE)} ")
    assert [s.number for s in listener.heard(one.stdout())] == [FENCE]


@pytest.mark.parametrize("options", [[], ["--setsid"]])
def test_who_started_sdwd_with_one_reaches_the_child(listening, options):
    """SIGKILL: sdwd cannot pass that on."""
    libc = ctypes.CDLL(None, use_errno=True)
    one = listening(*options, preexec=lambda: libc.prctl(1, signal.SIGUSR2, 0, 0, 0), until=signal.SIGUSR2)
    child = one.child(command="listener")
    one.signal(signal.SIGKILL)
    assert one.wait() == -signal.SIGKILL
    wait_until(lambda: (runner_module.stat_of(child) or ["Z"])[0] == "Z", "the child never got it")
    assert [s.number for s in listener.heard(one.stdout())] == [signal.SIGUSR2]


@pytest.mark.option("argv0")
def test_argv0(sdwd):
    one = sdwd("--argv0=otto the second", command=["cat", "/proc/self/cmdline", "/proc/self/comm"])
    assert one.wait() == 0
    assert one.stdout() == "otto the second\0/proc/self/cmdline\0/proc/self/comm\0cat\n"


# Stop signals ----------------------------------------------------------------------------------------------------


@pytest.mark.option("stop-signal")
def test_stop_signals_are_those_listed(listening, manager):
    one = listening("--stop-signal=USR1,SIGRTMIN+4")
    manager.wait_ready()
    one.signal(signal.SIGTERM)
    heard(one, 1)
    one.signal(signal.SIGABRT)
    heard(one, 2)
    assert not manager.matching("STOPPING=1")
    one.signal(signal.SIGRTMIN + 4)
    manager.wait_for("STOPPING=1")
    assert numbers_until_fence(one) == [signal.SIGTERM, signal.SIGABRT, signal.SIGRTMIN + 4]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGABRT])
def test_stop_signals_by_default(listening, manager, number):
    one = listening()
    manager.wait_ready()
    one.signal(signal.SIGUSR1)
    heard(one, 1)
    assert not manager.matching("STOPPING=1")
    one.signal(number)
    manager.wait_for("STOPPING=1")
    finish(one)


def pending(*numbers):
    """For preexec: these signals, sent by another process, wait for sdwd from before its first instruction."""
    def begin():
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        sender = os.fork()
        if sender == 0:
            for number in numbers:
                os.kill(os.getppid(), number)
            os._exit(0)
        os.waitpid(sender, 0)

    return begin


@pytest.mark.parametrize("options,number", [
    ([], signal.SIGTERM), ([], signal.SIGABRT), (["--stop-signal=USR1"], signal.SIGUSR1)], ids=str)
@pytest.mark.option("stop-signal")
def test_a_stop_before_the_start_starts_nothing(sdwd, manager, tmp_path, options, number):
    one = sdwd("--heartbeat", *options, command=["touch", tmp_path / "started"], preexec=pending(number))
    assert one.wait() == -number
    assert f"{signal.Signals(number).name} came before the start" in one.stderr()
    assert not (tmp_path / "started").exists() and manager.ready_at is None


def test_another_signal_before_the_start_waits_for_the_child(sdwd):
    one = sdwd(command=listener.command(until=0), preexec=pending(signal.SIGUSR1, signal.SIGRTMIN + 1))
    assert {s.number for s in heard(one, 2)} == {signal.SIGUSR1, signal.SIGRTMIN + 1}
    assert len(numbers_until_fence(one)) == 2
