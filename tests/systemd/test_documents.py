# SPDX-License-Identifier: MIT
"""
Every example of README.md and the manual pages does what it says: units become active, commands are run, files are
accepted, and what is shown is what is printed. decided.py says for each what is done with it.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

import decided
import documents
import private
import wrapped
from terminal import Terminal
from tls import Authority

TOP = documents.TOP
BLOCKS = documents.blocks()
# Of units and what goes into them; all others are taken apart into commands.
WHOLE = [*decided.UNITS, *decided.CONFIGS, *decided.SHOWN]
ROW = (r"\S+ +\S+ +(starting|running|unhealthy) +\d\S*( \d\S*)? +(healthy|unhealthy|degraded|unknown) +\S+ +[a-z-]+ +"
       r"(-|\d\S*) +\d+/\d+ +[▁▂▃▄▅▆▇█×]+")


def has(key, block):
    return block.file == key[0] and key[1] in block.text


def block_of(key):
    block, = [one for one in BLOCKS if has(key, one)]
    return block


def example(command):
    """@command, which has to stand in a document."""
    assert any(command in documents.commands(block.text) for block in BLOCKS if not any(has(k, block) for k in WHOLE))
    return command


def of_commands():
    return [(block, command) for block in BLOCKS if not any(has(key, block) for key in WHOLE)
            for command in documents.commands(block.text)]


# What is decided ----------------------------------------------------------------------------------------------------

def test_each_example_is_decided_about():
    in_hand = {command for unit in decided.UNITS.values() for command in unit.by_hand}
    typed = {command for command, *_ in decided.MACHINE if not command.startswith("| ")}
    tables = [decided.CHECKED, set(decided.FORMED), set(decided.SINGLE), in_hand, typed]
    known = set().union(*tables)
    assert len(known) == sum(map(len, tables)), "an example stands in two tables"
    found = of_commands()
    unknown = [f"{block.file}:{block.line}: {command}" for block, command in found if command not in known]
    assert not unknown, "nobody has decided about (tests/systemd/decided.py):\n" + "\n".join(unknown)
    gone = known - {command for _, command in found}
    assert not gone, f"decided about, and in no document: {sorted(gone)}"
    for key in WHOLE:
        assert len([block for block in BLOCKS if has(key, block)]) == 1, f"{key}: not one block"
    for block in BLOCKS:
        keys = [key for key in WHOLE if has(key, block)]
        assert len(keys) <= 1, f"{block}: {keys}"
        assert keys or "[Service]" not in block.text, f"{block}: a unit that nobody has decided about"
    for name in [*decided.SHOWN.values(), *decided.SINGLE.values()]:
        assert callable(globals()[name]), name


def test_a_new_example_is_seen(tmp_path):
    """What finds them finds those that a reader would."""
    readme = tmp_path / "README.md"
    readme.write_text("# x\n\n- a list\n  that goes on\n\n    sdwd --one \\\n        -- a  # says\n\ntext\n    no example\n\n"
                      "```sh\n$ sdwd --two -- sh -c '\n  x'\n```\n\n    [Unit]\n\n    [Service]\n")
    assert [documents.commands(block.text) for block in documents.of_markdown(readme)] == [
        ["sdwd --one -- a"], ["sdwd --two -- sh -c '\n  x'"], ["[Unit]", "[Service]"]]
    page = tmp_path / "x.1"
    page.write_text(".Sh A\n.Dl one \\(dqx\\(dq\n.Dl two\n.Pp\n.Dl three\n.Bd -literal -offset indent\nfour \\e\n  five\n.Ed\n")
    assert [documents.commands(block.text) for block in documents.of_mdoc(page)] == [
        ['one "x"', "two"], ["three"], ["four five"]]


# The machine --------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def machine(systemd, build, tmp_path_factory):
    """sdwd as it is installed, where the examples look for it, and the programs that only the examples have."""
    stage = tmp_path_factory.mktemp("stage")
    done = subprocess.run(["cmake", "--install", build], env=os.environ | {"DESTDIR": str(stage)}, timeout=120,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    systemd.run("sh", "-c", f"tar -C {stage} -c . | tar -C / -x --no-overwrite-dir --no-same-owner")
    systemd.run("install", "-m", "755", "-t", "/usr/bin", build / "sdwd", build / "sdwdctl", build / "sdwd-prober")
    for path, text in decided.STAND_INS.items():
        systemd.write(path, text)
        systemd.run("chmod", "755", path)
    systemd.run("mkdir", "-p", "/run/app", "/etc/app")
    systemd.run("touch", "/run/app/beat")
    # Folders that the machine has since it was booted; PostgreSQL's file has another name in Debian 11.
    names = [path.name for path in Path("/usr/lib/tmpfiles.d").glob("postgresql*.conf")]
    assert names
    systemd.run("systemd-tmpfiles", "--create", *names, "sdwd.conf")
    systemd.systemctl("reload-or-restart", "dbus.service")
    yield systemd
    systemd.run("rm", "-f", "/usr/bin/sdwd", "/usr/bin/sdwdctl", "/usr/bin/sdwd-prober", *decided.STAND_INS)


def shell(machine, command, **options):
    """As somebody types it who is root."""
    return machine.run("bash", "-c", re.sub(r"^sudo ", "", command), **options)


# Units --------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("key", decided.UNITS, ids=lambda key: f"{key[0]} {key[1]}".replace("/", "-"))
def test_a_unit_becomes_active(machine, key):
    row, text = decided.UNITS[key], block_of(key).text
    # Other releases of Debian have another PostgreSQL.
    newest = max((int(path.name) for path in Path("/usr/lib/postgresql").iterdir()), default=15)
    text = text.replace("/postgresql/15/", f"/postgresql/{newest}/")
    if "[Service]" not in text:
        text = f"[Service]\n{row.settings}{text}"
    unit = machine.name("example")
    if row.drop_in_of:
        machine.write(f"/run/systemd/system/{row.drop_in_of}.d/override.conf", text)
        machine.daemon_reload()
        unit = row.drop_in_of
    else:
        machine.unit("example", text)
        said = machine.run("systemd-analyze", "verify", "--man=no", f"/run/systemd/system/{unit}", check=False)
        assert unit not in said.stderr, said.stderr
    try:
        machine.systemctl("start", unit, check=False)
        now = machine.systemctl("show", unit, "--property=ActiveState,StatusText,Type,MainPID").stdout.split("\n")
        assert {"ActiveState=active", f"StatusText={row.status}", "Type=notify"} <= set(now), (
            now, machine.systemctl("status", "-n", "20", unit, check=False).stdout)
        main = next(line for line in now if line.startswith("MainPID=")).split("=")[1]
        assert not wrapped.has(machine, unit, "no control socket"), "sdwdctl does not see it"
        for command, expected in row.by_hand.items():
            line = example(command)
            for place, other in {"PID-OF-SDWD": main, **row.places}.items():
                line = line.replace(place, other)
            done = shell(machine, line)
            assert expected in done.stdout, done
        machine.systemctl("stop", unit)
        result = machine.systemctl("show", unit, "--property=ActiveState,Result").stdout
        assert sorted(result.split()) == ["ActiveState=inactive", "Result=success"]
    finally:
        if row.drop_in_of:
            machine.run("rm", "-rf", f"/run/systemd/system/{unit}.d")
            machine.daemon_reload()


# Files and lines that are only read ---------------------------------------------------------------------------------

@pytest.mark.parametrize("key", sorted(decided.CONFIGS), ids=lambda key: f"{key[0]} {key[1]}".replace("/", "-"))
def test_a_file_of_options_is_accepted(sdwd_path, key, tmp_path):
    path = tmp_path / "web.conf"
    path.write_text(block_of(key).text)
    done = subprocess.run([sdwd_path, "--check", "--watchdog-sec=30s", f"--config={path}"], timeout=60,
                          capture_output=True, text=True, check=False)
    # A line alone shows a command, and looks at nothing.
    warned = re.findall(r"^warning: .*", done.stdout, re.M)
    assert (done.returncode, done.stderr) == (0, "") and all(line.startswith("warning: no probe: ") for line in warned)
    assert not warned or len(block_of(key).text.splitlines()) == 1, warned


@pytest.fixture
def named_files(machine, tmp_path):
    for path, text in decided.FILES.items():
        machine.write(path, text or Authority(tmp_path).pem.read_text())
        machine.run("chmod", "755", path)


def test_command_lines_are_accepted(machine, named_files):
    for command in sorted(decided.CHECKED):
        line = re.sub(r"^(ExecStart=|sudo )?\S*sdwd ", "sdwd --check --watchdog-sec=30s ", example(command))
        line = line.replace("--watchdog-sec=30s --check --watchdog-sec=30s", "--check --watchdog-sec=30s")
        done = machine.run("bash", "-c", line)
        assert done.stderr == "" and "service:" in done.stdout and "warning: " not in done.stdout, done


def test_lines_are_well_formed():
    for command in decided.FORMED:
        done = subprocess.run(["bash", "-n", "-c", example(command)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command


def test_a_time_line_is_as_it_is_shown(sdwd_path):
    command, *shown = block_of(("README.md", "time line of a hang")).text.splitlines()
    words = shlex.split(re.sub(r"^\$ sdwd ", "", command))
    said = subprocess.run([sdwd_path, *words], capture_output=True, text=True, check=True).stdout
    assert shown[0] == "..." and said.endswith("\n" + "\n".join(shown[1:]) + "\n"), said


def test_the_states_of_the_picture_exist():
    states = (TOP / "lib/core/lifecycle.c").read_text(encoding="utf-8")
    picture = block_of(("README.md", "no lease left")).text
    found = re.findall(r'"([a-z]+)"', re.search(r"^const char \*life_state_str.*?^}", states, re.M | re.S)[0])
    assert len(found) == 6 and all(re.search(rf"\b{state}\b", picture) for state in found), found
    for word in ["starts, passes signals on", "evidence: beats on a pipe, sd_notify", "SIGABRT when"]:
        assert word in block_of(("README.md", "STATUS=, STOPPING=1")).text


def test_the_policy_is_the_one_that_was_tried():
    policy = (TOP / "tests/system/kernel/policy.conf").read_text(encoding="utf-8")
    for line in block_of(("sdwd.1", "allow sdwd_t app_t:process transition;")).text.splitlines():
        source, target, what, right = re.fullmatch(r"allow (\S+) (\S+):(\S+) (\S+);", line).groups()
        # There the security server's own type is root_t.
        allowed = rf"allow [^;]*\b{source}\b[^;]*\b({target}|root_t)\b[^;]*:{what} [^;]*\b{right}\b"
        assert re.search(allowed, policy), line


def test_what_is_to_be_installed_is_what_the_tests_install():
    line, = [command for command in decided.SINGLE if "apt-get install" in command]
    listed = re.search(r"^build=\(([^)]*)\)", (TOP / "tests/install-deps").read_text(encoding="utf-8"), re.M)[1].split()
    # To run a unit with it, and the demo.
    beside = {"python3", "systemd", "dbus", "util-linux", "procps"}
    assert set(example(line).split()[3:]) == set(listed) - beside


def knows_presets():
    """README tells from which cmake on."""
    text = subprocess.run(["cmake", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.search(r"version (\d+)\.(\d+)", text).groups())) >= (3, 25)


def test_the_release_is_configured(tmp_path):
    """By its preset, and by what stands for that where cmake knows none."""
    with_preset = example("cmake --preset release -DCMAKE_INSTALL_PREFIX=/usr -DSDWD_TESTS=OFF")
    readme = " ".join((TOP / "README.md").read_text(encoding="utf-8").split())
    without = re.search(r"The presets want cmake 3\.25\. [^`]*`(cmake -S \. -B \.build/release [^`]*)`", readme)[1]
    lines = {"without": without.replace(" -B .build/release ", " ")}
    if knows_presets():
        lines["with"] = with_preset
    for name, line in lines.items():
        build = tmp_path / name
        done = subprocess.run([*line.split(), "-B", build], cwd=TOP, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
        for said in ("CMAKE_INSTALL_PREFIX:PATH=/usr", "CMAKE_BUILD_TYPE:STRING=Release", "SDWD_TESTS:BOOL=OFF"):
            assert f"\n{said}\n" in cache, (line, said)
    presets = json.loads((TOP / "CMakePresets.json").read_text(encoding="utf-8"))
    for line in ("cmake --build --preset release", "sudo cmake --install .build/release"):
        assert any(one["name"] == "release" for one in presets["buildPresets"]), example(line)
    assert any(one.get("binaryDir", "").endswith(".build/${presetName}") for one in presets["configurePresets"])


# Commands that end by themselves ------------------------------------------------------------------------------------

BY_HAND = """\
{command} & pid=$!
until sdwdctl status python3 2>&1 | grep -q ' running .* healthy '; do sleep 0.1; done
kill -STOP $(ps -o pid= --ppid $pid)
wait $pid
echo "exit status $?"
"""


def test_a_server_by_hand_is_ended(machine):
    command = example("sdwd --watchdog-sec=5s --http=http://127.0.0.1:8080/ -- python3 -m http.server --bind 127.0.0.1 8080")
    assert "exit status 124" in machine.run("bash", "-c", BY_HAND.format(command=command)).stdout
    # "about 3 seconds later"
    line = machine.run("bash", "-c", command.replace("sdwd ", "sdwd --check ")).stdout
    assert round(float(re.search(r"by ([0-9.]+)s the service is unhealthy", line)[1])) == 3, line


def test_a_script_that_hangs_is_ended(machine):
    command, = [one for one in decided.SINGLE if "for step in 1 2 3 4 5" in one]
    begin = time.monotonic()
    done = machine.run("bash", "-c", example(command), check=False)
    assert done.returncode == 124, done
    # The fifth beat comes after four seconds.
    assert time.monotonic() - begin >= 4 + 3
    assert float(re.search(r"last good ([0-9.]+)s ago", done.stderr)[1]) >= 3, done.stderr


# env: the unshare of Debian 11 lets its child ignore SIGTERM, as nothing does that makes containers.
CONTAINER = """\
unshare --pid --fork --kill-child=KILL --mount-proc -- env --default-signal=TERM {line} & outer=$!
until {probe} >/dev/null; do sleep 0.1; done
for check in {checks}; do sh -c "$check" >/dev/null; echo "check $?"; done
kill -TERM $(ps -o pid= --ppid $outer)
wait $outer
echo "exit status $?"
"""


def test_a_container(machine):
    """As its process 1, and seen by the checks of its image."""
    lines = set()
    for name in ("README.md", "sdwd.1"):
        entry, command = block_of((name, "ENTRYPOINT")).text.splitlines()
        words = json.loads(entry.split(" ", 1)[1]) + json.loads(command.split(" ", 1)[1])
        lines.add(shlex.join(words))
    line, = lines
    checks = [example(one).split(" ", 2)[2] for one in decided.SINGLE if one.startswith("HEALTHCHECK")]
    checks = [shlex.join(json.loads(one)) if one.startswith("[") else one for one in checks]
    script = CONTAINER.format(line=line, probe=checks[0], checks=shlex.join(checks))
    said = re.findall(r"^(?:check|exit status) \d+", machine.run("bash", "-c", script).stdout, re.M)
    # The pages' server has no /health; as process 1 a signal is told as 128+n.
    assert said == ["check 0", "check 1", "check 1", f"exit status {128 + signal.SIGTERM}"]


# Many commands at one machine -----------------------------------------------------------------------------------------

class Interludes:
    """What the reader has done before, or waits for, by the names in decided.MACHINE."""

    def __init__(self, machine):
        self.machine = machine

    def unit(self, name, text):
        self.machine.write(f"/etc/systemd/system/{name}.service", text)
        self.machine.daemon_reload()
        self.machine.systemctl("start", f"{name}.service")

    def until(self, condition, what):
        wrapped.wait_for(condition, lambda: f"{what}\n{self.machine.run('sdwdctl', 'status', check=False).stdout}", 90)

    def options(self):
        self.machine.write("/etc/sdwd/web.conf", block_of(("README.md", "# /etc/sdwd/web.conf")).text)

    def services(self):
        """The pages' server by its unit, and another one."""
        self.machine.systemctl("disable", "--now", "sdwd@web")
        self.unit("web", block_of(("README.md", "SyslogIdentifier=web")).text)
        self.unit("db", block_of(("README.md", "SyslogIdentifier=script")).text)
        table = self.machine.run("sdwdctl", "status").stdout.splitlines()
        shown = block_of(("README.md", "LABEL        UNIT")).text.splitlines()
        assert table[0].split() == shown[0].split(), table
        for line in table[1:] + [one for one in shown[1:] if not one.startswith(" ")]:
            assert re.fullmatch(ROW, line), line

    def unwell(self):
        self.until(lambda: json.loads(self.json()) == ["web.service"], "web.service is not unhealthy")
        # Once a second at most systemd is told.
        self.until(lambda: "unhealthy" in self.machine.systemctl("show", "web", "--property=StatusText").stdout, "no STATUS=")
        done = self.machine.run("sdwdctl", "status", check=False)
        assert done.returncode == 1
        first, below = done.stdout.splitlines()[1:3]
        assert re.fullmatch(ROW, first) and first.startswith("web.service") and below.startswith("  unhealthy: http: ")

    def json(self):
        """As jq would."""
        said = json.loads(self.machine.run("sdwdctl", "status", "--json", check=False).stdout)
        return json.dumps([one["label"] for one in said if one["health"] == "unhealthy"])

    def end(self):
        self.machine.systemctl("disable", "--now", "sdwd-metrics.timer")
        self.machine.systemctl("stop", "sdwd-metrics.service", "web", "db")
        self.machine.run("rm", "/etc/systemd/system/web.service", "/etc/systemd/system/db.service")
        self.machine.daemon_reload()

    def nginx(self):
        self.machine.systemctl("start", "nginx")

    def restarted(self):
        self.until(lambda: self.machine.systemctl("show", "nginx", "--property=NRestarts,ActiveState").stdout.split() ==
                   ["NRestarts=1", "ActiveState=active"], "nginx was not restarted")


def begin_demo(build):
    words = [example("sudo ./tests/demo").removeprefix("sudo "), f"--build={build}", "--no-install"]
    return subprocess.Popen(words, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def demo(build):
    """tests/demo, begun: it mostly waits."""
    with begin_demo(build) as process:
        yield process
        process.terminate()


def watched(machine, line, pattern):
    shown = Terminal([str(private.SCRIPT), "exec", str(machine.folder), *line.split()], dict(os.environ), columns=150, lines=50)
    try:
        shown.wait(pattern)
        shown.type("q")
        assert shown.wait_end() == 0
    finally:
        shown.close()


def test_many_commands_at_one_machine(machine, demo):
    interludes = Interludes(machine)
    try:
        for command, status, patterns in decided.MACHINE:
            if command.startswith("| "):
                getattr(interludes, command[2:])()
                continue
            line = example(command)
            for place, other in decided.PLACES.items():
                line = line.replace(place, other)
            if line.endswith(" PID"):
                line = line[:-3] + machine.systemctl("show", "web", "--property=MainPID", "--value").stdout.strip()
            if status == "q":
                watched(machine, line, *patterns)
                continue
            if line.endswith("source"):
                line = f"fish -c {shlex.quote(line)}"
            done = shell(machine, line, check=False)
            assert done.returncode == status, (line, done)
            for pattern in patterns:
                assert re.search(pattern, done.stdout + done.stderr, re.M), (line, pattern, done.stdout + done.stderr)
    finally:
        machine.run("sh", "-c", "systemctl disable --now -q sdwd@web sdwd-metrics.timer; systemctl stop web db nginx; "
                    "rm -rf /etc/systemd/system/web.service /etc/systemd/system/db.service "
                    "/etc/systemd/system/nginx.service.d; systemctl daemon-reload", check=False)


def test_the_demo_is_as_it_is_shown(demo, build):
    said = demo.communicate(timeout=200)[0]
    # The 400 ms that it gives to a look are short where all tests run at once.
    for _ in range(2):
        if "restarted without need" in said or "(1 of 2)" not in said:
            with begin_demo(build) as again:
                said = again.communicate(timeout=200)[0]
    assert "All of it happened as told" in said, said

    def without_numbers(line):
        line = re.sub(r"\b\d[\d.]*(us|ms|s)\b", "T", line.strip())
        return re.sub(r"\d+", "N", re.sub(r"^\d+ s ", "", line))

    printed = [without_numbers(line) for line in said.splitlines()]
    for line in block_of(("README.md", "== systemd's watchdog aborts it")).text.splitlines():
        wanted = without_numbers(line)
        assert any(one.startswith(wanted[:-3]) if wanted.endswith("...") else one == wanted for one in printed), (line, said)
