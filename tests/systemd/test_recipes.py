# SPDX-License-Identifier: MIT
"""
Those of sdwd-recipes(7) that need no package of their own, and what can be said of all of its units without one. The
others: tests/systemd/full-recipes.
"""

import subprocess

import pytest

import recipes
from recipes import EXAMPLES, Recipe, text_of


# Connects, and says nothing.
CLIENT = "import socket, time; s = socket.create_connection(('127.0.0.1', 8083))"


class Worker(Recipe):
    """A program with heartbeats, whose work needs a lock. The lock is in its RuntimeDirectory=, and goes with it."""

    def __init__(self, language, tmp_path):
        super().__init__(f"worker@{language}.service", "heartbeat")
        self.language, self.folder, self.holder = language, tmp_path, None

    def prepare(self):
        program = EXAMPLES / f"worker-{self.language}"
        if self.language == "c":
            program = self.folder / "worker-c"
            subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", program, EXAMPLES / "worker.c"], check=True)
        self.systemd.run("install", "-D", "-m", "755", "-t", "/usr/local/libexec", program)

    def hang(self):
        lock = f"/run/worker-{self.language}/lock"
        self.systemd.run("sh", "-c", f'flock {lock} sleep 300 >/dev/null 2>&1 & echo $! >/run/holder-{self.language}')
        self.holder = self.systemd.run("cat", f"/run/holder-{self.language}").stdout.strip()

    def release(self):
        self.systemd.run("pkill", "-P", self.holder, check=False)


class Workers(Recipe):
    """A server whose master is not what answers: the others are stopped."""

    causes = {"read-timeout", "connect-timeout"}

    def hang(self):
        for pid in self.pids():
            if "worker process" in self.systemd.run("cat", f"/proc/{pid}/cmdline").stdout:
                self.systemd.run("kill", "-STOP", pid)


class Activated(Recipe):
    """systemd listens for it. A client that says nothing is what this server hangs in."""

    def __init__(self):
        super().__init__("activated.service", "http")

    def install(self):
        super().install()
        text = (EXAMPLES / "activated.socket").read_text(encoding="utf-8")
        self.systemd.unit(self.systemd.as_named("activated.socket"), text)

    def begin(self):
        self.systemctl("start", "activated.socket")
        assert self.show("ActiveState") == {"ActiveState": "inactive"}
        self.systemd.run("python3", "-c", CLIENT)

    def hang(self):
        line = f'python3 -c "{CLIENT}; time.sleep(300)" >/dev/null 2>&1 & echo $!'
        self.client = self.systemd.run("sh", "-c", line).stdout.strip()

    def release(self):
        # Whoever comes meanwhile waits, and is answered: systemd still listens.
        code = ("import urllib.request; "
                "print(urllib.request.urlopen('http://127.0.0.1:8083/', timeout=100).status)")
        self.answer = self.systemd.run("python3", "-c", code, timeout=110).stdout.strip()
        self.systemd.run("kill", self.client)

    def after(self):
        assert self.answer == "200"
        assert self.systemctl("is-active", "activated.socket").stdout.strip() == "active"


class User(Recipe):
    """Under the manager of the user with the id 1."""

    uid, runtime = 1, "/run/user/1"

    def as_user(self, *words, check=True):
        return self.systemd.run("setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "env",
                                f"XDG_RUNTIME_DIR={self.runtime}", *words, check=check)

    def systemctl(self, *words, check=True):
        return self.as_user("systemctl", "--user", *words, check=check)

    def install(self):
        self.systemd.systemctl("start", f"user@{self.uid}.service")
        self.systemd.write(f"{self.runtime}/systemd/user/{self.name}", text_of(self.name))
        self.systemctl("daemon-reload")

    def journal(self):
        self.systemd.run("journalctl", "--sync", check=False)
        found = self.systemd.journal(since=self.since)
        return [e for e in found if self.name in (e.get("_SYSTEMD_USER_UNIT"), e.get("USER_UNIT"))]

    def end(self):
        self.systemd.systemctl("stop", f"user@{self.uid}.service", f"user-runtime-dir@{self.uid}.service", check=False)


def test_each_hangs_and_is_started_again(systemd, build, tmp_path):
    user = User("user.service", "http")
    try:
        recipes.prove(systemd, build, *[Worker(language, tmp_path) for language in ("bash", "python", "perl", "c")],
                      Workers("pidfile.service", "http"), Activated(), user)
    finally:
        user.end()


@pytest.fixture
def examples(systemd, build):
    """All units of the examples inside, by their names, as they are shipped; a template by an instance."""
    recipes.install(systemd, build)
    # What is not installed here is none of their faults.
    for program in ("podman", "docker"):
        systemd.run("sh", "-c", f"[ -e /usr/bin/{program} ] || install -m 755 /bin/true /usr/bin/{program}")
    texts = {path.name.replace("@", "@bash"): path.read_text(encoding="utf-8")
             for path in EXAMPLES.iterdir() if path.suffix in (".service", ".socket")}
    # Those that are copied take nothing of Debian's away, but what they are for.
    taken = {name for name in texts if systemd.run("sh", "-c", f"ls /lib/systemd/*/{name}", check=False).stdout}
    assert taken <= {"nginx.service"}, taken
    yield texts
    recipes.uninstall(systemd)


def test_systemd_has_nothing_to_say_against_any(systemd, examples):
    for name, text in examples.items():
        systemd.write(f"/run/examples/{name}", text)
    paths = [f"/run/examples/{name}" for name in examples]
    assert {"nginx.service", "activated.socket", "worker@bash.service", "container.service"} <= examples.keys()
    for words in (["--system", *paths], ["--user", "/run/examples/user.service", "/run/examples/dbus-echo.service"]):
        # --man=no: the pages are not where man(1) looks.
        done = systemd.run("env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", "verify", "--man=no", *words, check=False)
        said = (done.stdout + done.stderr).splitlines()
        # Debian 11 knows it not yet, and says that it ignores it.
        said = [line for line in said if systemd.version >= 248 or "'PrivateIPC'" not in line]
        assert (done.returncode, said) == (0, [])


def test_sdwdctl_has_nothing_to_say_against_any(systemd, examples):
    """Which reads the options too: with such that sdwd does not take it says so."""
    for name, text in examples.items():
        # It does not know what these stand for; and the file is made by the unit.
        text = text.replace("https://%H:", "https://localhost:").replace("--http-ca=%t/https-example/cert.pem", "--http-insecure")
        systemd.unit(systemd.as_named(name), text, reload=False)
    systemd.daemon_reload()
    for name in examples:
        if name.endswith(".service") and name not in ("container.service", "container-docker.service"):
            done = systemd.run("sdwdctl", "check", name, check=False)
            assert (done.returncode, done.stdout) == (0, f"{name}: nothing found that defeats the watchdog\n"), (
                name, done.stdout + done.stderr)
