# SPDX-License-Identifier: MIT
"""Certificates made for a test, and the servers of scripted.py behind TLS."""

import contextlib
import ssl
import subprocess

import pytest

from scripted import Scripted

NAME = "web.test"


def _openssl(*words, folder):
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stderr


class Authority:
    """A certificate authority of its own in @folder: ca.pem; issue() makes certificates."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.pem = folder / f"{name}.pem"
        self._must("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                   "-keyout", f"{name}.key", "-out", self.pem.name, "-subj", f"/CN={name}")

    def _must(self, *words):
        good, said = _openssl(*words, folder=self.folder)
        assert good, said

    def issue(self, name, names=(f"DNS:{NAME}", "DNS:localhost", "IP:127.0.0.1", "IP:::1"), expired=False):
        """(certificate, key): two paths."""
        key, csr, pem, more = (f"{name}.{end}" for end in ("key", "csr", "pem", "ext"))
        self._must("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", csr,
                   "-subj", f"/CN={name}")
        (self.folder / more).write_text(f"subjectAltName={','.join(names)}\n" if names else "", encoding="utf-8")
        sign = ["x509", "-req", "-in", csr, "-CA", self.pem.name, "-CAkey", f"{self.name}.key", "-extfile", more, "-out", pem]
        if not expired:
            self._must(*sign, "-days", "30")
        else:
            # Which of the two this openssl knows.
            dates = ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"]
            if not _openssl(*sign, *dates, folder=self.folder)[0]:
                self._must(*sign, "-days", "-1")
        return self.folder / pem, self.folder / key


class System:
    """What the system trusts: /etc/ssl/certs as sdwd shall see it, with a file of all authorities and a folder by hashes."""

    def __init__(self, folder):
        self.folder, self.file = folder, folder / "ca-certificates.crt"
        folder.mkdir()

    def trust(self, in_folder=(), in_file=b""):
        """Of the folder each of those authorities, of the file that text, and nothing else any more. Nothing is seen half-made."""
        new = {self.file: in_file}
        for one in in_folder:
            name = subprocess.check_output(["openssl", "x509", "-noout", "-hash", "-in", one.pem], text=True).strip()
            new[self.folder / f"{name}.0"] = one.pem.read_bytes()
        for path, text in new.items():
            (self.folder / "new").write_bytes(text)
            (self.folder / "new").rename(path)
        for path in set(self.folder.glob("*.0")) - set(new):
            path.unlink()


class _Closing(ssl.SSLSocket):
    """Says that it closes before it does, as TLS wants it, and does not wait for an answer."""

    def close(self):
        with contextlib.suppress(OSError, ValueError):
            self.settimeout(0)
            self.unwrap()
        super().close()


class TlsScripted(Scripted):
    """
    A Scripted behind TLS with that certificate. @client_ca: asks for one of its clients too. @is_ragged: closes without
    a word.
    """

    def __init__(self, certificate, *script, client_ca=None, version=None, is_ragged=False,
                 alpn=("h2", "http/1.1"), **keywords):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if not is_ragged:
            self._context.sslsocket_class = _Closing
        self._context.load_cert_chain(*certificate)
        if client_ca is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(client_ca)
        if version is not None:
            self._context.maximum_version = version
        self.names = []       # what SNI said, of each handshake
        self.protocols = []   # what was agreed on by ALPN
        self._context.set_alpn_protocols(list(alpn))
        self._context.sni_callback = lambda sock, name, context: self.names.append(name)
        super().__init__(*script, **keywords)

    def url(self, path="/", host=None):
        return super().url(path, host).replace("http://", "https://", 1)

    def _serve(self, connection, mode):
        plain = connection.sock
        try:
            connection.sock = self._context.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            self._discard(plain)
            return
        self._swap(plain, connection.sock)
        self.protocols.append(connection.sock.selected_alpn_protocol())
        super()._serve(connection, mode)

    def _discard(self, sock):
        with self._lock:
            self._sockets.discard(sock)

    def _swap(self, old, new):
        with self._lock:
            self._sockets.discard(old)
            self._sockets.add(new)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def certificate(authority):
    """Of a server with the names web.test and localhost, and the addresses of lo."""
    return authority.issue("web")


@pytest.fixture
def serve_tls(certificate):
    """serve_tls("status:503", then="ok", certificate=...) gives a running TlsScripted, stopped at the end of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *script, certificate=certificate, **keywords: stack.enter_context(
            TlsScripted(certificate, *script, **keywords))


@pytest.fixture
def system(names, tmp_path):
    one = System(tmp_path / "certs")
    names.binds.append((one.folder, "/etc/ssl/certs"))
    return one
