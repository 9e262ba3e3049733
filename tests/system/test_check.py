# SPDX-License-Identifier: MIT
"""--check: what holds and where it comes from, when a hang has which effect, and what defeats itself."""

import random
import re
import subprocess

import pytest

HTTP = "--http=http://127.0.0.1:1/"
MS, S = 1000, 1000000


@pytest.fixture
def check(tmp_path, sdwd, sdwd_path, manager):
    """check(*options, w=30): under a systemd with that watchdog (0: none; None: without systemd); returns the lines."""

    def run(*options, w=30, status=0, command=("touch", "started")):
        env = sdwd.environment(notify=w is not None, watchdog=w or None)
        ended = subprocess.run([sdwd_path, "--check", *options, "--", *command], env=env, cwd=tmp_path, timeout=20,
                               check=False, capture_output=True)
        assert ended.returncode == status, ended
        assert ended.stderr == b""
        assert not (tmp_path / "started").exists()
        assert not manager.all
        return ended.stdout.decode("utf-8").splitlines()

    return run


def value_of(lines, name, probe=None):
    """(value, origin) of an option as shown."""
    within = "service:"
    for line in lines:
        if line.endswith(":") and not line.startswith(" "):
            within = line
        match = re.fullmatch(r"  (\S+) += (.*?) +\((.*)\)( before the first probe)?", line)
        if match and match[1] == name and within == (f"probe {probe}:" if probe else "service:"):
            return match[2], match[3] + (match[4] or "")
    raise AssertionError(f"{name} is not shown")


def story(lines):
    """The lines of the time line, without its heading."""
    begin = next(i for i, line in enumerate(lines) if line.startswith("time line of a hang"))
    return [line.strip() for line in lines[begin + 1:] if line.startswith("  ")]


def warnings(lines):
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


# Values and origins ----------------------------------------------------------------------------------------------

@pytest.mark.option("check")
def test_every_option_is_shown_with_its_origin(check, sdwd, sdwd_path):
    rows = subprocess.run([sdwd_path, "--dump-options"], check=True, capture_output=True, text=True).stdout
    lines = check(HTTP, "--fall=5", "--kill-signal=INT", "--heartbeat")
    shown = {re.match(r"  (\S+) += ", line)[1] for line in lines if re.match(r"  \S+ += ", line)}
    no_settings = {"help", "version", "check", "dump-options", "config"}
    absent = {"notify", "pidfile", "forking"}
    expected = {name for name, _, _, scope, _ in (row.split("\t") for row in rows.splitlines())
                if scope in ("service", "probe", "http", "heartbeat")} - no_settings - absent - {"heartbeat"}
    assert expected <= shown
    assert value_of(lines, "fall", "http") == ("5", "command line")
    assert value_of(lines, "kill-signal") == ("SIGINT", "command line")
    assert value_of(lines, "kill-timeout") == ("10s", "default")
    assert value_of(lines, "http", "http") == ("http://127.0.0.1:1/", "command line")


@pytest.mark.option("check")
def test_where_the_watchdog_time_comes_from(check):
    assert value_of(check(HTTP, w=12), "watchdog-sec") == ("12s", "WATCHDOG_USEC of systemd")
    assert value_of(check(HTTP, w=0), "watchdog-sec") == ("30s", "default")
    assert value_of(check(HTTP, "--watchdog-sec=90", w=None), "watchdog-sec") == ("1min 30s", "command line")


@pytest.mark.option("check")
def test_a_default_of_all_probes_says_so_and_an_own_value_wins(check):
    lines = check("--timeout=1s", HTTP, HTTP, "--timeout=2s", "--name=b")
    assert value_of(lines, "timeout", "http") == ("1s", "command line before the first probe")
    assert value_of(lines, "timeout", "b") == ("2s", "command line")


@pytest.mark.parametrize("w, value, origin", [
    (30, "withhold", "default"), (0, "warn", "default"), (None, "kill", "default"),
])
def test_what_follows_by_default(check, w, value, origin):
    shown = value_of(check(HTTP, w=w), "on-unhealthy")
    assert shown[0] == value and shown[1].startswith(origin)


@pytest.mark.parametrize("w, interval, timeout, fast, start, silence", [
    (30, "6s", "4s 800ms", "3s", "500ms", "24s"),
    (0.5, "200ms", "160ms", "100ms", "200ms", "400ms"),
    (2, "400ms", "320ms", "200ms", "400ms", "1s 600ms"),
    (300, "10s", "5s", "5s", "500ms", "4min"),
])
def test_the_defaults_follow_the_watchdog(check, w, interval, timeout, fast, start, silence):
    lines = check(HTTP, "--heartbeat", w=w)
    names = ["interval", "timeout", "fast-interval", "start-interval"]
    assert [value_of(lines, name, "http")[0] for name in names] == [interval, timeout, fast, start]
    assert value_of(lines, "silence", "heartbeat")[0] == silence


def test_no_byte_of_a_value_reaches_the_terminal(check):
    lines = check(b"--argv0=a\xff\x1b[31m\xc3\xa4b", HTTP, b"--name=x\xc3\xa4")
    assert value_of(lines, "argv0") == ("a??[31mäb", "command line")
    assert "probe xä:" in lines
    assert all(c.isprintable() for line in lines for c in line)


# The time line ------------------------------------------------------------------------------------------------------

def lease(w, interval=None, timeout=None, fast=None, fall=3):
    """Microseconds from a good look to the end of its lease, without the slack for lateness; and with it."""
    interval = interval or min(max(w // 5, 200 * MS), 10 * S)
    timeout = timeout or min(interval * 4 // 5, 5 * S)
    fast = fast or interval // 2
    slack = min(500 * MS, w // 20)
    bare = interval + (fall - 1) * max(fast, timeout) + timeout
    return bare, bare + slack


def latest(act, w):
    return act + min(w // 10, S) + 250 * MS


def short(us):
    """As people read it: tenths of a second below a minute, whole seconds above."""
    if us < S:
        return f"{us // MS}ms"
    if us < 60 * S:
        return f"{us // S}s" if us % S == 0 else f"{us // S}.{us % S * 10 // S}s"
    minutes, seconds = us // (60 * S), us // S % 60
    return f"{minutes}min {seconds}s" if seconds else f"{minutes}min"


def times(n):
    return f"{n} time" + "s" * (n != 1)


@pytest.mark.option("check")
@pytest.mark.parametrize("w, settings", [
    (30, {}), (10, {"fall": 1}), (60, {"interval": 5, "timeout": 2, "fall": 2}), (4, {"interval": 10, "fall": 5}),
    (20, {"fast": 9, "interval": 10, "timeout": 1}), (1, {}), (300, {"interval": 60, "timeout": 30, "fall": 4}),
    *[(random.Random(seed).randrange(1, 120), {"interval": random.Random(seed).randrange(1, 30),
                                               "timeout": random.Random(seed + 9).randrange(1, 20),
                                               "fall": random.Random(seed + 99).randrange(1, 8)}) for seed in range(8)],
])
def test_a_hang_under_withhold(check, w, settings):
    words = {"interval": "interval", "timeout": "timeout", "fast": "fast-interval", "fall": "fall"}
    options = [f"--{words[name]}={value}" for name, value in settings.items()]
    bare, whole = lease(w * S, **{k: v if k == "fall" else v * S for k, v in settings.items()})
    act = max(whole, w * S)
    assert story(check(HTTP, *options, w=w)) == [
        "at 0 it hangs",
        f"by {short(bare)} http has failed {times(settings.get('fall', 3))}",
        f"by {short(bare)} the service is unhealthy",
        f"at {short(act)} systemd aborts it (by {short(latest(act, w * S))} at the latest)",
    ]


@pytest.mark.option("on-unhealthy")
def test_a_hang_under_the_other_actions(check):
    bare = short(lease(30 * S)[0])
    begin = ["at 0 it hangs", f"by {bare} http has failed 3 times", f"by {bare} the service is unhealthy"]
    assert story(check(HTTP, "--on-unhealthy=trigger")) == [
        *begin, "then at once systemd aborts it (WATCHDOG=trigger)"]
    assert story(check(HTTP, "--on-unhealthy=kill", "--kill-timeout=7s")) == [
        *begin, "then sdwd ends it: the kill signal, and SIGKILL 7s later; exit status 124"]
    assert story(check(HTTP, "--on-unhealthy=warn")) == [*begin, "then nobody acts: it is only reported"]


def test_dump_and_hook_come_between(check):
    assert "up to 9s later dump and hook are over" in story(
        check(HTTP, "--dump-signal=QUIT", "--dump-wait=4s", "--unhealthy-hook=true", "--on-unhealthy=trigger"))
    assert "up to 2s later dump and hook are over" in story(check(HTTP, "--dump-signal=QUIT"))


def test_silence_is_told_of_a_heartbeat(check):
    assert story(check("--heartbeat", "--silence=12s", w=20)) == [
        "at 0 it hangs", "at 12s heartbeat has been silent too long", "by 12s the service is unhealthy",
        "at 20s systemd aborts it (by 21.2s at the latest)"]


@pytest.mark.option("require")
def test_how_many_are_required_decides_when(check):
    probes = ["--heartbeat", "--silence=5s", "--heartbeat", "--silence=15s", "--heartbeat", "--silence=45s"]
    for require, bad, act in (("all", "5s", "30s"), ("3", "5s", "30s"), ("2", "15s", "30s"), ("any", "45s", "45s")):
        lines = story(check(*probes, f"--require={require}"))
        assert f"by {bad} the service is unhealthy" in lines
        assert any(line.startswith(f"at {act} systemd aborts it") for line in lines), lines


@pytest.mark.option("optional")
def test_an_optional_probe_does_not_decide(check):
    lines = story(check("--heartbeat", "--silence=5s", "--optional", "--heartbeat", "--silence=15s"))
    assert "at 5s heartbeat has been silent too long (optional: only shown)" in lines
    assert "by 15s the service is unhealthy" in lines


def test_a_shell_sees_what_sdwd_would_do_and_is_told_how_to_see_the_rest(check):
    lines = story(check(HTTP, w=None))
    assert any("sdwd ends it" in line for line in lines)
    assert any("--watchdog-sec=30s shows it under systemd" in line for line in lines)
    lines = story(check(HTTP, "--watchdog-sec=30s", w=None))
    assert lines[-1] == "at 30s systemd aborts it (by 31.2s at the latest)"


# Warnings -----------------------------------------------------------------------------------------------------------

def test_sensible_settings_have_no_warning(check):
    assert not warnings(check(HTTP))
    assert not warnings(check(HTTP, "--fall=2", "--timeout=2s", "--on-unhealthy=trigger"))
    assert not warnings(check("--interval=5s", HTTP, HTTP, "--name=b"))
    assert not warnings(check("--heartbeat"))


WARNED = [
    # options, watchdog, words of the warning; the same without what is at fault
    ([HTTP, "--fall=2"], 30, ["http: ", "withhold", "do not make systemd act before 30s", "trigger"], [HTTP], 30),
    ([HTTP, "--timeout=1s"], 30, ["http: ", "do not make systemd act before 30s"], [HTTP], 30),
    ([HTTP, "--rise=3"], 30, ["http: --rise=3 with --on-unhealthy=withhold"],
     [HTTP, "--rise=3", "--on-unhealthy=trigger"], 30),
    ([HTTP, "--timeout=1s"], 0.9, ["a watchdog below 1s"], [HTTP, "--timeout=1s"], 1),
    ([HTTP], 4, ["http: the default --timeout is 640ms"], [HTTP], 5),
    ([HTTP, "--interval=20s"], 30, ["http: a hang is seen after 45.5s only, later than the watchdog's 30s"],
     [HTTP, "--interval=12s"], 30),
    (["--heartbeat", "--silence=40s"], 30, ["heartbeat: a hang is seen after 40s only"],
     ["--heartbeat", "--silence=30s"], 30),
    ([HTTP, HTTP, "--interval=3s"], 30, ["--interval belongs to http-2 alone", "before the first probe"],
     ["--interval=3s", HTTP, HTTP], 30),
    ([HTTP, "--heartbeat", HTTP, "--interval=3s"], 30, ["--interval belongs to http-2 alone"],
     [HTTP, "--interval=4s", "--heartbeat", HTTP, "--interval=3s"], 30),
    ([HTTP, HTTP, "--http-status=204"], 30, ["--http-status belongs to http-2 alone"],
     [HTTP, HTTP, "--name=b", "--optional"], 30),
    (["--tcp=127.0.0.1:1"], 30, ["tcp: without --expect a hang is not seen: ", "the kernel accepts connections for a hung server"],
     ["--tcp=127.0.0.1:1", "--expect=x"], 30),
    (["--unix=/x", "--send=x"], 30, ["unix: without --expect a hang is not seen: ", "nobody needs to read what is sent"],
     ["--unix=/x", "--send=x", "--expect=x"], 30),
    ([HTTP, "--start-interval=40s", "--ready=exec"], 30,
     ["http: --start-interval=40s", "READY=1", "30s"], [HTTP, "--start-interval=40s"], 30),
    ([HTTP, "--start-interval=40s", "--heartbeat", "--require=any"], 30, ["http: --start-interval=40s", "30s"],
     [HTTP, "--start-interval=40s", "--heartbeat"], 30),
    ([HTTP, "--start-interval=40s", "--ready=exec"], 30, ["http: --start-interval=40s"],
     [HTTP, "--start-interval=25s", "--ready=exec"], 30),
    ([HTTP, "--start-interval=40s", "--ready=exec"], 30, ["http: --start-interval=40s"],
     [HTTP, "--start-interval=40s", "--start-period=45s", "--ready=exec"], 30),
    ([], 30, ["no probe: only the process is watched, a hang will not be seen"], ["--heartbeat"], 30),
    (["--pidfile=/run/x"], 30, ["no required probe sees a hang"], ["--pidfile=/run/x", "--heartbeat"], 30),
    ([HTTP, "--optional"], 30, ["no required probe sees a hang"], [HTTP, "--optional", "--heartbeat"], 30),
]


@pytest.mark.option("check")
@pytest.mark.parametrize("options, w, words, without, other_w", WARNED)
def test_what_defeats_itself_is_told(check, options, w, words, without, other_w):
    said = [line for line in warnings(check(*options, w=w)) if all(word in line for word in words)]
    assert len(said) == 1, warnings(check(*options, w=w))
    assert not [line for line in warnings(check(*without, w=other_w)) if words[-1] in line]


def test_a_hang_that_nobody_sees_has_no_time_line(check):
    any_of = ["--pidfile=/run/x", HTTP, "--require=any"]
    for options in ([], ["--pidfile=/run/x"], ["--forking"], [HTTP, "--optional"], any_of):
        assert not [line for line in check(*options) if line.startswith("time line")], options


def test_a_pidfile_beside_a_probe_does_not_shorten_the_time_line(check):
    assert "by 40s the service is unhealthy" in story(check("--pidfile=/run/x", "--heartbeat", "--silence=40s"))
