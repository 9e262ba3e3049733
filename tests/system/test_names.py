# SPDX-License-Identifier: MIT
"""--http with a host name: how it is resolved, and what an outage of the name servers does not do."""

import os
import signal
import time

import pytest

from names import names  # pylint: disable=unused-import
from prompt import assert_prompt, take_signals
from puppet import Puppet, wait_until
from scripted import edges, outcomes, serve  # pylint: disable=unused-import

SOON = ["--interval=100ms", "--start-interval=100ms", "--timeout=4s"]
SEEN = ["--log-level=debug", "--log-target=stderr"]
UNKNOWN = "cannot resolve web.test: "
# At least so many seconds; tests/system/full-outage makes ten minutes of it.
OUTAGE = float(os.environ.get("SDWD_TEST_OUTAGE", "0"))


@pytest.fixture
def web(names, serve):
    """web(...): a server in the network of `names`."""
    return lambda *script, **keywords: names.run(lambda: serve(*script, **keywords))


@pytest.fixture
def look(sdwd, names):
    """look(server, ...): sdwd in that network, which asks http://web.test."""
    return lambda server, *options, **more: sdwd(f"--http=http://web.test:{server.port}/x", *options, *SEEN,
                                                 preexec=names.preexec, **more)


def test_a_name_of_etc_hosts(look, manager, names, web):
    server = web("status:503")
    names.set_hosts("127.0.0.1 web.test")
    run = look(server, *SOON)
    assert manager.wait_ready().at >= server.start_of(1)
    assert server.requests[0].startswith(f"GET /x HTTP/1.1\r\nHost: web.test:{server.port}\r\n".encode())
    assert outcomes(run.stderr()) == [("fail", "http-status", "HTTP 503, not within 200-399"), ("pass", "ok", "HTTP 200")]


@pytest.mark.option("http-connect")
def test_a_name_to_connect_to(sdwd, manager, names, web):
    server = web()
    names.set_hosts("127.0.0.1 web.test")
    sdwd("--http=http://muffins.example/x", f"--http-connect=web.test:{server.port}", *SOON, preexec=names.preexec)
    manager.wait_ready()
    assert server.requests[0].startswith(b"GET /x HTTP/1.1\r\nHost: muffins.example\r\n")


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_each_address_of_a_name_is_tried(look, manager, names, web, family):
    server = web(family=family)
    names.set_hosts("127.0.0.2 web.test", "127.0.0.1 web.test", "::1 web.test", "127.0.0.3 web.test")
    run = look(server, *SOON)
    manager.wait_ready()
    assert outcomes(run.stderr()) == [("pass", "ok", "HTTP 200")]


def test_nobody_at_any_address(look, manager, names, web):
    server = web()
    server.stop()
    names.set_hosts("127.0.0.2 web.test", "127.0.0.1 web.test")
    look(server, *SOON).wait_stderr("fail (connect-refused): connection refused")
    assert manager.ready_at is None


def test_an_address_that_cannot_be_here_says_nothing_of_the_others(look, names, web):
    server = web()
    server.stop()
    names.without_ipv6()
    names.set_hosts("2001:db8::1 web.test", "127.0.0.1 web.test", "::1 web.test")
    run = look(server, *SOON)
    wait_until(lambda: outcomes(run.stderr()), "outcome")
    assert outcomes(run.stderr())[0] == ("fail", "connect-refused", "connection refused")


@pytest.mark.parametrize("url", [
    "--http=http://localhost:{}/", "--http=https://localhost:{}/", "--http=https://both.test:{}/", "--grpc=both.test:{}"])
def test_want_of_ports_is_no_refusal(sdwd, names, url):
    """Nobody listens at 127.0.0.1; but ::1 is there, where somebody does, and we cannot ask. Whichever is tried last."""
    port, taken = names.without_ports()
    names.set_hosts("127.0.0.1 localhost", "127.0.0.1 both.test", "::1 both.test")
    run = sdwd(url.format(port), *SOON, *SEEN, preexec=names.preexec)
    wait_until(lambda: outcomes(run.stderr(), "(?:http|grpc)"), "outcome")
    assert outcomes(run.stderr(), "(?:http|grpc)")[0] == ("unknown", "self", "sdwd cannot look: connect: Cannot assign requested address")
    for one in taken:
        one.close()


def test_a_name_that_was_never_resolved(look, manager, names, web):
    """We could not look: that is neither good nor a failure."""
    server = web()
    run = look(server, *SOON, "--fall=1", "--ready=exec", watchdog=30)
    manager.wait_ready()
    run.wait_stderr(f"unknown (dns): {UNKNOWN}")
    names.set_hosts("127.0.0.1 web.test")
    run.wait_stderr("pass (ok)")
    assert not edges(run.stderr())


def test_a_name_server_that_says_nothing(look, manager, names, web):
    server = web()
    with names.silent_server() as dns:
        run = look(server, "--interval=1h", "--timeout=1s", "--start-interval=1h")
        run.wait_stderr(f"unknown (dns): {UNKNOWN}no answer in time")
        dns.settimeout(20)
        assert b"\3web\4test\0" in dns.recv(512)
    manager.wait_for(f"STATUS=starting: http: {UNKNOWN}no answer in time")
    assert manager.ready_at is None


def test_an_outage_keeps_the_last_good_addresses(look, manager, names, web):
    server = web()
    names.set_hosts("127.0.0.1 web.test")
    run = look(server, *SOON, "--fall=1", watchdog=30)
    manager.wait_ready()
    # First without any server, then with one that is dead: a look then waits for it for a quarter of its time.
    names.set_hosts("127.0.0.1 localhost")
    server.wait_looks(5)
    with names.silent_server() as dns:
        dns.settimeout(20)
        dns.recv(512)
        begin, n_begin = time.monotonic(), len(server.requests)
        server.wait_looks(3)
        while time.monotonic() < begin + OUTAGE:
            server.wait_looks(3)
        print(f"{len(server.requests) - n_begin} looks in an outage of {time.monotonic() - begin:.0f} s")
    assert outcomes(run.stderr()) == [("pass", "ok", "HTTP 200")] and not edges(run.stderr())


def test_the_last_good_addresses_outlive_the_prober(look, manager, names, web):
    server = web()
    names.set_hosts("127.0.0.1 web.test")
    run = look(server, *SOON, "--fall=1", watchdog=30)
    manager.wait_ready()
    names.set_hosts("127.0.0.1 localhost")
    prober = run.child(command="sdwd-prober")
    os.kill(prober, signal.SIGKILL)
    wait_until(lambda: run.child(command="sdwd-prober") != prober, "another prober")
    server.wait_looks(3)
    assert not edges(run.stderr()) and not any(cause == "dns" for _, cause, _ in outcomes(run.stderr()))


def test_a_new_address_is_found(look, manager, names, web):
    old = web()
    names.set_hosts("127.0.0.1 web.test")
    run = look(old, *SOON, "--fall=1000")
    manager.wait_ready()
    old.stop()
    run.wait_stderr("fail (connect-refused)")
    new = web(family="v6", port=old.port)
    names.set_hosts("::1 web.test")
    wait_until(lambda: new.requests, "request at the new address")


@pytest.fixture
def child(names):
    """The puppet of puppet.py, in that network."""
    puppet = names.run(Puppet)
    yield puppet
    puppet.close()


@pytest.mark.parametrize("slow, good", [("--http=http://web{}.test/", "--http=http://127.0.0.1:{}/"),
                                        ("--tcp=web{}.test:1", "--tcp=127.0.0.1:{}")], ids=["http", "tcp"])
def test_a_slow_name_server_delays_no_ping_and_no_signal(sdwd, manager, child, names, web, slow, good):
    """Many looks that hang in the resolver, and sdwd itself does not notice."""
    server = web()
    with names.silent_server() as dns:
        slow = [option for n in range(8)
                for option in (slow.format(n), "--optional", "--interval=200ms", "--timeout=200ms")]
        run = sdwd(*slow, good.format(server.port), "--name=own", "--interval=50ms", *SEEN, command=child.command,
                   preexec=names.preexec, watchdog=1)
        take_signals(child)
        manager.wait_ready()
        dns.settimeout(20)
        dns.recv(512)
        began = time.monotonic()
        assert_prompt(run, manager, child)
        child.tell("os._exit(0)")
        assert run.wait() == 0
        # The stop waited for none of these threads.
        assert time.monotonic() - began < 10
