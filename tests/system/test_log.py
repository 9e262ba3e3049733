# SPDX-License-Identifier: MIT
"""The log: as text on stderr or structured to the journal, never in the way, and what was lost is told."""

import fcntl
import os
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import tty
from pathlib import Path

import pytest

from puppet import child, wait_until  # pylint: disable=unused-import

TOP = Path(__file__).resolve().parents[2]
LEVELS = {"err": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7}
PATIENCE_SECONDS = 20
PROMPT_SECONDS = 0.1
# Nothing is forwarded of this one, and each makes one line of the level debug.
DROPPED = signal.SIGRTMIN + 1
DROP = ["--log-level=debug", "--signal-map=RTMIN+1:0"]


class Journal:
    """What journald is to a sender: a datagram socket in a folder, read only when asked."""

    def __init__(self, folder):
        self.folder = folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(Path(folder) / "socket"))
        self._socket.setblocking(False)
        self.entries = []

    def read(self):
        """Takes what waits; returns all entries so far, each a dict."""
        while True:
            try:
                self.entries.append(self._parse(self._socket.recv(65536)))
            except BlockingIOError:
                return self.entries

    @staticmethod
    def _parse(data):
        """systemd's Native Journal Protocol."""
        entry = {}
        while data:
            line, _, data = data.partition(b"\n")
            name, equals, value = line.partition(b"=")
            if not equals:
                size = struct.unpack("<Q", data[:8])[0]
                value, data = data[8:8 + size], data[9 + size:]
            entry[name.decode()] = value.decode()
        return entry

    def wait_for(self, text):
        """The first entry whose message has @text."""
        return wait_until(lambda: next((e for e in self.read() if text in e["MESSAGE"]), None),
                          f"{text!r} in the journal")

    def close(self):
        self._socket.close()


@pytest.fixture
def journal():
    folder = tempfile.mkdtemp(prefix="sdwd-test-journal-")
    made = Journal(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


@pytest.fixture
def under_journal(make_runner, sdwd_path, journal):
    """Starts sdwd where /run/systemd/journal is the fixture's folder; stream: a JOURNAL_STREAM of its stderr."""
    runner = make_runner(shutil.which("unshare"))

    def start(*options, stream=None, is_there=True, **more):
        script = "mount -t tmpfs none /run && mkdir /run/systemd && "
        script += f"ln -s {journal.folder if is_there else '/nonexistent'} /run/systemd/journal && "
        if stream:
            script += f"export JOURNAL_STREAM=$(stat -Lc {stream} /proc/self/fd/2) && "
        namespaces = "-m" if os.geteuid() == 0 else "-rm"
        return runner(namespaces, "/bin/sh", "-c", script + 'exec "$@"', "sh", sdwd_path, *options, **more)

    return start


class Pipe:
    """A pipe as stderr: preexec makes it so. Small, and read only when asked."""

    def __init__(self):
        self._r, self._w = os.pipe()
        os.set_blocking(self._r, False)
        fcntl.fcntl(self._w, fcntl.F_SETPIPE_SZ, 4096)
        self.data = b""

    def preexec(self):
        os.dup2(self._w, 2)

    def fill(self):
        """Until nothing fits, by a description of our own: O_NONBLOCK is not for the others' writes."""
        w = os.open(f"/proc/self/fd/{self._w}", os.O_WRONLY | os.O_NONBLOCK)
        for size in (4096, 1):
            try:
                while True:
                    os.write(w, b"#" * size)
            except BlockingIOError:
                pass
        os.close(w)

    def read(self):
        try:
            while True:
                more = os.read(self._r, 65536)
                if not more:
                    break
                self.data += more
        except BlockingIOError:
            pass
        return self.data.replace(b"#", b"").decode()

    def wait_for(self, text):
        return wait_until(lambda: text in self.read() and self.read(), f"{text!r} in the pipe")

    def close(self):
        os.close(self._r)
        os.close(self._w)


@pytest.fixture
def pipe():
    made = Pipe()
    yield made
    made.close()


def lines_of(text):
    return [line for line in text.splitlines() if re.match(r"(<\d>)?sdwd", line)]


# Text ------------------------------------------------------------------------------------------------------------

def test_each_line_in_a_file_has_its_level(sdwd):
    run = sdwd(command=["sh", "-c", "echo child >&2; exit 3"])
    assert run.wait() == 3
    lines = run.stderr().splitlines()
    assert "child" in lines
    mine = [line for line in lines if line != "child"]
    assert mine and all(re.fullmatch(r"<[3-6]>sdwd: .+", line) for line in mine)
    assert "<5>sdwd: the service exited with 3" in mine


def test_each_line_in_a_pipe_has_its_level(sdwd, pipe):
    run = sdwd("--log-target=stderr", command=["true"], preexec=pipe.preexec)
    assert run.wait() == 0
    mine = pipe.read().splitlines()
    assert mine and all(re.fullmatch(r"<[3-6]>sdwd: .+", line) for line in mine)
    assert "\033" not in pipe.read()


@pytest.mark.option("label")
@pytest.mark.parametrize("env, has_colour", [
    ({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    ({"TERM": "xterm", "NO_COLOR": ""}, True),
])
def test_colour_only_on_a_terminal_that_wants_it(sdwd, env, has_colour):
    ours, theirs = os.openpty()
    try:
        tty.setraw(theirs)
        run = sdwd("--label=x1", command=["sh", "-c", "exit 3"], env=env, preexec=lambda: os.dup2(theirs, 2))
        assert run.wait() == 3
        text = ""
        # The kernel hands a terminal's output on when it has time.
        while not re.search(r"exited with 3(\033\[\d*m)?\n", text):
            assert select.select([ours], [], [], 20)[0], text
            text += os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert ("\033[" in text) == has_colour
    plain = re.sub(r"\033\[\d*m", "", text)
    assert "sdwd[x1]: the service exited with 3\n" in plain
    assert "<" not in plain and "\033" not in plain


def test_a_message_cannot_forge_a_line(sdwd, manager, child):
    run = sdwd("--notify-access=main", command=child.command)
    manager.wait_ready()
    child("notify('WATCHDOG=trigger\\nSTATUS=a\\x1b[31m\\r<3>sdwd: forged')")
    run.wait_stderr("unhealthy")
    run.terminate()
    assert "\033" not in run.stderr() and not re.search(r"^<3>sdwd: forged", run.stderr(), re.MULTILINE)


@pytest.mark.option("log-level")
@pytest.mark.parametrize("level", LEVELS)
def test_the_level_is_the_limit(sdwd, manager, child, level):
    run = sdwd(f"--log-level={level}", "--on-unhealthy=warn", "--signal-map=RTMIN+1:0",
               command=child.command)
    manager.wait_ready()
    run.signal(DROPPED)
    child("notify('MAINPID=1')")
    child("notify('WATCHDOG=trigger')")
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy"))
    run.terminate()
    seen = {int(line[1]) for line in lines_of(run.stderr())}
    assert seen == set(range(3, LEVELS[level] + 1))


# The journal ------------------------------------------------------------------------------------------------------

def message_ids():
    text = (TOP / "lib/app/message_ids.h").read_text(encoding="utf-8")
    return dict(re.findall(r'#define MESSAGE_ID_(\w+) "([0-9a-f]{32})"', text))


def test_every_message_id_is_in_the_catalog_and_no_other():
    catalog = (TOP / "units/sdwd.catalog").read_text(encoding="utf-8")
    entries = re.findall(r"^-- ([0-9a-f]{32})\nSubject: .+\nDefined-By: sdwd\n", catalog, re.MULTILINE)
    assert len(entries) == catalog.count("\n-- ")
    ids = message_ids()
    assert len(ids) > 5 and len(set(ids.values())) == len(ids)
    assert sorted(entries) == sorted(ids.values())


def test_the_catalog_uses_only_fields_that_come(tmp_path):
    catalog = (TOP / "units/sdwd.catalog").read_text(encoding="utf-8")
    assert set(re.findall(r"@([A-Z_]+)@", catalog)) <= {"SDWD_LABEL", "SDWD_PROBE", "SDWD_CAUSE", "SDWD_STATE", "MESSAGE"}
    tool = shutil.which("journalctl")
    assert tool, "journalctl belongs to what the tests need"
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (folder / "sdwd.catalog").write_text(catalog, encoding="utf-8")
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    ended = subprocess.run([tool, "--update-catalog", f"--root={tmp_path}"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and ended.stderr.strip() == "", ended


@pytest.mark.option("log-target")
def test_structured_entries_for_the_journal(under_journal, manager, child, journal):
    run = under_journal("--log-target=journal", "--label=web", "--on-unhealthy=warn", "--heartbeat", "--name=pulse",
                        "--silence=300ms", command=child.command)
    child("beat()")
    manager.wait_ready()
    bad = journal.wait_for("unhealthy: ")
    child("repeat(0.05, beat)")
    good = journal.wait_for("healthy again: ")
    child("stop()")
    run.terminate()
    ids = message_ids()
    assert all(e["SDWD_LABEL"] == "web" and e["SYSLOG_IDENTIFIER"] == "sdwd" for e in journal.read())
    by_id = {e["MESSAGE_ID"]: e for e in journal.entries if "MESSAGE_ID" in e}
    assert {ids["READY"], ids["UNHEALTHY"], ids["RECOVERED"], ids["GONE"]} <= set(by_id)
    assert set(by_id) <= set(ids.values())
    assert (bad["MESSAGE_ID"], bad["PRIORITY"]) == (ids["UNHEALTHY"], "3")
    assert (bad["SDWD_PROBE"], bad["SDWD_CAUSE"]) == ("pulse", "silent")
    assert good["MESSAGE_ID"] == ids["RECOVERED"] and good["SDWD_PROBE"] == "pulse"
    assert all("SDWD_STATE" in e for e in by_id.values())
    assert not lines_of(run.stderr())


@pytest.mark.option("log-target")
def test_auto_is_the_journal_where_stderr_is_the_journal(under_journal, journal):
    run = under_journal(stream="%d:%i", command=["sh", "-c", "echo child >&2"])
    assert run.wait() == 0
    assert journal.wait_for("the service exited with 0")
    assert run.stderr() == "child\n"


@pytest.mark.option("log-target")
@pytest.mark.parametrize("options, start", [
    (["--log-target=stderr"], {"stream": "%d:%i"}),        # stderr although it is the journal
    ([], {"stream": "%d:1"}),                              # that of another file on the same device
    ([], {"stream": "1:%i"}),
    ([], {"stream": "%d:%i", "is_there": False}),          # auto, and no journald
    ([], {}),                                              # auto, and stderr is none
    ([], {"env": {"JOURNAL_STREAM": "1:2"}}),              # that of somebody before us
    ([], {"env": {"JOURNAL_STREAM": "x"}}),
])
def test_text_in_all_other_cases(under_journal, journal, options, start):
    run = under_journal(*options, command=["true"], **start)
    assert run.wait() == 0
    assert "<6>sdwd: the service exited with 0\n" in run.stderr()
    assert not journal.read()


@pytest.mark.option("log-target")
def test_a_journal_that_is_asked_for_and_not_there_is_an_error(under_journal, tmp_path):
    run = under_journal("--log-target=journal", is_there=False, command=["touch", tmp_path / "started"])
    assert run.wait() == 125
    assert lines_of(run.stderr()) == ["sdwd: --log-target=journal: No such file or directory"]
    assert not (tmp_path / "started").exists()


def test_without_an_fd_for_the_log_no_option_is_blamed(sdwd):
    run = sdwd(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4)))
    assert run.wait() == 125
    assert run.stderr() == "sdwd: cannot open the log: Too many open files\n"


# Never in the way ---------------------------------------------------------------------------------------------------

LEAVE = """import signal
def leave(*_):
    open({path!r}, "w").write(repr(time.monotonic()))
    os._exit(0)
signal.signal(signal.SIGTERM, leave)"""


def make_lines(run, n):
    """@n lines of the level debug, or what is lost of them."""
    for _ in range(n):
        os.kill(run.pid, DROPPED)


def is_prompt(run, manager, child, tmp_path):
    """Beats are answered by pings and SIGTERM arrives, each at once at least once and never late."""
    took = []
    for _ in range(5):
        make_lines(run, 20)
        # Not within a tenth of the watchdog after the last ping: that one would be put off.
        last = max(d.at for d in manager.all if d.has("WATCHDOG=1") or d.has("READY=1"))
        time.sleep(max(0.0, last + 0.45 - time.monotonic()))
        began = child("beat() or time.monotonic()")
        took.append(manager.wait_for("WATCHDOG=1", after=began - 0.05).at - began)
    assert min(took) < PROMPT_SECONDS and max(took) < 2, took
    path = str(tmp_path / "term")
    child(LEAVE.format(path=path))
    began = time.monotonic()
    run.signal(signal.SIGTERM)
    assert run.wait() == 0
    took = float(Path(path).read_text(encoding="utf-8")) - began
    assert took < (PROMPT_SECONDS if os.getloadavg()[0] < 2 else 2), took


def test_a_full_pipe_delays_neither_ping_nor_signal(sdwd, manager, child, pipe, tmp_path):
    pipe.fill()
    run = sdwd(*DROP, "--heartbeat", "--silence=3s", command=child.command, preexec=pipe.preexec, watchdog=4)
    child("beat()")
    manager.wait_ready()
    is_prompt(run, manager, child, tmp_path)
    assert pipe.read() == "", "nothing came in between"


def test_a_stuck_journald_delays_neither_ping_nor_signal(under_journal, manager, child, journal, tmp_path):
    run = under_journal("--log-target=journal", *DROP, "--heartbeat", "--silence=3s", command=child.command, watchdog=4)
    child("beat()")
    manager.wait_ready()
    make_lines(run, 600)
    is_prompt(run, manager, child, tmp_path)
    assert len(journal.read()) < 600 + 100, "the queue was full"


def test_what_a_full_pipe_lost_is_told_with_the_next_line(sdwd, manager, pipe):
    run = sdwd(*DROP, command=["sleep", "1000"], preexec=pipe.preexec)
    manager.wait_ready()
    pipe.wait_for("ready after")
    pipe.fill()
    os.kill(run.pid, DROPPED)
    wait_until(lambda: not is_pending(run.pid), "signals taken")
    # Stopped and waited for, sdwd cannot be between taking a signal and writing its line.
    pause(run)
    pipe.read()
    run.signal(signal.SIGCONT)
    make_lines(run, 1)
    text = pipe.wait_for("lost because of")
    assert re.search(r"<4>sdwd: \d+ log lines? (was|were) lost because of: Resource temporarily unavailable\n", text)
    run.terminate()


def test_what_journald_did_not_take_is_counted(under_journal, manager, journal):
    run = under_journal("--log-target=journal", *DROP, command=["sleep", "1000"])
    manager.wait_ready()
    sent = 700
    make_lines(run, sent)
    wait_until(lambda: not is_pending(run.pid), "signals taken")
    pause(run)
    journal.read()
    run.signal(signal.SIGCONT)
    make_lines(run, 1)
    told = journal.wait_for("lost because of")
    taken = wait_until(lambda: count_dropped(journal) if count_dropped(journal) + int(told["SDWD_LOST"]) > sent else 0,
                       "the line after it")
    assert 0 < int(told["SDWD_LOST"]) < sent
    assert taken + int(told["SDWD_LOST"]) == sent + 1, "each line came or was counted"
    assert told["PRIORITY"] == "4"
    run.terminate()


def count_dropped(journal):
    return sum("dropped (--signal-map)" in e["MESSAGE"] for e in journal.read())


def is_pending(pid):
    """True while a signal waits for the process."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return any(int(re.search(rf"^{name}:\s+(\w+)", text, re.MULTILINE)[1], 16) for name in ("SigPnd", "ShdPnd"))


def pause(run):
    """SIGSTOP, which nobody can hold back, until it is there; the loop sleeps before."""
    wait_until(lambda: Path(f"/proc/{run.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "S",
               "a sleeping sdwd")
    run.signal(signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{run.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T",
               "a stopped sdwd")


def test_a_reader_that_is_gone_ends_nobody(sdwd, manager, child):
    r, w = os.pipe()
    run = sdwd(*DROP, "--heartbeat", "--silence=3s", command=child.command, preexec=lambda: os.dup2(w, 2), watchdog=4)
    os.close(w)
    child("beat()")
    manager.wait_ready()
    os.close(r)
    make_lines(run, 5)
    child("repeat(0.2, beat)")
    manager.wait_ping(count=2)
    child("stop()")
    assert run.terminate() == -signal.SIGTERM


def test_the_childs_stderr_stays_blocking(sdwd, manager, child, pipe):
    run = sdwd(command=child.command, preexec=pipe.preexec)
    manager.wait_ready()
    assert child("os.get_blocking(2)") is True
    run.terminate()


def test_a_file_shared_with_the_child_loses_no_line(sdwd):
    run = sdwd(command=["sh", "-c", "for i in 1 2 3; do echo child $i >&2; done; exit 3"])
    assert run.wait() == 3
    assert [line for line in run.stderr().splitlines() if line.startswith("child")] == ["child 1", "child 2", "child 3"]
    assert "the service exited with 3" in run.stderr()


# SELinux ----------------------------------------------------------------------------------------------------------


# What a kernel that has it does is seen by full-kernel.


@pytest.mark.parametrize("is_there, exec_pid, told", [
    (True, "$$", 1),  # a unit's main process
    (True, "1", 0),  # somebody else's environment: nobody to be stood in for
    (False, "$$", 0),
])
def test_selinux_that_tells_nothing_is_warned_of_once(make_runner, sdwd_path, is_there, exec_pid, told):
    """The kernel here has none: a folder in its place says that it is on, and the rest cannot be found out."""
    script = "mount -t tmpfs none /sys/fs && "
    script += "mkdir /sys/fs/selinux && touch /sys/fs/selinux/enforce && " if is_there else ""
    script += f'unset NOTIFY_SOCKET && export SYSTEMD_EXEC_PID={exec_pid} && exec "$@"'
    namespaces = "-m" if os.geteuid() == 0 else "-rm"
    run = make_runner(shutil.which("unshare"))(namespaces, "/bin/sh", "-c", script, "sh", sdwd_path, "--", "true")
    assert run.wait() == 0
    assert run.stderr().count("SELinux: cannot find out the domain") == told
    assert run.stderr().count("SELinux:") == told


def test_process_1_of_a_container_is_told_what_was_not_handed_on_to_it(make_runner, sdwd_path):
    """podman hands on NOTIFY_SOCKET and not WATCHDOG_USEC: the unit outside may well have a WatchdogSec=."""
    namespaces = ["--pid", "--fork"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--pid", "--fork"]
    run = make_runner(shutil.which("unshare"))(*namespaces, sdwd_path, "--", "true")
    assert run.wait() == 0
    assert "sdwd: no WATCHDOG_USEC in this container: nothing is sent to the watchdog that its unit may have " \
        "(podman: --env=WATCHDOG_USEC)\n" in run.stderr()
    assert "sdwd: an unhealthy service is only reported; --on-unhealthy=kill would end it\n" in run.stderr()
    assert "in this unit" not in run.stderr()
