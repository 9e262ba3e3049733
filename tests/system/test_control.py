# SPDX-License-Identifier: MIT
"""The control socket: what an instance tells of itself, and maintenance and drills (CONTROL SOCKET in sdwd(1))."""

import os
import signal
import statistics
import time

import pytest

# pylint: disable=unused-import
from control import SERVICE, SUPERVISOR, Interface, Refused, as_nobody, error_of, make_instance
from puppet import child, open_fds, state_of, wait_until


@pytest.fixture
def beating(make_instance, manager, child):
    """An instance whose child beats; READY=1 was sent."""
    def start(*options, **more):
        one = make_instance("--heartbeat", *options, command=child.command, **more)
        child("repeat(0.05, beat)")
        manager.wait_ready()
        return one

    return start


def wait_status_text(manager, begins):
    return manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith(begins))


# What it says of itself -------------------------------------------------------------------------------------------


def test_a_stock_client_finds_its_way(make_instance):
    one = make_instance()
    with one.client() as client:
        info = client.call(f"{SERVICE}.GetInfo")
        assert info["product"] == "sdwd" and info["interfaces"] == [SERVICE, SUPERVISOR]
        described = {name: Interface(client.call(f"{SERVICE}.GetInterfaceDescription", interface=name)["description"])
                     for name in info["interfaces"]}
        assert [i.name for i in described.values()] == info["interfaces"]
        assert set(described[SERVICE].methods) == {"GetInfo", "GetInterfaceDescription"}
        assert set(described[SUPERVISOR].methods) == {"GetStatus", "Watch", "Pause", "Resume", "Drill"}
        described[SERVICE].check(info, described[SERVICE].methods["GetInfo"][1])
        described[SUPERVISOR].check(client.call("GetStatus"), described[SUPERVISOR].methods["GetStatus"][1])


def test_the_status_is_as_the_interface_says_whatever_happens(beating, child, manager, tmp_path):
    """Each kind of probe and state, compared with the description."""
    one = beating("--silence=500ms", "--exec=true", "--interval=100ms", "--unix", tmp_path / "none", "--optional",
                  "--interval=100ms", f"--file={tmp_path}", "--optional", "--interval=1s", "--on-unhealthy=warn",
                  watchdog=1)
    text = one.ask(f"{SERVICE}.GetInterfaceDescription", interface=SUPERVISOR)["description"]
    interface = Interface(text)

    def fits(wanted):
        def look(status):
            interface.check(status, interface.types["Status"])
            return wanted(status)
        return look

    one.wait_status("full history", fits(lambda s: len(s["probes"][1]["history"]) == 32))
    one.ask("Drill", probe="exec")
    one.wait_status("drill", fits(lambda s: s["culprit"] == "exec"))
    one.ask("Resume")
    child("stop()")
    one.wait_status("silence", fits(lambda s: s["health"] == "unhealthy"))
    one.ask("Pause", forUsec=20000000)
    assert fits(lambda s: s["paused"])(one.status())
    os.kill(child("os.getpid()"), signal.SIGSTOP)
    one.wait_status("stop of the child", fits(lambda s: s["process"] == "stopped"))
    os.kill(one.status()["childPid"], signal.SIGCONT)


def test_a_pause_after_a_quiet_time_is_no_stall(beating, manager):
    """What a call changes is told at once, long after the last words: that is no time in which sdwd did not run."""
    one = beating("--silence=30s", watchdog=60)
    manager.never(lambda d: d.fields.get("STATUS", "").startswith("paused"), 3)
    one.ask("Pause")
    wait_status_text(manager, "paused")
    one.ask("Resume")
    wait_status_text(manager, "healthy")
    assert "did not run" not in one.run.stderr()


def test_the_service_in_numbers(beating, child, manager):
    one = beating("--on-unhealthy=withhold", watchdog=0.6)
    manager.wait_ping(count=2)
    status = one.status()
    assert status["label"] == one.path.name and status["pid"] == one.run.pid
    assert status["childPid"] == child("os.getpid()")
    assert (status["state"], status["health"], status["statusText"]) == ("running", "healthy", "healthy")
    assert (status["watchdogUsec"], status["hasWatchdog"], status["onUnhealthy"]) == (600000, True, "withhold")
    assert 0 < status["stateUsec"] <= status["startedUsec"] < 60e6
    assert 2 <= status["pings"] <= len(manager.pings()) + 1
    assert 0 <= status["lastPingUsec"] < 20e6
    assert (status["paused"], status["pausedLeftUsec"], status["culprit"]) == (False, None, None)
    assert status["proberRestarts"] == 0
    one.run.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(one.run.pid) == "T", "stop of sdwd")
    time.sleep(0.5)
    one.run.signal(signal.SIGCONT)
    # A loaded machine may have made it stall before.
    after = one.wait_status("stall", lambda s: s["stallUsec"] > status["stallUsec"] + 200000)
    assert after["stalls"] > status["stalls"]
    assert after["pings"] > status["pings"]


def test_a_probe_in_numbers(make_instance, manager, tmp_path):
    flag = tmp_path / "good"
    flag.touch()
    one = make_instance(f"--exec=test -e {flag}", "--name=flag", "--interval=100ms", "--fall=3", "--rise=2",
                        "--fast-interval=50ms", "--timeout=5s", "--on-unhealthy=warn", watchdog=2)
    manager.wait_ready()
    probe = one.wait_status("looks", lambda s: s["probes"][0]["looks"]["pass"] >= 3)["probes"][0]
    assert (probe["name"], probe["kind"], probe["state"], probe["optional"]) == ("flag", "exec", "healthy", False)
    assert (probe["verdict"], probe["cause"], probe["text"]) == ("pass", "ok", "exited with 0")
    assert (probe["fails"], probe["fall"], probe["rise"]) == (0, 3, 2) and probe["passes"] >= 3
    assert 0 < probe["leaseLeftUsec"] < 15.5e6 and 0 <= probe["ageUsec"] < 20e6
    assert probe["latencyUsec"] == probe["history"][-1]["us"] > 0
    assert [look["v"] for look in probe["history"]] == ["pass"] * probe["looks"]["pass"]
    buckets = probe["latency"]["buckets"]
    bounds, counts = [b["le"] for b in buckets], [b["n"] for b in buckets]
    assert bounds[-1] is None and bounds[:-1] == sorted(bounds[:-1]) and (bounds[0], bounds[-2]) == (100, 10000000)
    assert counts == sorted(counts) and counts[-1] == probe["looks"]["pass"]
    assert probe["latency"]["sumUsec"] == sum(look["us"] for look in probe["history"])
    for bucket in buckets[:-1]:
        assert bucket["n"] == sum(look["us"] <= bucket["le"] for look in probe["history"])

    flag.unlink()
    status = one.wait_status("failure", lambda s: s["state"] == "unhealthy")
    probe = status["probes"][0]
    assert (status["health"], status["culprit"]) == ("unhealthy", "flag")
    assert status["statusText"] == "unhealthy: flag: exited with 1"
    assert (probe["state"], probe["verdict"], probe["cause"], probe["passes"]) == ("unhealthy", "fail", "exit-code", 0)
    assert probe["fails"] >= 3 and probe["looks"]["fail"] >= 3 and probe["leaseLeftUsec"] is None


def test_beats_are_counted_and_take_no_time(beating):
    one = beating("--silence=10s")
    probe = one.wait_status("beats", lambda s: s["probes"][0]["looks"]["pass"] > 40)["probes"][0]
    assert probe["latencyUsec"] is None and probe["latency"] is None
    assert probe["history"] == [{"v": "pass", "us": 0}] * 32
    assert 0 < probe["leaseLeftUsec"] <= 10e6


def test_a_probe_that_was_never_heard_is_null(make_instance):
    probe = make_instance("--heartbeat").status()["probes"][0]
    assert {probe[n] for n in ("verdict", "cause", "text", "latencyUsec", "ageUsec", "leaseLeftUsec")} == {None}
    assert probe["state"] == "starting" and probe["history"] == []


def test_the_stop_is_shown(make_instance, manager, child):
    one = make_instance(command=child.command)
    child("signal.signal(signal.SIGTERM, lambda *_: None)")
    manager.wait_ready()
    one.run.signal(signal.SIGTERM)
    one.wait_status("stop", lambda s: s["state"] == "stopping")
    child.tell("os._exit(0)")
    assert one.run.wait() == 0


# A stream of changes ----------------------------------------------------------------------------------------------


def test_watch_says_at_once_and_on_each_change(beating, manager, child):
    one = beating("--silence=300ms", "--on-unhealthy=warn")
    with one.client() as client:
        client.send("Watch", more=True)
        first = client.receive()
        assert first["continues"] is True and first["parameters"]["status"]["state"] == "running"
        child("stop()")
        while client.receive()["parameters"]["status"]["state"] != "unhealthy":
            pass
        child("repeat(0.05, beat)")
        while client.receive()["parameters"]["status"]["state"] != "running":
            pass
        one.run.terminate()
        while client.receive() is not None:
            pass


def test_watch_comes_at_most_once_a_second_and_only_on_change(make_instance, manager, child):
    one = make_instance("--heartbeat", "--silence=1000s", command=child.command, notify=False)
    child("repeat(0.01, beat)")
    with one.client() as client:
        client.send("Watch", more=True)
        times, counts = [], []
        for _ in range(4):
            status = client.receive()["parameters"]["status"]
            counts.append(status["probes"][0]["looks"]["pass"])
            # By sdwd's own clock: when it was made, not when it was read.
            times.append(status["startedUsec"])
        assert min(b - a for a, b in zip(times, times[1:])) >= 1000000, times
        assert counts == sorted(set(counts))
        child("stop()")
        last = one.status()["probes"][0]["looks"]["pass"]
        while counts[-1] != last:
            counts.append(client.receive()["parameters"]["status"]["probes"][0]["looks"]["pass"])
        client.socket.settimeout(1.5)
        with pytest.raises(TimeoutError):
            client.receive()


def test_watch_wants_more(make_instance):
    one = make_instance()
    assert error_of(one.path, "Watch") == f"{SERVICE}.ExpectedMore"


# Maintenance ------------------------------------------------------------------------------------------------------


def test_paused_pings_go_on_whatever_the_child_does(beating, manager, child):
    one = beating("--silence=400ms", watchdog=1)
    pid = child("os.getpid()")
    one.ask("Pause")
    wait_status_text(manager, "paused; healthy")
    child("stop()")
    os.kill(pid, signal.SIGSTOP)
    one.wait_status("silence", lambda s: s["probes"][0]["state"] == "unhealthy" and s["process"] == "stopped")
    manager.wait_ping(count=4)
    status = one.status()
    assert (status["paused"], status["pausedLeftUsec"], status["health"]) == (True, None, "healthy")
    assert "unhealthy:" not in one.run.stderr() and "paused by uid 0 (pid " in one.run.stderr()
    assert "until it is resumed: nothing is acted upon" in one.run.stderr()
    # Each W/2; a machine that kept sdwd waiting adds one.
    pings = [d.at for d in manager.pings()]
    assert statistics.median(b - a for a, b in zip(pings[-4:], pings[-3:])) > 0.4

    resumed = time.monotonic()
    one.ask("Resume")
    run_out = manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy: "))
    assert run_out.at - resumed > 0.95, "the lease of a READY"
    assert "resumed by uid 0 (pid " in one.run.stderr()
    manager.never("WATCHDOG=1", 1.2)
    os.kill(pid, signal.SIGCONT)


def test_a_pause_ends_by_itself(beating, manager, child):
    one = beating("--silence=400ms", watchdog=10)
    begun = time.monotonic()
    one.ask("Pause", forUsec=1500000)
    left = one.status()["pausedLeftUsec"]
    assert 0 < left <= 1500000
    wait_status_text(manager, "paused for 1s 500ms; healthy")
    one.run.wait_stderr("resumed: the pause is over")
    assert time.monotonic() - begun >= 1.5
    assert one.status()["paused"] is False
    after = manager.wait_for("STATUS=healthy", after=begun)
    assert after.at - begun >= 1.5


def test_a_pause_ends_where_nothing_else_is_to_do(make_instance, manager):
    one = make_instance(watchdog=1000)
    manager.wait_ready()
    begun = time.monotonic()
    one.ask("Pause", forUsec=1000000)
    one.run.wait_stderr("resumed: the pause is over")
    assert time.monotonic() - begun >= 1


def test_a_second_pause_takes_the_place_of_the_first(beating, manager):
    one = beating(watchdog=10)
    one.ask("Pause", forUsec=100000000)
    one.ask("Pause", forUsec=200000)
    one.run.wait_stderr("resumed: the pause is over")
    one.ask("Pause", forUsec=200000)
    one.ask("Pause")
    time.sleep(0.4)
    assert one.status()["paused"] is True


def test_nothing_is_ended_while_paused_and_an_unhealthy_service_recovers_with_it(beating, manager, child):
    one = beating("--silence=300ms", "--on-unhealthy=kill", watchdog=1)
    one.ask("Pause")
    child("stop()")
    one.wait_status("silence", lambda s: s["probes"][0]["state"] == "unhealthy")
    one.ask("Resume")
    assert one.status()["probes"][0]["state"] == "healthy"
    child("repeat(0.05, beat)")
    manager.wait_ping(count=2)
    assert one.run.is_running() and "unhealthy:" not in one.run.stderr()


def test_after_a_pause_the_one_that_fails_is_named_and_not_one_that_was_not_heard_since(make_instance, manager, child, tmp_path):
    good = tmp_path / "good"
    good.touch()
    one = make_instance("--notify", f"--exec=test -e {good}", "--interval=100ms", "--fall=1000", command=child.command,
                        watchdog=300)
    child("notify('READY=1')")
    manager.wait_ready()
    one.ask("Pause")
    one.ask("Resume")
    good.unlink()
    one.run.wait_stderr("degraded: ")
    assert "degraded: exec: exited with 1 (1 of 1000)" in one.run.stderr()


def test_the_child_says_trigger_while_paused(make_instance, manager, child):
    one = make_instance("--notify", command=child.command, watchdog=1)
    child("notify('READY=1')")
    manager.wait_ready()
    one.ask("Pause")
    child("notify('WATCHDOG=trigger')")
    one.wait_status("trigger", lambda s: s["probes"][0]["cause"] == "trigger")
    manager.wait_ping(count=2)
    one.ask("Resume")
    manager.wait_ping(count=2)
    assert one.status()["health"] == "healthy"


def test_a_stop_ends_the_pings_of_a_pause(beating, manager, child):
    one = beating(watchdog=0.5)
    one.ask("Pause")
    child("signal.signal(signal.SIGTERM, lambda *_: None)")
    manager.wait_ping()
    one.run.signal(signal.SIGTERM)
    one.wait_status("stop", lambda s: s["state"] == "stopping" and not s["paused"])
    manager.never("WATCHDOG=1", 1)
    with pytest.raises(Refused) as refused:
        one.ask("Pause")
    assert refused.value.name == "NotPossible" and refused.value.parameters == {"reason": "the service is stopping"}
    child.tell("os._exit(0)")


def test_paused_before_ready_nothing_is_pinged_and_ready_waits_for_health(make_instance, manager, child):
    one = make_instance("--heartbeat", command=child.command, watchdog=0.4)
    one.ask("Pause")
    one.ask("Resume")
    one.ask("Pause")
    manager.never(lambda d: d.has("READY=1") or d.has("WATCHDOG=1"), 0.6)
    child("beat()")
    manager.wait_ready()
    manager.wait_ping(count=3)


def test_a_pipe_that_was_closed_while_paused_before_ready_stays_closed(make_instance, child):
    one = make_instance("--heartbeat", "--on-unhealthy=kill", command=child.command, watchdog=30)
    one.ask("Pause")
    child("os.close(int(os.environ['SDWD_HEARTBEAT_FD']))")
    one.wait_status("closed", lambda s: s["probes"][0]["cause"] == "closed" and s["probes"][0]["state"] == "unhealthy")
    assert one.status()["health"] == "healthy"
    one.ask("Resume")
    one.run.wait_stderr("unhealthy: heartbeat: the pipe was closed before the first beat")
    assert one.run.wait() == 124


@pytest.mark.option("start-timeout")
def test_the_start_timeout_waits_while_paused(make_instance):
    one = make_instance("--heartbeat", "--start-timeout=2s")
    one.ask("Pause")
    time.sleep(2.5)
    assert one.status()["state"] == "starting"
    one.ask("Pause")
    one.ask("Resume")
    one.run.wait_stderr("not ready within --start-timeout=2s")
    assert one.run.wait() == 124


# Drills -----------------------------------------------------------------------------------------------------------


def test_a_drill_withholds_pings_until_resume(beating, manager, child):
    one = beating("--name=pulse", "--exec=true", "--interval=100ms", "--timeout=5s", watchdog=1)
    manager.wait_ping()
    one.ask("Drill", probe="pulse")
    wait_status_text(manager, "unhealthy: pulse: counts as failed for a drill, until sdwdctl resume")
    manager.never("WATCHDOG=1", 1)
    probe = one.status()["probes"][0]
    assert (probe["drilled"], probe["state"], probe["verdict"], probe["cause"]) == (True, "unhealthy", "fail", "drill")
    said = one.run.stderr()
    assert "drill by uid 0 (pid " in said and "): pulse counts as failed" in said
    assert "unhealthy: pulse: counts as failed for a drill, until sdwdctl resume (drill)" in said
    before = probe["looks"]["pass"]
    one.wait_status("beats that are counted all the same", lambda s: s["probes"][0]["looks"]["pass"] > before)
    one.ask("Resume")
    manager.wait_ping(count=2)
    one.wait_status("its recovery", lambda s: s["probes"][0]["cause"] == "ok" and s["state"] == "running")
    assert "the drill was ended by uid 0 (pid " in one.run.stderr()


def test_what_a_drill_said_ends_with_it(make_instance, manager):
    one = make_instance("--exec=true", "--interval=100s", "--on-unhealthy=warn")
    manager.wait_ready()
    one.ask("Drill", probe="exec")
    one.ask("Resume")
    probe = one.status()["probes"][0]
    # The next look is far off: until then nothing is known.
    assert (probe["state"], probe["cause"], probe["text"]) == ("healthy", None, None)
    assert probe["looks"]["pass"] == len(probe["history"]) > 0


def test_a_drill_takes_the_way_of_a_failure(beating):
    one = beating("--on-unhealthy=kill", watchdog=10)
    one.ask("Drill", probe="heartbeat")
    assert one.run.wait() == 124


def test_a_drill_of_an_optional_probe_is_only_shown(beating, manager):
    one = beating("--exec=true", "--optional", "--interval=100ms", watchdog=0.5)
    one.ask("Drill", probe="exec")
    status = one.wait_status("drill", lambda s: s["probes"][1]["drilled"])
    assert (status["probes"][1]["state"], status["health"]) == ("unhealthy", "healthy")
    manager.wait_ping(count=3)
    assert "unhealthy:" not in one.run.stderr()


def test_no_drill_before_ready_or_while_paused_or_of_nothing(make_instance, manager, child):
    one = make_instance("--heartbeat", command=child.command)
    with one.client() as client:
        def refusal(probe):
            with pytest.raises(Refused) as refused:
                client.call("Drill", probe=probe)
            return refused.value.error, refused.value.parameters

        assert refusal("heartbeat") == (f"{SUPERVISOR}.NotPossible", {"reason": "the service is not ready yet"})
        assert refusal("beat") == (f"{SUPERVISOR}.NoSuchProbe", {"probe": "beat"})
        child("beat()")
        manager.wait_ready()
        client.call("Pause")
        assert refusal("heartbeat") == (f"{SUPERVISOR}.NotPossible", {"reason": "the service is paused"})


# Who may, and what is no call ---------------------------------------------------------------------------------------


def test_reading_is_for_all_and_changing_is_for_root_and_its_own_user(beating):
    one = beating()
    assert as_nobody(error_of, one.path, "GetStatus") is None
    denied = f"{SERVICE}.PermissionDenied"
    assert as_nobody(error_of, one.path, "Pause") == denied
    assert as_nobody(error_of, one.path, "Resume") == denied
    assert as_nobody(lambda: error_of(one.path, "Drill", probe="heartbeat")) == denied
    status = one.status()
    assert not status["paused"] and status["state"] == "running"


def test_its_own_user_may(make_instance):
    def become_nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    one = make_instance(preexec=become_nobody, notify=False)
    assert one.path.stat().st_uid == 65534
    assert as_nobody(error_of, one.path, "Pause") is None
    one.run.wait_stderr("paused by uid 65534")
    assert error_of(one.path, "Resume") is None, "root"


@pytest.mark.parametrize("method, parameters, error, says", [
    ("sdwd.Supervisor.Fly", {}, "MethodNotFound", {"method": "sdwd.Supervisor.Fly"}),
    ("org.varlink.service.Fly", {}, "MethodNotFound", {"method": "org.varlink.service.Fly"}),
    ("sdwd.Manager.GetStatus", {}, "InterfaceNotFound", {"interface": "sdwd.Manager"}),
    ("sdwd.Supervisor.GetStatus", {"x": 1}, "InvalidParameter", {"parameter": "x"}),
    ("sdwd.Supervisor.Pause", {"forUsec": 0}, "InvalidParameter", {"parameter": "forUsec"}),
    ("sdwd.Supervisor.Pause", {"forUsec": -1}, "InvalidParameter", {"parameter": "forUsec"}),
    ("sdwd.Supervisor.Pause", {"forUsec": 1.5}, "InvalidParameter", {"parameter": "forUsec"}),
    ("sdwd.Supervisor.Pause", {"forUsec": "1s"}, "InvalidParameter", {"parameter": "forUsec"}),
    ("sdwd.Supervisor.Pause", {"forUsec": 2 ** 63}, "InvalidParameter", {"parameter": "forUsec"}),
    ("sdwd.Supervisor.Drill", {}, "InvalidParameter", {"parameter": "probe"}),
    ("sdwd.Supervisor.Drill", {"probe": 1}, "InvalidParameter", {"parameter": "probe"}),
    ("org.varlink.service.GetInterfaceDescription", {"interface": "a.b"}, "InterfaceNotFound", {"interface": "a.b"}),
    ("org.varlink.service.GetInterfaceDescription", {}, "InvalidParameter", {"parameter": "interface"}),
])
def test_errors_are_varlinks_own(make_instance, method, parameters, error, says):
    one = make_instance()
    with one.client() as client:
        with pytest.raises(Refused) as refused:
            client.call(method, **parameters)
        assert (refused.value.error, refused.value.parameters) == (f"{SERVICE}.{error}", says)
        assert client.call("GetStatus")["status"]["paused"] is False, "the connection goes on"


def test_calls_one_behind_the_other_and_in_pieces(make_instance):
    one = make_instance()
    with one.client() as client:
        call = b'{"method":"org.varlink.service.GetInfo"}\0'
        client.send_bytes(call * 5 + call[:11])
        for _ in range(5):
            assert client.receive()["parameters"]["product"] == "sdwd"
        client.send_bytes(call[11:20])
        client.send_bytes(call[20:])
        assert client.receive()["parameters"]["product"] == "sdwd"


def test_oneway_is_done_and_not_answered(make_instance):
    one = make_instance()
    with one.client() as client:
        client.send("Pause", oneway=True)
        assert client.call("GetStatus")["status"]["paused"] is True


# The child notices nothing ----------------------------------------------------------------------------------------


def test_the_child_has_nothing_of_it(make_instance, manager, child):
    one = make_instance(command=child.command, notify=False)
    pid = child("os.getpid()")
    with one.client() as client:
        client.call("GetStatus")
        fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in open_fds(pid)]
        sockets = [name for name in fds if name.startswith("socket:")]
        assert len(sockets) == 1, f"its own to this test: {fds}"
