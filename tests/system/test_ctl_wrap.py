# SPDX-License-Identifier: MIT
"""sdwdctl wrap, unwrap and check on the files of a system that does not run (--root): no manager has a say."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ETC, LIB = "etc/systemd/system", "usr/lib/systemd/system"
DROP_IN = "zz-sdwd.conf"
# A nobody, who may read everything here but change nothing.
NOBODY = 65534


class Root:
    """A folder that is the root of a system."""

    def __init__(self, folder, ctl):
        self.folder, self.ctl = folder, ctl
        for name in "usr/bin/sdwd", "usr/bin/webd", "usr/local/bin/other":
            self.write(name, "#!/bin/sh\n").chmod(0o755)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def unit(self, lines, name="web.service", where=LIB):
        """A unit of @lines in [Service]."""
        return self.write(f"{where}/{name}", "[Service]\n" + lines)

    def run(self, verb, *words, **options):
        return subprocess.run([self.ctl, verb, "--root", self.folder, *words], capture_output=True, text=True,
                              check=False, timeout=60, **options)

    def path(self, unit="web.service"):
        return self.folder / ETC / f"{unit}.d" / DROP_IN

    def wrap(self, *words, unit="web"):
        """Wraps; returns the drop-in's assignments as a list of (name, value), lines joined."""
        done = self.run("wrap", unit, *words)
        assert done.returncode == 0, done.stderr
        made = Path(done.stdout.split("Made ", 1)[1].splitlines()[0])
        assert made.is_relative_to(self.folder), done.stdout
        lines = made.read_text().replace(" \\\n    ", " ").splitlines()
        assert lines[2] == "[Service]"
        return [tuple(line.split("=", 1)) for line in lines[3:]]

    def refusal(self, *words, unit="web", status=1):
        """What wrap says where it refuses; nothing may have been made."""
        before = files_of(self.folder)
        done = self.run("wrap", unit, *words)
        assert done.returncode == status, done.stdout + done.stderr
        assert files_of(self.folder) == before and done.stdout == ""
        return done.stderr

    def check(self, *words, unit="web"):
        done = self.run("check", unit, *words)
        return done.returncode, done.stdout, done.stderr


def files_of(folder):
    """Everything below @folder: folders, files with their text and mode."""
    return sorted((path.relative_to(folder).as_posix(), path.lstat().st_mode,
                   path.read_text() if path.is_file() else None) for path in folder.rglob("*"))


@pytest.fixture
def root(tmp_path, build):
    return Root(tmp_path / "root", build / "sdwdctl")


def value(made, name):
    """The one value of @name; None where there is none."""
    values = [v for n, v in made if n == name]
    assert len(values) <= 1, values
    return values[0] if values else None


def command(made):
    """The new command line, behind the empty ExecStart= that takes the old one away."""
    values = [v for n, v in made if n == "ExecStart"]
    assert len(values) == 2 and values[0] == "", made
    return values[1]


# What becomes of a unit: its lines, wrap's options, the new command line, other settings (None: not there).
CONVERTED = {
    "simple": ("ExecStart=/usr/bin/webd -f\n", ["--http=http://127.0.0.1:80/"],
               "/usr/bin/sdwd --extend-start=10min --notify-access=none --http=http://127.0.0.1:80/ -- /usr/bin/webd -f",
               {"Type": "notify", "NotifyAccess": "main", "WatchdogSec": "30s", "Restart": "on-failure",
                "RestartPreventExitStatus": "125 126 127", "KillMode": "mixed", "SyslogIdentifier": "webd",
                "PIDFile": None, "ReadWritePaths": None, "ExecPaths": None}),
    "exec": ("Type=exec\nExecStart=/usr/bin/webd\n", ["--tcp=127.0.0.1:1"],
             "/usr/bin/sdwd --extend-start=10min --notify-access=none --tcp=127.0.0.1:1 -- /usr/bin/webd",
             {"Type": "notify"}),
    "idle, extended otherwise": ("Type=idle\nExecStart=/usr/bin/webd\n", ["--extend-start", "5s"],
                                 "/usr/bin/sdwd --notify-access=none --extend-start 5s -- /usr/bin/webd", {}),
    "notify": ("Type=notify\nExecStart=/usr/bin/webd\n", ["--tcp=127.0.0.1:1"],
               "/usr/bin/sdwd --ready=notify --tcp=127.0.0.1:1 -- /usr/bin/webd", {"Type": "notify"}),
    "notify that pings": ("Type=notify\nWatchdogSec=3min\nExecStart=/usr/bin/webd\n", ["--tcp=127.0.0.1:1"],
                          "/usr/bin/sdwd --ready=notify --tcp=127.0.0.1:1 --notify -- /usr/bin/webd",
                          {"WatchdogSec": None}),
    "notify that pings, asked for": ("Type=notify\nWatchdogSec=3min\nExecStart=/usr/bin/webd\n", ["--notify=watchdog"],
                                     "/usr/bin/sdwd --ready=notify --notify=watchdog -- /usr/bin/webd", {}),
    "notify of all": ("Type=notify\nNotifyAccess=all\nExecStart=/usr/bin/webd\n", [],
                      "/usr/bin/sdwd --ready=notify --notify-access=all -- /usr/bin/webd", {"NotifyAccess": "main"}),
    "notify of commands": ("Type=notify\nNotifyAccess=exec\nExecStart=/usr/bin/webd\n", [],
                           "/usr/bin/sdwd --ready=notify -- /usr/bin/webd", {"NotifyAccess": None}),
    "notify-reload": ("Type=notify-reload\nExecStart=/usr/bin/webd\n", [],
                      "/usr/bin/sdwd --ready=notify -- /usr/bin/webd", {"Type": "notify-reload"}),
    "forking with a pidfile": ("Type=forking\nPIDFile=/run/webd.pid\nExecStart=/usr/bin/webd\n", [],
                               "/usr/bin/sdwd --notify-access=none --pidfile=/run/webd.pid -- /usr/bin/webd",
                               {"Type": "notify", "PIDFile": ""}),
    "forking with a relative pidfile": ("Type=forking\nPIDFile=w/%p.pid\nExecStart=/usr/bin/webd\n", [],
                                        "/usr/bin/sdwd --notify-access=none --pidfile=/run/w/%p.pid -- /usr/bin/webd",
                                        {}),
    "forking without": ("Type=forking\nExecStart=/usr/bin/webd\n", ["--interval=3s", "--tcp=127.0.0.1:1"],
                        "/usr/bin/sdwd --notify-access=none --interval=3s --tcp=127.0.0.1:1 --forking -- /usr/bin/webd",
                        {}),
    "dbus": ("Type=dbus\nBusName=org.example.Web\nExecStart=/usr/bin/webd\n", [],
             "/usr/bin/sdwd --notify-access=none --dbus=org.example.Web -- /usr/bin/webd", {"Type": "notify"}),
    "dbus by its name alone": ("BusName=org.example.Web\nExecStart=/usr/bin/webd\n", ["--dbus=org.example.Other"],
                               "/usr/bin/sdwd --notify-access=none --dbus=org.example.Other -- /usr/bin/webd", {}),
    "messages of its own, asked for": ("ExecStart=/usr/bin/webd\n", ["--ready", "exec,notify"],
                                       "/usr/bin/sdwd --extend-start=10min --ready exec,notify -- /usr/bin/webd", {}),
    "messages taken from none": ("WatchdogSec=9\nExecStart=/usr/bin/webd\n", ["--notify-access", "none"],
                                 "/usr/bin/sdwd --extend-start=10min --notify-access none -- /usr/bin/webd", {}),
    "ready otherwise": ("ExecStart=/usr/bin/webd\n", ["--ready=exec"],
                        "/usr/bin/sdwd --extend-start=10min --notify-access=none --ready=exec -- /usr/bin/webd", {}),
    "prefixes": ("Type=notify\nExecStart=-+/usr/bin/webd \"a  b\" $X ${Y}z %i\n", ["--tcp=127.0.0.1:1"],
                 "-+/usr/bin/sdwd --ready=notify --tcp=127.0.0.1:1 -- /usr/bin/webd \"a  b\" $X ${Y}z %i", {}),
    "no variables": ("Type=notify\nExecStart=:!!/usr/bin/webd $X\n", ["--tcp=127.0.0.1:1", "--expect=^5%$"],
                     ":!!/usr/bin/sdwd --ready=notify --tcp=127.0.0.1:1 --expect=^5%%$ -- /usr/bin/webd $X", {}),
    "another name": ("Type=notify\nExecStart=@/usr/bin/webd 'web d' -f\n", [],
                     "/usr/bin/sdwd \"--argv0=web d\" --ready=notify -- /usr/bin/webd -f", {"SyslogIdentifier": "webd"}),
    "no variable in its path": ("Type=notify\nExecStart=/opt/${X}/webd ${X}\n", [],
                                "/usr/bin/sdwd --ready=notify -- /opt/$${X}/webd ${X}", {}),
    "without a path": ("Type=notify\nExecStart=other x\n", [],
                       "/usr/bin/sdwd --ready=notify -- /usr/local/bin/other x", {"SyslogIdentifier": "other"}),
    "without a path, searched in two lists": (
        "Type=notify\nExecSearchPath=/usr/bin\nExecSearchPath=\nExecSearchPath=/opt/a:/usr/local/bin\nExecSearchPath=/opt/b\n"
        "ExecStart=other x\n", [], "/usr/bin/sdwd --ready=notify -- /usr/local/bin/other x", {}),
    "signs of systemd in options": ("Type=notify\nExecStart=/usr/bin/webd\n",
                                    ["--tcp=127.0.0.1:1", r"--send=PING $x 100%\r\n", '--expect="']
                                    , "/usr/bin/sdwd --ready=notify --tcp=127.0.0.1:1 "
                                    r'"--send=PING $$x 100%%\\r\\n" "--expect=\"" -- /usr/bin/webd', {}),
    "a line end in its name": ('Type=notify\nExecStart="/usr/bin/webd\\nUser=evil"\n', [],
                               r'/usr/bin/sdwd --ready=notify -- "/usr/bin/webd\nUser=evil"',
                               {"SyslogIdentifier": None, "User": None}),
    "a backslash at its end": ('Type=notify\nProtectSystem=strict\nExecStart="/usr/bin/webd\\\\"\n', [],
                               r'/usr/bin/sdwd --ready=notify -- "/usr/bin/webd\\"',
                               {"SyslogIdentifier": None, "ReadWritePaths": "-/run/sdwd"}),
    "a line that goes on": ("Type=notify\nExecStart=/usr/bin/webd one \\\n# not this\n   two\n", [],
                            "/usr/bin/sdwd --ready=notify -- /usr/bin/webd one     two", {}),
    # As systemd joins them: the blanks in front of the next line are the argument's.
    "an argument that goes on": ("Type=notify\nExecStart=/usr/bin/webd -c 'one; \\\n    two'\n", [],
                                 "/usr/bin/sdwd --ready=notify -- /usr/bin/webd -c 'one;      two'", {}),
    "KillMode=process": ("Type=notify\nKillMode=process\nExecStart=/usr/bin/webd\n", [],
                         "/usr/bin/sdwd --ready=notify --orphans=leave -- /usr/bin/webd", {"KillMode": None}),
    "KillMode=mixed": ("Type=notify\nKillMode=mixed\nExecStart=/usr/bin/webd\n", [],
                       "/usr/bin/sdwd --ready=notify -- /usr/bin/webd", {"KillMode": None}),
    "what is set stays": ("Type=notify\nRestart=on-abnormal\nSyslogIdentifier=my\nWatchdogSec=7\nExecStart=/usr/bin/webd\n",
                          ["--notify"], "/usr/bin/sdwd --ready=notify --notify -- /usr/bin/webd",
                          {"Restart": None, "SyslogIdentifier": None, "WatchdogSec": None}),
    "another watchdog": ("Type=notify\nWatchdogSec=7\nExecStart=/usr/bin/webd\n", ["--watchdog-sec=1min 30s", "--notify"],
                         "/usr/bin/sdwd --ready=notify --notify -- /usr/bin/webd", {"WatchdogSec": "1min 30s"}),
    "a sandbox": ("Type=notify\nProtectSystem=strict\nNoExecPaths=/\nExecPaths=/usr/bin/webd\nExecStart=/usr/bin/webd\n",
                  ["--tcp=127.0.0.1:1"], "/usr/bin/sdwd --ready=notify --tcp=127.0.0.1:1 -- /usr/bin/webd",
                  {"ReadWritePaths": "-/run/sdwd", "ExecPaths": "/usr/bin/sdwd"}),
    "another root with the programs of this one": (
        "Type=notify\nRootDirectory=/srv/x\nBindReadOnlyPaths=/lib -/usr/:/usr/:rbind\nExecStart=/usr/bin/webd\n", [],
        "/usr/bin/sdwd --ready=notify -- /usr/bin/webd", {}),
    "a sandbox by its user": ("Type=notify\nDynamicUser=yes\nProtectSystem=no\nExecStart=/usr/bin/webd\n", [],
                              "/usr/bin/sdwd --ready=notify -- /usr/bin/webd", {"ReadWritePaths": "-/run/sdwd"}),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_unit_becomes_one_of_sdwd(root, case):
    lines, words, line, settings = CONVERTED[case]
    root.unit(lines)
    made = root.wrap(*words)
    assert command(made) == line
    for name, wanted in settings.items():
        assert value(made, name) == wanted, name


REFUSED = {
    "Type=oneshot\nExecStart=/usr/bin/webd\n": "Type=oneshot: it does its work and ends",
    "ExecStop=/usr/bin/webd\n": "it has no ExecStart=",
    "Type=simple\nExecStart=/usr/bin/webd\nExecStart=/usr/bin/webd 2\n": "it has several ExecStart=",
    "ExecStart=/usr/bin/webd ; /usr/bin/webd\n": "has several commands",
    "ExecStart=/usr/bin/webd \"x\n": "no command line that systemd reads",
    "ExecStart=|/usr/bin/webd\n": "run by a shell",
    "ExecStart=@/usr/bin/webd $NAME\n": "takes the name from a variable",
    "ExecStart=/opt/sdwd --tcp=127.0.0.1:1 -- x\n": "it runs sdwd already",
    "ExecStart=nowhere\n": "its program nowhere is in none of the folders",
    "ExecSearchPath=/usr/local/bin\nExecSearchPath=\nExecSearchPath=/opt\nExecStart=other\n": "its program other is in none",
    "Type=dbus\nExecStart=/usr/bin/webd\n": "names no BusName=",
    "Type=new\nExecStart=/usr/bin/webd\n": "Type= is not known",
    "ExitType=cgroup\nExecStart=/usr/bin/webd\n": "ExitType=cgroup",
    "RootDirectory=/srv/x\nExecStart=/usr/bin/webd\n": "there is no /usr/bin/sdwd in it",
    "RootDirectory=/srv/x\nBindReadOnlyPaths=/etc:/usr /usr/bin/s /usr/lib\nExecStart=/usr/bin/webd\n": "there is no /usr/bin/sdwd",
    # To systemd both are one list, and an empty one of either forgets it.
    "RootDirectory=/srv/x\nBindPaths=/usr\nBindReadOnlyPaths=\nExecStart=/usr/bin/webd\n": "there is no /usr/bin/sdwd in it",
    "RootDirectory=/srv/x\nBindReadOnlyPaths=/usr\nBindPaths=\nExecStart=/usr/bin/webd\n": "there is no /usr/bin/sdwd in it",
    "RootImage=/srv/x\nExecStart=/usr/bin/webd\n": "RootImage=",
}


@pytest.mark.parametrize("lines", REFUSED)
def test_unit_that_cannot_be_wrapped_is_refused_with_the_reason(root, lines):
    root.unit(lines)
    said = root.refusal("--http=http://127.0.0.1/")
    assert said.startswith("sdwdctl: wrap: web.service: ") and REFUSED[lines] in said and said.count("\n") == 1


@pytest.mark.parametrize("lines,path", [
    ("RootDirectory=/srv/%N/x%%", "srv/web/x%/usr/bin/sdwd"),
    ("RootDirectory=/srv\nBindReadOnlyPaths=/opt/%p:/usr/bin", "opt/web/sdwd"),
])
def test_another_root_may_have_the_name_of_the_unit(root, lines, path):
    root.unit(lines + "\nExecStart=/usr/bin/webd\n")
    assert "there is no /usr/bin/sdwd in it" in root.refusal("--http=http://127.0.0.1/")
    root.write(path, "")
    assert command(root.wrap("--http=http://127.0.0.1/")).startswith("/usr/bin/sdwd ")


@pytest.mark.parametrize("target,is_there", [("/opt/sdwd", True), ("../../opt/sdwd", True), ("/usr/bin/webd", False)])
def test_links_in_another_root_begin_there(root, target, is_there):
    root.unit("RootDirectory=/link\nExecStart=/usr/bin/webd\n")
    inside = root.folder / "srv" / "in"
    (inside / "opt").mkdir(parents=True)
    (inside / "usr" / "bin").mkdir(parents=True)
    (inside / "opt" / "sdwd").write_text("")
    (inside / "usr" / "bin" / "sdwd").symlink_to(target)
    (root.folder / "link").symlink_to("/srv/in")
    if is_there:
        assert command(root.wrap("--http=http://127.0.0.1/")).startswith("/usr/bin/sdwd ")
    else:
        assert "RootDirectory=/link: there is no /usr/bin/sdwd in it" in root.refusal("--http=http://127.0.0.1/")


def test_prober_must_be_in_another_root_where_a_probe_needs_it(root):
    """Else sdwd ends with exit status 125 at once."""
    lines = "RootDirectory=/srv/x\nBindReadOnlyPaths=/usr/bin/sdwd\n"
    wrapped = GOOD + "ExecStart=/usr/bin/sdwd --dbus=org.example.Web -- /usr/bin/webd\n"

    def missing():
        """What a unit with these lines lacks, whoever tells it."""
        root.unit(lines + "ExecStart=/usr/bin/webd\n")
        said = root.refusal("--dbus=org.example.Web").splitlines()[0]
        path = re.fullmatch("sdwdctl: wrap: web.service: RootDirectory=/srv/x: there is no (.*/sdwd-prober) in it; .*", said)[1]
        for words in ["--dbus=org.example.Web"], []:
            (line, write), = found(root.check(*words)[1])
            assert line.startswith(f"serious: RootDirectory=/srv/x: there is no {path} in it, ") and write is None, line
            root.unit(wrapped + lines)
        return path

    def is_enough():
        root.unit(lines + "ExecStart=/usr/bin/webd\n")
        assert root.check("--dbus=org.example.Web")[0] == 0
        root.wrap("--dbus=org.example.Web")
        assert root.check()[0] == 0 and root.run("unwrap", "web").returncode == 0

    root.unit(lines + "ExecStart=/usr/bin/webd\n")
    assert root.check("--tcp=127.0.0.1:1")[0] == 0
    installed = missing()
    # Where it is installed, or beside sdwd.
    root.write(f"srv/x{installed}", "")
    is_enough()
    (root.folder / f"srv/x{installed}").unlink()
    root.write("usr/bin/sdwd-prober", "")
    missing()
    lines += "BindPaths=/usr/bin/sdwd-prober\n"
    is_enough()


def test_check_sees_the_root_that_wrap_would_refuse(root):
    root.unit("RootDirectory=/srv/x\nExecStart=/usr/bin/webd\n")
    (line, write), = found(root.check("--tcp=127.0.0.1:1")[1])
    assert line.startswith("serious: RootDirectory=/srv/x: there is no /usr/bin/sdwd in it, ") and write is None
    # What wrap writes is not in the way.
    root.write("usr/bin/sdwd-prober", "")
    root.unit("NoExecPaths=/\nExecPaths=/usr/bin/webd\nExecStart=/usr/bin/webd\n")
    assert root.check("--dbus=org.example.Web")[0] == 0
    assert value(root.wrap("--dbus=org.example.Web"), "ExecPaths") == "/usr/bin/sdwd -/usr/bin/sdwd-prober"
    assert root.check()[0] == 0


def test_options_are_read_as_sdwd_reads_them_before_anything_is_written(root):
    root.unit("ExecStart=/usr/bin/webd\n")
    assert root.refusal("--http=http://127.0.0.1/", "--fall=0", status=2) == \
        "sdwdctl: wrap: --fall: '0' is out of range (1-1000)\n"
    assert root.refusal("--retries=3", status=2) == "sdwdctl: wrap: --retries: not an option here; use --fall\n"
    said = root.refusal("--tcp=127.0.0.1", "--unix=", "--name=x", status=2)
    assert "--unix" in said
    # What only the whole can tell: every error has its line.
    said = root.refusal("--tcp=nohost", "--http=ftp://x/", "--require=3", status=2).splitlines()
    assert [line.split(":")[2] for line in said] == [" --tcp", " --http", " --require"]
    assert root.refusal("--check", status=2) == "sdwdctl: wrap: --check: not in a unit\n"
    assert root.refusal("--watchdog-sec=0", status=2).startswith("sdwdctl: wrap: --watchdog-sec: ")
    assert root.refusal("--now", status=2).startswith("sdwdctl: wrap: --now cannot be combined with --root")
    assert root.refusal(unit="web.socket", status=2) == "sdwdctl: wrap: 'web.socket' is no service\n"
    assert root.refusal(unit="../web", status=2) == "sdwdctl: wrap: '../web' is not the name of a unit\n"
    assert "there is no unit wob.service in " in root.refusal(unit="wob", status=3)
    (root.folder / "usr/bin/sdwd").unlink()
    assert "there is no sdwd in " in root.refusal(status=3)


def test_dry_run_prints_what_would_be_written_and_writes_nothing(root):
    root.unit("ExecStart=/usr/bin/webd\n")
    before = files_of(root.folder)
    done = root.run("wrap", "--dry-run", "web", "--tcp=127.0.0.1:1")
    assert done.returncode == 0 and files_of(root.folder) == before
    root.wrap("--tcp=127.0.0.1:1")
    assert root.path().read_text() == done.stdout


def test_unwrap_leaves_everything_as_it_was(root):
    root.unit("Type=notify\nExecStart=/usr/bin/webd\n")
    root.write(f"{ETC}/other.service", "[Service]\nExecStart=/usr/bin/webd\n")
    root.write(f"{ETC}/other.service.d/override.conf", "[Service]\nNice=3\n")
    (root.folder / ETC / "empty.service.d").mkdir()
    root.unit("ExecStart=/usr/bin/webd\n", "empty.service")
    before = files_of(root.folder)
    for unit in "web", "other", "empty":
        root.wrap("--tcp=127.0.0.1:1", unit=unit)
        assert "it runs sdwd already" in root.refusal("--tcp=127.0.0.1:1", unit=unit)
    assert root.path().stat().st_mode & 0o777 == 0o644 and root.path().parent.stat().st_mode & 0o777 == 0o755
    for unit in "web", "other", "empty":
        done = root.run("unwrap", unit)
        assert done.returncode == 0 and done.stdout.startswith("Removed "), done.stderr
    # The folder that was made for it is gone, those that were there are not.
    assert files_of(root.folder) == before
    done = root.run("unwrap", "web")
    assert done.returncode == 1 and done.stderr.startswith("sdwdctl: unwrap: web.service was not wrapped")


def test_drop_in_that_was_changed_stays_unless_forced(root):
    root.unit("Type=notify\nExecStart=/usr/bin/webd\n")
    root.wrap()
    text = root.path().read_text()
    root.path().write_text(text.replace("WatchdogSec=30s", "WatchdogSec=31s"))
    done = root.run("unwrap", "web")
    assert done.returncode == 1 and "was changed since" in done.stderr and root.path().exists()
    assert root.run("unwrap", "web", "--force").returncode == 0 and not root.path().parent.exists()
    # One that somebody else made is neither replaced nor taken away.
    root.write(f"{ETC}/web.service.d/{DROP_IN}", "[Service]\nNice=3\n")
    assert "somebody else's" in root.refusal()
    done = root.run("unwrap", "web", "--force")
    assert done.returncode == 1 and "was not made by sdwdctl wrap" in done.stderr and root.path().exists()


def test_unit_that_is_gone_is_unwrapped_all_the_same(root):
    unit = root.unit("Type=notify\nExecStart=/usr/bin/webd\n")
    root.wrap()
    unit.unlink()
    assert root.run("unwrap", "web").returncode == 0 and not root.path().parent.exists()


def test_drop_ins_and_aliases_are_found_as_systemd_finds_them(root):
    root.unit("Type=forking\nExecStart=/usr/bin/webd lib\n", "a-b@.service", LIB)
    root.unit("Type=notify\nExecStart=/usr/bin/webd etc\n", "a-b@.service", ETC)
    for where, name, line in (
            (LIB, "service.d/10-all.conf", "SyslogIdentifier=all"),
            (LIB, "a-@.service.d/20-prefix.conf", "KillMode=process"),
            ("run/systemd/system", "a-b@.service.d/30-template.conf", "ExecStart=\nExecStart=/usr/bin/webd template"),
            (ETC, "a-b@x.service.d/40-instance.conf", "Restart=always"),
            # The name orders them, not the folder.
            (ETC, "a-b@x.service.d/45-late.conf", "ExecStart=\nExecStart=/usr/bin/webd late"),
            # The same name: /etc wins over /usr/lib, and the instance over the template.
            (LIB, "a-b@x.service.d/50-which.conf", "WatchdogSec=1"),
            (ETC, "a-b@.service.d/50-which.conf", "WatchdogSec=2"),
            (ETC, "a-b@x.service.d/60-which.conf", "ProtectSystem=strict"),
            (ETC, "a-b@.service.d/60-which.conf", "ProtectSystem=no"),
            (LIB, "a-b@x.service.d/70-masked.conf", "Type=oneshot"),
            (LIB, "a-b@x.service.d/.80-hidden.conf", "Type=oneshot"),
            (LIB, "a-b@x.service.d/80-other.txt", "Type=oneshot")):
        root.write(f"{where}/{name}", f"[Service]\n{line}\n")
    (root.folder / ETC / "a-b@x.service.d/70-masked.conf").symlink_to("/dev/null")
    made = root.wrap(unit="a-b@x")
    assert command(made) == "/usr/bin/sdwd --ready=notify --orphans=leave --notify -- /usr/bin/webd late"
    assert [value(made, n) for n in ("SyslogIdentifier", "Restart", "WatchdogSec", "ReadWritePaths")] == \
        [None, None, None, "-/run/sdwd"]

    # An absolute link is one within the root, and an alias is wrapped under its real name.
    root.unit("Type=notify\nExecStart=/usr/bin/webd\n", "real.service")
    (root.folder / ETC / "alias.service").symlink_to("/usr/lib/systemd/system/real.service")
    root.write(f"{ETC}/alias.service.d/10.conf", "[Service]\nSyslogIdentifier=alias\n")
    assert value(root.wrap(unit="alias"), "SyslogIdentifier") is None
    assert root.path("real.service").exists()
    (root.folder / ETC / "masked.service").symlink_to("/dev/null")
    assert root.refusal(unit="masked", status=3) == "sdwdctl: wrap: masked.service is masked\n"


def test_drop_ins_of_prefixes_and_aliases_of_templates_are_found_too(root):
    root.unit("Type=notify\nExecStart=/usr/bin/webd\n", "one-two@.service")
    root.write(f"{LIB}/one-.service.d/10-plain.conf", "[Service]\nKillMode=process\n")
    root.write(f"{LIB}/one-@x.service.d/20-instance.conf", "[Service]\nRestart=always\n")
    made = root.wrap(unit="one-two@x")
    assert command(made) == "/usr/bin/sdwd --ready=notify --orphans=leave -- /usr/bin/webd" and value(made, "Restart") is None
    # An instance of an alias is the same one of the template, and what is of its own name wins, wherever it is.
    (root.folder / ETC).mkdir(parents=True, exist_ok=True)
    (root.folder / ETC / "also@.service").symlink_to("/usr/lib/systemd/system/one-two@.service")
    root.write(f"{ETC}/also@y.service.d/50-both.conf", "[Service]\nSyslogIdentifier=alias\n")
    root.write(f"{LIB}/one-two@y.service.d/50-both.conf", "[Service]\nWatchdogSec=7\n")
    root.write(f"{LIB}/also@.service.d/60-also.conf", "[Service]\nRestart=always\n")
    made = root.wrap(unit="also@y")
    assert root.path("one-two@y.service").exists()
    assert [value(made, n) for n in ("SyslogIdentifier", "WatchdogSec", "Restart")] == ["webd", None, None]


def test_drop_ins_of_all_names_of_a_unit_count(root):
    """Also where it is called by its real one: Debian has them for redis.service, which is a link to redis-server.service."""
    def link(name, target, where=ETC):
        (root.folder / where).mkdir(parents=True, exist_ok=True)
        (root.folder / where / name).symlink_to(target)

    def drop_in(folder, line, where=ETC):
        root.write(f"{where}/{folder}.service.d/10-{line.partition('=')[0]}.conf", f"[Service]\n{line}\n")

    for name in "real.service", "real@.service", "other.service", "other@.service":
        root.unit("Type=notify\nExecStart=/usr/bin/webd\n", name)
    link("alias.service", f"/{LIB}/real.service")
    link("further.service", "alias.service")
    drop_in("alias", "ExecStart=\nExecStart=/usr/bin/webd alias")
    drop_in("further", "KillMode=process", LIB)
    drop_in("real", "SyslogIdentifier=real", LIB)
    drop_in("alias", "SyslogIdentifier=")
    # No names of it: another unit's, one that wins over the link, and links that systemd does not take.
    link("second.service", "other.service")
    root.unit("Type=notify\nExecStart=/usr/bin/webd\n", "covered.service", ETC)
    link("covered.service", "real.service", LIB)
    link("real-copy.service", "/srv/real.service")
    link("template@.service", "real.service")
    link("masked.service", "/dev/null")
    for name in "second", "covered", "real-copy", "template@", "masked":
        drop_in(name, "Type=oneshot")
    made = root.wrap(unit="real")
    assert command(made) == "/usr/bin/sdwd --ready=notify --orphans=leave -- /usr/bin/webd alias"
    assert value(made, "SyslogIdentifier") is None
    assert root.run("unwrap", "alias").returncode == 0 and root.wrap(unit="further") == made

    # What a template is called besides, its instances are, unless the instance's own link leads elsewhere.
    link("alias@.service", "real@.service")
    link("alias@y.service", "other@.service")
    link("one@x.service", "real@.service")
    link("one@y.service", "alias@.service")
    link("plain.service", "real@.service")
    drop_in("alias@", "ExecStart=\nExecStart=/usr/bin/webd %i")
    drop_in("one@x", "KillMode=process")
    drop_in("one@y", "KillMode=none")
    drop_in("alias@y", "SyslogIdentifier=other")
    drop_in("plain", "Type=oneshot")
    assert command(root.wrap(unit="real@x")) == "/usr/bin/sdwd --ready=notify --orphans=leave -- /usr/bin/webd %i"
    made = root.wrap(unit="real@y")
    assert command(made) == "/usr/bin/sdwd --ready=notify --orphans=leave -- /usr/bin/webd"
    assert value(made, "SyslogIdentifier") == "webd"
    assert command(root.wrap(unit="real@")) == "/usr/bin/sdwd --ready=notify -- /usr/bin/webd %i"
    assert root.refusal(unit="plain", status=3).startswith("sdwdctl: wrap: there is no unit plain.service in ")


def test_links_do_not_lead_out_of_the_root(root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "web.service").write_text("[Service]\nExecStart=/usr/bin/webd\n")
    (root.folder / ETC).mkdir(parents=True)
    (root.folder / ETC / "web.service").symlink_to(outside / "web.service")
    said = root.refusal(status=3)
    assert "cannot read" in said and "No such file" in said
    # Within it they lead where they would lead in the system itself: a unit of another folder, by way of "..".
    root.unit("Type=notify\nExecStart=/usr/bin/webd\n", "far.service", "srv/units")
    (root.folder / "opt").symlink_to("/../../srv/./units/..")
    (root.folder / ETC / "far.service").symlink_to("../../../../../opt/units/far.service")
    assert command(root.wrap(unit="far")) == "/usr/bin/sdwd --ready=notify -- /usr/bin/webd"
    (root.folder / ETC / "loop.service").symlink_to("/etc/systemd/system/loop.service")
    assert "Too many levels of symbolic links" in root.refusal(unit="loop", status=3)
    # One of another name in a folder of no units is no alias, and the unit keeps its own name.
    root.unit("Type=notify\nExecStart=/usr/bin/webd\n", "app-1.2.service", "srv/app")
    (root.folder / ETC / "app.service").symlink_to("/srv/app/app-1.2.service")
    assert command(root.wrap(unit="app")) == "/usr/bin/sdwd --ready=notify -- /usr/bin/webd"
    assert root.path("app.service").exists()
    (root.folder / ETC / "gone.service").symlink_to("/srv/app/app-1.3.service")
    assert "there is no unit gone.service in " in root.refusal(unit="gone", status=3)
    root.unit("Type=notify\nExecStart=/usr/bin/webd\n", "link.service")
    (root.folder / ETC / "link.service.d").symlink_to(outside)
    assert root.run("wrap", "link").returncode == 3 and sorted(p.name for p in outside.iterdir()) == ["web.service"]


def test_only_root_changes_units_and_is_told_so(build, tmp_path, root):
    for words in (["wrap", "web", "--tcp=127.0.0.1:1"], ["unwrap", "web"]):
        done = subprocess.run([build / "sdwdctl", *words], capture_output=True, text=True, check=False, timeout=60,
                              user=NOBODY, group=NOBODY, extra_groups=[])
        assert (done.returncode, done.stdout) == (3, "") and "only root may change units" in done.stderr
    # The folder of the tests is closed to others: its root alone is opened.
    root.unit("Type=notify\nExecStart=/usr/bin/webd\n")
    shown = Path(os.environ.get("TMPDIR", "/tmp")) / f"sdwd-root-{os.getpid()}"
    subprocess.run(["cp", "-a", root.folder, shown], check=True)
    try:
        shown.chmod(0o755)
        done = subprocess.run([build / "sdwdctl", "wrap", "--root", shown, "web"], capture_output=True, text=True,
                              check=False, timeout=60, user=NOBODY, group=NOBODY, extra_groups=[])
        assert done.returncode == 3 and "cannot write" in done.stderr and "only root may" in done.stderr, done.stderr
    finally:
        subprocess.run(["rm", "-r", shown], check=True)


# check ------------------------------------------------------------------------------------------------------------

GOOD = ("Type=notify\nNotifyAccess=main\nWatchdogSec=30s\nRestart=on-failure\nKillMode=mixed\n"
        "RestartPreventExitStatus=125 126 127\nTimeoutAbortSec=15s\n")
HTTP = "ExecStart=/usr/bin/sdwd --http=http://127.0.0.1:80/ -- /usr/bin/webd\n"

# Lines that come behind a good unit, and what is found then: nothing else.
FOUND = {
    "Restart=no": ("serious: Restart=no", "Restart=on-failure"),
    "Restart=on-success": ("serious: Restart=on-success", "Restart=on-failure"),
    "Restart=on-abort": ("serious: Restart=on-abort", "Restart=on-failure"),
    "RestartPreventExitStatus=SIGABRT": ("serious: RestartPreventExitStatus=SIGABRT",
                                         "RestartPreventExitStatus= (empty), then 125 126 127"),
    "RestartPreventExitStatus=": ("note: a wrong option of sdwd", "RestartPreventExitStatus=125 126 127"),
    "KillMode=control-group": ("warning: KillMode=control-group", "KillMode=mixed"),
    "KillMode=process": ("warning: KillMode=process", "KillMode=mixed"),
    "TimeoutAbortSec=2s": ("warning: TimeoutAbortSec=", "TimeoutAbortSec=15s"),
    "TimeoutAbortSec=\nTimeoutStopSec=5": ("warning: TimeoutAbortSec=", "TimeoutAbortSec=15s"),
    "NotifyAccess=all": ("warning: NotifyAccess=all", "NotifyAccess=main, and --notify-access=all among sdwd's options"),
    "Type=simple": ("warning: Type=simple", "Type=notify"),
    "Type=forking": ("serious: Type=forking", "Type=notify"),
    "PIDFile=/run/x": ("serious: PIDFile=", "PIDFile= (empty)"),
    "ExitType=cgroup": ("warning: ExitType=cgroup", "ExitType=main"),
    "WatchdogSec=0": ("serious: there is no WatchdogSec=", "WatchdogSec=30s"),
    "ExecStop=/bin/x": ("warning: ExecStop=", "ExecStop= (empty), KillSignal= and sdwd's --stop-signal="),
    "[Unit]\nStartLimitIntervalSec=1h": ("warning: StartLimitBurst=5 within StartLimitIntervalSec=1h",
                                         "StartLimitIntervalSec=0 (in [Unit])"),
    # The names that these settings had once.
    "[Unit]\nStartLimitInterval=1h": ("warning: StartLimitBurst=5 within StartLimitIntervalSec=1h",
                                      "StartLimitIntervalSec=0 (in [Unit])"),
    "StartLimitInterval=1h\nStartLimitBurst=2": ("warning: StartLimitBurst=2 within StartLimitIntervalSec=1h",
                                                 "StartLimitIntervalSec=0 (in [Unit])"),
    "TasksMax=4": ("warning: TasksMax=4", "TasksMax=64"),
    "IPAddressDeny=any": ("serious: IPAddressDeny=: --http=", "IPAddressAllow=localhost"),
    "RestrictAddressFamilies=AF_UNIX AF_INET6": ("serious: RestrictAddressFamilies=: --http=",
                                                 "RestrictAddressFamilies=AF_INET"),
    "RestrictAddressFamilies=AF_INET": ("serious: RestrictAddressFamilies= without AF_UNIX",
                                        "RestrictAddressFamilies=AF_UNIX"),
    "RestrictAddressFamilies=~AF_UNIX": ("serious: RestrictAddressFamilies= without AF_UNIX",
                                         "RestrictAddressFamilies=AF_UNIX"),
    "SystemCallFilter=@basic-io @file-system": ("serious: SystemCallFilter=: sdwd needs epoll_wait",
                                                "SystemCallFilter=@system-service"),
    "SystemCallFilter=@system-service\nSystemCallFilter=~@process:EPERM": (
        "serious: SystemCallFilter=: sdwd needs clone", "SystemCallFilter=@system-service"),
    "SystemCallFilter=~kill": ("serious: SystemCallFilter=: sdwd needs kill", "SystemCallFilter=@system-service"),
    "NoExecPaths=/\nExecPaths=/usr/bin/webd": ("serious: NoExecPaths=: /usr/bin/sdwd", "ExecPaths=/usr/bin/sdwd"),
    "RootDirectory=/srv/x": ("serious: RootDirectory=/srv/x", None),
    "ProtectSystem=strict": ("note: ProtectSystem=strict", "ReadWritePaths=-/run/sdwd"),
    "DynamicUser=yes": ("note: DynamicUser=yes", "ReadWritePaths=-/run/sdwd"),
    "ProtectProc=invisible\nCapabilityBoundingSet=CAP_KILL CAP_SETUID": ("warning: ProtectProc=", "ProtectProc=default"),
    "CapabilityBoundingSet=~CAP_LEASE CAP_KILL": ("warning: CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_KILL"),
    "CapabilityBoundingSet=CAP_KILL\nUser=root\nCapabilityBoundingSet=\nCapabilityBoundingSet=CAP_SETUID": (
        "warning: CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_KILL"),
    "SELinuxContext=system_u:system_r:x_t:s0": ("warning: SELinuxContext=", None),
}

# What is nothing to complain about, behind the same.
FINE = ["Restart=always", "TimeoutAbortSec=2s\nLimitCORE=0", "TimeoutStopSec=5", "IPAddressDeny=any\nIPAddressAllow=localhost",
        "RestrictAddressFamilies=AF_UNIX AF_INET", "RestrictAddressFamilies=~AF_NETLINK", "PrivateNetwork=yes",
        "SystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources", "NoExecPaths=/\nExecPaths=/usr/bin",
        "ProtectSystem=strict\nReadWritePaths=-/run/sdwd", "ProtectProc=invisible\nUser=web\nCapabilityBoundingSet=",
        "TasksMax=100", "TasksMax=10%", "[Unit]\nStartLimitIntervalSec=1min", "Type=notify-reload", "NotifyAccess=exec",
        "DynamicUser=yes\nReadWritePaths=-/run/sdwd", "[Unit]\nStartLimitIntervalSec=1h\n[Service]\nStartLimitInterval=0",
        "RootDirectory=/srv/x\nBindReadOnlyPaths=/usr", "RootDirectory=/srv/x\nBindPaths=/usr/bin/webd:/usr/bin/sdwd",
        # Empty is none of them, "~" is all.
        "User=web\nCapabilityBoundingSet=", "CapabilityBoundingSet=\nCapabilityBoundingSet=~", "CapabilityBoundingSet=~CAP_LEASE",
        "CapabilityBoundingSet=~CAP_KILL\nCapabilityBoundingSet=CAP_KILL", "CapabilityBoundingSet=\nCapabilityBoundingSet=cap_kill",
        # Without this right it cannot become another user's process.
        "CapabilityBoundingSet=CAP_SYS_TIME", "ProtectProc=invisible\nCapabilityBoundingSet=CAP_KILL",
        "CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=\nCapabilityBoundingSet=~CAP_SETUID",
        # To systemd numbers are exit codes; a signal is one by its name alone.
        "RestartPreventExitStatus=6 134",
        # Only where sdwd ends the service itself does its exit status count.
        "SuccessExitStatus=124"]


def found(output):
    """The findings of check's output, each with the line to write."""
    lines = output.splitlines()
    return [(line, lines[n + 1].strip().removeprefix("write: ") if lines[n + 1:] and lines[n + 1].startswith(" ") else None)
            for n, line in enumerate(lines) if line.startswith(("serious: ", "warning: ", "note: "))]


@pytest.mark.parametrize("lines", FOUND)
def test_check_finds_what_defeats_the_watchdog(root, lines):
    root.unit(GOOD + HTTP + lines + "\n")
    status, said, _ = root.check()
    (line, write), *more = found(said)
    assert status == 1 and more == [], said
    assert line.startswith(FOUND[lines][0]) and write == FOUND[lines][1], said


@pytest.mark.parametrize("lines", [""] + FINE)
def test_check_finds_nothing_where_nothing_is(root, lines):
    root.unit(GOOD + HTTP + lines + "\n")
    assert root.check() == (0, "web.service: nothing found that defeats the watchdog\n", "")


PROBED = {
    "--tcp=192.0.2.1:80": ("PrivateNetwork=yes", "serious: PrivateNetwork=yes: --tcp=192.0.2.1:80"),
    "--tcp=[::1]:80": ("RestrictAddressFamilies=AF_UNIX AF_INET", "serious: RestrictAddressFamilies=: --tcp=[::1]:80"),
    "--grpc=192.0.2.1:80": ("IPAddressDeny=any", "serious: IPAddressDeny=any: --grpc=192.0.2.1:80"),
    "'--exec=/bin/true x'": ("NoExecPaths=/bin/true", "serious: NoExecPaths=: /bin/true"),
    "'--exec=/opt/check | cat'": ("NoExecPaths=/bin", "serious: NoExecPaths=: /bin/sh"),
    "--listen-queue=80": ("ProcSubset=pid\nRestrictAddressFamilies=AF_UNIX", "serious: ProcSubset=pid"),
    "--rtprio=3 --unix=/run/x": ("PrivateUsers=yes", "warning: PrivateUsers=yes"),
    "--on-unhealthy=kill --unix=/run/x": ("Restart=on-abnormal", "serious: Restart=on-abnormal"),
    "--unix=/run/x --on-unhealthy=kill": ("SuccessExitStatus=143 124", "serious: SuccessExitStatus=124"),
}


@pytest.mark.parametrize("options", PROBED)
def test_check_judges_by_the_probes_of_the_unit(root, options):
    lines, wanted = PROBED[options]
    text = GOOD + f"ExecStart=/usr/bin/sdwd {options} -- /usr/bin/webd\n" + lines + "\n"
    root.unit(text)
    status, said, _ = root.check()
    assert status == 1 and [line.startswith(wanted) for line, _ in found(said)] == [True], said
    # Not with a probe that needs none of it.
    root.unit(text.replace(options, "--heartbeat"))
    assert root.check()[0] == 0


def test_check_knows_that_a_dash_makes_every_exit_status_a_success(root):
    text = GOOD + HTTP.replace("=/usr", "=-/usr", 1)
    root.unit(text)
    assert root.check()[0] == 0
    root.unit(text.replace("sdwd ", "sdwd --on-unhealthy=kill "))
    status, said, _ = root.check()
    assert status == 1 and [line.split(":")[:2] for line, _ in found(said)] == [["serious", " ExecStart=-"]], said
    for lines in "Restart=always", "RestartForceExitStatus=124":
        root.unit(text.replace("sdwd ", "sdwd --on-unhealthy=kill ") + lines + "\n")
        assert root.check()[0] == 0, lines
    root.unit("ExecStart=-/usr/bin/webd\n")
    status, said, _ = root.check("--unix=/run/x", "--on-unhealthy=kill")
    assert status == 1 and [line.split(":")[:2] for line, _ in found(said)] == [["serious", " ExecStart=-"]], said


def test_check_knows_which_commands_start_as_root(root):
    """With "!" whatever User= says; "!!" is nothing where there are ambient capabilities; to "+" no set applies."""
    lines = "CapabilityBoundingSet=CAP_SETUID\nProtectProc=invisible\n"
    for prefix, user, is_root in (("", "", True), ("", "User=web\n", False), ("!", "User=web\n", True),
                                  ("-!", "DynamicUser=yes\nReadWritePaths=-/run/sdwd\n", True), ("!!", "User=web\n", False),
                                  ("!!", "", True), ("+", "", False), ("+", "User=web\n", False)):
        root.unit(GOOD + HTTP.replace("=/usr", f"={prefix}/usr", 1) + lines + user)
        wanted = ["warning: CapabilityBoundingSet", "warning: ProtectProc"] if is_root else []
        assert [line.split("=")[0] for line, _ in found(root.check()[1])] == wanted, (prefix, user)
        root.unit(f"ExecStart={prefix}/usr/bin/webd\n" + lines + user)
        assert [line.split("=")[0] for line, _ in found(root.check()[1])] == wanted, (prefix, user)


def test_no_sandbox_is_for_a_command_with_a_plus(root):
    lines = ("RestrictAddressFamilies=AF_UNIX\nNoExecPaths=/\nExecPaths=/opt\nSystemCallFilter=@basic-io\n"
             "ProtectSystem=strict\nPrivateNetwork=yes\n")
    unit = GOOD + HTTP + lines
    root.unit(unit)
    assert len(found(root.check()[1])) >= 4
    root.unit(unit.replace("=/usr", "=+/usr", 1))
    assert root.check()[:2] == (0, "web.service: nothing found that defeats the watchdog\n")


def test_check_of_a_unit_without_sdwd_tells_what_would_be_in_the_way(root):
    root.unit("ExecStart=/usr/bin/webd\nTimeoutStopSec=1\nPrivateNetwork=yes\n")
    status, said, _ = root.check("--tcp=192.0.2.1:80")
    assert status == 1 and said.startswith("web.service is not under sdwd.")
    assert [line.split("=")[0] for line, _ in found(said)] == ["warning: TimeoutAbortSec", "serious: PrivateNetwork"]
    root.unit("ExecStart=/usr/bin/webd\n")
    assert root.check("--tcp=127.0.0.1:80") == (0, "web.service: nothing found that defeats the watchdog\n", "")
    root.unit("Type=oneshot\nExecStart=/usr/bin/webd\n")
    assert root.check() == (1, "serious: sdwdctl wrap refuses web.service: Type=oneshot: it does its work and ends, "
                               "there is nothing to watch\n", "")


@pytest.mark.parametrize("watchdog", ["", "WatchdogSec=20\n"])
def test_check_of_a_unit_without_sdwd_knows_which_restarts_wrap_changes(root, watchdog):
    """A "no", whether the unit says it or not, and with a watchdog of its own too; the others stay as they are."""
    for lines, words, wanted in (
            ("", [], []), ("Restart=no\n", [], []), ("Restart=\n", ["--on-unhealthy=kill"], []),
            ("Restart=on-success\n", [], ["serious: Restart=on-success"]), ("Restart=on-abort\n", [], ["serious: Restart=on-abort"]),
            ("Restart=on-abnormal\n", [], []), ("Restart=on-failure\n", ["--on-unhealthy=kill"], []),
            ("Restart=on-abnormal\n", ["--on-unhealthy=kill"], ["serious: Restart=on-abnormal"]),
            ("Restart=on-watchdog\n", ["--on-unhealthy=kill"], ["serious: Restart=on-watchdog"])):
        root.unit("ExecStart=/usr/bin/webd\n" + watchdog + lines)
        status, said, _ = root.check("--tcp=127.0.0.1:80", *words)
        assert [line.rsplit(":", 1)[0] for line, _ in found(said)] == wanted and status == bool(wanted), (lines, said)
        made = root.wrap("--tcp=127.0.0.1:80", *words)
        assert value(made, "Restart") == (None if "on-" in lines else "on-failure"), lines
        # What wrap has made of it is found to be the same.
        assert [line.rsplit(":", 1)[0] for line, _ in found(root.check()[1])] == wanted, lines
        assert root.run("unwrap", "web").returncode == 0


def test_check_of_what_wrap_made_finds_nothing(root):
    root.unit("Type=forking\nPIDFile=/run/webd.pid\nNoExecPaths=/\nExecPaths=/usr/bin/webd\nProtectSystem=strict\n"
              "ExecStart=@/usr/bin/webd x y\n")
    root.wrap("--tcp=127.0.0.1:80", "--fall", "2", "--send=a b\\r\\n", "--expect=^100%$")
    assert root.check() == (0, "web.service: nothing found that defeats the watchdog\n", "")


def test_check_reads_the_file_of_options(root):
    root.unit(GOOD + "ExecStart=/usr/bin/sdwd --config=/etc/sdwd/%i.conf\nIPAddressDeny=any\n", "web@.service")
    root.write("etc/sdwd/one.conf", "http = http://127.0.0.1/\ncommand = /usr/bin/webd\n")
    root.write("etc/sdwd/two.conf", "fall = 0\n")
    status, said, _ = root.check(unit="web@one")
    assert status == 1 and [line.split("=")[0] for line, _ in found(said)] == ["serious: IPAddressDeny"], said
    status, said, errors = root.check(unit="web@two")
    assert (status, said) == (3, "") and "two.conf:1: fall: '0' is out of range (1-1000)" in errors
    status, said, errors = root.check(unit="web@three")
    assert (status, said) == (3, "") and "No such file or directory" in errors


def test_check_that_cannot_tell_says_so(root):
    assert root.check()[0] == 3
    root.unit(GOOD + "ExecStart=/usr/bin/sdwd --http=${URL} -- /usr/bin/webd\n")
    status, said, errors = root.check()
    assert (status, said) == (3, "") and "--http" in errors
