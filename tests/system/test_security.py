# SPDX-License-Identifier: MIT
"""The threat model (CONTRIBUTING.md, SECURITY CONSIDERATIONS in sdwd(1)): what the others can cause, and what they cannot."""

import json
import os
import re
import socket
import subprocess
import sys

import pytest

from control import Refused, as_nobody, make_instance  # pylint: disable=unused-import
from ctl import ctl  # pylint: disable=unused-import
from mounts import hide_others, own_mounts
from names import _bind
from puppet import child, running, open_fds, wait_until  # pylint: disable=unused-import
from scripted import serve  # pylint: disable=unused-import
from streams import answers, banner, streams  # pylint: disable=unused-import

NOBODY = 65534


def become_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def send(path, message):
    """One message to a datagram socket; returns the error's number, or 0."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        return s.connect_ex(path) or len(message) - s.send(message)


# The child's socket: another user ---------------------------------------------------------------------------------


def fields_up(manager, child):
    """What went up, once a message of the child's own has."""
    child("notify('X_FENCE=1')")
    manager.wait_for("X_FENCE=1")
    return {name for datagram in manager.all for name in datagram.fields} - {"X_FENCE"}


@pytest.mark.parametrize("access", ["main", "all"])
def test_another_user_who_knows_the_socket_is_refused(running, manager, child, access):
    run = running(f"--notify-access={access}", "--notify", "--ready=exec", watchdog=60)
    path = child("os.environ['NOTIFY_SOCKET']")
    for message in (b"WATCHDOG=trigger", b"STOPPING=1\nSTATUS=theirs", b"MAINPID=%d" % os.getpid(), b"NOTIFYACCESS=all",
                    b"EXTEND_TIMEOUT_USEC=9", b"WATCHDOG_USEC=1", b"BARRIER=1", b"RELOADING=1\nMONOTONIC_USEC=1", b"X_A=1"):
        assert as_nobody(send, path, message) == 0
    assert fields_up(manager, child) == set()
    assert run.is_running() and "unhealthy:" not in run.stderr() and "supervising" not in run.stderr()


@pytest.mark.parametrize("is_descendant", [False, True])
def test_where_proc_is_hidden_the_session_or_the_user_tells_who_is_ours(running, manager, child, is_descendant):
    def hide():
        # A session whose leader is outside of our pid namespace has no number, and so proves nothing: one of our own.
        os.setsid()
        hide_others()

    running("--notify-access=all", preexec=hide)
    path = child("os.environ['NOTIFY_SOCKET']")
    assert child("os.path.exists('/proc/%d' % os.getppid())")
    if is_descendant:
        child(f"g = fork(lambda: (os.setgid({NOBODY}), os.setuid({NOBODY}), notify('X_A=1'), time.sleep(1000)))")
        manager.wait_for("X_A=1")
        child("os.kill(g, 9), os.waitpid(g, 0)")
    else:
        # It lives on: a sender that is gone is not hidden, but gone.
        speaks = f"import os, socket, sys; os.setgid({NOBODY}); os.setuid({NOBODY}); os.setsid(); " \
                 f"socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'X_A=1', {path!r}); print(flush=True); sys.stdin.read()"
        with subprocess.Popen([sys.executable, "-SEc", speaks], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout.readline() == b"\n"
            assert fields_up(manager, child) == set()
            other.stdin.close()


# The control socket: whose word it is -------------------------------------------------------------------------------

def test_a_connection_speaks_for_who_made_it(make_instance):
    one = make_instance()
    with one.client() as roots:
        # A descriptor that root hands on.
        assert as_nobody(lambda: roots.call("Pause")) == {}
    os.seteuid(NOBODY)
    try:
        theirs = one.client()
    finally:
        os.seteuid(0)
    with theirs, pytest.raises(Refused) as refused:
        theirs.call("Resume")
    assert refused.value.name == "PermissionDenied"


# What is shown ----------------------------------------------------------------------------------------------------

# Obeyed by a terminal: C0, DEL, C1. Or it shows a person something else than is there: U+202E turns what follows.
EVIL = "a\x1b[31mb\x9bc\u202ed\u200be\x07f\x7fg"
BAD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufffd]")


@pytest.mark.parametrize("words", [
    [f"--http=http://{EVIL}/"], [f"--{EVIL}"], [f"--fall={EVIL}"], [f"--config=/nowhere/{EVIL}"], [f"--label={EVIL}"],
    [f"--tcp={EVIL}"], [f"--exec='{EVIL}"], ["--exec=true", f"--name={EVIL}"], [f"--signal-map={EVIL}"], ["--", EVIL],
    [f"--pidfile=/nowhere/{EVIL}/"], [f"--heartbeat={EVIL}"], ["--http=http://[::1]/", f"--http-header={EVIL}"],
])
def test_a_wrong_word_is_told_without_what_a_terminal_obeys(sdwd, words):
    run = sdwd(*words, notify=False, separator=words[-1].startswith("-"))
    assert run.wait() in (125, 127)
    said = run.stderr()
    assert said and not BAD.search(said), ascii(said)


def test_check_shows_values_without_what_a_terminal_obeys(sdwd):
    run = sdwd("--check", "--http=http://127.0.0.1/", f"--http-header=X: {EVIL[5:]}".replace("\x07", "").replace("\x7f", ""),
               command=["sleep", EVIL], notify=False)
    assert run.wait() == 0
    assert "a?[31mb?c?d?e?f?g" in run.stdout() and not BAD.search(run.stdout()), ascii(run.stdout())


SOON = ["--interval=50ms", "--timeout=5s", "--fall=1"]


def texts_of(run, manager, instance):
    """All that sdwd lets others see: lines, STATUS, the control socket."""
    return [run.stderr(), *(d.data.decode("utf-8", "replace") for d in manager.all), json.dumps(instance.status(), ensure_ascii=False)]


def expect_clean(texts):
    for text in texts:
        assert not BAD.search(text), ascii(text)


LATIN = EVIL.encode().decode("latin-1")


@pytest.mark.parametrize("answer", [
    f"HTTP/1.1 503 {LATIN}\r\n\r\n", f"{LATIN}\r\n\r\n", f"HTTP/1.1 302 Found\r\nLocation: http://{LATIN}/\r\n\r\n",
    f"HTTP/1.1 302 Found\r\nLocation: /{LATIN}\r\n\r\n", f"HTTP/1.1 200 OK\r\n{LATIN}: x\r\n\r\n{LATIN}", "\xff\xfe\x1b]0;t\x07\r\n\r\n",
    f"HTTP/1.1 200 OK\r\nContent-Length: {LATIN}\r\n\r\n", f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {LATIN}\r\n\r\n",
    "HTTP/1.1 503 " + "\x1b[2J" * 2000 + "\r\n\r\n",
])
def test_what_a_server_says_is_clean_wherever_it_is_shown(make_instance, manager, serve, answer):
    server = serve("ok", then=f"raw:{answer}")
    one = make_instance(f"--http={server.url()}", "--http-body=^ok", "--http-status=200", "--http-follow=same-host", *SOON, "--log-level=debug")
    one.wait_status("failed look", lambda s: s["probes"][0]["verdict"] == "fail")
    one.run.wait_stderr("unhealthy: http: ")
    manager.wait_for(lambda d: "unhealthy: http: " in d.fields.get("STATUS", ""))
    expect_clean(texts_of(one.run, manager, one))


def test_what_checks_servers_and_the_child_print_is_clean(make_instance, manager, child, streams):
    server = streams(then=banner(EVIL.encode() + b"\xff\n"))
    one = make_instance(f"--exec=printf '%s\\377' '{EVIL}'; exit 1", *SOON, f"--tcp={server.target}", "--expect=^fine$", *SOON,
                        "--log-level=debug", command=child.command)
    child(f"notify({'STATUS=' + EVIL!r})")
    status = one.wait_status("failed looks", lambda s: all(p["verdict"] == "fail" for p in s["probes"]))
    assert any("a?[31mb?c?d?e?f?g?" in p["text"] for p in status["probes"])
    manager.wait_for(lambda d: "a?[31mb?c?d?e?f?g [starting: exec: exited with 1: a?[31m" in d.fields.get("STATUS", ""))
    expect_clean(texts_of(one.run, manager, one))


def test_a_look_by_hand_shows_nothing_that_a_terminal_obeys(ctl):
    done = ctl("probe", f"--exec=printf '%s\\377' '{EVIL}'; exit 1")
    assert done.returncode == 1 and "a?[31mb?c?d?e?f?g?" in done.stdout
    expect_clean([done.stdout, done.stderr])


# Secrets ----------------------------------------------------------------------------------------------------------

def test_a_secret_of_a_file_gets_no_further_than_its_server(make_instance, manager, serve, streams, tmp_path):
    secret = "QWxhZGRpbjpvcGVu"
    seen, header, send_file = tmp_path / "seen", tmp_path / "header", tmp_path / "send"
    header.write_text(f"Authorization: Basic {secret}\n", encoding="ascii")
    send_file.write_text(f"AUTH {secret}\n", encoding="ascii")
    look = f"tr '\\\\0' '\\\\n' < /proc/self/environ >> {seen}; tr '\\\\0' ' ' < /proc/$PPID/cmdline >> {seen}; exit 1"
    web, redis = serve("ok", then="status:500"), streams(then=answers(send_file.read_bytes(), b"-ERR no\n"))
    one = make_instance("--log-level=debug", f"--unhealthy-hook={look}",
                        f"--http={web.url()}", f"--http-header=@{header}", *SOON,
                        f"--tcp={redis.target}", f"--send=@{send_file}", "--expect=^OK", "--optional", *SOON,
                        f"--exec={look}", "--optional", *SOON)
    one.wait_status("failed looks", lambda s: all(p["verdict"] == "fail" for p in s["probes"]))
    wait_until(lambda: b"SDWD_CAUSE=http-status" in seen.read_bytes(), "environment of the hook")
    assert any(secret.encode() in r for r in web.requests) and any(secret.encode() in r for r in redis.requests)
    places = texts_of(one.run, manager, one) + [seen.read_text(encoding="utf-8")]
    places += [open(f"/proc/{one.run.pid}/{name}", encoding="utf-8").read() for name in ("cmdline", "environ")]
    assert not [place for place in places if secret in place]


def test_check_tells_the_name_of_a_secrets_file_and_not_what_is_in_it(sdwd, tmp_path):
    (tmp_path / "header").write_text("Authorization: Basic QWxhZGRpbjpvcGVu\n", encoding="ascii")
    run = sdwd("--check", "--http=http://127.0.0.1/", f"--http-header=@{tmp_path}/header", notify=False)
    assert run.wait() == 0
    assert f"@{tmp_path}/header" in run.stdout() and "QWxhZGRpbjpvcGVu" not in run.stdout() + run.stderr()


# The environment --------------------------------------------------------------------------------------------------

# What others read: the loader, libc, libev, a program of ours. Handed on as they are, and without effect on sdwd.
FOREIGN = {
    "LIBEV_FLAGS": "1", "LD_LIBRARY_PATH": "/nowhere/lib", "LD_BIND_NOW": "1", "GLIBC_TUNABLES": "glibc.malloc.check=0",
    "MALLOC_ARENA_MAX": "1", "MALLOC_PERTURB_": "165", "GCONV_PATH": "/nowhere", "LOCPATH": "/nowhere", "LANG": "xx_YY.UTF-8",
    "LC_ALL": "tr_TR.UTF-8", "TMPDIR": "/nowhere", "POSIXLY_CORRECT": "1", "COLUMNS": "1", "HOME": "/nowhere",
    "SDWD_LABEL": "theirs", "SDWD_HEARTBEAT_FD": "77", "SDWD_FALL": "1", "SDWD_CONFIG": "/etc/passwd", "http_proxy": "http://[::1]:1",
    "ALL_PROXY": "http://[::1]:1", "MALLOC_TRACE": "/nowhere", "UNKNOWN": "\x1b[31m",
}


def environment_of(path):
    return dict(entry.split("=", 1) for entry in path.read_text(encoding="utf-8").split("\0") if entry)


def test_the_environment_is_handed_on_and_obeyed_by_others_alone(sdwd, manager, child, serve, tmp_path):
    server, seen = serve(then="ok"), tmp_path / "seen"
    run = sdwd(f"--http={server.url()}", f"--exec=cat /proc/self/environ > {seen}.new; mv {seen}.new {seen}", "--interval=100ms",
               command=child.command, env=FOREIGN)
    manager.wait_ready()
    assert {name: child(f"os.environ.get({name!r})") for name in FOREIGN} == FOREIGN
    checks = environment_of(seen)
    assert {name: checks.get(name) for name in FOREIGN} == FOREIGN | {"SDWD_LABEL": checks["SDWD_LABEL"]}
    assert checks["SDWD_LABEL"] != "theirs"
    # LIBEV_FLAGS=1 would have made it select(2).
    fds = [os.readlink(f"/proc/{run.pid}/fd/{fd}") for fd in open_fds(run.pid)]
    assert "anon_inode:[eventpoll]" in fds


def test_a_heartbeat_of_ours_takes_the_place_of_one_from_outside(sdwd, manager, child):
    sdwd("--heartbeat", command=child.command, env={"SDWD_HEARTBEAT_FD": "77", "SDWD_HEARTBEAT_FD_HEARTBEAT": "78"})
    assert child("os.environ['SDWD_HEARTBEAT_FD']") not in ("77", None)
    assert child("os.environ['SDWD_HEARTBEAT_FD_HEARTBEAT'] == os.environ['SDWD_HEARTBEAT_FD']")
    child("beat()")
    manager.wait_ready()


@pytest.mark.parametrize("junk", ["", "x", "-1", "0", "99999999999999999999999", "1e9", " 5", "5 ", "\x1b[31m", "%s%n"])
def test_junk_in_the_managers_variables_is_no_word_of_the_manager(sdwd, child, junk):
    names = ("WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "SYSTEMD_EXEC_PID", "JOURNAL_STREAM")
    run = sdwd(command=child.command, env=dict.fromkeys(names, junk), notify=False)
    assert [child(f"os.environ.get({name!r})") for name in names] == [None, None] + [junk] * 5
    assert "ready after" in run.wait_stderr("ready after")
    child.tell("os._exit(7)")
    assert run.wait() == 7
    expect_clean([run.stderr()])


@pytest.fixture
def own_run(tmp_path):
    """preexec: /run is the folder `run` of this test's own."""
    (tmp_path / "run/sdwd").mkdir(parents=True)
    (tmp_path / "run/sdwd").chmod(0o1777)

    def prepare():
        own_mounts()
        _bind(tmp_path / "run", "/run")

    return prepare


@pytest.mark.parametrize("what", ["of another user", "open to all", "a link to one of another user"])
def test_nothing_is_made_in_a_runtime_folder_that_others_may_change(sdwd, child, own_run, tmp_path, what):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777 if what == "open to all" else 0o755)
    if what != "open to all":
        os.chown(theirs, NOBODY, NOBODY)
    named = tmp_path / "named"
    named.symlink_to(theirs) if "link" in what else theirs.rename(named)  # pylint: disable=expression-not-assigned
    run = sdwd("--notify", "--ready=exec", "--label=mine", command=child.command, preexec=own_run, notify=False,
               env={"XDG_RUNTIME_DIR": named, "RUNTIME_DIRECTORY": named})
    path = child("os.environ['NOTIFY_SOCKET']")
    run.wait_stderr("ready after")
    assert not list(named.iterdir())
    assert path.startswith("/run/sdwd/sdwd-")
    assert (tmp_path / "run/sdwd/mine").is_socket() and "no control socket" not in run.stderr()
