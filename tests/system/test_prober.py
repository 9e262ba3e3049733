# SPDX-License-Identifier: MIT
"""The prober as a process: when it is there, what it may, and that its troubles are not the service's."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from prompt import assert_prompt, take_signals
from puppet import child, open_fds, state_of, wait_until  # pylint: disable=unused-import
from runner import command_of, held, stat_of
from scripted import edges, outcomes, serve  # pylint: disable=unused-import
from tls import authority, certificate, serve_tls  # pylint: disable=unused-import

SOON = ["--interval=100ms", "--start-interval=100ms", "--timeout=1s"]
SEEN = ["--log-level=debug", "--log-target=stderr"]
PROBER = "sdwd-prober"


@pytest.fixture
def url(authority, serve_tls):
    """The options that make a good look by the prober, again and again."""
    server = serve_tls()
    return [f"--http={server.url()}", f"--http-ca={authority.pem}", *SOON]


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
        return dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)


def another(run, pid):
    """The pid of the prober once it is not @pid any more."""
    return wait_until(lambda: next((p for p in run.children() if p != pid and PROBER in command_of(p)), None), "new prober")


def with_asan(option):
    """Changes of the environment: AddressSanitizer, where it is, with @option besides."""
    return {"ASAN_OPTIONS": ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), option]))}


# When it is there -------------------------------------------------------------------------------------------------


def test_there_is_none_where_none_is_needed(sdwd, manager, serve):
    server = serve()
    run = sdwd(f"--http={server.url()}", *SOON)
    manager.wait_ready()
    server.wait_looks(3)
    assert not [p for p in run.children() if PROBER in command_of(p)]


def test_there_is_one_for_all_probes(sdwd, manager, authority, serve_tls):
    servers = [serve_tls() for _ in range(3)]
    run = sdwd(*[o for s in servers for o in (f"--http={s.url()}", f"--http-ca={authority.pem}", *SOON)])
    manager.wait_ready()
    assert len([p for p in run.children() if PROBER in command_of(p)]) == 1


@pytest.mark.parametrize("mode", [[], ["--check"]])
def test_one_that_is_missing_is_an_error_at_the_start(make_runner, sdwd_path, manager, tmp_path, mode):
    alone = tmp_path / "sdwd"
    shutil.copy(sdwd_path, alone)
    run = make_runner(alone)(*mode, "--http=https://127.0.0.1/", command=["sh", "-c", "echo started"])
    assert run.wait() == 125 and run.stdout() == "" and not manager.all
    assert re.fullmatch(r"sdwd: --http: https needs sdwd-prober: /\S+/sdwd/sdwd-prober: No such file or directory; "
                        r"it is in the package sdwd-prober\n", run.stderr())
    assert make_runner(alone)("--http=http://127.0.0.1/", command=["true"]).wait() == 0


def test_what_is_installed_later_is_not_taken(make_runner, build, manager, url, tmp_path):
    """An upgrade while sdwd runs: the new prober speaks with a new sdwd, and not with this one."""
    for name in ("sdwd", PROBER):
        shutil.copy(build / name, tmp_path)
    run = make_runner(tmp_path / "sdwd")(*url, *SEEN, watchdog=30)
    manager.wait_ready()
    old = run.child(command=PROBER)
    (tmp_path / PROBER).unlink()
    os.kill(old, signal.SIGKILL)
    new = another(run, old)
    assert (manager.wait_ping().at and outcomes(run.stderr())[-1][1] == "ok")
    assert os.path.realpath(f"/proc/{new}/exe").endswith(f"{PROBER} (deleted)")


def test_by_hand_it_says_what_it_is(make_runner, build):
    run = make_runner(build / PROBER)(command=None)
    assert run.wait() == 2 and "sdwd starts this program where it needs it" in run.stderr()


@pytest.mark.option("start-interval")
def test_looks_by_it_start_with_one_a_second(sdwd):
    run = sdwd("--check", "--watchdog-sec=30s", "--http=https://127.0.0.1/", "--http=http://127.0.0.1/", notify=False)
    assert run.wait() == 0
    assert re.findall(r"start-interval += (\w+)", run.stdout()) == ["1s", "500ms"]


# What it may ------------------------------------------------------------------------------------------------------


def test_it_keeps_no_privilege(sdwd, manager, url):
    run = sdwd(*url, "--nice=5", "--oom-score-adjust=100")
    manager.wait_ready()
    pid = run.child(command=PROBER)
    status = status_of(pid)
    assert status["Name"] == PROBER
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0, name
    if os.geteuid() == 0:
        assert int(status["CapBnd"], 16) == 0
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert stat_of(run.pid)[0] and os.getsid(pid) == pid and os.getpgid(pid) == pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == 0
    assert Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="utf-8").strip() != "100"
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    # Its socket and stderr; the rest is /dev/null, and what looks have open.
    assert [os.readlink(f"/proc/{pid}/fd/{n}") for n in (0, 1)] == ["/dev/null"] * 2
    assert os.readlink(f"/proc/{pid}/fd/3").startswith("socket:")


def test_it_gets_nothing_of_the_childs(sdwd, manager, url):
    r, w = os.pipe()
    try:
        run = sdwd(*url, "--heartbeat", "--optional", pass_fds=[w], env={"LISTEN_FDS": "1"})
        manager.wait_ready()
        pid = run.child(command=PROBER)
        pipe = os.readlink(f"/proc/self/fd/{w}")
        assert pipe not in [os.readlink(f"/proc/{pid}/fd/{n}") for n in open_fds(pid) if int(n) <= 3]
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        names = {entry.partition("=")[0] for entry in environment}
        assert not names & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "SDWD_HEARTBEAT_FD"}
    finally:
        os.close(r)
        os.close(w)


def test_no_signal_of_a_unit_or_a_terminal_ends_it(sdwd, manager, url):
    run = sdwd(*url)
    manager.wait_ready()
    pid = run.child(command=PROBER)
    ends = {signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP,
            signal.SIGSYS}
    for number in signal.valid_signals() - ends:
        os.kill(pid, number)
    wait_until(lambda: int(status_of(pid)["SigPnd"], 16) == 0, "signals taken")
    assert state_of(pid) in "SR" and run.child(command=PROBER) == pid


# Its end ----------------------------------------------------------------------------------------------------------


def test_it_ends_with_sdwd(sdwd, manager, url):
    run = sdwd(*url)
    manager.wait_ready()
    pid = run.child(command=PROBER)
    assert run.terminate() == -signal.SIGTERM
    assert state_of(pid) is None


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_it_ends_when_sdwd_is_killed(sdwd, manager, url, stopped):
    run = sdwd(*url)
    manager.wait_ready()
    pid = run.child(command=PROBER)
    if stopped:
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: state_of(pid) == "T", "stop")
    run.may_leave = True
    run.signal(signal.SIGKILL)
    run.wait()
    wait_until(lambda: state_of(pid) in (None, "Z"), "end of the prober")


def test_it_is_no_orphan_of_the_childs(sdwd, manager, url):
    """A stopped one too is ended by sdwd, without a word about processes left behind."""
    run = sdwd(*url, *SEEN, command=["sh", "-c", "read x; exit 7"], stdin=-1)
    manager.wait_ready()
    os.kill(run.child(command=PROBER), signal.SIGSTOP)
    run.stdin.close()
    assert run.wait() == 7
    assert "left behind" not in run.stderr()


def test_it_does_not_wait_for_orphans(sdwd, manager, url):
    run = sdwd(*url, *SEEN, "--orphans=wait", command=["sh", "-c", "sleep 1000 & read x; exit 7"], stdin=-1)
    manager.wait_ready()
    pid = run.child(command=PROBER)
    orphan = wait_until(lambda: [p for p in run.children() if command_of(p) == "sleep 1000"], "sleep")[0]
    run.stdin.close()
    run.wait_stderr("1 process left behind, waiting (--orphans=wait): pid ")
    wait_until(lambda: state_of(pid) is None, "end of the prober")
    assert run.is_running()
    os.kill(orphan, signal.SIGKILL)
    assert run.wait() == 7


# Its troubles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_its_death_moves_no_streak_and_it_comes_back(sdwd, manager, url, number):
    # A lease that is longer than what it takes to see that one hangs.
    run = sdwd(*url, "--fall=2", *SEEN, watchdog=30, env=with_asan("handle_segv=0"))
    manager.wait_ready()
    for _ in range(2):
        pid = run.child(command=PROBER)
        os.kill(pid, number)
        another(run, pid)
        wait_until(lambda: outcomes(run.stderr())[-1][1] == "ok", "good look")
    causes = {cause for _, cause, _ in outcomes(run.stderr())}
    assert causes <= {"ok", "prober"} and not edges(run.stderr())
    words = "it did not answer in time" if number == signal.SIGSTOP else f"killed by {signal.Signals(number).name}"
    assert words in run.stderr()


SLOW = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>
__attribute__((constructor)) static void begin(void) {
    if (strcmp(program_invocation_short_name, "sdwd-prober") == 0)
        usleep(2500000);
}
"""


def test_one_that_is_slow_to_start_is_not_started_over_and_over(sdwd, manager, url, tmp_path):
    """Where memory is short, its libraries alone take longer to be read than a look may take."""
    (tmp_path / "slow.c").write_text(SLOW)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "slow.so", tmp_path / "slow.c"], check=True)
    run = sdwd(*url, *SEEN, env={"LD_PRELOAD": tmp_path / "slow.so"} | with_asan("verify_asan_link_order=0"))
    manager.wait_ready()
    assert "did not answer in time" not in run.stderr() and run.stderr().count("prober: pid ") == 1, run.stderr()
    assert {cause for _, cause, _ in outcomes(run.stderr())} == {"prober", "ok"}


def test_one_that_always_dies_lets_the_lease_run_out(sdwd, manager, authority, serve_tls):
    server = serve_tls()
    run = sdwd(f"--http={server.url()}", f"--http-ca={authority.pem}", "--interval=200ms", "--timeout=200ms", "--fall=2",
               *SEEN, watchdog=2)
    manager.wait_ready()
    stop_at = time.monotonic() + 20
    while not edges(run.stderr()) and time.monotonic() < stop_at:
        for pid in run.children():
            if PROBER in command_of(pid):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    [edge] = edges(run.stderr())
    assert edge[0] == "http" and edge[2] == "stale" and edge[1].startswith("no good look for ")
    assert "the prober" in edge[1]
    server.wait_looks(1)


def test_a_stopped_one_is_unknown_not_a_timeout(sdwd, manager, url):
    run = sdwd(*url, "--fall=1", *SEEN, watchdog=30)
    manager.wait_ready()
    os.kill(run.child(command=PROBER), signal.SIGSTOP)
    run.wait_stderr("unknown (prober): the prober did not answer within 1s")
    assert not edges(run.stderr())


def test_what_hangs_elsewhere_hinders_no_other_look(sdwd, manager, authority, serve, serve_tls):
    """Handshakes, heads and bodies that do not end, beside a good server: its looks, pings and signals are in time."""
    hangs = [serve(then="silent").url().replace("http:", "https:")]
    hangs += [serve_tls(then=mode).url() for mode in ("silent", "drip-headers", "endless-body", "endless-chunks")]
    good = serve_tls()
    options = [o for u in hangs for o in (f"--http={u}", "--optional", "--http-insecure", "--http-body=^never$",
                                          "--interval=1s", "--timeout=900ms")]
    run = sdwd(*options, f"--http={good.url()}", "--name=good", f"--http-ca={authority.pem}", "--interval=100ms",
               "--timeout=5s", "--start-interval=100ms", *SEEN, watchdog=2)
    manager.wait_ready()
    good.wait_looks(20)
    manager.wait_ping(count=3)
    assert outcomes(run.stderr(), "good") == [("pass", "ok", "HTTP 200")]
    assert not edges(run.stderr())
    causes = {cause for n in ("", "-2", "-3", "-4", "-5") for _, cause, _ in outcomes(run.stderr(), f"http{n}")}
    assert causes - {"stale"} == {"read-timeout", "body-mismatch"}
    began = time.monotonic()
    assert run.terminate() == -signal.SIGTERM
    assert time.monotonic() - began < (0.9 if os.getloadavg()[0] < 4 else 5)


@pytest.mark.parametrize("mode", ["no-handshake", "drip-headers", "endless-body", "endless-chunks"])
def test_what_hangs_in_it_delays_no_ping_and_no_signal(sdwd, manager, child, serve, serve_tls, mode):
    good = serve()
    hung = serve(then="silent").url().replace("http:", "https:") if mode == "no-handshake" else serve_tls(then=mode).url()
    hangs = [o for _ in range(4) for o in (f"--http={hung}", "--optional", "--http-insecure", "--http-body=^never$",
                                           "--interval=200ms", "--timeout=200ms")]
    run = sdwd(*hangs, f"--http={good.url()}", "--name=own", "--interval=50ms", *SEEN, command=child.command, watchdog=1)
    take_signals(child)
    manager.wait_ready()
    assert_prompt(run, manager, child)
    child.tell("os._exit(0)")
    assert run.wait() == 0


def test_many_looks_lose_nothing(sdwd, manager, authority, serve, serve_tls):
    """SDWD_TEST_LOOKS of them: no fd, no thread, no zombie, no memory to speak of."""
    count = int(os.environ.get("SDWD_TEST_LOOKS", "2000"))
    good, bad = serve_tls(), serve_tls(then="status:500")
    refused = socket.socket()
    refused.bind(("127.0.0.1", 0))
    urls = [good.url(), bad.url(), f"https://127.0.0.1:{refused.getsockname()[1]}/", good.url(host="localhost")]
    often = ["--interval=10ms", "--start-interval=10ms", "--timeout=10s", "--fast-interval=10ms", f"--http-ca={authority.pem}"]
    with refused:
        run = sdwd(*[o for u in urls for o in (f"--http={u}", "--optional", *often)], "--ready=exec",
                   env=with_asan("quarantine_size_mb=1"))
        pid = run.child(command=PROBER)
        good.wait_looks(200, 60)
        memory = [int(status_of(pid)["VmRSS"].split()[0])]
        fds = len(open_fds(run.pid))
        for part in (count // 2, count):
            good.wait_looks(part, 20 + count / 20)
            memory.append(int(status_of(pid)["VmRSS"].split()[0]))
        assert len(open_fds(run.pid)) <= fds
        assert run.child(command=PROBER) == pid
        # One for each look under way, with what it has open.
        assert int(status_of(pid)["Threads"]) <= 1 + 2 * len(urls)
        assert len(open_fds(pid)) <= 4 + 6 * len(urls)
        print(f"{memory} KiB after {count} looks at each")
        # What is lost is lost in both halves. How many threads there were at once is chance.
        assert min(memory[1] - memory[0], memory[2] - memory[1]) < 8192, memory
        assert not [p for p in os.listdir("/proc") if p.isdigit() and stat_of(p) == ("Z", run.pid)]


def test_headers_of_a_file_outlive_the_file_and_the_prober(sdwd, manager, authority, serve_tls, tmp_path):
    server = serve_tls()
    (tmp_path / "secret").write_text("Authorization: Bearer 1\n", encoding="utf-8")
    run = sdwd(f"--http={server.url()}", "--http-header=@secret", f"--http-ca={authority.pem}", *SOON, watchdog=30,
               cwd=tmp_path)
    manager.wait_ready()
    (tmp_path / "secret").unlink()
    pid = run.child(command=PROBER)
    os.kill(pid, signal.SIGKILL)
    another(run, pid)
    server.wait_looks(3)
    assert all(b"\r\nAuthorization: Bearer 1\r\n" in request for request in server.requests)
    assert not any("Bearer" in command_of(p) for p in [run.pid, *run.children()])


def test_options_that_are_too_large_for_a_request(sdwd):
    # One step to match, and many bytes to tell.
    run = sdwd("--http=https://127.0.0.1/", f"--http-body=[{'x' * 70000}]", command=["sh", "-c", "echo started"])
    assert run.wait() == 125 and run.stdout() == ""
    assert "--http: its options are larger than the 60 KiB of a request" in run.stderr()


def test_so_many_outlive_their_kill_and_the_next_waits_for_a_place(sdwd, manager):
    run = sdwd("--http=https://127.0.0.1:1/", "--name=web", "--optional", "--interval=200ms", *SEEN, watchdog=2)
    manager.wait_ready()
    holds, pids = [], []

    def looks():
        return len([o for o in outcomes(run.stderr(), "web") if o[:2] == ("fail", "connect-refused")])

    def living():
        return [p for p in run.children() if PROBER in command_of(p) and p not in pids]

    with contextlib.ExitStack() as rest:
        for _ in range(4):
            n = looks()
            wait_until(lambda n=n: looks() > n, "a look by another")
            [pid] = living()
            pids.append(pid)
            holds.append(contextlib.ExitStack())
            holds[-1].enter_context(held(pid))
            rest.enter_context(holds[-1])
            os.kill(pid, signal.SIGKILL)
        for pid in pids[:3]:
            run.wait_stderr(f"sdwd-prober (pid {pid}) outlives SIGKILL")
        n = looks()
        manager.wait_ping(count=2)
        assert looks() == n and not living() and f"sdwd-prober (pid {pids[3]})" not in run.stderr()
        holds[0].close()
        wait_until(lambda: looks() > n, "a look by another")
        run.wait_stderr(f"sdwd-prober (pid {pids[3]}) outlives SIGKILL")
