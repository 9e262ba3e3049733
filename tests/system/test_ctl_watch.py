# SPDX-License-Identifier: MIT
"""sdwdctl watch on a terminal: what is drawn, when, and that the terminal is given back."""

import os
import signal
import time
from pathlib import Path

import pytest

from ctl import ctl  # pylint: disable=unused-import
from instances import look, probe, status, unwell
from puppet import wait_until

DAY = 24 * 3600 * 1000000

# pylint: disable=redefined-outer-name


def steady(label, *probes, **changes):
    """A service whose time in its state reads the same for an hour."""
    return status(label, *probes, **({"stateUsec": 3 * DAY} | changes))


def row(screen, label):
    """The cells of the row of @label, or None."""
    for line in screen.splitlines():
        if line.startswith(f"{label} "):
            return line.split()
    return None


def test_the_same_table_live(ctl):
    web = ctl.farm.add(steady("web"))
    ctl.farm.add(unwell("api", stateUsec=3 * DAY))
    shown = ctl.on_terminal("watch")
    shown.wait("api")
    screen = shown.wait("web")
    assert shown.is_alternate and not shown.is_cursor_shown
    assert screen.splitlines()[0] == "2 services, 1 unwell; q ends"
    assert screen.splitlines()[1:] == ctl("status").lines
    web.change(health="unhealthy", state="unhealthy", statusText="unhealthy: http: broken")
    shown.wait("2 services, 2 unwell")
    assert row(shown.text(), "web")[4] == "unhealthy"
    assert "  unhealthy: http: broken" in shown.text().splitlines()
    # It asked once, and was told the rest.
    assert [method for method, _ in web.calls if method == "Watch"] == ["Watch"]


def test_new_and_ended_ones_are_seen(ctl):
    shown = ctl.on_terminal("watch")
    shown.wait("0 services, 0 unwell")
    web = ctl.farm.add(steady("web"))
    shown.wait(lambda screen: row(screen, "web"))
    api = ctl.farm.add(steady("api"))
    shown.wait(lambda screen: row(screen, "api"))
    web.end()
    shown.wait(lambda screen: not row(screen, "web"))
    # The same name again is another one.
    ctl.farm.add(steady("web", state="starting"))
    assert shown.wait(lambda screen: row(screen, "web")) and row(shown.text(), "web")[2] == "starting"
    # The same process goes on with another socket.
    api.path.unlink()
    shown.wait(lambda screen: not row(screen, "api"))


def test_a_connection_that_is_lost_is_made_again(ctl):
    web = ctl.farm.add(steady("web"))
    shown = ctl.on_terminal("watch")
    shown.wait("1 service, 0 unwell; q ends")
    web.drop()
    wait_until(lambda: web.connections == 2, "second connection")
    web.change(state="stopping")
    shown.wait("stopping")
    assert b"without an answer" not in shown.raw


def test_labels_choose(ctl):
    ctl.farm.add(steady("web.service"))
    other = ctl.farm.add(steady("db.service"))
    ctl.farm.add(steady("forged", pid=1), name="cache")
    shown = ctl.on_terminal("watch", "web")
    shown.wait("1 service, 0 unwell; q ends")
    ctl.farm.add(steady("web2.service"))
    ctl.farm.add(steady("web.service"), name="web.service.2")
    screen = shown.wait("2 services, 0 unwell")
    assert not row(screen, "db.service") and not row(screen, "web2.service")
    # Nor is it listened to.
    wait_until(lambda: not other.watchers, "end of the connection")


def test_what_is_not_believed_is_counted(ctl):
    ctl.farm.add(steady("web"))
    ctl.farm.add(steady("forged", pid=1))
    ctl.farm.add(steady("silent"), mode="silent")
    ctl.farm.add(steady("endless"), mode="endless")
    ctl.farm.add(steady("gone"), mode="stale")
    shown = ctl.on_terminal("watch", columns=160)
    screen = shown.wait("1 service, 0 unwell, 3 without an answer that is believed: see sdwdctl status; q ends")
    assert row(screen, "web") and not row(screen, "forged")


@pytest.mark.parametrize("how, expected", [
    ("q", 0), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, -signal.SIGINT), (signal.SIGHUP, -signal.SIGHUP),
    ("\x03", -signal.SIGINT),
], ids=["q", "SIGTERM", "SIGINT", "SIGHUP", "Ctrl-C"])
def test_the_terminal_is_given_back(ctl, how, expected):
    ctl.farm.add(steady("web"))
    shown = ctl.on_terminal("watch")
    shown.wait("web")
    assert shown.attributes() != shown.before
    if isinstance(how, str):
        shown.type(how)
    else:
        shown.process.send_signal(how)
    assert shown.wait_end() == expected
    assert not shown.is_alternate and shown.is_cursor_shown
    assert shown.attributes() == shown.before
    # Nothing of it stands where the shell goes on.
    assert "web" not in shown.text()


def test_stopped_by_ctrl_z_and_continued(ctl):
    ctl.farm.add(steady("web"))
    shown = ctl.on_terminal("watch")
    shown.wait("web")
    shown.process.send_signal(signal.SIGTSTP)
    wait_until(lambda: not shown.is_alternate, "end of the alternate screen")
    assert shown.attributes() == shown.before
    _, stopped = os.waitpid(shown.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(stopped)
    shown.process.send_signal(signal.SIGCONT)
    shown.wait("web")
    assert shown.is_alternate
    shown.type("q")
    assert shown.wait_end() == 0


def is_writing(pid):
    """Whether @pid is in write(2), or about to be."""
    number = {"x86_64": "1", "aarch64": "64"}[os.uname().machine]
    return Path(f"/proc/{pid}/syscall").read_text(encoding="ascii").split()[:2] == [number, "0x1"]


def test_a_terminal_that_takes_nothing_does_not_hold_up_the_end(ctl):
    for number in range(50):
        ctl.farm.add(steady(f"web-{number}"))
    shown = ctl.on_terminal("watch", columns=500, lines=60)
    shown.wait("web-49")
    shown.stop_reading()

    def fill():
        for one in ctl.farm.instances:
            one.change(state=f"{time.monotonic()}-{'x' * 200}")
        # One frame each; faster would be a flood.
        time.sleep(0.3)
        return is_writing(shown.process.pid)

    wait_until(fill, "write that waits")
    # Not one that is over in a moment.
    wait_until(lambda: time.sleep(0.5) or is_writing(shown.process.pid), "write that waits for long")
    shown.process.send_signal(signal.SIGTERM)
    assert shown.process.wait(20) == -signal.SIGTERM
    assert shown.attributes() == shown.before


def test_it_fits_the_terminal(ctl):
    for number in range(30):
        ctl.farm.add(steady(f"web-{number:02}", probe("http"), probe("tcp")))
    shown = ctl.on_terminal("watch", columns=100, lines=20)
    screen = shown.wait("... 22 more")
    assert len(screen.splitlines()) == 19
    shown.resize(50, 10)
    screen = shown.wait("... 27 more")
    assert max(map(len, screen.splitlines())) <= 50
    assert screen.splitlines()[1].split() == ["LABEL", "FOR", "HEALTH", "PROBE", "CAUSE", "FAILS", "LOOKS"]
    # One that is larger than the screen is cut.
    ctl.farm.add(unwell("api").copy() | {"probes": [probe(f"p{n}") for n in range(20)], "stateUsec": 3 * DAY})
    screen = shown.wait("p7")
    assert len(screen.splitlines()) == 10
    assert "p8" not in screen
    shown.resize(120, 200)
    assert len(shown.wait("p19").splitlines()) == 83


def test_not_drawn_where_nothing_has_changed(ctl):
    web = ctl.farm.add(steady("web"))
    shown = ctl.on_terminal("watch")
    shown.wait(lambda screen: row(screen, "web"))
    before = shown.frames
    # Nobody sees these; time goes by for its own ticks as well.
    for pings in range(8):
        web.change(pings=pings)
        time.sleep(0.3)
    web.change(state="stopping")
    shown.wait("stopping")
    assert shown.frames == before + 1


def test_at_most_four_frames_a_second(ctl):
    web = ctl.farm.add(steady("web"))
    shown = ctl.on_terminal("watch")
    shown.wait(lambda screen: row(screen, "web"))
    started, before = time.monotonic(), shown.frames
    for number in range(150):
        web.change(state=f"s{number}")
        time.sleep(0.01)
    shown.wait("s149")
    assert shown.frames - before <= (time.monotonic() - started) / 0.25 + 1


def test_time_passes_on_the_screen(ctl):
    web = ctl.farm.add(status("web", stateUsec=61000000))
    shown = ctl.on_terminal("watch")
    shown.wait("1min 1s")
    shown.wait(lambda screen: any(f"1min {second}s" in screen for second in range(3, 60)))
    assert len(web.calls) == 1


def test_a_flood_is_no_reason_to_be_slow(ctl):
    ctl.farm.add(status("web", stateUsec=61000000))
    flood = ctl.farm.add(steady("flood"), mode="raw:" + '{"parameters": {}}\0' * 30000)
    shown = ctl.on_terminal("watch")
    shown.wait("1 without an answer")
    # It is asked again, but not with each look for new ones.
    shown.wait(lambda screen: any(f"1min {second}s" in screen for second in range(4, 60)))
    assert flood.connections == 1
    shown.type("q")
    assert shown.wait_end() == 0


def test_looks_are_drawn_as_they_come(ctl):
    web = ctl.farm.add(steady("web", probe(history=[look()])))
    shown = ctl.on_terminal("watch")
    shown.wait(lambda screen: row(screen, "web"))
    web.change(probes=[probe(history=[look(), look("fail"), look(us=90000)])])
    shown.wait("▁×█")
