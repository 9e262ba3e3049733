# SPDX-License-Identifier: MIT
"""sdwdctl wrap, check and unwrap on services of Debian as they are installed, and on a plain script."""

import re
import shlex

import pytest

import wrapped

W = 5
FOLDER = "/etc/systemd/system"
DROP_IN = "zz-sdwd.conf"

SERVER = """\
#!/usr/bin/python3
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 20321), Handler).serve_forever()
"""

# What says how a unit is just now, not what it is.
PASSING = re.compile(r"(.*(Timestamp|Monotonic|USec(Left)?Now)|(Exec)?Main(PID|Code|Status)|ControlPID|InvocationID|NRestarts|"
                     r"Result|.*Result|(Active|Sub|Freezer)State|StatusText|StatusErrno|.*(Current|Peak|Available)|"
                     r"CPUUsageNSec|IO(Read|Write)(Bytes|Operations)|IP(In|E)gress(Bytes|Packets)|NFileDescriptorStore|Job|"
                     r"ControlGroup(Id)?|UID|GID|ReloadResult|Can(Start|Stop)|TasksCurrent|Effective.*|StateChange.*)")

UNITS = r"\.(target|service|socket|slice|mount)\b"


@pytest.fixture
def ctl(systemd, build):
    """sdwd and sdwdctl, installed as a package would install them."""
    systemd.run("install", "-m", "755", "-t", "/usr/bin", build / "sdwd", build / "sdwdctl")
    yield lambda *words, check=True: systemd.run("sdwdctl", *words, check=check, timeout=120)
    systemd.run("rm", "-f", "/usr/bin/sdwd", "/usr/bin/sdwdctl")


@pytest.fixture
def package(systemd):
    """Stops what a test starts of the units that are not its own."""
    used = []
    yield lambda name: used.append(name) or name
    for name in used:
        systemd.run("rm", "-rf", f"{FOLDER}/{name}.d")
        systemd.daemon_reload()
        systemd.systemctl("kill", "--signal=KILL", name, check=False)
        systemd.systemctl("stop", name, check=False)
        systemd.systemctl("reset-failed", name, check=False)


def settings(systemd, unit):
    """All that systemd knows of the unit, but what is passing."""
    lines = systemd.systemctl("show", "--all", unit).stdout.splitlines()
    known = dict(line.split("=", 1) for line in lines if "=" in line)
    # A command's property tells besides when it ran; a list of units, or of mounts, has no order of its own.
    return {name: sorted(value.split()) if name == "RequiresMountsFor" or re.search(UNITS, value) else
            re.sub(r" ; start_time=.*? }", " }", value) for name, value in known.items() if not PASSING.fullmatch(name)}


def show(systemd, unit, *properties):
    out = systemd.systemctl("show", unit, *[f"--property={p}" for p in properties]).stdout
    return dict(line.split("=", 1) for line in out.splitlines())


def wait_state(systemd, unit, **wanted):
    def are():
        now = show(systemd, unit, *wanted)
        return all(now[name] == value for name, value in wanted.items())
    wrapped.wait_for(are, lambda: f"{show(systemd, unit, *wanted)}\n" + "\n".join(
        str(e.get("MESSAGE")) for e in systemd.journal()[-40:]), timeout=60)


def children(systemd, unit):
    """The unit's processes but the main one."""
    now = show(systemd, unit, "ControlGroup", "MainPID")
    group = systemd.run("cat", f"/sys/fs/cgroup{now['ControlGroup']}/cgroup.procs").stdout.split()
    return [pid for pid in group if pid != now["MainPID"]]


def name_of(systemd, pid):
    return systemd.run("cat", f"/proc/{pid}/comm").stdout.strip()


def wrapped_and_back(systemd, ctl, unit, options, comm, status="healthy"):
    """
    A service that runs is wrapped, hangs, is restarted by the watchdog, and is unwrapped to what it was. @status: what
    systemd shows while it is well.
    """
    systemd.systemctl("start", unit)
    before = settings(systemd, unit)
    drop_in = f"{FOLDER}/{unit}.d/{DROP_IN}"

    done = ctl("wrap", unit, *options, f"--watchdog-sec={W}s", "--now")
    assert f"Made {drop_in}" in done.stdout and f"Restarting {unit}, " in done.stdout
    wait_state(systemd, unit, ActiveState="active", Type="notify", NotifyAccess="main", KillMode="mixed",
               StatusText=status, NRestarts="0")
    main = show(systemd, unit, "MainPID")["MainPID"]
    assert name_of(systemd, main) == "sdwd"
    pids = children(systemd, unit)
    assert comm in [name_of(systemd, pid) for pid in pids]
    # Its lines have the name that they had.
    assert show(systemd, unit, "SyslogIdentifier") == {"SyslogIdentifier": comm}
    again = ctl("wrap", unit, check=False)
    assert again.returncode == 1 and "it runs sdwd already" in again.stderr

    cursor = systemd.cursor()
    systemd.run("kill", "-STOP", *pids)
    wait_state(systemd, unit, NRestarts="1", ActiveState="active", StatusText=status)
    lines = [str(entry.get("MESSAGE")) for entry in systemd.journal(since=cursor) if unit in str(entry)]
    assert any(f"{unit}: Watchdog timeout (limit {W}s)!" in line for line in lines), "\n".join(lines)
    assert show(systemd, unit, "MainPID")["MainPID"] != main

    assert f"Removed {drop_in}" in ctl("unwrap", unit, "--now").stdout
    wait_state(systemd, unit, ActiveState="active")
    assert systemd.run("test", "-e", f"{FOLDER}/{unit}.d", check=False).returncode == 1
    assert settings(systemd, unit) == before
    assert "sdwd" not in [name_of(systemd, pid) for pid in
                          children(systemd, unit) + [show(systemd, unit, "MainPID")["MainPID"]]]


def test_nginx_of_debian_is_wrapped_and_unwrapped(systemd, ctl, package):
    unit = package("nginx.service")
    findings = ctl("check", unit, "--http=http://127.0.0.1/", check=False)
    assert findings.returncode == 1 and "warning: ExecStop=" in findings.stdout, findings.stdout
    assert findings.stdout.endswith("to change it: systemctl edit nginx.service\n"), findings.stdout
    assert "warning: TimeoutAbortSec= (or TimeoutStopSec=) is 5s" in findings.stdout, findings.stdout
    wrapped_and_back(systemd, ctl, unit, ["--http=http://127.0.0.1/"], "nginx")


def test_redis_of_debian_is_wrapped_and_unwrapped(systemd, ctl, package):
    unit = package("redis-server.service")
    findings = ctl("check", "redis-server", "--tcp=127.0.0.1:6379")
    assert findings.stdout.endswith("redis-server.service: nothing found that defeats the watchdog\n")
    # It says by itself how it is.
    wrapped_and_back(systemd, ctl, unit, ["--tcp=127.0.0.1:6379", r"--send=PING\r\n", r"--expect=^\+PONG"], "redis-server",
                     "Ready to accept connections")


def test_plain_script_is_wrapped_and_unwrapped(systemd, ctl, tmp_path):
    script, = wrapped.install(systemd, wrapped.script(tmp_path, "plain-server", SERVER))
    unit = systemd.unit("plain", f"[Service]\nExecStart={script}\n")
    wrapped_and_back(systemd, ctl, unit, ["--http=http://127.0.0.1:20321/"], "plain-server")


def test_without_now_the_service_runs_on_as_it_was(systemd, ctl):
    unit = systemd.unit("later", "[Service]\nExecStart=/bin/sleep infinity\n")
    systemd.start(unit)
    main = systemd.show(unit, "MainPID")
    done = ctl("wrap", unit)
    assert f"It takes effect with: systemctl daemon-reload && systemctl restart {unit}" in done.stdout
    assert "the process alone is watched" in done.stderr
    assert systemd.show(unit, "MainPID", "Type") == {"MainPID": main, "Type": "simple"}
    # The manager has not read it yet, but it is there.
    again = ctl("wrap", unit, check=False)
    assert again.returncode == 1 and "it runs sdwd already" in again.stderr
    ctl("unwrap", unit)
    # What is stopped stays so.
    systemd.stop(unit)
    said = ctl("wrap", unit, "--now").stdout.splitlines()
    assert said[1:] == [f"{unit} does not run: nothing is restarted, and its next start is under sdwd"]
    assert systemd.show(unit, "ActiveState", "Type") == {"ActiveState": "inactive", "Type": "notify"}
    ctl("unwrap", unit, "--now")
    assert systemd.show(unit, "ActiveState", "Type") == {"ActiveState": "inactive", "Type": "simple"}


def test_what_systemd_has_not_read_yet_counts_too(systemd, ctl):
    """wrap lets it read everything: what it makes must be of what is there then."""
    unit = systemd.unit("edited", "[Service]\nExecStart=/bin/sleep 1000\n")
    systemd.start(unit)
    assert "-- /bin/sleep 1000\n" in ctl("wrap", unit, "--dry-run").stdout
    systemd.write(f"{FOLDER}/{unit}.d/override.conf", "[Service]\nExecStart=\nExecStart=/bin/sleep 2000\n")
    ctl("wrap", unit, "--now")
    assert systemd.run("pgrep", "-P", systemd.show(unit, "MainPID"), "-f", "^/bin/sleep 2000$").stdout
    # The same of the unit's own file.
    ctl("unwrap", unit, "--now")
    systemd.run("rm", f"{FOLDER}/{unit}.d/override.conf")
    systemd.unit("edited", "[Service]\nType=oneshot\nExecStart=/bin/true\n", reload=False)
    assert "there is nothing to watch" in ctl("wrap", unit, check=False).stderr


def test_drop_ins_of_an_alias_count_too(systemd, ctl):
    """Also under the unit's real name, and as soon as they are there."""
    unit = systemd.unit("real", "[Service]\nExecStart=/bin/sleep 1000\n")
    alias = systemd.name("alias")
    systemd.write(f"{FOLDER}/{alias}.d/override.conf", "[Service]\nExecStart=\nExecStart=/bin/sleep 2000\nKillMode=process\n")
    systemd.start(unit)
    systemd.run("ln", "-s", f"/run/systemd/system/{unit}", f"{FOLDER}/{alias}")
    try:
        assert "warning: KillMode=process" in ctl("check", unit, check=False).stdout
        systemd.daemon_reload()
        assert systemd.show(unit, "KillMode") == "process"
        assert "warning: KillMode=process" in ctl("check", unit, check=False).stdout
        ctl("wrap", unit, "--now")
        assert systemd.run("pgrep", "-P", systemd.show(unit, "MainPID"), "-f", "^/bin/sleep 2000$").stdout
        ctl("unwrap", alias, "--now")
    finally:
        systemd.run("rm", "-r", f"{FOLDER}/{alias}", f"{FOLDER}/{alias}.d")


def test_a_template_is_wrapped_with_all_that_runs_of_it(systemd, ctl):
    template = systemd.unit(r"tem\x2dplate@", "[Service]\nExecStart=/bin/sleep infinity\n")
    one, other = (systemd.name(rf"tem\x2dplate@{i}") for i in ("one", "other"))
    systemd.start(one)
    # As systemctl takes it: without ".service" too.
    said = ctl("wrap", template.removesuffix(".service"), "--now").stdout
    assert "Restarting" in said
    shown = systemd.run("sh", "-c", re.search("meanwhile (systemctl status .*) says what is missing", said)[1]).stdout
    assert one in shown and "sdwd" in shown and other not in shown
    assert systemd.show(one, "ActiveState", "Type") == {"ActiveState": "active", "Type": "notify"}
    assert systemd.show(other, "ActiveState", "Type") == {"ActiveState": "inactive", "Type": "notify"}
    ctl("unwrap", template, "--now")
    assert systemd.show(one, "ActiveState", "Type") == {"ActiveState": "active", "Type": "simple"}
    # One that is not up yet is restarted as well.
    systemd.unit(r"tem\x2dplate@", "[Service]\nType=notify\nExecStart=/bin/sleep infinity\n")
    systemd.run("systemctl", "stop", one)
    systemd.run("systemctl", "start", "--no-block", one)
    systemd.wait_state(one, ActiveState="activating")
    assert "Restarting" in ctl("wrap", template, "--now", "--ready=exec").stdout
    assert systemd.show(one, "ActiveState") == "active"
    ctl("unwrap", template)
    systemd.unit(r"tem\x2dplate@", "[Service]\nExecStart=/bin/sleep infinity\n")
    # What it says to do can be done, in a shell.
    commands = ctl("wrap", template).stdout.split("It takes effect with: ", 1)[1].strip()
    main = systemd.show(one, "MainPID")
    systemd.run("sh", "-c", commands)
    assert systemd.show(one, "Type") == "notify" and systemd.show(one, "MainPID") != main
    systemd.run("sh", "-c", ctl("unwrap", template).stdout.split("It takes effect with: ", 1)[1].strip())
    assert systemd.show(one, "ActiveState", "Type") == {"ActiveState": "active", "Type": "simple"}


def test_commands_that_are_told_can_be_done_in_a_shell(systemd, ctl):
    unit = systemd.unit(r"com\x2dmand", "[Service]\nExecStop=/bin/true\nExecStart=/bin/sleep infinity\n")
    systemd.start(unit)
    told = ctl("check", unit, check=False).stdout.split("to change it: ")[1]
    assert shlex.split(told) == ["systemctl", "edit", unit]
    failed = ctl("wrap", unit, "--now", "--unix=/run/not-there", "--start-timeout=1s", check=False)
    assert failed.returncode == 1
    drop_in = systemd.run("cat", f"{FOLDER}/{unit}.d/{DROP_IN}").stdout
    for text, pattern in (drop_in, '# "(.*)" takes this file away'), (failed.stderr, "(sdwdctl unwrap --now .*) takes it back"):
        assert shlex.split(re.search(pattern, text)[1])[-1] == unit
    systemd.run("sh", "-c", re.search(pattern, text)[1])
    assert systemd.show(unit, "Type") == "simple"
    broken = systemd.unit(r"bro\x2dken", "[Service]\nType=notify\n")
    told = ctl("check", broken, check=False).stderr.split("; see ")[1]
    assert shlex.split(told) == ["systemctl", "status", broken]


def test_a_service_that_sdwd_may_not_signal_is_found(systemd, ctl):
    """It starts as root and changes its user, and the unit has no CAP_KILL; so is chrony of Debian."""
    text = ("[Service]\nCapabilityBoundingSet=~CAP_KILL\nTimeoutStopSec=2\nTimeoutAbortSec=15\n"
            "ExecStart=setpriv --reuid=65534 --regid=65534 --clear-groups /bin/sleep infinity\n")
    unit = systemd.unit("changes", text)
    said = ctl("check", unit, check=False).stdout
    assert "warning: CapabilityBoundingSet=" in said and "    write: CapabilityBoundingSet=CAP_KILL\n" in said

    def stop():
        ctl("wrap", unit, "--now")
        systemd.start(unit)
        systemd.stop(unit)
        ctl("unwrap", unit)
        return systemd.show(unit, "Result")
    assert stop() == "timeout" and wrapped.has(systemd, unit, "cannot forward SIGTERM to pid ")
    systemd.unit("changes", text + "CapabilityBoundingSet=CAP_KILL\n")
    assert stop() == "success" and ctl("check", unit).returncode == 0


def test_a_dynamic_user_is_seen_when_it_is_wrapped(systemd, ctl):
    unit = systemd.unit("dynamic", "[Service]\nDynamicUser=yes\nExecStart=/bin/sleep infinity\n")
    systemd.start(unit)
    ctl("wrap", unit, "--now")
    assert unit in ctl("status", unit.removesuffix(".service")).stdout
    ctl("unwrap", unit, "--now")


def test_command_line_arrives_as_it_was_written(systemd, ctl, tmp_path):
    """What systemd makes of the old command it makes of the new one: path and arguments are the same."""
    script, = wrapped.install(systemd, wrapped.script(
        tmp_path, "arguments-${HOME}", '#!/usr/bin/python3\nimport json, os, sys, time\n'
        'open(os.environ["OUT"], "w").write(json.dumps(sys.argv))\ntime.sleep(1000)\n'))
    out = f"/run/arguments-{systemd.name('arguments')}"
    line = r"""'a  b' "c\x20d\"" $LIST ${LIST}x $$HOME 100%% %N \
        # no comment""".replace("# no comment", "';'")
    unit = systemd.unit("arguments", f"[Service]\nEnvironment=OUT={out} \"LIST=one two\"\nExecStart=-{script} {line}\n")

    def arguments():
        systemd.run("rm", "-f", out)
        systemd.restart(unit)
        return wrapped.wait_for(lambda: systemd.run("cat", out, check=False).stdout, "it does not start")
    before = arguments()
    ctl("wrap", unit, "--now", "--watchdog-sec=30s")
    assert name_of(systemd, systemd.show(unit, "MainPID")) == "sdwd"
    assert arguments() == before and '"one", "two"' in before and unit.removesuffix(".service") in before
    ctl("unwrap", unit)


def test_unit_that_systemd_does_not_know_or_has_masked(systemd, ctl):
    done = ctl("wrap", "nowhere-at-all", check=False)
    assert (done.returncode, done.stderr) == (3, "sdwdctl: wrap: systemd knows no unit nowhere-at-all.service\n")
    unit = systemd.unit("masked", "[Service]\nExecStart=/bin/sleep 1\n")
    systemd.run("ln", "-s", "/dev/null", f"{FOLDER}/{unit}")
    systemd.daemon_reload()
    assert ctl("wrap", unit, check=False).stderr == f"sdwdctl: wrap: {unit} is masked\n"
    broken = systemd.unit("broken", "[Service]\nType=notify\n")
    assert "could not read" in ctl("check", broken, check=False).stderr


def test_manager_that_ignores_watchdogs_is_found(systemd, ctl):
    unit = systemd.unit("ignored", "[Service]\nExecStart=/bin/sleep infinity\n")
    systemd.systemctl("service-watchdogs", "no")
    try:
        done = ctl("check", unit, check=False)
    finally:
        systemd.systemctl("service-watchdogs", "yes")
    assert done.returncode == 1 and "serious: this systemd ignores all watchdogs" in done.stdout
    assert ctl("check", unit).returncode == 0
