# SPDX-License-Identifier: MIT
"""
Docker's part of sdwd-recipes(7): the image of Containerfile, built and run by the real docker. Run by
tests/systemd/full-recipes, which gets it. The times are those of the image, but where a test says otherwise.
"""

import json
import signal
import time

import pytest

import dockerd
import wrapped
from recipes import EXAMPLES
from recipes_full import image_folder

IMAGE = "localhost/web"
# A start, and a hang of the image's own watchdog time of 30 s.
PATIENCE_SECONDS = 90


@pytest.fixture(scope="module")
def image(systemd, build, tmp_path_factory):
    """A running docker, with the image of Containerfile, built as the page says."""
    folder = tmp_path_factory.mktemp("image")
    image_folder(build, folder)
    try:
        docker = dockerd.Docker(systemd)
    except dockerd.CannotRun as reason:
        pytest.fail(f"no docker here, and these tests need one: {reason}", pytrace=False)
    try:
        systemd.run("env", "-C", folder, dockerd.CLIENT, "build", "-f", "Containerfile", "-t", IMAGE, ".", timeout=120)
        yield docker
    finally:
        docker.close()


@pytest.fixture
def docker(image):
    yield image
    image.remove_all()


def events(systemd, name):
    """What docker tells of container @name from now on: a function that returns what it has told, (action, exit code)."""
    unit = systemd.unit("events", f"[Service]\nExecStart={dockerd.CLIENT} events --since=1h --filter=type=container "
                        f"--filter=container={name} --filter=event=start --filter=event=die "
                        "--filter=event=health_status --format='{{json .}}'\n")
    systemd.start(unit)

    def told():
        found = [json.loads(line) for line in wrapped.texts(systemd, unit) if line.startswith("{")]
        return [(one["Action"], one["Actor"]["Attributes"].get("exitCode")) for one in found]
    return told


def wait_health(docker, name, status):
    """Of a container that runs: docker calls one that has ended unhealthy, whatever it was."""
    def has_it():
        state = docker.state(name)
        return state["Running"] and state["Health"]["Status"] == status
    wrapped.wait_for(has_it, lambda: f"{docker.state(name)}\n{docker.said(name)}", PATIENCE_SECONDS)


def service(docker, name):
    """The pid of the service, when sdwd is ready."""
    wrapped.wait_for(lambda: len(docker.pids(name)) > 1, lambda: docker.said(name))
    return docker.pids(name)[1]


def stop(systemd, docker, name):
    systemd.run("kill", "-STOP", service(docker, name))


def test_the_image(docker):
    config = docker.inspect(IMAGE)["Config"]
    assert config["Entrypoint"] == ["/usr/bin/sdwd", "--http=http://127.0.0.1:8085/", "--"]
    assert config["Cmd"][:2] == ["/bin/busybox", "httpd"]
    assert config["Healthcheck"] == {"Test": ["CMD", "/usr/bin/sdwdctl", "probe", "--http=http://127.0.0.1:8085/"],
                                     "Interval": 10e9, "Timeout": 10e9, "Retries": 3}


def test_a_service_that_is_well_and_docker_stop(systemd, docker):
    told = events(systemd, "well")
    docker("run", "-d", "--restart=on-failure", "--name=well", IMAGE)
    wait_health(docker, "well", "healthy")
    assert [docker.comm(pid) for pid in docker.pids("well")] == ["sdwd", "busybox"]
    assert docker.said("well").count("ready after") == 1, docker.said("well")
    # SIGTERM ends it, not SIGKILL after 10 seconds, and it is not started again, although 143 is no success.
    docker("stop", "well")
    state = docker.state("well")
    assert (state["Status"], state["ExitCode"]) == ("exited", 128 + signal.SIGTERM), state
    wrapped.wait_for(lambda: ("die", "143") in told(), told)
    assert told() == [("start", None), ("health_status: healthy", None), ("die", "143")]


def test_a_hang_ends_the_container_and_docker_starts_it_again(systemd, docker):
    """Before docker's three checks have failed."""
    told = events(systemd, "hangs")
    docker("run", "-d", "--restart=on-failure", "--name=hangs", IMAGE)
    wait_health(docker, "hangs", "healthy")
    stop(systemd, docker, "hangs")
    wrapped.wait_for(lambda: docker.inspect("hangs")["RestartCount"] == 1, lambda: docker.said("hangs"), PATIENCE_SECONDS)
    wait_health(docker, "hangs", "healthy")
    said = docker.said("hangs")
    assert said.count("unhealthy: http: ") == 1 and said.count("ready after") == 2, said
    assert told() == [("start", None), ("health_status: healthy", None), ("die", "124"), ("start", None),
                      ("health_status: healthy", None)]


def test_healthcheck_tells_of_a_hang_where_it_is_quicker(systemd, docker):
    """And after the second one docker starts no third."""
    told = events(systemd, "twice")
    docker("run", "-d", "--restart=on-failure:1", "--name=twice", "--health-interval=1s", "--health-retries=1", IMAGE)
    for number in (1, 2):
        wrapped.wait_for(lambda number=number: docker.said("twice").count("ready after") == number,
                         lambda: docker.said("twice"), PATIENCE_SECONDS)
        wait_health(docker, "twice", "healthy")
        stop(systemd, docker, "twice")
        wait_health(docker, "twice", "unhealthy")
        wrapped.wait_for(lambda number=number: told().count(("die", "124")) == number, told, PATIENCE_SECONDS)
    once = [("start", None), ("health_status: healthy", None), ("health_status: unhealthy", None), ("die", "124")]
    assert told() == 2 * once
    state = docker.state("twice")
    assert (state["Status"], state["ExitCode"]) == ("exited", 124), state


def test_docker_stop_reaches_the_service_and_its_exit_code_docker(docker):
    docker("run", "-d", "--name=trap", "--entrypoint=/usr/bin/sdwd", IMAGE, "--", "/bin/busybox", "sh", "-c",
           "trap 'echo asked to end; exit 7' TERM; echo waits; while :; do /bin/busybox sleep 0.1; done")
    wrapped.wait_for(lambda: "waits" in docker.said("trap"), lambda: docker.said("trap"))
    docker("stop", "trap")
    assert docker.state("trap")["ExitCode"] == 7, docker.state("trap")
    assert "asked to end" in docker.said("trap")


def test_docker_kills_what_does_not_end(docker):
    """After the time that it was given."""
    docker("run", "-d", "--restart=on-failure", "--stop-timeout=2", "--name=deaf", "--entrypoint=/usr/bin/sdwd", IMAGE, "--",
           "/bin/busybox", "sh", "-c", "trap '' TERM; echo waits; while :; do /bin/busybox sleep 0.1; done")
    wrapped.wait_for(lambda: "waits" in docker.said("deaf"), lambda: docker.said("deaf"))
    begin = time.monotonic()
    docker("stop", "deaf")
    assert time.monotonic() - begin >= 2
    state = docker.state("deaf")
    assert (state["Status"], state["ExitCode"]) == ("exited", 128 + signal.SIGKILL), state


def test_what_nobody_waits_for_is_reaped(systemd, docker):
    """What docker exec leaves behind is a child of the container's first process."""
    docker("run", "-d", "--name=orphan", IMAGE)
    first = docker.pids("orphan")[0]
    service(docker, "orphan")
    docker("exec", "orphan", "/bin/busybox", "sh", "-c", "/bin/busybox sleep 1000 >/dev/null 2>&1 &")

    def sleeper():
        return [pid for pid in docker.pids("orphan")
                if "sleep" in systemd.run("cat", f"/proc/{pid}/cmdline", check=False).stdout]
    pid, = wrapped.wait_for(sleeper, "no orphan")
    assert f"PPid:\t{first}\n" in systemd.run("cat", f"/proc/{pid}/status").stdout
    systemd.run("kill", "-KILL", pid)
    # One that nobody reaps stays, as a zombie.
    wrapped.wait_for(lambda: systemd.run("test", "-e", f"/proc/{pid}", check=False).returncode != 0,
                     lambda: systemd.run("cat", f"/proc/{pid}/status", check=False).stdout)
    assert docker.state("orphan")["Running"]


# In a unit ----------------------------------------------------------------------------------------------------------

def test_a_unit_of_docker_run(systemd, docker):
    """sdwd ends what hangs, the client ends with its exit status, systemd starts it again. Nothing stays behind."""
    name = systemd.as_named("container-docker.service")
    systemd.unit(name, (EXAMPLES / name).read_text(encoding="utf-8"))
    container = name.partition(".")[0]
    since = systemd.cursor()

    def wait_ready(times):
        wrapped.wait_for(lambda: len([m for m in systemd.messages(name, since) if "sdwd: ready after" in m]) == times,
                         lambda: systemd.describe(name), PATIENCE_SECONDS)

    systemd.start(name)
    wait_ready(1)
    stop(systemd, docker, container)
    systemd.wait_state(name, PATIENCE_SECONDS, NRestarts="1", ActiveState="active")
    wait_ready(2)
    said = systemd.messages(name, since)
    assert any("sdwd: unhealthy: http: " in line for line in said), said
    assert any("Main process exited, code=exited, status=124/" in line for line in said), said
    # A client that is killed: systemd ends the container that it leaves behind.
    first = docker.inspect(container)["Id"]
    systemd.run("kill", "-KILL", systemd.show(name, "MainPID"))
    systemd.wait_state(name, PATIENCE_SECONDS, NRestarts="2", ActiveState="active")
    wait_ready(3)
    assert docker("ps", "--all", "--quiet", "--no-trunc").stdout.split() == [docker.inspect(container)["Id"]] != [first]
    systemd.stop(name)
    assert systemd.show(name, "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}
    assert docker("ps", "--all", "--quiet").stdout == ""


def test_systemd_hears_nothing_of_a_container_of_docker(systemd, docker):
    """Neither as it is, nor where its socket is mounted: the container is a unit of its own."""
    handed = "--env=NOTIFY_SOCKET --env=WATCHDOG_USEC --volume=/run/systemd/notify:/run/systemd/notify"
    texts = {stem: "[Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=60\nTimeoutStartSec=30\n"
                   f"ExecStart={dockerd.CLIENT} run --rm --name={stem} {more} {IMAGE}\n"
             for stem, more in (("plain", ""), ("mounted", handed))}
    units = wrapped.start_all(systemd, texts, wait=False)
    for stem, unit in units.items():
        systemd.wait_journal("sdwd: ready after", unit)
        has_socket = "NOTIFY_SOCKET" in systemd.run("cat", f"/proc/{docker.pids(stem)[0]}/environ").stdout
        assert has_socket == (stem == "mounted")
        group = systemd.run("cat", f"/proc/{docker.pids(stem)[0]}/cgroup").stdout
        assert f"0::/system.slice/docker-{docker.inspect(stem)['Id']}.scope" in group, group
    for unit in units.values():
        systemd.wait_state(unit, PATIENCE_SECONDS, ActiveState="failed", Result="timeout")
