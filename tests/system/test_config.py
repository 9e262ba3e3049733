# SPDX-License-Identifier: MIT
"""--config: the same options in a file; all errors of one at once, each with its place; what wins over what."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HTTP = "http = http://127.0.0.1:1/\n"
UNFINISHED = "has a quote that is not closed, or ends in a backslash"

# One case for each rule: the text of the file, and the lines that are said of it.
BAD = {
    "a wrong value": (HTTP + "fall = 0\n", ["2: fall: '0' is out of range (1-1000)"]),
    "a wrong value of a default": ("fall = 0\n" + HTTP, ["1: fall: '0' is out of range (1-1000)"]),
    "no value where one is needed": ("label\n", ["1: label: needs a value"]),
    "an empty value": ("label =\n", ["1: label: '' is empty"]),
    "a flag that is no flag": ("setsid = perhaps\n", ["1: setsid: 'perhaps' is not yes or no"]),
    "no equals sign": (HTTP + "fall 3\n", ["2: 'fall 3' is not 'option = value'"]),
    "no name": ("= 3\n", ["1: no option before '='"]),
    "an unknown name": ("frobnicate = 3\n", ["1: unknown option 'frobnicate'"]),
    "a name nearly right": (HTTP + "intervall = 3\n", ["2: unknown option 'intervall'; did you mean 'interval'?"]),
    "a name with dashes": ("--label = x\n", ["1: unknown option '--label'; did you mean 'label'?"]),
    "a name of another tool": ("retries = 3\n", ["1: retries: not an option here; use --fall"]),
    "a section": ("[Service]\nlabel = x\n", ["1: unknown option '[Service]'"]),
    "a comment behind a value": (HTTP + "fall = 3 # three\n", ["2: fall: '3 # three' is not a number"]),
    "no comment sign": ("; label = x\n", ["1: '; label' is not 'option = value'"]),
    "an option of the command line alone": ("check\nconfig = x\n", ["1: check: only on the command line",
                                                                  "2: config: only on the command line"]),
    "an option before its probe": ("name = x\n" + HTTP, ["1: name: 'x': belongs after the probe that it is for"]),
    "an option of another probe": ("heartbeat\nfall = 3\n", ["2: fall: '3': not an option of --heartbeat"]),
    "a default that no probe knows": ("heartbeat\ncommand = true\n" "label = x\n\n" "pidfile = /x/\n",
                                      ["5: pidfile: '/x/' is not a file's path"]),
    "a default without a probe": ("silence = 3\n" + HTTP,
                                  ["1: silence: '3' is for no probe here: none of them knows this option"]),
    "a line in several": ("\n\nlabel = \\\n# x\n  a/b\nnice = x\n",
                          ["3: label: 'a/b' cannot name a file (no '/', no '.' in front)", "6: nice: 'x' is not a number"]),
    "a backslash at the end": ("label = x\\\n", ["1: ends in a backslash, and nothing follows"]),
    "a NUL byte": ("label = x\nfoo = 1\nlab\0el = y\nbar\n", ["3: has a NUL byte: this is no text"]),
    "UTF-16": ("label = x\n".encode("utf-16"), ["1: has a NUL byte: this is no text"]),
    "bytes that are no UTF-8": (b"label = a\xff\n\xff\x1b = 1\n",
                                ["1: label: 'a?' has control characters or is no UTF-8", "2: unknown option '??'"]),
    "a carriage return within": ("label = a\rb\r\n", ["1: label: 'a?b' has control characters or is no UTF-8"]),
    "a command without end": ("command = touch 'started\n", [f"1: command: 'touch 'started' {UNFINISHED}"]),
    "a command without a name": ("command =\n", ["1: command: '' names no command"]),
    "a command that is empty": ("command = '' x\n", ["1: command: ''' x' names no command"]),
    "a command without a value": ("command\n", ["1: command: needs a value"]),
    "a hook without end": ("unhealthy-hook = logger 'x\n",
                           ["1: unhealthy-hook: 'logger 'x' is not a command: empty, or a quote is not closed"]),
    "what only the whole can tell": ("http = ftp://x/\nrequire = 5\npidfile = /a\npidfile = /b\n",
                                     ["1: http: 'ftp://x/' does not begin with http:// or https://",
                                      "4: pidfile: '/b' can be given only once",
                                      "2: require: '5' is more than the 3 probes that are not optional"]),
    "a probe that was not understood": ("htp = http://127.0.0.1/\nname = x\nfall = 0\nhttp-status = 1\nrequire = 1\n",
                                        ["1: unknown option 'htp'; did you mean 'http'?",
                                         "3: fall: '0' is out of range (1-1000)",
                                         "4: http-status: '1' is no list of statuses within 100-999, like "
                                         "200,204,300-399"]),
    "all of them": ("# x\nfall = 0\n\nfoo = 1\n=\nnice = \\\n 77\ncommand = '\nlabel = ok\n",
                    ["2: fall: '0' is out of range (1-1000)", "4: unknown option 'foo'", "5: no option before '='",
                     "6: nice: '77' is out of range (-20 to 19)", f"8: command: ''' {UNFINISHED}"]),
}


@pytest.fixture
def config(tmp_path):
    """config(text, name="x.conf"): writes such a file; returns its path."""

    def write(text, name="x.conf"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def run(tmp_path, sdwd, sdwd_path):
    """run(*words): the whole command line, without systemd; returns the ended process with its output as bytes."""

    def start(*words, **more):
        return subprocess.run([os.fsencode(sdwd_path), *map(os.fsencode, words)], cwd=tmp_path, check=False, timeout=30,
                              env=sdwd.environment(notify=False, watchdog=None), capture_output=True,
                              **{"stdin": subprocess.DEVNULL, **more})

    return start


@pytest.fixture
def shown(run):
    """shown(*words): what --check says, as {(block, option): (value, origin)}."""

    def check(*words):
        ended = run("--check", *words)
        assert ended.returncode == 0 and ended.stderr == b"", ended
        found, block = {}, None
        for line in ended.stdout.decode().splitlines():
            match = re.fullmatch(r"  (\S+) += (.*?) +\((.*)\)( before the first probe)?", line)
            if line.endswith(":") and not line.startswith(" "):
                block = line[:-1].removeprefix("probe ")
            elif match:
                found[block, match[1]] = match[2], match[3]
        return found

    return check


def complaints(ended):
    assert ended.returncode == 125 and ended.stdout == b"", ended
    lines = ended.stderr.decode().splitlines()
    assert all(re.match(r"(<3>)?sdwd: ", line) for line in lines), lines
    return [re.sub(r"^(<3>)?sdwd: ", "", line) for line in lines]


# What is wrong with it ----------------------------------------------------------------------------------------------

@pytest.mark.option("config")
@pytest.mark.parametrize("rule", BAD)
def test_all_errors_are_told_and_nothing_is_started(run, config, tmp_path, rule):
    text, errors = BAD[rule]
    path = config(text)
    expected = [f"{path}:{line}" for line in errors]
    for words in ([], ["--check"]):
        assert complaints(run(*words, f"--config={path}", "touch", "started")) == expected
    assert not (tmp_path / "started").exists()


def test_errors_of_the_command_line_are_told_with_those_of_the_file(run, config):
    path = config("foo = 1\nhttp = x\n")
    file_errors = [f"{path}:1: unknown option 'foo'"]
    whole = [f"{path}:2: http: 'x' does not begin with http:// or https://", "--http: 'y' does not begin with http:// or https://"]
    assert complaints(run(f"--config={path}", "--http=y", "true")) == file_errors + whole
    # The first one of the command line is its last; what the whole is cannot be said then.
    assert complaints(run("--nice=x", f"--config={path}", "--bar", "true")) == [*file_errors,
                                                                              "--nice: 'x' is not a number"]


def test_a_file_without_a_command_needs_one(run, config):
    assert complaints(run(f"--config={config('label = x')}")) == ["no command given; see sdwd --help"]
    assert complaints(run(f"--config={config('')}")) == ["no command given; see sdwd --help"]
    assert run(f"--config={config('')}", "true").returncode == 0


def test_a_fd_in_use_is_told_with_its_line(run, config):
    path = config("\nheartbeat = 7\ncommand = true\nheartbeat = 7\n")
    assert complaints(run(f"--config={path}")) == [f"{path}:4: heartbeat=7: this fd is in use already"]


def test_more_errors_than_anybody_reads(run, config):
    path = config("= x\n" * 100000)
    lines = complaints(run(f"--config={path}", "true"))
    assert len(lines) > 100 and lines[-1] == "... and more errors than are shown here"


def test_its_name_is_not_obeyed_by_a_terminal(run, config):
    path = config("= 1\n", "a\x1b[31m\n.conf")
    assert complaints(run(b"--config=" + os.fsencode(path), "true"))[0].endswith("/a?[31m?.conf:1: no option before '='")
    said = complaints(run(b"--config=\x1b[31m\xff\n", "true"))
    assert said == ["--config: '?[31m?': No such file or directory"]


# What cannot be read ------------------------------------------------------------------------------------------------

def test_what_is_no_file(run, tmp_path, monkeypatch):
    listener = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(tmp_path)
    listener.bind("socket")
    for path, reason in (("missing", "No such file or directory"), ("", None), (".", "Is a directory"),
                         ("socket", "is neither a file nor a pipe"), ("/dev/null", "is neither a file nor a pipe"),
                         ("/dev/stdin", "is neither a file nor a pipe"), ("socket/x", "Not a directory")):
        said = complaints(run(f"--config={path}", "touch", "started"))
        assert said == [f"--config: '{path}': {reason}" if reason else "--config: '' is empty"]
    listener.close()
    assert not (tmp_path / "started").exists()


def test_a_file_without_end(run, tmp_path):
    with open(tmp_path / "large", "wb") as large:
        large.truncate(16 * 1024 * 1024 + 1)
    assert complaints(run("--config=large", "true")) == ["--config: 'large': is larger than 16777216 bytes"]


def test_a_fifo_that_nobody_writes_to_does_not_hold_it_up(run, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    began = time.monotonic()
    said = complaints(run("--config=fifo", "touch", "started"))
    assert said == ["--config: 'fifo': the pipe did not come to its end within 10s"]
    assert 10 <= time.monotonic() - began
    assert not (tmp_path / "started").exists()


def test_a_pipe_is_read_to_its_end(run, tmp_path, config):
    text = "# " + "x" * 200000 + "\nexit-map = 3:4\ncommand = sh -c 'exit 3'\n"
    # As `cat FILE | sdwd --config=/dev/stdin`, and as a shell's <(...) has it.
    assert run("--config=/dev/stdin", stdin=None, input=text.encode()).returncode == 4
    with open(config(text), "rb") as file:
        assert run("--config=/dev/stdin", stdin=file).returncode == 4
    line = [b"bash", b"-c", b'exec "$0" --config=<(cat "$1")', os.fsencode(run("--version").args[0]),
            os.fsencode(config(text))]
    assert subprocess.run(line, check=False, timeout=30, stdin=subprocess.DEVNULL).returncode == 4


def test_a_stop_while_a_pipe_is_read_is_not_lost(sdwd, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    one = sdwd(f"--config={tmp_path}/fifo", command=["touch", tmp_path / "started"])
    with open(tmp_path / "fifo", "w", encoding="utf-8") as fifo:
        one.signal(signal.SIGTERM)
        fifo.write("label = x\n")
    assert one.wait() == -signal.SIGTERM
    assert not (tmp_path / "started").exists()


# What holds ---------------------------------------------------------------------------------------------------------

@pytest.mark.option("config")
def test_its_values_have_an_effect(run, config):
    path = config("exit-map = 3:4\nargv0 = a  'b' # c\\d\ncommand = sh -c 'echo \"$0 $1 $#\"; exit 3' \"x y\" \\\n"
                  "  # not this\n  \\'z \\\n  $HOME | *\n")
    ended = run(f"--config={path}")
    assert (ended.returncode, ended.stdout) == (4, b"x y 'z 4\n")
    path = config("argv0 = a  'b' # c\\d\ncommand = sh -c 'tr \"\\\\0\" \"|\" </proc/$$/cmdline'\n")
    assert run(f"--config={path}").stdout.startswith(b"a  'b' # c\\d|-c|")


@pytest.mark.option("config")
def test_built_in_then_file_then_command_line_wherever_it_stands(run, config, shown):
    path = config("kill-timeout = 3s\nhook-timeout = 4s\nexit-map = 3:4\ncommand = sh -c 'exit 3'")
    option = f"--config={path}"
    for words in ([option, "--hook-timeout=9s"], ["--hook-timeout=9s", option], ["--nice=3", "--config", path,
                                                                             "--hook-timeout", "9s"]):
        found = shown(*words)
        assert found["service", "kill-timeout"] == ("3s", f"{path}:1")
        assert found["service", "hook-timeout"] == ("9s", "command line")
        assert found["service", "dump-wait"] == ("2s", "default")
        assert found["service", "command"] == ("sh -c 'exit 3'", f"{path}:4")
    for words, status in (([option], 4), ([option, "--exit-map=3:5"], 5), (["--exit-map=3:5", option], 5)):
        assert run(*words).returncode == status


@pytest.mark.option("config")
def test_a_command_on_the_command_line_replaces_the_files(run, config):
    path = config("exit-map = 3:4\ncommand = echo file --x")
    assert run(f"--config={path}").stdout == b"file --x\n"
    for words in (["echo", "argv"], ["--", "echo", "argv"]):
        assert run(f"--config={path}", *words).stdout == b"argv\n"
    # Its own words are not ours, whatever they are.
    assert run("echo", f"--config={path}").stdout == f"--config={path}\n".encode()
    assert run(f"--config={path}", "sh", "-c", "exit 3", f"--config={path}").returncode == 4


def test_probes_and_defaults_of_both(config, shown):
    path = config("interval = 9s\nrise = 2\n" + HTTP + "  fall = 5\n  name = a\n" + HTTP + "  name = b\ncommand = true\n")
    found = shown("--interval=7s", "--fall=4", "--http=http://127.0.0.1:2/", "--name=c", "--interval=6s",
                  f"--config={path}")
    assert found["a", "http"] == ("http://127.0.0.1:1/", f"{path}:3")
    assert found["a", "fall"] == ("5", f"{path}:4")
    assert found["a", "interval"] == found["b", "interval"] == ("7s", "command line")
    assert found["b", "fall"] == ("4", "command line")
    assert found["a", "rise"] == found["c", "rise"] == ("2", f"{path}:2")
    assert found["c", "interval"] == ("6s", "command line")
    assert [block for block, option in found if option == "http"] == ["a", "b", "c"]


def test_every_option_may_stand_in_a_file(run, config):
    for row in run("--dump-options").stdout.decode().splitlines():
        name, argument = row.split("\t")[:2]
        said = run("--check", f"--config={config(name)}", "true").stderr.decode()
        assert "unknown option" not in said
        if name in ("check", "config", "dump-options", "help", "version"):
            assert said == f"sdwd: {config(name)}:1: {name}: only on the command line\n"
        elif argument != "-" and not argument.startswith("["):
            assert f":1: {name}: " in said


def test_files_of_other_systems(run, config):
    text = "# comment\r\n\r\nexit-map = 3:4\r\ncommand = sh -c \\\r\n  'exit 3'\r\n"
    for data in (text.encode(), text.encode("utf-8-sig"), text.replace("\r\n", "\n").encode("utf-8-sig"),
                 text.rstrip().encode()):
        assert run(f"--config={config(data)}").returncode == 4


def test_a_line_and_a_file_have_no_length_limit(run, config):
    words = " \\\n  ".join(f"w{i}" for i in range(20000))
    path = config(f"{'# x' * 100000}\nargv0 = {'n' * 100000}\ncommand = sh -c 'echo $# $9' sh {words}\n")
    assert run(f"--config={path}").stdout == b"20000 w8\n"


def test_only_one_and_none_for_what_is_only_printed(run, config):
    path = config("label = x")
    assert complaints(run(f"--config={path}", f"--config={path}", "true")) == [
        f"--config: '{path}' can be given only once"]
    for words in (["--help"], ["-V"], ["--dump-options"]):
        for line in ([*words, "--config=missing"], ["--config=missing", *words]):
            ended = run(*line)
            assert ended.returncode == 0 and ended.stdout and ended.stderr == b""
    assert complaints(run("--config=missing", "--", "true", "--help")) == [
        "--config: 'missing': No such file or directory"]


def test_the_child_gets_no_fd_of_it(run, config):
    path = config("command = sh -c 'ls /proc/$$/fd'")
    assert run(f"--config={path}").stdout.split() == run("sh", "-c", "ls /proc/$$/fd").stdout.split()
    # Nor does it take a number that is free for the child.
    ended = run(f"--config={path}", preexec_fn=lambda: os.close(0))
    assert ended.stdout.split() == run("sh", "-c", "ls /proc/$$/fd", preexec_fn=lambda: os.close(0)).stdout.split()


@pytest.mark.option("config")
def test_a_service_of_it_is_pinged_and_found_hung(sdwd, manager, config, tmp_path):
    path = config(f"heartbeat\n  silence = 500ms\non-unhealthy = trigger\n"
                  f"command = sh -c 'echo >&$SDWD_HEARTBEAT_FD; while test ! -e {tmp_path}/hang; do "
                  "echo >&$SDWD_HEARTBEAT_FD; sleep 0.05; done; sleep 1000'\n")
    sdwd(f"--config={path}", command=None, watchdog=2)
    manager.wait_ready()
    manager.wait_ping()
    (tmp_path / "hang").touch()
    manager.wait_for("WATCHDOG=trigger")


# What is shipped ----------------------------------------------------------------------------------------------------

def test_the_examples_are_right(run, config):
    examples = {path.name: path.read_text(encoding="utf-8") for path in (TOP / "units" / "examples").glob("*.conf")}
    page = (TOP / "man" / "sdwd.conf.5").read_text(encoding="utf-8")
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.DOTALL | re.MULTILINE)
    files = [block.replace(r"\e", "\\") for block in blocks if re.search(r"^command ", block, re.MULTILINE)]
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    files += re.findall(r"^(    # /etc/sdwd/\S+\.conf\n(?:    .*\n)+)", readme, re.MULTILINE)
    assert len(files) == 4 and len(examples) >= 1
    examples |= {f"doc-{i}": text for i, text in enumerate(files)}
    for name, text in examples.items():
        ended = run("--check", "--watchdog-sec=30s", f"--config={config(text, name)}")
        assert ended.returncode == 0 and ended.stderr == b"", (name, ended)
        assert b"\nwarning: " not in ended.stdout, (name, ended.stdout.decode())
