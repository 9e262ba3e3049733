# SPDX-License-Identifier: MIT
"""
Who sends, forks or signals without end costs no ping and no signal, gets a part of the processor, and leaves nothing.
The whole figures: full-floods.  Of the control socket: test_control_hostile.py.
"""

import os
import signal
import socket
import struct
import time

import pytest

from flood import STRANGER, Measure, floods, long_queue, prepare, send_and_hear  # pylint: disable=unused-import
from manager import full_queue
from puppet import child, cpu_seconds, open_fds, state_of, wait_until  # pylint: disable=unused-import
from runner import descendants, stat_of

SECONDS = float(os.environ.get("SDWD_TEST_FLOOD_SECONDS", "0.5"))
WATCHDOG = 2


@pytest.fixture
def busy(sdwd, manager, child):
    """Starts the puppet under sdwd, beating; at the end nothing was missed and nothing is left."""
    started = []

    def start(*options, **more):
        more = {"command": child.command, "watchdog": WATCHDOG} | more
        started.append(sdwd("--heartbeat", "--silence=1500ms", *options, **more))
        prepare(child)
        manager.wait_ready()
        return started[-1]

    yield start
    run = started[0]
    wait_until(lambda: not zombies_of(run.pid), "end of the zombies")
    assert "unhealthy" not in run.stderr()
    run.signal(signal.SIGTERM)
    assert run.wait() == -signal.SIGTERM


def zombies_of(pid):
    return [p for p in os.listdir("/proc") if p.isdigit() and stat_of(p) == ("Z", pid)]


def goes_on(run, manager, child, measure):
    """While the flood lasts: pings come, and signals go their way."""
    end_at = time.monotonic() + SECONDS
    while time.monotonic() < end_at:
        measure.delays.append(send_and_hear(run, child))
        time.sleep(0.1)
    manager.wait_ping(count=2)
    measure.end()


# The heartbeat pipe -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size,text", [(1, "x"), (4096, "x"), (4092, "STATUS=ab\n"), (4092, "WATCHDOG=1\n")],
                         ids=["bytes", "blocks", "status", "pings"])
def test_a_flood_of_beats_gets_a_part_of_the_processor(busy, manager, child, floods, size, text):
    run = busy()
    before = len(manager.statuses())
    measure = Measure(run, manager, WATCHDOG)
    flood = floods.below(child, "write", 3, size, text)
    goes_on(run, manager, child, measure)
    assert flood.stop()[0] > 0
    # A turn, and a rest of three times as long: a quarter, and what the loop itself takes.
    assert measure.cpu / measure.seconds < 0.5, measure.summary()
    assert len(manager.statuses()) - before <= measure.seconds + 2
    # The size of the heap is another thing under a sanitizer.
    measure.rest()


def test_one_that_says_again_and_again_that_it_stops_is_told_of_once(busy, manager, child):
    run = busy()
    child("beat(b'STOPPING=1\\n' * 3000)")
    manager.wait_for("STOPPING=1")
    # What is said after them comes after them.
    child("notify('X_END=1')")
    manager.wait_for("X_END=1", timeout=60)
    assert len(manager.matching("STOPPING=1")) == 1
    assert "cannot tell" not in run.stderr()


def test_words_in_the_pipe_take_no_room_of_what_sdwd_says(sdwd, manager, child):
    run = sdwd("--heartbeat", "--ready=healthy", command=child.command)
    child("None")
    manager.wait_for("STATUS=")
    manager.pause()
    child("beat(b'EXTEND_TIMEOUT_USEC=1000000\\n' * 2000)")
    child("beat()")
    # Both were read: the next thing that is said there is.
    child("beat(b'STATUS=x\\n')")
    child("import fcntl, termios; unread = lambda: int.from_bytes(fcntl.ioctl(3, termios.FIONREAD, bytes(4)), sys.byteorder)")
    wait_until(lambda: child("unread()") == 0, "empty pipe")
    manager.resume()
    manager.wait_ready()
    assert "cannot tell" not in run.stderr()


# The relay --------------------------------------------------------------------------------------------------------


FLOODS = {"plain": ("WATCHDOG=1", 0), "fds": ("FDSTORE=1", 253), "barrier": ("BARRIER=1", 1)}


@pytest.mark.parametrize("user", [None, STRANGER], ids=["descendant", "stranger"])
@pytest.mark.parametrize("text,fds", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_those_who_may_not_send(sdwd, manager, child, floods, user, text, fds):
    # As systemd has it, for all its services: one sender cannot fill it.
    enter, back = long_queue(512)
    run = sdwd("--notify=watchdog", "--silence=1s", "--ready=notify", command=back + child.command, watchdog=WATCHDOG, preexec=enter)
    child("heard = []; signal.signal(signal.SIGUSR2, lambda *_: heard.append(time.monotonic()))")
    child("notify('READY=1'); repeat(0.05, notify, 'WATCHDOG=1')")
    manager.wait_ready()
    measure = Measure(run, manager, WATCHDOG)
    address = child("os.environ['NOTIFY_SOCKET']")
    # Whoever has no place in its queue tries again at once: the child waits its turn among them.
    words = ("spin", text, fds, address)
    flood = floods.beside(*words, user=user) if user else floods.below(child, *words)
    goes_on(run, manager, child, measure)
    done, _ = flood.stop()
    assert done > 0
    assert run.stderr().count("refused") == (0 if text == "BARRIER=1" else 1)
    # A quarter, and what the loop itself takes.
    assert measure.cpu / measure.seconds < 0.4, measure.summary()
    measure.rest()
    assert "silent" not in run.stderr()
    child("stop()")
    run.signal(signal.SIGTERM)
    assert run.wait() == -signal.SIGTERM


def test_what_an_overdue_child_may_have_said_is_read_without_a_rest(sdwd, manager, child, floods):
    # More than can be read in half the silence, without the help of a sender that gets a processor.
    enter, back = long_queue(16384)
    run = sdwd("--notify=watchdog", "--silence=2s", "--ready=notify", command=back + child.command, watchdog=60, preexec=enter)
    child("notify('READY=1')")
    manager.wait_ready()
    address = child("os.environ['NOTIFY_SOCKET']")

    def send(n):
        # No sender has room for more.
        senders = [floods.below(child, "send", "FDSTORE=1", 253, address, count=200) for _ in range(n // 200)]
        assert [one.wait() for one in senders] == [(200, 0)] * len(senders)

    cpu = cpu_seconds(run.pid)
    send(1000)
    child("notify('X_END=1')")
    manager.wait_for("X_END=1", timeout=60)
    one = (cpu_seconds(run.pid) - cpu) / 1000
    child("notify('WATCHDOG=1')")
    began = time.monotonic()
    send(int(2 / one))
    states = []
    while time.monotonic() < began + 1.9:
        if time.monotonic() > began + 1.1:
            states.append(state_of(run.pid))
        time.sleep(0.002)
    # In a rest it sleeps; it has a processor or waits for one.
    assert states.count("R") > 0.8 * len(states) > 0, (states, one, os.getloadavg())
    child("notify('WATCHDOG=1')")
    manager.wait_ping(timeout=60)


@pytest.mark.parametrize("is_inside", [False, True], ids=["itself", "in-a-queue"])
def test_a_socket_that_lingers_holds_up_nothing(busy, manager, child, is_inside):
    run = busy()
    before = len(open_fds(run.pid))
    address = child("os.environ['NOTIFY_SOCKET']")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as relay:
        client = socket.create_connection(server.getsockname())
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                client.send(bytes(65536))
        # Whoever closes it last waits for a peer that never reads.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
        run.signal(signal.SIGSTOP)
        wait_until(lambda: state_of(run.pid) == "T", "stop")
        relay.connect(address)
        if is_inside:
            # It ends with the queue that it is in.
            for side in (pair := socket.socketpair()):
                socket.send_fds(side, [b"x"], [client.fileno()])
        given = pair if is_inside else [client]
        socket.send_fds(relay, [b"X_A=1"], [one.fileno() for one in given])
        client.close()
        for one in given:
            one.close()
        run.signal(signal.SIGCONT)
        run.wait_stderr("refused")
        manager.wait_ping(count=2)
        wait_until(lambda: len(open_fds(run.pid)) == before, "end of what was sent")


def test_nor_does_one_that_waits_for_the_manager_at_the_end(sdwd, manager, child):
    manager.pause()
    full_queue(manager)
    run = sdwd("--notify", "--ready=exec", command=child.command)
    with socket.create_server(("127.0.0.1", 0)) as server:
        child(f"c = socket.create_connection({server.getsockname()!r}); c.setblocking(False)")
        child("import contextlib")
        child("with contextlib.suppress(BlockingIOError):\n while True: c.send(bytes(65536))")
        child("c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 60, 0, 0, 0]))")
        child("notify('FDSTORE=1', [c.fileno()])")
        child("c.close()")
        child.tell("os._exit(7)")
        assert run.wait() == 7


def test_sockets_that_nobody_wants_are_closed(busy, manager, child):
    """More of them at once than are kept: the relay waits meanwhile, and nothing is lost."""
    run = busy()
    before = len(open_fds(run.pid))
    child("notify('NOTIFYACCESS=all')")
    address = child("os.environ['NOTIFY_SOCKET']")
    child("pair = socket.socketpair()")
    child("fds = [one.fileno() for one in pair] * 100")
    child(f"s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect({address!r}); "
          "[socket.send_fds(s, [b'X_A=%d' % n], fds) for n in range(8)]")
    manager.wait_for("X_A=7")
    assert [d.fields["X_A"] for d in manager.matching("X_A=")] == [str(n) for n in range(8)]
    wait_until(lambda: len(open_fds(run.pid)) == before, "end of what was sent")


def test_a_ping_goes_before_all_that_the_child_says(busy, manager, child, floods):
    run = busy()
    child("notify('NOTIFYACCESS=all')")
    measure = Measure(run, manager, WATCHDOG)
    # As much as the manager reads: its queue is full without end.
    flood = floods.below(child, "send", "X_A=1", 0)
    goes_on(run, manager, child, measure)
    assert flood.stop()[0] > 0 and manager.matching("X_A=1")


def test_a_wrong_mainpid_is_told_of_once(busy, manager, child):
    run = busy()
    child("notify('MAINPID=1', repeat=300); notify('X_END=1')")
    manager.wait_for("X_END=1", timeout=60)
    assert run.stderr().count("MAINPID=1 ") == 1


# Signals and processes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind,number", [("queue", signal.SIGRTMIN + 5), ("kill", signal.SIGRTMIN + 5), ("kill", signal.SIGUSR1)],
                         ids=["values", "realtime", "standard"])
def test_a_flood_of_signals_holds_up_nothing(busy, manager, child, floods, kind, number):
    run = busy()
    measure = Measure(run, manager, WATCHDOG)
    flood = floods.beside(kind, run.pid, int(number))
    goes_on(run, manager, child, measure)
    assert flood.stop()[0] > 0


def test_orphans_that_end_at_once_are_all_reaped(busy, manager, child, floods):
    run = busy()
    measure = Measure(run, manager, WATCHDOG)
    # Of each what it said last is looked for in a queue that is full of other things.
    noise = floods.beside("spin", "BARRIER=1", 1, child("os.environ['NOTIFY_SOCKET']"), user=STRANGER)
    flood = floods.below(child, "exits")
    goes_on(run, manager, child, measure)
    assert flood.stop()[0] > 0 and noise.stop()[0] > 0
    measure.rest()


@pytest.fixture
def behind(busy, child, floods):
    """Starts it with a long queue and stops it; then wait(n): n times 200 messages wait, whose fds take long to close."""
    def start(*options):
        # More than anybody reads in one turn.
        enter, back = long_queue(4096)
        run = busy(*options, preexec=enter, command=back + child.command)
        address = child("os.environ['NOTIFY_SOCKET']")
        run.signal(signal.SIGSTOP)
        wait_until(lambda: state_of(run.pid) == "T", "stop")

        def wait(n):
            # No sender has room for more.
            noise = [floods.beside("send", "FDSTORE=1", 253, address, count=200) for _ in range(n)]
            assert [f.wait() for f in noise] == [(200, 0)] * n

        return run, wait

    return start


def test_orphans_do_not_make_all_that_waits_be_read(behind, manager, child, floods):
    run, wait = behind()
    # More than a turn before each of the orphans takes; and enough to go on after it.
    wait(8)
    child("notify('X_END=1')")
    wait(12)
    assert floods.below(child, "exits", count=16).wait() == (16, 0)
    run.signal(signal.SIGCONT)
    wait_until(lambda: len(zombies_of(run.pid)) < 16, "first that is reaped")
    heard_at = time.monotonic() + send_and_hear(run, child)
    assert manager.wait_for("X_END=1", timeout=60).at > heard_at, os.getloadavg()


def test_what_orphans_said_last_is_heard_behind_a_flood(behind, manager, child):
    run, wait = behind("--notify-access=all")
    wait(5)
    child("orphan = lambda i: fork(notify, f'X_N={i}')")
    child("for i in range(30): os.waitpid(fork(orphan, i), 0)")
    wait_until(lambda: len(zombies_of(run.pid)) == 30, "their end")
    run.signal(signal.SIGCONT)
    wait_until(lambda: not zombies_of(run.pid), "all are reaped")
    child("notify('X_END=1')")
    manager.wait_for("X_END=1", timeout=60)
    assert sorted(map(int, manager.values("X_N"))) == list(range(30))


def test_reloads_do_not_make_all_that_waits_be_read(behind, manager, child):
    # Of numbers that can wait many times, and are handed out in their order.
    number, last = signal.SIGRTMIN + 5, signal.SIGRTMIN + 6
    run, wait = behind("--reload=signal", "--reload-signal=RTMIN+5")
    wait(5)
    child("notify('X_END=1')")
    wait(15)
    child(f"signal.signal({int(last)}, lambda *_: heard.append(time.monotonic()))")
    for _ in range(60):
        run.signal(number)
    run.signal(last)
    run.signal(signal.SIGCONT)
    manager.wait_for("RELOADING=1")
    wait_until(lambda: child("len(heard)") == 1, "last signal")
    assert manager.wait_for("X_END=1", timeout=60).at > child("heard[0]"), os.getloadavg()


def test_what_waits_in_a_long_queue_does_not_end_a_reload(behind, manager, child):
    run, _ = behind("--notify", "--silence=1h", "--ready=exec", "--reload=signal")
    child("[notify('WATCHDOG=1', repeat=200) for _ in range(10)], notify('X_END=1')")
    run.signal(signal.SIGHUP)
    run.signal(signal.SIGCONT)
    up = manager.wait_for("RELOADING=1")
    manager.wait_for("X_END=1", timeout=60)
    manager.never(lambda d: d.has("READY=1") and d.at > up.at, 0.3)
    assert len(manager.matching("READY=1")) == 1
    child("notify('WATCHDOG=1')")
    manager.wait_for("READY=1", after=up.at)


def test_a_crowd_of_orphans_that_ends_together(busy, manager, child, floods):
    run = busy()
    flood = floods.below(child, "crowd", count=300)
    wait_until(lambda: len(descendants(run.pid)) >= 302, "crowd")
    measure = Measure(run, manager, WATCHDOG)
    assert flood.stop() == (300, 0)
    goes_on(run, manager, child, measure)
    wait_until(lambda: len(descendants(run.pid)) == 1, "end of the crowd")
    measure.rest()


def test_of_more_orphans_than_one_list_holds_none_is_left(sdwd):
    # They ignore SIGTERM; only sdwd is there to end them.
    run = sdwd("--orphan-timeout=100ms", command=["/usr/bin/python3", "-SEc", """if True:
        import os, signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for i in range(1100):
            if os.fork() == 0:
                while True: signal.pause()
        print("all", flush=True)"""])
    run.wait_stdout("all", 60)
    assert run.wait(60) == 0
    assert "outlive" not in run.stderr()
