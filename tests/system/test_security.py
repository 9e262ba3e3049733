# SPDX-License-Identifier: MIT
"""The threat model (CONTRIBUTING.md, SECURITY CONSIDERATIONS in sdwd(1)): what the others can cause, and what they cannot."""

import ctypes
import os
import re
import socket
import subprocess
import sys

import pytest

from control import as_nobody
from names import _CLONE_NEWNS, _MS_PRIVATE, _MS_REC, _checked, _libc
from puppet import child  # pylint: disable=unused-import

NOBODY = 65534
CAP_SYS_PTRACE = 19
PR_CAPBSET_DROP = 24


def become_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def own_mounts():
    """In the new process: what is mounted from now on is its own."""
    _checked(_libc.unshare(_CLONE_NEWNS))
    _checked(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))


def mount(kind, target, options):
    _checked(_libc.mount(kind, target, kind, ctypes.c_ulong(0), options))


def send(path, message):
    """One message to a datagram socket; returns the error's number, or 0."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        return s.connect_ex(path) or len(message) - s.send(message)


@pytest.fixture
def running(sdwd, manager, child):
    """Starts the puppet under sdwd, and waits for READY=1, which is not recorded any more."""

    def start(*options, **more):
        started = sdwd(*options, command=child.command, **more)
        child("None")
        manager.wait_ready()
        manager.forget()
        return started

    return start


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
        # As ProtectProc=ptraceable does, in a unit without CAP_SYS_PTRACE.
        own_mounts()
        mount(b"proc", b"/proc", b"hidepid=ptraceable")
        _checked(_libc.prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0))

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
