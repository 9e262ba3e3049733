# SPDX-License-Identifier: MIT
"""Under a terminal: the child is in front, hears the keys once, stops and continues, and the shell gets it back."""

import errno
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time

import pytest

import listener
import runner as runner_module
from puppet import wait_until

FENCE = signal.SIGRTMIN + 7


class Terminal:
    """A terminal without echo, and a program that leads its session: in front, as after a login."""

    def __init__(self, line, env, blocked=()):
        self.master, slave = pty.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, attributes)

        def begin():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            listener.block(blocked)

        # pylint: disable=subprocess-popen-preexec-fn,consider-using-with
        self.process = subprocess.Popen([str(word) for word in line], stdin=slave, stdout=slave, stderr=slave,
                                        env=env, start_new_session=True, preexec_fn=begin)
        os.close(slave)
        self.pid = self.process.pid
        self.output = ""

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        """Reads what is there; False at the end of all output."""
        if select.select([self.master], [], [], seconds)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError as error:
                assert error.errno == errno.EIO
                return False
            self.output += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return True

    def expect(self, text):
        """Waits for @text in the output."""
        deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
        while text not in self.output:
            assert self.read(0.1) and time.monotonic() < deadline, f"no {text!r} in:\n{self.output}"

    def heard(self, count):
        deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
        while len(listener.heard(self.output)) < count:
            assert self.read(0.1) and time.monotonic() < deadline, self.output
        return [s.number for s in listener.heard(self.output)]

    def foreground(self):
        return os.tcgetpgrp(self.master)

    def wait_foreground(self, group):
        deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
        while self.foreground() != group:
            assert time.monotonic() < deadline, f"in front: {self.foreground()}, not {group}"
            time.sleep(0.01)

    def child(self, command):
        """The pid of the process below whose command line begins with @command."""
        deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
        while True:
            for pid in runner_module.descendants(self.pid):
                if runner_module.command_of(pid).startswith(command):
                    return pid
            assert time.monotonic() < deadline, f"no {command}; the terminal shows:\n{self.output}"
            time.sleep(0.01)

    def wait(self):
        """Waits for its end; returns the exit status. All output is read then."""
        deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it still runs; the terminal shows:\n{self.output}"
            self.read(0.05)
        while self.read(0) and select.select([self.master], [], [], 0)[0]:
            pass
        return self.process.returncode

    def hang_up(self):
        os.close(self.master)
        self.master = -1

    def close(self):
        if self.process.poll() is None:
            for pid in [*runner_module.descendants(self.pid), self.pid]:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
        if self.master >= 0:
            os.close(self.master)


@pytest.fixture
def terminal(sdwd, sdwd_path, tmp_path):
    """terminal(*words): sdwd leads the session; terminal(*words, shell=SCRIPT): bash does, and "$@" is sdwd."""
    env = sdwd.environment(notify=False, watchdog=None) | {"TERM": "dumb", "PS1": "$ ", "HOME": str(tmp_path)}
    made = []

    def start(*words, shell=None, **settings):
        line = [sdwd_path, "--heartbeat", *words]
        if shell is not None:
            line = ["/bin/bash", "--norc", "--noprofile", "-c", shell, "bash", *line]
        made.append(Terminal(line, env, **settings))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_the_child_is_in_front(terminal):
    one = terminal("--", "sleep", "1000")
    child = one.child("sleep")
    one.wait_foreground(child)
    assert os.getpgid(child) == child and os.getsid(child) == one.pid
    os.kill(one.pid, signal.SIGTERM)
    assert one.wait() == -signal.SIGTERM


def test_the_child_reads_the_terminal(terminal):
    one = terminal("--", "tac")
    one.type("1\n2\n3\n\x04")
    assert one.wait() == 0
    assert "3\n2\n1\n" in one.output


def test_an_interactive_shell_has_its_job_control(terminal):
    one = terminal("--", "bash", "--norc", "--noprofile", "-i")
    one.type("echo flags=$-.\n")
    one.expect("flags=")
    one.type("sleep 1000 & kill %1; wait; echo $((40 + 2)).\n")
    one.expect("42.")
    one.type("exit 9\n")
    assert one.wait() == 9
    flags = one.output.split("flags=")[1].split(".")[0]
    assert "m" in flags and "i" in flags
    assert "no job control" not in one.output


@pytest.mark.parametrize("key,number", [("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT), ("\x1a", signal.SIGTSTP)])
def test_a_key_reaches_the_child_exactly_once(terminal, key, number):
    one = terminal("--", *listener.command(until=FENCE))
    one.expect("listening")
    one.wait_foreground(one.child("/usr/bin/python3"))
    for count in range(1, 4):
        one.type(key)
        one.heard(count)
    os.kill(one.pid, FENCE)
    assert one.wait() == 0
    assert one.heard(4) == [number] * 3 + [FENCE]


def test_no_signal_comes_with_the_start(terminal):
    """Neither SIGHUP nor SIGCONT, which giving up a terminal brings along; all are blocked from the beginning."""
    one = terminal("--", *listener.command(until=FENCE), blocked=range(1, 65))
    one.expect("listening")
    os.kill(one.pid, FENCE)
    assert one.wait() == 0
    assert one.heard(1) == [FENCE]


def test_ctrl_c_ends_both_as_without_sdwd(terminal):
    one = terminal("--", "sleep", "1000")
    one.wait_foreground(one.child("sleep"))
    one.type("\x03")
    assert one.wait() == -signal.SIGINT


def test_a_hang_up_ends_the_child(terminal):
    one = terminal("--", "sleep", "1000")
    one.wait_foreground(one.child("sleep"))
    one.hang_up()
    assert one.process.wait(runner_module.PATIENCE_SECONDS) == -signal.SIGHUP


def test_a_terminal_that_hangs_up_is_told_as_who_asks_for_the_stop(terminal, tmp_path):
    log = tmp_path / "log"
    one = terminal("--stop-signal=SIGTERM,SIGHUP", "--", "sleep", "1000", shell=f"exec \"$@\" 2>'{log}'")
    one.wait_foreground(one.child("sleep"))
    one.hang_up()
    assert one.process.wait(runner_module.PATIENCE_SECONDS) == -signal.SIGHUP
    assert "SIGHUP from the kernel: stopping" in log.read_text()


def test_the_terminal_comes_back_at_the_end(terminal):
    """To a shell without job control, which is in sdwd's group: it could not read otherwise."""
    one = terminal("--", "sh", "-c", "read x; echo child $x; exit 4", shell='"$@"; echo rc $?; read y; echo shell $y')
    one.wait_foreground(os.getpgid(one.child("sh -c")))
    one.type("first\n")
    one.expect("child first")
    one.expect("rc 4")
    one.wait_foreground(one.pid)
    one.type("second\n")
    assert one.wait() == 0
    assert "shell second" in one.output


def test_stop_and_continue_under_a_shell(terminal):
    one = terminal("--", "cat", shell='set -m; "$@"; echo stopped $?; read x; echo shell $x; fg >/dev/null; '
                                      'echo rc $?; read y; echo shell $y')
    child = one.child("cat")
    one.wait_foreground(child)
    one.type("one\n")
    one.expect("one")
    one.type("\x1a")
    one.expect(f"stopped {128 + signal.SIGTSTP}")
    assert runner_module.stat_of(child)[0] == "T"
    assert runner_module.stat_of(runner_module.stat_of(child)[1])[0] == "T", "sdwd stops with it"
    one.wait_foreground(one.pid)
    one.type("between\n")
    one.expect("shell between")
    one.wait_foreground(child)
    one.type("two\n")
    one.expect("two")
    one.type("\x04")
    one.expect("rc 0")
    one.type("end\n")
    assert one.wait() == 0
    assert "shell end" in one.output


@pytest.mark.parametrize("first", ["", "stty -echo;"], ids=["reads", "sets"])
def test_to_the_background_and_back_while_it_runs(terminal, first):
    """fg(1) of what runs brings sdwd to the front without a word to it."""
    one = terminal("--", "bash", "-c", f"trap go=1 USR1; echo armed; until test $go; do sleep 0.1; done; {first} read x; echo child $x; exit 3",
                   shell='set -m; "$@"; echo stopped $?; bg >/dev/null; read x; echo shell $x; fg >/dev/null; '
                         'echo rc $?; read y; echo shell $y')
    child = one.child("bash -c trap")
    one.wait_foreground(child)
    one.expect("armed")
    one.type("\x1a")
    one.expect(f"stopped {128 + signal.SIGTSTP}")
    # Once sdwd has seen that it goes on: only then will it hear nothing of fg.
    wait_until(lambda: runner_module.stat_of(child)[0] != "T", "child that goes on")
    one.type("between\n")
    one.expect("shell between")
    one.wait_foreground(os.getpgid(runner_module.stat_of(child)[1]))
    os.kill(child, signal.SIGUSR1)
    one.wait_foreground(child)
    one.type("hello\n")
    one.expect("child hello")
    one.expect("rc 3")
    assert one.output.count("stopped") == 1
    one.type("end\n")
    assert one.wait() == 0


def test_in_the_background_it_takes_nothing(terminal):
    one = terminal("--", "sh", "-c", "echo up; exec sleep 1000",
                   shell='set -m; "$@" & read x; echo in front: $x; kill %1; wait %1; echo rc $?')
    one.expect("up")
    child = one.child("sleep")
    assert one.foreground() == one.pid != os.getpgid(child)
    one.type("yes\n")
    one.expect("in front: yes")
    assert one.wait() == 0 and f"rc {128 + signal.SIGTERM}" in one.output


@pytest.mark.option("setsid")
def test_a_session_of_its_own_has_no_terminal(terminal):
    one = terminal("--setsid", "--", "sh", "-c", '(: </dev/tty) 2>/dev/null; echo opened: $?; exec sleep 1000')
    one.expect("opened: ")
    assert "opened: 0" not in one.output
    child = one.child("sleep")
    assert os.getsid(child) == child
    os.kill(one.pid, signal.SIGTERM)
    assert one.wait() == -signal.SIGTERM
