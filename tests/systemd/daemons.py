# SPDX-License-Identifier: MIT
"""Daemons that fork away and write a pidfile: Debian's nginx and PostgreSQL, with files of their own."""

import glob
from pathlib import Path

NGINX = """\
user root;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "well"; }}
    }}
}}
"""


class Nginx:
    """One nginx: its port is one of the private network."""

    # Of its unit, besides the defaults.
    lines = ()

    def __init__(self, systemd, folder, port):
        self.folder = Path(folder)
        self.folder.mkdir()
        self.pidfile, self.url = self.folder / "nginx.pid", f"http://127.0.0.1:{port}/"
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self.folder, port=port, workers=2))
        self.command = f"/usr/sbin/nginx -c {config}"


class Postgres:
    """One cluster, as the user postgres, reached by its Unix socket only. Its folder is of the inside."""

    lines = ("User=postgres",)

    def __init__(self, systemd, stem, port):
        newest = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))[-1]
        self.folder = Path(f"/var/lib/postgresql/sdwd-{systemd.name(stem)}")
        self.pidfile = self.folder / "postmaster.pid"
        if systemd.run("test", "-d", "/var/lib/postgresql/sdwd-template", check=False).returncode:
            systemd.run("runuser", "-u", "postgres", "--", f"{newest}/initdb", "--no-sync", "--auth=trust",
                        "--encoding=UTF8", "--no-locale", "-D", "/var/lib/postgresql/sdwd-template")
        systemd.run("cp", "-a", "/var/lib/postgresql/sdwd-template", self.folder)
        # Fast shutdown: the log is beside the data.
        self.command = (f"{newest}/pg_ctl start -w -s -D {self.folder} -l {self.folder}/log -o "
                        f"'-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off "
                        f"-c shared_buffers=1MB -c port={port}'")


def make(systemd, kind, stem, tmp_path, port):
    if kind == "nginx":
        return Nginx(systemd, tmp_path / stem, port)
    return Postgres(systemd, stem, port)


def forget(systemd):
    """The inside is in memory: clusters of an ended test are no longer needed."""
    systemd.run("sh", "-c", "rm -rf /var/lib/postgresql/sdwd-*.service")
