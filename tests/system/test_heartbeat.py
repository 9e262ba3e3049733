# SPDX-License-Identifier: MIT
"""The heartbeat pipe: its number, what is a beat, what a line says, its end; and the pings that follow the beats."""

import os
import resource
import signal
import time

import pytest

from puppet import child, open_fds, running, state_of, wait_until  # pylint: disable=unused-import


# The fd -----------------------------------------------------------------------------------------------------------


@pytest.mark.option("heartbeat")
def test_the_lowest_free_number_by_default(sdwd, manager, child):
    sdwd("--heartbeat", command=child.command)
    assert child("os.environ['SDWD_HEARTBEAT_FD']") == "3"
    assert child("os.environ['SDWD_HEARTBEAT_FD_HEARTBEAT']") == "3"
    child("beat()")
    manager.wait_ready()


def test_inherited_numbers_are_not_taken(sdwd, manager, child):
    r, w = os.pipe()
    try:
        # A number above: what lies between is free.
        sdwd("--heartbeat", command=child.command, pass_fds=[r, w])
        taken = child("[int(fd) for fd in os.listdir('/proc/self/fd')]")
        fd = int(child("os.environ['SDWD_HEARTBEAT_FD']"))
        assert {r, w} <= set(taken) and fd == min(set(range(3, 20)) - {r, w})
        child("beat()")
        manager.wait_ready()
    finally:
        os.close(r)
        os.close(w)


@pytest.mark.option("heartbeat")
def test_a_given_number(sdwd, manager):
    sdwd("--heartbeat=7", command=["sh", "-c", 'test "$SDWD_HEARTBEAT_FD" = 7 && echo >&7; exec sleep 1000'])
    manager.wait_ready()


@pytest.mark.option("name")
def test_several_each_with_its_name(sdwd, manager, child):
    sdwd("--heartbeat", "--name=main-loop", "--heartbeat=9", "--heartbeat", "--name=b", command=child.command)
    env = child("[os.environ[f'SDWD_HEARTBEAT_FD{n}'] for n in ('', '_MAIN_LOOP', '_HEARTBEAT', '_B')]")
    assert env == ["3", "3", "9", "4"]
    child("beat(), beat(name='_HEARTBEAT')")
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("starting: b: "))
    assert manager.ready_at is None
    child("beat(name='_B')")
    manager.wait_ready()


def test_a_number_in_use_is_an_error(sdwd):
    r, w = os.pipe()
    try:
        run = sdwd(f"--heartbeat={r}", command=["true"], pass_fds=[r])
        assert run.wait() == 125
        assert f"--heartbeat={r}: " in run.stderr().splitlines()[-1]
        run = sdwd("--heartbeat=9", "--heartbeat=9", command=["true"])
        assert run.wait() == 125 and "--heartbeat=9" in run.stderr()
    finally:
        os.close(r)
        os.close(w)


def test_a_number_above_the_limit_is_an_error(sdwd):
    run = sdwd("--heartbeat=500", command=["true"],
               preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)))
    assert run.wait() == 125
    assert "--heartbeat=500: the limit of open files is 256 (LimitNOFILE=)\n" in run.stderr()
    assert "cannot execute" not in run.stderr()


def test_E10_the_childs_end_is_non_blocking(sdwd, manager, child):
    run = sdwd("--heartbeat", command=child.command)
    assert child("os.get_blocking(3)") is False
    run.signal(signal.SIGSTOP)
    child("""def fill():
        try:
            while True: os.write(3, b'x' * 4096)
        except BlockingIOError: return 'full'""")
    assert child("fill()") == "full", "the child is never held up"
    run.signal(signal.SIGCONT)
    manager.wait_ready()


# What a beat is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"x", b"\n", b"\0", b"\xff", b"beat", b"READY=1\n", b"WATCHDOG=1\n", b"ERRNO=5\n", b"RE\n"])
def test_E7_any_byte_is_a_beat(sdwd, manager, child, data):
    sdwd("--heartbeat", command=child.command)
    child(f"beat({data!r})")
    manager.wait_ready()


@pytest.mark.parametrize("data", [b"STATUS=loading\n", b"STOPPING=1\n"])
def test_some_first_lines_are_no_beat(sdwd, manager, child, data):
    sdwd("--heartbeat", command=child.command)
    child(f"beat({data!r})")
    wanted = "STOPPING=1" if b"STOPPING" in data else lambda d: "loading" in d.fields.get("STATUS", "")
    manager.wait_for(wanted)
    manager.never("READY=1", 0.3)
    assert manager.ready_at is None


def test_a_status_line_is_told_and_later_a_beat(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=1500ms", "--on-unhealthy=warn", command=child.command)
    child("beat(b'STATUS=step 3\\n')")
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("step 3 [starting: heartbeat"))
    child("beat()")
    assert manager.wait_ready().fields["STATUS"] == "step 3"
    begin = time.monotonic()
    child("repeat(0.05, beat, b'STATUS=step 4\\n')")
    manager.wait_for("STATUS=step 4")
    manager.never(lambda d: "unhealthy" in d.fields.get("STATUS", ""), 2)
    assert "(silent)" not in run.stderr() and time.monotonic() - begin > 2
    child("stop()")
    run.wait_stderr("(silent)")


@pytest.mark.option("silence")
def test_silence_is_unhealthy_and_a_beat_is_recovery(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=300ms", "--on-unhealthy=warn", command=child.command)
    begin = time.monotonic()
    child("beat()")
    manager.wait_ready()
    run.wait_stderr("heartbeat: no sign of life")
    assert time.monotonic() - begin >= 0.3
    child("beat()")
    run.wait_stderr("healthy again")


def test_a_trigger_line(sdwd, manager, child):
    run = sdwd("--heartbeat", "--on-unhealthy=trigger", command=child.command)
    child("beat(b'x\\nWATCHDOG=trigger\\n')")
    assert "STATUS" in manager.wait_for("WATCHDOG=trigger").fields
    run.wait_stderr("(trigger)")


def test_a_beat_right_behind_a_trigger_line_does_not_hide_it(running, child):
    run = running("--heartbeat", "--ready=exec", "--on-unhealthy=withhold", watchdog=60)
    child("beat(b'WATCHDOG=trigger\\n\\n')")
    run.wait_stderr("(trigger)")
    run.wait_stderr("healthy again")


def test_a_watchdog_usec_line_changes_the_silence(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=1h", "--on-unhealthy=warn", command=child.command)
    child("beat(b'READY=1\\nWATCHDOG_USEC=200000\\n')")
    manager.wait_ready()
    run.wait_stderr("(silent)")


def test_an_extend_line(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=200ms", "--on-unhealthy=warn", command=child.command)
    child("beat(b'EXTEND_TIMEOUT_USEC=7000000\\n')")
    manager.wait_for("EXTEND_TIMEOUT_USEC=7000000")
    child("beat()")
    manager.wait_ready()
    begin = time.monotonic()
    child("beat(b'EXTEND_TIMEOUT_USEC=1500000\\n')")
    run.wait_stderr("(silent)")
    assert time.monotonic() - begin >= 1.5
    assert len(manager.matching("EXTEND_TIMEOUT_USEC=")) == 1


def test_an_extend_line_waits_for_a_manager_that_is_away(sdwd, manager, child):
    sdwd("--heartbeat", "--ready=notify", command=child.command)
    manager.wait_for("STATUS=starting: waiting for the child's READY=1")
    child("import fcntl, termios")
    unread = "fcntl.ioctl(int(os.environ['SDWD_HEARTBEAT_FD']), termios.FIONREAD, bytes(4))"
    manager.go_away()
    # When the second is read, all of the first is done; it is no whole word, and so changes nothing.
    for data in (b"EXTEND_TIMEOUT_USEC=7000000\n", b"E"):
        child(f"beat({data!r})")
        wait_until(lambda: child(unread) == bytes(4), "reading of it")
    manager.come_back()
    manager.wait_for("EXTEND_TIMEOUT_USEC=7000000")


def test_a_stopping_line(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=200ms", command=child.command, watchdog=1)
    child("beat()")
    manager.wait_ready()
    child("beat(b'STOPPING=1\\n')")
    stopping = manager.wait_for("STOPPING=1")
    manager.never("WATCHDOG=1", 0.8)
    assert not [d for d in manager.pings() if d.at > stopping.at] and "(silent)" not in run.stderr()


def test_what_lines_say_before_a_stopping_line_goes_up_before_it(sdwd, manager, child):
    sdwd("--heartbeat", "--ready=notify", command=child.command)
    manager.wait_for("STATUS=starting: waiting for the child's READY=1")
    child("beat(b'READY=1\\nSTATUS=two\\nSTOPPING=1\\n')")
    manager.wait_for("STOPPING=1")
    assert [d.lines[:2] for d in manager.all[1:3]] == [["READY=1", "STATUS=two"], ["STOPPING=1", "STATUS=stopping: the child says so"]]


def test_the_last_status_line_goes_up(running, manager, child):
    run = running("--heartbeat", "--ready=exec")
    pid = child("os.getpid()")
    # Neither is read when the child is gone.
    run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(run.pid) == "T", "stop")
    child.tell("beat(b'STATUS=cannot open the database\\n'), os._exit(4)")
    wait_until(lambda: state_of(pid) == "Z", "end of the child")
    run.signal(signal.SIGCONT)
    assert run.wait() == 4
    manager.wait_for("STATUS=cannot open the database")


def test_the_ready_line_is_what_ready_notify_waits_for(sdwd, manager, child):
    sdwd("--heartbeat", "--ready=notify", command=child.command)
    child("beat()")
    manager.never("READY=1", 0.3)
    assert manager.ready_at is None
    child("beat(b'READY=1\\n')")
    manager.wait_ready()


def test_a_shell_script_can_speak(sdwd, manager):
    script = """echo "STATUS=one" >&$SDWD_HEARTBEAT_FD; echo >&$SDWD_HEARTBEAT_FD
    echo "STATUS=step 3" >&$SDWD_HEARTBEAT_FD; exec sleep 1000"""
    sdwd("--heartbeat", command=["sh", "-c", script])
    manager.wait_ready()
    manager.wait_for("STATUS=step 3")


def test_E7_a_line_without_end_is_only_beats(sdwd, manager, child):
    sdwd("--heartbeat", command=child.command)
    child("""def endless():
        for i in range(80):
            try: beat(b'STATUS=' + b'x' * 1000)
            except BlockingIOError: time.sleep(0.01)""")
    child("endless()")
    manager.wait_ready()
    child("beat(b'\\nSTATUS=sane\\n')")
    manager.wait_for("STATUS=sane")


# The end of the pipe ----------------------------------------------------------------------------------------------


def test_E5_closed_is_unhealthy_one_second_later(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=1h", "--on-unhealthy=warn", command=child.command)
    child("beat()")
    manager.wait_ready()
    before = time.monotonic()
    child("os.close(3)")
    text = run.wait_stderr("(closed)")
    assert time.monotonic() - before >= 0.95
    assert "sudo" not in text


def test_closed_before_the_first_beat_tells_the_usual_reason(sdwd, manager, child):
    run = sdwd("--heartbeat", "--on-unhealthy=kill", command=child.command)
    child("os.close(3)")
    assert "sudo, daemons and subprocess modules" in run.wait_stderr("(closed)")
    assert run.wait() == 124
    assert manager.ready_at is None


def test_another_writer_keeps_it_open(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=1h", "--on-unhealthy=warn", command=child.command)
    child("beat()")
    manager.wait_ready()
    child("g = fork(time.sleep, 1000); os.close(3)")
    manager.never(lambda d: "unhealthy" in d.fields.get("STATUS", ""), 1.3)
    child("os.kill(g, 9), os.waitpid(g, 0)")
    run.wait_stderr("(closed)")


def test_an_exit_is_no_closed(sdwd, manager, child):
    run = sdwd("--heartbeat", "--orphans=wait", command=child.command)
    child("beat()")
    manager.wait_ready()
    # Something is left behind for longer than `closed` takes.
    child.tell("beat(); fork(lambda: (os.close(3), time.sleep(1.5))); os._exit(3)")
    assert run.wait() == 3
    assert "(closed)" not in run.stderr() and "unhealthy:" not in run.stderr()


def test_the_pipe_is_closed_once_and_does_not_spin(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=1h", "--on-unhealthy=warn", command=child.command)
    child("beat()")
    manager.wait_ready()
    before = len(open_fds(run.pid))
    child("os.close(3)")
    run.wait_stderr("(closed)")
    assert len(open_fds(run.pid)) == before - 1

    def used():
        with open(f"/proc/{run.pid}/stat", encoding="utf-8") as f:
            return sum(map(int, f.read().rpartition(")")[2].split()[11:13]))

    ticks = used()
    time.sleep(1)
    assert used() - ticks <= 10, "less than a tenth of a processor"


# Pings ------------------------------------------------------------------------------------------------------------


def test_a_ping_follows_a_beat_at_once(sdwd, manager, child):
    # One push probe whose lease is shorter than W: each beat is forwarded.
    sdwd("--heartbeat", "--silence=1500ms", command=child.command, watchdog=2)
    child("beat()")
    manager.wait_ready()
    delays = []
    for _ in range(5):
        time.sleep(0.3)  # longer than the least spacing of pings, W/10
        seen = len(manager.pings())
        sent = time.monotonic()
        child("beat()")
        ping = wait_until(lambda n=seen: manager.pings()[n:], "ping")[0]
        delays.append(ping.at - sent)
    assert sorted(delays)[2] < 0.1, delays


def test_pings_are_never_closer_than_a_tenth_of_the_watchdog(sdwd, manager, child):
    begin = time.monotonic()
    sdwd("--heartbeat", "--silence=1500ms", command=child.command, watchdog=2)
    child("repeat(0.001, beat)")
    manager.wait_ready()
    manager.wait_ping(count=8)
    signs = [manager.ready_at] + [d.at for d in manager.pings()]
    # When a message arrives is not quite when it was sent; but it is never earlier.
    assert all(at >= begin + 0.2 * i for i, at in enumerate(signs)), [at - begin for at in signs]


def test_H4_pings_come_at_least_every_half_watchdog_where_evidence_lasts(sdwd, manager, child):
    sdwd("--heartbeat", "--silence=1h", command=child.command, watchdog=2)
    child("beat()")
    manager.wait_ready()
    manager.wait_ping(count=3)
    signs = [manager.ready_at] + [d.at for d in manager.pings()]
    assert max(b - a for a, b in zip(signs, signs[1:])) < 1.5
    assert len(signs) <= (signs[-1] - signs[0]) / 1 + 1.5, "and not more often than is needed"


def test_no_ping_without_a_beat(sdwd, manager, child):
    sdwd("--heartbeat", "--silence=600ms", command=child.command, watchdog=1)
    child("beat()")
    manager.wait_ready()
    # READY=1 counts as a ping: by the one beat before it the next would say nothing new.
    manager.never("WATCHDOG=1", 1.2)
    child("beat()")
    manager.wait_for("WATCHDOG=1")
