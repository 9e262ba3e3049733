# SPDX-License-Identifier: MIT
"""What follows when the child is not healthy: withhold, trigger, kill, warn; the dump signal and the hook before."""

import os
import signal
import time

import pytest

from manager import full_queue
from puppet import Puppet, child, state_of, wait_until  # pylint: disable=unused-import
from runner import held

FOREVER = 2**64 - 1


@pytest.fixture
def beating(sdwd, manager, child):
    """Starts the puppet with a heartbeat of --silence=400ms, healthy; silent() ends that."""

    def start(*options, **more):
        run = sdwd("--heartbeat", "--silence=400ms", *options, command=child.command, **more)
        child("repeat(0.05, beat)")
        if more.get("notify", True):
            manager.wait_ready()
        else:
            run.wait_stderr("ready after")
        return run

    return start


def silent(run, child):
    """Stops the beats; returns when sdwd said that the child is unhealthy."""
    child("stop()")
    run.wait_stderr("unhealthy: heartbeat: no sign of life")


# The four actions -------------------------------------------------------------------------------------------------


@pytest.mark.option("on-unhealthy")
def test_F18_withhold_pings_only_while_healthy(beating, manager, child):
    run = beating("--on-unhealthy=withhold", watchdog=1)
    manager.wait_ping()
    silent(run, child)
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy: heartbeat: no sign of life"))
    manager.never("WATCHDOG=1", 1.2)
    assert not manager.matching("WATCHDOG=trigger") and not manager.matching("STOPPING=1")
    child("repeat(0.05, beat)")
    manager.wait_for("WATCHDOG=1")
    run.wait_stderr("healthy again")


@pytest.mark.option("on-unhealthy")
def test_F18_trigger_is_one_datagram_and_the_last_word(beating, manager, child):
    beating("--on-unhealthy=trigger", watchdog=1)
    child("stop()")
    trigger = manager.wait_for("WATCHDOG=trigger")
    assert trigger.fields["STATUS"].startswith("unhealthy: heartbeat: no sign of life")
    child("repeat(0.05, beat)")
    manager.never(lambda d: d.has("WATCHDOG=1") or d.has("STATUS=healthy"), 1.2)
    assert len(manager.matching("WATCHDOG=trigger")) == 1


def test_trigger_comes_within_50_ms_of_the_verdict(sdwd, manager):
    delays = []
    # The best of some: a busy machine adds its own.
    for _ in range(5):
        puppet = Puppet()
        run = sdwd("--heartbeat", "--on-unhealthy=trigger", command=puppet.command, watchdog=30)
        puppet("beat()")
        manager.wait_ready()
        sent = time.monotonic()
        puppet("beat(b'WATCHDOG=trigger\\n')")
        delays.append(manager.wait_for("WATCHDOG=trigger").at - sent)
        manager.forget()
        run.terminate()
        puppet.close()
    print(f"{[round(d * 1000) for d in delays]} ms at load {os.getloadavg()[0]}")
    assert min(delays) < 0.05


def test_trigger_waits_for_the_manager_and_no_ping_overtakes_it(beating, manager, child):
    run = beating("--on-unhealthy=trigger", watchdog=1)
    manager.pause()
    full_queue(manager)
    silent(run, child)
    child("repeat(0.05, beat)")
    time.sleep(0.5)
    manager.resume()
    trigger = manager.wait_for("WATCHDOG=trigger")
    manager.never("WATCHDOG=1", 0.8)
    assert not [d for d in manager.pings() if d.at > trigger.at]


def test_a_stop_takes_back_a_trigger_that_systemd_did_not_read_yet(beating, manager, child):
    """It would come into a unit that is being stopped, and make a watchdog's kill of a clean stop."""
    run = beating("--on-unhealthy=trigger", watchdog=1)
    manager.pause()
    full_queue(manager)
    silent(run, child)
    run.wait_stderr("asking systemd to act now")
    run.signal(signal.SIGTERM)
    run.wait_stderr("SIGTERM")
    run.wait_stderr("stopping")
    manager.resume()
    manager.wait_for("STOPPING=1")
    assert run.wait() == -signal.SIGTERM
    assert not manager.matching("WATCHDOG=trigger")


@pytest.mark.option("on-unhealthy")
def test_F18_kill_ends_the_child_and_says_why(beating, manager, child):
    run = beating("--on-unhealthy=kill", watchdog=1)
    child("signal.signal(signal.SIGTERM, lambda *_: os._exit(0))")
    child("stop()")
    stopping = manager.wait_for("STOPPING=1")
    assert "heartbeat: no sign of life" in stopping.fields["STATUS"]
    assert run.wait() == 124
    assert not [d for d in manager.pings() if d.at > stopping.at]


@pytest.mark.option("on-unhealthy")
def test_kill_is_latched(beating, manager, child):
    run = beating("--on-unhealthy=kill", "--kill-timeout=1s", watchdog=1)
    child("signal.signal(signal.SIGTERM, lambda *_: repeat(0.05, beat))")
    child("stop()")
    stopping = manager.wait_for("STOPPING=1")
    assert run.wait() == 124, "SIGKILL follows, however well it feels"
    assert not [d for d in manager.pings() if d.at > stopping.at]


@pytest.mark.option("on-unhealthy")
def test_F18_warn_goes_on_pinging(beating, manager, child):
    run = beating("--on-unhealthy=warn", watchdog=1)
    silent(run, child)
    manager.wait_ping(count=4)
    assert manager.longest_gap() < 1
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy: "))


def test_warn_does_not_ping_for_a_stopped_process(beating, manager, child):
    beating("--on-unhealthy=warn", watchdog=0.6)
    manager.wait_ping()
    os.kill(child("os.getpid()"), signal.SIGSTOP)
    wait_until(lambda: manager.longest_gap() > 1, "gap")


# The default ------------------------------------------------------------------------------------------------------


@pytest.mark.option("on-unhealthy")
def test_the_default_with_a_watchdog_is_withhold(beating, manager, child):
    run = beating(watchdog=1)
    silent(run, child)
    assert "withholding WATCHDOG=1" in run.stderr()
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy: "))
    manager.never(lambda d: d.has("WATCHDOG=1") or d.has("STOPPING=1"), 1)
    assert run.is_running()


@pytest.mark.parametrize("env", [
    {},
    {"WATCHDOG_USEC": FOREVER},
    {"WATCHDOG_USEC": 0},
    {"WATCHDOG_USEC": 1000000, "WATCHDOG_PID": 1},
], ids=["unset", "infinity", "zero", "another's"])
def test_G12_the_default_without_a_watchdog_is_warn(beating, manager, child, env):
    run = beating(env=env)
    lines = [line for line in run.stderr().splitlines() if "--on-unhealthy=kill" in line]
    assert len(lines) == 1, "told once at the start"
    silent(run, child)
    manager.never(lambda d: d.has("STOPPING=1") or d.has("WATCHDOG=1"), 0.5)
    assert run.is_running()


@pytest.mark.option("on-unhealthy")
def test_withhold_without_a_watchdog_says_that_nobody_acts(beating, child):
    run = beating("--on-unhealthy=withhold", env={})
    assert "nobody acts on an unhealthy service; set WatchdogSec=, or --on-unhealthy=kill\n" in run.stderr()
    silent(run, child)
    assert "healthy -> unhealthy; nobody acts without WatchdogSec=\n" in run.stderr()


@pytest.mark.option("on-unhealthy")
@pytest.mark.parametrize("options", [(), ("--on-unhealthy=withhold",), ("--on-unhealthy=trigger",)])
def test_G12_without_a_manager_it_is_kill(beating, child, options):
    run = beating(*options, notify=False)
    silent(run, child)
    assert run.wait() == 124


@pytest.mark.option("watchdog-sec")
def test_watchdog_sec_is_w_where_systemd_has_none(sdwd, child):
    run = sdwd("--heartbeat", "--watchdog-sec=500ms", command=child.command, notify=False)
    child("beat()")
    run.wait_stderr("ready after")
    begin = time.monotonic()
    assert run.wait() == 124
    assert time.monotonic() - begin < 10, "--silence is 0.8 W, and the default W is 30 s"


@pytest.mark.option("watchdog-sec")
def test_watchdog_sec_is_an_error_where_systemd_has_one(sdwd):
    run = sdwd("--watchdog-sec=5s", command=["true"], watchdog=1)
    assert run.wait() == 125 and "--watchdog-sec" in run.stderr()
    assert sdwd("--watchdog-sec=5s", command=["true"], watchdog=1, watchdog_pid=1).wait() == 0
    assert sdwd("--watchdog-sec=5s", command=["true"], env={"WATCHDOG_USEC": FOREVER}).wait() == 0


# Before the action ------------------------------------------------------------------------------------------------


HOOK = """env | grep ^SDWD_ | sort >>{0}; test -z "$NOTIFY_SOCKET$WATCHDOG_USEC" && echo run-$SDWD_STATE >>{0}"""


@pytest.fixture
def hook(tmp_path):
    """A hook that writes its surroundings to hook.file."""
    path, file = tmp_path / "hook.sh", tmp_path / "hook.log"
    file.touch()

    def make(text=HOOK):
        path.write_text("#!/bin/sh\n" + text.format(file) + "\n")
        path.chmod(0o755)
        return path

    make.file = file
    return make


def wait_line(hook, line):
    wait_until(lambda: line in hook.file.read_text().splitlines(), f"{line} of the hook")


@pytest.mark.option("unhealthy-hook")
@pytest.mark.option("label")
@pytest.mark.option("name")
def test_the_hook_runs_on_both_edges_and_is_told_all(beating, child, hook):
    run = beating("--name=pulse", "--label=shop", f"--unhealthy-hook={hook()}", watchdog=1)
    child("stop()")
    wait_line(hook, "run-unhealthy")
    told = dict(line.partition("=")[::2] for line in hook.file.read_text().splitlines())
    assert told["SDWD_LABEL"] == "shop" and told["SDWD_CHILD_PID"] == str(child("os.getpid()"))
    assert told["SDWD_PROBE"] == "pulse" and told["SDWD_STATE"] == "unhealthy" and told["SDWD_CAUSE"] == "silent"
    assert "no sign of life" in told["SDWD_TEXT"] and told["SDWD_STREAK"].isdigit()
    assert not [name for name in told if name.startswith("SDWD_HEARTBEAT")]
    child("repeat(0.05, beat)")
    wait_line(hook, "run-healthy")
    run.wait_stderr("healthy again")
    words = [line for line in hook.file.read_text().splitlines() if line.startswith("run-")]
    assert words == ["run-unhealthy", "run-healthy"]


@pytest.mark.option("label")
def test_the_label_is_the_command_by_default(beating, child, hook):
    beating(f"--unhealthy-hook={hook()}", watchdog=1)
    child("stop()")
    wait_line(hook, "SDWD_LABEL=python3")


@pytest.mark.option("dump-signal")
@pytest.mark.option("dump-wait")
def test_dump_signal_then_wait_then_hook_then_action(beating, manager, child, hook):
    hook("echo hook >>{0}; sleep 0.5")
    beating("--on-unhealthy=trigger", "--dump-signal=USR2", "--dump-wait=700ms", f"--unhealthy-hook={hook.file.parent}/hook.sh",
            watchdog=1)
    child("got = []; signal.signal(signal.SIGUSR2, lambda *_: (got.append(time.monotonic()), repeat(0.05, beat)))")
    child("stop()")
    wait_until(lambda: child("len(got)"), "SIGUSR2")
    dumped = child("got[0]")
    assert hook.file.read_text() == ""
    wait_line(hook, "hook")
    hooked = time.monotonic()
    assert hooked - dumped > 0.65
    trigger = manager.wait_for("WATCHDOG=trigger")
    assert trigger.at - dumped > 1.15, "after the hook"
    assert not [d for d in manager.pings() if d.at > dumped + 0.05], "no ping, though it beats again"
    assert child("len(got)") == 1


@pytest.mark.option("on-unhealthy")
@pytest.mark.parametrize("mode, last", [("trigger", "WATCHDOG=trigger"), ("kill", "STOPPING=1")])
def test_what_follows_an_edge_has_the_reason_of_that_edge(sdwd, manager, child, hook, tmp_path, mode, last):
    """The dump heals the service for a moment: a look that passes is no reason for what was decided before it."""
    good = tmp_path / "good"
    good.touch()
    hook(HOOK + f"\nuntil test -e {tmp_path}/go; do sleep 0.05; done")
    run = sdwd(f"--exec=/usr/bin/test -e {good}", "--interval=100ms", "--fall=2", "--fast-interval=100ms",
               f"--on-unhealthy={mode}", "--dump-signal=USR2", "--dump-wait=1s", "--hook-timeout=1h",
               f"--unhealthy-hook={hook.file.parent}/hook.sh", "--log-level=debug", command=child.command, watchdog=20)
    child(f"signal.signal(signal.SIGUSR2, lambda *_: open('{good}', 'w').close())")
    manager.wait_ready()
    good.unlink()
    run.wait_stderr("unhealthy: exec: exited with 1")
    wait_until(lambda: "sdwd: exec: pass (ok)" in run.stderr().partition("sending SIGUSR2")[2], "a look that passes")
    wait_line(hook, "run-unhealthy")
    (tmp_path / "go").touch()
    told = dict(line.partition("=")[::2] for line in hook.file.read_text().splitlines())
    assert (told["SDWD_CAUSE"], told["SDWD_TEXT"], told["SDWD_STREAK"]) == ("exit-code", "exec: exited with 1", "2")
    assert "exec: exited with 1" in manager.wait_for(last).fields["STATUS"]
    statuses = [d.fields["STATUS"] for d in manager.all if "STATUS" in d.fields]
    assert not [status for status in statuses if "exited with 0" in status], statuses


@pytest.mark.option("hook-timeout")
def test_a_hook_that_hangs_is_killed_with_its_group(beating, manager, child, hook, tmp_path):
    hook(f"echo $$ >{tmp_path}/pids; sleep 999 & echo $! >>{tmp_path}/pids; echo up >>{{0}}; wait")
    run = beating("--on-unhealthy=trigger", f"--unhealthy-hook={tmp_path}/hook.sh", "--hook-timeout=500ms", watchdog=1)
    child("stop()")
    wait_line(hook, "up")
    manager.wait_for("WATCHDOG=trigger")
    assert "--unhealthy-hook: took longer than --hook-timeout=500ms and was killed" in run.stderr()
    for pid in (tmp_path / "pids").read_text().split():
        wait_until(lambda p=pid: state_of(p) is None, f"end of {pid}")
    run.terminate()
    assert run.stderr().count("--unhealthy-hook: ") == 1, "not its death by our own SIGKILL as well"


def test_a_recovery_is_told_though_the_killed_hook_still_dies(sdwd, manager, child, hook, tmp_path):
    hook(f"echo $$ >{tmp_path}/pid; echo $SDWD_STATE >>{{0}}; test $SDWD_STATE = healthy || exec sleep 999")
    run = sdwd("--heartbeat", "--silence=1h", f"--unhealthy-hook={tmp_path}/hook.sh", "--hook-timeout=3s",
               command=child.command, watchdog=30)
    child("beat()")
    manager.wait_ready()
    child(TRIGGER)
    wait_line(hook, "unhealthy")
    with held(int((tmp_path / "pid").read_text())):
        run.wait_stderr("and was killed")
        child("beat()")
        run.wait_stderr("healthy again")
    wait_line(hook, "healthy")


@pytest.mark.option("unhealthy-hook")
@pytest.mark.parametrize("command", ["./hook.sh", "./hook.sh && true"])
def test_the_hook_runs_in_the_folder_of_the_start(beating, child, hook, tmp_path, command):
    hook("pwd >>{0}")
    beating(f"--unhealthy-hook={command}", watchdog=1, cwd=tmp_path)
    child("stop()")
    wait_line(hook, str(tmp_path))


@pytest.mark.parametrize("command", ["/nowhere/hook", "/etc/passwd", "exit 3"])
def test_a_hook_that_cannot_run_delays_nothing(beating, manager, child, command):
    run = beating("--on-unhealthy=trigger", f"--unhealthy-hook={command}", watchdog=1)
    child("stop()")
    manager.wait_for("WATCHDOG=trigger", timeout=4)
    run.wait_stderr("--unhealthy-hook")


def test_a_recovery_during_the_hook_is_told_after_it(beating, manager, child, hook):
    hook("echo $SDWD_STATE >>{0}; sleep 0.5; echo end-$SDWD_STATE >>{0}")
    beating(f"--unhealthy-hook={hook.file.parent}/hook.sh", watchdog=1)
    child("stop()")
    wait_line(hook, "unhealthy")
    child("repeat(0.05, beat)")
    wait_line(hook, "end-healthy")
    assert hook.file.read_text().split() == ["unhealthy", "end-unhealthy", "healthy", "end-healthy"]
    manager.wait_ping()


# Says that it is stuck, and what became of that is told by the next beat.
TRIGGER = "beat(b'WATCHDOG=trigger\\n')"


@pytest.fixture
def again(sdwd, manager, child, hook, tmp_path):
    """sdwd whose hook of a recovery runs until there is a file go, and the service is unhealthy again."""
    hook(f"echo $SDWD_STATE >>{{0}}; while test $SDWD_STATE = healthy -a ! -e {tmp_path}/go; do sleep 0.05; done; "
         "echo end-$SDWD_STATE >>{0}")
    run = sdwd("--heartbeat", "--silence=1h", f"--unhealthy-hook={tmp_path}/hook.sh", "--hook-timeout=1min",
               command=child.command, watchdog=30)
    child("beat()")
    manager.wait_ready()
    child(TRIGGER)
    wait_line(hook, "end-unhealthy")
    child("beat()")
    wait_line(hook, "healthy")
    child(TRIGGER)
    wait_until(lambda: run.stderr().count("-> unhealthy") == 2, "second edge")
    return run


@pytest.mark.usefixtures("again")
def test_who_is_unhealthy_again_during_the_hook_of_a_recovery_is_told_after_it(child, hook, tmp_path):
    (tmp_path / "go").touch()
    wait_until(lambda: hook.file.read_text().split().count("end-unhealthy") == 2, "hook of the second edge")
    assert hook.file.read_text().split() == ["unhealthy", "end-unhealthy", "healthy", "end-healthy", "unhealthy", "end-unhealthy"]
    child("beat()")
    wait_until(lambda: hook.file.read_text().split()[-1] == "end-healthy", "hook of the second recovery")


def test_who_is_healthy_again_during_the_hook_of_a_recovery_needs_no_other(again, child, hook, tmp_path):
    child("beat()")
    wait_until(lambda: again.stderr().count("healthy again") == 2, "second recovery")
    (tmp_path / "go").touch()
    wait_line(hook, "end-healthy")
    # What came next would be heard before this one.
    child(TRIGGER)
    wait_until(lambda: hook.file.read_text().split().count("end-unhealthy") == 2, "hook of the third edge")
    assert hook.file.read_text().split() == ["unhealthy", "end-unhealthy", "healthy", "end-healthy", "unhealthy", "end-unhealthy"]


@pytest.mark.option("dump-wait")
def test_a_recovery_that_did_not_last_the_dump_wait_is_not_told(sdwd, manager, child, hook, tmp_path):
    hook("echo $SDWD_STATE >>{0}")
    run = sdwd("--heartbeat", "--silence=1h", "--dump-signal=USR2", "--dump-wait=4s", f"--unhealthy-hook={tmp_path}/hook.sh",
               command=child.command, watchdog=30)
    child("signal.signal(signal.SIGUSR2, lambda *_: None)")
    child("beat()")
    manager.wait_ready()
    child(TRIGGER)
    run.wait_stderr("-> unhealthy")
    child("beat()")
    run.wait_stderr("healthy again")
    child(TRIGGER)
    wait_until(lambda: run.stderr().count("-> unhealthy") == 2, "second edge")
    wait_line(hook, "unhealthy")
    child("beat()")
    wait_line(hook, "healthy")
    # What came too often would be heard before this one.
    child(TRIGGER)
    wait_until(lambda: hook.file.read_text().split()[-1] == "unhealthy", "hook of the third edge")
    assert hook.file.read_text().split() == ["unhealthy", "healthy", "unhealthy"]


def test_a_stop_during_the_hook_goes_first(beating, manager, child, hook):
    hook("echo up >>{0}; exec sleep 999")
    run = beating("--on-unhealthy=kill", f"--unhealthy-hook={hook.file.parent}/hook.sh", "--hook-timeout=1h", watchdog=1)
    child("stop()")
    wait_line(hook, "up")
    assert run.terminate() == -signal.SIGTERM, "the child's own end, not 124"
    assert manager.matching("STOPPING=1")


@pytest.mark.option("on-unhealthy")
@pytest.mark.option("dump-signal")
def test_a_child_that_ends_of_the_dump_signal_was_ended(beating, child):
    """To end it was decided: 0 would tell whoever started it that all is well."""
    run = beating("--on-unhealthy=kill", "--dump-signal=USR2", "--dump-wait=1h", notify=False)
    child("signal.signal(signal.SIGUSR2, lambda *_: os._exit(0))")
    child("stop()")
    assert run.wait() == 124
    assert "the service exited with 0" in run.stderr()


@pytest.mark.option("on-unhealthy")
def test_a_child_that_ends_during_the_hook_was_ended(beating, manager, child, hook):
    hook("echo up >>{0}; exec sleep 999")
    run = beating("--on-unhealthy=kill", f"--unhealthy-hook={hook.file.parent}/hook.sh", "--hook-timeout=1h", watchdog=1)
    child("stop()")
    wait_line(hook, "up")
    child.tell("os._exit(0)")
    assert run.wait() == 124


@pytest.mark.option("on-unhealthy")
def test_what_only_warns_ends_as_the_child_does(beating, child, hook):
    hook("echo up >>{0}; exec sleep 999")
    run = beating("--on-unhealthy=warn", f"--unhealthy-hook={hook.file.parent}/hook.sh", "--hook-timeout=1h", watchdog=1)
    child("stop()")
    wait_line(hook, "up")
    child.tell("os._exit(3)")
    assert run.wait() == 3


# A stop is sticky -------------------------------------------------------------------------------------------------


def test_after_a_stop_signal_no_ping_and_no_failure(beating, manager, child):
    run = beating(watchdog=0.6)
    manager.wait_ping()
    child("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    run.signal(signal.SIGTERM)
    stopping = manager.wait_for("STOPPING=1")
    manager.never(lambda d: d.has("WATCHDOG=1") and d.at > stopping.at, 0.8)
    child("stop()")
    manager.never(lambda d: "unhealthy" in d.fields.get("STATUS", ""), 0.8)
    assert "unhealthy:" not in run.stderr()
    child.tell("os._exit(0)")
    assert run.wait() == 0


def test_after_the_childs_exit_no_ping(beating, manager, child):
    run = beating("--orphans=wait", watchdog=0.6)
    child.tell("fork(time.sleep, 1.5); os._exit(5)")
    stopping = manager.wait_for("STOPPING=1")
    assert run.wait() == 5
    assert not [d for d in manager.pings() if d.at > stopping.at]
