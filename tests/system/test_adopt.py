# SPDX-License-Identifier: MIT
"""Daemons that fork away: which process is supervised then, and which is never taken for it."""

import os
import signal
import stat
import subprocess
import time

import pytest

import mounts
from control import make_instance  # pylint: disable=unused-import
from puppet import Puppet, child, open_fds, running, state_of, wait_until  # pylint: disable=unused-import
from runner import ended

# What a scripted launcher is made of. daemon(f) forks twice as daemon(7) says; returns the pid of the one that runs f.
_TOOLS = r"""
import os, signal, sys, time
def write(path, text, mode=0o644):
    with open(path + ".new", "w") as f:
        f.write("%s\n" % text)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)
def daemon(f, *arguments):
    r, w = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(w, b"%d" % os.getpid())
            os.close(r)
            os.close(w)
            f(*arguments)
            os._exit(0)
        os._exit(0)
    os.close(w)
    pid = int(os.read(r, 20))
    os.wait()
    return pid
def puppet():
    os.execv(sys.argv[2], sys.argv[2:])
def sleep():
    time.sleep(1000)
def zombie():
    def parent():
        pid = os.fork() or os._exit(0)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os.write(w, b"%d" % pid)
        sleep()
    r, w = os.pipe()
    daemon(parent)
    return int(os.read(r, 20))
def wait_gone(pid):
    while os.path.exists("/proc/%d" % pid):
        time.sleep(0.01)
P = sys.argv[1]
"""


@pytest.fixture
def pidfile(tmp_path):
    return tmp_path / "d.pid"


@pytest.fixture
def launch(sdwd, child, pidfile):
    """launch(code, *options): sdwd --pidfile=... (unless mode is other) around a launcher that runs @code."""

    def start(code, *options, mode=None, path=pidfile, **more):
        mode = f"--pidfile={path}" if mode is None else mode
        command = ["/usr/bin/python3", "-SEc", _TOOLS + code, str(pidfile), *child.command]
        return sdwd(mode, *options, command=command, **more)

    return start


def write(path, text):
    """As daemons should: whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(f"{text}\n", encoding="utf-8")
    new.rename(path)


def adopted(run, pid, count=1):
    """Waits until sdwd says for the @count-th time that it supervises @pid."""
    wait_until(lambda: run.stderr().count(f"supervising pid {pid} (") >= count, f"adoption of {pid}: {run.stderr()}")


def handle(child, number, path):
    """The puppet writes its pid into @path on this signal."""
    child(f"signal.signal({int(number)}, lambda *_: open({str(path)!r}, 'w').write(str(os.getpid())))")


def end(child, code):
    child.tell(f"os._exit({code})")


# Adoption ---------------------------------------------------------------------------------------------------------

@pytest.mark.option("pidfile")
def test_the_daemon_of_the_file_is_supervised_and_its_status_is_ours(launch, manager, child):
    run = launch("write(P, daemon(puppet))")
    pid = child("os.getpid()")
    adopted(run, pid)
    manager.wait_ready()
    end(child, 7)
    assert run.wait() == 7


@pytest.mark.option("pidfile")
def test_a_signal_that_ends_the_daemon_ends_sdwd(launch, manager, child):
    run = launch("write(P, daemon(puppet))")
    pid = child("os.getpid()")
    manager.wait_ready()
    os.kill(pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL


@pytest.mark.option("pidfile")
def test_signals_go_to_the_daemon(launch, manager, child, tmp_path):
    launch("write(P, daemon(puppet))")
    pid = child("os.getpid()")
    manager.wait_ready()
    handle(child, signal.SIGHUP, tmp_path / "got")
    os.kill(os.getpid(), 0)
    sdwd_pid = child("os.getppid()")
    os.kill(sdwd_pid, signal.SIGHUP)
    wait_until(lambda: (tmp_path / "got").exists() and (tmp_path / "got").read_text() == str(pid), "SIGHUP")


def test_a_stop_is_forwarded_to_the_daemon_and_its_status_counts(launch, manager, child):
    run = launch("write(P, daemon(puppet))")
    child("signal.signal(signal.SIGTERM, lambda *_: os._exit(5))")
    manager.wait_ready()
    assert run.terminate() == 5


def test_nothing_is_adopted_or_ready_while_the_launcher_runs(sdwd, manager, child, pidfile):
    daemon = Puppet()
    run = sdwd(f"--pidfile={pidfile}", command=child.command)
    try:
        pid = child(f"fork(os.execv, {daemon.command[0]!r}, {daemon.command!r})")
        assert daemon("os.getpid()") == pid
        write(pidfile, pid)
        manager.wait_for(lambda d: "the command still runs, and must fork away (--" in d.fields.get("STATUS", ""))
        assert "supervising" not in run.stderr() and manager.ready_at is None
        end(child, 0)
        adopted(run, pid)
        manager.wait_ready()
    finally:
        daemon.close()


def test_ready_waits_for_the_daemon_and_its_probes(launch, manager, child, pidfile):
    run = launch("daemon(puppet)", "--heartbeat")
    pid = child("os.getpid()")
    child("beat()")
    manager.wait_for(lambda d: "waiting for " in d.fields.get("STATUS", ""))
    assert manager.ready_at is None
    began = time.monotonic()
    write(pidfile, pid)
    assert manager.wait_ready().at >= began
    adopted(run, pid)


@pytest.mark.option("pidfile")
@pytest.mark.parametrize("code", [
    "d = daemon(puppet); open(P, 'w').close(); time.sleep(0.2); write(P, d)",               # empty, then written
    "d = daemon(puppet)\nif os.fork() == 0: time.sleep(0.7); write(P, d); os._exit(0)",        # after its exit
    "d = daemon(puppet)\nif os.fork() == 0:\n f = open(P, 'w'); f.flush(); time.sleep(0.4)\n"
    " f.write('%d\\n' % d); f.flush(); time.sleep(2)\n os._exit(0)",                           # and kept open
    "d = daemon(puppet); write(P, 'garbage')\nif os.fork() == 0: time.sleep(0.3); write(P, d); os._exit(0)",
    "d = daemon(puppet); write(P, '  %d\\t\\r\\nmore lines\\n1\\n' % d)",                      # PostgreSQL has more lines
    "d = daemon(puppet); open(P, 'w').write(str(d))",                                          # no line end
    "write(P, 1)\nd = daemon(puppet)\nif os.fork() == 0: time.sleep(0.3); write(P, d); os._exit(0)",
], ids=["empty-first", "late", "kept-open", "garbage-first", "more-lines", "no-line-end", "stale-first"])
def test_the_file_may_come_late_and_in_many_shapes(launch, manager, child, code):
    run = launch(code)
    adopted(run, child("os.getpid()"))
    manager.wait_ready()


@pytest.mark.option("pidfile")
def test_a_folder_that_is_made_late(launch, manager, child, tmp_path):
    folder = tmp_path / "run"
    run = launch("daemon(puppet)", path=folder / "d.pid")
    pid = child("os.getpid()")
    manager.wait_for(lambda d: "waiting for " in d.fields.get("STATUS", ""))
    folder.mkdir()
    write(folder / "d.pid", pid)
    adopted(run, pid)
    manager.wait_ready()


@pytest.mark.option("pidfile")
def test_a_relative_path_is_of_the_folder_that_sdwd_was_started_in(launch, manager, child, tmp_path):
    (tmp_path / "sub").mkdir()
    run = launch("os.chdir('/'); P = sys.argv[1][:-5] + 'sub/d.pid'; write(P, daemon(puppet))", path="sub/../sub/d.pid",
                 cwd=tmp_path)
    adopted(run, child("os.getpid()"))
    manager.wait_ready()


@pytest.mark.option("pidfile")
@pytest.mark.parametrize("mode, warned", [(0o666, True), (0o662, True), (0o644, False), (0o664, False)])
def test_a_file_that_everybody_may_write_is_taken_with_a_warning(launch, manager, child, pidfile, mode, warned):
    run = launch(f"write(P, daemon(puppet), {mode})")
    pid = child("os.getpid()")
    adopted(run, pid)
    manager.wait_ready()
    assert stat.S_IMODE(pidfile.stat().st_mode) == mode
    assert (f"<4>sdwd: --pidfile={pidfile}: everybody may write to it\n" in run.stderr()) == warned


# Refusal ------------------------------------------------------------------------------------------------------------

@pytest.mark.option("pidfile")
@pytest.mark.option("pidfile-timeout")
@pytest.mark.parametrize("code, reason", [
    ("pass", "it does not exist"),
    ("open(P, 'w').close()", "it is empty"),
    ("write(P, '')", "it is empty"),
    ("write(P, 'daemon')", "its first line is not a decimal number"),
    ("write(P, '%d %d' % (d, d))", "its first line is not a decimal number"),
    ("write(P, '+%d' % d)", "its first line is not a decimal number"),
    ("write(P, '0x%x' % d)", "its first line is not a decimal number"),
    ("write(P, -d)", "its first line is not a decimal number"),
    ("write(P, 0)", "its number cannot be the daemon's pid"),
    ("write(P, 1)", "its number cannot be the daemon's pid"),
    ("write(P, -1)", "its first line is not a decimal number"),
    ("write(P, os.getppid())", "its number cannot be the daemon's pid"),
    ("write(P, 4194305)", "its number cannot be the daemon's pid"),
    ("write(P, 2**32 + d)", "its number cannot be the daemon's pid"),
    ("write(P, '9' * 30)", "its number cannot be the daemon's pid"),
    ("write(P, '9' * 9000)", "its first line is not a decimal number"),
    # The launcher, which was reaped by then.
    ("write(P, os.getpid())", "it names a process that does not exist"),
    ("write(P, zombie())", "it names a process that has ended"),
    ("write(P + 2 * '.', d); os.symlink(P + 2 * '.', P)", "it cannot be read: Too many levels of symbolic links"),
    ("os.mkfifo(P)", "it is not a regular file"),
    ("os.mkdir(P)", "it is not a regular file"),
    ("os.symlink('/dev/zero', P)", "it cannot be read: Too many levels of symbolic links"),
])
def test_what_names_no_daemon_is_refused_and_ends_in_its_reason(launch, manager, pidfile, code, reason):
    began = time.monotonic()
    run = launch(f"d = daemon(sleep); {code}", "--pidfile-timeout=300ms")
    assert run.wait() == 125
    assert time.monotonic() - began >= 0.3
    assert f"<3>sdwd: --pidfile={pidfile} names no daemon within 300ms (--pidfile-timeout): {reason}\n" in run.stderr()
    assert manager.ready_at is None and "supervising" not in run.stderr()
    assert manager.wait_for("ERRNO=").fields["STATUS"].endswith(reason)


@pytest.mark.option("pidfile")
def test_a_foreign_process_is_neither_taken_nor_touched(launch, manager, pidfile):
    with ended(subprocess.Popen(["sleep", "1000"])) as foreign:
        run = launch(f"daemon(sleep); write(P, {foreign.pid})", "--pidfile-timeout=300ms")
        assert run.wait() == 125
        assert "(--pidfile-timeout): it names a process that sdwd did not start" in run.stderr()
        assert manager.ready_at is None
        assert foreign.poll() is None
        run = launch("daemon(sleep)")
        manager.wait_for(lambda d: d.pid == run.pid and "waiting for " in d.fields.get("STATUS", ""))
        run.terminate()
        assert foreign.poll() is None


@pytest.mark.option("pidfile")
@pytest.mark.parametrize("step", ["os._exit, 0", "sleep"])
def test_a_number_from_an_earlier_run_is_none_of_this_one(make_runner, sdwd_path, pidfile, step):
    """In a container numbers are given again soon: that of the last daemon is that of a step towards this one."""
    pidfile.write_text("40\n", encoding="utf-8")
    code = f"""
while os.waitpid(os.fork() or os._exit(0), 0)[0] != 38: pass
assert daemon({step}) == 40
if "{step}" != "sleep": wait_gone(40)
d = daemon(sleep)
if os.fork() == 0: time.sleep(0.5); write(P, d); os._exit(0)
"""
    unshare = ["--pid", "--fork", "--mount-proc"]
    if os.geteuid() != 0:
        unshare = ["--user", "--map-root-user", *unshare]
    run = make_runner("/usr/bin/unshare")(*unshare, sdwd_path, f"--pidfile={pidfile}", "--ready=exec",
                                          command=["/usr/bin/python3", "-SEc", _TOOLS + code, str(pidfile)])
    said = run.wait_stderr("supervising pid ")
    assert f"supervising pid {pidfile.read_text(encoding='utf-8').strip()} (" in said
    assert "pid 40" not in run.stderr()
    os.kill(run.child(command=str(sdwd_path)), signal.SIGTERM)
    run.wait()


@pytest.mark.option("pidfile")
def test_a_file_that_is_only_left_from_an_earlier_run(launch, pidfile):
    write(pidfile, os.getpid())
    run = launch("daemon(sleep)", "--pidfile-timeout=300ms")
    assert run.wait() == 125
    assert "(--pidfile-timeout): it was not written since the start\n" in run.stderr()


@pytest.mark.option("pidfile-timeout")
def test_the_time_counts_from_the_launchers_exit(launch, manager, child):
    """A launcher that takes longer than the limit is none too late."""
    run = launch("d = daemon(puppet); time.sleep(1.5); write(P, d)", "--pidfile-timeout=1s")
    adopted(run, child("os.getpid()"))
    manager.wait_ready()


# The launcher -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", [None, "--forking"])
@pytest.mark.parametrize("code, status", [
    ("os._exit(3)", 3),
    ("os._exit(255)", 255),
    ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ("signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
])
def test_a_launcher_that_fails_is_the_end_and_takes_its_daemon_along(launch, manager, mode, code, status):
    run = launch(f"write(P, daemon(sleep)); {code}", mode=mode)
    assert run.wait() == status
    assert manager.ready_at is None and "supervising" not in run.stderr()


@pytest.mark.option("pidfile")
@pytest.mark.parametrize("code, status", [("os._exit(9)", 9), ("os.kill(os.getpid(), signal.SIGKILL)", -9)])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_daemon_that_ends_before_its_file_is_read_keeps_its_status(launch, manager, when, code, status):
    """Also where many others end meanwhile."""
    script = f"def die(): {code}\nd = daemon(die); wait_gone(d)\nfor i in range(20): wait_gone(daemon(os._exit, 1))\n"
    if when == "before":
        script += "write(P, d)"
    else:
        script += "if os.fork() == 0: wait_gone(os.getppid()); write(P, d); os._exit(0)"
        script = script.replace("wait_gone(os.getppid())", "time.sleep(0.5)")
    run = launch(script)
    assert run.wait() == status
    assert manager.ready_at is None


@pytest.mark.parametrize("mode", [None, "--forking"])
def test_a_stop_while_the_launcher_runs(launch, manager, mode):
    run = launch("daemon(sleep); time.sleep(1000)", mode=mode)
    manager.wait_for(lambda d: "the command still runs, and must fork away (--" in d.fields.get("STATUS", ""))
    assert run.terminate() == -signal.SIGTERM


def test_a_stop_between_launcher_and_pidfile(launch, manager):
    run = launch("daemon(sleep)")
    manager.wait_for(lambda d: "waiting for " in d.fields.get("STATUS", ""))
    began = time.monotonic()
    assert run.terminate() == -signal.SIGTERM
    assert time.monotonic() - began < 5, "the daemon that nobody named got its SIGTERM"
    assert manager.matching("STOPPING=1") and manager.ready_at is None


def test_a_stop_while_nothing_is_left_but_a_missing_file(launch, manager):
    run = launch("pass")
    manager.wait_for(lambda d: "waiting for " in d.fields.get("STATUS", ""))
    assert run.terminate() == -signal.SIGTERM


# Moves --------------------------------------------------------------------------------------------------------------

@pytest.fixture
def upgraded(launch, manager, child, pidfile):
    """A daemon that has forked another, which the file names now: (run, old pid, new puppet, its pid)."""
    new = Puppet()
    run = launch("write(P, daemon(puppet))")
    old_pid = child("os.getpid()")
    manager.wait_ready()
    pid = child(f"fork(os.execv, {new.command[0]!r}, {new.command!r})")
    assert new("os.getpid()") == pid
    write(pidfile, pid)
    adopted(run, pid)
    yield run, old_pid, new, pid
    new.close()


@pytest.mark.option("pidfile")
def test_a_rewritten_file_moves_supervision(upgraded, child, tmp_path):
    run, _, new, pid = upgraded
    handle(new, signal.SIGUSR1, tmp_path / "new")
    handle(child, signal.SIGUSR1, tmp_path / "old")
    run.signal(signal.SIGUSR1)
    wait_until((tmp_path / "new").exists, "SIGUSR1 for the new one")
    assert not (tmp_path / "old").exists()
    # The old one ends, as after an upgrade that went well: the new one has no parent then but sdwd.
    end(child, 0)
    wait_until(lambda: new("os.getppid()") == run.pid, "the new one with us")
    end(new, 6)
    assert run.wait() == 6
    assert state_of(pid) in (None, "Z")


@pytest.mark.option("pidfile")
@pytest.mark.parametrize("code", [0, 3])
def test_an_old_one_that_ends_right_after_the_rewrite_is_not_the_end(launch, manager, child, pidfile, code):
    run = launch("write(P, daemon(puppet))")
    old_pid = child("os.getpid()")
    manager.wait_ready()
    new = Puppet()
    try:
        pid = child(f"fork(os.execv, {new.command[0]!r}, {new.command!r})")
        new("None")
        # The new file and the end are there when sdwd comes to look.
        run.signal(signal.SIGSTOP)
        wait_until(lambda: state_of(run.pid) == "T", "stop")
        write(pidfile, pid)
        end(child, code)
        wait_until(lambda: state_of(old_pid) == "Z", "end of the old one")
        run.signal(signal.SIGCONT)
        adopted(run, pid)
        end(new, 6)
        assert run.wait() == 6
    finally:
        new.close()


@pytest.mark.option("pidfile")
def test_the_older_one_takes_it_back_when_the_newer_ends(upgraded, child, pidfile, tmp_path):
    run, old_pid, new, pid = upgraded
    end(new, 1)
    wait_until(lambda: state_of(pid) in (None, "Z"), "the end of the new one")
    write(pidfile, old_pid)
    adopted(run, old_pid, count=2)
    handle(child, signal.SIGUSR2, tmp_path / "old")
    run.signal(signal.SIGUSR2)
    wait_until((tmp_path / "old").exists, "SIGUSR2 for the old one")
    end(child, 8)
    assert run.wait() == 8


@pytest.mark.option("pidfile")
def test_the_file_can_move_it_back_while_both_live(upgraded, child, pidfile):
    run, old_pid, _, _ = upgraded
    write(pidfile, old_pid)
    adopted(run, old_pid, count=2)
    end(child, 4)
    assert run.wait() == 4


@pytest.mark.parametrize("is_stopped", [False, True], ids=["alone", "stopped"])
def test_without_the_file_the_end_of_the_newer_one_is_the_end(upgraded, is_stopped):
    """Also where a stop comes before the older one has had its time."""
    run, old_pid, new, pid = upgraded
    before = len(open_fds(run.pid))
    end(new, 0)
    if is_stopped:
        wait_until(lambda: len(open_fds(run.pid)) < before, "end of what tells of the new one's end")
        run.signal(signal.SIGTERM)
    # Its status went to the older one, its parent: that it was good is not known.
    assert run.wait() == 1
    assert f"pid {pid}" in run.stderr() and "only its parent knows how" in run.stderr()
    assert "exited with" not in run.stderr()
    assert state_of(old_pid) in (None, "Z")
    # While the file named it, it was a zombie of the older one's, which is no daemon to supervise.
    assert run.stderr().count(f"supervising pid {pid} (") == 1


@pytest.mark.option("pidfile")
@pytest.mark.parametrize("text", ["", "garbage", "1", None])
def test_a_bad_rewrite_changes_nothing(launch, manager, child, pidfile, text):
    run = launch("write(P, daemon(puppet))")
    pid = child("os.getpid()")
    manager.wait_ready()
    with ended(subprocess.Popen(["sleep", "1000"])) as foreign:
        write(pidfile, foreign.pid if text is None else text)
        write(pidfile, pid)
        pidfile.unlink()
        end(child, 7)
        assert run.wait() == 7
        assert foreign.poll() is None
    assert run.stderr().count("supervising") == 1


@pytest.mark.parametrize("mode", [None, "--forking"])
def test_mainpid_of_the_child_moves_it_too_and_is_not_forwarded(launch, manager, child, mode):
    new = Puppet()
    try:
        run = launch("write(P, daemon(puppet))", mode=mode)
        adopted(run, child("os.getpid()"))
        manager.wait_ready()
        pid = child(f"fork(os.execv, {new.command[0]!r}, {new.command!r})")
        assert new("os.getpid()") == pid
        child("notify('MAINPID=%d\\nX_TOLD=1' % " + str(pid) + ")")
        manager.wait_for("X_TOLD=1")
        adopted(run, pid)
        assert not manager.matching("MAINPID=")
        end(child, 0)
        wait_until(lambda: new("os.getppid()") == run.pid, "the new one with us")
        end(new, 3)
        assert run.wait() == 3
    finally:
        new.close()


@pytest.mark.parametrize("words, status", [("X_LAST=1", 1), ("MAINPID=%d\nX_LAST=1", 4)])
def test_the_last_words_of_a_grandchild_are_heard(running, manager, child, words, status):
    run = running()
    new = Puppet()
    try:
        first, pid = child("os.getpid()"), child(f"fork(os.execv, {new.command[0]!r}, {new.command!r})")
        new("None")
        child(f"notify('MAINPID={pid}')")
        adopted(run, pid)
        # Its words and its end are there when sdwd comes to read.
        run.signal(signal.SIGSTOP)
        wait_until(lambda: state_of(run.pid) == "T", "stop")
        new.tell(f"notify({words.replace('%d', str(first))!r}), os._exit(0)")
        wait_until(lambda: state_of(pid) == "Z", "end of the grandchild")
        run.signal(signal.SIGCONT)
        manager.wait_for("X_LAST=1")
        if status == 4:
            adopted(run, first)
            end(child, 4)
        assert run.wait() == status
        lost = f"pid {pid} has ended, and only its parent knows how: it counts as exit code 1\n"
        assert (lost in run.stderr(), "the service exited with" in run.stderr()) == (status == 1, status == 4)
    finally:
        new.close()


@pytest.mark.parametrize("options", [[], ["--dump-signal=USR1", "--dump-wait=1h"]], ids=["kill", "dump"])
def test_a_grandchild_that_was_to_end_is_not_said_to_have_a_status(sdwd, manager, child, options):
    """Only its parent knows it, and sdwd ends with 124 whatever it is."""
    run = sdwd("--on-unhealthy=kill", "--notify-access=all", *options, command=child.command, watchdog=10)
    pid = child("fork(time.sleep, 1000)")
    child(f"notify('MAINPID={pid}')")
    adopted(run, pid)
    manager.wait_ready()
    child.tell("notify('WATCHDOG=trigger')")
    assert run.wait() == 124
    assert f"pid {pid} has ended, and only its parent knows how\n" in run.stderr()
    assert "the service exited with" not in run.stderr()


def test_the_last_words_of_a_grandchild_signal_nobody_with_its_number(make_runner, sdwd_path, child, tmp_path):
    """Its parent has reaped it, and the number is another process's by then."""
    unshare = ["--pid", "--fork", "--mount-proc"]
    if os.geteuid() != 0:
        unshare = ["--user", "--map-root-user", *unshare]
    run = make_runner("/usr/bin/unshare")(*unshare, sdwd_path, "--notify", "--dump-signal=USR1", "--orphans=wait",
                                          command=child.command)
    new = Puppet()
    try:
        pid = child(f"fork(os.execv, {new.command[0]!r}, {new.command!r})")
        new("None")
        child("notify('READY=1')")
        child(f"notify('MAINPID={pid}')")
        adopted(run, pid)
        outer = run.child(command=str(sdwd_path))
        os.kill(outer, signal.SIGSTOP)
        wait_until(lambda: state_of(outer) == "T", "stop")
        new.tell("notify('WATCHDOG=trigger'), os._exit(0)")
        child(f"os.waitpid({pid}, 0)")
        child(f"with open('/proc/sys/kernel/ns_last_pid', 'w') as last: last.write('{pid - 1}')")
        other = f"trap '>{tmp_path}/hit' USR1; trap '>{tmp_path}/end' USR2; >{tmp_path}/there; while :; do sleep 0.1; done"
        assert child(f"fork(os.execv, '/bin/sh', ['sh', '-c', {other!r}])") == pid
        wait_until((tmp_path / "there").exists, "the other one")
        os.kill(outer, signal.SIGCONT)
        run.wait_stderr("waiting (--orphans=wait)")
        # Of two signals that wait the first number comes first.
        child(f"os.kill({pid}, signal.SIGUSR2)")
        wait_until((tmp_path / "end").exists, "its own signal")
        assert not (tmp_path / "hit").exists()
        child.tell(f"os.kill({pid}, signal.SIGKILL), os._exit(0)")
        assert run.wait() == 1
    finally:
        new.close()


def test_mainpid_of_a_foreign_process_is_refused(sdwd, manager, child):
    run = sdwd(command=child.command)
    manager.wait_ready()
    for pid in (1, os.getpid(), run.pid, 0):
        child(f"notify('MAINPID={pid}')")
    child("notify('X_AFTER=1')")
    manager.wait_for("X_AFTER=1")
    assert "supervising" not in run.stderr()
    for pid, what in ((1, "a process that sdwd did not start"), (os.getpid(), "a process that sdwd did not start"),
                      (run.pid, "sdwd itself")):
        assert f"MAINPID={pid} of the child names {what}: ignored" in run.stderr()
    end(child, 2)
    assert run.wait() == 2


# --forking ----------------------------------------------------------------------------------------------------------

@pytest.mark.option("forking")
def test_forking_supervises_the_one_that_remains(launch, manager, child, tmp_path):
    run = launch("daemon(puppet)", mode="--forking")
    adopted(run, child("os.getpid()"))
    manager.wait_ready()
    handle(child, signal.SIGHUP, tmp_path / "got")
    run.signal(signal.SIGHUP)
    wait_until((tmp_path / "got").exists, "SIGHUP")
    end(child, 7)
    assert run.wait() == 7


@pytest.mark.option("forking")
def test_forking_looks_through_slow_steps_between_launcher_and_daemon(launch, manager, child):
    code = """
if os.fork() == 0:
    os.setsid()
    time.sleep(0.4)
    if os.fork() == 0:
        time.sleep(0.4)
        if os.fork() == 0:
            puppet()
        os._exit(0)
    os._exit(0)
"""
    run = launch(code, mode="--forking")
    adopted(run, child("os.getpid()"))
    manager.wait_ready()
    end(child, 7)
    assert run.wait() == 7


@pytest.mark.option("forking")
def test_forking_takes_no_worker_for_the_daemon(launch, manager, child):
    run = launch("daemon(puppet)", mode="--forking")
    pid = child("os.getpid()")
    workers = [child("fork(time.sleep, 1000)") for _ in range(3)]
    adopted(run, pid)
    manager.wait_ready()
    end(child, 7)
    assert run.wait() == 7
    assert {state_of(worker) for worker in workers} <= {None, "Z"}


@pytest.mark.option("forking")
@pytest.mark.parametrize("code, words", [
    ("pass", "no process remained"),
    ("daemon(os._exit, 0)", "no process remained"),
    ("daemon(sleep); daemon(sleep)", "several processes remained"),
])
def test_forking_with_none_or_several_names_pidfile(launch, manager, code, words):
    run = launch(code, mode="--forking")
    assert run.wait() == 125
    lines = [line for line in run.stderr().splitlines() if line.startswith("<3>")]
    assert len(lines) == 1 and words in lines[0] and "--pidfile=PATH" in lines[0]
    assert manager.ready_at is None


HIDDEN = "/proc does not show what remained after the command's exit; --pidfile=PATH"


@pytest.mark.option("forking")
@pytest.mark.parametrize("command, words", [("sleep 6 &", HIDDEN), ("true;", "no process remained")], ids=["one", "none"])
def test_forking_without_proc_claims_nothing(sdwd, command, words):
    run = sdwd("--forking", command=["/bin/sh", "-c", f"{command} exit 0"], preexec=mounts.hide_all)
    assert run.wait() == 125 and words in run.stderr()


@pytest.mark.option("forking")
def test_forking_with_a_foreign_proc_claims_nothing(make_runner, sdwd_path):
    run = make_runner("/usr/bin/unshare")("--pid", "--fork", "--kill-child", sdwd_path, "--forking",
                                          command=["/bin/sh", "-c", "sleep 6 & exit 0"])
    assert run.wait() == 125 and HIDDEN in run.stderr()


# What is left behind ------------------------------------------------------------------------------------------------

@pytest.mark.option("pidfile")
def test_workers_that_the_daemon_leaves_behind_are_ended(launch, manager, child, tmp_path):
    run = launch("write(P, daemon(puppet))")
    manager.wait_ready()
    path = str(tmp_path / "told")
    handler = f"lambda *_: (open({path!r}, 'w').close(), os._exit(0))"
    ready = str(tmp_path / "ready")
    worker = child(f"fork(lambda: (signal.signal(signal.SIGTERM, {handler}), open({ready!r}, 'w').close(), "
                   "time.sleep(1000)))")
    wait_until((tmp_path / "ready").exists, "the worker")
    end(child, 4)
    assert run.wait() == 4
    assert (tmp_path / "told").exists() and state_of(worker) in (None, "Z")


def test_what_the_launcher_left_beside_the_daemon_is_ended_at_the_end_only(launch, manager, child, tmp_path):
    code = f"""
def helper():
    signal.signal(signal.SIGTERM, lambda *_: (open({str(tmp_path / "told")!r}, 'w').close(), os._exit(0)))
    open({str(tmp_path / "pid")!r}, 'w').write(str(os.getpid()))
    sleep()
daemon(helper)
while not os.path.exists({str(tmp_path / "pid")!r}):
    time.sleep(0.01)
write(P, daemon(puppet))
"""
    run = launch(code)
    adopted(run, child("os.getpid()"))
    manager.wait_ready()
    helper = int((tmp_path / "pid").read_text())
    assert state_of(helper) == "S" and not (tmp_path / "told").exists()
    end(child, 0)
    assert run.wait() == 0
    assert (tmp_path / "told").exists() and state_of(helper) in (None, "Z")


def test_helpers_that_end_leave_no_zombie(launch, manager, child):
    run = launch("write(P, daemon(puppet))")
    manager.wait_ready()
    pids = [child("fork(lambda: fork(time.sleep, 0.05) and os._exit(0))") for _ in range(5)]
    child("[os.waitpid(p, 0) for p in " + repr(pids) + "]")
    wait_until(lambda: len(run.children()) == 1, "the end of the helpers")
    # Orphans of the daemon's helpers were ours to reap.
    tasks = open(f"/proc/{run.pid}/task/{run.pid}/children", encoding="utf-8").read().split()
    wait_until(lambda: [p for p in tasks if state_of(int(p)) == "Z"] == [], "no zombie")


# Its first parent hears of its stop, as a shell with jobs does, and writes who that was.
_HEARS_OF_THE_STOP = r"""
def parent():
    pid = os.fork()
    if pid == 0:
        os.setsid()
        sleep()
    write(P, pid)
    os.waitpid(pid, os.WUNTRACED)
    write(P + ".parent", os.getpid())
    sleep()
daemon(parent)
while not os.path.exists(P):
    time.sleep(0.01)
"""


def test_a_stopped_daemon_that_loses_its_parent_is_stopped_still(make_instance, manager, pidfile):
    one = make_instance(f"--pidfile={pidfile}", command=["/usr/bin/python3", "-SEc", _TOOLS + _HEARS_OF_THE_STOP, pidfile],
                        watchdog=4)
    manager.wait_ready()
    os.kill(int(pidfile.read_text()), signal.SIGSTOP)
    one.wait_status("stop", lambda s: s["process"] == "stopped")
    parent = pidfile.with_name(pidfile.name + ".parent")
    wait_until(parent.exists, "its parent's word")
    begin = time.monotonic()
    os.kill(int(parent.read_text()), signal.SIGKILL)
    # Of process or pidfile: of which the last good look was earlier, at the start.
    one.run.wait_stderr(": the process is stopped")
    assert not [d for d in manager.pings() if d.at > begin]
    os.kill(int(pidfile.read_text()), signal.SIGCONT)
    one.run.wait_stderr("healthy again")
