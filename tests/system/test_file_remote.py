# SPDX-License-Identifier: MIT
"""--file where a look may hang, with the server of the file: the prober looks there, and sdwd waits for nobody."""

import os
import re
import signal
import subprocess
import time

import pytest

from fuse import FileServer
from puppet import child, wait_until  # pylint: disable=unused-import
from runner import command_of
from scripted import outcomes

SEEN = ["--log-level=debug", "--log-target=stderr"]
# Of the file server's own: it does not answer for a second.
HANGS = ("unknown", "self")


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "remote"
    folder.mkdir()
    server = FileServer(folder)
    yield server
    server.close()


@pytest.fixture
def watching(sdwd, server):
    """sdwd with --file of it, and @options."""
    def start(*options, **keywords):
        run = sdwd(f"--file={server.path}", "--interval=100ms", *options, *SEEN, preexec=server.preexec, **keywords)
        server.serve()
        return run

    return start


def prober_of(run):
    return wait_until(lambda: next((p for p in run.children() if "sdwd-prober" in command_of(p)), None), "the prober")


def is_told(run, verdict, cause):
    return any(o[:2] == (verdict, cause) for o in outcomes(run.stderr(), "file"))


def test_changes_are_seen_and_silence_is(watching, server, manager):
    run = watching("--silence=1s", "--on-unhealthy=warn")
    prober_of(run)
    wait_until(lambda: server.n_looks > 5, "looks")
    assert manager.ready_at is None, "what was there at the start is no change"
    server.touch()
    manager.wait_ready()
    run.wait_stderr("unhealthy: file: no sign of life for ")
    server.touch()
    run.wait_stderr("healthy again: file")


def test_a_folder_that_only_a_capability_opens_is_told(watching, server, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    server.folder.rename(home / "remote")
    server.folder = home / "remote"
    server.path = server.folder / "beat"
    home.chmod(0o700)
    os.chown(home, 65534, 65534)
    run = watching("--silence=1h", "--optional", watchdog=60)
    run.wait_stderr(f"file: unknown (self): sdwd cannot look: {server.path}: Permission denied")


def test_a_server_that_hangs_holds_up_nothing(watching, server, manager, child):
    run = watching("--silence=1s", "--optional", "--heartbeat", command=child.command, watchdog=2)
    child("repeat(0.1, beat)")
    manager.wait_ready()
    server.touch()
    wait_until(lambda: is_told(run, "pass", "ok"), "a change")
    begin = time.monotonic()
    server.hang()
    wait_until(lambda: is_told(run, *HANGS), "a look that was not answered")
    # The same call is waited for by each look; they are more than one by now.
    wait_until(lambda: time.monotonic() >= begin + 4, "more looks")
    assert server.n_waiting == 1
    assert len(os.listdir(f"/proc/{prober_of(run)}/task")) <= 4
    assert manager.longest_gap() < 2
    server.go_on()
    server.touch()
    wait_until(lambda: outcomes(run.stderr(), "file")[-1][:2] == ("pass", "ok"), "a change again")
    assert "sdwd-prober (pid " not in run.stderr(), "the prober is to blame for nothing"
    child.tell("os._exit(0)")
    assert run.wait() == 0


def test_a_stop_is_heard_while_it_hangs(watching, server, manager):
    run = watching("--silence=1h", watchdog=60)
    prober_of(run)
    server.touch()
    manager.wait_ready()
    server.hang()
    wait_until(lambda: server.n_waiting == 1, "a look")
    told_at = time.monotonic()
    run.signal(signal.SIGTERM)
    assert run.wait() == -signal.SIGTERM
    assert time.monotonic() - told_at < 5, "killed is the look's process, and not waited for"


def test_a_prober_that_hangs_is_no_silence_of_the_file(watching, server, manager):
    run = watching("--silence=1h", watchdog=60)
    prober_of(run)
    server.touch()
    manager.wait_ready()
    os.kill(prober_of(run), signal.SIGSTOP)
    run.wait_stderr("file: unknown (prober): the prober did not answer in time")
    wait_until(lambda: run.stderr().count("prober: pid ") == 2, "another prober")
    server.touch()
    wait_until(lambda: outcomes(run.stderr(), "file")[-1][:2] == ("pass", "ok"), "a change again")


def test_a_prober_that_cannot_be_killed_is_replaced(server, sdwd, manager):
    """As by the kernel for want of memory, while a call of it hangs with the file server: its process stays."""
    run = sdwd("--http=https://127.0.0.1:1/", "--name=web", "--optional", "--interval=300ms",
               f"--file={server.path}", "--silence=1h", "--optional", "--interval=100ms", *SEEN,
               preexec=server.preexec, watchdog=60)
    server.serve()
    manager.wait_ready()
    server.hang()
    wait_until(lambda: server.n_waiting == 1, "a look")
    first = prober_of(run)
    os.kill(first, signal.SIGKILL)
    run.wait_stderr(f"sdwd-prober (pid {first}) outlives SIGKILL, in a call that hangs (a file server?); another one")
    n = len(outcomes(run.stderr(), "web"))
    wait_until(lambda: ("fail", "connect-refused") in [o[:2] for o in outcomes(run.stderr(), "web")[n:]], "a look by another")
    run.signal(signal.SIGTERM)
    assert run.wait() == -signal.SIGTERM
    assert re.search(r"sdwd-prober \(pid \d+\) outlives SIGKILL: sdwd ends without it", run.stderr())
    assert "a check or hook" not in run.stderr()


@pytest.mark.parametrize("options", [
    "--unix={0}/sock", "--http=http://x/ --http-unix={0}/sock", "--listen-queue={0}/sock", "--pidfile={0}/pid"])
def test_what_sdwd_itself_looks_at_there_is_told(server, sdwd, options):
    run = sdwd(*options.format(server.folder).split(), "--on-unhealthy=warn", *SEEN, preexec=server.preexec, watchdog=60)
    server.serve()
    run.wait_stderr("lies on a file system that may hang (NFS, FUSE), and sdwd with it: use one in /run")


def test_without_the_prober_it_does_not_start(server, sdwd_path, tmp_path, make_runner):
    alone = tmp_path / "sdwd"
    subprocess.run(["cp", sdwd_path, alone], check=True)
    run = make_runner(alone)(f"--file={server.path}", preexec=server.preexec)
    server.serve()
    assert run.wait() == 125
    assert run.stderr().startswith("sdwd: --file: FUSE needs sdwd-prober: "), run.stderr()
