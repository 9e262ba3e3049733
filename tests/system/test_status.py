# SPDX-License-Identifier: MIT
"""STATUS=: what people read in `systemctl status`: true, on change only, at most once a second, and always valid."""

import os
import socket
import time

import pytest

from puppet import child  # pylint: disable=unused-import


def own_statuses(manager):
    return [d for d in manager.all if "STATUS" in d.fields]


def test_before_ready_it_says_what_is_missing(sdwd, manager, child):
    sdwd("--heartbeat", "--name=pulse", "--ready=healthy,notify", command=child.command)
    manager.wait_for("STATUS=starting: pulse: nothing heard yet")
    child("beat()")
    manager.wait_for(lambda d: "READY=1" in d.fields.get("STATUS", ""))
    child("notify('READY=1')")
    assert manager.wait_ready().fields["STATUS"] == "healthy"


@pytest.mark.option("name")
def test_while_unhealthy_it_names_the_probe_and_afterwards_it_does_not(sdwd, manager, child):
    sdwd("--heartbeat", "--name=pulse", "--silence=300ms", "--on-unhealthy=warn", command=child.command)
    child("beat()")
    manager.wait_ready()
    bad = manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy: pulse: no sign of life"))
    child("repeat(0.05, beat)")
    manager.wait_for("STATUS=healthy", after=bad.at)


def test_at_most_one_a_second_and_the_last_one_counts(sdwd, manager, child):
    sdwd(command=child.command)
    manager.wait_ready()
    child("for i in range(150): notify(f'STATUS=step {i}'); time.sleep(0.02)")
    manager.wait_for("STATUS=step 149")
    times = [d.at for d in own_statuses(manager) if "READY" not in d.fields]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert len(times) >= 2 and min(gaps) > 0.9, gaps


def test_only_on_change(sdwd, manager, child):
    sdwd(command=child.command)
    manager.wait_ready()
    child("notify('STATUS=same')")
    manager.wait_for("STATUS=same")
    child("for i in range(60): notify('STATUS=same'); time.sleep(0.02)")
    child("notify('STATUS=other')")
    manager.wait_for("STATUS=other")
    assert manager.statuses().count("same") == 1


def test_it_is_valid_and_printable(sdwd, manager, child):
    sdwd(command=child.command)
    manager.wait_ready()
    child("notify('STATUS=ä\\tb\\x1b[31m\\x07c €')")
    text = manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("ä")).fields["STATUS"]
    assert text.isprintable() and text.endswith("€")
    child("notify(b'STATUS=broken \\xff\\xfe text')")
    child("notify('STATUS=after')")
    manager.wait_for("STATUS=after")
    for datagram in manager.all:
        datagram.data.decode("utf-8")


def test_a_long_one_is_cut_between_two_characters(sdwd, manager, child):
    sdwd("--notify", command=child.command)
    # The words of the health come behind it and must have their place too.
    child("notify('STATUS=' + '€' * 1300)")
    first = manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("€"))
    assert first.fields["STATUS"].endswith("[starting: notify: nothing heard yet]")
    child("notify('X_KEPT=1\\nSTATUS=' + '€' * 1300)")
    mixed = manager.wait_for("X_KEPT=1")
    for datagram in (first, mixed):
        assert len(datagram.data) <= 4096 and set(datagram.data.decode("utf-8")) >= {"€"}


def test_a_status_of_a_child_does_not_outlive_the_truth(sdwd, manager, child):
    sdwd("--notify", "--on-unhealthy=warn", command=child.command)
    child("notify('READY=1\\nSTATUS=all is well')")
    manager.wait_ready()
    child("notify('WATCHDOG=trigger')")
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("all is well [unhealthy: "))


def test_nothing_is_said_twice_while_the_manager_does_not_read(sdwd, manager, child):
    sdwd(command=child.command)
    manager.wait_ready()
    manager.pause()
    child("for i in range(100): notify(f'STATUS=step {i}'); time.sleep(0.01)")
    manager.resume()
    manager.wait_for("STATUS=step 99")
    assert len(set(manager.statuses())) == len(manager.statuses()) <= 5


def test_stopping_says_why(sdwd, manager, child):
    run = sdwd(command=child.command)
    manager.wait_ready()
    child("signal.signal(signal.SIGTERM, lambda *_: None)")
    run.signal(15)
    stopping = manager.wait_for("STOPPING=1")
    assert stopping.fields["STATUS"] == "stopping: SIGTERM"
    child.tell("os._exit(0)")
    assert run.wait() == 0


def test_what_the_manager_will_never_take_is_given_up_and_said(sdwd, manager, child):
    run = sdwd(command=child.command, watchdog=10)
    manager.wait_ready()
    path = manager.address
    manager.go_away()
    child("notify('X_LOST=1')")
    # sdwd has tried it when it complains of what came behind it.
    child("notify('MAINPID=1')")
    run.wait_stderr("MAINPID=1 ")
    # A stream socket in its place refuses datagrams for good (EPROTOTYPE), not for a while.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(path)
        other.listen()
        # Where sdwd reads the message only now, it is refused at once.
        said = run.wait_stderr("Protocol wrong type for socket")
        assert "1 message to systemd given up" in said or "cannot forward the child's sd_notify message" in said
    os.unlink(path)
    manager.come_back()
    child("notify('X_LATER=1')")
    manager.wait_for("X_LATER=1")
    assert not manager.matching("X_LOST=1")
