# SPDX-License-Identifier: MIT
"""--tcp: what a connection proves, what an answer proves, and servers that misbehave."""

import os
import random
import re
import resource
import signal
import time

import pytest

from acceptor import queue_at
from puppet import child, cpu_seconds, memory_of, open_fds, wait_until  # pylint: disable=unused-import
from scripted import edges, median, outcomes, refuses_more  # pylint: disable=unused-import
from streams import (answers, banner, drips, floods, pieces, resets, says, silent, stoppable,
                     streams)  # pylint: disable=unused-import

SOON = ["--interval=50ms", "--timeout=5s"]
SEEN = ["--log-level=debug", "--log-target=stderr"]
NOTE = "tcp: without --expect a hang is not seen: the kernel accepts connections for a hung server, too"
# How often the test of leaks looks.
LOOKS = int(os.environ.get("SDWD_TEST_LOOKS", "2000"))


def refusal(run):
    """The one line of a sdwd that does not start."""
    assert run.wait() == 125
    [line] = run.stderr().splitlines()
    return line


# A connection is enough, and said to be little --------------------------------------------------------------------


@pytest.mark.option("tcp")
def test_B1_B2_ready_when_it_listens(sdwd, manager, streams):
    server = streams(then=banner())
    server.stop()
    run = sdwd(f"--tcp={server.target}", *SOON, *SEEN)
    manager.wait_for("STATUS=starting: tcp: connection refused")
    assert manager.ready_at is None
    again = streams(then=banner(), port=server.port)
    ready = manager.wait_ready()
    assert ready.at >= again.start_of(0) - 0.05
    again.wait_looks(3)
    again.stop()
    run.wait_stderr("(connect-refused), 3 failures in a row")
    assert [cause for _, cause, _ in outcomes(run.stderr(), "tcp")] == ["connect-refused", "ok", "connect-refused"]
    assert ("pass", "ok", "connected") in outcomes(run.stderr(), "tcp")


@pytest.mark.parametrize("value", ["127.0.0.1:-1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:"])
def test_B1_a_port_that_is_none(sdwd, value):
    assert refusal(sdwd(f"--tcp={value}")) == f"sdwd: --tcp: '{value}' has no port within 1-65535"


def test_B2_slow_to_accept(sdwd, manager):
    # The kernel completes the connection; that nobody accepts it yet is not seen.
    with stoppable() as (target, pid):
        os.kill(pid, signal.SIGSTOP)
        run = sdwd(f"--tcp={target}", "--interval=1h", *SEEN)
        manager.wait_ready()
        assert outcomes(run.stderr(), "tcp") == [("pass", "ok", "connected")]


def test_B3_a_stopped_server_passes_until_its_queue_is_full(sdwd, manager):
    # listen(5) holds 6 connections, whether or not whoever made them is still there.
    with stoppable() as (target, pid):
        os.kill(pid, signal.SIGSTOP)
        run = sdwd(f"--tcp={target}", "--interval=100ms", "--fast-interval=100ms", "--timeout=300ms", "--fall=1", *SEEN)
        manager.wait_ready()
        run.wait_stderr("; healthy -> unhealthy")
        assert outcomes(run.stderr(), "tcp") == [("pass", "ok", "connected"),
                                                 ("fail", "connect-timeout", "no connection within 300ms")]
        # Six were good, and are in the queue.
        assert queue_at(int(target.partition(":")[2])) == 6
        # That this can take long is said at the start.
        assert NOTE in run.stderr()
        os.kill(pid, signal.SIGCONT)
        run.wait_stderr("healthy again: tcp")


@pytest.mark.option("expect")
def test_B3_expect_fails_within_its_deadline_at_a_stopped_server(sdwd, manager):
    with stoppable() as (target, pid):
        run = sdwd(f"--tcp={target}", "--expect=^220 ", "--interval=100ms", "--fast-interval=100ms", "--timeout=700ms",
                   "--fall=1", *SEEN)
        manager.wait_ready()
        os.kill(pid, signal.SIGSTOP)
        stopped = time.monotonic()
        run.wait_stderr("; healthy -> unhealthy")
        # The first look after the stop is the one: from its start to its verdict it is the timeout, to the next
        # look's start the interval at most.
        assert 0.6 < time.monotonic() - stopped < 10
        [(probe, text, cause, rest)] = edges(run.stderr())
        assert (probe, text, cause) == ("tcp", "no answer within 700ms", "read-timeout")
        last_good = re.search(r"last good (\d+)ms ago", rest)
        assert last_good and 700 <= int(last_good[1]) < 950, rest
        assert NOTE not in run.stderr()


def test_B7_the_real_error_of_a_connection(sdwd, streams):
    # connect() says EINPROGRESS, and the refusal comes later.
    server = streams(then=banner(), family="both")
    server.stop()
    for host in ("127.0.0.1", "[::1]", "localhost"):
        run = sdwd(f"--tcp={host}:{server.port}", *SOON, *SEEN)
        run.wait_stderr("fail (connect-refused): connection refused")
        assert len(outcomes(run.stderr(), "tcp")) == 1


def test_nobody_accepts(sdwd, refuses_more):
    run = sdwd(f"--tcp=127.0.0.1:{refuses_more}", "--interval=50ms", "--timeout=300ms", *SEEN)
    run.wait_stderr("fail (connect-timeout): no connection within 300ms")


@pytest.mark.option("tcp")
@pytest.mark.parametrize("family, host", [("v4", "127.0.0.1"), ("v6", "[::1]"), ("v4", "localhost"), ("v6", "localhost"),
                                          ("both", "LOCALHOST")])
def test_addresses(sdwd, manager, streams, family, host):
    server = streams(family=family, then=banner())
    run = sdwd(f"--tcp={host}:{server.port}", "--expect=^220 ", *SOON, *SEEN)
    manager.wait_ready()
    server.wait_looks(3)
    assert outcomes(run.stderr(), "tcp") == [("pass", "ok", "the answer matches")]


@pytest.mark.parametrize("options, words", [
    ([], ["tcp: without --expect a hang is not seen: ", "the kernel accepts connections for a hung server"]),
    (["--send=x"], ["tcp: without --expect a hang is not seen: ", "nobody needs to read what is sent"]),
    (["--expect=x"], None), (["--send=x", "--expect=x"], None),
])
def test_what_proves_little_is_said_once(sdwd, manager, streams, options, words):
    server = streams(then=banner(b"x"))
    run = sdwd(f"--tcp={server.target}", *options, *SOON, "--log-target=stderr")
    manager.wait_ready()
    server.wait_looks(3)
    checked = sdwd("--check", f"--tcp={server.target}", *options, command=["true"])
    assert checked.wait() == 0
    for text in (run.stderr(), checked.stdout()):
        lines = [line for line in text.splitlines() if "a hang is not seen" in line]
        assert len(lines) == (0 if words is None else 1), text
        assert all(word in lines[0] for word in words or [])
    assert not run.stderr().count("hung") or "<5>" in run.stderr()


# --send and --expect ----------------------------------------------------------------------------------------------


@pytest.mark.option("expect")
@pytest.mark.parametrize("parts", [
    [b"220 mail.example ready\r\n"],
    [b"2", b"20 mail.exam", b"ple rea", b"dy\r\n"],
    [b"220-first\r\n", b"220 mail ready\r\n"],
    # An end that the server does not give is not waited for.
    [b"220 ready"],
])
def test_B4_banner_split_over_packets(sdwd, manager, streams, parts):
    server = streams(then=pieces(*parts))
    run = sdwd(f"--tcp={server.target}", "--expect=^220 .*ready", *SOON, *SEEN)
    manager.wait_ready()
    server.wait_looks(2)
    assert outcomes(run.stderr(), "tcp") == [("pass", "ok", "the answer matches")]


BAD = [
    (banner(b"554 no\r\n"), "read-timeout", "8 bytes and no match within 300ms", "300ms"),
    (silent, "read-timeout", "no answer within 300ms", "300ms"),
    (drips, "read-timeout", None, "300ms"),
    (says(b"554 no\r\n"), "body-mismatch", "the connection was closed after 8 bytes without a match", "10s"),
    (says(b"2"), "body-mismatch", "the connection was closed after 1 byte without a match", "10s"),
    (says(b""), "body-mismatch", "the connection was closed without an answer", "10s"),
    (floods, "body-mismatch", "no match in the first 10 KiB of the answer", "10s"),
    (resets, "read-failed", "the connection broke: Connection reset by peer", "10s"),
]


@pytest.mark.option("expect")
@pytest.mark.parametrize("mode, cause, text, timeout", BAD)
def test_B4_wrong_banner_or_none(sdwd, manager, streams, mode, cause, text, timeout):
    server = streams(banner(), then=mode)
    run = sdwd(f"--tcp={server.target}", "--expect=^220 ", "--interval=50ms", "--fall=1", f"--timeout={timeout}",
               "--log-target=stderr")
    manager.wait_ready()
    run.wait_stderr("; healthy -> unhealthy")
    edge = edges(run.stderr())[0]
    assert (edge[0], edge[2]) == ("tcp", cause)
    assert edge[1] == text or (text is None and re.fullmatch(r"\d+ bytes and no match within 300ms", edge[1]))
    server.mode = banner()
    run.wait_stderr("healthy again: tcp")


@pytest.mark.option("send")
@pytest.mark.option("expect")
@pytest.mark.parametrize("options, question", [
    ([r"--send=PING\r\n"], b"PING\r\n"),
    ([r"--send=\x00\x01\0\377@"], b"\0\1\0\xff@"),
    (["--send=ä"], "ä".encode()),
    ([r"--send=\100file"], b"@file"),
])
def test_what_is_sent(sdwd, manager, streams, options, question):
    server = streams(then=answers(question, b"+PONG\r\n"))
    run = sdwd(f"--tcp={server.target}", *options, r"--expect=^\+PONG", *SOON, *SEEN)
    manager.wait_ready()
    server.wait_looks(2)
    assert set(server.requests) == {question}
    assert outcomes(run.stderr(), "tcp") == [("pass", "ok", "the answer matches")]


@pytest.mark.option("send")
def test_sent_without_expect(sdwd, manager, streams):
    server = streams(then=answers(b"hello\n", b"ignored"))
    run = sdwd(f"--tcp={server.target}", r"--send=hello\n", *SOON, *SEEN)
    manager.wait_ready()
    wait_until(lambda: len(server.requests) >= 3, "requests")
    assert set(server.requests) == {b"hello\n"}
    assert outcomes(run.stderr(), "tcp") == [("pass", "ok", "connected, all was sent")]


@pytest.mark.option("send")
def test_a_secret_from_a_file_read_at_start(sdwd, manager, streams, tmp_path):
    secret = b"AUTH se\\cret\r\nPING\r\n"
    (tmp_path / "secret").write_bytes(secret)
    server = streams(then=answers(secret, b"+OK\r\n+PONG\r\n"))
    run = sdwd(f"--tcp={server.target}", "--send=@secret", r"--expect=^\+PONG", *SOON, cwd=tmp_path)
    manager.wait_ready()
    (tmp_path / "secret").unlink()
    server.wait_looks(2)
    # As it stands: what is an escape in TEXT is none in a file.
    assert set(server.requests) == {secret}
    with open(f"/proc/{run.pid}/cmdline", "rb") as cmdline:
        assert b"AUTH" not in cmdline.read()


@pytest.mark.parametrize("options, line", [
    (["--expect=x", "--tcp=127.0.0.1:1"], "--expect: 'x': belongs after the probe that it is for"),
    (["--send=x", "--tcp=127.0.0.1:1"], "--send: 'x': belongs after the probe that it is for"),
    (["--tcp=127.0.0.1:1", "--expect=("], "--expect: '(' is no regular expression"),
    (["--tcp=127.0.0.1:1", r"--expect=(a)\1"], "has a back-reference"),
    (["--tcp=127.0.0.1:1", "--expect=.{600}"], "--expect: '.{600}' is too large to match quickly (more than 500 steps)"),
    (["--tcp=127.0.0.1:1", "--expect="], "--expect: is empty"),
    (["--tcp=127.0.0.1:1", r"--send=a\q"], r"--send: 'a\q' has an unknown or unfinished escape in it"),
    (["--tcp=127.0.0.1:1", "--send="], "--send: '' is empty"),
    (["--tcp=127.0.0.1:1", "--send=@/none"], "--send: '/none': No such file or directory"),
    (["--tcp=127.0.0.1:1", "--peer=child"], "--peer: 'child': not an option of --tcp; it belongs to --unix"),
    (["--http=http://127.0.0.1/", "--expect=x"], "--expect: 'x': not an option of --http; it belongs to --tcp, --unix"),
    (["--tcp=127.0.0.1"], "--tcp: '127.0.0.1' has no port: it must be HOST:PORT"),
    (["--tcp=::1:80"], "--tcp: '::1:80' has an IPv6 address without brackets"),
    (["--tcp="], "--tcp: '' is empty"),
    (["--port=80"], "--port: not an option here; use --tcp"),
])
def test_refused_at_start(sdwd, manager, options, line):
    run = sdwd(*options, command=["sh", "-c", "echo started"])
    assert line in refusal(run)
    assert run.stdout() == "" and not manager.all


# Time, and other things meanwhile ---------------------------------------------------------------------------------


@pytest.mark.option("timeout")
@pytest.mark.parametrize("mode", [silent, banner(b"no"), drips])
def test_a_timed_out_look_ends_at_its_timeout(sdwd, streams, mode):
    server = streams(then=mode)
    sdwd(f"--tcp={server.target}", "--expect=ok", "--interval=450ms", "--start-interval=450ms", "--timeout=400ms")
    took = [server.end_of(number) - server.start_of(number) for number in range(5)]
    # A server that is scheduled late sees less of a look, a dripping one notices its end at its next drips only.
    assert max(took) > 0.35 and median(took) < 0.4 + (0.25 if mode is drips else 0.05), took


@pytest.mark.parametrize("mode", [silent, drips, floods])
def test_pings_and_signals_stay_on_time_meanwhile(sdwd, manager, streams, child, mode):
    server, fine = streams(banner(b"ok"), then=mode), streams(then=banner(b"ok"))
    run = sdwd(f"--tcp={server.target}", "--expect=ok", "--timeout=1min", "--interval=50ms",
               f"--tcp={fine.target}", "--expect=ok", "--interval=100ms", "--timeout=500ms", "--require=any",
               command=child.command, watchdog=1)
    child("heard = []")
    for number in (signal.SIGUSR1, signal.SIGTERM):
        child(f"signal.signal({int(number)}, lambda *_: heard.append(time.monotonic()))")
    ready = manager.wait_ready()
    server.start_of(1)
    before, began = cpu_seconds(run.pid), time.monotonic()
    manager.wait_ping(count=4)
    assert manager.longest_gap() < 0.95
    assert cpu_seconds(run.pid) - before < 0.2 * (time.monotonic() - began) + 0.05
    delays = []
    for number in [signal.SIGUSR1] * 5 + [signal.SIGTERM]:
        sent = time.monotonic()
        os.kill(ready.pid, number)
        wait_until(lambda: child("len(heard)") > len(delays), f"signal {number}")  # pylint: disable=cell-var-from-loop
        delays.append(child("heard[-1]") - sent)
    assert median(delays) < 0.1 and max(delays) < 1, delays
    child.tell("os._exit(0)")


@pytest.mark.option("expect")
def test_no_answer_takes_long_to_match(sdwd, manager, streams):
    """Where each place of an answer might begin a match, and each way to go on is another one."""
    answer = bytes(random.Random(1).choices(b"ab", k=10000))

    def tiresome(c):
        c.send(answer)
        c.drip(b"a" * 240)
        c.hold()

    server, fine = streams(then=tiresome), streams(then=banner(b"ok"))
    sdwd(f"--tcp={server.target}", "--expect=(a|b)*a(a|b){30}c", "--timeout=1min", "--interval=50ms",
         f"--tcp={fine.target}", "--expect=ok", "--interval=100ms", "--timeout=500ms", "--require=any", watchdog=1)
    manager.wait_ready()
    server.start_of(0)
    manager.wait_ping(count=4)
    assert manager.longest_gap() < 0.95


def test_a_look_under_way_at_stop_is_cancelled(sdwd, manager, streams, child):
    server = streams(banner(), then=silent)
    run = sdwd(f"--tcp={server.target}", "--expect=^220 ", "--interval=50ms", "--timeout=1min", "--fall=1", *SEEN,
               command=child.command)
    child("signal.signal(15, lambda *_: None)")
    manager.wait_ready()
    server.start_of(1)
    run.signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    server.end_of(1)
    child.tell("os._exit(0)")
    assert run.wait() == 0
    assert server.connections == 2 and not edges(run.stderr())


def test_sdwd_itself_cannot_look(sdwd, manager, streams):
    server = streams(then=banner())
    run = sdwd(f"--tcp={server.target}", "--expect=^220 ", "--interval=100ms", "--timeout=400ms", "--fall=1", *SEEN,
               watchdog=1)
    manager.wait_ready()
    limits = resource.prlimit(run.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    run.wait_stderr("; healthy -> unhealthy")
    assert ("unknown", "self", "sdwd cannot look: connect: Too many open files") in outcomes(run.stderr(), "tcp")
    [(_, _, cause, rest)] = edges(run.stderr())
    assert cause == "stale" and "failures in a row" not in rest
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, limits)
    run.wait_stderr("healthy again: tcp")


def test_no_reset_for_a_server_that_goes_on_talking(sdwd, manager, streams):
    ends = []

    def talkative(c):
        c.send(b"220 ready\r\n" + b"x" * 20000)
        # A reset would raise here.
        while c.sock.recv(4096):
            pass
        ends.append(c.number)

    server = streams(then=talkative)
    sdwd(f"--tcp={server.target}", "--expect=^220 ", *SOON)
    manager.wait_ready()
    server.wait_looks(10)
    assert len(ends) >= 8, ends


# For ever ---------------------------------------------------------------------------------------------------------


def test_many_looks_leave_nothing_behind(sdwd, manager, streams, tmp_path):
    cycle = [banner(b"ok"), says(b"ok"), says(b"no"), says(b""), resets, floods, pieces(b"o", b"k", pause=0.001),
             answers(b"question", b"ok")]
    script = cycle * (LOOKS // len(cycle) + 40)
    server = streams(*script)
    other = streams(*script, family="unix", path=tmp_path / "socket")
    # The least interval there is, whatever comes; a failure is no more than that.
    often = ["--interval=10ms", "--fast-interval=10ms", "--timeout=2s", "--fall=1000"]
    run = sdwd(f"--tcp={server.target}", "--send=question", "--expect=ok", *often,
               f"--unix={other.target}", "--send=question", "--expect=ok", *often)
    manager.wait_ready()

    def count_fds(looks):
        """Between two looks: their own are not among them."""
        found = []
        deadline = time.monotonic() + LOOKS / 10 + 60
        while min(server.connections, other.connections) < looks:
            assert run.is_running() and time.monotonic() < deadline, run.stderr()
            found.append(len(open_fds(run.pid)))
            time.sleep(0.001)
        return min(found)

    fds, before = count_fds(200), memory_of(run.pid)
    for one in (server, other):
        one.start_of(LOOKS, LOOKS / 10 + 60)
    fds_after, after = count_fds(max(server.connections, other.connections) + 200), memory_of(run.pid)
    assert fds_after == fds
    # AddressSanitizer (its shadow is terabytes) keeps freed memory for a while.
    more = 256 if before[1] < 1 << 30 else 8192
    assert all(b - a < more for a, b in zip(before, after)), f"VmRSS and VmData in KiB: {before}, then {after}"
    assert not edges(run.stderr())
