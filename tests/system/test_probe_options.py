# SPDX-License-Identifier: MIT
"""The options that every probe of its kind knows, each proven by what it changes; the probe is --http."""

import time

import pytest

from puppet import wait_until
from scripted import edges, median, outcomes, serve  # pylint: disable=unused-import

SEEN = ["--log-level=debug", "--log-target=stderr"]
BAD = "status:503"


def http(server, *options):
    """A probe that is patient, unless told otherwise."""
    return [f"--http={server.url()}", "--timeout=5s", *options]


def wait_edge(run, count=1):
    """Waits for the @count-th edge to unhealthy; returns it: (probe, text, cause, rest)."""
    return wait_until(lambda: edges(run.stderr())[count - 1:], f"edge {count}")[0]


def wait_recovered(run, count=1):
    wait_until(lambda: run.stderr().count("sdwd: healthy again: ") >= count, f"recovery {count}")


# When it looks ----------------------------------------------------------------------------------------------------


@pytest.mark.option("interval")
def test_interval_is_from_start_to_start(sdwd, serve):
    # A look takes 0.3 s at least: between the end of one and the start of the next there is less than the interval.
    server = serve("ok", then="drip-all")
    sdwd(*http(server, "--interval=700ms"))
    gaps = server.gaps(1, 4)
    assert 0.6 < median(gaps) < 0.85, gaps


@pytest.mark.option("interval")
@pytest.mark.parametrize("interval, lowest, highest", [("50ms", 0.04, 0.15), ("500ms", 0.4, 0.65)])
def test_interval(sdwd, serve, interval, lowest, highest):
    server = serve()
    sdwd(*http(server, f"--interval={interval}"))
    gaps = server.gaps(2, 5)
    assert lowest < median(gaps) < highest, gaps


@pytest.mark.option("fast-interval")
def test_fast_interval_while_failing_below_fall(sdwd, serve):
    server = serve("ok", "ok", BAD, BAD, BAD, "ok", "ok")
    sdwd(*http(server, "--interval=800ms", "--fast-interval=50ms", "--fall=10"))
    gaps = server.gaps(1, 6)
    slow, fast = [gaps[0], gaps[4]], gaps[1:4]
    assert min(slow) > 0.6 and median(fast) < 0.3, gaps


@pytest.mark.option("fast-interval")
def test_fast_interval_while_passing_below_rise(sdwd, serve):
    server = serve("ok", BAD, BAD, "ok", "ok", "ok", "ok")
    sdwd(*http(server, "--interval=800ms", "--fast-interval=50ms", "--fall=1", "--rise=3"))
    gaps = server.gaps(1, 6)
    # Unhealthy for good: no haste. Then two passes below rise, and the third is healthy.
    slow, fast = [gaps[0], gaps[1], gaps[4]], gaps[2:4]
    assert min(slow) > 0.6 and max(fast) < 0.5, gaps


@pytest.mark.option("start-interval")
def test_start_interval_until_the_first_pass(sdwd, serve):
    server = serve(*[BAD] * 5, "ok")
    sdwd(*http(server, "--interval=1h", "--start-interval=50ms"))
    assert median(server.gaps(0, 5)) < 0.3
    server = serve(*[BAD] * 2, "ok")
    sdwd(*http(server, "--interval=50ms", "--start-interval=700ms"))
    gaps = server.gaps(0, 7)
    assert min(gaps[:2]) > 0.6 and median(gaps[2:]) < 0.3, gaps


def test_the_first_look_is_at_once_and_the_default_start_interval_is_short(sdwd, manager, serve):
    server = serve(BAD, BAD)
    sdwd(*http(server, "--interval=1h")).child()
    begin = time.monotonic()
    assert server.start_of(0) < begin + 2
    assert max(server.gaps(0, 2)) < 2
    manager.wait_ready()


# What counts ------------------------------------------------------------------------------------------------------


@pytest.mark.option("fall")
@pytest.mark.parametrize("options, script, streak", [
    (["--fall=1"], ["ok", BAD], None),
    (["--fall=4"], ["ok", *[BAD] * 3, "ok", *[BAD] * 3, "ok", *[BAD] * 4], 4),
    ([], ["ok", BAD, BAD, "ok", BAD, BAD, BAD], 3),
])
def test_fall_failures_in_a_row(sdwd, manager, serve, options, script, streak):
    # What is beyond the script hangs: nothing more is counted.
    server = serve(*script, then="silent")
    run = sdwd(f"--http={server.url()}", "--interval=50ms", "--timeout=1min", *options)
    manager.wait_ready()
    _, _, cause, rest = wait_edge(run)
    assert len(script) <= server.connections <= len(script) + 1
    assert cause == "http-status" and (f", {streak} failures in a row, " in rest if streak else "row" not in rest)


@pytest.mark.option("rise")
@pytest.mark.parametrize("options, back", [
    (["--rise=3"], ["ok", "ok", BAD, "ok", "ok", "ok"]),
    ([], ["ok"]),
])
def test_rise_passes_in_a_row(sdwd, manager, serve, options, back):
    script = ["ok", BAD, *back]
    server = serve(*script, then="silent")
    run = sdwd(f"--http={server.url()}", "--interval=100ms", "--timeout=1min", "--fall=1", *options, watchdog=1)
    manager.wait_ready()
    wait_edge(run)
    wait_recovered(run)
    assert len(script) <= server.connections <= len(script) + 1
    # Passes below it renew nothing: no ping between the edge and the last pass.
    first, last = server.end_of(1), server.start_of(len(script) - 1)
    assert not [ping for ping in manager.pings() if first < ping.at < last]
    manager.wait_for("WATCHDOG=1", after=last)


@pytest.mark.option("fall-window")
def test_fall_window_catches_what_never_falls_in_a_row(sdwd, manager, serve):
    # Never three of five; then three of five with a pass after each failure.
    script = ["ok", *[BAD, "ok", "ok"] * 4, "ok", "ok", BAD, "ok", BAD, "ok", BAD]
    server = serve(*script, then="silent")
    run = sdwd(f"--http={server.url()}", "--interval=30ms", "--timeout=1min", "--fall=2", "--fall-window=3/5")
    manager.wait_ready()
    assert wait_edge(run)[2] == "http-status"
    assert len(script) <= server.connections <= len(script) + 1


def test_without_a_window_a_failure_now_and_then_is_none(sdwd, manager, serve):
    script = [*["ok", BAD] * 10, BAD]
    server = serve(*script, then="silent")
    run = sdwd(f"--http={server.url()}", "--interval=30ms", "--timeout=1min", "--fall=2")
    manager.wait_ready()
    wait_edge(run)
    assert len(script) <= server.connections <= len(script) + 1


@pytest.mark.option("fall-window")
def test_recovery_clears_the_window(sdwd, manager, serve):
    # Two failures, a recovery, and two failures again: were the first ones still counted, the third were an edge, too.
    script = ["ok", BAD, "ok", BAD, "ok", BAD, "ok", "ok", BAD, "ok"]
    server = serve(*script, then="silent")
    run = sdwd(f"--http={server.url()}", "--interval=30ms", "--timeout=1min", "--fall=10", "--fall-window=2/64")
    manager.wait_ready()
    wait_recovered(run, 2)
    assert len(edges(run.stderr())) == 2 and len(script) <= server.connections <= len(script) + 1


@pytest.mark.option("start-period")
def test_failures_do_not_count_in_the_start_period(sdwd, manager, serve):
    server = serve(then=BAD)
    run = sdwd(*http(server, "--interval=50ms", "--start-interval=50ms", "--fall=1", "--start-period=1s"),
               "--ready=exec", watchdog=30)
    ready = manager.wait_ready()
    assert wait_edge(run)[2] == "http-status"
    edge = manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy:"))
    assert run.started_at + 0.95 < edge.at < ready.at + 5
    assert server.start_of(5) < edge.at


@pytest.mark.option("start-period")
def test_the_first_pass_ends_the_start_period(sdwd, manager, serve):
    script = [BAD, BAD, "ok", BAD]
    server = serve(*script, then="silent")
    run = sdwd(f"--http={server.url()}", "--interval=50ms", "--timeout=1min", "--fall=1", "--start-period=1h",
               "--ready=exec")
    manager.wait_ready()
    assert wait_edge(run)[2] == "http-status"
    assert len(script) <= server.connections <= len(script) + 1


def test_a_start_period_delays_no_pass(sdwd, manager, serve):
    server = serve(BAD, "ok")
    run = sdwd(*http(server, "--interval=50ms", "--start-period=1h"))
    assert manager.wait_ready(10).at >= server.start_of(1)
    assert not edges(run.stderr())


@pytest.mark.option("start-period")
@pytest.mark.parametrize("options, lowest, highest", [([], 0.9, 3), (["--start-period=2s"], 1.9, 5)])
def test_the_lease_of_a_ready_before_the_first_pass(sdwd, manager, serve, options, lowest, highest):
    server = serve(then="silent")
    run = sdwd(f"--http={server.url()}", "--interval=100ms", "--timeout=80ms", *options, "--ready=exec", watchdog=1)
    ready = manager.wait_ready()
    wait_edge(run)
    edge = manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("unhealthy:"))
    # READY=1 may be read late: its lease did not begin before sdwd did.
    assert run.started_at + lowest < edge.at < ready.at + highest
    # It is worth pings only as far as it reaches beyond what READY=1 itself promised, or where sdwd was so late that
    # it gives that time back.
    assert bool(manager.pings()) == bool(options) or "sdwd itself did not run" in run.stderr()


# Which probes count -----------------------------------------------------------------------------------------------


@pytest.mark.option("optional")
def test_an_optional_probe_is_shown_and_never_acts(sdwd, manager, serve):
    server, other = serve(), serve(then=BAD)
    run = sdwd(*http(server, "--interval=50ms"), *http(other, "--interval=50ms", "--fall=1", "--optional"), *SEEN,
               watchdog=1)
    assert manager.wait_ready().fields["STATUS"] == "healthy"
    manager.wait_ping(count=2)
    other.mode = "ok"
    run.wait_stderr("http-2: pass (ok)")
    other.mode = "close"
    run.wait_stderr("http-2: fail (read-failed)")
    manager.wait_ping(count=2)
    assert outcomes(run.stderr(), "http-2")[0] == ("fail", "http-status", "HTTP 503, not within 200-399")
    assert not edges(run.stderr())
    assert not [text for text in manager.statuses() if "http-2" in text or "degraded" in text]
    # The other one does act.
    server.mode = BAD
    assert wait_edge(run)[0] == "http"


@pytest.mark.option("optional")
def test_only_optional_probes_hold_nothing_back(sdwd, manager, serve):
    server = serve(then=BAD)
    run = sdwd(*http(server, "--interval=50ms", "--fall=1", "--optional"), watchdog=1)
    manager.wait_ready()
    server.start_of(3)
    manager.wait_ping(count=2)
    assert not edges(run.stderr())


def test_more_required_than_there_are(sdwd, serve):
    server = serve()
    run = sdwd(*http(server), *http(server, "--optional"), "--require=2")
    assert run.wait() == 125
    assert run.stderr() == "sdwd: --require: '2' is more than the 1 probe that is not optional\n"


@pytest.mark.option("name")
def test_names_of_several_probes(sdwd, manager, serve):
    server = serve(then=BAD)
    run = sdwd(*http(server), *http(server, "--name=api"), *http(server), *SEEN)
    for name in ("http", "api", "http-2"):
        run.wait_stderr(f"sdwd: {name}: fail (http-status)")
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("starting: http: HTTP 503"))
    run = sdwd(*http(server, "--name=api"), *http(server, "--name=api"))
    assert run.wait() == 125 and run.stderr() == "sdwd: --name: 'api' is the name of another probe\n"


@pytest.mark.option("require")
@pytest.mark.parametrize("require, needed", [("any", 1), ("1", 1), ("2", 2), ("all", 3), (None, 3)])
def test_require(sdwd, manager, serve, require, needed):
    servers = [serve(then=BAD) for _ in range(3)]
    options = [f"--require={require}"] if require else []
    for server in servers:
        options += http(server, "--interval=50ms", "--start-interval=50ms", "--fall=2", "--fast-interval=20ms")
    run = sdwd(*options, *SEEN, watchdog=2)
    # One after the other turns good: READY=1 comes with the one that is needed, not before.
    for server in servers[:needed - 1]:
        server.mode = "ok"
        server.wait_looks(3)
    assert manager.ready_at is None
    began = time.monotonic()
    servers[needed - 1].mode = "ok"
    assert manager.wait_ready().at >= began
    for server in servers[needed:]:
        server.mode = "ok"
        server.wait_looks(3)
    # One after the other turns bad: as long as enough are good it is healthy, and pings go on.
    for server in servers[:3 - needed]:
        server.mode = BAD
        server.wait_looks(4)
    manager.wait_ping()
    assert not edges(run.stderr())
    servers[3 - needed].mode = BAD
    assert wait_edge(run)[2] == "http-status"
    servers[0].mode = "ok"
    wait_recovered(run)
    manager.wait_ping()


@pytest.mark.option("require")
def test_one_of_several_bad_is_degraded(sdwd, manager, serve):
    good, bad = serve(), serve("ok", then=BAD)
    run = sdwd("--require=any", *http(good, "--interval=50ms"), *http(bad, "--interval=50ms", "--fall=2"))
    manager.wait_ready()
    manager.wait_for("STATUS=degraded: http-2: HTTP 503, not within 200-399")
    bad.mode = "ok"
    manager.wait_for("STATUS=healthy", after=time.monotonic())
    assert not edges(run.stderr()) and "no longer degraded" in run.stderr()


# Defaults of the probes -------------------------------------------------------------------------------------------


def test_before_the_first_probe_they_are_defaults(sdwd, manager, serve):
    first, second = serve("ok", then=BAD), serve("ok", then=BAD)
    run = sdwd("--interval=50ms", "--fall=5", "--require=any", *http(first), *http(second, "--fall=2"))
    manager.wait_ready()
    probe, _, _, rest = wait_edge(run)
    # Both are bad now; the first one, by the default, later.
    assert probe == "http" and ", 5 failures in a row" in rest
