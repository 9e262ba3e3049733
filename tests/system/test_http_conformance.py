# SPDX-License-Identifier: MIT
"""
HTTP checks as other systems test theirs (A1 to A17 and A21 to A23: Kubernetes; A24 to A28: Consul; A29: Nomad; A30 to
A34: blackbox_exporter; A35 to A39: HAProxy; A40 to A42: Envoy; the others come from reports of what went wrong
in the field). Each case runs for each client of sdwd in CLIENTS.
"""

import functools
import os
import subprocess
import time

import pytest

import conformance
from puppet import memory_of, open_fds, wait_until
from names import names  # pylint: disable=unused-import
from scripted import edges, median, outcomes, refuses_more, serve  # pylint: disable=unused-import

IDS = [f"A{number}" for number in range(1, 47)]
LEFT_OUT = {
    "A26": "sdwd keeps no body, so there is no size of it to set: what a match sees ends at the cap of A18.",
    "A41": "No option makes one status worse than another; --fall=1 does so for all failures.",
}

SEEN = ["--log-level=debug", "--log-target=stderr"]
FOLLOW = ["--http-follow=same-host"]
GOOD = ("pass", "ok", "HTTP 200")
# How often A46 looks.
LOOKS = int(os.environ.get("SDWD_TEST_LOOKS", "2000"))


class Client:
    """What chooses a client: the host in its URLs, and options that go with it."""

    def __init__(self, host="127.0.0.1", options=(), has_these_texts=True):
        self.host, self.options = host, list(options)
        # Verdict and cause are the same for every client; the words may be its own.
        self.has_these_texts = has_these_texts

    def probe(self, port, path="/", scheme="http"):
        """The options for one probe of that port of 127.0.0.1."""
        return [f"--http={scheme}://{self.host}:{port}{path}", *(o.format(port=port) for o in self.options)]

    def probe_address(self, address, port=80):
        """The same where the numeric @address is what matters."""
        return [f"--http=http://{address}:{port}/"]


CLIENTS = {
    "in-process": Client(),
    # A host name is looked up, and its URL asked for, by sdwd-prober.
    "prober": Client("sdwd.test"),
}


@pytest.fixture(params=CLIENTS)
def client(request):
    return CLIENTS[request.param]


@pytest.fixture
def sdwd(sdwd, client, names):
    """As everywhere, and the client's host is this one."""
    names.set_hosts("127.0.0.1 localhost sdwd.test")
    return sdwd if client.host == "127.0.0.1" else functools.partial(sdwd, preexec=names.preexec_here)


@pytest.fixture
def look(sdwd, client, serve):
    """
    look(EXPECTED, MODE...) runs sdwd against a server that answers with these modes, and well after them. The first
    look has the outcome EXPECTED, a triple of verdict, cause and text. Returns the server.
    """
    def once(expected, *script, path="/", options=(), timeout="10s", interval="1h"):
        server = serve(*script)
        run = sdwd(*client.probe(server.port, path), f"--timeout={timeout}", f"--interval={interval}",
                   f"--start-interval={interval}", *options, *SEEN)
        found = wait_until(lambda: outcomes(run.stderr()), "outcome")[0]
        assert found[:2] == expected[:2], found
        if client.has_these_texts:
            assert found == expected
        server.run = run
        return server

    return once


@pytest.fixture
def asked(look):
    """asked(OPTION...) is the request of a good look, as lines."""
    return lambda *options, path="/": lines(look(GOOD, path=path, options=options).requests[0])


def lines(request):
    return request.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")


def targets(server):
    return [request.split()[1].decode() for request in server.requests]


def fails(cause, text):
    return ("fail", cause, text)


def raw(status, *headers, body="", held=False):
    """A mode: a response of exactly these lines. @held: the connection stays open."""
    return ("raw-held:" if held else "raw:") + "\r\n".join([f"HTTP/1.1 {status}", *headers, "", body])


def whole(status, body, *headers):
    return raw(status, f"Content-Length: {len(body)}", *headers, body=body)


def redirect(status, to, body="moved"):
    return whole(f"{status} Elsewhere", body, f"Location: {to}")


def test_every_case_is_here():
    conformance.check(IDS, LEFT_OUT)


# What is asked ----------------------------------------------------------------------------------------------------


def test_A2_exactly_these_headers_by_default(look, client, sdwd_path):
    server = look(GOOD)
    version = subprocess.run([sdwd_path, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert server.requests == [
        (f"GET / HTTP/1.1\r\nHost: {client.host}:{server.port}\r\nUser-Agent: sdwd/{version}\r\nAccept: */*\r\n"
         "Connection: close\r\n\r\n").encode()]


def headers(request, name):
    """The values of that header in a request's lines."""
    return [line.partition(": ")[2] for line in request[1:] if line.partition(":")[0].lower() == name]


@pytest.mark.option("http-header")
def test_A3_user_agent_replaced(asked):
    assert headers(asked("--http-header=User-Agent: foo/1.0"), "user-agent") == ["foo/1.0"]


@pytest.mark.option("http-header")
@pytest.mark.parametrize("header", ["User-Agent:", "user-agent: "])
def test_A4_user_agent_left_out(asked, header):
    assert not headers(asked(f"--http-header={header}"), "user-agent")


@pytest.mark.option("http-header")
@pytest.mark.parametrize("header, sent", [("Accept:", []), ("Accept: text/html", ["text/html"])])
def test_A5_accept(asked, header, sent):
    assert headers(asked(f"--http-header={header}"), "accept") == sent


@pytest.mark.option("http-header")
def test_A6_headers_of_ones_own_and_repeated_ones(asked):
    request = asked("--http-header=X-Muffins: 1", "--http-header=A: b", "--http-header=A:c")
    assert headers(request, "x-muffins") == ["1"] and headers(request, "a") == ["b", "c"]


@pytest.mark.option("http-header")
def test_A7_host_replaced(asked):
    assert headers(asked("--http-header=Host: muffins.cupcakes.example"), "host") == ["muffins.cupcakes.example"]


@pytest.mark.option("http-header")
@pytest.mark.parametrize("given, sent", [("", []), (" foo", ["foo"]), (" gzip", ["gzip"])])
def test_A8_accept_encoding_only_where_it_is_given(asked, look, given, sent):
    assert headers(asked(f"--http-header=Accept-Encoding:{given}"), "accept-encoding") == sent
    # And what it brings is not decoded.
    look(("pass", "ok", "HTTP 200, the body matches"), whole("200 OK", "plain", "Content-Encoding: gzip"),
         options=[f"--http-header=Accept-Encoding:{given}", "--http-body=^plain$"])


def test_A21_a_proxy_is_never_contacted(sdwd, client, manager, serve):
    server, proxy = serve(), serve()
    names = ["http_proxy", "https_proxy", "all_proxy"]
    sdwd(*client.probe(server.port), "--interval=50ms", "--timeout=5s",
         env={name: proxy.url() for lower in names for name in (lower, lower.upper())})
    manager.wait_ready()
    server.wait_looks(3)
    assert proxy.connections == 0 and lines(server.requests[0])[0] == "GET / HTTP/1.1"


@pytest.mark.parametrize("path, target", [("", "/"), ("/path", "/path"), ("?foo", "/?foo"), ("/path?bar", "/path?bar")])
def test_A22_targets(asked, path, target):
    assert asked(path=path)[0] == f"GET {target} HTTP/1.1"


@pytest.mark.option("http-header")
def test_A23_names_of_headers_in_any_case(asked):
    request = asked("--http-header=HOST: x", "--http-header=FOO-bAR: y")
    assert "HOST: x" in request and headers(request, "host") == ["x"] and "FOO-bAR: y" in request


@pytest.mark.option("http-method")
@pytest.mark.parametrize("method, more", [("GET", []), ("Get", []), ("POST", ["Content-Length: 0"]), ("abc", [])])
def test_A25_the_method_is_sent_as_it_stands(asked, method, more):
    # There is no option for a body of the request.
    request = asked(f"--http-method={method}", path="/x?y")
    assert request[0] == f"{method} /x?y HTTP/1.1"
    assert [line for line in request if line.startswith("Content-")] == more


@pytest.mark.option("http-method")
def test_A25_the_response_to_head_has_no_body(look):
    server = look(GOOD, raw("200 OK", "Content-Length: 100000", held=True), options=["--http-method=HEAD"])
    assert lines(server.requests[0])[0] == "HEAD / HTTP/1.1"


@pytest.mark.option("http-header")
def test_A29_a_host_is_sent_as_it_is_written(asked):
    assert headers(asked("--http-header=Host: Muffins.EXAMPLE:080"), "host") == ["Muffins.EXAMPLE:080"]


def test_A34_the_scheme_in_any_case(sdwd, client, manager, serve):
    server = serve()
    sdwd(*client.probe(server.port, "", "hTTp"))
    manager.wait_ready()
    assert lines(server.requests[0])[0] == "GET / HTTP/1.1"


# Statuses ---------------------------------------------------------------------------------------------------------


@pytest.mark.option("http")
@pytest.mark.option("http-body")
def test_A1_a_good_response(look):
    look(GOOD)
    look(("pass", "ok", "HTTP 200, the body matches"), options=["--http-body=^ok body$"])


@pytest.mark.parametrize("mode, cause, text", [
    (raw("-1 "), "http-protocol", "a malformed status line"),
    (raw("20"), "http-protocol", "a malformed status line"),
    ("close", "read-failed", "the connection was closed without a response"),
    ("half-closed", "read-failed", "the connection was closed without a response"),
    ("reset", "read-failed", "the connection broke: Connection reset by peer"),
    ("reset-in-body", "read-failed", "the connection broke: Connection reset by peer"),
], ids=["minus-1", "20", "close", "half-closed", "reset", "reset-in-body"])
def test_A9_no_status_or_an_aborted_connection(look, mode, cause, text):
    look(fails(cause, text), mode)


def test_A10_the_code_is_told_and_not_the_body(look):
    server = look(fails("http-status", "HTTP 500, not within 200-399"), whole("500 Oops", "secret"))
    assert "secret" not in server.run.stderr()


@pytest.mark.parametrize("status", [200, 201, 250, 299, 300, 399, 400, 429, 500])
def test_A24_good_statuses_by_default(look, status):
    # 429 is a failure as Consul's is without its warning: no option of sdwd takes a status for a warning.
    look(("pass", "ok", f"HTTP {status}") if status < 400 else
         fails("http-status", f"HTTP {status}, not within 200-399"), f"status:{status}")


@pytest.mark.option("http-status")
@pytest.mark.parametrize("listed, good, bad", [
    ("200,404", 404, 201), ("404", 404, 200), ("100-199,500-502", 502, 503)])
def test_A30_good_statuses_that_are_listed(look, listed, good, bad):
    look(("pass", "ok", f"HTTP {good}"), f"status:{good}", options=[f"--http-status={listed}"])
    look(fails("http-status", f"HTTP {bad}, not within {listed}"), f"status:{bad}", options=[f"--http-status={listed}"])


def test_A36_status_202(look):
    # Of the headers only those that frame the body are looked at: no option matches one.
    look(("pass", "ok", "HTTP 202"), whole("202 Accepted", ""))


@pytest.mark.option("http-status")
def test_A37_switching_protocols_is_bad_unless_it_is_listed(look):
    mode = raw("101 Switching Protocols", "Upgrade: x", "Connection: Upgrade", body="\x81", held=True)
    look(fails("http-status", "HTTP 101, not within 200-399"), mode).end_of(0)
    # The server holds the connection until we close it.
    look(("pass", "ok", "HTTP 101"), mode, options=["--http-status=101"]).end_of(0)


# Redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_A12_a_redirect_is_good_and_not_followed(look, status):
    server = look(("pass", "ok", f"HTTP {status}"), *[redirect(status, "/new")] * 2, interval="100ms")
    server.start_of(1)
    assert set(targets(server)) == {"/"}


@pytest.mark.option("http-follow")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_A12_a_redirect_is_followed_where_asked(look, status):
    server = look(("pass", "ok", "HTTP 200, the body matches"), redirect(status, "/new"), path="/old",
                  options=[*FOLLOW, "--http-status=200", "--http-body=ok body"])
    assert targets(server) == ["/old", "/new"]


@pytest.mark.option("http-follow")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_A13_followed_to_a_failure(look, status):
    server = look(fails("http-status", "HTTP 500, not within 200-399"), redirect(status, "/new"), "status:500",
                  options=FOLLOW)
    assert targets(server) == ["/", "/new"]


@pytest.mark.option("http-follow")
@pytest.mark.parametrize("script, text, asked_for", [
    ([whole("308 Elsewhere", "moved")], "HTTP 308 without a usable Location", ["/"]),
    ([redirect(302, "/new"), redirect(308, "http://other.example/x")],
     "HTTP 308 leads to another host: http://other.example/x", ["/", "/new"]),
], ids=["no-location", "other-host"])
def test_A14_a_redirect_at_the_end_is_degraded(look, manager, script, text, asked_for):
    server = look(("warn", "degraded", text), *script, options=FOLLOW)
    # Good evidence all the same.
    manager.wait_ready()
    assert targets(server) == asked_for


@pytest.mark.option("http-follow")
def test_A15_another_host_is_not_fetched(look, serve):
    other = serve()
    for to in ("http://0.0.0.0/new", other.url("/new"), "//muffins.example/new"):
        server = look(("warn", "degraded", f"HTTP 302 leads to another host: {to}"), redirect(302, to), options=FOLLOW)
        assert targets(server) == ["/"]
    assert other.connections == 0


@pytest.mark.option("http-follow")
def test_A16_a_redirect_loop_ends_after_ten(look):
    server = look(fails("http-status", "HTTP 302 after 10 redirects"), *["redirect-loop"] * 12, options=FOLLOW)
    assert targets(server) == ["/", *["/again"] * 10]


@pytest.mark.option("http-follow")
def test_A17_host_is_kept_after_a_redirect(look):
    server = look(GOOD, redirect(302, "http://muffins.example/new"),
                  options=[*FOLLOW, "--http-header=Host: muffins.example"])
    # The server takes this name for its own.
    assert targets(server) == ["/", "/new"]
    assert [headers(lines(request), "host") for request in server.requests] == [["muffins.example"]] * 2


def test_A27_the_body_of_a_redirect_can_match(look):
    look(("pass", "ok", "HTTP 301, the body matches"), redirect(301, "/new", body="here lies"),
         options=["--http-body=^here lies$"])


# Bodies -----------------------------------------------------------------------------------------------------------

CAP = 10 * 1024


@pytest.mark.parametrize("size", [CAP + 1, CAP])
def test_A18_a_body_as_large_as_the_cap_and_larger(look, size):
    body = "x" * (size - 1) + "y"
    look(GOOD, whole("200 OK", body))
    # Exactly 10 KiB are kept: with one byte more the last one is not seen, and what is cut cannot match.
    look(("pass", "ok", "HTTP 200, the body matches") if size == CAP else
         fails("body-mismatch", "HTTP 200, but the body is longer than 10 KiB: a cut body never matches"),
         whole("200 OK", body), options=["--http-body=y$"])


def test_A19_a_body_below_the_cap_is_seen_whole(look):
    look(("pass", "ok", "HTTP 200, the body matches"), whole("200 OK", "a" + "x" * (CAP - 3) + "z"),
         options=["--http-body=^ax+z$"])


def test_A20_a_body_that_hangs(look):
    look(GOOD, "large-body-then-hang")
    # With a match it is cut, and a cut one is none.
    look(fails("body-mismatch", "HTTP 200, but the body is longer than 10 KiB: a cut body never matches"),
         "large-body-then-hang", options=["--http-body=x"])
    look(fails("read-timeout", "HTTP 200, body incomplete within 2s"), "body-then-hang", timeout="2s")


@pytest.mark.parametrize("status, outcome", [
    (500, fails("http-status", "HTTP 500, not within 200-399")), (201, ("pass", "ok", "HTTP 201"))])
def test_A29_truncation_never_changes_the_verdict(look, status, outcome):
    look(outcome, whole(f"{status} x", "x" * 20000))


def test_A29_a_hang(look):
    look(fails("read-timeout", "no response within 2s"), "silent", timeout="2s")


@pytest.mark.option("http-body")
@pytest.mark.parametrize("mode, cause, text", [
    (whole("200 OK", "needle" + "x" * (CAP - 5)), "body-mismatch",
     "HTTP 200, but the body is longer than 10 KiB: a cut body never matches"),
    ("endless-body", "body-mismatch", "HTTP 200, but the body is longer than 10 KiB: a cut body never matches"),
    ("short-body", "http-protocol", "the body is shorter than its Content-Length"),
    ("reset-in-body", "read-failed", "the connection broke: Connection reset by peer"),
], ids=["cap-and-one", "endless", "short", "reset"])
def test_A31_a_cut_body_never_matches(look, manager, mode, cause, text):
    look(fails(cause, text), mode, options=["--http-body=needle|x|s|h"])
    assert manager.ready_at is None


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip", "no-such-coding"])
def test_A32_a_coding_nobody_asked_for_is_not_decoded(look, coding):
    look(GOOD, whole("200 OK", "\x1f\x8b\x08x", f"Content-Encoding: {coding}"))
    look(("pass", "ok", "HTTP 200, the body matches"), whole("200 OK", "plain", f"Content-Encoding: {coding}"),
         options=["--http-body=^plain$"])


@pytest.mark.option("http-body")
@pytest.mark.parametrize("regex, body, outcome", [
    ("^ok (body|corpse)$", "ok body", ("pass", "ok", "HTTP 200, the body matches")),
    ("UP", "ok body", fails("body-mismatch", "HTTP 200, but the body does not match")),
    (".", "", fails("body-mismatch", "HTTP 200, but the body does not match")),
])
def test_A33_the_body_must_match(look, manager, regex, body, outcome):
    # There is no match that must fail, and none of a header.
    look(outcome, whole("200 OK", body), options=[f"--http-body={regex}"])
    if outcome[0] == "pass":
        manager.wait_ready()
    else:
        assert manager.ready_at is None


def test_A39_a_match_is_asked_of_the_complete_body_only(look):
    nothing = whole("200 OK", "")
    look(fails("body-mismatch", "HTTP 200, but the body does not match"), nothing, options=["--http-body=.+"])
    look(("pass", "ok", "HTTP 200, the body matches"), nothing, options=["--http-body=^$"])
    look(fails("body-mismatch", "HTTP 204, but the body does not match"), "no-body-204", options=["--http-body=.+"])
    # It comes byte by byte: "ok" is not taken for all of "ok body".
    look(fails("body-mismatch", "HTTP 200, but the body does not match"), "drip-all", options=["--http-body=^ok$"])
    look(("pass", "ok", "HTTP 200, the body matches"), "drip-all", options=["--http-body=^ok body$"])


# Connections ------------------------------------------------------------------------------------------------------


def test_A35_a_server_of_http_1_0(look):
    look(GOOD, "http-1.0")


def test_A38_the_second_look_gets_no_answer(sdwd, client, serve):
    server = serve("ok", then="silent")
    run = sdwd(*client.probe(server.port), "--interval=50ms", "--timeout=300ms", *SEEN)
    run.wait_stderr("fail (read-timeout)")
    assert [outcome[:2] for outcome in outcomes(run.stderr())] == [("pass", "ok"), ("fail", "read-timeout")]


def test_A38_nobody_listens(sdwd, client, manager, serve):
    server = serve()
    run = sdwd(*client.probe(server.port), "--interval=50ms", "--timeout=10s", *SEEN)
    manager.wait_ready()
    server.stop()
    run.wait_stderr("fail (connect-refused): connection refused")
    run.wait_stderr("(connect-refused), 3 failures in a row")


def test_A38_an_unreachable_network(sdwd, client):
    # To a broadcast address our own kernel makes no connection.
    run = sdwd(*client.probe_address("255.255.255.255"), "--timeout=10s", *SEEN)
    run.wait_stderr("fail (connect-failed): cannot connect: Network is unreachable")


def test_A38_nobody_accepts(sdwd, client, refuses_more):
    run = sdwd(*client.probe(refuses_more), "--timeout=300ms", *SEEN)
    run.wait_stderr("fail (connect-timeout): no connection within 300ms")


@pytest.mark.parametrize("mode", ["ok", "keep-alive", "raw:HTTP/1.1 200 OK\r\n\r\n"],
                         ids=["close", "keep-alive", "without-a-word"])
def test_A40_each_look_has_a_connection_of_its_own(sdwd, client, manager, serve, mode):
    server = serve(then=mode)
    run = sdwd(*client.probe(server.port), "--interval=50ms", "--timeout=10s", *SEEN)
    manager.wait_ready()
    server.end_of(4)
    assert [outcome[:2] for outcome in outcomes(run.stderr())] == [("pass", "ok")]
    # One request in each.
    assert server.connections >= 5 and len(server.requests) <= server.connections


@pytest.mark.parametrize("mode", ["http-2", "raw:\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\1"],
                         ids=["holds", "goaway"])
def test_A42_a_server_of_http_2_is_a_failure_at_once(look, mode):
    # Its answer, good or bad, is never read: what it says first is no HTTP/1.
    look(fails("http-protocol", "not an HTTP/1 response"), mode, timeout="1h")


# The host is what this is about, not the client.
@pytest.mark.parametrize("family", ["v4", "v6"])
def test_A44_localhost_is_either_family(sdwd, manager, serve, family):
    server = serve(family=family)
    run = sdwd(f"--http={server.url(host='localhost')}", "--interval=50ms", "--timeout=5s", *SEEN)
    manager.wait_ready()
    server.wait_looks(3)
    assert outcomes(run.stderr()) == [GOOD]
    assert lines(server.requests[0])[1] == f"Host: localhost:{server.port}"


def time_waits(port):
    """How many connections to @port wait at our end for a late packet, each of them with a port of ours."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "06" for row in rows)


def test_A45_looks_use_up_no_ports(sdwd, client, manager, serve):
    # 600 a second for a minute would be more than there are ports. Here they are so many that a port each is seen.
    server = serve()
    run = sdwd("--interval=100ms", "--timeout=10s", *client.probe(server.port) * 32, *SEEN)
    manager.wait_ready()
    server.start_of(1000, 60)
    # A server that got no processor for 100 ms had no time to close first.
    assert time_waits(server.port) < 50
    assert not edges(run.stderr()) and "fail (" not in run.stderr()


# Hostile servers --------------------------------------------------------------------------------------------------

ODD_BUT_GOOD = [
    ("no-body-204", "HTTP 204"),
    ("redirect-loop", "HTTP 302"),
    ("no-reason", "HTTP 200"),
    ("lf-only", "HTTP 200"),
    ("chunked", "HTTP 200"),
    ("keep-alive", "HTTP 200"),
    ("100-then-ok", "HTTP 200"),
    ("drip-all", "HTTP 200"),
    # The cap of 10 KiB is reached: what comes behind it is not waited for.
    ("endless-body", "HTTP 200"),
    ("endless-chunks", "HTTP 200"),
]
BAD = [
    ("status-999", "http-status", "HTTP 999, not within 200-399"),
    ("reset", "read-failed", "the connection broke: Connection reset by peer"),
    ("close", "read-failed", "the connection was closed without a response"),
    ("short-body", "http-protocol", "the body is shorter than its Content-Length"),
    ("bad-chunks", "http-protocol", "a malformed chunk"),
    ("two-lengths", "http-protocol", "contradictory Content-Length headers"),
    ("negative-length", "http-protocol", "a malformed Content-Length"),
    ("nul-in-header", "http-protocol", "a NUL byte in the headers"),
    ("huge-headers", "http-protocol", "headers larger than 16 KiB"),
    ("endless-100", "http-protocol", "headers larger than 16 KiB"),
    ("http-0.9", "http-protocol", "not an HTTP/1 response"),
    ("banner", "http-protocol", "not an HTTP/1 response"),
]
# These keep the look waiting until its timeout.
HANGING = [
    ("silent", "read-timeout", "no response within 2s"),
    ("headers-then-hang", "read-timeout", "headers incomplete within 2s"),
    ("drip-headers", "read-timeout", "headers incomplete within 2s"),
    ("drip-body", "read-timeout", "HTTP 200, body incomplete within 2s"),
]


@pytest.mark.parametrize("mode, outcome, timeout", [
    *[(mode, ("pass", "ok", text), "10s") for mode, text in ODD_BUT_GOOD],
    *[(mode, fails(cause, text), "10s") for mode, cause, text in BAD],
    *[(mode, fails(cause, text), "2s") for mode, cause, text in HANGING],
], ids=[row[0] for row in ODD_BUT_GOOD + BAD + HANGING])
def test_A43_hostile_servers(look, mode, outcome, timeout):
    server = look(outcome, mode, timeout=timeout, interval="50ms")
    # And the looks that follow do not suffer from it.
    server.start_of(3)
    assert {found[:2] for found in outcomes(server.run.stderr())[1:]} <= {("pass", "ok")}


# Time -------------------------------------------------------------------------------------------------------------


@pytest.mark.option("timeout")
@pytest.mark.parametrize("mode", ["silent", "drip-headers", "drip-body", "body-then-hang"])
def test_A11_a_look_ends_at_its_timeout(sdwd, client, serve, mode):
    server = serve(then=mode)
    sdwd(*client.probe(server.port), "--interval=320ms", "--start-interval=320ms", "--timeout=300ms")
    took = [server.end_of(number) - server.start_of(number) for number in range(5)]
    # A server that is scheduled late sees less of a look, a dripping one notices its end at its next drips only.
    late = 0.25 if "drip" in mode else 0.05
    assert max(took) > 0.2 and median(took) < 0.3 + late, took


@pytest.mark.option("timeout")
def test_A11_one_deadline_for_the_whole_look(sdwd, client, serve):
    # Each byte comes soon after the last one, but all of them take 0.3 s at least.
    server = serve(then="drip-all")
    run = sdwd(*client.probe(server.port), "--interval=50ms", "--timeout=150ms", *SEEN)
    server.start_of(3)
    found = outcomes(run.wait_stderr("http: fail"))
    # A prober that is not scheduled in time is unknown.
    assert {cause for verdict, cause, _ in found if verdict != "unknown"} == {"read-timeout"}


def test_A28_a_negative_timeout_is_refused(sdwd, client, manager):
    run = sdwd(*client.probe(80), "--timeout=-1s")
    assert run.wait() == 125 and not manager.all
    assert run.stderr().startswith("sdwd: --timeout: '-1s' ")


def test_A28_the_default_timeout_is_most_of_the_interval(sdwd, client, serve):
    server = serve(then="silent")
    run = sdwd(*client.probe(server.port), "--interval=500ms", *SEEN)
    run.wait_stderr("fail (read-timeout): no response within 400ms")


@pytest.mark.option("timeout")
def test_A28_a_timeout_may_be_longer_than_the_interval_without_overlap(sdwd, client, serve):
    server = serve("ok", "ok", "silent", "ok", "ok", "ok", "ok")
    run = sdwd(*client.probe(server.port), "--interval=200ms", "--fast-interval=200ms", "--timeout=1100ms", *SEEN)
    gaps = server.gaps(2, 6)
    # One hangs over five times its interval: the next begins when it is over, and no other follows at once.
    # The prober says it up to 100 ms before the deadline.
    assert gaps[0] > 0.95, gaps
    assert min(gaps[1:]) > 0.1 and median(gaps[1:]) > 0.15, gaps
    assert "fail (read-timeout): no response within 1.1s" in run.stderr()


# For ever ---------------------------------------------------------------------------------------------------------


def test_A46_many_looks_leave_nothing_behind(sdwd, client, manager, serve):
    cycle = ["ok", "status:500", "keep-alive", "close", "chunked", "reset", "short-body", "redirect-loop", "half-closed",
             "large-body-then-hang", "nul-in-header", "endless-body", "huge-headers", "http-1.0"]
    server = serve(*cycle * (LOOKS // len(cycle) + 20))
    # The least interval there is, whatever comes; a failure is no more than that.
    run = sdwd("--interval=10ms", "--fast-interval=10ms", "--timeout=2s", "--fall=1000", "--require=any",
               *client.probe(server.port) * 3)
    manager.wait_ready()

    def count_fds(looks):
        """Between two looks: their own is not among them."""
        found = []
        while server.connections < looks:
            found.append(len(open_fds(run.pid)))
            time.sleep(0.001)
        return min(found)

    fds, before = count_fds(200), memory_of(run.pid)
    server.start_of(LOOKS, LOOKS / 10 + 60)
    fds_after, after = count_fds(LOOKS + 200), memory_of(run.pid)
    assert fds_after == fds
    # AddressSanitizer (its shadow is terabytes) keeps freed memory for a while.
    more = 256 if before[1] < 1 << 30 else 8192
    assert all(b - a < more for a, b in zip(before, after)), f"VmRSS and VmData in KiB: {before}, then {after}"
    assert not edges(run.stderr())
