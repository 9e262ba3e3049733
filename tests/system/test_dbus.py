# SPDX-License-Identifier: MIT
"""--dbus: a bus of its own, and a service on it whose main loop can be held up."""

import contextlib
import re
import signal
import time

import pytest

from bus import Bus, Service
from puppet import wait_until
from scripted import edges, outcomes

NAME = "test.sdwd.Service"
SOON = ["--interval=100ms", "--start-interval=100ms", "--timeout=5s"]
ONCE = ["--interval=1h", "--start-interval=1h"]
SEEN = ["--log-level=debug", "--log-target=stderr"]
FINE = "--dbus-call=/test:test.sdwd.Test.Fine"


@pytest.fixture
def bus(tmp_path):
    one = Bus(tmp_path / "b")
    yield one
    one.end()


@pytest.fixture
def serve(bus):
    """serve("test.sdwd.Other") gives a running Service, ended with the test."""
    with contextlib.ExitStack() as stack:
        def start(name=NAME):
            service = Service(bus, name)
            stack.callback(service.end)
            return service
        yield start


@pytest.fixture
def probe(sdwd, bus):
    """sdwd, for which the system's bus is @bus, and there is none of the session."""
    def start(*options, **more):
        more.setdefault("env", {"DBUS_SYSTEM_BUS_ADDRESS": bus.address})
        return sdwd(*options, *SEEN, **more)
    return start


def one_look(probe, *options, timeout="20s", **more):
    """(verdict, cause, text) of the first look."""
    run = probe(*options, *ONCE, f"--timeout={timeout}", **more)
    wait_until(lambda: outcomes(run.stderr(), "dbus"), "outcome")
    return outcomes(run.stderr(), "dbus")[0]


@pytest.mark.option("dbus")
def test_the_owner_of_the_name_answers(probe, manager, serve):
    serve()
    run = probe(f"--dbus={NAME}", *SOON)
    assert manager.wait_ready().fields["STATUS"] == "healthy"
    assert outcomes(run.stderr(), "dbus") == [("pass", "ok", "a reply")]


@pytest.mark.option("dbus-call")
def test_a_blocked_main_loop_is_seen_by_a_call_only(probe, manager, serve):
    """GLib answers a ping from a thread of its own, and the call of a method from the main loop."""
    service = serve()
    run = probe(f"--dbus={NAME}", "--name=ping", *SOON, "--optional", f"--dbus={NAME}", FINE, "--interval=200ms",
                "--start-interval=200ms", "--timeout=1s", "--fall=2")
    manager.wait_ready()
    service.wait("call Fine")
    service.do("block", "blocked")
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy: dbus: no reply within 1s"))
    assert outcomes(run.stderr(), "ping") == [("pass", "ok", "a reply")]
    assert ("fail", "read-timeout", "no reply within 1s") in outcomes(run.stderr(), "dbus")
    service.do("free", "free")
    manager.wait_for(lambda d: d.fields.get("STATUS") == "healthy")


def test_what_glib_answers_for_the_program_proves_nothing(probe, serve):
    """What the manual warns of: calls that never reach the program, although it has the object."""
    serve().do("block", "blocked")
    for call in ("/test:test.sdwd.Test.Nothing", "/none:test.sdwd.Test.Fine", "/test:test.sdwd.Test.Echo"):
        verdict, cause, text = one_look(probe, f"--dbus={NAME}", f"--dbus-call={call}")
        assert (verdict, cause) == ("pass", "ok") and text.startswith("a reply: org.freedesktop.DBus.Error."), (call, text)


@pytest.mark.option("timeout")
def test_a_call_without_a_reply_ends_at_its_deadline(probe, serve):
    service = serve()
    run = probe(f"--dbus={NAME}", "--dbus-call=/test:test.sdwd.Test.Silent", *ONCE, "--timeout=2s")
    service.wait("call Silent")
    began = time.monotonic()
    run.wait_stderr("dbus: fail (read-timeout): no reply within 2s")
    # The prober ends its look 0.1 s before the deadline; it began before the service told of the call.
    assert 1.5 < time.monotonic() - began < 15


def test_a_stopped_program_does_not_answer_a_ping(probe, serve):
    serve().process.send_signal(signal.SIGSTOP)
    assert one_look(probe, f"--dbus={NAME}", timeout="1s") == ("fail", "read-timeout", "no reply within 1s")


def test_an_error_of_the_object_is_a_reply(probe, serve):
    service = serve()
    assert one_look(probe, f"--dbus={NAME}", "--dbus-call=/test:test.sdwd.Test.Fail") == (
        "pass", "ok", "a reply: test.sdwd.Error.Purpose")
    wait_until(lambda: service.said.count("call Fail") == 1, "call")


def test_nobody_has_the_name(probe, manager, serve):
    run = probe(f"--dbus={NAME}", *SOON, "--fall=2")
    run.wait_stderr(f"dbus: fail (gone): nobody on the system's bus has the name {NAME}")
    service = serve()
    manager.wait_ready()
    service.end()
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith(
        f"unhealthy: dbus: nobody on the system's bus has the name {NAME}"))


def test_an_owner_that_leaves_instead_of_answering(probe, serve):
    serve()
    assert one_look(probe, f"--dbus={NAME}", "--dbus-call=/test:test.sdwd.Test.Leave") == (
        "fail", "gone", f"{NAME} left the system's bus without an answer")


@pytest.mark.parametrize("options", [[], [FINE]], ids=["ping", "call"])
def test_nobody_is_started_by_a_look(probe, bus, options):
    name, trace = "test.sdwd.Startable", bus.folder / "started"
    (bus.folder / "services" / f"{name}.service").write_text(
        f"[D-BUS Service]\nName={name}\nExec=/bin/sh -c 'touch {trace}; exit 1'\n", encoding="utf-8")
    assert "Reload" not in bus.send("org.freedesktop.DBus", "org.freedesktop.DBus.ReloadConfig").stderr
    run = probe(f"--dbus={name}", *options, *SOON)
    run.wait_stderr("dbus: fail (gone): ")
    assert not trace.exists()
    # Another client's call does start it.
    bus.send(name)
    wait_until(trace.exists, "trace of the started service")


@pytest.mark.option("dbus-user")
def test_the_sessions_bus(probe, bus, serve):
    serve()
    nothing = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus.folder}/none", "DBUS_SESSION_BUS_ADDRESS": bus.address}
    assert one_look(probe, f"--dbus={NAME}", "--dbus-user", env=nothing) == ("pass", "ok", "a reply")
    assert one_look(probe, f"--dbus={NAME}", env=nothing) == (
        "unknown", "prober", "cannot reach the system's bus: No such file or directory")
    assert one_look(probe, f"--dbus={NAME}", "--dbus-user")[:2] == ("unknown", "prober")


def test_a_bus_that_is_gone_is_no_failure_of_the_service(probe, manager, bus, serve):
    serve()
    run = probe(f"--dbus={NAME}", "--interval=100ms", "--start-interval=100ms", "--timeout=60s", "--fall=1")
    manager.wait_ready()
    bus.end()
    # It may go in the middle of a look: that has other words, and what stays the same is told once.
    run.wait_stderr("dbus: unknown (prober): ")
    bus.begin()
    # Its owner went with the bus, and this is the first failure.
    run.wait_stderr("dbus: fail (gone): ")
    verdicts = [verdict for verdict, _, _ in outcomes(run.stderr(), "dbus")]
    assert set(verdicts[:verdicts.index("fail")]) == {"pass", "unknown"}
    assert edges(run.stderr().split("dbus: fail (gone)")[0]) == []


def test_a_bus_that_goes_during_a_call_is_no_failure_of_the_service(probe, bus, serve):
    service = serve()
    run = probe(f"--dbus={NAME}", "--dbus-call=/test:test.sdwd.Test.Silent", *ONCE, "--timeout=20s")
    service.wait("call Silent")
    bus.process.kill()
    wait_until(lambda: outcomes(run.stderr(), "dbus"), "outcome")
    verdict, cause, text = outcomes(run.stderr(), "dbus")[0]
    assert (verdict, cause) == ("unknown", "prober") and text.startswith("the connection to the system's bus broke")


def test_a_bus_that_hangs_is_no_failure_of_the_service(probe, bus, serve):
    serve()
    bus.process.send_signal(signal.SIGSTOP)
    assert one_look(probe, f"--dbus={NAME}", timeout="1s") == (
        "unknown", "prober", "the system's bus did not answer within 1s")


def test_a_call_that_the_bus_forbids_is_no_failure_of_the_service(probe, serve):
    serve("test.sdwd.Denied")
    verdict, cause, text = one_look(probe, "--dbus=test.sdwd.Denied", FINE)
    assert (verdict, cause) == ("unknown", "prober") and text.startswith("the system's bus does not allow this call: ")


def connections(bus):
    """The numbers of all connections on the bus; the last one is the asking one's."""
    said = bus.send("org.freedesktop.DBus", "org.freedesktop.DBus.ListNames").stdout
    return sorted(int(number) for number in re.findall(r'":1\.(\d+)"', said))


def test_no_connection_is_left_behind(probe, manager, bus, serve):
    serve()
    probe(f"--dbus={NAME}", *SOON)
    manager.wait_ready()
    first = connections(bus)[-1]
    wait_until(lambda: connections(bus)[-1] > first + 20, "more looks")
    # The service, one look, and we.
    assert len(connections(bus)) <= 3


def test_check_and_start_tell_what_a_ping_does_not_see(probe, manager, serve):
    words = "dbus: without --dbus-call a hang may not be seen: GLib answers the ping from a thread of its own"
    for options, is_told in ([f"--dbus={NAME}"], True), ([f"--dbus={NAME}", FINE], False):
        check = probe("--check", *options)
        assert check.wait() == 0
        assert (f"warning: {words}" in check.stdout() + check.stderr()) == is_told
    serve()
    run = probe(f"--dbus={NAME}", *SOON)
    manager.wait_ready()
    assert words in run.stderr()


def test_bad_values_are_refused(probe):
    call = "--dbus-call: '{}' {}"
    for options, line in [
        (["--dbus=service"], "--dbus: 'service' is no name on a bus, like org.example.Service"),
        (["--dbus=a..b"], "--dbus: 'a..b' is no name on a bus, like org.example.Service"),
        (["--dbus=a.1b"], "--dbus: 'a.1b' is no name on a bus, like org.example.Service"),
        (["--dbus=a.b."], "--dbus: 'a.b.' is no name on a bus, like org.example.Service"),
        (["--dbus=:1.5"], "--dbus: ':1.5' is a connection's own name, which changes with each start"),
        (["--dbus=a.b", "--dbus-call=/a"], call.format("/a", "is no PATH:INTERFACE.METHOD")),
        (["--dbus=a.b", "--dbus-call=a:b.c.d"], call.format("a:b.c.d", "has no object path before its colon")),
        (["--dbus=a.b", "--dbus-call=/a/:b.c.d"], call.format("/a/:b.c.d", "has no object path before its colon")),
        (["--dbus=a.b", "--dbus-call=/:b.c"], call.format("/:b.c", "has no interface behind its colon")),
        (["--dbus=a.b", "--dbus-call=/:b.c."], call.format("/:b.c.", "has no method behind its last dot")),
        (["--dbus=a.b", "--dbus-call=/:b.c.d-e"], call.format("/:b.c.d-e", "has no method behind its last dot")),
    ]:
        run = probe(*options, command=["sh", "-c", "echo started"])
        assert run.wait() == 125
        assert run.stderr() == f"sdwd: {line}\n" and run.stdout() == ""
