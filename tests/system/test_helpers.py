# SPDX-License-Identifier: MIT
"""Processes that sdwd runs beside the service descend from it as well, and are never taken for a part of the service."""

import os
import signal

import pytest

from puppet import child, wait_until  # pylint: disable=unused-import

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
    run.wait_stderr(f"MAINPID={pid} of the child is not a process of ours")
    assert run.terminate() == -signal.SIGTERM
