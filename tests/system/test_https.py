# SPDX-License-Identifier: MIT
"""--http=https://...: what TLS adds, and that nothing else differs."""

import contextlib
import ctypes
import os
import re
import socket
import ssl
import struct
import threading

import pytest

from hostile import MODES
from names import names  # pylint: disable=unused-import
from puppet import wait_until
from scripted import outcomes, serve  # pylint: disable=unused-import
from tls import authority, certificate, serve_tls, system, NAME, Authority  # pylint: disable=unused-import

SOON = ["--interval=100ms", "--start-interval=100ms", "--timeout=5s"]
ONCE = ["--interval=1h", "--start-interval=1h", "--timeout=20s"]
SEEN = ["--log-level=debug", "--log-target=stderr"]


def lines(request):
    return request.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")


def one_look(sdwd, *options, **more):
    """(verdict, cause, text) of the first look."""
    run = sdwd(*options, *ONCE, *SEEN, **more)
    wait_until(lambda: outcomes(run.stderr()), "outcome")
    return outcomes(run.stderr())[0]


@pytest.mark.option("http-ca")
def test_a_good_certificate_of_a_private_authority(sdwd, manager, authority, serve_tls):
    server = serve_tls("status:503")
    run = sdwd(f"--http={server.url('/health')}", f"--http-ca={authority.pem}", *SOON, *SEEN)
    ready = manager.wait_ready()
    assert ready.at >= server.start_of(1) and ready.fields["STATUS"] == "healthy"
    assert outcomes(run.stderr()) == [("fail", "http-status", "HTTP 503, not within 200-399"), ("pass", "ok", "HTTP 200")]
    assert set(server.protocols) == {"http/1.1"}


def test_the_request_is_the_same(sdwd, sdwd_path, manager, authority, serve, serve_tls):
    plain, tls = serve(), serve_tls()
    options = ["--http-header=X-A: b", "--http-header=User-Agent:", "--http-method=POST"]
    sdwd(f"--http={plain.url('/x?y')}", *options, f"--http={tls.url('/x?y')}", *options, f"--http-ca={authority.pem}", *SOON)
    manager.wait_ready()
    assert tls.requests[0] == plain.requests[0].replace(b":%d" % plain.port, b":%d" % tls.port)


# The port 443 needs not be said in Host, and 80 is no default here.
@pytest.mark.parametrize("url, host", [("https://web.test/", "web.test"), ("https://web.test:443/", "web.test"),
                                       ("https://web.test:80/", "web.test:80")])
def test_the_default_port_is_443(sdwd, manager, authority, serve_tls, url, host):
    server = serve_tls()
    sdwd(f"--http={url}", f"--http-connect=127.0.0.1:{server.port}", f"--http-ca={authority.pem}", *SOON)
    manager.wait_ready()
    assert lines(server.requests[0])[1] == f"Host: {host}"
    assert server.names[0] == "web.test"


@pytest.mark.parametrize("host, sni", [("127.0.0.1", None), ("localhost", "localhost"), ("[::1]", None)])
def test_addresses_and_localhost(sdwd, manager, authority, serve_tls, host, sni):
    server = serve_tls(family="both")
    sdwd(f"--http={server.url(host=host)}", f"--http-ca={authority.pem}", *SOON)
    manager.wait_ready()
    assert server.names[0] == sni


@pytest.mark.option("http-unix")
@pytest.mark.parametrize("kind", ["relative", "abstract"])
def test_a_unix_socket(sdwd, manager, authority, serve_tls, tmp_path, kind):
    path = f"@sdwd-test-tls-{os.getpid()}" if kind == "abstract" else tmp_path / "web"
    server = serve_tls(family="unix", path=path)
    sdwd(f"--http=https://{NAME}/x", f"--http-unix={'web' if kind == 'relative' else path}",
         f"--http-ca={authority.pem}", *SOON, cwd=tmp_path)
    manager.wait_ready()
    server.wait_looks(3)
    assert lines(server.requests[0])[:2] == ["GET /x HTTP/1.1", f"Host: {NAME}"]


# Certificates -----------------------------------------------------------------------------------------------------


@pytest.mark.option("http-insecure")
def test_bad_certificates_and_insecure(sdwd, manager, authority, serve_tls, tmp_path):
    other = Authority(tmp_path, "other")
    cases = [
        (serve_tls(certificate=authority.issue("elsewhere", ["DNS:elsewhere.test"])), authority.pem, "'web.test'"),
        (serve_tls(certificate=authority.issue("old", expired=True)), authority.pem, "certificate has expired"),
        (serve_tls(), other.pem, "unable to get local issuer certificate"),
        (serve_tls(), None, "unable to get local issuer certificate"),
    ]
    for server, ca, words in cases:
        url, where = f"--http=https://web.test:{server.port}/", "--http-connect=127.0.0.1"
        trusts = [f"--http-ca={ca}"] if ca else []
        verdict, cause, text = one_look(sdwd, url, where, *trusts)
        assert (verdict, cause) == ("fail", "tls") and words in text
        assert server.requests == []
        assert one_look(sdwd, url, where, "--http-insecure") == ("pass", "ok", "HTTP 200")
    manager.wait_for(lambda d: "certificate has expired" in d.fields.get("STATUS", ""))


@pytest.mark.option("http-cert")
@pytest.mark.option("http-key")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate(sdwd, authority, serve_tls, tmp_path, version):
    server = serve_tls(client_ca=authority.pem, version=version)
    pem, key = authority.issue("client", ())
    (tmp_path / "both.pem").write_bytes(pem.read_bytes() + key.read_bytes())
    options = [f"--http={server.url()}", f"--http-ca={authority.pem}"]
    verdict, cause, text = one_look(sdwd, *options)
    # TLS 1.3 tells it only behind the handshake, and a server that then closes may take its own words back.
    is_told = version == ssl.TLSVersion.TLSv1_2 or cause == "tls"
    assert (verdict, cause) == ("fail", "tls" if is_told else "read-failed") and ("alert" in text) == is_told, text
    for more in ([f"--http-cert={pem}", f"--http-key={key}"], [f"--http-cert={tmp_path}/both.pem"]):
        assert one_look(sdwd, *options, *more) == ("pass", "ok", "HTTP 200")


def test_files_are_read_anew_at_each_look(sdwd, manager, authority, serve_tls, tmp_path):
    server, other = serve_tls(), Authority(tmp_path, "other")
    (tmp_path / "trusted.pem").write_bytes(other.pem.read_bytes())
    run = sdwd(f"--http={server.url()}", "--http-ca=trusted.pem", *SOON, *SEEN, cwd=tmp_path)
    run.wait_stderr("fail (tls)")
    (tmp_path / "new.pem").write_bytes(authority.pem.read_bytes())
    (tmp_path / "new.pem").rename(tmp_path / "trusted.pem")
    manager.wait_ready()
    # What is ours to give is no failure of the service.
    (tmp_path / "trusted.pem").unlink()
    run.wait_stderr("http: unknown (prober): --http-ca: ")
    assert f"--http-ca: '{tmp_path}/trusted.pem': No such file or directory" in run.stderr()


def test_a_key_that_does_not_fit_is_not_the_services_failure(sdwd, authority, certificate, serve_tls):
    server = serve_tls()
    pem, _ = authority.issue("client", ())
    verdict, cause, text = one_look(sdwd, f"--http={server.url()}", f"--http-ca={authority.pem}", f"--http-cert={pem}",
                                    f"--http-key={certificate[1]}")
    assert (verdict, cause) == ("unknown", "prober") and "key" in text


def test_with_an_authority_given_the_systems_do_not_count(sdwd, authority, serve_tls, names, tmp_path):
    """libcurl trusts its default folder beside the file that it is told of, unless that is taken away."""
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(authority.pem.read_bytes())
    (folder / "ca-certificates.crt").write_bytes(authority.pem.read_bytes())
    assert os.system(f"openssl rehash {folder}") == 0
    names.binds.append((folder, "/etc/ssl/certs"))
    other = Authority(tmp_path, "other")
    server = names.run(serve_tls)
    url = f"--http={server.url()}"
    assert one_look(sdwd, url, preexec=names.preexec) == ("pass", "ok", "HTTP 200")
    assert one_look(sdwd, url, f"--http-ca={other.pem}", preexec=names.preexec)[1] == "tls"


def asks_folder_first():
    """What libcurl is here: since 7.84 it tells where they are, and with OpenSSL it reads of a folder what it needs."""
    library = ctypes.CDLL("libcurl.so.4")
    library.curl_version.restype = ctypes.c_char_p
    version = re.match(r"libcurl/(\d+)\.(\d+)\S* OpenSSL/", library.curl_version().decode())
    return version is not None and tuple(map(int, version.groups())) >= (7, 84)


@pytest.mark.parametrize("where", ["folder", "file", "both"])
def test_an_authority_that_is_withdrawn_counts_from_the_next_look_on(sdwd, authority, serve_tls, names, system, tmp_path, where):
    """Whatever is done to read less at each look, nothing that was read is believed at the next one."""
    server, other = serve_tls(), Authority(tmp_path, "other")

    def trust(one):
        system.trust([one] if where != "file" else [], (one if where != "folder" else other).pem.read_bytes())
    trust(authority)
    run = sdwd(f"--http={server.url()}", *SOON[:2], "--timeout=20s", *SEEN, preexec=names.preexec_here)
    for n in (1, 2):
        wait_until(lambda n=n: len(outcomes(run.stderr())) == 2 * n - 1, "a good look")
        server.wait_looks(3)
        trust(other)
        # One look may have been under way.
        good = len(server.requests) + 1
        wait_until(lambda n=n: len(outcomes(run.stderr())) == 2 * n, "a bad look")
        enough = server.connections + 4
        wait_until(lambda enough=enough: server.connections >= enough, "more of them")
        assert len(server.requests) <= good
        trust(authority)
    run.terminate()
    assert [o[:2] for o in outcomes(run.stderr())][:4] == 2 * [("pass", "ok"), ("fail", "tls")]


def test_a_folder_that_vouches_spares_the_file(sdwd, authority, serve_tls, names, system):
    """Of the file, which is long, every certificate would be parsed at each look."""
    server = serve_tls()
    system.trust([authority], b"-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")
    run = sdwd(f"--http={server.url()}", *SOON, *SEEN, preexec=names.preexec_here)
    wait_until(lambda: outcomes(run.stderr()), "outcome")
    assert outcomes(run.stderr())[0][:2] == (("pass", "ok") if asks_folder_first() else ("unknown", "prober"))
    if asks_folder_first():
        server.wait_looks(5)
        assert server.connections - len(server.requests) <= 1


def test_a_file_without_a_folder_costs_one_handshake_more_and_only_once(sdwd, authority, serve_tls, names, system):
    server = serve_tls()
    system.trust([], authority.pem.read_bytes())
    run = sdwd(f"--http={server.url()}", *SOON, *SEEN, preexec=names.preexec_here)
    server.wait_looks(8)
    run.terminate()
    assert outcomes(run.stderr()) == [("pass", "ok", "HTTP 200")]
    # The last one may have been broken off.
    assert server.connections - len(server.requests) in ([1, 2] if asks_folder_first() else [0, 1])


# Servers that do not keep to it -----------------------------------------------------------------------------------


def answering(data, is_reset=False):
    """A listener whose connections get @data at once, whatever they say, and are closed (None: are not)."""
    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                held.append(connection)
                if data is not None:
                    connection.sendall(data)
                    if is_reset:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        connection.close()
                    else:
                        connection.shutdown(socket.SHUT_WR)
    listener, held = socket.create_server(("127.0.0.1", 0)), []
    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize("data, is_reset, causes", [
    (b"220 mail.example ESMTP\r\n", False, ["tls"]), (b"HTTP/1.0 200 OK\r\n\r\n", False, ["tls"]),
    (b"\x15\3\3\0\2\2\x28", False, ["tls"]), (b"", False, ["tls"]), (b"", True, ["tls", "read-failed", "connect-failed"])])
def test_no_tls_at_all(sdwd, data, is_reset, causes):
    with answering(data, is_reset) as listener:
        verdict, cause, text = one_look(sdwd, f"--http=https://127.0.0.1:{listener.getsockname()[1]}/")
    assert verdict == "fail" and cause in causes, text


def test_a_handshake_that_never_ends(sdwd, manager):
    with answering(None) as listener:
        run = sdwd(f"--http=https://127.0.0.1:{listener.getsockname()[1]}/", "--interval=1h", "--start-interval=1h",
                   "--timeout=1s", *SEEN)
        run.wait_stderr("fail (read-timeout): TLS handshake incomplete within 1s")
    assert manager.ready_at is None


def test_nobody_there_and_nobody_who_accepts(sdwd):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"--http=https://127.0.0.1:{s.getsockname()[1]}/"
        assert one_look(sdwd, url) == ("fail", "connect-refused", "connection refused")
        s.listen(0)
        with socket.create_connection(s.getsockname()):
            run = sdwd(url, "--interval=1h", "--start-interval=1h", "--timeout=1s", *SEEN)
            run.wait_stderr("fail (connect-timeout): no connection within 1s")


def test_nobody_at_localhost_where_there_is_no_ipv6(sdwd, names):
    """That ::1 does not exist is no reason that we could not look."""
    names.without_ipv6()
    assert one_look(sdwd, "--http=https://localhost:4433/", preexec=names.preexec) == (
        "fail", "connect-refused", "connection refused")


def test_a_unix_socket_whose_queue_is_full(sdwd, tmp_path):
    with socket.socket(socket.AF_UNIX) as s, socket.socket(socket.AF_UNIX) as waits:
        s.bind(f"{tmp_path}/socket")
        s.listen(0)
        waits.connect(f"{tmp_path}/socket")
        run = sdwd("--http=https://localhost/", f"--http-unix={tmp_path}/socket", "--interval=1h", "--start-interval=1h",
                   "--timeout=1s", *SEEN)
        run.wait_stderr("fail (connect-timeout): no connection within 1s: the server's listen queue is full")


def test_a_server_that_closes_without_a_word(sdwd, authority, serve_tls):
    """Many do not send TLS's own farewell: where the body has a length, nothing is missing."""
    server = serve_tls(is_ragged=True)
    assert one_look(sdwd, f"--http={server.url()}", f"--http-ca={authority.pem}") == ("pass", "ok", "HTTP 200")
    server.mode = "short-body"
    assert one_look(sdwd, f"--http={server.url()}", f"--http-ca={authority.pem}")[0] == "fail"


# Those that need no more than their name.
@pytest.mark.parametrize("mode", ["status:404", *(mode for mode in MODES if mode not in ("status", "raw", "raw-held"))])
def test_what_a_server_does_means_the_same(sdwd, authority, serve, serve_tls, mode):
    """
    One look of each client at the same server: sdwd's own over TCP, the prober's over TLS. (The prober's over TCP is in
    test_http_conformance.py.)
    """
    options = ["--http-body=ok|x|h", "--http-follow=same-host"]
    once = ["--interval=1h", "--start-interval=1h"]
    # On a busy machine one of the two may be late where the other is not: a difference that is real stays.
    for timeout in ("700ms", "2s", "8s"):
        plain, tls = serve(then=mode), serve_tls(then=mode)
        run = sdwd(f"--http={plain.url()}", "--name=plain", *options, *once, f"--timeout={timeout}",
                   f"--http={tls.url()}", "--name=tls", f"--http-ca={authority.pem}", *options, *once, f"--timeout={timeout}", *SEEN)
        wait_until(lambda: all(outcomes(run.stderr(), probe) for probe in ("plain", "tls")), "outcomes")  # pylint: disable=cell-var-from-loop
        own, ours = (outcomes(run.stderr(), probe)[0] for probe in ("plain", "tls"))
        if own[1] == "read-failed":
            own, ours = own[:2], ours[:2]
        if ours == own:
            break
    assert ours == own
    assert tls.connections == plain.connections
    if "redirect" in mode:
        assert [lines(r)[0] for r in tls.requests] == [lines(r)[0] for r in plain.requests]


def test_a_proxy_is_never_contacted(sdwd, manager, authority, serve, serve_tls):
    server, proxy = serve_tls(), serve()
    variables = [n for name in ("http_proxy", "https_proxy", "all_proxy") for n in (name, name.upper())]
    sdwd(f"--http={server.url()}", f"--http-ca={authority.pem}", *SOON, env={n: proxy.url() for n in variables})
    manager.wait_ready()
    assert proxy.connections == 0


def test_a_redirect_to_http_is_not_followed(sdwd, authority, serve_tls):
    server = serve_tls()
    elsewhere = server.url("/new").replace("https:", "http:")
    server.mode = f"redirect:{elsewhere}"
    look = one_look(sdwd, f"--http={server.url('/old')}", "--http-follow=same-host", f"--http-ca={authority.pem}")
    assert look == ("warn", "degraded", f"HTTP 302 leads to another host: {elsewhere}")
    assert server.connections == 1


def test_options_that_make_no_sense_are_refused(sdwd, authority):
    for options, line in [
        (["--http=http://127.0.0.1/", f"--http-ca={authority.pem}"], "--http: --http-ca is for https, and the URL is http"),
        (["--http=http://127.0.0.1/", "--http-insecure"], "--http: --http-insecure is for https, and the URL is http"),
        (["--http=https://127.0.0.1/", f"--http-key={authority.pem}"], "--http: --http-key needs --http-cert"),
        (["--http=https://127.0.0.1/", "--http-ca=/none"], "--http-ca: '/none': No such file or directory"),
    ]:
        run = sdwd(*options, command=["sh", "-c", "echo started"])
        assert run.wait() == 125
        assert run.stderr() == f"sdwd: {line}\n" and run.stdout() == ""
