# SPDX-License-Identifier: MIT
"""
--http and its options: what the manager hears of it, what is refused, where it is asked. What answers are good:
test_http_conformance.py.
"""

import os
import re
import time

import pytest

from puppet import wait_until
from scripted import edges, serve  # pylint: disable=unused-import

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
                        r"last good \d+m?s ago; healthy -> unhealthy; withholding WATCHDOG=1: systemd acts unless the service "
                        r"recovers", line), line
    server.mode = "ok"
    run.wait_stderr("healthy again: web; unhealthy -> healthy")
    manager.wait_for("STATUS=healthy", after=time.monotonic() - 1)


def test_standalone_ends_the_unhealthy_child(sdwd, serve):
    server = serve("ok", "ok", then="status:503")
    run = sdwd(f"--http={server.url()}", *SOON, notify=False)
    child = run.child()
    assert run.wait() == 124 and not os.path.exists(f"/proc/{child}")
    assert "(http-status), 3 failures in a row" in run.stderr()
    assert "sdwd will end the service" in run.stderr()


# --http-header, --http-body ---------------------------------------------------------------------------------------


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


@pytest.mark.option("http-header")
def test_headers_from_a_pipe(sdwd, manager, serve, tmp_path):
    server = serve()
    os.mkfifo(tmp_path / "pipe")
    sdwd(f"--http={server.url()}", "--http-header=@pipe", *SOON, cwd=tmp_path)
    with open(tmp_path / "pipe", "w", encoding="utf-8") as pipe:
        pipe.write("X-One: 1\nX-Two: 2\n")
    manager.wait_ready()
    assert [line for line in lines(server.requests[0]) if line.startswith("X-")] == ["X-One: 1", "X-Two: 2"]


@pytest.mark.parametrize("options", [["--http=http://127.0.0.1/", "--http-header=@{}"], ["--tcp=127.0.0.1:1", "--send=@{}"]])
def test_a_pipe_that_nobody_writes_to_does_not_hang_the_start(sdwd, manager, tmp_path, options):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    options = [option.format(pipe) for option in options]
    run = sdwd(*options, command=["touch", tmp_path / "started"])
    name = options[1].partition("=")[0]
    run.wait(60)
    assert refusal(run) == f"sdwd: {name}: '{pipe}': the pipe did not come to its end within 10s"
    assert not (tmp_path / "started").exists() and not manager.all


def test_a_regex_that_is_none(sdwd):
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


def test_an_ipv6_address(sdwd, manager, serve):
    server = serve(family="v6")
    sdwd(f"--http={server.url()}", *SOON)
    manager.wait_ready()
    assert lines(first_request(server))[1] == f"Host: [::1]:{server.port}"


# URLs that are none ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url, text", [
    ("http://127.1/", "the host '127.1' is neither an address nor a name"),
    ("127.0.0.1:80", "'127.0.0.1:80' does not begin with http://"),
    ("ftp://127.0.0.1/", "'ftp://127.0.0.1/' does not begin with http://"),
    ("http://127.0.0.1:70000/", "has no port within 1-65535"),
    ("http://me:password@127.0.0.1/", "--http-header=@FILE"),
])
def test_A34_urls_refused_at_start(sdwd, manager, url, text):
    run = sdwd(f"--http={url}", command=["sh", "-c", "echo started"])
    line = refusal(run)
    assert line.startswith("sdwd: --http: ") and text in line and "password@" not in line
    assert run.stdout() == "" and not manager.all
