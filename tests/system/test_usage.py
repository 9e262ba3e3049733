# SPDX-License-Identifier: MIT
"""What sdwd says of a command line: one clear line for a wrong one, nothing started; help, version, options."""

import os
import re
import subprocess

import pytest

HTTP = "--http=http://127.0.0.1:1/"
DURATIONS = ["interval", "timeout", "fast-interval", "start-interval"]
SERVICE_DURATIONS = ["hook-timeout", "dump-wait", "kill-timeout", "orphan-timeout", "pidfile-timeout"]

FOREIGN = [
    ("--retries=3", "--retries", "--fall"),
    ("--failure-threshold=3", "--failure-threshold", "--fall"),
    ("--success-threshold=3", "--success-threshold", "--rise"),
    ("--period=10", "--period", "--interval"),
    ("--period-seconds=10", "--period-seconds", "--interval"),
    ("--initial-delay=5", "--initial-delay", "--start-period"),
    ("--health-retries=2", "--health-retries", "--fall"),
    ("--grace-period=10", "--grace-period", "--kill-timeout"),
    ("--ttl=10", "--ttl", "--silence"),
    ("--pid-file=/run/x", "--pid-file", "--pidfile"),
    ("--port=80", "--port", "--tcp"),
    ("--tcp-check=x", "--tcp-check", "--send and --expect"),
    ("--unixsocket=/x", "--unixsocket", "--unix"),
    ("--cacert=/x", "--cacert", "--http-ca"),
    ("--insecure", "--insecure", "--http-insecure"),
    ("--verbose", "--verbose", "--log-level=debug"),
    ("--restart=always", "--restart", "Restart= in the unit"),
    ("--user=nobody", "--user", "User= in the unit"),
    ("-g", "-g", "--signal-group"),
    ("-p", "-p", "--pdeathsig"),
]

UNKNOWN = [
    (["--frobnicate"], "unknown option '--frobnicate'"),
    (["--frobnicate=3"], "unknown option '--frobnicate'"),
    ([HTTP, "--intervall=3"], "unknown option '--intervall'; did you mean '--interval'?"),
    (["--=3"], "unknown option '--'"),
    (["-x"], "unknown option '-x'"),
]

MISPLACED = [
    (["--name=x"], "--name: 'x'"),
    (["--optional"], "--optional: "),
    (["--fall=3"], "--fall: '3'"),
    (["--silence=3", HTTP], "--silence: '3'"),
    (["--heartbeat", "--fall=3"], "--fall: '3': not an option of --heartbeat"),
    (["--heartbeat", "--http-body=x"], "--http-body: 'x': not an option of --heartbeat; it belongs to --http"),
    ([HTTP, "--silence=3"], "--silence: '3': not an option of --http"),
    (["--pidfile=/run/x", "--interval=3"], "--interval: '3': not an option of --pidfile"),
    (["--forking", "--optional"], "--optional: not an option of --forking"),
    (["--expect=x", "--tcp=127.0.0.1:1"], "--expect: 'x': belongs after the probe that it is for"),
]

MALFORMED = [
    *[([HTTP, f"--{o}=soon"], f"--{o}: 'soon' is not a duration") for o in DURATIONS],
    *[([HTTP, f"--{o}=0"], f"--{o}: '0' is out of range") for o in DURATIONS],
    *[([HTTP, f"--{o}=infinity"], f"--{o}: 'infinity' is out of range") for o in DURATIONS],
    *[([f"--{o}=-1"], f"--{o}: '-1' is not a duration") for o in SERVICE_DURATIONS],
    *[([f"--{o}=0"], f"--{o}: '0' is out of range") for o in SERVICE_DURATIONS],
    (["--start-timeout=0"], "--start-timeout: '0' is out of range (1ms or more)"),
    (["--extend-start=x"], "--extend-start: 'x' is not a duration"),
    ([HTTP, "--start-period="], "--start-period: '' is not a duration"),
    (["--watchdog-sec=9ms"], "--watchdog-sec: '9ms' is out of range (10ms-"),
    (["--heartbeat", "--silence=1 parsec"], "--silence: '1 parsec' is not a duration"),
    ([HTTP, "--interval=99999999999999999999"], "--interval: '99999999999999999999' is out of range"),
    ([HTTP, "--fall=0"], "--fall: '0' is out of range (1-1000)"),
    ([HTTP, "--fall=1001"], "--fall: '1001' is out of range (1-1000)"),
    ([HTTP, "--fall=+3"], "--fall: '+3' is not a number"),
    ([HTTP, "--fall= 3"], "--fall: ' 3' is not a number"),
    ([HTTP, "--rise=x"], "--rise: 'x' is not a number"),
    ([HTTP, "--rise="], "--rise: '' is not a number"),
    ([HTTP, "--rise=0"], "--rise: '0' is out of range (1-1000)"),
    *[([HTTP, f"--fall-window={v}"], f"--fall-window: '{v}' is not X/Y") for v in ("3", "3/2", "0/2", "3/65", "1/2/3")],
    (["--nice=20"], "--nice: '20' is out of range (-20 to 19)"),
    (["--rtprio=0"], "--rtprio: '0' is out of range (1-99)"),
    (["--rtprio=100"], "--rtprio: '100' is out of range (1-99)"),
    (["--oom-score-adjust=-1001"], "--oom-score-adjust: '-1001' is out of range (-1000 to 1000)"),
    (["--oom-score-adjust=much"], "--oom-score-adjust: 'much' is not a number"),
    (["--kill-signal=FOO"], "--kill-signal: 'FOO' is not a signal"),
    (["--dump-signal=0"], "--dump-signal: '0' is not a signal"),
    (["--pdeathsig=65"], "--pdeathsig: '65' is not a signal"),
    (["--stop-signal=TERM,"], "--stop-signal: '' is not a signal"),
    (["--stop-signal=KILL"], "--stop-signal: 'KILL' is not a signal that sdwd can catch"),
    (["--signal-map=TERM"], "--signal-map: 'TERM' is not a pair"),
    (["--signal-map=TERM:FOO"], "--signal-map: 'FOO' is not a signal"),
    (["--signal-map=STOP:TERM"], "--signal-map: 'STOP' is not a signal that sdwd can catch"),
    (["--exit-map=1"], "--exit-map: '1' is not a pair"),
    (["--exit-map=256:1"], "--exit-map: '256' is not an exit code"),
    (["--exit-map=1:256"], "--exit-map: '256' is not an exit code"),
    *[([f"--{o}=other"], f"--{o}: 'other' is not one of ")
      for o in ("on-unhealthy", "orphans", "exit-status", "notify-access", "log-level", "log-target", "ready")],
    (["--ready=exec,"], "--ready: '' is not one of "),
    (["--require=0"], "--require: '0' is not all, any or a number from 1"),
    (["--setsid=maybe"], "--setsid: 'maybe' is not yes or no"),
    (["--forking=maybe"], "--forking: 'maybe' is not yes or no"),
    (["--label=a/b"], "--label: 'a/b' cannot name a file"),
    (["--label="], "--label: '' is empty"),
    (["--argv0="], "--argv0: '' is empty"),
    ([HTTP, "--name=process"], "--name: 'process' is the name of "),
    ([HTTP, "--name=" + "n" * 65], "is longer than 64 bytes"),
    (["--heartbeat=2"], "--heartbeat: '2' is not an fd number from 3 to 1023"),
    (["--heartbeat=x"], "--heartbeat: 'x' is not an fd number"),
    (["--notify=ready"], "--notify: 'ready' is not 'watchdog'"),
    ([HTTP, "--http-status=99"], "--http-status: '99' is no list of statuses"),
    ([HTTP, "--http-status=300-200"], "--http-status: '300-200' is no list of statuses"),
    ([HTTP, "--http-body=("], "--http-body: '(' is no regular expression"),
    ([HTTP, "--http-method=G T"], "--http-method: 'G T' is no method"),
    ([HTTP, "--http-header=nocolon"], "--http-header: 'nocolon' has no colon"),
    ([HTTP, "--http-connect=127.1"], "--http-connect: '127.1' is no HOST"),
    ([HTTP, "--http-follow=all"], "--http-follow: 'all' is not one of same-host"),
]

IMPOSSIBLE = [
    ([HTTP, "--name=x", HTTP, "--name=x"], "--name: 'x' is the name of another probe"),
    ([HTTP, "--name=http-2", HTTP, "--name=http-2"], "--name: 'http-2' is the name of another probe"),
    ([HTTP, "--http-header=@missing"], "--http-header: 'missing': No such file or directory"),
    ([HTTP, "--http-header=@/"], "--http-header: '/': Is a directory"),
    ([HTTP, "--http-unix="], "--http-unix: '': the path is empty"),
    ([HTTP, "--http-unix=/" + "x" * 107], "the path of a socket has at most 107 bytes"),
    (["--pidfile=dir/"], "--pidfile: 'dir/' is not a file's path"),
    (["--pidfile="], "--pidfile: '' is empty"),
    (["--http="], "--http: '' is empty"),
    (["--http=127.0.0.1:80/"], "--http: '127.0.0.1:80/' does not begin with http://"),
    (["--http=ftp://127.0.0.1/"], "--http: 'ftp://127.0.0.1/' does not begin with http://"),
    (["--http=http://"], "--http: 'http://' has no host"),
    (["--http=http://127.0.0.1:99999/"], "has no port within 1-65535"),
    (["--http=http://me:secret@127.0.0.1/"], "--http: the URL has a user or password in it"),
    ([HTTP, "--http-method=HEAD", "--http-body=x"], "--http: --http-body can never match"),
    (["--heartbeat=7", "--heartbeat=7"], "--heartbeat=7: this fd is in use already"),
    (["--notify", "--notify"], "--notify: can be given only once"),
    (["--pidfile=/x", "--forking"], "--forking: cannot be combined with --pidfile"),
    (["--pidfile=/x", "--pidfile=/y"], "--pidfile: '/y' can be given only once"),
    (["--pidfile=/x", "--pdeathsig=TERM"], "--pdeathsig: 'TERM' cannot be combined with --pidfile"),
    (["--notify", "--notify-access=none"], "--notify-access: 'none' cannot be combined with --notify"),
    (["--ready=notify", "--notify-access=none"], "--notify-access: 'none' cannot be combined with --ready=notify"),
    ([HTTP, HTTP, "--require=5"], "--require: '5' is more than the 2 probes that are not optional"),
    ([HTTP, HTTP, "--optional", "--require=2"], "--require: '2' is more than the 1 probe that is not optional"),
    (["--require=1"], "--require: '1' is more than the 0 probes"),
    (["--dbus=" + "a." * 127 + "bc"], "is no name on a bus, like org.example.Service"),
    (["--dbus=a.b", "--dbus-call=/a-b:c.d.e"], "--dbus-call: '/a-b:c.d.e' has no object path before its colon"),
    (["--dbus=a.b", "--dbus-call=/" + "a" * 4096 + ":c.d.e"], "has no object path before its colon"),
    (["--grpc=" + "a" * 300 + ":80"], "has a host that is too long"),
    (["--grpc=127.0.0.1:80/\udcff"], "has a service that is no UTF-8"),
    (["--http=http://" + "a" * 256 + "/"], "has a host that is too long"),
    (["--http=http://[" + "1" * 46 + "]/"], "has no IPv6 address in its brackets"),
    (["--http=http://127.0.0.1/" + "a" * 65536], "is too long"),
    (["--tcp=127.0.0.1:80", "--send=" + "a" * 16385], "is larger than 16 KiB"),
    (["--tcp=example..com:80"], "--tcp: 'example..com:80' has a host that is neither an address nor a name"),
    (["--unhealthy-hook="], "--unhealthy-hook: '' is empty"),
    (["--unhealthy-hook=  "], "--unhealthy-hook: '  ' is not a command"),
    (["--unhealthy-hook=echo 'x"], "--unhealthy-hook: 'echo 'x' is not a command: empty, or a quote is not closed"),
]

@pytest.fixture
def run(tmp_path, sdwd, sdwd_path, manager):
    """run(*words): the whole command line; returns the ended process with its output as bytes."""

    def start(*words, env=(), **more):
        surroundings = sdwd.environment(notify=False, watchdog=None) | dict(env)
        return subprocess.run([os.fsencode(sdwd_path), *map(os.fsencode, words)], cwd=tmp_path, env=surroundings,
                              timeout=20, check=False, stdin=subprocess.DEVNULL,
                              **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})

    return start


@pytest.fixture
def refused(run, tmp_path):
    """refused(*options): with a command behind them. Returns the one line; the same is true with --check."""

    def line_of(*options, **more):
        for mode in ([], ["--check"]):
            ended = run(*mode, *options, "--", "touch", "started", **more)
            assert ended.returncode == 125, ended
            assert ended.stdout == b""
            assert ended.stderr.count(b"\n") == 1 and ended.stderr.endswith(b"\n"), ended.stderr
            assert not (tmp_path / "started").exists()
        return re.sub(r"^(<3>)?sdwd: ", "", ended.stderr.decode("utf-8").rstrip("\n"))

    return line_of


@pytest.mark.parametrize("option, name, ours", FOREIGN)
def test_a_name_of_another_tool_is_answered_with_ours(refused, option, name, ours):
    line = refused(option)
    assert line.startswith(f"{name}: not an option here; ") and ours in line


def test_every_answer_names_options_that_are_there(refused, run):
    """Whatever it is that people type, they are not sent to an option that this build does not have."""
    ours = {line.split("\t")[0] for line in run("--dump-options").stdout.decode().splitlines()}
    for option in [o for o, _, _ in FOREIGN] + ["--health-cmd=x", "--url=x", "--port=1", "--cmd=x", "--socket=x"]:
        answer = refused(option).partition("; ")[2]
        assert set(re.findall(r"--([a-z0-9-]+)", answer)) <= ours, answer


@pytest.mark.parametrize("options, line", UNKNOWN + MISPLACED + MALFORMED + IMPOSSIBLE)
def test_a_wrong_line_is_refused_by_one_line(refused, options, line):
    assert line in refused(*options)


@pytest.mark.parametrize("option", ["--fall", "--http", "--label", "--interval", "--pidfile", "--on-unhealthy"])
def test_a_value_that_is_missing(refused, run, option):
    before = [] if option in ("--http", "--pidfile", "--label", "--on-unhealthy") else [HTTP]
    assert refused(*before, option) == f"{option}: needs a value"
    assert run(*before, option).stderr.decode() == f"sdwd: {option}: needs a value\n"


@pytest.mark.option("heartbeat")
def test_an_inherited_fd_is_no_heartbeats(run, tmp_path):
    r, w = os.pipe()
    try:
        ended = run(f"--heartbeat={r}", "--", "touch", "started", pass_fds=[r])
        assert ended.returncode == 125
        assert ended.stderr.decode() == f"sdwd: --heartbeat={r}: this fd is in use already\n"
        assert not (tmp_path / "started").exists()
    finally:
        os.close(r)
        os.close(w)


def test_several_errors_are_told_at_once_each_with_its_value(run, tmp_path):
    ended = run("--http=ftp://x/", "--pidfile=dir/", "--require=9", "--", "touch", "started")
    assert ended.returncode == 125
    assert [line.split(": ")[1] for line in ended.stderr.decode().splitlines()] == ["--http", "--pidfile", "--require"]
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("words, line", [
    ([], "no command given; see sdwd --help"),
    (["--"], "no command given; see sdwd --help"),
    (["--check"], "no command given; see sdwd --help"),
    ([HTTP], "no command given; see sdwd --help"),
    ([""], "the command '' is empty"),
    (["--", ""], "the command '' is empty"),
])
def test_no_command(run, words, line):
    ended = run(*words)
    assert (ended.returncode, ended.stdout, ended.stderr.decode()) == (125, b"", f"sdwd: {line}\n")


@pytest.mark.parametrize("address", ["run/notify", "/", "@", "vsock:", "vsock:1", "vsock:-1:1", "/" + "x" * 108, "\n"])
def test_a_malformed_notify_socket(run, tmp_path, address):
    ended = run("--", "touch", "started", env={"NOTIFY_SOCKET": address})
    assert ended.returncode == 125
    assert ended.stderr.count(b"\n") == 1 and b"NOTIFY_SOCKET='" in ended.stderr
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("options", [
    [b"--fall=\xff\xfe\x1b[31m", HTTP], [HTTP, b"--fall=\xff\x1b[31m"], [b"--frob\xff\x01"], [b"--heartbeat=\xff\n9"],
    [b"--pidfile=a\xff\x07/"], [b"--notify=\xff\n"], [b"--label=\xff"], [b"--label=a\nb"], [b"--http=\xffx"],
    [b"--http=http://\xff\x1b/"], [HTTP, b"--name=a\nb\xc3"], [HTTP, b"--http-header=\xff\n"],
    [HTTP, b"--http-header=@\xff\n"], [HTTP, b"--http-connect=\xff\x01"], [b"--kill-signal=\xff\x02"],
    [b"--exit-map=\xff:\n"], [b"--on-unhealthy=\xff\x7f"], [b"--unhealthy-hook='\xff\n"],
    [HTTP, b"--http-body=(\xff\n"],
])
def test_no_byte_of_a_value_is_obeyed_by_a_terminal(refused, options):
    line = refused(*options)
    assert "?" in line and all(c.isprintable() for c in line), repr(line)


def test_a_very_long_value_is_cut_and_a_long_command_line_is_not(refused, run):
    assert len(refused("--label=" + "x" * 100000)) < 300
    assert len(refused(HTTP, "--http-body=(" + "x" * 100000)) < 300
    words = ["w" * 1000] * 1000
    ended = run("--", "sh", "-c", 'all=$*; echo $# ${#all}', "sh", *words)
    assert ended.returncode == 0 and ended.stdout == b"1000 1000999\n"
    probes = [word for i in range(300) for word in (HTTP, f"--name=p{i}", "--optional")]
    ended = run("--check", *probes, "--", "true")
    assert ended.returncode == 0 and ended.stdout.count(b"\nprobe p") == 300


# The child's words --------------------------------------------------------------------------------------------------

def test_parsing_stops_at_the_command(run, tmp_path):
    (tmp_path / "file").touch()
    ended = run("ls", "-l", "--all")
    assert ended.returncode == 0 and re.search(rb"^-rw.* file$", ended.stdout, re.MULTILINE)
    assert run("--log-level=err", "sh", "-c", "exit 3").returncode == 3
    assert run("echo", "--fall=0", "--help", "--").stdout == b"--fall=0 --help --\n"


def test_what_follows_two_dashes_is_the_command(run):
    assert run("--", "echo", "--", "-x").stdout == b"-- -x\n"
    ended = run("--", "--", "true")
    assert ended.returncode == 127 and b"cannot execute '--'" in ended.stderr
    ended = run("-", "true")
    assert ended.returncode == 127 and b"cannot execute '-'" in ended.stderr


def test_a_value_may_be_a_word_of_its_own(run):
    ended = run("--exit-map", "3:4", "sh", "-c", "exit 3")
    assert ended.returncode == 4
    # An optional value only comes with '='.
    assert run("--heartbeat", "echo", "yes").stdout == b"yes\n"


# What is printed instead --------------------------------------------------------------------------------------------

@pytest.mark.option("help")
@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--help", "--", "touch", "started"], [HTTP, "--help"]])
def test_help_names_every_option(run, tmp_path, words):
    ended = run(*words)
    assert ended.returncode == 0 and ended.stderr == b"" and not (tmp_path / "started").exists()
    text = ended.stdout.decode()
    assert text.startswith("Usage: sdwd ")
    names = [line.split("\t")[0] for line in run("--dump-options").stdout.decode().splitlines()]
    assert len(names) > 50
    assert set(re.findall(r"^  --([a-z0-9-]+)", text, re.MULTILINE)) == set(names)
    assert all(len(line) < 80 for line in text.splitlines())


@pytest.mark.option("version")
@pytest.mark.parametrize("words", [["--version"], ["-V"], ["--version", "--", "touch", "started"]])
def test_version(run, tmp_path, words):
    ended = run(*words)
    assert ended.returncode == 0 and ended.stderr == b"" and not (tmp_path / "started").exists()
    assert re.fullmatch(rb"sdwd \d+\.\d+(\.\d+)?\n", ended.stdout)


@pytest.mark.option("dump-options")
def test_dump_options_is_a_table_that_the_parser_agrees_with(run, tmp_path):
    ended = run("--dump-options", "--", "touch", "started")
    assert ended.returncode == 0 and ended.stderr == b"" and not (tmp_path / "started").exists()
    rows = [line.split("\t") for line in ended.stdout.decode().splitlines()]
    assert {len(row) for row in rows} == {5}
    # A name is there once for each kind of probe that has it: --send of --tcp and of --unix.
    assert len(rows) == len({(row[0], row[3]) for row in rows})
    for name, argument, *_ in rows:
        said = run(f"--{name}", "--check").stderr.decode()
        assert "unknown option" not in said
        # Where the table says that a value must come, the next word is it.
        if argument != "-" and not argument.startswith("["):
            assert said, f"--{name} --check"


@pytest.mark.option("help")
@pytest.mark.option("version")
@pytest.mark.option("dump-options")
@pytest.mark.option("check")
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["--dump-options"], ["--check", "true"]])
def test_a_full_disk_is_an_error(run, words):
    with open("/dev/full", "wb") as full:
        ended = run(*words, stdout=full)
    assert ended.returncode == 125
    assert ended.stderr.decode() == "sdwd: cannot write to the standard output\n"
