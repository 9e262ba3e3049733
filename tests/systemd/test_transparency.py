# SPDX-License-Identifier: MIT
"""
The child must not notice sdwd: what a process of a unit can know of itself, with and without sdwd in its ExecStart=. It
is the same unit by the same name each time, so that control group, folders and sockets are the same.
"""

import json
import re
from pathlib import Path

import pytest

import wrapped

SEEN = Path(__file__).resolve().parent / "seen.py"
LISTENS = Path(__file__).resolve().parent / "listens.py"

BEFORE = """#!/bin/sh
grep '^Sig' /proc/self/status >"$1.signals"
exec /usr/local/libexec/of-tests/seen.py "$1"
"""

# What may differ, by a pattern of its name, and why.
ALLOWED = {
    r"p?pid|status (Pid|Tgid|Ngid|PPid|NSpid|NStgid)": "numbers of processes; the parent is sdwd",
    r"stat pgrp|status NSpgid": "a process group of its own, or kill(0) of the child would reach sdwd",
    r"stat session|status NSsid": "sdwd leads the session that systemd made, the child is in it",
    r"status (nonvoluntary|voluntary)_ctxt_switches": "how often it waited",
    r"status (Vm|Rss).*": "pages, which vary with the addresses",
    r"status FDSize": "fork(2) gives room for what is needed, a process keeps what it once needed",
    r"status SigQ": "signals queued by this user in all processes",
    r"environ INVOCATION_ID": "of each start",
    r"environ JOURNAL_STREAM|fd [12]": "the stream to the journal, of each start",
    r"environ (LISTEN_PID|SYSTEMD_EXEC_PID|WATCHDOG_PID)": "the pid that reads it: checked below",
    r"environ NOTIFY_SOCKET": "the relay",
    r"environ WATCHDOG_USEC": "with --notify the silence, 0.8 W: checked below",
    r"ns/mnt": "systemd makes a mount namespace for each start",
}

SETTINGS = {
    "plain": [],
    "rich": ["Nice=7", "LimitNOFILE=333:777", "LimitCORE=0:4096", "LimitMEMLOCK=65536", "LimitSIGPENDING=99",
             "UMask=0037", "Environment=A=b EMPTY=", "OOMScoreAdjust=321", "IgnoreSIGPIPE=no", "TimerSlackNSec=123456",
             "CPUSchedulingPolicy=batch", "IOSchedulingClass=best-effort", "IOSchedulingPriority=6",
             "CPUAffinity=0", "CoredumpFilter=0x11", "WorkingDirectory=/usr", "SecureBits=noroot"],
    "confined": ["User=daemon", "IgnoreSIGPIPE=yes", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_CHOWN",
                 "AmbientCapabilities=CAP_NET_BIND_SERVICE", "NoNewPrivileges=yes", "PrivateTmp=yes",
                 "ProtectSystem=strict", "RestrictRealtime=yes", "SystemCallFilter=@system-service",
                 "SystemCallErrorNumber=EPERM", "LockPersonality=yes", "StandardInput=null", "StandardError=inherit"],
    "input": ["StandardInput=file:/etc/hostname", "StandardOutput=null", "SupplementaryGroups=daemon",
              "KeyringMode=private", "CPUSchedulingPolicy=idle", "OOMScoreAdjust=200"],
}

# Of the settings: what a process must see where they took effect, so that equality says something.
EFFECTS = {
    "plain": {"stat nice": "0", "status SigIgn": "0000000000001000", "status SigBlk": "0" * 16},
    "rich": {"stat nice": "7", "status Umask": "0037", "environ A": "b", "environ EMPTY": "", "oom_score_adj": "321\n",
             "prctl timerslack": 123456, "cwd": "/usr", "affinity": [0], "scheduler": [3, 0, 7], "ioprio": 2 << 13 | 6,
             "status SigIgn": "0" * 16, "prctl securebits": 1},
    "confined": {"prctl no_new_privs": 1, "status CapAmb": "0000000000000400", "status Seccomp": "2",
                 "status CapBnd": "0000000000000401", "status SigIgn": "0000000000001000", "fd 0": "/dev/null"},
    "input": {"fd 0": "/etc/hostname", "fd 1": "/dev/null", "oom_score_adj": "200\n", "scheduler": [5, 0, 0]},
}


def differences(bare, under):
    return {key: (bare.get(key), under.get(key)) for key in bare.keys() | under.keys()
            if bare.get(key) != under.get(key) and not any(re.fullmatch(pattern, key) for pattern in ALLOWED)}


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_process_finds_itself_as_without_sdwd(systemd, sdwd_path, tmp_path, settings):
    name = systemd.name("self")
    file = f"/run/{name}/seen"
    sdwd, program, _ = wrapped.install(systemd, sdwd_path, wrapped.script(tmp_path, "before", BEFORE), SEEN)
    if settings != "plain":
        systemd.unit("self.socket", f"[Socket]\nListenStream=/run/{name}-1\nListenDatagram=/run/{name}-2\n"
                     f"FileDescriptorName=given\nService={name}\n", reload=False)
    seen = {}
    for side, command in ("bare", program), ("under", f"{sdwd} --notify -- {program}"):
        systemd.unit("self", wrapped.unit_text(f"{command} {file}", "WatchdogSec=30", f"RuntimeDirectory={name}",
                                               "RuntimeDirectoryPreserve=yes", *SETTINGS[settings]))
        if settings != "plain" and side == "bare":
            systemd.start("self.socket")
        # As soon as it is ready it ends.
        systemd.start("self", check=False)
        systemd.wait_state("self", ActiveState="inactive", Result="success")
        seen[side] = json.loads(systemd.run("cat", file).stdout)
        systemd.run("rm", file)
    bare, under = seen["bare"], seen["under"]
    assert differences(bare, under) == {}, systemd.describe("self")

    for key, effect in EFFECTS[settings].items():
        assert bare[key] == effect, (key, bare[key], "the setting took no effect here")
    pid = str(under["pid"])
    assert under["environ WATCHDOG_PID"] == pid
    # systemd sets it since 248.
    assert under.get("environ SYSTEMD_EXEC_PID") == (pid if systemd.version >= 248 else None)
    assert under["environ WATCHDOG_USEC"] == "24000000" and bare["environ WATCHDOG_USEC"] == "30000000"
    numbers = range(3 if settings == "plain" else 5)
    assert {key for key in under if key.startswith("fd ")} == {f"fd {n}" for n in numbers}
    if settings != "plain":
        assert under["environ LISTEN_PID"] == pid and under["environ LISTEN_FDS"] == "2"
        assert under["environ LISTEN_FDNAMES"] == "given:given"


def test_socket_activation_works_through_sdwd(systemd, sdwd_path):
    name = systemd.unit("active", wrapped.unit_text(f"{sdwd_path} -- {LISTENS}", "WatchdogSec=30"))
    for socket in "first", "second":
        systemd.unit(f"{socket}.socket", f"[Socket]\nListenStream=/run/{name}-{socket}\n"
                     f"FileDescriptorName={socket}\nService={name}\n")
        systemd.start(f"{socket}.socket")
    for _ in range(2):
        assert systemd.show(name, "ActiveState") == "inactive"
        for socket in "first", "second":
            answer = systemd.run("/usr/bin/python3", "-c", "import socket, sys\n"
                                 "with socket.socket(socket.AF_UNIX) as s:\n"
                                 "    s.settimeout(20)\n    s.connect(sys.argv[1])\n    print(s.recv(99).decode())",
                                 f"/run/{name}-{socket}").stdout.split()
            assert answer == [socket, systemd.show(name, "MainPID")], systemd.describe(name)
        systemd.wait_state(name, ActiveState="active", StatusText="healthy")
        # The sockets stay, and start it again at the next connection.
        systemd.systemctl("stop", name)


ANSWERS = """#!/bin/sh
read line
echo "got $line"
"""


@pytest.mark.option("log-target")
def test_a_client_is_told_nothing_by_sdwd(systemd, sdwd_path, tmp_path):
    """Accept=yes, and the connection is all that the program has: stdin, stdout and stderr."""
    sdwd, program = wrapped.install(systemd, sdwd_path, wrapped.script(tmp_path, "answers", ANSWERS))
    before = systemd.cursor()
    for side, kind, command in ("bare", "simple", program), ("under", "notify", f"{sdwd} -- {program}"):
        service = systemd.unit(f"{side}@", wrapped.unit_text(command, "StandardInput=socket", f"Type={kind}"))
        stem = service.replace("@.service", "")
        systemd.unit(systemd.as_named(f"{stem}.socket"), f"[Socket]\nListenStream=/run/{stem}\nAccept=yes\n")
        systemd.start(f"{stem}.socket")
        heard = systemd.run("/usr/bin/python3", "-c", "import socket, sys\n"
                            "with socket.socket(socket.AF_UNIX) as s:\n"
                            "    s.settimeout(20)\n    s.connect(sys.argv[1])\n    s.sendall(b'this\\n')\n"
                            "    while data := s.recv(99):\n        sys.stdout.write(data.decode())",
                            f"/run/{stem}").stdout
        assert heard == "got this\n", (side, heard)
    systemd.wait_journal("the service exited with 0", since=before)


PAM = """\
auth required pam_permit.so
account required pam_permit.so
session required pam_exec.so /usr/local/libexec/of-tests/session
"""
SESSION = """#!/bin/sh
umask 0
echo "$PAM_TYPE" >>"/run/$PAM_SERVICE/told"
"""
FORKS = """#!/bin/sh
setsid sleep 3600 &
"""


# Where its own user may not read of systemd's child in /proc, and where nobody may read anything there.
HIDINGS = {"seen": [], "invisible": ["ProtectProc=invisible"], "noaccess": ["ProtectProc=noaccess"],
           "no-proc": ["InaccessiblePaths=/proc"]}


@pytest.mark.option("orphans")
@pytest.mark.parametrize("hiding", HIDINGS)
def test_a_session_of_pam_ends_as_without_sdwd(systemd, sdwd_path, tmp_path, hiding):
    """systemd leaves a child of the main process there, which ends the session once that is gone: it is none of ours."""
    sdwd, _ = wrapped.install(systemd, sdwd_path, wrapped.script(tmp_path, "session", SESSION))
    for side, command, kind in (("bare", "", "simple"), ("under", f"{sdwd} --", "notify"),
                                ("waits", f"{sdwd} --orphans=wait --", "notify")):
        name = systemd.name(side)
        systemd.write(f"/etc/pam.d/{name}", PAM)
        systemd.unit(side, wrapped.unit_text(
            f"{command} /bin/sleep 0.5".strip(), f"Type={kind}", "User=daemon", f"PAMName={name}", "KillMode=control-group",
            f"RuntimeDirectory={name}", "RuntimeDirectoryPreserve=yes", "RemainAfterExit=yes", *HIDINGS[hiding]))
        systemd.start(side)
        systemd.wait_state(side, SubState="exited")
        wrapped.wait_for(lambda name=name: systemd.run("cat", f"/run/{name}/told").stdout.split()
                         == ["open_session", "close_session"], f"{side}: the end of the session")
        for word in ("left behind", "cannot look"):
            assert not wrapped.has(systemd, side, word), systemd.describe(side)


@pytest.mark.option("forking")
@pytest.mark.parametrize("hiding", ["seen", "invisible", "noaccess"])
def test_a_session_of_pam_is_no_daemon(systemd, sdwd_path, tmp_path, hiding):
    sdwd, program = wrapped.install(systemd, sdwd_path, wrapped.script(tmp_path, "forks", FORKS))
    systemd.write(f"/etc/pam.d/{systemd.name('forks')}", PAM.replace("pam_exec.so /usr/local/libexec/of-tests/session",
                                                                     "pam_permit.so"))
    systemd.unit("forks", wrapped.unit_text(f"{sdwd} --forking -- {program}", "User=daemon",
                                            f"PAMName={systemd.name('forks')}", *HIDINGS[hiding]))
    systemd.start("forks")
    assert wrapped.has(systemd, "forks", "(the one process that remained)"), systemd.describe("forks")


@pytest.mark.option("orphans")
def test_what_a_shell_began_before_sdwd_is_left_behind(systemd, sdwd_path, tmp_path):
    """Its readable children from before are no sessions of PAM."""
    sdwd, = wrapped.install(systemd, sdwd_path)
    systemd.unit("shell", wrapped.unit_text(f"/bin/sh -c 'sleep 3600 & exec {sdwd} -- /bin/sleep 0.5'", "User=daemon",
                                            "ProtectProc=invisible"))
    systemd.start("shell")
    systemd.wait_state("shell", SubState="dead")
    assert wrapped.has(systemd, "shell", "1 process left behind, got SIGTERM"), systemd.describe("shell")
