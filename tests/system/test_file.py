# SPDX-License-Identifier: MIT
"""--file: which changes count, when its lease ends, what a missing file and strange times do."""

import os
import re
import subprocess
import time

import pytest

from puppet import child, wait_until  # pylint: disable=unused-import
from scripted import outcomes

SEEN = ["--log-level=debug", "--log-target=stderr"]
OFTEN = ["--interval=50ms"]


@pytest.fixture
def beat(tmp_path):
    return tmp_path / "beat"


def replace(path, text="x"):
    """As a careful program writes: a new file in its place."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


# What counts ------------------------------------------------------------------------------------------------------


@pytest.mark.option("file")
def test_ready_is_the_first_change(sdwd, manager, beat):
    beat.write_text("there before")
    sdwd(f"--file={beat}", *OFTEN, command=["sh", "-c", f'sleep 1; date >"{beat}"; exec sleep 1000'])
    begin = time.monotonic()
    assert manager.wait_ready().at >= begin + 0.9
    assert manager.statuses()[0] == "starting: file: nothing heard yet"


@pytest.mark.option("file")
@pytest.mark.parametrize("change", [
    lambda path: path.write_text("longer than before"),
    lambda path: os.truncate(path, 3 << 30),
    replace,
    lambda path: os.utime(path, (1, 1)),
    lambda path: os.utime(path, (2000000000, 2000000000)),
    lambda path: (path.unlink(), path.write_text("x")),
], ids=["size", "3-GiB", "inode", "time-of-the-past", "time-of-the-future", "away-and-back"])
def test_each_change_is_a_sign_of_life(sdwd, manager, beat, change):
    beat.write_text("x")
    run = sdwd(f"--file={beat}", *OFTEN, "--silence=400ms", "--on-unhealthy=warn")
    run.child()
    manager.never("READY=1", 0.3)
    change(beat)
    manager.wait_ready()
    run.wait_stderr("unhealthy: file: ")
    os.utime(beat, (1000, 1000))
    run.wait_stderr("healthy again: file")


def test_reading_and_renaming_others_is_none(sdwd, manager, beat):
    beat.write_text("x")
    run = sdwd(f"--file={beat}", *OFTEN)
    run.child()
    beat.read_text()
    os.chmod(beat, 0o600)
    beat.with_suffix(".other").write_text("y")
    manager.never("READY=1", 0.5)


def test_a_time_that_stands_in_the_future_does_not_renew(sdwd, manager, beat):
    beat.write_text("x")
    run = sdwd(f"--file={beat}", *OFTEN, "--silence=300ms", "--on-unhealthy=warn")
    run.child()
    os.utime(beat, (2000000000, 2000000000))
    manager.wait_ready()
    run.wait_stderr("(silent)")


# The lease --------------------------------------------------------------------------------------------------------


@pytest.mark.option("silence")
def test_the_lease_is_silence_and_interval_and_slack(sdwd, manager, beat):
    """W 4 s: slack 200 ms.  Seen is a change up to an interval late, so its lease ends no earlier than this."""
    run = sdwd(f"--file={beat}", "--silence=1s", "--interval=500ms", "--on-unhealthy=warn", watchdog=4)
    run.child()
    begin = time.monotonic()
    beat.write_text("x")
    manager.wait_ready()
    said = run.wait_stderr("(silent)")
    assert time.monotonic() - begin >= 1 + 0.5 + 0.2
    assert re.search(r"unhealthy: file: no sign of life for 1\.[789]s \(silent\), last good 1\.[789]s ago", said), said


@pytest.mark.option("interval")
def test_changes_renew_it_for_as_long_as_they_come(sdwd, manager, child, beat):
    run = sdwd(f"--file={beat}", "--silence=500ms", "--interval=100ms", "--on-unhealthy=warn", command=child.command,
               watchdog=30)
    child(f"repeat(0.05, lambda: open({str(beat)!r}, 'a').write('x'))")
    manager.wait_ready()
    manager.never(lambda d: "healthy" not in d.fields.get("STATUS", "healthy"), 2)
    assert "(silent)" not in run.stderr()
    child("stop()")
    run.wait_stderr("(silent)")


def test_each_change_is_forwarded_as_a_ping(sdwd, manager, child, beat):
    """L < W: the last ping comes with the last change that was seen, and none after it."""
    run = sdwd(f"--file={beat}", "--silence=500ms", "--interval=100ms", command=child.command, watchdog=2)
    child(f"repeat(0.05, lambda: open({str(beat)!r}, 'a').write('x'))")
    manager.wait_ready()
    manager.wait_ping(count=3)
    child("stop()")
    stopped = time.monotonic()
    run.wait_stderr("(silent)")
    manager.never("WATCHDOG=1", 1)
    # The writer may be within its last turn; its change is seen an interval later.
    assert manager.pings()[-1].at <= stopped + 0.05 + 0.1 + 1


def test_a_stopped_sdwd_gives_the_file_its_time(sdwd, manager, child, beat):
    """What was frozen with sdwd is not silent: the lease moves by the gap."""
    run = sdwd(f"--file={beat}", "--silence=700ms", "--interval=100ms", "--on-unhealthy=warn", command=child.command,
               watchdog=10)
    child(f"repeat(0.05, lambda: open({str(beat)!r}, 'a').write('x'))")
    manager.wait_ready()
    pid = run.child()
    os.kill(run.pid, 19)
    os.kill(pid, 19)
    time.sleep(2)
    os.kill(run.pid, 18)
    os.kill(pid, 18)
    run.wait_stderr("sdwd itself did not run")
    manager.never(lambda d: "unhealthy" in d.fields.get("STATUS", ""), 1)
    assert "(silent)" not in run.stderr()


# A missing file, a path -------------------------------------------------------------------------------------------


def test_a_missing_file_is_told_and_its_coming_is_a_change(sdwd, manager, beat):
    run = sdwd(f"--file={beat}", "--interval=100s", "--silence=1h", *SEEN)
    manager.wait_for(f"STATUS=starting: file: {beat} does not exist")
    beat.write_text("x")
    # Looked at again soon, not after the interval.
    manager.wait_ready()
    assert outcomes(run.stderr(), "file") == [("unknown", "missing", f"{beat} does not exist"), ("pass", "ok", "changes")]


def test_a_file_that_went_away_is_silence(sdwd, manager, beat):
    beat.write_text("x")
    run = sdwd(f"--file={beat}", *OFTEN, "--silence=400ms", "--on-unhealthy=warn")
    run.child()
    beat.write_text("xy")
    manager.wait_ready()
    beat.unlink()
    said = run.wait_stderr("(silent)")
    assert re.search(rf"file: no sign of life for \d+m?s; last: {re.escape(str(beat))} does not exist", said), said
    assert "degraded" not in said


def test_a_file_that_cannot_be_seen_says_why(sdwd, manager, tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    sdwd(f"--file={loop}", *OFTEN)
    manager.wait_for(f"STATUS=starting: file: sdwd cannot look: {loop}: {os.strerror(40)}")
    loop.unlink()
    loop.write_text("x")
    manager.wait_ready()


def test_a_relative_path_is_that_of_the_start(sdwd, manager, tmp_path, beat):
    run = sdwd("--file=beat", *OFTEN, cwd=tmp_path, command=["sh", "-c", "cd /; exec sleep 1000"])
    wait_until(lambda: os.readlink(f"/proc/{run.pid}/cwd") == "/", "working folder /")
    beat.write_text("x")
    manager.wait_ready()


@pytest.mark.parametrize("path", ["", "/run/", "x" * 5000])
def test_no_path_at_all(sdwd, path):
    run = sdwd(f"--file={path}")
    assert run.wait() == 125
    [line] = run.stderr().splitlines()
    assert line.startswith("sdwd: --file: '")


def test_options_that_it_does_not_know(sdwd):
    for option in ("--timeout=1s", "--fall=2", "--fast-interval=1s"):
        run = sdwd("--file=/run/x", option)
        assert run.wait() == 125
        assert f"{option.partition('=')[0]}: '{option.partition('=')[2]}': not an option of --file" in run.stderr()


# --check ----------------------------------------------------------------------------------------------------------


def check(sdwd_path, *options):
    done = subprocess.run([sdwd_path, "--check", *options, "--", "true"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.option("file")
@pytest.mark.option("check")
def test_the_time_line_counts_the_interval(sdwd_path):
    lines = check(sdwd_path, "--watchdog-sec=30s", "--file=/run/x", "--silence=10s", "--interval=2s")
    at = lines.index("time line of a hang (from the last good evidence; nothing answers after it)")
    assert [line.strip() for line in lines[at + 1:]] == [
        "at 0 it hangs", "at 12.5s file has been silent too long", "by 12.5s the service is unhealthy",
        "at 30s systemd aborts it (by 31.2s at the latest)"]


def test_its_defaults_have_no_warning_and_more_has(sdwd_path):
    lines = check(sdwd_path, "--watchdog-sec=30s", "--file=/run/x")
    assert not [line for line in lines if line.startswith("warning: ")]
    assert "  at 30.5s systemd aborts it (by 31.7s at the latest)" in lines
    lines = check(sdwd_path, "--watchdog-sec=30s", "--file=/run/x", "--silence=25s")
    assert "warning: file: a hang is seen after 31.5s only, later than the watchdog's 30s" in lines
