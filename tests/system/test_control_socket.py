# SPDX-License-Identifier: MIT
"""Where the control socket stands, what it is called, and what becomes of it (CONTROL SOCKET in sdwd(1))."""

import os
import socket
import stat

import pytest

from control import Client, Instance, make_instance, wait_gone  # pylint: disable=unused-import
from puppet import wait_until


@pytest.fixture
def folder(runtime_folder):
    return runtime_folder / "sdwd"


@pytest.fixture
def named(request):
    """A label of this test's own."""
    return f"s{os.getpid()}-{abs(hash(request.node.name)) % 100000}"


def left_behind(path):
    """A socket there that nobody listens at any more."""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
    return path.stat().st_ino


def become_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def test_it_is_for_all_and_gone_after_the_end(make_instance, folder):
    one = make_instance()
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o666
    assert [p.name for p in folder.iterdir() if one.path.name in p.name] == [one.path.name], "nothing beside it"
    one.run.terminate()
    assert not one.path.exists()


@pytest.mark.option("label")
@pytest.mark.parametrize("label, name", [("a bü!%", "a_b____"), ("x:y_z.@-9", "x:y_z.@-9")])
def test_its_name_is_the_label(make_instance, label, name):
    assert make_instance(label=label, name=name).status()["label"] == label


def test_a_long_label_is_cut(sdwd, runtime_folder):
    above = runtime_folder / ("x" * 30)
    above.mkdir()
    label = "l" * 80
    room = 107 - len(f"{above}/sdwd") - len("/..1234567")
    assert room < 80
    one = Instance(sdwd(f"--label={label}", env={"XDG_RUNTIME_DIR": above}), above / "sdwd" / ("l" * room))
    wait_until(one.path.is_socket, "socket")
    assert one.status()["label"] == label
    two = Instance(sdwd(f"--label={label}", env={"XDG_RUNTIME_DIR": above}), None)
    two.path = one.path.with_name(f"{one.path.name}.{two.run.pid}")
    wait_until(two.path.is_socket, "second socket")
    assert two.status()["label"] == label


def test_the_folder_is_made_whatever_the_umask(sdwd, runtime_folder):
    above = runtime_folder / "fresh"
    above.mkdir()
    run = sdwd("--label=x", env={"XDG_RUNTIME_DIR": above}, preexec=lambda: os.umask(0o777))
    path = above / "sdwd" / "x"
    wait_until(path.is_socket, "socket")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    run.terminate()


def test_one_that_was_left_behind_is_replaced(make_instance, folder, named):
    inode = left_behind(folder / named)
    one = make_instance(label=named, name=named)
    wait_until(lambda: one.path.stat().st_ino != inode, "new socket")
    assert one.status()["pid"] == one.run.pid
    one.run.terminate()
    assert not one.path.exists()
    assert not [p for p in folder.iterdir() if named in p.name], "the old one is gone, whatever its name"


def test_after_a_kill_the_next_one_takes_the_name(make_instance, named):
    first = make_instance(label=named)
    first.run.kill()
    assert first.path.is_socket()
    second = make_instance(label=named)
    assert wait_until(lambda: can_connect(second.path), "socket") and second.status()["pid"] == second.run.pid


def can_connect(path):
    try:
        Client(path).close()
        return True
    except OSError:
        return False


def test_a_live_one_is_left_and_the_second_has_its_pid_behind(sdwd, make_instance, named):
    first = make_instance(label=named)
    run = sdwd(f"--label={named}")
    second = Instance(run, first.path.with_name(f"{named}.{run.pid}"))
    wait_until(second.path.is_socket, "second socket")
    assert (first.status()["pid"], second.status()["pid"]) == (first.run.pid, run.pid)
    assert second.status()["label"] == named
    first.run.terminate()
    assert not first.path.exists() and second.status()["label"] == named
    run.terminate()
    assert not second.path.exists()


@pytest.mark.parametrize("what", ["file", "link", "folder", "datagram socket", "socket of another user"])
def test_what_is_not_ours_is_left(sdwd, folder, named, what):
    path = folder / named
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        if what == "file":
            path.write_text("theirs", encoding="ascii")
        elif what == "link":
            path.symlink_to("/nowhere")
        elif what == "folder":
            path.mkdir()
        elif what == "datagram socket":
            s.bind(str(path))
        else:
            left_behind(path)
        before = path.lstat().st_ino
        run = sdwd(f"--label={named}", preexec=become_nobody if "user" in what else None, notify=False)
        second = Instance(run, folder / f"{named}.{run.pid}")
        wait_until(second.path.is_socket, "second socket")
        assert second.status()["pid"] == run.pid
        run.terminate()
        assert path.lstat().st_ino == before
        assert [p.name for p in folder.iterdir() if named in p.name] == [named]
    path.rmdir() if what == "folder" else path.unlink()  # pylint: disable=expression-not-assigned


@pytest.mark.parametrize("what", ["another socket", "a file", "nothing"])
def test_who_took_the_name_keeps_it_at_the_end(make_instance, what):
    one = make_instance()
    one.path.unlink()
    if what == "another socket":
        left_behind(one.path)
    elif what == "a file":
        one.path.write_text("theirs", encoding="ascii")
    one.run.terminate()
    assert one.path.exists() == (what != "nothing")
    if what != "nothing":
        one.path.unlink()


@pytest.mark.parametrize("place", ["missing", "a file", "read-only", "too long"])
def test_where_it_cannot_be_made_one_line_says_so_and_all_else_works(sdwd, manager, tmp_path, place):
    above = {"missing": "/nowhere/at/all", "a file": "/etc/passwd", "read-only": "/proc",
             "too long": f"{tmp_path}/{'x' * 100}"}[place]
    if place == "too long":
        os.mkdir(above)
    run = sdwd("--exec=true", "--interval=100ms", env={"XDG_RUNTIME_DIR": above}, watchdog=0.5)
    manager.wait_ready()
    manager.wait_ping(count=3)
    lines = [line for line in run.stderr().splitlines() if "control socket" in line]
    assert len(lines) == 1 and f"no control socket: {above}/sdwd: " in lines[0], run.stderr()
    assert lines[0].endswith("; sdwdctl does not see this service")
    assert run.terminate() == -15


def test_the_name_is_gone_after_every_end(sdwd, folder, named):
    for options, command, code in (([], ["true"], 0), ([], ["sh", "-c", "kill -9 $$"], -9), ([], ["/nowhere"], 127)):
        run = sdwd(f"--label={named}", *options, command=command)
        assert run.wait() == code
        wait_gone(folder / named)
