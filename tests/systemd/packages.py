#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Packages on a machine: installed, used, removed. For a root of Debian (tests/systemd/root), where full-install runs it.

    packages.py deb FOLDER    the .deb files of FOLDER: where no systemd runs, where there is none, and under a real one.
                              apt has fetched what they depend on, and gets nothing from elsewhere
    packages.py rpm FOLDER    the .rpm files, without asking what they depend on, which Debian has by other names

Everything is written into layers that are thrown away. Exit status 0: all held; else a Traceback that says what did not.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import private

NAMES = ("sdwd", "sdwd-prober", "sdwdctl")
PROGRAMS = ("/usr/bin/sdwd", "/usr/bin/sdwdctl", "/usr/libexec/sdwd/sdwd-prober")
DOC = "/usr/share/doc/sdwd/examples"
HTTP = "http.service"
# The folder of node_exporter's package.
METRICS = "/var/lib/prometheus/node-exporter"
# Where package managers, the journal and systemd write as they like.
NOT_COUNTED = ("/proc", "/sys", "/dev", "/tmp", "/mnt", "/sdwd", "/var/cache", "/var/log", "/var/lib/apt", "/var/lib/dpkg",
               "/var/lib/rpm", "/usr/lib/sysimage", "/var/tmp", "/run/systemd", "/run/log", "/run/udev", "/run/dbus",
               "/run/credentials", "/run/lock", "/run/user", "/root", "/etc/ld.so.cache", "/var/lib/systemd",
               "/usr/lib/python3", "/usr/share/python3")
# Into a layer over the root, where no systemd runs; the command's output is that of the whole.
IN_LAYER = """
set -e
packages=$1
shift
cd "$(mktemp -d)"
mount -t tmpfs tmpfs .
cd "$PWD"
mkdir upper work top
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay top
cd top
mount -t proc proc proc
mount --rbind /dev dev
mkdir -p tmp/packages
mount --bind "$packages" tmp/packages
exec chroot . "$@"
"""
# All that belongs to no package: what ours depend on may stay, where others can use it, too.
LIST = "find / " + " ".join(f"-path {path} -prune -o" for path in NOT_COUNTED) + """ -printf '%y %m %p\\n' | sort >/tmp/all
cat /var/lib/dpkg/info/*.list | awk '
    NR == FNR {owned[$0] = owned["/usr" $0] = 1; next}
    {path = $0; sub(/^[^ ]* [^ ]* /, "", path)} !(path in owned)' - /tmp/all"""
# Debian's asks, up to 12, whether alien(1) is not meant.
RPM = "force=; rpm --force-debian --version >/dev/null 2>&1 && force=--force-debian; rpm $force --nodeps"
INSTALL = {
    "deb": "DEBIAN_FRONTEND=noninteractive apt-get install -y -q -o Dpkg::Use-Pty=0 /tmp/packages/*.deb",
    "rpm": f"{RPM} -i /tmp/packages/*.rpm",
}
# What each distribution of RPMs has of its own.
PREPARE = {"deb": "", "rpm": "mkdir -p /usr/share/licenses"}
REMOVE = {
    "deb": f"DEBIAN_FRONTEND=noninteractive apt-get purge -y -q -o Dpkg::Use-Pty=0 --autoremove {' '.join(NAMES)}",
    "rpm": f"{RPM} -e {' '.join(NAMES)}",
}


def say(text):
    print(f"packages: {text}", flush=True)


def difference(before, after):
    old, new = set(before.splitlines()), set(after.splitlines())
    return "".join(f"\n  gone: {line}" for line in sorted(old - new)) + \
        "".join(f"\n  left: {line}" for line in sorted(new - old))


def without_systemd(kind, folder, prepare=""):
    """Installed, asked for a word, and removed, in a layer; what was there before is there afterwards, and only that."""
    script = f"""
        set -e
        {prepare}
        {LIST} >/tmp/before
        {INSTALL[kind]} >/tmp/log 2>&1 || {{ cat /tmp/log; exit 1; }}
        sdwd --version
        sdwd --watchdog-sec=5s --heartbeat -- /bin/sh -c 'exit 7' || echo "exit $?"
        sdwdctl check nosuch.service >/dev/null 2>&1 || echo "sdwdctl $?"
        test -x {PROGRAMS[2]}
        {REMOVE[kind]} >>/tmp/log 2>&1 || {{ cat /tmp/log; exit 1; }}
        {LIST} >/tmp/after
        echo "== log"
        cat /tmp/log
        echo "== before"
        cat /tmp/before
        echo "== after"
        cat /tmp/after
    """
    done = subprocess.run(["unshare", "--mount", "sh", "-c", IN_LAYER, "sh", folder, "sh", "-c", script], text=True,
                          capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    asked, rest = done.stdout.split("== log\n")
    log, rest = rest.split("== before\n")
    before, after = rest.split("== after\n")
    assert re.search(r"^sdwd \d+\.\d+", asked), asked
    assert "exit 7" in asked
    # systemd's own trigger misses its own programs there.
    errors = [line for line in log.splitlines()
              if re.search(r"(?i)error|not found|cannot|failed", line) and "/systemd.postinst: " not in line]
    assert not errors, errors
    assert not difference(before, after), difference(before, after)


def has_texts(booted):
    return "sdwd" in booted.run("journalctl", "--list-catalog").stdout


def example(booted):
    """The example of a web server, as it is, with a short watchdog; it gets ready, is pinged, hangs, and comes back."""
    booted.run("cp", f"{DOC}/{HTTP}", "/etc/systemd/system/")
    booted.write(f"/etc/systemd/system/{HTTP}.d/short.conf", "[Service]\nWatchdogSec=3s\n")
    booted.daemon_reload()
    booted.systemctl("start", HTTP)
    assert booted.systemctl("is-active", HTTP).stdout.strip() == "active"
    pid = int(show(booted, HTTP, "MainPID"))
    assert booted.run("readlink", f"/proc/{pid}/exe").stdout.strip() == PROGRAMS[0]
    first = int(show(booted, HTTP, "WatchdogTimestampMonotonic"))
    until(lambda: int(show(booted, HTTP, "WatchdogTimestampMonotonic")) > first, "a ping")
    say("the example is ready and pinged")

    table = booted.run("sdwdctl", "status").stdout
    assert re.search(rf"^{HTTP} .* running .* healthy ", table, re.M), table
    # A host name: only sdwd-prober can, where it is found.
    booted.run("sdwdctl", "probe", "--http=http://localhost:8080/")

    child = booted.run("cat", f"/proc/{pid}/task/{pid}/children").stdout.split()[0]
    booted.run("kill", "-STOP", child)
    until(lambda: int(show(booted, HTTP, "NRestarts")) > 0 and show(booted, HTTP, "ActiveState") == "active",
          "a restart", 120)
    say("it hung, and systemd has started it again")


def explained(booted):
    """journalctl -x shows a text of the catalog below a line of sdwd, and none of them is empty."""
    ids = {entry["MESSAGE_ID"] for entry in map(json.loads, booted.run(
        "journalctl", "-q", "-u", HTTP, "-t", "sdwd", "-o", "json").stdout.splitlines()) if "MESSAGE_ID" in entry}
    assert ids
    text = booted.run("journalctl", "-q", "--no-pager", "-x", "-u", HTTP, "-t", "sdwd").stdout
    for ident in sorted(ids):
        found = booted.run("journalctl", "--dump-catalog", ident).stdout
        subject = re.search(r"^Subject: (.*)$", found, re.M)
        assert subject, f"{ident}: {found}"
        # With what the line says in place of @NAME@.
        assert re.search(r".*".join(map(re.escape, re.split(r"@\w+@", subject.group(1)))), text), subject.group(1)
    say(f"{len(ids)} kinds of lines are explained")


def show(booted, unit, name):
    return booted.systemctl("show", unit, f"--property={name}", "--value").stdout.strip()


def until(holds, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(private.POLL_SECONDS)


def manuals(booted):
    for section, page in [("1", "sdwd"), ("1", "sdwdctl"), ("5", "sdwd.conf"), ("7", "sdwd-probes")]:
        assert booted.run("man", "-w", section, page).stdout.strip().endswith(f"{page}.{section}.gz")
    assert "READY=1" in booted.run("man", "-P", "cat", "sdwd").stdout
    say("man finds and shows the pages")


def completions(booted):
    """bash loads them by the name of the program, as it does at the first Tab."""
    for words, wanted in [("sdwd --noti", "--notify"), ("sdwdctl sta", "status")]:
        done = booted.run("bash", "-c", """
            . /usr/share/bash-completion/bash_completion
            read -ra COMP_WORDS <<<"$1"
            COMP_CWORD=1 COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
            if declare -F _comp_load >/dev/null; then _comp_load "${COMP_WORDS[0]}"; else _completion_loader "${COMP_WORDS[0]}"; fi
            name=$(complete -p "${COMP_WORDS[0]}" | sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p')
            "$name" "${COMP_WORDS[0]}" "${COMP_WORDS[1]}" "${COMP_WORDS[0]}"
            printf '%s\\n' "${COMPREPLY[@]}"
        """, "bash", words)
        assert wanted in {line.strip() for line in done.stdout.splitlines()}, done.stdout + done.stderr
    say("bash completes")


def instance(booted):
    """One of sdwd@.service, by the example of its file; it is enabled, as people do."""
    booted.systemctl("stop", HTTP)
    booted.run("install", "-D", "-m", "644", f"{DOC}/web.conf", "/etc/sdwd/web.conf")
    booted.systemctl("enable", "--now", "sdwd@web")
    assert show(booted, "sdwd@web", "ActiveState") == "active"
    assert show(booted, "sdwd@web", "StatusText").startswith("healthy")
    say("sdwd@web runs")


def timer(booted):
    booted.systemctl("enable", "--now", "sdwd-metrics.timer")
    until(lambda: booted.run("grep", "-q", "sdwd@web", f"{METRICS}/sdwd.prom", check=False).returncode == 0, "metrics")
    say("the timer writes metrics")


def nothing_of_it(booted, before):
    """All is as it was, but for what an administrator put there; which is then taken away."""
    assert show(booted, "sdwd@web", "ActiveState") == "inactive"
    assert show(booted, "sdwd-metrics.timer", "ActiveState") == "inactive"
    units = booted.systemctl("list-unit-files", "--no-legend", "--all", "sdwd*", check=False).stdout
    assert not units, units
    assert not has_texts(booted)
    booted.run("rm", "-r", f"/etc/systemd/system/{HTTP}", f"/etc/systemd/system/{HTTP}.d", "/etc/sdwd")
    after = booted.run("sh", "-c", LIST).stdout
    assert not difference(before, after), difference(before, after)
    say("nothing is left")


def under_systemd(kind, folder):
    work = Path(tempfile.mkdtemp(dir="/tmp"))
    booted = private.Private(work / "systemd")
    try:
        booted.run("mkdir", "/tmp/packages")
        for package in folder.glob(f"*.{kind}"):
            subprocess.run(["cp", package, Path("/proc", str(booted.pid), "root", "tmp", "packages")], check=True)
        # Here is a systemd, which may stop what a package stops.
        booted.run("rm", "-f", "/usr/sbin/policy-rc.d")
        booted.run("sh", "-c", PREPARE[kind])
        booted.run("mkdir", "-p", METRICS)
        before = booted.run("sh", "-c", LIST).stdout
        assert not has_texts(booted)

        booted.run("sh", "-c", INSTALL[kind], timeout=300)
        assert has_texts(booted)
        assert booted.run("stat", "-c", "%a %U", "/run/sdwd").stdout == "1777 root\n"
        assert booted.systemctl("is-enabled", "sdwd-metrics.timer", check=False).stdout.strip() == "disabled"
        say("installed")
        example(booted)
        explained(booted)
        if kind == "deb":
            manuals(booted)
            completions(booted)
            verify = booted.run("dpkg", "--verify", *NAMES).stdout
            assert not verify, verify
            # A new version: services go on with the program that they have.
            pid = show(booted, HTTP, "MainPID")
            booted.run("sh", "-c", INSTALL[kind].replace("install", "install --reinstall"), timeout=300)
            assert show(booted, HTTP, "MainPID") == pid
        instance(booted)
        timer(booted)
        if kind == "deb":
            # Removed is not forgotten.
            booted.run("apt-get", "remove", "-y", "-q", "sdwdctl", timeout=300)
            booted.run("sh", "-c", INSTALL[kind], timeout=300)
            assert booted.systemctl("is-enabled", "sdwd-metrics.timer").stdout.strip() == "enabled"
            booted.systemctl("start", "sdwd-metrics.timer")
        done = booted.run("sh", "-c", REMOVE[kind].replace("purge", "remove").replace("--autoremove", ""), timeout=300)
        # What services wrote is theirs, and whoever has no use for it any more takes it away.
        booted.run("sh", "-c", "rm -r /var/lib/private/sdwd-web /var/lib/sdwd-web")
        if kind == "deb":
            assert f"/etc/systemd/system/{HTTP}" in done.stdout + done.stderr, done.stdout + done.stderr
            booted.run("sh", "-c", REMOVE[kind], timeout=300)
        else:
            # There is nothing after it that could: this is for an administrator, too.
            booted.run("sh", "-c", "rm /etc/systemd/system/multi-user.target.wants/sdwd@web.service; "
                       "rmdir /etc/systemd/system/*.wants")
        nothing_of_it(booted, before)
    finally:
        booted.close()
        shutil.rmtree(work, ignore_errors=True)


def main():
    kind, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    if kind == "deb":
        tools = [tool for tool in ("cc", "gcc", "clang", "make", "cmake") if shutil.which(tool)]
        assert not tools, f"a machine without compilers is wanted, and here is {tools}"
    without_systemd(kind, folder, PREPARE[kind])
    say("installed and removed where no systemd runs")
    if kind == "deb":
        # libsystemd is there; the programs are not.
        without_systemd(kind, folder, "rm -f /usr/bin/systemctl /usr/bin/systemd-tmpfiles /usr/bin/journalctl "
                        "/usr/bin/deb-systemd-helper /usr/bin/deb-systemd-invoke")
        say("installed and removed where there is none")
    under_systemd(kind, folder)


main()
