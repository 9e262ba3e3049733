# SPDX-License-Identifier: MIT
"""
Heartbeats as other systems test theirs (E1: Consul's TTL; E2: Nomad; E3 and E9: what Erlang's heart got wrong; E8:
watchdogd). E3, E5, E7 and E10 stand beside their like in test_stall.py and test_heartbeat.py, E2 and E9 on a virtual
clock in tests/unit/test_conformance.c.
"""

import os
import time

import pytest

import conformance
from puppet import child, cpu_seconds  # pylint: disable=unused-import

IDS = [f"E{number}" for number in range(1, 11)]
LEFT_OUT = {}


def test_every_case_is_here():
    conformance.check(IDS, LEFT_OUT)


def is_unhealthy(datagram):
    return "unhealthy" in datagram.fields.get("STATUS", "")


@pytest.mark.option("silence")
def test_E1_a_beat_in_time_renews_and_the_last_words_stay(sdwd, manager, child):
    sdwd("--heartbeat", "--silence=1500ms", "--on-unhealthy=warn", command=child.command)
    child("beat(b'x\\nSTATUS=step 3\\n')")
    manager.wait_ready()
    manager.never(is_unhealthy, 0.7)
    renewed_at = time.monotonic()
    child("beat()")
    # Beyond the end of the first lease, and within the second one.
    manager.never(is_unhealthy, renewed_at + 1.4 - time.monotonic())
    edge = manager.wait_for(is_unhealthy)
    assert edge.at >= renewed_at + 1.5
    assert edge.fields["STATUS"].startswith("step 3 [unhealthy: heartbeat: no sign of life")


def test_E4_a_flood_of_beats(sdwd, manager, child):
    run = sdwd("--heartbeat", command=child.command, watchdog=2)
    child("""def flood(seconds):
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            for i in range(1000):
                try: os.write(3, b'x')
                except BlockingIOError: pass
        return time.process_time()""")
    child("beat()")
    manager.wait_ready()
    seen, began = len(manager.pings()), time.monotonic()
    # One processor is what the flood has itself; reading it takes less.
    assert cpu_seconds(run.pid) < child("flood(2)")
    assert 1 <= len(manager.pings()) - seen <= (time.monotonic() - began) / 0.2 + 1


def test_E5_closing_the_pipe_is_no_farewell_but_stopping_is(sdwd, manager):
    def script(word):
        return ["sh", "-c", f"echo >&3; echo {word} >&3; exec 3>&-; exec sleep 1000"]

    # The device /dev/watchdog would take the V for leave to close.
    run = sdwd("--heartbeat=3", "--silence=1h", "--on-unhealthy=warn", command=script("V"))
    stopping = sdwd("--heartbeat=3", "--silence=1h", "--on-unhealthy=warn", command=script("STOPPING=1"))
    manager.wait_for(lambda d: d.pid == stopping.pid and d.has("STOPPING=1"))
    run.wait_stderr("(closed)")
    # The other one closed at the same time; give it as long again.
    manager.never(lambda d: d.pid == stopping.pid and is_unhealthy(d), 1)
    assert "unhealthy:" not in stopping.stderr()


def test_E6_the_end_of_the_child_outweighs_beats_of_a_grandchild(sdwd, manager, child):
    run = sdwd("--heartbeat", "--orphan-timeout=1500ms", command=child.command, watchdog=0.5)
    child("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    child("fork(lambda: [(beat(), time.sleep(0.02)) for i in range(1000)])")
    manager.wait_ready()
    manager.wait_ping(count=2)
    ended_at = time.monotonic()
    child.tell("os._exit(5)")
    assert run.wait() == 5
    # It went on beating until SIGKILL, and kept nothing alive.
    assert time.monotonic() - ended_at >= 1.4 and "SIGKILL" in run.stderr()
    stopping = manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("stopping: "))
    assert not [d for d in manager.pings() if d.at > stopping.at]
    assert "unhealthy:" not in run.stderr()


def test_E8_a_client_that_subscribes_kicks_extends_and_leaves(sdwd, manager, child):
    run = sdwd("--heartbeat", "--silence=1h", "--on-unhealthy=trigger", command=child.command, watchdog=10)
    child("beat(b'WATCHDOG_USEC=1500000\\nREADY=1\\n')")
    manager.wait_ready()
    child("[(beat(b'WATCHDOG=1\\n'), time.sleep(0.05)) for i in range(20)]")
    child("beat(b'WATCHDOG_USEC=60000000\\nWATCHDOG=1\\n')")
    # Longer than the first time would have allowed.
    manager.never(is_unhealthy, 1.6)
    child.tell("beat(b'STOPPING=1\\n'); os._exit(0)")
    assert run.wait() == 0
    assert "unhealthy:" not in run.stderr() and not manager.matching("WATCHDOG=trigger")


def test_E8_a_client_that_stops_kicking(sdwd, manager, child):
    sdwd("--heartbeat", "--silence=1h", "--on-unhealthy=trigger", command=child.command, watchdog=10)
    child("beat(b'WATCHDOG_USEC=500000\\nREADY=1\\n')")
    manager.wait_ready()
    begin = time.monotonic()
    kicked_at = child("[(time.sleep(0.05), time.monotonic(), beat(b'WATCHDOG=1\\n'))[1] for i in range(20)][-1]")
    trigger = manager.wait_for("WATCHDOG=trigger")
    # Kicked for longer than it lasts, then acted on when it has run out.
    assert 0.5 <= trigger.at - kicked_at < 5
    assert kicked_at - begin >= 0.9
