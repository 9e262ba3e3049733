# SPDX-License-Identifier: MIT
"""--http and its options: which answers are good, what is asked, where it is asked."""

import os
import re
import subprocess
import time

import pytest

from puppet import wait_until
from scripted import edges, outcomes, serve  # pylint: disable=unused-import

SOON = ["--interval=50ms", "--timeout=5s"]
SEEN = ["--log-level=debug", "--log-target=stderr"]


def lines(request):
    return request.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")


def first_request(server):
    return wait_until(lambda: server.requests[:1], "request")[0]


def refusal(run):
    """The one line of a sdwd that does not start."""
    assert run.wait() == 125
    [line] = run.stderr().splitlines()
    return line


# READY=1 and STATUS= ----------------------------------------------------------------------------------------------


@pytest.mark.option("http")
def test_ready_is_the_first_good_look(sdwd, manager, serve):
    server = serve("status:503", "close", "status:500")
    sdwd(f"--http={server.url('/health')}", *SOON)
    ready = manager.wait_ready()
    assert ready.at >= server.start_of(3) and ready.fields["STATUS"] == "healthy"
    assert server.requests[3].startswith(b"GET /health HTTP/1.1\r\n")


@pytest.mark.option("http")
def test_what_is_missing_before_ready(sdwd, manager, serve):
    server = serve(then="close")
    sdwd(f"--http={server.url()}", *SOON)
    manager.wait_for("STATUS=starting: http: nothing heard yet")
    manager.wait_for("STATUS=starting: http: the connection was closed without a response")
    server.mode = "status:503"
    manager.wait_for("STATUS=starting: http: HTTP 503, not within 200-399")
    assert manager.ready_at is None
    server.stop()
    manager.wait_for("STATUS=starting: http: connection refused")
    assert manager.ready_at is None and not manager.pings()


def test_a_failure_shows_and_a_pass_clears_it(sdwd, manager, serve):
    server = serve("ok", then="status:500")
    run = sdwd(f"--http={server.url()}", *SOON, "--interval=400ms", "--fall=1000")
    manager.wait_ready()
    manager.wait_for(lambda d: re.fullmatch(r"degraded: http: HTTP 500, not within 200-399 \(\d+ of 1000\)",
                                            d.fields.get("STATUS", "")))
    server.mode = "ok"
    manager.wait_for("STATUS=healthy", after=time.monotonic())
    assert not edges(run.stderr())


def test_unhealthy_names_probe_and_cause(sdwd, manager, serve):
    server = serve("ok", then="status:503")
    run = sdwd(f"--http={server.url()}", "--name=web", *SOON, "--fall=2", "--log-target=stderr", watchdog=30)
    manager.wait_for("STATUS=unhealthy: web: HTTP 503, not within 200-399")
    line = next(line for line in run.wait_stderr("withholding").splitlines() if "unhealthy:" in line)
    assert re.fullmatch(r"(<3>)?sdwd: unhealthy: web: HTTP 503, not within 200-399 \(http-status\), 2 failures in a row, "
                        r"last good \d+m?s ago; healthy -> unhealthy; withholding WATCHDOG=1", line), line
    server.mode = "ok"
    run.wait_stderr("healthy again: web; unhealthy -> healthy")
    manager.wait_for("STATUS=healthy", after=time.monotonic() - 1)


def test_standalone_ends_the_unhealthy_child(sdwd, serve):
    server = serve("ok", "ok", then="status:503")
    run = sdwd(f"--http={server.url()}", *SOON, notify=False)
    child = run.child()
    assert run.wait() == 124 and not os.path.exists(f"/proc/{child}")
    assert "(http-status), 3 failures in a row" in run.stderr()
    assert "the service will be ended" in run.stderr()


# --http-status ----------------------------------------------------------------------------------------------------


@pytest.mark.option("http-status")
@pytest.mark.parametrize("options, good, bad", [
    ([], "399", "400"),
    ([], "200", "101"),
    (["--http-status=200,404"], "404", "201"),
    (["--http-status=404"], "404", "200"),
    (["--http-status=101,500-502"], "502", "503"),
])
def test_good_and_bad_statuses(sdwd, manager, serve, options, good, bad):
    server = serve(f"status:{bad}", then=f"status:{good}")
    run = sdwd(f"--http={server.url()}", *options, *SOON, *SEEN)
    assert manager.wait_ready().at >= server.start_of(1)
    listed = options[0].partition("=")[2] if options else "200-399"
    assert outcomes(run.stderr()) == [("fail", "http-status", f"HTTP {bad}, not within {listed}"),
                                      ("pass", "ok", f"HTTP {good}")]


# --http-method, --http-header -------------------------------------------------------------------------------------


@pytest.mark.option("http-method")
@pytest.mark.parametrize("method, more", [("HEAD", []), ("POST", ["Content-Length: 0"]), ("purge", [])])
def test_the_method_is_sent_as_it_stands(sdwd, manager, serve, method, more):
    server = serve()
    sdwd(f"--http={server.url('/x?y')}", f"--http-method={method}", *SOON)
    manager.wait_ready()
    request = lines(first_request(server))
    assert request[0] == f"{method} /x?y HTTP/1.1"
    assert [line for line in request if line.startswith("Content-")] == more


def test_exactly_these_headers_by_default(sdwd, sdwd_path, manager, serve):
    server = serve()
    sdwd(f"--http={server.url()}", *SOON)
    manager.wait_ready()
    version = subprocess.run([sdwd_path, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert first_request(server).decode() == (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUser-Agent: sdwd/{version}\r\nAccept: */*\r\n"
        "Connection: close\r\n\r\n")


@pytest.mark.option("http-header")
def test_headers_replaced_left_out_and_added(sdwd, manager, serve):
    server = serve()
    sdwd(f"--http={server.url()}", "--http-header=user-agent: me", "--http-header=Accept:",
         "--http-header=Host: muffins.example", "--http-header=X-A: b", "--http-header=X-A:c", *SOON)
    manager.wait_ready()
    assert sorted(lines(first_request(server))[1:]) == [
        "Connection: close", "Host: muffins.example", "X-A: b", "X-A: c", "user-agent: me"]


@pytest.mark.option("http-header")
def test_headers_from_a_file_read_at_start(sdwd, manager, serve, tmp_path):
    server = serve()
    (tmp_path / "secret").write_bytes(b"Authorization: Bearer 1\r\nX-Two: 2\n\n")
    run = sdwd(f"--http={server.url()}", "--http-header=@secret", "--http-header=X-Three: 3", *SOON, cwd=tmp_path)
    manager.wait_ready()
    (tmp_path / "secret").unlink()
    server.wait_looks(2)
    expected = ["Authorization: Bearer 1", "X-Two: 2", "X-Three: 3"]
    assert all([line for line in lines(request) if line in expected] == expected for request in server.requests)
    with open(f"/proc/{run.pid}/cmdline", "rb") as cmdline:
        assert b"Bearer" not in cmdline.read()


def test_a_header_file_that_is_missing(sdwd, tmp_path):
    line = refusal(sdwd("--http=http://127.0.0.1/", f"--http-header=@{tmp_path}/none"))
    assert line.startswith(f"sdwd: --http-header: '{tmp_path}/none': No such file")


# --http-body ------------------------------------------------------------------------------------------------------


@pytest.mark.option("http-body")
def test_the_body_must_match(sdwd, manager, serve):
    # A good status alone is not enough: hostile's body is "ok body".
    server = serve("no-body-204", "redirect-loop", then="ok")
    run = sdwd(f"--http={server.url()}", "--http-body=^ok (body|corpse)$", *SOON, *SEEN)
    assert manager.wait_ready().at >= server.start_of(2)
    assert ("fail", "body-mismatch", "HTTP 204, but the body does not match") in outcomes(run.stderr())
    assert outcomes(run.stderr())[-1] == ("pass", "ok", "HTTP 200, the body matches")


@pytest.mark.option("http-body")
def test_a_mismatch_is_the_cause(sdwd, manager, serve):
    server = serve()
    run = sdwd(f"--http={server.url()}", "--http-body=UP", *SOON, *SEEN)
    manager.wait_for("STATUS=starting: http: HTTP 200, but the body does not match")
    server.wait_looks(3)
    assert {cause for _, cause, _ in outcomes(run.stderr())} == {"body-mismatch"} and manager.ready_at is None


@pytest.mark.parametrize("mode, cause, text", [
    ("endless-body", "body-mismatch", "HTTP 200, but the body is longer than 10 KiB: a cut body never matches"),
    ("short-body", "http-protocol", "the body is shorter than its Content-Length"),
    ("reset-in-body", "read-failed", "the connection broke: Connection reset by peer"),
])
def test_a_cut_body_never_matches(sdwd, manager, serve, mode, cause, text):
    server = serve(then=mode)
    run = sdwd(f"--http={server.url()}", "--http-body=x|s|h", *SOON, *SEEN)
    server.start_of(2)
    assert outcomes(run.wait_stderr(text)) == [("fail", cause, text)]
    assert manager.ready_at is None
    assert refusal(sdwd("--http=http://127.0.0.1/", "--http-body=(")).startswith("sdwd: --http-body: '(' ")


# Where it connects to ---------------------------------------------------------------------------------------------


@pytest.mark.option("http-unix")
@pytest.mark.parametrize("kind", ["absolute", "relative", "abstract"])
def test_a_unix_socket(sdwd, manager, serve, tmp_path, kind):
    path = f"@sdwd-test-web-{os.getpid()}" if kind == "abstract" else tmp_path / "web"
    server = serve(family="unix", path=path)
    run = sdwd("--http=http://muffins.example:8080/x", f"--http-unix={'web' if kind == 'relative' else path}", *SOON,
               cwd=tmp_path)
    ready = manager.wait_ready()
    # A relative path holds although sdwd itself has left the folder it was started in.
    assert os.readlink(f"/proc/{run.pid}/cwd") == "/"
    server.wait_looks(3)
    assert lines(first_request(server))[:2] == ["GET /x HTTP/1.1", "Host: muffins.example:8080"]
    assert ready.at >= server.start_of(0)


def test_a_unix_socket_that_is_missing_or_dead(sdwd, manager, serve, tmp_path):
    run = sdwd("--http=http://localhost/", f"--http-unix={tmp_path}/web", *SOON, *SEEN)
    run.wait_stderr("fail (connect-failed): cannot connect: No such file or directory")
    server = serve(family="unix", path=tmp_path / "web", then="status:500")
    run.wait_stderr("fail (http-status)")
    server.stop()
    run.wait_stderr("fail (connect-refused): connection refused")
    (tmp_path / "web").unlink()
    serve(family="unix", path=tmp_path / "web")
    manager.wait_ready()


@pytest.mark.option("http-connect")
@pytest.mark.parametrize("url, connect", [
    ("http://muffins.example:81/x", "127.0.0.1:{port}"),
    ("http://muffins.example:{port}/x", "127.0.0.1"),
    ("http://muffins.example:{port}/x", "localhost"),
])
def test_connect_elsewhere(sdwd, manager, serve, url, connect):
    server = serve()
    url, connect = url.format(port=server.port), connect.format(port=server.port)
    sdwd(f"--http={url}", f"--http-connect={connect}", *SOON)
    manager.wait_ready()
    assert lines(first_request(server))[:2] == ["GET /x HTTP/1.1", f"Host: {url.split('/')[2]}"]


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_localhost_is_either_family(sdwd, manager, serve, family):
    server = serve(family=family)
    run = sdwd(f"--http={server.url(host='localhost')}", *SOON, *SEEN)
    manager.wait_ready()
    server.wait_looks(3)
    assert outcomes(run.stderr()) == [("pass", "ok", "HTTP 200")]
    assert lines(first_request(server))[1] == f"Host: localhost:{server.port}"


def test_an_ipv6_address(sdwd, manager, serve):
    server = serve(family="v6")
    sdwd(f"--http={server.url()}", *SOON)
    manager.wait_ready()
    assert lines(first_request(server))[1] == f"Host: [::1]:{server.port}"


def test_a_proxy_is_never_contacted(sdwd, manager, serve):
    server, proxy = serve(), serve()
    names = ["http_proxy", "https_proxy", "all_proxy"]
    sdwd(f"--http={server.url()}", *SOON, env={n: proxy.url() for name in names for n in (name, name.upper())})
    manager.wait_ready()
    server.wait_looks(3)
    assert proxy.connections == 0 and lines(server.requests[0])[0] == "GET / HTTP/1.1"


# Redirects --------------------------------------------------------------------------------------------------------


def test_redirects_are_good_and_not_followed(sdwd, manager, serve):
    server = serve(then="redirect:/new")
    run = sdwd(f"--http={server.url('/old')}", *SOON, *SEEN)
    manager.wait_ready()
    server.wait_looks(3)
    assert {lines(request)[0] for request in server.requests} == {"GET /old HTTP/1.1"}
    assert outcomes(run.stderr()) == [("pass", "ok", "HTTP 302")]


@pytest.mark.option("http-follow")
def test_redirects_are_followed_where_asked(sdwd, manager, serve):
    server = serve(then="redirect:/new")
    run = sdwd(f"--http={server.url('/old')}", "--http-follow=same-host", "--http-status=200", "--http-body=ok body",
               *SOON, *SEEN)
    manager.wait_ready()
    assert [lines(request)[0] for request in server.requests[:2]] == ["GET /old HTTP/1.1", "GET /new HTTP/1.1"]
    assert outcomes(run.stderr()) == [("pass", "ok", "HTTP 200, the body matches")]


@pytest.mark.option("http-follow")
def test_a_redirect_to_another_host_is_not_followed(sdwd, manager, serve):
    other = serve()
    server = serve(then=f"redirect:{other.url('/new')}")
    run = sdwd(f"--http={server.url('/old')}", "--http-follow=same-host", *SOON, *SEEN)
    manager.wait_ready()
    server.wait_looks(2)
    # A sign of life all the same: degraded, not failed.
    assert outcomes(run.stderr()) == [("warn", "degraded", f"HTTP 302 leads to another host: {other.url('/new')}")]
    assert other.connections == 0
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("degraded: http: HTTP 302 leads to"))


@pytest.mark.option("http-follow")
def test_a_redirect_loop_is_a_failure(sdwd, manager, serve):
    server = serve(then="redirect-loop")
    run = sdwd(f"--http={server.url()}", "--http-follow=same-host", "--interval=1h", "--start-interval=1h",
               "--timeout=20s", *SEEN)
    run.wait_stderr("fail (http-status): HTTP 302 after 10 redirects")
    assert server.connections == 11 and manager.ready_at is None


# What a build without the prober refuses, and other URLs that are none ---------------------------------------------


@pytest.mark.parametrize("url, text", [
    ("https://127.0.0.1/", "https needs the sdwd-prober program"),
    ("http://www.example.org/", "the host name 'www.example.org' needs the sdwd-prober program"),
    ("127.0.0.1:80", "'127.0.0.1:80' does not begin with http://"),
    ("ftp://127.0.0.1/", "'ftp://127.0.0.1/' does not begin with http://"),
    ("http://127.0.0.1:70000/", "has no port within 1-65535"),
    ("http://me:password@127.0.0.1/", "--http-header=@FILE"),
])
def test_urls_refused_at_start(sdwd, manager, url, text):
    run = sdwd(f"--http={url}", command=["sh", "-c", "echo started"])
    line = refusal(run)
    assert line.startswith("sdwd: --http: ") and text in line and "password@" not in line
    assert run.stdout() == "" and not manager.all


def test_the_scheme_in_capitals(sdwd, manager, serve):
    server = serve()
    sdwd(f"--http=HTTP://127.0.0.1:{server.port}", *SOON)
    manager.wait_ready()
    assert lines(first_request(server))[0] == "GET / HTTP/1.1"
