# SPDX-License-Identifier: MIT
"""What the tests here stand on, proven with stand-ins for sdwd: the manager hears, the runner cleans up."""

import array
import errno
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import runner as runner_module
from puppet import wait_until
from runner import ended

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
TESTS = Path(__file__).resolve().parents[1]

# Starts the command after --, says READY=1 and pings each 50 ms, ends by SIGTERM or with the child.
STAND_IN = """#!/usr/bin/python3
import os, signal, socket, subprocess, sys
words = sys.argv[1:]
command = words[words.index("--") + 1:] if "--" in words else words
child = subprocess.Popen(command)
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
up = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = os.environ["NOTIFY_SOCKET"]
up.connect("\\0" + name[1:] if name[0] == "@" else name)
mine = os.environ.get("WATCHDOG_PID") == str(os.getpid())
up.send(b"READY=1\\nSTATUS=mine" if mine else b"READY=1\\nSTATUS=not mine")
print("up", file=sys.stderr, flush=True)
while True:
    try:
        code = child.wait(0.05)
        sys.exit(code if code >= 0 else 128 - code)
    except subprocess.TimeoutExpired:
        up.send(b"WATCHDOG=1")
"""


@pytest.fixture
def stand_in(tmp_path):
    def make(text, name="stand-in"):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    return make


def client(manager):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    s.connect("\0" + manager.address[1:] if manager.address.startswith("@") else manager.address)
    return s


# The manager ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_manager_records(make_manager, kind):
    manager = make_manager(f"@harness-{os.getpid()}" if kind == "abstract" else None)
    before = time.monotonic()
    with client(manager) as s:
        s.send(b"READY=1\nSTATUS=a=b\nSTATUS=second")
        s.send(b"WATCHDOG=1\n")
    first = manager.wait_ready()
    ping = manager.wait_for("WATCHDOG=1")
    assert (first.pid, first.uid) == (os.getpid(), os.getuid())
    assert first.fields == {"READY": "1", "STATUS": "a=b"}, "the first of two counts"
    assert before <= first.at <= ping.at <= time.monotonic()
    assert manager.pings() == [ping] and manager.statuses() == ["a=b"] and manager.ready_at == first.at
    assert manager.longest_gap(until=ping.at + 5) >= 5


def test_manager_wait_is_not_content_with_less(manager):
    with client(manager) as s:
        s.send(b"WATCHDOG=10\nXREADY=1")
        manager.wait_for("XREADY=")
        with pytest.raises(AssertionError, match="WATCHDOG=10"):
            manager.wait_for("WATCHDOG=1", timeout=0.1)
        s.send(b"WATCHDOG=1")
        manager.wait_for("WATCHDOG=1")
        with pytest.raises(AssertionError):
            manager.wait_ping(timeout=0.1)
        with pytest.raises(AssertionError):
            manager.wait_for("WATCHDOG=1", count=2, timeout=0.1)
        manager.never("WATCHDOG=1", 0.1)
        with pytest.raises(AssertionError):
            manager.wait_ready(timeout=0.1)


def test_manager_takes_fds_and_closes_barriers(manager):
    barrier_read, barrier_write = os.pipe()
    store_read, store_write = os.pipe()
    with client(manager) as s:
        send_fds(s, b"FDSTORE=1\nFDNAME=x", store_write)
        send_fds(s, b"BARRIER=1", barrier_write)
    os.close(store_write)
    os.close(barrier_write)
    assert os.read(barrier_read, 1) == b"", "the manager closed its end"
    store = manager.wait_for("FDSTORE=1")
    os.write(store.fds[0], b"kept")
    assert os.read(store_read, 4) == b"kept"
    manager.forget()
    assert os.read(store_read, 1) == b"" and manager.all == []
    os.close(barrier_read)
    os.close(store_read)


def send_fds(s, data, *fds):
    s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])


def test_manager_full_then_reads_again(manager):
    manager.pause()
    with client(manager) as s:
        sent = 0
        with pytest.raises(BlockingIOError):
            while True:
                s.send(b"N=%d" % sent)
                sent += 1
        assert sent > 0 and manager.all == []
        manager.resume()
        manager.wait_for(f"N={sent - 1}")
        assert manager.values("N") == [str(i) for i in range(sent)]
        s.send(b"READY=1")
        manager.wait_ready()


def test_manager_goes_and_comes_back(manager):
    with client(manager) as s:
        manager.go_away()
        with pytest.raises(ConnectionRefusedError):
            s.send(b"READY=1")
        with pytest.raises(OSError) as error:
            client(manager)
        assert error.value.errno == errno.ENOENT
    manager.come_back()
    with client(manager) as s:
        s.send(b"READY=1")
    manager.wait_ready()


# The runner -----------------------------------------------------------------------------------------------------


def test_runner_runs(make_runner, stand_in, manager):
    run = make_runner(stand_in(STAND_IN))
    sdwd = run("--http=x", command=["sh", "-c", 'sleep "$0" & wait', "1000"], watchdog=0.5)
    ready = manager.wait_ready()
    assert ready.pid == sdwd.pid and ready.fields["STATUS"] == "mine"
    manager.wait_ping(count=3)
    assert "up" in sdwd.wait_stderr("up")
    child = sdwd.child(command="sh -c")
    grandchild = sdwd.child(command="sleep 1000")
    assert set(sdwd.children()) == {child, grandchild}
    assert sdwd.is_running()
    os.kill(grandchild, signal.SIGKILL)
    assert sdwd.wait() == 0


@pytest.mark.parametrize("status,command", [(3, "exit 3"), (-15, "kill -TERM $$")])
def test_runner_tells_the_exit_status(make_runner, stand_in, status, command):
    run = make_runner(stand_in('#!/bin/sh\nshift\nexec "$@"\n'))
    assert run(command=["sh", "-c", command]).wait() == status


def test_runner_environment(make_runner, stand_in, manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_PID", "1")
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    run = make_runner(stand_in("#!/bin/sh\nenv\n"))
    plain = run(notify=False)
    plain.wait()
    names = {line.partition("=")[0] for line in plain.stdout().splitlines()}
    assert not names & {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "JOURNAL_STREAM"}
    other = run(watchdog=1.5, watchdog_pid=77, env={"LANG": None, "X": 1})
    other.wait()
    lines = other.stdout().splitlines()
    assert {"WATCHDOG_PID=77", "WATCHDOG_USEC=1500000", f"NOTIFY_SOCKET={manager.address}", "X=1"} <= set(lines)
    assert not [line for line in lines if line.startswith("LANG=")]


def test_runner_wait_has_a_deadline(make_runner, stand_in):
    run = make_runner(stand_in("#!/bin/sh\necho why >&2\nexec sleep 1000\n"))
    sdwd = run()
    sdwd.wait_stderr("why")
    with pytest.raises(AssertionError, match="why"):
        sdwd.wait(0.1)
    assert sdwd.terminate() == -15


def test_runner_kill_takes_all(make_runner, stand_in):
    run = make_runner(stand_in("#!/bin/sh\nsetsid sleep 1000 &\ntrap '' TERM\necho on\nwait\nsleep 1000\n"))
    sdwd = run()
    sdwd.wait_stdout("on")
    below = [sdwd.child(command="sleep")]
    sdwd.kill()
    # kill(2) does not wait for the end.
    wait_until(lambda: all(runner_module.stat_of(pid) in (None, ("Z", os.getpid())) for pid in below), "their end")


# Whole sessions of their own: what a test that goes wrong looks like ------------------------------------------------


def session(tmp_path, text, *command, files=()):
    """Runs @text as a test file beside copies of our conftest and @files; returns (exit status, output)."""
    folder = tmp_path / "tests"
    (folder / "system").mkdir(parents=True)
    for name in ("pytest.ini", "conftest.py", "system/conftest.py", "system/manager.py", "system/runner.py", *files):
        (folder / name).write_text((TESTS / name).read_text())
    (folder / "systemd").mkdir()
    (folder / "system" / "test_it.py").write_text("import os, pytest, subprocess, time\n" + textwrap.dedent(text))
    env = os.environ | {"SDWD_BUILD": str(tmp_path)}
    done = subprocess.run(command or [*PYTEST, f"--basetemp={tmp_path / 'base'}", str(folder / "system")], env=env,
                          cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("what", ["sleeper", "own session", "below a dead parent"])
def test_leaving_processes_behind_fails(tmp_path, stand_in, what):
    line = {"sleeper": "sleep 4242 &", "own session": "setsid sleep 4242 &",
            "below a dead parent": "sh -c 'sleep 4242 & exit' "}[what]
    stand_in(f"#!/bin/sh\n{line}\nexit 0\n", "sdwd")
    code, out = session(tmp_path, """
        def test_it(sdwd):
            assert sdwd().wait() == 0
        def test_next(sdwd):
            pass
    """)
    assert code == 1 and "left behind" in out and "sleep 4242" in out
    assert "1 error" in out and "2 passed" in out, "the next test does not inherit it"
    assert "sleep 4242" not in " ".join(map(runner_module.command_of, runner_module.descendants(os.getpid())))


def test_a_helper_of_the_test_left_behind_fails(tmp_path, stand_in):
    stand_in("#!/bin/sh\n", "sdwd")
    code, out = session(tmp_path, """
        def test_it(sdwd):
            subprocess.Popen(["sleep", "4243"])
            assert sdwd().wait() == 0
    """)
    assert code == 1 and "sleep 4243" in out


def test_not_ending_fails(tmp_path, stand_in):
    stand_in("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n", "sdwd")
    code, out = session(tmp_path, """
        import runner
        runner.PATIENCE_SECONDS = 1
        def test_it(sdwd):
            assert sdwd().is_running()
            time.sleep(0.3)
    """)
    assert code == 1 and "did not end within 1 s of SIGTERM" in out


def test_sanitizer_report_fails(tmp_path, stand_in):
    stand_in("#!/bin/sh\necho 'x.c:1: runtime error: y' >&2\n", "sdwd")
    code, out = session(tmp_path, """
        def test_it(sdwd):
            assert sdwd().wait() == 0
    """)
    assert code == 1 and "sanitizer: runtime error" in out


def test_missing_binary_fails(tmp_path):
    code, out = session(tmp_path, "def test_it(sdwd): pass\n")
    assert code == 1 and "sdwd is missing" in out


@pytest.mark.parametrize("text", [
    'def test_it(): pytest.{s}("why")\n',
    '@pytest.mark.{s}(reason="why")\ndef test_it(): pass\n',
    '@pytest.mark.{x}(reason="why")\ndef test_it(): assert False\n',
    '@pytest.mark.{x}(reason="why")\ndef test_it(): pass\n',
    'pytest.{s}("why", allow_module_level=True)\n',
])
def test_what_did_not_run_did_not_pass(tmp_path, text):
    code, out = session(tmp_path, text.format(s="sk" + "ip", x="x" + "fail"))
    assert code != 0 and "why" in out and " passed" not in out


def test_option_mark_is_registered(tmp_path):
    good, _ = session(tmp_path, '@pytest.mark.option("fall")\ndef test_it(): pass\n')
    bad, out = session(tmp_path / "2", '@pytest.mark.optoin("fall")\ndef test_it(): pass\n')
    assert good == 0 and bad != 0 and "optoin" in out


# Under valgrind ---------------------------------------------------------------------------------------------------

ONE_START = "def test_it(sdwd): assert sdwd(command=None).wait() == 0\n"


@pytest.fixture
def under_valgrind(tmp_path):
    """Runs @text as a test file by under-valgrind, where sdwd is a program that does @code."""
    def run(code="", text=ONE_START, exceptions=""):
        (tmp_path / "code.c").write_text("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
                                         f"#include <sys/wait.h>\n#include <unistd.h>\nint main(int count, char **words) {{\n{code}\n}}\n")
        subprocess.run(["cc", "-O0", "-w", "-o", tmp_path / "sdwd", tmp_path / "code.c"], check=True)
        (tmp_path / "no-valgrind").write_text(exceptions)
        script = f"cp {tmp_path / 'no-valgrind'} system/ && exec {sys.executable} system/under-valgrind"
        return session(tmp_path, text, "sh", "-c", script, files=("system/under-valgrind", "system/under-valgrind.c"))

    return run


@pytest.mark.parametrize("program,complaint", [
    ("char *p = malloc(8); p[8] = 1; free(p);", "Invalid write of size 1"),
    ("char p[8]; if (p[count] == 7) return 0;", "depends on uninitialised value"),
    ("char *p = strdup(words[0]); p = NULL;", "definitely lost"),
    ("char *p = malloc(8); if (fork() == 0) { p[8] = 1; _exit(0); } wait(NULL); free(p);", "Invalid write of size 1"),
    ('char *p = malloc(8); if (fork() == 0) { p[8] = 1; execl("/bin/true", "", NULL); } wait(NULL); free(p);',
     "Invalid write of size 1"),
], ids=["write", "uninitialised", "leak", "in a fork", "before exec"])
def test_an_error_that_only_valgrind_sees_fails(under_valgrind, program, complaint):
    code, out = under_valgrind(program + " return 0;")
    assert code == 1 and complaint in out
    assert "test_it.py: 1 passed, 0 failed, 0 left out; 1 logs, 1 to the end, 1 complaints" in out


def test_an_error_before_sigkill_fails(under_valgrind):
    code, out = under_valgrind("if (count > 1) return 0; char *p = malloc(8); p[8] = 1; puts(p); fflush(stdout); pause();", """
        def test_it(sdwd):
            one = sdwd(command=None)
            one.wait_stdout("\\n")
            one.kill()
        def test_it_too(sdwd):
            assert sdwd(command=["true"]).wait() == 0
    """)
    assert code == 1 and "Invalid write" in out and "2 logs, 1 to the end" in out


def test_without_an_error_valgrind_changes_nothing(under_valgrind):
    code, out = under_valgrind("return 7;", ONE_START.replace("0", "7"))
    assert code == 0 and "1 tests, 1 logs, 1 to the end, 0 failures" in out


def test_what_fails_under_valgrind_fails(under_valgrind):
    code, out = under_valgrind("return 3;")
    assert code == 1 and "test_it.py: 0 passed, 1 failed" in out


def test_without_logs_nothing_is_proven(under_valgrind):
    code, out = under_valgrind(text="def test_it(): pass\n")
    assert code == 1 and "only 0 logs" in out


@pytest.mark.parametrize("exceptions,complaint", [
    ("test_it.py::test_i  why\n", "there is no test_it.py::test_i"),
    ("test_that.py  why\n", "there is no test_that.py"),
    ("test_it.py::test_it\n", "a name and a reason"),
])
def test_an_exception_names_a_test_and_a_reason(under_valgrind, exceptions, complaint):
    code, out = under_valgrind("return 0;", exceptions=exceptions)
    assert code == 1 and complaint in out


def test_an_exception_is_left_out_and_no_other(under_valgrind):
    text = """
        @pytest.mark.parametrize("x", [1, 11])
        def test_it(x): assert x == 11
        def test_it_too(sdwd): assert sdwd(command=None).wait() == 0
    """
    code, out = under_valgrind("return 0;", text, "test_it.py::test_it[1]  why\n")
    assert code == 0 and "2 passed, 0 failed, 1 left out" in out



WITNESS = """
import sys, time
from manager import Witness
witness, begin = Witness(), time.monotonic()
print("begins", flush=True)
sys.stdin.readline()
time.sleep(0.2)
print(witness.stalled(begin, time.monotonic()), witness.stalled(0, begin))
"""


def test_a_stall_of_the_machine_is_no_gap():
    with ended(subprocess.Popen([sys.executable, "-c", WITNESS], cwd=TESTS / "system", stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)) as one:
        one.stdout.readline()
        one.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        one.send_signal(signal.SIGCONT)
        said, _ = one.communicate("\n")
    during, before = map(float, said.split())
    assert during > 0.3 and before < 0.1
