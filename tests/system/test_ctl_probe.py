# SPDX-License-Identifier: MIT
"""sdwdctl probe: one look with sdwd's own options and verdicts, its exit statuses, and nothing left behind."""

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

import runner
from acceptor import Listener
from bus import Bus, Service
from hostile import MODES, Hostile
from names import names  # pylint: disable=unused-import
from puppet import wait_until
from runner import PATIENCE_SECONDS, descendants, stat_of
from scripted import median, outcomes, serve  # pylint: disable=unused-import
from test_grpc import health  # pylint: disable=unused-import
from tls import authority, certificate, serve_tls  # pylint: disable=unused-import

LONG = "--timeout=20s"
NUMBER = r"\d+\.\d{6}s;;;0"


def children():
    """The pids of all our children, zombies among them: who loses a parent below us becomes one."""
    found = set()
    for entry in os.listdir("/proc"):
        stat = stat_of(entry) if entry.isdigit() else None
        if stat is not None and stat[1] == os.getpid():
            found.add(int(entry))
    return found


@pytest.fixture
def ctl(tmp_path, request, build):
    """As the fixture sdwd, for sdwdctl; beside it, so what it says is kept in another folder."""
    folder = tmp_path / "ctl"
    folder.mkdir()
    one = runner.Runner(build / "sdwdctl", folder, lambda: request.getfixturevalue("manager"))
    yield one
    complaints = one.end()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def start(ctl):
    """start("--http=...") gives a running `sdwdctl probe`, as runner.Sdwd."""

    def run(*options, **more):
        more.setdefault("notify", False)
        before = children()
        started = ctl("probe", *options, command=None, **more)
        started.before = before | {started.pid}
        return started
    return run


@pytest.fixture
def look(start):
    """look("--http=...") gives (exit status, [(name, verdict, cause, text)]); what it started is gone, and reaped."""
    def run(*options, status=None, **more):
        started = start(*options, **more)
        code = started.wait()
        assert children() <= started.before, "left behind"
        rows = [re.fullmatch(r"(\S+) +(\S+) +(\S+) +(\S+)  (.*)", line) for line in started.stdout().splitlines()]
        assert all(rows), started.stdout()
        assert status is None or (code, started.stderr()) == (status, ""), (code, started.stdout(), started.stderr())
        return code, [row.group(1, 2, 3, 5) for row in rows]
    return run


@pytest.fixture
def line(start):
    """line("--nagios", ...) gives (exit status, all of stdout)."""
    def run(*options, **more):
        started = start(*options, **more)
        code = started.wait()
        assert started.stderr() == ""
        return code, started.stdout()
    return run


@pytest.fixture
def refused(start):
    """refused("--fall") gives the one line on stderr of what ends with 2 and looks at nothing."""
    def run(*options, lines=1, status=2, **more):
        started = start(*options, **more)
        code, said = started.wait(), started.stderr()
        assert (code, started.stdout()) == (status, ""), said
        assert said.count("\n") == lines and all(one.startswith("sdwdctl: probe: ") for one in said.splitlines()), said
        return said.removeprefix("sdwdctl: probe: ").removesuffix("\n")
    return run


# Each kind --------------------------------------------------------------------------------------------------------


def test_http(look, serve):
    server = serve("ok", "status:503", then="ok")
    assert look(f"--http={server.url()}", LONG, status=0) == (0, [("http", "pass", "ok", "HTTP 200")])
    assert look(f"--http={server.url()}", LONG, status=1) == (
        1, [("http", "fail", "http-status", "HTTP 503, not within 200-399")])
    assert look(f"--http={server.url()}", "--http-status=404", "--name=page", LONG, status=1)[1] == [
        ("page", "fail", "http-status", "HTTP 200, not within 404")]
    assert server.connections == 3


def test_https(look, authority, serve_tls):
    server = serve_tls()
    url = f"--http={server.url()}"
    assert look(url, f"--http-ca={authority.pem}", LONG, status=0)[1] == [("http", "pass", "ok", "HTTP 200")]
    [(_, verdict, cause, _)] = look(url, LONG, status=1)[1]
    assert (verdict, cause) == ("fail", "tls")


@pytest.mark.parametrize("option", ["--http=http://nowhere.test/", "--tcp=nowhere.test:1"])
def test_a_name_that_cannot_be_resolved(look, names, option):
    [(_, verdict, cause, _)] = look(option, LONG, status=3, preexec=names.preexec)[1]
    assert (verdict, cause) == ("unknown", "dns")


def test_tcp(look):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert look(f"--tcp=127.0.0.1:{port}", LONG, status=0)[1] == [("tcp", "pass", "ok", "connected")]
    assert look(f"--tcp=127.0.0.1:{port}", LONG, status=1)[1] == [
        ("tcp", "fail", "connect-refused", "connection refused")]


def test_tcp_at_a_name(look, names):
    names.set_hosts("127.0.0.2 db.test", "127.0.0.1 db.test")
    with names.run(socket.create_server, ("127.0.0.1", 0)) as listener:
        option = f"--tcp=db.test:{listener.getsockname()[1]}"
        assert look(option, LONG, status=0, preexec=names.preexec)[1] == [("tcp", "pass", "ok", "connected")]
    assert look(option, LONG, status=1, preexec=names.preexec)[1] == [
        ("tcp", "fail", "connect-refused", "connection refused")]


def test_unix(look, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        assert look("--unix=s", LONG, status=0, cwd=tmp_path)[1] == [("unix", "pass", "ok", "connected")]
    assert look("--unix=s", LONG, status=1, cwd=tmp_path)[1][0][1:3] == ("fail", "connect-refused")


def test_listen_queue(look):
    with Listener() as listener:
        option = f"--listen-queue={listener.port}"
        assert look(option, LONG, status=0)[1] == [("listen-queue", "pass", "ok", "nothing waits")]
        with listener.connect():
            assert look(option, "--timeout=300ms", status=1)[1] == [
                ("listen-queue", "fail", "not-accepting", "1 connection not accepted for 300ms (1 in the queue)")]
    assert look(option, LONG, status=1)[1][0][1:3] == ("fail", "connect-refused")


def test_exec(look):
    assert look("--exec=echo fine; echo more", LONG, status=0)[1] == [("exec", "pass", "ok", "exited with 0: fine")]
    assert look("--exec=exit 4; true", LONG, status=1)[1] == [("exec", "fail", "exit-code", "exited with 4")]
    assert look("--exec=exit 4; true", "--exec-warn=4", LONG, status=0)[1] == [
        ("exec", "warn", "degraded", "exited with 4")]
    assert look("--exec=kill -9 $$", LONG, status=1)[1] == [("exec", "fail", "killed", "killed by SIGKILL")]
    assert look("--exec=echo ok", "--expect=^OK$", LONG, status=1)[1][0][2] == "body-mismatch"
    assert look("--exec=no-such-command; exit $?", LONG, status=3)[1][0][1:3] == ("unknown", "cannot-run")


def test_grpc(look, health):
    server = health("web=SERVING", "old=NOT_SERVING")
    target = f"--grpc=127.0.0.1:{server.port}"
    assert look(f"{target}/web", LONG, status=0)[1] == [("grpc", "pass", "ok", "SERVING")]
    assert look(f"{target}/old", LONG, status=1)[1][0][1:3] == ("fail", "not-serving")


def test_dbus(look, tmp_path):
    bus = Bus(tmp_path / "b")
    with contextlib.ExitStack() as stack:
        stack.callback(bus.end)
        env = {"DBUS_SYSTEM_BUS_ADDRESS": bus.address}
        stack.callback(Service(bus, "test.sdwd.Service").end)
        assert look("--dbus=test.sdwd.Service", LONG, status=0, env=env)[1] == [("dbus", "pass", "ok", "a reply")]
        assert look("--dbus=test.sdwd.Nobody", LONG, status=1, env=env)[1][0][1:3] == ("fail", "gone")
    assert look("--dbus=test.sdwd.Service", LONG, status=3, env=env)[1][0][1:3] == ("unknown", "prober")


def test_without_fds_nobody_can_look(look, tmp_path):
    def few():
        # 0 to 2, the signals, the loop.
        resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))

    rows = look("--tcp=127.0.0.1:1", f"--unix={tmp_path}/s", "--http=http://127.0.0.1:1/", "--exec=true", LONG, status=3,
                preexec=few)[1]
    assert [row[:3] for row in rows] == [(name, "unknown", "self") for name in ("tcp", "unix", "http", "exec")]


def test_the_prober_dies(start, serve_tls):
    server = serve_tls(then="silent")
    run = start(f"--http={server.url()}", "--http-insecure", "--timeout=1min")
    server.start_of(0)
    os.kill(run.child(), signal.SIGKILL)
    assert run.wait() == 3 and children() <= run.before
    assert re.fullmatch(r"http  unknown  prober +\S+  the prober died: killed by SIGKILL\n", run.stdout())
    assert run.stderr() == ""


# The same as sdwd's own -------------------------------------------------------------------------------------------


OTHER_MODES = ["status:503", "status:404", "redirect:/new", "raw:HTTP/1.1 200 OK\r\n\r\n", "raw-held:HTTP/1.1 20"]


def test_the_same_verdict_as_sdwds_of_the_same_server(sdwd, start):
    modes = [mode for mode in MODES if mode not in ("status", "redirect", "raw", "raw-held")] + OTHER_MODES
    options = ["--http-body=body", "--http-status=200-399"]

    def begin(stack, mode):
        server = stack.enter_context(Hostile(mode))
        # This one gets there.
        probe = [f"--http={server.url()}", *options, f"--timeout={20 if mode == 'drip-all' else 2}s"]
        service = sdwd(*probe, "--interval=1h", "--start-interval=1h",
                       "--log-level=debug", "--log-target=stderr")
        return mode, service, start(*probe)

    def end(mode, service, alone):
        service.wait_stderr("sdwd: http: ")
        alone.wait()
        service.terminate()
        row = re.fullmatch(r"http  (\w+) +([a-z-]+) +\S+  (.*)\n", alone.stdout())
        return mode, outcomes(service.stderr())[0], row and row.groups()

    seen = []
    # A few at once: most of them take as long as they may.
    for first in range(0, len(modes), 4):
        with contextlib.ExitStack() as stack:
            seen += [end(*pair) for pair in [begin(stack, mode) for mode in modes[first:first + 4]]]
    assert [one for one in seen if one[1] != one[2]] == []
    # Both ways to be wrong are among them.
    assert {"pass", "fail"} <= {verdict for _, (verdict, _, _), _ in seen}


# Several ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codes, status", [
    ([0, 0], 0), ([0, 9], 0), ([9, 9], 0), ([0, 1], 1), ([1, 9], 1), ([0, 127], 3), ([127, 9], 3), ([1, 127], 1),
    ([127, 0, 1], 1),
])
def test_the_worst_counts(look, codes, status):
    options = [word for code in codes for word in (f"--exec=sh -c 'exit {code}'", "--exec-warn=9")]
    words = {0: "pass", 9: "warn", 1: "fail", 127: "unknown"}
    assert [row[1] for row in look(LONG, *options, status=status)[1]] == [words[code] for code in codes]


def test_optional_ones_are_only_shown(look):
    assert look(LONG, "--exec=false", "--optional", "--exec=true", status=0)[1] == [
        ("exec", "fail", "exit-code", "exited with 1 (optional)"), ("exec-2", "pass", "ok", "exited with 0")]
    assert look(LONG, "--exec=true", "--optional", "--exec=false", status=1)[0] == 1
    assert look(LONG, "--exec=false", "--optional", status=0)[0] == 0


def test_all_are_looked_at_at_once(look, tmp_path):
    # Each waits for the other: a fifo opens when both ends do.
    os.mkfifo(tmp_path / "f")
    rows = look(LONG, "--exec=echo hello >f", "--exec=read word <f; echo $word", status=0, cwd=tmp_path)[1]
    assert rows[1] == ("exec-2", "pass", "ok", "exited with 0: hello")


def test_each_has_its_own_deadline(start, serve):
    server = serve(then="silent")
    run = start("--nagios", f"--http={server.url()}", "--timeout=300ms", "--exec=sleep 3", LONG)
    assert run.wait() == 2
    seconds = [float(text) for text in re.search(r"\| http=(\S+)s;;;0 exec=(\S+)s;;;0", run.stdout()).groups()]
    assert 0.3 <= seconds[0] < seconds[1] and seconds[1] >= 3


# Nagios -----------------------------------------------------------------------------------------------------------


def test_nagios_ok(line, serve):
    code, text = line("--nagios", f"--http={serve().url()}", LONG)
    assert code == 0 and re.fullmatch(rf"SDWD OK - http: HTTP 200 in \S+ \| http={NUMBER}\n", text), text


def test_nagios_warning(line):
    code, text = line("--exec=echo slow; exit 1", "--exec-warn=1", LONG, "--nagios")
    assert code == 1 and re.fullmatch(rf"SDWD WARNING - exec: exited with 1: slow in \S+ \| exec={NUMBER}\n", text), text


def test_nagios_critical(line):
    # What a check prints cannot begin the performance data.
    code, text = line("--exec=echo 'a|b=3'; exit 1", LONG, "--nagios")
    assert code == 2
    assert re.fullmatch(rf"SDWD CRITICAL - exec: exited with 1: a/b=3 \(exit-code\) \| exec={NUMBER}\n", text), text


def test_nagios_unknown_has_no_value(line):
    code, text = line("--exec=exit 127; true", LONG, "--nagios")
    assert (code, text) == (3, "SDWD UNKNOWN - exec: exited with 127: the command cannot be run (cannot-run) | "
                               "exec=U;;;0\n")


def test_nagios_tells_the_worst_first_and_what_is_optional_last(line):
    code, text = line("--nagios", LONG, "--exec=true", "--name=good", "--exec=false", "--name=never", "--optional",
                      "--exec=exit 3; true", "--name=bad", "--exec=exit 127; true", "--name=blind")
    words, values = text.split(" | ")
    assert code == 2 and words.startswith("SDWD CRITICAL - ")
    assert re.findall(r"(?:- |, )(\w+): ", words) == ["bad", "blind", "good", "never"]
    assert words.endswith("never: exited with 1 (exit-code) (optional)")
    assert [value.split("=")[0] for value in values.split()] == ["good", "never", "bad", "blind"]


def test_nagios_names_in_labels(line):
    code, text = line("--nagios", LONG, "--exec=true", "--name=it's a=b|c")
    assert code == 0
    assert re.fullmatch(rf"SDWD OK - it's a=b/c: exited with 0 in \S+ \| 'it_s a_b_c'={NUMBER}\n", text), text


@pytest.mark.parametrize("options, reason", [
    ([], "no probe: --http=URL"),
    (["--frobnicate"], "unknown option '--frobnicate'"),
    (["--exec=true", "--ready=exec"], "--ready: an option of sdwd"),
    (["--exec=true", "--fall=a|b"], "--fall: 'a/b' is not a number"),
    (["--heartbeat", "--notify"], "--heartbeat: cannot be tried alone: only a child of sdwd writes beats; --notify: "),
])
def test_nagios_hears_of_a_wrong_command_line(line, options, reason):
    # What it takes for CRITICAL elsewhere is UNKNOWN here.
    code, text = line(*options, "--nagios")
    assert code == 3 and text.startswith(f"SDWD UNKNOWN - {reason}") and text.count("\n") == 1 and "|" not in text


def test_nagios_is_no_option_where_it_is_a_value(start):
    # Nothing else looks like an error: it is sent.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        run = start(f"--tcp=127.0.0.1:{listener.getsockname()[1]}", "--send", "--nagios", LONG)
        with listener.accept()[0] as connection:
            assert connection.makefile("rb").read() == b"--nagios"
    assert run.wait() == 0 and run.stdout().startswith("tcp  pass ")


# What is left ------------------------------------------------------------------------------------------------------


def test_a_check_that_hangs_is_killed_with_all_of_its_group(look, tmp_path):
    # sh itself, what it waits for, and what it left in the background: none is there any more, not as a zombie either.
    code, rows = look("--exec=echo on; sleep 1000 & sleep 1000; true", "--timeout=300ms", cwd=tmp_path)
    assert (code, rows) == (1, [("exec", "fail", "timeout", "took longer than 300ms and was killed: on")])


def test_what_a_good_check_leaves_in_its_group_is_killed_too(look):
    assert look("--exec=sleep 1000 & echo $$", LONG, status=0)[0] == 0


def test_what_a_server_sends_along_is_closed_without_a_wait(look, tmp_path):
    """By a process of its own, whose end is no answer to wait for."""
    def serve_fds(server):
        for _ in range(5):
            with server.accept()[0] as client, contextlib.suppress(OSError):
                socket.send_fds(client, [b"ok"], [client.fileno()])

    took = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        threading.Thread(target=serve_fds, args=[server], daemon=True).start()
        for _ in range(5):
            begin = time.monotonic()
            assert look(f"--unix={tmp_path}/socket", "--expect=ok", LONG, status=1)[1][0][1:3] == ("fail", "read-failed")
            took.append(time.monotonic() - begin)
    assert median(took) < 1.5, took


def test_a_session_of_its_own_is_left_alone(start, tmp_path):
    run = start("--exec=setsid sh -c 'echo $$ >pid.new; mv pid.new pid; exec sleep 1000' & "
                "while ! [ -e pid ]; do sleep 0.01; done", LONG, cwd=tmp_path)
    assert run.wait() == 0
    pid = int((tmp_path / "pid").read_text(encoding="ascii"))
    assert pid in children() and stat_of(pid)[0] != "Z"
    run.may_leave = True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_all_looks(start, serve, serve_tls, tmp_path, number):
    plain, tls = serve(then="silent"), serve_tls(then="silent")
    run = start(f"--http={plain.url()}", "--timeout=5min", f"--http={tls.url()}", "--http-insecure", "--timeout=5min",
                "--exec=touch on; sleep 1000; true", "--timeout=5min", cwd=tmp_path)
    plain.start_of(0)
    tls.start_of(0)
    wait_until((tmp_path / "on").exists, "the check")
    assert len(descendants(run.pid)) >= 2
    run.signal(number)
    # As the signal would have ended it, so that a shell's loop ends with it.
    assert run.wait() == -number
    assert children() <= run.before
    assert run.stdout() + run.stderr() == ""
    plain.end_of(0)


def test_an_ignored_signal_stays_ignored(start, tmp_path):
    run = start("--exec=touch on; while ! [ -e off ]; do sleep 0.01; done", LONG, cwd=tmp_path,
                preexec=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_until((tmp_path / "on").exists, "the check")
    run.signal(signal.SIGHUP)
    run.signal(signal.SIGWINCH)
    (tmp_path / "off").touch()
    assert run.wait() == 0


def test_a_time_in_which_it_was_stopped_is_not_the_servers(start):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        run = start(f"--tcp=127.0.0.1:{listener.getsockname()[1]}", "--expect=^fine", "--timeout=3s")
        with listener.accept()[0] as connection:
            run.signal(signal.SIGSTOP)
            wait_until(lambda: stat_of(run.pid)[0] == "T", "the stop")
            # Longer than its timeout and all slack.
            time.sleep(4)
            run.signal(signal.SIGCONT)
            # It has run since: the deadline that went by meanwhile has been looked at.
            wait_until(lambda: stat_of(run.pid)[0] != "T", "the end of the stop")
            before = switches(run.pid)
            wait_until(lambda: run.returncode is not None or switches(run.pid) > before or stat_of(run.pid)[0] == "S",
                       "its turn")
            connection.sendall(b"fine\n")
            assert run.wait() == 0, run.stdout()


def switches(pid):
    """How often the process has given its processor away of its own will."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.M).group(1))
    return 0


# The environment of checks ----------------------------------------------------------------------------------------


ENVIRONMENT = "--exec=env | grep -E '^(SDWD_|NOTIFY_|WATCHDOG_)' | sort | tr '\\n' ' '"


def test_checks_get_what_the_first_look_of_sdwd_gives(look, manager):
    row = look(ENVIRONMENT, "--name=one", LONG, status=0, notify=True, watchdog=3)[1][0]
    assert row[3] == ("exited with 0: SDWD_CAUSE=ok SDWD_PROBE=one SDWD_STATE=starting SDWD_STREAK=0 SDWD_TEXT=")
    manager.never(lambda d: True, 0.1)


def test_what_only_a_service_has_may_be_given(look, tmp_path):
    env = {"SDWD_CHILD_PID": "123", "SDWD_LABEL": "mine", "SDWD_PROBE": "not this"}
    text = look(ENVIRONMENT, LONG, status=0, env=env)[1][0][3]
    assert "SDWD_CHILD_PID=123 SDWD_LABEL=mine SDWD_PROBE=exec" in text
    (tmp_path / "x.conf").write_text(f"{ENVIRONMENT[2:]}\nlabel = web\n", encoding="utf-8")
    assert "SDWD_LABEL=web " in look(f"--config={tmp_path}/x.conf", LONG, status=0, env=env)[1][0][3]


# Usage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, said", [
    ([], "no probe: --http=URL, --tcp=HOST:PORT, --exec=COMMAND, ...; see sdwdctl probe --help"),
    (["--timeout=1s"], "--timeout: '1s' is for no probe here: none of them knows this option"),
    (["--frobnicate"], "unknown option '--frobnicate'"),
    (["--exec=true", "--timout=3s"], "unknown option '--timout'; did you mean '--timeout'?"),
    (["--exec=true", "--retries=3"], "--retries: not an option here; use --fall"),
    (["--exec=true", "--timeout=soon"], "--timeout: 'soon' is not a duration (like 500ms, 10s or 1min 30s)"),
    (["--exec=true", "--http-status=200"], "--http-status: '200': not an option of --exec; it belongs to --http"),
    (["--exec"], "--exec: needs a value"),
    (["--http=ftp://x/"], "--http: 'ftp://x/' does not begin with http:// or https://"),
    (["--exec=/no/such"], "--exec: '/no/such': cannot execute '/no/such': No such file or directory"),
    (["-t", "5"], "unknown option '-t': sdwd's options are long ones"),
    (["--exec=true", "--", "sleep", "9"], "'--': only options stand here: nothing is started but checks"),
    (["--exec=true", "sleep"], "'sleep': only options stand here: nothing is started but checks"),
    (["--nagios=perhaps"], "--nagios: 'perhaps' is not yes or no"),
    (["--heartbeat"], "--heartbeat: cannot be tried alone: only a child of sdwd writes beats"),
    (["--exec=true", "--notify=watchdog"], "--notify: cannot be tried alone: only a child of sdwd has this socket"),
    (["--file=/x"], "--file: cannot be tried alone: one look does not tell whether the file changes"),
    (["--pidfile=/x"],
     "--pidfile: cannot be tried alone: sdwd believes only the pid of a process below it, and here is none"),
    (["--forking"], "--forking: cannot be tried alone: it is about the processes below sdwd, and here are none"),
    (["--unix=/x", "--peer=child"], "--unix: cannot be tried alone: --peer=child: there is no child here"),
])
def test_a_wrong_command_line(refused, options, said):
    assert refused(*options) == said


def test_each_one_that_cannot_be_tried_has_its_line(refused):
    assert refused("--heartbeat", "--exec=true", "--notify", lines=2).count("cannot be tried alone") == 2


def test_options_of_the_service_are_refused(refused, sdwd_path):
    rows = subprocess.run([sdwd_path, "--dump-options"], capture_output=True, text=True, check=True).stdout.splitlines()
    seen = 0
    for row in rows:
        name, argument, _, scope, _ = row.split("\t")
        if scope != "service" or name in ("config", "help"):
            continue
        seen += 1
        option = f"--{name}" if argument == "-" else f"--{name}=1"
        assert refused("--exec=true", option) == f"--{name}: an option of sdwd for the whole service, not of a probe"
    assert seen > 30


def test_help(start):
    for word in ("--help", "-h"):
        run = start("--exec=true", word)
        assert run.wait() == 0 and run.stderr() == ""
        assert run.stdout().startswith("Usage: sdwdctl probe [OPTION...] PROBE-OPTION...\n")
        assert "--nagios" in run.stdout() and "--config=FILE" in run.stdout()


def test_a_full_disk(start):
    with open("/dev/full", "wb") as full:
        for option in ([], ["--nagios"]):
            run = start("--exec=true", LONG, *option, stdout=full)
            assert run.wait() == 3
            assert run.stderr() == "sdwdctl: cannot write to the standard output\n"


# A file -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path):
    """config("exec = true", ...) gives the option that names a file of those lines."""
    def write(*lines):
        (tmp_path / "web.conf").write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
        return f"--config={tmp_path}/web.conf"
    return write


def test_the_probes_of_a_file(look, config):
    option = config("timeout = 20s", "heartbeat", "silence = 20s", "exec = echo one", "fall = 5", "unix = /x",
                    "peer = child", "on-unhealthy = kill", "command = sleep 1000")
    assert look(option, "--exec=echo two", LONG, status=0)[1] == [
        ("exec", "pass", "ok", "exited with 0: one"),
        ("exec-2", "pass", "ok", "exited with 0: two"),
        ("heartbeat", "skipped", "-", "cannot be tried alone: only a child of sdwd writes beats"),
        ("unix", "skipped", "-", "cannot be tried alone: --peer=child: there is no child here"),
    ]


def test_how_long_a_look_may_take_by_default(line, config, serve):
    # 0.8 of the interval, which is a fifth of the watchdog time: 30 s, or what the file says.
    url = serve(then="silent").url()
    assert "no response within 4.8s" in line(f"--http={url}")[1]
    assert "no response within 800ms" in line(f"--http={url}", "--interval=1s")[1]
    assert "no response within 320ms" in line(config("watchdog-sec = 2s", f"http = {url}"))[1]


def test_as_many_as_the_file_requires(look, config):
    probes = ["timeout = 20s", "exec = false", "exec = true", "exec = false", "optional", "exec = exit 127; true"]
    for require, status in [("all", 1), ("any", 0), ("1", 0), ("2", 3), ("3", 1)]:
        assert look(config(*probes, f"require = {require}"))[0] == status, require


def test_what_is_wrong_with_a_file(refused, config, tmp_path):
    assert refused(f"--config={tmp_path}/none") == f"--config: '{tmp_path}/none': No such file or directory"
    option = config("exec = true", "fall = x", "kill-timeout = y")
    said = refused(option, lines=2).split("\n")
    assert said[0] == f"{tmp_path}/web.conf:2: fall: 'x' is not a number"
    assert said[1].startswith(f"sdwdctl: probe: {tmp_path}/web.conf:3: kill-timeout: 'y' is not a duration")
    assert refused(config("notify", "command = x")) == (
        f"none of the probes of {tmp_path}/web.conf can be tried alone: --notify: only a child of sdwd has this socket")


def test_without_the_prober(refused, build, make_runner, tmp_path):
    # As it is where the package with the prober is not installed.
    program = tmp_path / "sdwdctl"
    program.write_bytes((build / "sdwdctl").read_bytes())
    program.chmod(0o755)
    run = make_runner(program)("probe", "--http=https://localhost/", command=None, notify=False)
    assert run.wait(PATIENCE_SECONDS) == 3
    assert re.fullmatch(r"sdwdctl: probe: --http: https needs sdwd-prober: /\S+/sdwd-prober: No such file or directory; "
                        r"it is in the package sdwd-prober\n", run.stderr())
