# SPDX-License-Identifier: MIT
"""
What a unit locks away, row by row. In each the same service comes up, stays up for several W, is seen to hang and is
started again, and stops cleanly; what a setting takes from sdwd itself costs one clear line, and the rest works. All of
them run side by side. The service itself tells that the settings of its row took effect (sandboxed.py, PROOFS).

SDWD_TEST_ROWS=NAME,... runs these rows, "all" every one (tests/systemd/full-peers); without it those named in USUAL.
"""

import copy
import glob
import json
import os
import time
from pathlib import Path

import pytest

import wrapped
from tls import Authority

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "units" / "examples"
W = 5
FOLDER = "/usr/local/libexec/of-tests"

UNIT = """\
[Service]
Type=notify
NotifyAccess=main
WatchdogSec={w}
Restart=on-failure
RestartSec=100ms
RestartPreventExitStatus=9 125
KillMode=mixed
TimeoutStartSec=60
TimeoutStopSec=30
TimeoutAbortSec=10
{settings}
ExecStart={sdwd} {options} -- {folder}/sandboxed.py {port} {proofs}
"""

# What looks at the service, by the name of the probe. Long timeouts: nothing here is about the speed of a look.
LOOKS = {
    "heartbeat": "--heartbeat --silence=4s",
    "notify": "--notify=watchdog --silence=4s",
    "file": "--file={runtime}/beat --silence=4s --interval=1s",
    "http": "--http=http://127.0.0.1:{port}/ --interval=1s --timeout=1s",
    "https": "--http=https://127.0.0.1:{tls_port}/ --name=https --http-insecure --interval=1s --timeout=1s",
    "listen-queue": "--listen-queue={port} --interval=1s --timeout=1s",
    "exec": "--exec=/bin/true --interval=1s --timeout=1s",
}
HOOK = "\"--unhealthy-hook=sh -c 'exit 7'\""
# The line of sdwd that tells how its hook ended.
HOOKED = "--unhealthy-hook: exited with 7"

STRICT = ["ProtectSystem=strict", "ReadWritePaths=-/run/sdwd"]
HARDENED = [
    "DynamicUser=yes", "CapabilityBoundingSet=", "NoNewPrivileges=yes", *STRICT, "ProtectHome=yes", "PrivateTmp=yes",
    "PrivateDevices=yes", "ProtectProc=invisible", "ProcSubset=pid", "ProtectClock=yes", "ProtectControlGroups=yes",
    "ProtectHostname=yes", "ProtectKernelLogs=yes", "ProtectKernelModules=yes", "ProtectKernelTunables=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "RestrictNamespaces=yes", "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes", "LockPersonality=yes", "MemoryDenyWriteExecute=yes", "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources", "PrivateUsers=yes", "PrivateIPC=yes",
    "IPAddressDeny=any", "IPAddressAllow=localhost", "UMask=0077",
]


class Row:
    """
    One unit. @settings: lines of it; @proofs: what they did to the service; @lines: what sdwd says because of them, each
    once; @without: probes that the row does not have; @options: of sdwd besides; @has_control: its socket can be made, and found by the
    name of the unit; @has_folder: it has a RuntimeDirectory=.
    """

    def __init__(self, settings, proofs="", lines=(), without=(), options="", has_control=True, has_folder=True):
        self.settings, self.proofs, self.lines, self.options = settings, proofs, lines, options
        self.without, self.has_control, self.has_folder = set(without), has_control, has_folder
        if not has_folder:
            self.without.add("file")

    def looks(self):
        return [name for name in LOOKS if name not in self.without]

    def text(self, sdwd, port, name):
        runtime = f"/run/{name}"
        words = " ".join(LOOKS[name] for name in self.looks())
        options = words.format(port=port, tls_port=port + 1, runtime=runtime) + f" {self.options} {HOOK}"
        settings = "\n".join([*([f"RuntimeDirectory={name}"] if self.has_folder else []), *self.settings])
        return UNIT.format(w=W, settings=settings, sdwd=sdwd, options=options, folder=FOLDER, port=port, proofs=self.proofs)


NO_CONTROL = "no control socket: /run/sdwd: Read-only file system"
ROOT_FOLDER = ["RootDirectory=/srv/box", "BindReadOnlyPaths=/usr /lib -/lib64 /bin /etc"]

ROWS = {
    "plain": Row([]),
    "dynamic-user": Row(["DynamicUser=yes", "ReadWritePaths=-/run/sdwd"], "not-root read-only-root"),
    # Its own /tmp is all that may be written: the relay is there.
    "dynamic-user-alone": Row(["DynamicUser=yes"], "not-root read-only-root private-tmp", [NO_CONTROL], has_control=False,
                              has_folder=False),
    "read-only-root": Row(["ReadOnlyPaths=/"], "read-only-root read-only-run", [NO_CONTROL], has_control=False,
                          has_folder=False),
    "strict": Row(["ProtectSystem=strict"], "read-only-root", [NO_CONTROL], has_control=False),
    "private-tmp": Row(["PrivateTmp=yes"], "private-tmp", has_folder=False),
    "private-network": Row(["PrivateNetwork=yes"], "private-network"),
    "private-users": Row(["PrivateUsers=yes"], "private-users"),
    "private-users-daemon": Row(["PrivateUsers=yes", "User=daemon"], "private-users not-root"),
    "proc-invisible": Row(["ProtectProc=invisible", "User=daemon"], "no-proc-1"),
    "proc-pid": Row(["ProcSubset=pid", "ProtectProc=invisible", "User=daemon"], "no-proc-sys"),
    "no-netlink": Row(["RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"], "no-netlink no-packets"),
    "no-netlink-proc-pid": Row(["RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "ProcSubset=pid"],
                               "no-netlink no-proc-sys"),
    "no-new-privileges": Row(["NoNewPrivileges=yes", "User=daemon"], "no-new-privileges"),
    "system-service-kills": Row(["SystemCallFilter=@system-service"], "filtered"),
    "system-service-refuses": Row(["SystemCallFilter=@system-service", "SystemCallErrorNumber=EPERM"], "filtered"),
    "not-privileged-kills": Row(["SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources",
                                 "User=daemon"], "filtered"),
    "not-privileged-kills-root": Row(["SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources"],
                                     "filtered"),
    # Neither a way to give them up nor to leave them behind.
    "not-privileged-kills-some": Row(["SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources",
                                      "CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_CHOWN"], "filtered"),
    "no-wx": Row(["MemoryDenyWriteExecute=yes"], "no-wx"),
    "locked": Row(["LockPersonality=yes", "RestrictNamespaces=yes", "RestrictSUIDSGID=yes", "RestrictRealtime=yes",
                   "ProtectHome=yes", "PrivateDevices=yes"],
                  "no-personality no-namespaces no-setuid no-realtime no-home"),
    "no-capabilities": Row(["CapabilityBoundingSet="], "no-capabilities"),
    "protected": Row(["ProtectControlGroups=yes", "ProtectKernelTunables=yes", "ProtectKernelModules=yes",
                      "ProtectKernelLogs=yes", "ProtectClock=yes", "ProtectHostname=yes", "Delegate=yes"], "filtered"),
    "umask": Row(["UMask=0777", "User=daemon"], "umask", has_folder=False),
    "few-files": Row(["LimitNOFILE=18"], "few-files"),
    "few-processes": Row(["DynamicUser=yes", "LimitNPROC=12", "ReadWritePaths=-/run/sdwd"], "few-processes"),
    "root-folder": Row([*ROOT_FOLDER, "BindLogSockets=no"], "root-folder no-run", lines=["sdwd: ready after"],
                       has_control=False),
    # Without that setting systemd 257 and later put the journal's sockets into it.
    "root-folder-alone": Row(ROOT_FOLDER, "root-folder", lines=["ready after"], has_control=False),
    "no-journal": Row(["InaccessiblePaths=/run/systemd/journal"], lines=["sdwd: ready after"]),
    # It cannot find out the name of its unit, and so has another label.
    "no-proc": Row(["InaccessiblePaths=/proc"], "no-proc", has_control=False),
    "no-locked-memory": Row(["LimitMEMLOCK=0", "User=daemon"], "no-locked-memory", options="--mlock",
                            lines=["--mlock: not done: Operation not permitted"]),
    "hardened": Row(HARDENED, "not-root read-only-root no-capabilities no-new-privileges no-wx no-netlink no-proc-1"),
}

# What goes wrong in one of the others goes wrong in one of these.
USUAL = ("dynamic-user-alone read-only-root private-users-daemon proc-pid no-netlink-proc-pid system-service-kills "
         "not-privileged-kills not-privileged-kills-some umask few-files root-folder root-folder-alone no-proc hardened "
         "no-locked-memory").split()


@pytest.fixture(scope="module")
def here(systemd, build, tmp_path_factory):
    """sdwd inside, with its neighbours and all that the service needs."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate = Authority(folder).issue("web")
    paths = wrapped.install(systemd, build / "sdwd", build / "sdwd-prober", build / "sdwdctl", HERE / "sandboxed.py",
                            *certificate)
    systemd.run("sh", "-c", "mkdir -p /run/sdwd; chmod 1777 /run/sdwd; touch /tmp/of-the-tests; "
                "for f in usr lib lib64 bin etc proc sys dev run tmp; do mkdir -p /srv/box/$f; done")
    return paths[0]


def statuses(systemd):
    """What the control sockets say, by label."""
    found = systemd.run(f"{FOLDER}/sdwdctl", "status", "--json", "--timeout=20s", check=False).stdout
    return {s["label"]: s for s in (a.get("status") or a for a in json.loads(found))}


def rows_here(systemd, names):
    """ROWS as far as they are to be had here."""
    rows = {name: copy.copy(ROWS[name]) for name in names}
    for name, row in rows.items():
        # Before, systemd does not lay its socket into the folder by itself.
        if name.startswith("root-folder") and systemd.version < 248:
            row.settings = [*row.settings, "BindReadOnlyPaths=/run/systemd/notify"]
        if not wrapped.RESTRICTS_FAMILIES:
            row.proofs = row.proofs.replace("no-netlink", "netlink").replace("no-packets", "packets")
    return rows


def count(lines, text):
    return sum(text in line for line in lines)


def complain_up(systemd, unit, row, status, n_restarts):
    """What is wrong with a unit that shall be up, as text; empty: nothing."""
    now = systemd.show(unit, "ActiveState", "NRestarts", "StatusText")
    if now != {"ActiveState": "active", "NRestarts": str(n_restarts), "StatusText": "healthy"}:
        return f"{now}"
    if row.has_control and not status:
        return "no answer at its control socket"
    if status and [p["name"] for p in status["probes"]] != row.looks():
        return f"other probes: {status['probes']}"
    bad = [p for p in status["probes"] if p["cause"] != "ok"] if status else []
    return f"not all well: {bad}" if bad else ""


def run_rows(systemd, sdwd, rows):
    """The failures as texts by row."""
    failures = {}
    units, texts = {}, {}
    for number, (name, row) in enumerate(rows.items()):
        units[name] = systemd.name(f"box-{name}")
        texts[f"box-{name}"] = row.text(sdwd, 21000 + 2 * number, units[name].removesuffix(".service"))

    def note(name, text):
        if text and name not in failures:
            failures[name] = f"{name}: {text}\n{systemd.describe(units[name])}"

    for stem, text in texts.items():
        systemd.unit(stem, text, reload=False)
    systemd.daemon_reload()
    systemd.systemctl("start", *units.values(), check=False, timeout=180)
    time.sleep(3 * W)
    seen = statuses(systemd)
    for name, row in rows.items():
        note(name, complain_up(systemd, units[name], row, seen.get(units[name]), 0))
        lines = wrapped.texts(systemd, units[name])
        for line in row.lines:
            if count(lines, line) != 1:
                note(name, f"not said once: {line}")
        if not row.lines and count(lines, "no control socket"):
            note(name, "no control socket")
        if count(lines, "sdwd-prober (pid "):
            note(name, "the prober died")
    alive = [name for name in rows if name not in failures]
    for name in alive:
        systemd.systemctl("kill", systemd.main_alone, "--signal=USR1", units[name])
    deadline = time.monotonic() + 90
    for name in alive:
        left = max(1, deadline - time.monotonic())
        try:
            systemd.wait_state(units[name], timeout=left, NRestarts="1", ActiveState="active", StatusText="healthy")
        except AssertionError as error:
            note(name, f"not started again: {error}")
            continue
        lines = wrapped.texts(systemd, units[name])
        if count(lines, f"Watchdog timeout (limit {W}s)!") != 1 or count(lines, HOOKED) != 1:
            note(name, "no watchdog, or no hook")
    systemd.systemctl("stop", *units.values(), check=False)
    for name in alive:
        if systemd.show(units[name], "Result", "ActiveState") != {"Result": "success", "ActiveState": "inactive"}:
            note(name, "did not stop well")
    return failures


def test_each_setting(systemd, here):
    only = os.environ.get("SDWD_TEST_ROWS")
    names = list(ROWS) if only == "all" else only.split(",") if only else USUAL
    failures = run_rows(systemd, here, rows_here(systemd, names))
    assert not failures, "\n\n".join(failures.values())


class Lack:
    """A unit that lacks what it needs: @options of sdwd, the @lines that tell it, and how its start ends."""

    def __init__(self, settings, options, lines, result="timeout", status=15, port=0):
        self.settings, self.options, self.lines, self.port = settings, options, lines, port
        self.end = {"Result": result, "ExecMainStatus": str(status)}


LIBEV = next(iter(glob.glob("/usr/lib/*/libev.so.4") + glob.glob("/usr/lib*/libev.so.4")))
CANNOT = "--exec=/usr/bin/true --interval=1s --timeout=1s"
SELF = "--rtprio=5 --nice=-3 --mlock"
NOT_DONE = "not done: SystemCallFilter= of the unit would kill sdwd for it"
RESET = "SCHED_RESET_ON_FORK: the command does not get the scheduling of the unit: SystemCallFilter= would kill it for that"
SCHEDULER = "sched_getscheduler sched_getparam getpriority"
HTTP = "--http=http://127.0.0.1:{port}/ --interval=1s --timeout=900ms"

LACKS = {
    "unix": Lack(["RestrictAddressFamilies=AF_INET AF_INET6"], "", [
        "sdwd: cannot speak to systemd: NOTIFY_SOCKET='/run/systemd/notify': Address family not supported by protocol"], "exit-code", 125),
    "notify-socket": Lack(["InaccessiblePaths=/run/systemd/notify"], "", [
        "systemd takes no message for 5s: NOTIFY_SOCKET='/run/systemd/notify': Connection refused"]),
    "run": Lack(["TemporaryFileSystem=/run"], "", [
        "systemd takes no message for 5s: NOTIFY_SOCKET='/run/systemd/notify': No such file or directory"]),
    "inet": Lack(["RestrictAddressFamilies=AF_UNIX"], HTTP.format(port=1), [
        "SIGTERM from pid 1: stopping while starting: http: sdwd cannot look: connect: Address family not supported by protocol"]),
    "address": Lack(["IPAddressDeny=any"], HTTP, ["stopping while starting: http: no connection within 900ms"], port=22000),
    "prober": Lack([f"InaccessiblePaths={FOLDER}/sdwd-prober -/usr/local/libexec/sdwd -/usr/libexec/sdwd"],
                   "--http=https://127.0.0.1:1/", [
        "sdwd: --http: https needs sdwd-prober: ", "; it is in the package sdwd-prober"], "exit-code", 125),
    "check": Lack(["NoExecPaths=/usr/bin/true"], CANNOT, ["sdwd: --exec: '/usr/bin/true': cannot execute '/usr/bin/true': Permission denied"],
                  "exit-code", 125),
    "sdwd": Lack(["RootDirectory=/srv"], "", [], "exit-code", 203),
    "libraries": Lack([f"InaccessiblePaths={LIBEV}"], "", ["libev.so.4"], "exit-code", 127),
    "files": Lack(["LimitNOFILE=8"], "--heartbeat=20", ["Too many open files"], "exit-code", 125),
    "processes": Lack(["DynamicUser=yes", "LimitNPROC=1"], "", ["cannot start '", ": Resource temporarily unavailable"],
                      "exit-code", 125),
    "system-calls": Lack(["SystemCallFilter=@system-service", "SystemCallFilter=~@resources @memlock"], SELF, [
        f"--rtprio=5: {NOT_DONE}", f"--nice=-3: {NOT_DONE}", f"--mlock: {NOT_DONE}", "ready after"], "success", 0),
    "refused-calls": Lack(["SystemCallFilter=@system-service", "SystemCallFilter=~@resources @memlock",
                           "SystemCallErrorNumber=EPERM"], SELF,
                          ["--rtprio=5: not done: Operation not permitted", "--nice=-3: not done: Operation not permitted",
                           "--mlock: not done: Operation not permitted", "ready after"], "success", 0),
    "scheduling": Lack(["CPUSchedulingPolicy=rr", "CPUSchedulingPriority=2", "CPUSchedulingResetOnFork=yes",
                        "SystemCallFilter=@system-service", "SystemCallFilter=~@resources"], "", [
        RESET, "ready after"], "success", 0),
    # What sdwd itself asks of its scheduling is no reason to die.
    "scheduler": Lack(["Nice=-5", "SystemCallFilter=@system-service", f"SystemCallFilter=~{SCHEDULER}"], "", ["ready after"],
                      "success", 0),
    "real-time": Lack(["CPUSchedulingPolicy=rr", "CPUSchedulingPriority=2", "SystemCallFilter=@system-service",
                       f"SystemCallFilter=~{SCHEDULER}"], "", ["ready after"], "success", 0),
    "scheduler-reset": Lack(["Nice=-5", "CPUSchedulingPolicy=other", "CPUSchedulingResetOnFork=yes",
                             "SystemCallFilter=@system-service", f"SystemCallFilter=~{SCHEDULER}"], "",
                            [RESET, "ready after"], "success", 0),
}


def lacks_here(systemd):
    """LACKS as far as they are to be had here."""
    lacks = dict(LACKS)
    if systemd.version < 248:
        # It has no NoExecPaths=: by a file that nobody may execute.
        lacks["check"] = copy.copy(lacks["check"])
        lacks["check"].settings = ["InaccessiblePaths=/usr/bin/true"]
    if not wrapped.RESTRICTS_FAMILIES:
        # Nothing is taken from them.
        lacks["unix"] = Lack(LACKS["unix"].settings, LACKS["unix"].options, ["ready after"], "success", 0)
        lacks["inet"] = Lack(LACKS["inet"].settings, LACKS["inet"].options,
                             ["stopping while starting: http: connection refused"])
    return lacks


def test_what_is_missing_is_said(systemd, here):
    """Each ends as it must, and one line of sdwd (where that runs at all) names what it lacks."""
    units = {}
    lacks = lacks_here(systemd)
    for name, lack in lacks.items():
        text = UNIT.format(w=W, settings="\n".join([*lack.settings, "TimeoutStartSec=9", "Restart=no"]), sdwd=here, folder=FOLDER,
                           options=lack.options.format(port=lack.port) + " --heartbeat", port=lack.port, proofs="")
        units[name] = systemd.unit(f"lack-{name}", text, reload=False)
    systemd.daemon_reload()
    systemd.systemctl("start", *units.values(), check=False, timeout=180)
    failures = []
    for name, lack in lacks.items():
        wrapped.wait_for(lambda name=name: systemd.show(units[name], "ActiveState") in ("active", "failed"), name, 60)
        end, said = systemd.show(units[name], "Result", "ExecMainStatus"), wrapped.texts(systemd, units[name])
        missing = [line for line in lack.lines if count(said, line) != 1]
        if end != lack.end or missing:
            failures.append(f"{name}: {end}, not said once: {missing}\n{systemd.describe(units[name])}")
    assert not failures, "\n\n".join(failures)


def test_the_hardened_example(systemd, here):
    """As it is shipped, and nothing of sdwd is missing in it."""
    text = (EXAMPLES / "hardened.service").read_text(encoding="utf-8")
    unit = systemd.unit("box-example", text.replace("/usr/bin/sdwd ", f"{here} ").replace("8080", "22010"))
    systemd.start(unit)
    assert systemd.show(unit, "StatusText") == "healthy" and statuses(systemd)[unit]["health"] == "healthy"
    child = statuses(systemd)[unit]["childPid"]
    seen = systemd.run("cat", f"/proc/{child}/status").stdout
    assert "NoNewPrivs:\t1" in seen and "Seccomp:\t2" in seen and "CapBnd:\t0000000000000000" in seen
    said = wrapped.texts(systemd, unit)
    assert not [line for line in said if "refused" in line or "no control socket" in line], said
    systemd.stop(unit)
    assert systemd.show(unit, "Result") == "success"


def test_the_relay_in_a_private_tmp_is_not_cleaned_away(systemd, here):
    """
    systemd-tmpfiles removes what is old in the /tmp of a unit too, and knows a live socket only by the path outside. From
    systemd 257 on DynamicUser= alone makes a /tmp that has no path outside.
    """
    unit = systemd.unit("box-cleaned", UNIT.format(w=W, settings="DynamicUser=yes\nPrivateTmp=yes", sdwd=here, folder=FOLDER,
                                                   port=0, proofs="", options="--heartbeat --notify=watchdog --silence=4s"))
    systemd.start(unit)
    place = f"/tmp/systemd-private-*-{unit}-*/tmp"
    systemd.run("sh", "-c", f"cd {place} && touch old && mkdir folder && touch folder/old")
    systemd.write("/run/box-clean.conf", f"e {place} - - - 0\n")
    systemd.run("systemd-tmpfiles", "--clean", "/run/box-clean.conf")
    left = systemd.run("sh", "-c", f"cd {place} && find . -type s -o -name old").stdout.split()
    assert len(left) == 1 and left[0].endswith("/notify"), left
    systemd.stop(unit)
    assert systemd.show(unit, "Result") == "success"
