# SPDX-License-Identifier: MIT
"""Those of sdwd-recipes(7) that need packages of their own. Run by tests/systemd/full-recipes, which installs them."""

import glob
import json
import re
import shutil
import subprocess

import pytest

import recipes
import wrapped
from recipes import APPS, EXAMPLES, W, Recipe, text_of
from test_recipes import Workers


def stay(systemd, command):
    """A command inside that goes on in the background; its pid."""
    return systemd.run("sh", "-c", f"{command} >/dev/null 2>&1 & echo $!").stdout.strip()


def ask(systemd, url):
    """A request that nobody answers any more."""
    return stay(systemd, f"timeout 60 curl -s {url}")


class Redis(Recipe):
    """A script that never ends: first it answers nothing, then that it is busy."""

    def hang(self):
        stay(self.systemd, "timeout 60 redis-cli eval 'while true do end' 0")

    def after(self):
        """SIGABRT made it write down where it was."""
        log = self.systemd.run("cat", "/var/log/redis/redis-server.log").stdout
        assert "crashed by signal: 6" in log, log[-4000:]


class Postgres(Recipe):
    """Debian's first cluster, of whatever version is here."""

    def __init__(self):
        newest = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda p: int(p.split("/")[4]))[-1]
        self.version = newest.split("/")[4]
        super().__init__("exec.service", "exec", text_of("exec.service", **{
            "postgresql/15/": f"postgresql/{self.version}/", "postgresql@15": f"postgresql@{self.version}"}))

    def prepare(self):
        there = [line.split()[:2] for line in self.systemd.run("pg_lsclusters", "-h").stdout.splitlines()]
        if [self.version, "main"] not in there:
            self.systemd.run("pg_createcluster", self.version, "main")


class Java(Recipe):
    def __init__(self, folder):
        super().__init__("java.service", "http")
        self.folder = folder

    def prepare(self):
        subprocess.run(["javac", "-d", self.folder, APPS / "App.java"], check=True)
        subprocess.run(["jar", "--create", "--file", self.folder / "app.jar", "--main-class", "App", "-C", self.folder, "."],
                       check=True)
        self.systemd.run("install", "-D", "-m", "644", "-t", "/opt/app", self.folder / "app.jar")

    def hang(self):
        for _ in range(2):
            ask(self.systemd, "http://127.0.0.1:8081/hang")

    def after(self):
        """The dump was there before systemd ended it, and names what it hung in."""
        said = self.said()
        dump = next(i for i, line in enumerate(said) if "Full thread dump" in line)
        assert any("Found one Java-level deadlock" in line for line in said), self.describe()
        assert dump < next(i for i, line in enumerate(said) if "Watchdog timeout" in line), self.describe()
        assert any("App.transfer" in line for line in said), self.describe()


class Node(Recipe):
    def prepare(self):
        self.systemd.run("install", "-D", "-m", "644", "-t", "/opt/app", APPS / "server.js")

    def hang(self):
        ask(self.systemd, "http://127.0.0.1:3000/hang")


class Gunicorn(Recipe):
    """All threads wait for a lock that somebody else holds; gunicorn's own look at its workers sees nothing."""

    def prepare(self):
        self.systemd.run("install", "-D", "-m", "644", "-t", "/opt/app", APPS / "app.py")
        self.systemd.run("touch", "/opt/app/lock")

    def hang(self):
        self.holder = stay(self.systemd, "flock /opt/app/lock sleep 300")

    def release(self):
        self.systemd.run("pkill", "-P", self.holder, check=False)

    def after(self):
        assert not any("WORKER TIMEOUT" in line for line in self.said()), self.describe()


def test_nginx_in_the_foreground(systemd, build):
    recipes.prove(systemd, build, Workers("nginx.service", "http"))


class Master(Workers):
    """The process that answers nothing."""

    causes = {"stopped"}

    def hang(self):
        now = self.show("MainPID")["MainPID"]
        master = next(pid for pid in self.pids() if self.systemd.run("ps", "-o", "ppid=", "-p", pid).stdout.strip() == now)
        self.systemd.run("kill", "-STOP", master)

    def judge(self):
        # sdwd's word and systemd's own timer come at the same moment.
        assert any(f"Watchdog timeout (limit {W}s)!" in line for line in self.said()), self.describe()


def test_the_master_of_nginx(systemd, build):
    recipes.prove(systemd, build, Master("nginx.service", "process"))


def test_redis(systemd, build):
    recipes.prove(systemd, build, Redis("tcp.service", "tcp"))


def test_postgresql(systemd, build):
    recipes.prove(systemd, build, Postgres())


def test_memcached(systemd, build):
    recipes.prove(systemd, build, Recipe("unix.service", "unix"))


def test_java(systemd, build, tmp_path):
    recipes.prove(systemd, build, Java(tmp_path))


def test_node(systemd, build):
    recipes.prove(systemd, build, Node("node.service", "http"))


def test_gunicorn(systemd, build):
    recipes.prove(systemd, build, Gunicorn("gunicorn.service", "http"))


# Containers ---------------------------------------------------------------------------------------------------------

# In the private systemd / is an overlay already, and nothing may be fetched.
STORAGE = '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n'
IMAGE = "localhost/web:latest"


def may_split(systemd):
    """Whether this machine lets podman limit a container: crun needs CAP_SYS_RESOURCE, podman the controller of pids."""
    capable = int(re.search(r"^CapEff:\s*(\w+)", systemd.run("cat", "/proc/self/status").stdout, re.M)[1], 16) >> 24 & 1
    return capable and "pids" in systemd.run("cat", "/sys/fs/cgroup/cgroup.controllers").stdout.split()


def image_folder(build, folder):
    """Makes what Containerfile needs, in @folder, with it."""
    root = folder / "rootfs"
    for name in ("usr/bin", "bin", "srv", "tmp", "run"):
        (root / name).mkdir(parents=True)
    (root / "srv/index.html").write_text("well\n")
    files = [(build / name, root / "usr/bin" / name) for name in ("sdwd", "sdwdctl")]
    linked = subprocess.run(["ldd", *[source for source, _ in files]], capture_output=True, text=True, check=True).stdout
    files += [(path, root / path.lstrip("/")) for path in set(re.findall(r"/\S+\.so\S*", linked))]
    for source, target in [*files, ("/bin/busybox", root / "bin/busybox")]:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    shutil.copy(EXAMPLES / "Containerfile", folder)


def image(systemd, build, folder):
    """The image of Containerfile, by podman."""
    image_folder(build, folder)
    systemd.write("/etc/containers/storage.conf", STORAGE)
    systemd.run("podman", "build", "--format=docker", "--network=host", "-t", IMAGE, folder, timeout=120)


@pytest.fixture
def podman(systemd, build, tmp_path):
    """podman(WORD...) inside, with the image of Containerfile."""
    image(systemd, build, tmp_path)
    yield lambda *words, check=True: systemd.run("podman", *words, check=check)
    systemd.run("podman", "rm", "--all", "--force", "--time=0", check=False)
    systemd.run("podman", "rmi", "--all", "--force", check=False)


class Container(Recipe):
    """What sdwd says comes through podman, without its fields."""

    def pids(self):
        found = super().pids()
        return [pid for pid in found if self.systemd.run("cat", f"/proc/{pid}/comm", check=False).stdout == "busybox\n"]

    def after(self):
        """Of what sdwd tells, the conmon of Debian 12 hands on READY=1 and the pings alone."""
        version = self.systemd.run("podman", "--version").stdout.split()[-1]
        assert self.show("StatusText") == {"StatusText": "" if version.startswith("4.3.") else "healthy"}, version

    def verdict(self):
        """As with the others, out of the line."""
        found = [re.search(r"sdwd: unhealthy: (\S+): .* \(([a-z-]+)\)", line) for line in self.said()]
        return next(({"SDWD_PROBE": m[1], "SDWD_CAUSE": m[2]} for m in found if m), None)


def test_a_container_of_podman(systemd, build, podman):
    changes = {} if may_split(systemd) else {"--cgroups=split": "--cgroups=disabled"}
    recipes.prove(systemd, build, Container("container.service", "http", text_of("container.service", **changes)))


class Quadlet(Container):
    """podman makes the unit of it, when systemd reads its units anew: by a generator, which the private one has not."""

    def install(self):
        changes = {} if may_split(self.systemd) else {"PodmanArgs=": "PodmanArgs=--cgroups=disabled "}
        self.systemd.write("/etc/containers/systemd/container.container", text_of("container.container", **changes))
        self.systemd.as_named(self.name)
        self.systemd.run("sh", "-c", "mkdir -p /run/quadlet && $(find /usr/lib*/podman /usr/libexec/podman -name quadlet "
                         "2>/dev/null | head -n 1) /run/quadlet && cp /run/quadlet/container.service /run/systemd/system/")

    def after(self):
        super().after()
        text = self.systemd.run("cat", "/run/systemd/system/container.service").stdout
        for line in ("Type=notify", "NotifyAccess=all", "KillMode=mixed", "Delegate=yes"):
            assert line in text.splitlines(), text


def test_quadlet(systemd, build, podman):
    recipes.prove(systemd, build, Quadlet("container.service", "http"))


def state(podman, name):
    return json.loads(podman("inspect", name).stdout)[0]["State"]


def busybox(systemd, podman, name):
    """The pid of the server in the container, as it is in the private systemd."""
    first = str(state(podman, name)["Pid"])
    below = systemd.run("cat", f"/proc/{first}/task/{first}/children").stdout.split()
    return (below or [first])[0]


def test_a_container_that_is_not_told_of_the_watchdog_says_so(systemd, build, podman):
    """And is ended, although it is well: with the variable it is not."""
    recipes.install(systemd, build)
    changes = {"--env=WATCHDOG_USEC ": ""} | ({} if may_split(systemd) else {"--cgroups=split": "--cgroups=disabled"})
    unit = systemd.unit(systemd.as_named("container.service"), text_of("container.service", **changes))
    since = systemd.cursor()
    systemd.start(unit)
    systemd.wait_journal("no WATCHDOG_USEC in this container", unit, since)
    systemd.wait_journal("Failed with result 'watchdog'.", unit, since)
    assert not any("sdwd: unhealthy" in str(m) for m in systemd.messages(unit, since))
    systemd.stop(unit, check=False)


def test_a_container_without_systemd_is_ended_and_started_again(systemd, podman):
    podman("run", "-d", "--restart=on-failure:1", "--name=alone", "--cgroups=disabled", "--network=host",
           "--entrypoint=/usr/bin/sdwd", IMAGE, "--watchdog-sec=3s", "--http=http://127.0.0.1:8085/", "--", "/bin/busybox", "httpd", "-f", "-p", "127.0.0.1:8085",
           "-h", "/srv")

    def said():
        return podman("logs", "alone").stderr

    # Started again, and then no more.
    for number in (1, 2):
        wrapped.wait_for(lambda number=number: said().count("ready after") == number, said, 60)
        systemd.run("kill", "-STOP", busybox(systemd, podman, "alone"))
    wrapped.wait_for(lambda: state(podman, "alone")["Status"] == "exited" and said().count("ending the service") == 2,
                     said, 60)
    assert state(podman, "alone")["ExitCode"] == 124, said()


def test_healthcheck_of_a_container(systemd, podman):
    """That of the image, by podman's own runner; with Docker's it is in docker_full.py."""
    podman("run", "-d", "--name=checked", "--cgroups=disabled", "--network=host", "--entrypoint=/bin/busybox", IMAGE,
           "httpd", "-f", "-p", "127.0.0.1:8085", "-h", "/srv")
    wrapped.wait_for(lambda: podman("healthcheck", "run", "checked", check=False).returncode == 0, "no health")
    systemd.run("kill", "-STOP", busybox(systemd, podman, "checked"))
    done = podman("healthcheck", "run", "checked", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    for _ in range(2):
        podman("healthcheck", "run", "checked", check=False)
    checked = state(podman, "checked")
    health = checked.get("Health") or checked["Healthcheck"]
    assert health["Status"] == "unhealthy", health
    print(health)
    assert {entry["ExitCode"] for entry in health["Log"][-3:]} == {1}, health
