# SPDX-License-Identifier: MIT
"""Processes that sdwd runs beside the service descend from it as well, and are never taken for a part of the service."""

import os
import signal

import pytest

from puppet import child, state_of, wait_until  # pylint: disable=unused-import

# Speaks to the child's own socket, which no helper is given; first by a process below it. Then a file is there.
SPEAKER = """#!/usr/bin/python3
import os, socket, sys, time
environ = open("/proc/%s/environ" % os.environ["SDWD_CHILD_PID"], "rb").read().split(b"\\0")
name = next(e[14:] for e in environ if e.startswith(b"NOTIFY_SOCKET=")).decode()
def say(words):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(words.encode(), name.replace("@", "\\0", 1))
r, w = os.pipe()
if os.fork() == 0:
    say("X_BELOW=1\\nMAINPID=%d" % os.getpid())
    os.write(w, b".")
    time.sleep(1000)
os.read(r, 1)
say("X_ITSELF=1\\nREADY=1")
open(sys.argv[1], "w").close()
time.sleep(1000)
"""


@pytest.fixture
def speaker(tmp_path):
    """A helper's command; speaker.said is there when it has said all."""
    path = tmp_path / "speaker.py"
    path.write_text(SPEAKER)
    path.chmod(0o755)

    class Speaker:
        said = tmp_path / "said"
        command = f"{path} {said}"

    return Speaker


@pytest.fixture
def with_hook(sdwd, manager, child):
    """Starts the puppet with a hook that runs: it beats, then it does not."""

    def start(hook, *options):
        run = sdwd("--heartbeat", "--silence=300ms", f"--unhealthy-hook={hook}", "--hook-timeout=1h", *options,
                   command=child.command, watchdog=30)
        child("beat()")
        manager.wait_ready()
        run.wait_stderr("unhealthy: heartbeat")
        return run

    return start


@pytest.mark.option("notify-access")
def test_a_hook_does_not_speak_for_the_service(with_hook, manager, child, speaker):
    run = with_hook(speaker.command, "--notify-access=all")
    wait_until(speaker.said.exists, "end of the words")
    child("notify('X_CHILD=1')")
    manager.wait_for("X_CHILD=1")
    assert not manager.values("X_BELOW") and not manager.values("X_ITSELF")
    assert run.stderr().count("refused: it belongs to a check or hook") == 1 and "supervising" not in run.stderr()


def test_a_hook_is_not_among_what_the_child_left_behind(with_hook, child, tmp_path):
    run = with_hook(f"sleep 1001 & sleep 1002 & touch {tmp_path}/up; wait")
    wait_until((tmp_path / "up").exists, "hook")
    child.tell("os._exit(5)")
    assert run.wait() == 5
    assert "left behind" not in run.stderr() and "in time" not in run.stderr()


@pytest.mark.option("orphans")
@pytest.mark.parametrize("orphans", ["term", "wait", "leave"])
def test_a_hook_ends_with_the_service_whatever_becomes_of_orphans(with_hook, child, tmp_path, orphans):
    run = with_hook(f"trap '' TERM; echo $$ >{tmp_path}/pid; sleep 1003; :", f"--orphans={orphans}")
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "hook")
    child.tell("os._exit(5)")
    assert run.wait() == 5
    assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text().strip()}"), "ended and reaped"


def test_the_childs_mainpid_cannot_name_a_hook(with_hook, child, tmp_path):
    run = with_hook(f"echo $$ >{tmp_path}/pid; exec sleep 1004")
    pid = wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "hook")
    child(f"notify('MAINPID={pid}')")
    run.wait_stderr(f"MAINPID={pid} of the child names a process that belongs to a check or hook of sdwd's: ignored")
    assert run.terminate() == -signal.SIGTERM


# Checks -----------------------------------------------------------------------------------------------------------

SOON = ["--interval=100ms", "--start-interval=100ms", "--fast-interval=100ms", "--timeout=1min"]
# A check that runs on, with a process below it, and has noted their pids.
RUNS_ON = "sleep 1005 & echo $! >{0}/below; echo $$ >{0}/check.new; mv {0}/check.new {0}/check; sleep 1006; :"


def noted(path):
    return int(wait_until(lambda: path.exists() and path.read_text().strip(), str(path)))


@pytest.mark.option("notify-access")
@pytest.mark.option("exec")
def test_a_check_does_not_speak_for_the_service(sdwd, manager, child, speaker):
    run = sdwd(f"--exec={speaker.command}", "--timeout=1min", "--ready=exec", "--notify-access=all", command=child.command)
    wait_until(speaker.said.exists, "end of the words")
    child("notify('X_CHILD=1')")
    manager.wait_for("X_CHILD=1")
    assert not manager.values("X_BELOW") and not manager.values("X_ITSELF")
    assert run.stderr().count("refused: it belongs to a check or hook") == 1 and "supervising" not in run.stderr()


@pytest.mark.option("exec")
@pytest.mark.option("forking")
def test_a_check_is_not_the_one_process_that_remains(sdwd, manager, tmp_path):
    launcher = f"(sleep 1007 & echo $! >{tmp_path}/daemon); while [ ! -e {tmp_path}/check ]; do sleep 0.01; done"
    run = sdwd("--forking", f"--exec={RUNS_ON.format(tmp_path)}", *SOON, "--ready=exec", command=["sh", "-c", launcher])
    daemon = noted(tmp_path / "daemon")
    run.wait_stderr(f"supervising pid {daemon} (the one process that remained)")
    assert os.path.exists(f"/proc/{noted(tmp_path / 'check')}"), "it was there all the time"
    os.kill(daemon, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL and "left behind" not in run.stderr()


@pytest.mark.option("forking")
def test_a_check_alone_is_no_daemon(sdwd, tmp_path):
    run = sdwd("--forking", f"--exec={RUNS_ON.format(tmp_path)}", *SOON,
               command=["sh", "-c", f"while [ ! -e {tmp_path}/check ]; do sleep 0.01; done"])
    assert run.wait() == 125 and "no process remained" in run.stderr()


@pytest.mark.option("pidfile")
@pytest.mark.parametrize("who", ["check", "below"])
def test_a_pidfile_cannot_name_a_check(sdwd, tmp_path, who):
    launcher = f"while [ ! -e {tmp_path}/check ]; do sleep 0.01; done; cp {tmp_path}/{who} {tmp_path}/pid"
    run = sdwd(f"--pidfile={tmp_path}/pid", f"--exec={RUNS_ON.format(tmp_path)}", *SOON, "--pidfile-timeout=1s",
               command=["sh", "-c", launcher])
    assert run.wait() == 125
    reason = (f"--pidfile={tmp_path}/pid names no daemon within 1s (--pidfile-timeout): "
              "it names a process that belongs to a check or hook of sdwd's\n")
    assert reason in run.stderr() and "supervising" not in run.stderr()


def test_what_checks_leave_does_not_displace_a_daemon_that_died_early(sdwd, tmp_path):
    # The daemon dies at once, and its file is written when 99 processes of checks have been reaped besides.
    check = f"for i in 1 2 3 4 5 6 7 8 9 10 11; do sleep 1008 & done; echo >>{tmp_path}/runs; exit 0"
    launcher = (f"(sh -c 'echo $$ >{tmp_path}/daemon; exit 7' &); "
                f"while [ ! -e {tmp_path}/runs ] || [ $(wc -l <{tmp_path}/runs) -lt 10 ]; do sleep 0.01; done; "
                f"cp {tmp_path}/daemon {tmp_path}/pid")
    run = sdwd(f"--pidfile={tmp_path}/pid", f"--exec={check}", *SOON, "--interval=20ms", command=["sh", "-c", launcher])
    assert run.wait() == 7


@pytest.mark.option("orphans")
@pytest.mark.parametrize("orphans", ["term", "wait", "leave"])
def test_a_check_ends_with_the_service_and_is_no_orphan(sdwd, child, tmp_path, orphans):
    run = sdwd(f"--exec=trap '' TERM; {RUNS_ON.format(tmp_path)}", *SOON, "--ready=exec", f"--orphans={orphans}",
               command=child.command)
    check, below = noted(tmp_path / "check"), noted(tmp_path / "below")
    child.tell("os._exit(5)")
    assert run.wait() == 5
    left = [(pid, state_of(pid)) for pid in (check, below) if state_of(pid)]
    assert not left, f"ended, but not reaped: {left}; {run.stderr()}"
    assert "left behind" not in run.stderr()


def test_orphans_get_their_signal_whatever_checks_do(sdwd, child, tmp_path):
    run = sdwd(f"--exec={RUNS_ON.format(tmp_path)}", *SOON, "--ready=exec", command=child.command)
    noted(tmp_path / "check")
    child("def orphan():\n signal.signal(signal.SIGTERM, lambda *_: (open('%s/got', 'w').close(), os._exit(0)))\n"
          " open('%s/up', 'w').close()\n while True: time.sleep(0.02)" % (tmp_path, tmp_path))
    child("fork(orphan)")
    wait_until((tmp_path / "up").exists, "orphan")
    child.tell("os._exit(5)")
    assert run.wait() == 5
    assert (tmp_path / "got").exists(), run.stderr()
    assert "1 process left behind, got SIGTERM: pid " in run.stderr()
