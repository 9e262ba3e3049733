# SPDX-License-Identifier: MIT
"""The end of a child that sdwd ends itself, and of what a child leaves behind."""

import ctypes
import functools
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import listener
import mounts
import runner as runner_module
from puppet import child, state_of, wait_until  # pylint: disable=unused-import

# Never ready: its heartbeat does not come.
# Python must have started by then, on a loaded machine too.
NEVER_READY = ["--heartbeat", "--start-timeout=1500ms"]


def numbers(one):
    return [s.number for s in listener.heard(one.stdout())]


# sdwd's own decision ---------------------------------------------------------------------------------------------


@pytest.mark.option("kill-signal")
@pytest.mark.parametrize("options,number", [([], signal.SIGTERM), (["--kill-signal=USR2"], signal.SIGUSR2)], ids=str)
def test_kill_signal_comes_with_a_continue(sdwd, options, number):
    one = sdwd(*NEVER_READY, *options, command=listener.command(until=signal.SIGCONT))
    assert one.wait() == 124
    assert sorted(numbers(one)) == sorted([number, signal.SIGCONT])


@pytest.mark.option("kill-signal")
def test_kill_signal_ends_an_unhealthy_child(sdwd):
    # It beats once, then hangs.
    one = sdwd("--heartbeat=3", "--silence=300ms", "--on-unhealthy=kill", "--kill-signal=INT", notify=False,
               command=listener.command(until=signal.SIGINT, before="echo >&3"))
    assert one.wait() == 124
    assert signal.SIGINT in numbers(one) and signal.SIGTERM not in numbers(one)


def test_a_stopped_child_is_ended_too(sdwd):
    one = sdwd("--start-timeout=500ms", "--ready=notify", command=["sh", "-c", "kill -STOP $$"])
    assert one.wait() == 124


# It ignores SIGTERM, and so does one in a session of its own.
STUBBORN = ["sh", "-c", 'trap "" TERM; setsid sleep 1001 & sleep 1002 & echo up; while :; do sleep 0.05; done']


@pytest.mark.option("kill-timeout")
def test_after_kill_timeout_all_are_killed(sdwd):
    one = sdwd(*NEVER_READY, "--kill-timeout=400ms", command=STUBBORN)
    one.wait_stdout("up")
    one.wait_stderr("ending pid")
    told_at = time.monotonic()
    assert one.wait(9) == 124, "the default would be 10 s"
    assert time.monotonic() - told_at > 0.2, "the child had its time"
    assert "did not end within --kill-timeout=400ms: SIGKILL" in one.stderr()
    assert one.children() == []


def test_until_kill_timeout_the_child_has_time(sdwd):
    # A second for an orderly end is within 20 s.
    one = sdwd(*NEVER_READY, "--kill-timeout=20s",
               command=["sh", "-c", 'trap "sleep 1; echo orderly; exit 0" TERM; while :; do sleep 0.05; done'])
    assert one.wait() == 124 and one.stdout() == "orderly\n"
    assert "SIGKILL" not in one.stderr()


# Left behind -----------------------------------------------------------------------------------------------------


@pytest.fixture
def leave(sdwd, tmp_path):
    """Starts sdwd with @options around a child that ends with @code and leaves a listener behind."""
    def start(*options, code=7, until=signal.SIGTERM, seconds=None, **settings):
        log = tmp_path / "orphan"
        log.touch()
        orphan = listener.command(until, seconds=seconds)
        line = f'"$@" >"$0" & while ! grep -q listening "$0"; do sleep 0.01; done; exit {code}'
        one = sdwd(*options, command=["sh", "-c", line, log, *orphan], **settings)
        one.orphan_heard = lambda: [s.number for s in listener.heard(log.read_text())]
        return one

    return start


@pytest.mark.parametrize("options", [[], ["--orphans=term"]], ids=["default", "term"])
def test_orphans_get_sigterm_and_sdwd_waits_for_them(leave, options):
    one = leave(*options, code=7)
    assert one.wait() == 7, "the child's status"
    assert one.orphan_heard()[-1] == signal.SIGTERM


@pytest.mark.option("orphan-timeout")
def test_orphans_get_one_sigterm_and_then_sigkill(leave):
    one = leave("--orphans=term", "--orphan-timeout=700ms", until=0)
    one.wait_stderr("left behind")
    told_at = time.monotonic()
    # Whatever happens meanwhile, nobody is told again.
    one.signal(signal.SIGUSR1)
    one.wait_stderr("SIGUSR1: there is no process")
    one.signal(signal.SIGUSR2)
    one.wait_stderr("SIGUSR2: there is no process")
    assert one.wait(4.5) == 7, "the default would be 5 s"
    assert time.monotonic() - told_at > 0.4
    assert sorted(one.orphan_heard()) == [signal.SIGTERM, signal.SIGCONT]
    assert "SIGKILL" in one.stderr()


def test_sdwd_stays_until_what_it_killed_is_gone(leave, tmp_path):
    """On a loaded machine also a killed process waits for its turn: longer than a moment."""
    library = tmp_path / "latekill.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name("latekill.c"), "-ldl"],
                   check=True)
    env = {"LD_PRELOAD": str(library), "LATE_KILL": "1500",
           # A sanitizer wants to be the first library; here it need not be.
           "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    one = leave("--orphans=term", "--orphan-timeout=200ms", until=0, env=env)
    assert one.wait() == 7
    left = [p for p in runner_module.descendants(os.getpid()) if str(listener.__file__) in runner_module.command_of(p)]
    assert not left, one.stderr()
    assert "processes left behind did not end within --orphan-timeout=200ms: SIGKILL" in one.stderr()
    assert "outlive SIGKILL" not in one.stderr()


def test_until_orphan_timeout_orphans_have_time(sdwd, tmp_path):
    line = '(trap "sleep 1; echo orderly; exit 0" TERM; touch "$0"; while :; do sleep 0.05; done) & ' \
           'until [ -e "$0" ]; do sleep 0.01; done; exit 3'
    one = sdwd("--orphan-timeout=20s", command=["sh", "-c", line, tmp_path / "up"])
    assert one.wait() == 3
    assert one.stdout() == "orderly\n" and "SIGKILL" not in one.stderr()


@pytest.mark.option("orphans")
def test_orphans_wait(leave):
    one = leave("--orphans=wait", "--orphan-timeout=200ms", until=0, seconds=1.5)
    one.wait_stderr("left behind")
    assert one.wait() == 7
    assert one.orphan_heard() == [], "it ended by itself, and nobody disturbed it"
    assert "SIGKILL" not in one.stderr()


@pytest.mark.option("orphans")
def test_orphans_that_are_waited_for_get_the_signals(leave):
    """Or nobody could end them in order, who waits without end."""
    one = leave("--orphans=wait", until=signal.SIGTERM, seconds=60)
    one.wait_stderr("left behind")
    one.signal(signal.SIGTERM)
    assert one.wait() == 7, "the child's status"
    assert one.orphan_heard() == [signal.SIGTERM]


@pytest.mark.option("orphans")
def test_while_the_child_ends_the_signals_are_still_its_own(sdwd, child):
    run = sdwd("--orphans=wait", command=child.command)
    child("heard = []; [signal.signal(n, lambda n, _: heard.append(n)) for n in (signal.SIGTERM, signal.SIGUSR1)]")
    for number in (signal.SIGTERM, signal.SIGUSR1):
        run.signal(number)
        wait_until(lambda n=number: child(f"{int(n)} in heard") is True, "the signal")
    child.tell("os._exit(7)")
    assert run.wait() == 7


@pytest.mark.option("orphans")
def test_a_signal_to_an_orphan_that_cannot_be_sent_is_not_said_to_be(sdwd, child):
    """As for a service without CAP_KILL whose orphan is another user's, which needs root."""
    no_kill = functools.partial(ctypes.CDLL(None).prctl, 24, 5, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_KILL
    run = sdwd("--orphans=wait", command=child.command, preexec=no_kill)
    pid = child("fork(lambda: (os.setresuid(65534, 65534, 65534), time.sleep(1000)))")
    wait_until(lambda: os.stat(f"/proc/{pid}").st_uid == 65534, "another user's")
    child.tell("os._exit(7)")
    run.wait_stderr("1 process left behind, waiting")
    run.signal(signal.SIGTERM)
    run.wait_stderr(f"cannot forward SIGTERM to 1 process left behind: pid {pid}: Operation not permitted\n")
    os.kill(pid, signal.SIGKILL)
    assert run.wait() == 7
    assert "SIGTERM: forwarded" not in run.stderr() and "SIGTERM: there is no process" not in run.stderr()


@pytest.mark.option("orphans")
@pytest.mark.parametrize("options", [[], ["--signal-group"]], ids=["pid", "group"])
def test_a_signal_that_finds_the_child_dead_is_for_the_orphans(sdwd, child, options):
    """Its end is there, and not reaped yet: who waits then would wait without end."""
    run = sdwd("--orphans=wait", *options, command=child.command)
    orphan = child("fork(time.sleep, 1000)")
    pid = child("os.getpid()")
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: state_of(pid) == "Z", "end")
    run.signal(signal.SIGTERM)
    run.signal(signal.SIGCONT)
    assert run.wait() == -signal.SIGKILL, "the child's status"
    assert state_of(orphan) is None
    assert "SIGTERM: forwarded to what was left behind (--orphans=wait)" in run.stderr()


@pytest.mark.option("orphans")
def test_orphans_leave(leave):
    one = leave("--orphans=leave", until=signal.SIGUSR1)
    assert one.wait() == 7
    left = [p for p in runner_module.descendants(os.getpid()) if str(listener.__file__) in runner_module.command_of(p)]
    assert len(left) == 1, "it lives on"
    os.kill(left[0], signal.SIGUSR1)
    deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
    while one.orphan_heard() != [signal.SIGUSR1]:
        assert time.monotonic() < deadline, one.orphan_heard()
        time.sleep(0.01)


def test_orphans_of_orphans_are_told_once_each(sdwd, tmp_path):
    """Five in a row, each in a session of its own; each ends at its SIGTERM and leaves the next one to sdwd."""
    script = tmp_path / "nest"
    script.write_text("""
        trap "echo told $1; exit" TERM
        [ $1 = 0 ] || setsid sh "$0" $(($1 - 1)) &
        [ $1 != 0 ] || touch "$0.up"
        while :; do sleep 0.02; done
    """)
    one = sdwd(command=["sh", "-c", 'sh "$0" 4 & until [ -e "$0.up" ]; do sleep 0.01; done; exit 5', script])
    assert one.wait() == 5
    told = [line for line in one.stdout().splitlines() if line.startswith("told")]
    assert sorted(told) == [f"told {n}" for n in range(5)]


def test_orphans_have_no_ping(sdwd, manager):
    """From the child's end on the unit ends: a ping would turn that into a watchdog's kill."""
    one = sdwd("--orphans=wait", watchdog=0.4, command=["sh", "-c", "sleep 1.4 & sleep 0.3"])
    manager.wait_for("STOPPING=1")
    stopping_at = manager.matching("STOPPING=1")[0].at
    assert one.wait() == 0
    assert [d for d in manager.pings() if d.at > stopping_at] == []


# Zombies ---------------------------------------------------------------------------------------------------------


def zombies_of(pid):
    return [int(entry) for entry in os.listdir("/proc")
            if entry.isdigit() and runner_module.stat_of(entry) == ("Z", pid)]


def wait_no_zombie(pid):
    deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
    while zombies_of(pid):
        assert time.monotonic() < deadline, f"zombies: {zombies_of(pid)}"
        time.sleep(0.01)


def test_G16_no_zombie_stays(sdwd):
    line = 'for i in 1 2 3 4 5 6 7 8 9 10; do sh -c "for j in 1 2 3 4 5 6 7 8 9 10; do sleep 0.\\$j & done"; done; ' \
           'echo up; exec sleep 1000'
    one = sdwd(command=["sh", "-c", line])
    one.wait_stdout("up")
    child = one.child(command="sleep 1000")
    deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
    while one.children() != [child]:
        assert time.monotonic() < deadline, one.children()
        time.sleep(0.05)
    wait_no_zombie(one.pid)
    assert one.terminate() == -signal.SIGTERM


def test_a_child_from_before_sdwd_is_reaped_and_not_taken_for_its_own(make_runner, sdwd_path):
    """A shell that starts something and then becomes sdwd by exec."""
    one = make_runner("/bin/bash")("-c", 'sleep 0.3 & exec "$@"', "bash", sdwd_path, "--", "sleep", "1000",
                                   command=None)
    child = one.child(command="sleep 1000")
    deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
    while one.children() != [child]:
        assert time.monotonic() < deadline, one.children()
        time.sleep(0.02)
    wait_no_zombie(one.pid)
    assert one.terminate() == -signal.SIGTERM


# What was there before -------------------------------------------------------------------------------------------

@pytest.mark.option("orphans")
@pytest.mark.parametrize("hide,user,is_left", [
    (mounts.hide_others, 65534, False), (mounts.hide_others, 0, True), (mounts.hide_all, 65534, False),
], ids=["hidden", "own", "no-proc"])
def test_a_child_from_before_that_is_hidden_is_no_orphan(sdwd, hide, user, is_left):
    """As systemd's (sd-pam), which is another user's and stays to the end."""
    def begin():
        hide()
        is_there, goes = os.pipe()
        if os.fork() == 0:
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            mounts.die_with_parent()
            os.execv("/bin/sleep", ["sleep", "60"])
        # Until exec(3) it has what sdwd has not, and is hidden from it all the same.
        os.close(goes)
        assert os.read(is_there, 1) == b""
        os.close(is_there)

    one = sdwd(f"--orphans={'term' if is_left else 'wait'}", command=["/bin/true"], preexec=begin)
    assert one.wait() == 0
    assert ("left behind" in one.stderr()) == is_left
    assert ("nothing tells what the service leaves from systemd's (sd-pam)" in one.stderr()) == (hide is mounts.hide_all)
    assert "cannot look" not in one.stderr()


# With a socket, which a process of its own closes; sdwd hears of both at once.
LAST_WORDS = """
import os, signal, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
os.kill(os.getppid(), signal.SIGSTOP)
pair = socket.socketpair()
socket.send_fds(s, [b"X_A=1"], [pair[0].fileno()])
os._exit(0)
"""


def test_a_socket_in_the_last_words_leaves_no_process(sdwd):
    def ours():
        return {p for p in os.listdir("/proc") if p.isdigit() and (runner_module.stat_of(p) or (0, 0))[1] == os.getpid()}

    before = ours()
    for _ in range(5):
        run = sdwd("--notify", command=["/usr/bin/python3", "-c", LAST_WORDS])
        wait_until(lambda: state_of(run.pid) == "T", "sdwd stopped")  # pylint: disable=cell-var-from-loop
        wait_until(lambda: not run.children(), "the end of the child")  # pylint: disable=cell-var-from-loop
        run.signal(signal.SIGCONT)
        assert run.wait() == 0
        assert not ours() - before
