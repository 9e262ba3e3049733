# SPDX-License-Identifier: MIT
"""--forward-stop: what systemd sends to sdwd and to the child reaches the child once; what it sends to sdwd alone, too."""

import os
import socket

import pytest

import wrapped

# Tells each signal as it comes, and ends by SIGINT and by the one that it is told. Ready with its first beat. Two
# SIGTERM may become one before it looks; of SIGRTMIN+1, the second of two is kept.
COUNTS = """#!/usr/bin/python3
import os, signal, sys, time
names = {getattr(signal, name) for name in sys.argv[2].split(",")} | {signal.SIGRTMIN + 1}
signal.pthread_sigmask(signal.SIG_BLOCK, names | {signal.SIGINT})
os.write(int(os.environ["SDWD_HEARTBEAT_FD"]), b".")
while True:
    info = signal.sigwaitinfo(names | {signal.SIGINT})
    print("got", "SIGRT" if info.si_signo > 32 else signal.Signals(info.si_signo).name, flush=True)
    if info.si_signo in (signal.SIGINT, getattr(signal, sys.argv[3])):
        time.sleep(0.5)
        break
"""
MODES = ["control-group", "mixed", "process"]
SIGNALS = "SIGTERM,SIGABRT,SIGHUP,SIGUSR1,SIGQUIT,SIGUSR2"


class Counted:
    """One unit around the counter."""

    def __init__(self, systemd, sdwd_path, tmp_path, mode, *lines, options="", ends_by="SIGTERM"):
        sdwd, script = wrapped.install(systemd, sdwd_path, wrapped.script(tmp_path, "counts", COUNTS))
        self.systemd = systemd
        # A word of its own in the command line, by which it is found.
        self.told = f"word-{systemd.name(f'counted-{mode}')}"
        self.unit = systemd.unit(f"counted-{mode}", wrapped.unit_text(
            f"{sdwd} --heartbeat --silence=100s --orphan-timeout=100ms {options} -- "
            f"{script} {self.told} {SIGNALS} {ends_by}", f"KillMode={mode}", *lines))
        systemd.start(self.unit)
        systemd.wait_state(self.unit, ActiveState="active", SubState="running")

    def counts(self):
        words = [line.split()[1] for line in wrapped.texts(self.systemd, self.unit) if line.startswith("got SIG")]
        return {word: words.count(word) for word in words}

    def wait_counts(self, **expected):
        wrapped.wait_for(lambda: {k: self.counts().get(k, 0) for k in expected} == expected,
                         lambda: f"{expected}, but {self.counts()}\n{self.systemd.describe(self.unit)}")

    def end(self):
        """By a signal that is not the manager's, to the counter alone."""
        pid = self.systemd.run("pgrep", "-f", f"^/usr/bin/python3.*{self.told}").stdout.split()
        self.systemd.run("kill", "-INT", *pid)

    def has_logged(self, text):
        return wrapped.has(self.systemd, self.unit, text)

    def wait_known(self):
        """sdwd has its answer: the process that asked is gone. It is the only other child besides the counter."""
        pid = self.systemd.show(self.unit, "MainPID")
        wrapped.wait_for(lambda: len(self.systemd.run("pgrep", "-P", pid, check=False).stdout.split()) == 1,
                         "one child of sdwd")


@pytest.mark.option("forward-stop")
@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_a_stop_is_one_signal(systemd, sdwd_path, tmp_path, verb):
    for mode in MODES:
        counted = Counted(systemd, sdwd_path, tmp_path, mode)
        counted.wait_known()
        systemd.systemctl(verb, counted.unit)
        assert counted.counts() == {"SIGTERM": 1}, (mode, systemd.describe(counted.unit))
        assert counted.has_logged("SIGTERM held back: systemd sends it to the child too") == (mode == "control-group")
        if verb == "restart":
            systemd.wait_state(counted.unit, ActiveState="active", SubState="running")
            systemd.stop(counted.unit)
        systemd.wait_state(counted.unit, ActiveState="inactive", Result="success")


@pytest.mark.option("stop-signal")
def test_the_units_own_signals_are_known(systemd, sdwd_path, tmp_path):
    for mode in MODES:
        counted = Counted(systemd, sdwd_path, tmp_path, mode, "KillSignal=SIGQUIT", "RestartKillSignal=SIGUSR1",
                          ends_by="SIGQUIT")
        counted.wait_known()
        systemd.systemctl("restart", "--no-block", counted.unit)
        counted.wait_counts(SIGUSR1=1)
        wrapped.wait_for(lambda counted=counted: counted.has_logged("SIGUSR1 from pid 1: stopping"), "a stop")
        # It waits for its child, which does not end by this one.
        counted.end()
        systemd.wait_state(counted.unit, ActiveState="active", SubState="running")
        counted.wait_known()
        systemd.stop(counted.unit)
        assert counted.counts() == {"SIGUSR1": 1, "SIGINT": 1, "SIGQUIT": 1}, (mode, systemd.describe(counted.unit))
        assert counted.has_logged("SIGQUIT from pid 1: stopping")
        systemd.wait_state(counted.unit, ActiveState="inactive", Result="success")


def test_systemctl_kill_reaches_the_child_in_each_form(systemd, sdwd_path, tmp_path):
    """None of them stops the unit, so none is held back; to all, the child gets the manager's and sdwd's."""
    for mode in MODES:
        counted = Counted(systemd, sdwd_path, tmp_path, mode, ends_by="SIGQUIT")
        counted.wait_known()
        systemd.systemctl("kill", systemd.main_alone, "--signal=SIGHUP", counted.unit)
        counted.wait_counts(SIGHUP=1)
        systemd.systemctl("kill", systemd.main_alone, "--signal=SIGUSR2", counted.unit)
        counted.wait_counts(SIGUSR2=1)
        systemd.systemctl("kill", systemd.main_alone, "--signal=SIGTERM", counted.unit)
        counted.wait_counts(SIGTERM=1)
        # sdwd takes it for a stop and says so; what comes then to sdwd alone is still not the manager's own.
        systemd.wait_state(counted.unit, SubState="stop-sigterm")
        systemd.systemctl("kill", systemd.main_alone, "--signal=SIGTERM", counted.unit)
        counted.wait_counts(SIGTERM=2)
        systemd.systemctl("kill", "--signal=SIGUSR1", counted.unit)
        wrapped.wait_for(lambda counted=counted: 1 <= counted.counts().get("SIGUSR1", 0) <= 2, "SIGUSR1")
        assert not counted.has_logged("held back"), systemd.describe(counted.unit)
        counted.end()
        systemd.wait_state(counted.unit, ActiveState="inactive")


def test_a_kill_during_a_stop_is_not_the_managers_own(systemd, sdwd_path, tmp_path):
    counted = Counted(systemd, sdwd_path, tmp_path, "control-group", ends_by="SIGQUIT")
    counted.wait_known()
    systemd.stop(counted.unit, wait=False)
    counted.wait_counts(SIGTERM=1)
    wrapped.wait_for(lambda: counted.has_logged("SIGTERM held back"), "held back")
    systemd.systemctl("kill", systemd.main_alone, "--signal=SIGTERM", counted.unit)
    counted.wait_counts(SIGTERM=2)
    counted.end()
    systemd.wait_state(counted.unit, ActiveState="inactive")


@pytest.fixture
def busy(tmp_path):
    """A private socket of the manager, for a unit with BUSY, at which nobody answers; accept() gives the next question."""
    with socket.socket(socket.AF_UNIX) as listener:
        # A path of more than 107 bytes is no socket address; the folder has a short name by its fd.
        folder = os.open(tmp_path, os.O_PATH)
        listener.bind(f"/proc/self/fd/{folder}/busy")
        os.close(folder)
        listener.listen()
        listener.settimeout(30)
        yield listener


BUSY = "BindPaths={}/busy:/run/systemd/private"


def test_a_command_that_ends_at_once_is_not_asked_for(systemd, sdwd_path, tmp_path, busy):
    """It has ended before sdwd hears of its exec: nobody is left to whom a signal could go twice, and nothing waits."""
    assert busy
    sdwd, = wrapped.install(systemd, sdwd_path)
    for number in range(3):
        # On one processor, and sdwd is the last to get it.
        unit = systemd.unit(f"quick-{number}", wrapped.unit_text(f"{sdwd} --nice=19 --mlock -- /bin/true", "WatchdogSec=30",
                                                                 "CPUAffinity=0", BUSY.format(tmp_path)))
        systemd.start(unit, wait=False)
        systemd.wait_journal("the service exited with 0", unit)
        systemd.wait_state(unit, SubState=lambda state: state in ("dead", "failed"))
        assert not wrapped.has(systemd, unit, "outlives SIGKILL"), systemd.describe(unit)


def test_a_manager_that_was_too_busy_at_the_start_is_asked_again(systemd, sdwd_path, tmp_path, busy):
    """READY=1 comes while the first question is still open, which is given up later."""
    counted = Counted(systemd, sdwd_path, tmp_path, "control-group", BUSY.format(tmp_path))
    with busy.accept()[0], busy.accept()[0]:
        systemd.stop(counted.unit)


# Never ready; tells each signal as it comes, and ends after the first, slowly enough to see a second one.
STARTS = """#!/usr/bin/python3
import signal, time
names = {signal.SIGTERM, signal.SIGINT, signal.SIGRTMIN + 1}
signal.pthread_sigmask(signal.SIG_BLOCK, names)
print("begun", flush=True)
info = signal.sigwaitinfo(names)
while info:
    print("got", info.si_signo, flush=True)
    info = signal.sigtimedwait(names, 1)
"""


def begin_start(systemd, sdwd_path, tmp_path, stem, script, options, *lines):
    """A unit that stays in its start, and of which sdwd has its answer."""
    sdwd, script = wrapped.install(systemd, sdwd_path, wrapped.script(tmp_path, "starts", script))
    unit = systemd.unit(stem, wrapped.unit_text(f"{sdwd} --ready=notify {options} -- {script}", *lines))
    systemd.start(unit, wait=False)
    systemd.wait_journal("begun", unit)
    pid = systemd.show(unit, "MainPID")
    wrapped.wait_for(lambda: len(systemd.run("pgrep", "-P", pid, check=False).stdout.split()) == 1, "one child of sdwd")
    assert systemd.show(unit, "SubState") == "start"
    return unit


def test_a_stop_during_the_start_is_one_signal(systemd, sdwd_path, tmp_path):
    for mode in MODES:
        unit = begin_start(systemd, sdwd_path, tmp_path, mode, STARTS, "", f"KillMode={mode}", "KillSignal=SIGRTMIN+1")
        systemd.stop(unit)
        got = [line for line in wrapped.texts(systemd, unit) if line.startswith("got")]
        assert len(got) == 1, (mode, systemd.describe(unit))


def test_a_stop_during_the_start_is_known_and_not_extended(systemd, sdwd_path, tmp_path):
    """--extend-start= is for the start: of the stop's time systemd is told nothing."""
    unit = begin_start(systemd, sdwd_path, tmp_path, "extends", STARTS.replace("sigtimedwait(names, 1)", "sigwaitinfo(names)"),
                       "--extend-start=1h", "KillMode=mixed", "KillSignal=SIGINT", "TimeoutStopSec=6")
    systemd.stop(unit, wait=False)
    systemd.wait_state(unit, ActiveState="failed", Result="timeout")
    assert wrapped.has(systemd, unit, "SIGINT from pid 1: stopping"), systemd.describe(unit)


def test_a_kill_mode_that_was_changed_meanwhile(systemd, sdwd_path, tmp_path):
    """The manager goes by what it read last (daemon-reload): under mixed nobody else tells the child."""
    counted = Counted(systemd, sdwd_path, tmp_path, "control-group")
    counted.wait_known()
    systemd.write(f"/run/systemd/system/{counted.unit}.d/mixed.conf", "[Service]\nKillMode=mixed\n")
    systemd.daemon_reload()
    assert systemd.show(counted.unit, "KillMode") == "mixed"
    systemd.stop(counted.unit)
    assert counted.counts() == {"SIGTERM": 1}, systemd.describe(counted.unit)
    systemd.wait_state(counted.unit, ActiveState="inactive", Result="success")


def test_always_and_never(systemd, sdwd_path, tmp_path):
    counted = Counted(systemd, sdwd_path, tmp_path, "control-group", "KillSignal=SIGRTMIN+1",
                      options="--forward-stop=always", ends_by="SIGINT")
    systemd.stop(counted.unit, wait=False)
    counted.wait_counts(SIGRT=2)
    counted.end()
    systemd.wait_state(counted.unit, ActiveState="inactive")

    other = tmp_path / "never"
    other.mkdir()
    counted = Counted(systemd, sdwd_path, other, "mixed", options="--forward-stop=never")
    systemd.stop(counted.unit, wait=False)
    wrapped.wait_for(lambda: counted.has_logged("SIGTERM held back"), "held back")
    assert counted.counts() == {}
    counted.end()
    systemd.wait_state(counted.unit, ActiveState="inactive")


def test_no_signal_is_lost_where_nobody_answers(systemd, sdwd_path, tmp_path):
    """Neither door of the manager is there: nothing is known, everything is forwarded."""
    counted = Counted(systemd, sdwd_path, tmp_path, "control-group",
                      "InaccessiblePaths=/run/systemd/private /run/dbus", "KillSignal=SIGRTMIN+1", ends_by="SIGINT")
    counted.wait_known()
    systemd.stop(counted.unit, wait=False)
    counted.wait_counts(SIGRT=2)
    counted.end()
    systemd.wait_state(counted.unit, ActiveState="inactive")


def test_a_bus_that_hangs_loses_no_signal(systemd, sdwd_path, tmp_path):
    """An ordinary user has the bus alone; when it stops answering, the signal waits no longer than 200 ms."""
    systemd.run("busctl", "list")
    counted = Counted(systemd, sdwd_path, tmp_path, "control-group", "User=daemon", "KillSignal=SIGRTMIN+1",
                      ends_by="SIGINT")
    counted.wait_known()
    bus = systemd.run("pgrep", "-x", "dbus-daemon").stdout.split()
    assert bus
    try:
        systemd.run("kill", "-STOP", *bus)
        systemd.stop(counted.unit, wait=False)
        counted.wait_counts(SIGRT=2)
        assert counted.has_logged("no answer from systemd in time whether it stops this unit: its signals are forwarded")
    finally:
        systemd.run("kill", "-CONT", *bus)
    counted.end()
    systemd.wait_state(counted.unit, ActiveState="inactive")


def test_an_ordinary_user_asks_over_the_bus(systemd, sdwd_path, tmp_path):
    systemd.run("busctl", "list")
    counted = Counted(systemd, sdwd_path, tmp_path, "control-group", "User=daemon")
    counted.wait_known()
    systemd.stop(counted.unit)
    assert counted.counts() == {"SIGTERM": 1}, systemd.describe(counted.unit)
    systemd.wait_state(counted.unit, ActiveState="inactive", Result="success")
