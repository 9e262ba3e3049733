# SPDX-License-Identifier: MIT
"""
--exec: what a check may do, and what it must not do to sdwd.

Cases that other systems' tests of exec checks have are here by their number, C1 to C17; test_probe_conformance.py has the
list. Not as they stand there: C2 keeps 4 KiB, not 10; C3 and C15 have no "exit 2 is a warning", --exec-warn says which code
is one, and a command that does not exist is C1's error at start; C13 has no prefix for a shell, because metacharacters ask
for it; of C14 only the empty command is an error, because without any probe the process itself is watched.
"""

import ctypes
import os
import re
import resource
import signal
import subprocess
import time

import pytest

from puppet import child, open_fds, state_of, wait_until  # pylint: disable=unused-import
from runner import held, stat_of
from scripted import edges, outcomes

SOON = ["--interval=100ms", "--fast-interval=100ms", "--start-interval=100ms", "--timeout=10s"]
SEEN = ["--log-level=debug", "--log-target=stderr"]
FLOOD = int(os.environ.get("SDWD_TEST_FLOOD", "200000000"))
RUNS = int(os.environ.get("SDWD_TEST_EXECS", "300"))


class Check:
    """A shell script; each run notes its pid and when it began before it does what it does."""

    def __init__(self, folder, text, name="check"):
        self.path, self._log = folder / f"{name}.sh", folder / f"{name}.log"
        self._log.touch()
        self.says(text)

    def says(self, text):
        new = self.path.with_suffix(".new")
        new.write_text(f'#!/bin/sh\necho $$ $(date +%s.%N) >>"{self._log}"\n{text}\n')
        new.chmod(0o755)
        new.rename(self.path)

    def runs(self):
        """(pid, time) of each run, oldest first."""
        lines = self._log.read_text().splitlines(keepends=True)
        return [(int(pid), float(at)) for pid, at in (line.split() for line in lines if line.endswith("\n"))]

    def wait_runs(self, count):
        return wait_until(lambda: self.runs()[count - 1:] and self.runs(), f"run {count}")

    def __str__(self):
        return str(self.path)


@pytest.fixture
def check(tmp_path):
    """check("exit 0") gives a Check."""
    return lambda text, name="check": Check(tmp_path, text, name)


def refusal(run):
    """The one line of a sdwd that does not start."""
    assert run.wait() == 125
    [line] = run.stderr().splitlines()
    return line


def outcome(run, cause, count=1):
    """Waits for the @count-th change to @cause; returns its text."""
    return wait_until(lambda: [text for _, c, text in outcomes(run.stderr(), "exec") if c == cause][count - 1:], cause)[0]


def is_gone(pid):
    return stat_of(pid) is None


def noted(path):
    """Waits for a pid that a check noted in a file."""
    return int(wait_until(lambda: path.exists() and path.read_text().endswith("\n") and path.read_text(), str(path)))


# C1 to C17 --------------------------------------------------------------------------------------------------------


@pytest.mark.option("exec")
def test_C1_exit_0_is_good_and_another_is_not(sdwd, manager, check):
    good = check("exit 1")
    run = sdwd(f"--exec={good}", *SOON, *SEEN, "--fall=2", watchdog=30)
    manager.wait_for("STATUS=starting: exec: exited with 1")
    assert manager.ready_at is None
    good.says("exit 0")
    manager.wait_ready()
    assert outcome(run, "ok") == "exited with 0"
    good.says("exit 1")
    manager.wait_for("STATUS=unhealthy: exec: exited with 1")
    assert edges(run.stderr()) == [("exec", "exited with 1", "exit-code", edges(run.stderr())[0][3])]


@pytest.mark.option("exec")
@pytest.mark.parametrize("name", ["/nowhere/check", "sdwd-test-no-such-command -x", "/etc/passwd", "/"])
def test_C1_a_program_that_cannot_be_run_is_an_error_at_start(sdwd, tmp_path, name):
    for options in ([], ["--check"]):
        line = refusal(sdwd(f"--exec={name}", *options, command=["touch", tmp_path / "started"]))
        assert line.startswith(f"sdwd: --exec: '{name}': cannot execute '{name.split()[0]}': ")
    assert not (tmp_path / "started").exists()


def test_C1_a_program_that_is_gone_later_is_no_failure_but_no_evidence(sdwd, manager, check):
    one = check("exit 0")
    run = sdwd(f"--exec={one}", *SOON, "--timeout=200ms", "--fall=1", *SEEN, watchdog=1)
    manager.wait_ready()
    os.unlink(one.path)
    assert outcome(run, "cannot-run") == f"exited with 127: the command cannot be run: {one}: No such file or directory"
    # No streak, but the lease ends by itself.
    edge = wait_until(lambda: edges(run.stderr()), "edge")[0]
    assert edge[2] == "stale" and "cannot be run" in edge[1]


@pytest.mark.parametrize("size", [11 << 10, 300 << 10])
def test_C2_more_output_than_is_kept_is_no_matter(sdwd, manager, check, size):
    one = check(f"echo first; head -c {size} /dev/zero && exit 0; exit 9")
    run = sdwd(f"--exec={one}", *SOON, *SEEN)
    manager.wait_ready()
    assert outcomes(run.stderr(), "exec") == [("pass", "ok", "exited with 0: first")]


@pytest.mark.option("exec-warn")
def test_C3_exit_codes(sdwd, manager, check):
    one = check("echo disk nearly full; exit 1")
    run = sdwd(f"--exec={one}", "--exec-warn=1", *SOON, "--fall=1", *SEEN, watchdog=30)
    # A warning is good: ready, and shown.
    manager.wait_ready()
    manager.wait_for("STATUS=degraded: exec: exited with 1: disk nearly full")
    assert outcomes(run.stderr(), "exec")[0] == ("warn", "degraded", "exited with 1: disk nearly full")
    one.says("exit 0")
    manager.wait_for("STATUS=healthy", after=time.monotonic())
    assert not edges(run.stderr())
    one.says("exit 2")
    assert wait_until(lambda: edges(run.stderr()), "edge")[0][1:3] == ("exited with 2", "exit-code")


@pytest.mark.option("exec-warn")
@pytest.mark.parametrize("code, reason", [
    ("0", "is out of range"), ("256", "is out of range"), ("x", "x"), ("126", "cannot be run"), ("127", "cannot be run"),
])
def test_C3_codes_that_cannot_be_a_warning(sdwd, code, reason):
    line = refusal(sdwd("--exec=true", f"--exec-warn={code}"))
    assert "--exec-warn" in line and code in line and reason in line


@pytest.mark.option("timeout")
def test_C4_a_timeout_is_a_failure_on_time_and_kills_the_group(sdwd, manager, check, tmp_path):
    one = check(f"sleep 300 & echo $! >{tmp_path}/below; sleep 300; :")
    run = sdwd(f"--exec={one}", *SOON, "--timeout=1s", "--start-interval=1h", *SEEN)
    manager.wait_for("STATUS=starting: exec: took longer than 1s and was killed")
    took = time.monotonic() - run.started_at
    assert outcomes(run.stderr(), "exec") == [("fail", "timeout", "took longer than 1s and was killed")]
    assert took >= 1
    wait_until(lambda: is_gone(one.runs()[0][0]) and is_gone(noted(tmp_path / "below")), "end of the group")


def test_C5_partial_output_of_a_timeout_is_kept(sdwd, manager, check):
    one = check("echo logs1 logs2 logs3; echo more; sleep 60")
    run = sdwd(f"--exec={one}", *SOON, "--timeout=1s", *SEEN)
    assert outcome(run, "timeout") == "took longer than 1s and was killed: logs1 logs2 logs3"


def test_C6_what_is_shown_of_an_output_is_bounded_and_clean(sdwd, manager, check):
    one = check("printf '\\033[31m\\377\\n'; od -v /dev/zero | head -c 81920; exit 4")
    run = sdwd(f"--exec={one}", *SOON, *SEEN)
    assert outcome(run, "exit-code") == "exited with 4: ?[31m?"
    one.says("tr '\\0' x </dev/zero | head -c 81920; exit 4")
    text = outcome(run, "exit-code", 1)
    manager.wait_for(lambda d: d.fields.get("STATUS", "").startswith("starting: exec: exited with 4: xxx"))
    assert len(text) < 200 and max(map(len, manager.statuses())) < 300


def test_C7_checks_that_time_out_do_not_pile_up(sdwd, manager, check, tmp_path):
    # The lock is held by the run itself: one that finds it taken is a second one.
    one = check(f'exec 9>"{tmp_path}/lock"; flock -n 9 || echo two >>"{tmp_path}/two"; trap "" TERM; exec sleep 300')
    run = sdwd(f"--exec={one}", "--interval=100ms", "--fast-interval=10ms", "--start-interval=10ms", "--timeout=100ms")
    service = run.child(command="sleep 1000")
    most = 0
    while len(one.runs()) < 40:
        most = max(most, len([p for p in run.children() if p != service and stat_of(p) == ("S", run.pid)]))
    assert most <= 1 and not (tmp_path / "two").exists()
    pids = [pid for pid, _ in one.runs()[:40]]
    wait_until(lambda: all(map(is_gone, pids)), "end of all runs, none a zombie")


def test_C8_a_background_process_that_holds_the_output_delays_nothing(sdwd, manager, check, tmp_path):
    one = check(f"sleep 300 & echo $! >{tmp_path}/below; echo done; exit 0")
    run = sdwd(f"--exec={one}", *SOON, "--interval=1h", "--timeout=1min", *SEEN)
    assert manager.wait_ready(15)
    assert outcomes(run.stderr(), "exec") == [("pass", "ok", "exited with 0: done")]
    wait_until(lambda: is_gone(noted(tmp_path / "below")), "end of what it left")


def test_C9_what_a_shell_waits_for_is_killed_with_it(sdwd, manager, tmp_path):
    run = sdwd(f"--exec=echo $$ >{tmp_path}/shell; sh -c 'echo $$ >{tmp_path}/below; sleep 300; :'; :", *SOON,
               "--timeout=1s", "--start-interval=1h", *SEEN)
    outcome(run, "timeout")
    for name in ("shell", "below"):
        wait_until(lambda n=name: is_gone(noted(tmp_path / n)), f"end of the {name}")


def test_C10_a_check_has_signals_of_its_own(sdwd, manager, check):
    masks = "grep -c -E '^Sig(Blk|Ign):.0000000000000000$' /proc/self/status"
    one = check(f'[ "$({masks})" = 2 ] || exit 8; yes | head -n 1 >/dev/null; trap "exit 0" TERM; kill -TERM $$; exit 9')

    def ignore():
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, set(range(1, 32)) - {signal.SIGTERM})

    run = sdwd(f"--exec={one}", *SOON, *SEEN, preexec=ignore)
    manager.wait_ready()
    assert outcomes(run.stderr(), "exec") == [("pass", "ok", "exited with 0")]


def test_C11_a_huge_limit_of_open_files_costs_nothing(sdwd, manager, tmp_path):
    # 1073741816 where systemd has raised fs.nr_open and we may have it; else as much as goes. (unit/spawn goes further.)
    with open("/proc/sys/fs/nr_open", encoding="ascii") as nr_open:
        highest = [1073741816, int(nr_open.read()), resource.getrlimit(resource.RLIMIT_NOFILE)[1]]
    huge = next(n for n in highest if subprocess.run(["prlimit", f"--nofile={n}:{n}", "true"], check=False,
                                                     stderr=subprocess.DEVNULL).returncode == 0)

    def cost(limit):
        """Processor time of 200 runs, in seconds."""
        log = tmp_path / f"log-{limit}"
        run = sdwd(f"--exec=ulimit -n >>{log}", "--interval=10ms", "--start-interval=10ms",
                   preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
        wait_until(lambda: log.exists() and log.read_text().count("\n") >= 200, "runs", 120)
        with open(f"/proc/{run.pid}/stat", encoding="utf-8") as stat:
            ticks = sum(map(int, stat.read().rpartition(")")[2].split()[13:15]))
        run.terminate()
        assert set(log.read_text().split()) == {str(limit)}, "a check has the limit of sdwd"
        return ticks / os.sysconf("SC_CLK_TCK")

    few, many = cost(1024), cost(huge)
    print(f"200 runs: {few} s under 1024, {many} s under {huge}")
    # To close each of a million is 30 ms of work, and of a thousand million a minute.
    assert many < 3 * few + 0.5


def test_C12_folder_and_environment_are_those_of_sdwd(sdwd, manager, tmp_path):
    (tmp_path / "here").write_text("")
    entries = [b"A=b c", b"NO_EQUALS", b"NOTIFY_SOCKET=" + manager.address.encode(), b"PATH=/usr/bin:/bin", None]

    def without_equals():
        # An entry without "=" cannot be given by other means.
        line = [os.fsencode(a) for a in (sdwd.binary, "--exec=cat here /proc/self/environ", *SOON, *SEEN, "--expect=A=b c",
                                         "--", "sleep", "1000")] + [None]
        libc = ctypes.CDLL(None)
        libc.execve(line[0], (ctypes.c_char_p * len(line))(*line), (ctypes.c_char_p * len(entries))(*entries))

    run = sdwd(command=None, cwd=tmp_path, preexec=without_equals)
    manager.wait_ready()
    assert outcome(run, "ok").startswith("exited with 0, its output matches: A=b c?NO_EQUALS?PATH=/usr/bin:/bin?SDWD_")


def test_C13_words_are_words_without_a_shell(sdwd, manager, tmp_path):
    (tmp_path / "my status").write_text("it's well")
    # With a shell in between its pid were another's: cat is the check itself.
    run = sdwd(f"--exec=cat '{tmp_path}/my status' /proc/self/stat", *SOON, *SEEN)
    found = re.fullmatch(r"exited with 0: it's well(\d+) \(cat\) R (\d+) \1 \1 .*", outcome(run, "ok"))
    assert found and found[2] == str(run.pid), "our child, that leads its group and session"


@pytest.mark.parametrize("text", ["", " ", "''", "'' x", "a 'b", 'a "b', "a \\"])
def test_C14_no_command_is_an_error(sdwd, text):
    line = refusal(sdwd(f"--exec={text}"))
    assert line.startswith("sdwd: --exec: ")
    assert "is empty" in line or "is not a command: empty, or a quote is not closed" in line


def test_C15_what_a_check_says_of_its_own_failure_is_shown(sdwd, manager, check):
    script = check("exit 0")
    script.path.chmod(0o644)
    assert refusal(sdwd(f"--exec={script}")) == f"sdwd: --exec: '{script}': cannot execute '{script}': Permission denied"
    script.says("echo usage: check HOST >&2; exit 2")
    run = sdwd(f"--exec={script}", *SOON, *SEEN)
    manager.wait_for("STATUS=starting: exec: exited with 2: usage: check HOST")
    # A shell's own words, where the command is for a shell.
    run = sdwd("--exec=sdwd-test-no-such-command || exit", *SOON, *SEEN)
    assert re.fullmatch("exited with 127: the command cannot be run: .*sdwd-test-no-such-command.*not found",
                        outcome(run, "cannot-run"))


@pytest.mark.parametrize("name", ["SEGV", "KILL", "PIPE"])
def test_C16_killed_by_a_signal_is_a_failure(sdwd, manager, check, name):
    one = check(f"echo before; kill -{name} $$")
    run = sdwd(f"--exec={one}", *SOON, *SEEN)
    assert outcome(run, "killed").startswith(f"killed by SIG{name}")
    assert outcome(run, "killed").endswith(": before") and manager.ready_at is None


def test_C17_timeouts_make_it_unhealthy(sdwd, manager, check):
    one = check("exit 0")
    run = sdwd(f"--exec={one}", *SOON, "--timeout=300ms", "--fall=3", watchdog=30)
    manager.wait_ready()
    one.says("sleep 300")
    edge = wait_until(lambda: edges(run.stderr()), "edge")[0]
    assert edge[:3] == ("exec", "took longer than 300ms and was killed", "timeout") and edge[3].startswith(", 3 failures")


# --expect ---------------------------------------------------------------------------------------------------------


@pytest.mark.option("expect")
def test_expect_is_asked_of_the_output(sdwd, manager, check):
    one = check("echo loading; exit 0")
    run = sdwd(f"--exec={one}", "--expect=^(pong|PONG)$", *SOON, *SEEN)
    assert outcome(run, "body-mismatch") == "exited with 0, but its output does not match: loading"
    assert manager.ready_at is None
    one.says("echo loading; echo PONG >&2")
    manager.wait_ready()
    one.says("echo pong; exit 1")
    assert outcome(run, "exit-code") == "exited with 1: pong"


@pytest.mark.option("expect")
def test_C2_C6_4_KiB_are_kept_and_what_was_cut_never_matches(sdwd, manager, check):
    # 4097 bytes; then one less.
    one = check("echo pong; head -c 4092 /dev/zero; exit 0")
    run = sdwd(f"--exec={one}", "--expect=^pong$", *SOON, *SEEN)
    assert "longer than 4 KiB" in outcome(run, "body-mismatch")
    one.says("echo pong; head -c 4091 /dev/zero; exit 0")
    manager.wait_ready()


def test_expect_that_is_no_regex_or_belongs_to_none(sdwd):
    assert refusal(sdwd("--exec=true", "--expect=(")).startswith("sdwd: --expect: '(' is no regular expression: ")
    assert refusal(sdwd("--expect=a", "--exec=true")).endswith("'a': belongs after the probe that it is for")
    assert "--http" in refusal(sdwd("--exec=true", "--http=http://127.0.0.1:1/", "--exec-warn=1"))


# When it runs, and in what surroundings ---------------------------------------------------------------------------


@pytest.mark.option("start-interval")
def test_it_runs_once_a_second_at_most_until_it_passes(sdwd, manager, check):
    one = check("exit 1")
    sdwd(f"--exec={one}", "--interval=10s")
    times = [at for _, at in one.wait_runs(3)]
    gaps = [after - before for before, after in zip(times, times[1:])]
    # A check that is scheduled late tells so much later that it runs.
    assert 0.7 < min(gaps) and max(gaps) < 6, gaps


def test_what_a_check_is_told(sdwd, manager, check, tmp_path):
    one = check(f"env | grep ^SDWD_ | sort >{tmp_path}/new; mv {tmp_path}/new {tmp_path}/env; echo it is thus; exit 3")
    run = sdwd(f"--exec={one}", "--name=look", "--label=shop", *SOON, "--heartbeat", "--ready=exec", watchdog=30)

    def told():
        return dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())

    one.wait_runs(1)
    wait_until((tmp_path / "env").exists, "environment")
    wait_until(lambda: told()["SDWD_CAUSE"] == "exit-code", "second look")
    assert told()["SDWD_LABEL"] == "shop" and told()["SDWD_PROBE"] == "look"
    assert told()["SDWD_CHILD_PID"] == str(run.child(command="sleep 1000"))
    assert told()["SDWD_TEXT"] == "exited with 3: it is thus"
    assert set(told()) == {"SDWD_" + n for n in ("LABEL", "PROBE", "CHILD_PID", "STATE", "CAUSE", "TEXT", "STREAK")}
    assert told()["SDWD_STATE"] in ("starting", "healthy", "degraded", "unhealthy") and told()["SDWD_STREAK"].isdigit()


def test_a_check_has_nothing_open_and_nothing_to_read(sdwd, manager, tmp_path):
    (tmp_path / "inherited").write_text("")
    with open(tmp_path / "inherited", "rb") as inherited:
        run = sdwd("--exec=readlink /proc/$$/fd/0; ls -C -w 0 /proc/$$/fd; cat", "--expect=^0 +1 +2$", *SOON, *SEEN,
                   "--heartbeat", "--ready=exec", pass_fds=[inherited.fileno()], stdin=subprocess.PIPE)
        assert outcome(run, "ok") == "exited with 0, its output matches: /dev/null"


# Ends that are none -----------------------------------------------------------------------------------------------


def test_a_stop_kills_a_running_check_and_reports_nothing(sdwd, manager, check, tmp_path):
    one = check("exit 0")
    # The service takes its time to stop.
    service = f'trap "while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; exit 7" TERM; while :; do sleep 0.02; done'
    run = sdwd(f"--exec={one}", *SOON, "--fall=1", "--timeout=1h", *SEEN, command=["sh", "-c", service], watchdog=30)
    manager.wait_ready()
    one.says(f"trap '' TERM; sleep 300 & echo $! >{tmp_path}/below; sleep 300; :")
    below = noted(tmp_path / "below")
    count = len(one.runs())
    run.signal(signal.SIGTERM)
    wait_until(lambda: is_gone(one.runs()[-1][0]) and is_gone(below), "end of the check")
    assert run.is_running() and len(one.runs()) == count
    (tmp_path / "go").touch()
    assert run.wait() == 7
    assert not edges(run.stderr()) and {o[0] for o in outcomes(run.stderr(), "exec")} == {"pass"}
    assert "left behind" not in run.stderr()


def test_a_run_that_outlives_its_kill_is_a_timeout_and_stays_the_only_one(sdwd, manager, check):
    one = check("exec sleep 300")
    run = sdwd(f"--exec={one}", *SOON, "--timeout=1s", *SEEN)
    [(pid, _)] = one.wait_runs(1)
    with held(pid):
        manager.wait_for("STATUS=starting: exec: the last run was killed and has not ended since")
        assert state_of(pid) == "Z"
        # It stays so, look after look, and no second one is started.
        manager.never(lambda d: "STATUS" in d.fields, 2.5)
        assert len(one.runs()) == 1 and {o[1] for o in outcomes(run.stderr(), "exec")} == {"timeout"}
        one.says("exit 0")
    manager.wait_ready()
    assert is_gone(pid)


def test_a_flood_of_output_delays_no_ping_and_no_stop(sdwd, manager, check):
    one = check(f"yes | head -c {FLOOD}; echo over >>{{0}}; exit 0")
    one.says(f"yes | head -c {FLOOD}; [ $? = 0 ] && echo over >>'{one.path}.over'; exit 0")
    over = one.path.with_suffix(".sh.over")
    run = sdwd(f"--exec={one}", "--interval=50ms", "--timeout=10min", "--heartbeat", "--ready=exec", "--require=any", *SEEN,
               command=["sh", "-c", "while :; do echo >&$SDWD_HEARTBEAT_FD; sleep 0.1; done"], watchdog=1)
    manager.wait_ready()
    began = time.monotonic()

    def n_over():
        return over.read_text().count("over") if over.exists() else 0

    wait_until(n_over, "end of the flood", FLOOD / 1e6 + 20)
    print(f"{FLOOD} bytes in {time.monotonic() - began:.1f} s, longest gap {manager.longest_gap():.3f} s")
    assert manager.longest_gap() < 1
    # While it says it all again:
    wait_until(lambda: len(one.runs()) > n_over(), "next flood")
    sent = time.monotonic()
    run.signal(signal.SIGTERM)
    assert manager.wait_for("STOPPING=1").at - sent < 2
    assert run.wait() == -signal.SIGTERM
    assert outcomes(run.stderr(), "exec")[0] == ("pass", "ok", "exited with 0: y")


def memory_of(pid):
    """(VmRSS, VmData) in KiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
        fields = dict(line.split(":", 1) for line in status)
    return [int(fields[name].split()[0]) for name in ("VmRSS", "VmData")]


def test_many_runs_leave_nothing_behind(sdwd, manager, tmp_path):
    log = tmp_path / "log"
    # By turns: good, bad, with a background process that has the pipe, much output, killed, with an orphan; some hang.
    script = (f'echo >>{log}; n=$(stat -c %s {log}); [ $((n % 32)) != 31 ] || exec sleep 300; n=$((n % 6)); '
              '[ $n != 2 ] || { sleep 300 & exit 0; }; '
              '[ $n != 3 ] || { head -c 9999 /dev/zero; exit 0; }; [ $n != 4 ] || kill -KILL $$; '
              '[ $n != 5 ] || { (sleep 0.01 &); exit 0; }; exit $n')
    run = sdwd(f"--exec={script}", "--interval=10ms", "--fast-interval=10ms", "--start-interval=10ms",
               "--timeout=200ms", "--fall=1000")
    manager.wait_ready()

    def count_fds(runs):
        """Between two runs: their own pipe is not among them."""
        found = []
        while not log.exists() or log.stat().st_size < runs:
            found.append(len(open_fds(run.pid)))
            time.sleep(0.001)
        return min(found)

    fds, before = count_fds(60), memory_of(run.pid)
    wait_until(lambda: log.stat().st_size >= RUNS, "runs", RUNS / 10 + 60)
    fds_after, after = count_fds(RUNS + 60), memory_of(run.pid)
    assert fds_after == fds
    # AddressSanitizer (its shadow is terabytes) keeps freed memory for a while.
    more = 256 if before[1] < 1 << 30 else 8192
    assert all(b - a < more for a, b in zip(before, after)), f"VmRSS and VmData in KiB: {before}, then {after}"
    assert not edges(run.stderr())
    run.signal(signal.SIGSTOP)
    zombies = [pid for pid in os.listdir("/proc") if pid.isdigit() and stat_of(pid) == ("Z", run.pid)]
    run.signal(signal.SIGCONT)
    # Those of this very moment.
    assert len(zombies) <= 2, zombies
    assert run.terminate() == -signal.SIGTERM
