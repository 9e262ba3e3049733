# SPDX-License-Identifier: MIT
"""--tcp with a host name: the prober resolves it, sdwd itself looks, also while the prober knows nothing."""

import os
import re
import shutil
import signal
import time

import pytest

from names import names  # pylint: disable=unused-import
from puppet import open_fds, state_of, wait_until
from runner import command_of
from scripted import edges, outcomes
from streams import answers, banner, silent, streams  # pylint: disable=unused-import
from test_tcp import refusal

SOON = ["--interval=100ms", "--start-interval=100ms", "--timeout=4s"]
SEEN = ["--log-level=debug", "--log-target=stderr"]
UNKNOWN = "cannot resolve db.test: "
PROBER = "sdwd-prober"
GOOD = ("pass", "ok", "connected")


@pytest.fixture
def serve(names, streams):
    """serve(...): Streams in the network of `names`."""
    return lambda *script, then=banner(), **keywords: names.run(lambda: streams(*script, then=then, **keywords))


@pytest.fixture
def look(sdwd, names):
    """look(server, ...): sdwd in that network, which looks at db.test."""
    return lambda server, *options, **more: sdwd(f"--tcp=db.test:{server.port}", *options, *SEEN, preexec=names.preexec,
                                                 **more)


def seen(run):
    return outcomes(run.stderr(), "tcp")


def another(run, pid):
    """The pid of the prober once it is not @pid any more."""
    return wait_until(lambda: next((p for p in run.children() if p != pid and PROBER in command_of(p)), None), "new prober")


# How it is resolved -----------------------------------------------------------------------------------------------


@pytest.mark.option("tcp")
def test_a_name_is_resolved_and_asked(look, manager, names, serve):
    server = serve(then=answers(b"PING\r\n", b"+PONG\r\n"))
    names.set_hosts("127.0.0.1 db.test")
    run = look(server, r"--send=PING\r\n", r"--expect=^\+PONG", *SOON)
    assert manager.wait_ready().at >= server.start_of(0)
    server.wait_looks(3)
    assert set(server.requests) == {b"PING\r\n"} and seen(run) == [("pass", "ok", "the answer matches")]


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_each_address_of_a_name_is_tried(look, manager, names, serve, family):
    server = serve(family=family)
    names.set_hosts("127.0.0.2 db.test", "127.0.0.1 db.test", "::1 db.test", "127.0.0.3 db.test")
    run = look(server, *SOON)
    manager.wait_ready()
    assert seen(run) == [GOOD]


def test_nobody_at_any_address(look, manager, names, serve):
    server = serve()
    server.stop()
    names.set_hosts("127.0.0.2 db.test", "127.0.0.1 db.test")
    run = look(server, *SOON)
    run.wait_stderr("fail (connect-refused): connection refused")
    assert manager.ready_at is None and len(seen(run)) == 1


def test_a_hang_behind_a_name_fails(look, manager, names, serve):
    """What it says of the service is what it says at an address."""
    server = serve(banner(), then=silent)
    names.set_hosts("127.0.0.1 db.test")
    run = look(server, "--expect=^220 ", "--interval=100ms", "--timeout=700ms", "--fall=2", watchdog=30)
    manager.wait_ready()
    run.wait_stderr("; healthy -> unhealthy")
    assert edges(run.stderr())[0][:3] == ("tcp", "no answer within 700ms", "read-timeout")


def test_a_new_address_is_found(look, manager, names, serve):
    old = serve()
    names.set_hosts("127.0.0.1 db.test")
    run = look(old, *SOON, "--fall=1000")
    manager.wait_ready()
    old.stop()
    run.wait_stderr("fail (connect-refused)")
    new = serve(family="v6", port=old.port)
    names.set_hosts("::1 db.test")
    new.start_of(0)
    wait_until(lambda: seen(run)[-1] == GOOD, "good look")


def test_the_look_is_made_by_sdwd_itself(look, manager, names, serve):
    """All that the prober has of it is the name: while sdwd is connected, the prober has no socket but the one to it."""
    server = serve(then=silent)
    names.set_hosts("127.0.0.1 db.test")
    run = look(server, "--expect=x", "--interval=1h", "--timeout=59min")
    server.start_of(0)
    fds = {n: os.readlink(f"/proc/{run.child(command=PROBER)}/fd/{n}") for n in open_fds(run.child(command=PROBER))}
    assert [n for n, target in fds.items() if target.startswith("socket:")] == ["3"], fds
    assert manager.ready_at is None
    run.terminate()


# Where it cannot be resolved --------------------------------------------------------------------------------------


def test_a_name_that_was_never_resolved(look, manager, names, serve):
    """We could not look: that is neither good nor a failure."""
    server = serve()
    run = look(server, *SOON, "--fall=1", "--ready=exec", watchdog=30)
    manager.wait_ready()
    run.wait_stderr(f"unknown (dns): {UNKNOWN}")
    names.set_hosts("127.0.0.1 db.test")
    run.wait_stderr("pass (ok): connected")
    assert not edges(run.stderr()) and [cause for _, cause, _ in seen(run)] == ["dns", "ok"]


def test_a_name_server_that_says_nothing(look, manager, names, serve):
    server = serve()
    with names.silent_server() as dns:
        run = look(server, "--interval=1h", "--timeout=1s", "--start-interval=1h")
        run.wait_stderr(f"unknown (dns): {UNKNOWN}no answer in time")
        dns.settimeout(20)
        assert b"\2db\4test\0" in dns.recv(512)
    manager.wait_for(f"STATUS=starting: tcp: {UNKNOWN}no answer in time")
    assert manager.ready_at is None and server.connections == 0


def test_an_outage_keeps_the_last_good_addresses(look, manager, names, serve):
    server = serve()
    names.set_hosts("127.0.0.1 db.test")
    run = look(server, *SOON, "--fall=1", watchdog=30)
    manager.wait_ready()
    # First without any server, then with one that is dead: a look then waits for it for a quarter of its time.
    names.set_hosts("127.0.0.1 localhost")
    server.wait_looks(5)
    with names.silent_server() as dns:
        dns.settimeout(20)
        dns.recv(512)
        server.wait_looks(3)
    assert seen(run) == [GOOD] and not edges(run.stderr()) and run.is_running()
    # They are as good as new ones: who is not there any more, fails.
    server.stop()
    run.wait_stderr("; healthy -> unhealthy")
    assert edges(run.stderr())[0][2] == "connect-refused"


# Troubles of the prober -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_probers_death_or_hang_keeps_the_last_good_addresses(look, manager, names, serve, number):
    server = serve()
    names.set_hosts("127.0.0.1 db.test")
    run = look(server, "--interval=100ms", "--start-interval=100ms", "--timeout=1s", "--fall=1", watchdog=30)
    manager.wait_ready()
    # Nor would another one know.
    names.set_hosts("127.0.0.1 localhost")
    pid = run.child(command=PROBER)
    os.kill(pid, number)
    server.wait_looks(1)
    another(run, pid)
    server.wait_looks(3)
    assert seen(run) == [GOOD] and not edges(run.stderr())
    words = "it did not answer in time" if number == signal.SIGSTOP else "killed by SIGKILL"
    who = f"sdwd-prober (pid {pid})"
    assert f"{who} was killed: {words}" in run.stderr() or f"{who} {words}" in run.stderr()


def test_a_look_is_good_while_the_prober_hangs(look, manager, names, serve):
    server = serve()
    names.set_hosts("127.0.0.1 db.test")
    # A quarter of the time is its, and half a second later it is killed: so it is the hang, not the end, that is met.
    run = look(server, "--interval=100ms", "--start-interval=100ms", "--timeout=400ms", "--fall=1", watchdog=30)
    manager.wait_ready()
    # On a slow machine its first answer may be late, too.
    known = seen(run)
    pid = run.child(command=PROBER)
    looks = server.connections
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: state_of(pid) in (None, "Z"), "end of the prober")
    ended = time.monotonic()
    # One may have been on its way already.
    assert server.start_of(looks + 1) < ended
    assert seen(run) == known and known[-1] == GOOD and not edges(run.stderr())


def test_a_prober_that_hangs_from_the_start_is_unknown(look, manager, names, serve):
    server = serve()
    with names.silent_server() as dns:
        run = look(server, "--interval=10s", "--start-interval=10s", "--timeout=8s", "--ready=exec", "--fall=1", watchdog=30)
        dns.settimeout(20)
        dns.recv(512)
        os.kill(run.child(command=PROBER), signal.SIGSTOP)
        run.wait_stderr("unknown (prober): the prober did not answer in time")
    assert manager.ready_at is not None and not edges(run.stderr()) and server.connections == 0


# When it is there -------------------------------------------------------------------------------------------------


def test_an_address_needs_no_prober(sdwd, manager, streams):
    server = streams(then=banner())
    for host in ("127.0.0.1", "localhost"):
        run = sdwd(f"--tcp={host}:{server.port}", *SOON)
        server.wait_looks(3)
        assert not [p for p in run.children() if PROBER in command_of(p)]


@pytest.mark.parametrize("mode", [[], ["--check"]])
def test_a_prober_that_is_missing_is_an_error_at_the_start(make_runner, sdwd_path, manager, tmp_path, mode):
    alone = tmp_path / "sdwd"
    shutil.copy(sdwd_path, alone)
    run = make_runner(alone)(*mode, "--tcp=db.test:1", command=["sh", "-c", "echo started"])
    line = refusal(run)
    assert re.fullmatch(r"sdwd: --tcp: a host name needs sdwd-prober: /\S+/sdwd-prober: No such file or directory; "
                        r"it is in the package sdwd-prober", line)
    assert run.stdout() == "" and not manager.all
    assert make_runner(alone)("--tcp=127.0.0.1:1", "--optional", command=["true"]).wait() == 0


@pytest.mark.option("start-interval")
def test_looks_at_a_name_start_with_one_a_second(sdwd):
    run = sdwd("--check", "--watchdog-sec=30s", "--tcp=db.test:1", "--tcp=127.0.0.1:1", notify=False)
    assert run.wait() == 0
    assert re.findall(r"start-interval += (\w+)", run.stdout()) == ["1s", "500ms"]


@pytest.mark.parametrize("value, reason", [
    ("127.1:80", "has a malformed IPv4 address"),
    ("0x7f.1:80", "has a host that is neither an address nor a name"),
    ("db..test:80", "has a host that is neither an address nor a name"),
    ("db test:80", "has a bad character in its host"),
])
def test_what_is_no_name(sdwd, value, reason):
    assert refusal(sdwd(f"--tcp={value}", command=["true"])) == f"sdwd: --tcp: '{value}' {reason}"


# Meanwhile --------------------------------------------------------------------------------------------------------


def test_many_looks_leave_nothing_behind(look, manager, names, serve):
    server = serve()
    names.set_hosts("127.0.0.1 db.test")
    run = look(server, "--interval=10ms", "--start-interval=10ms", "--timeout=2s")
    manager.wait_ready()

    def least_fds(looks):
        """Between two looks: their own are not among them."""
        found, until = [], server.connections + looks
        deadline = time.monotonic() + 60
        while server.connections < until:
            assert run.is_running() and time.monotonic() < deadline, run.stderr()
            found.append(len(open_fds(run.pid)))
            time.sleep(0.001)
        return min(found)

    before = least_fds(50)
    server.wait_looks(300, 60)
    assert least_fds(50) == before
    assert seen(run) == [GOOD]
