# SPDX-License-Identifier: MIT
"""The child must not notice sdwd: what a process can know of itself, run bare and under sdwd, and compared."""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import time

import pytest

import listener
import mounts
import runner as runner_module
from puppet import open_fds, wait_until

# Printed as JSON: all that this process can know of itself and that does not change from run to run.
DUMP = r"""
import ctypes, json, os, pathlib, sys
libc = ctypes.CDLL(None, use_errno=True)
def text(name):
    try:
        return pathlib.Path("/proc/self/" + name).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        return error.strerror
def link(name):
    try:
        return os.readlink("/proc/self/" + name)
    except OSError as error:
        return error.strerror
def prctl(option):
    return libc.prctl(option, 0, 0, 0, 0)
seen = {"fd " + fd: link("fd/" + fd) for fd in os.listdir("/proc/self/fd")}
# The folder was open while it was read.
seen = {key: value for key, value in seen.items() if value != "No such file or directory"}
seen |= {"fd flags " + fd[3:]: text("fdinfo/" + fd[3:]).split("flags:")[1].split()[0] for fd in list(seen)}
seen |= {"status " + line.split(":")[0]: line.split(":", 1)[1].strip() for line in text("status").splitlines()}
stat = text("stat").split()
for number, name in (5, "pgrp"), (6, "session"), (7, "tty_nr"), (18, "priority"), (19, "nice"), (20, "threads"), \
                    (38, "exit_signal"), (40, "rt_priority"), (41, "policy"):
    seen["stat " + name] = stat[number - 1]
for entry in text("environ").split("\0"):
    seen["environ " + entry.partition("=")[0]] = entry.partition("=")[2]
seen["environ order"] = [entry.partition("=")[0] for entry in text("environ").split("\0")]
for name in "limits cgroup attr/current oom_score_adj loginuid sessionid coredump_filter personality timerslack_ns " \
            "autogroup setgroups uid_map cpuset comm cmdline".split():
    seen[name] = text(name)
for name in "cwd root exe ns/mnt ns/net ns/pid ns/pid_for_children ns/ipc ns/uts ns/cgroup ns/user ns/time".split():
    seen[name] = link(name)
seen["prctl dumpable"], seen["prctl securebits"], seen["prctl keepcaps"] = prctl(3), prctl(27), prctl(7)
seen["prctl no_new_privs"], seen["prctl timerslack"], seen["prctl thp"] = prctl(39), prctl(30), prctl(42)
parent_death = ctypes.c_int()
libc.prctl(2, ctypes.byref(parent_death), 0, 0, 0)
seen["prctl pdeathsig"] = parent_death.value
seen["affinity"] = sorted(os.sched_getaffinity(0))
seen["scheduler"] = [os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, os.nice(0)]
seen["ids"] = [os.getresuid(), os.getresgid(), os.getgroups()]
ioprio_get = {"x86_64": 252, "i686": 290, "ppc64le": 274, "s390x": 283, "armv7l": 315}.get(os.uname().machine, 31)
seen["ioprio"] = libc.syscall(ioprio_get, 1, 0)
json.dump(seen, sys.stdout, sort_keys=True)
"""

# What may differ: numbers that any two processes differ in, and what sdwd says that it changes.
VARIES = {
    "status Pid", "status Tgid", "status Ngid", "status PPid", "status NSpid", "status NStgid", "status NSpgid",
    "status voluntary_ctxt_switches", "status nonvoluntary_ctxt_switches",
    # Pages, which vary with the addresses.
    "status VmPeak", "status VmSize", "status VmHWM", "status VmRSS", "status RssAnon", "status RssFile",
    "status RssShmem", "status VmData", "status VmStk", "status VmExe", "status VmLib", "status VmPTE", "status VmSwap",
    # Room for fds that the kernel holds ready: fork(2) gives what is needed, a process keeps what it once needed.
    "status FDSize",
    # Signals queued by this user, in all processes.
    "status SigQ",
    # A process group of its own (section "The child"): so that kill(0) of the child does not reach sdwd.
    "stat pgrp",
}


@pytest.fixture
def both(make_runner, sdwd_path):
    """both(...) runs the same twice, bare and under sdwd; returns the two runner.Sdwd after their end."""
    # A sanitizer would take signals for itself that were ignored, and set RLIMIT_CORE.
    names = "segv", "sigbus", "sigfpe", "sigill", "sigtrap"
    quiet = [os.environ.get("ASAN_OPTIONS", ""), "disable_coredump=0", *(f"handle_{name}=0" for name in names)]

    def run(*options, command, env=None, **settings):
        settings["env"] = (env or {}) | {"ASAN_OPTIONS": ":".join(quiet)}
        # env(1) changes nothing here: it is a program that the runner can start without sdwd.
        start = make_runner("/usr/bin/env")
        runs = [start(command=command, **settings),
                start(command=[sdwd_path, *options, "--", *command], **settings)]
        for one in runs:
            assert one.wait() == 0, one.stderr()
        return runs

    return run


def dumps(runs):
    return [json.loads(one.stdout()) for one in runs]


def differences(bare, wrapped):
    return {key: (bare.get(key), wrapped.get(key)) for key in bare.keys() | wrapped.keys()
            if bare.get(key) != wrapped.get(key) and key not in VARIES}


def unusual():
    """What a unit may set, none of it the default."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.umask(0o037)
    os.nice(3)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_NOFILE, (333, 777))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 4096))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (8192, 8192))
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("321")
    with open("/proc/self/coredump_filter", "w", encoding="ascii") as file:
        file.write("0x11")
    libc.prctl(1, signal.SIGUSR2, 0, 0, 0)  # PR_SET_PDEATHSIG
    libc.prctl(29, 123456, 0, 0, 0)     # PR_SET_TIMERSLACK
    libc.prctl(38, 1, 0, 0, 0)          # PR_SET_NO_NEW_PRIVS
    libc.prctl(28, 4, 0, 0, 0)          # PR_SET_SECUREBITS: SECBIT_NO_SETUID_FIXUP, where we may
    libc.personality(0x0040000)         # ADDR_NO_RANDOMIZE
    ioprio_set = {"x86_64": 251, "i686": 289, "ppc64le": 273, "s390x": 282, "armv7l": 314}.get(os.uname().machine, 30)
    libc.syscall(ioprio_set, 1, 0, 2 << 13 | 6)


@pytest.mark.parametrize("begin", [None, unusual], ids=["usual", "unusual"])
def test_a_process_finds_itself_as_without_sdwd(both, tmp_path, begin):
    command = ["/usr/bin/python3", "-I", "-S", "-c", DUMP]
    with open(tmp_path / "shared", "w+b") as shared, open("/dev/zero", "rb") as zero:
        numbers = (shared.fileno(), zero.fileno())
        output = {key: str(tmp_path / "out") for key in ("fd 1", "fd 2")}
        bare, wrapped = dumps(both(command=command, preexec=begin, pass_fds=numbers, cwd=tmp_path, notify=False))
        for number in numbers:
            assert f"fd {number}" in wrapped
        assert {key for key in wrapped if key.startswith("fd ") and key[3:].isdigit()} \
            == {f"fd {n}" for n in (0, 1, 2, *numbers)}
    for one in bare, wrapped:
        # The runner's own files, one for each run.
        one.update({key: output[key] for key in output})
    assert differences(bare, wrapped) == {}
    assert wrapped["stat pgrp"] == wrapped["status Pid"], "a process group of its own"
    if begin:
        assert (wrapped["status Umask"], wrapped["oom_score_adj"], wrapped["prctl timerslack"],
                wrapped["prctl pdeathsig"]) == ("0037", "321\n", 123456, signal.SIGUSR2), "the test did set something"


@pytest.mark.parametrize("policy,priority,nice", [
    (os.SCHED_RR, 4, 5), (os.SCHED_FIFO, 1, 0), (os.SCHED_OTHER, 0, -5), (os.SCHED_BATCH, 0, -1),
], ids=["rr", "fifo", "nice", "batch"])
def test_what_a_fork_resets_is_the_childs_too(both, policy, priority, nice):
    """CPUSchedulingResetOnFork= of a unit is for what the service forks."""
    def begin():
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, os.sched_param(priority))

    bare, wrapped = dumps(both(command=["/usr/bin/python3", "-I", "-S", "-c", DUMP], preexec=begin, notify=False))
    assert bare["scheduler"] == [policy | os.SCHED_RESET_ON_FORK, priority, nice], "the test did set something"
    changed = differences(bare, wrapped)
    # The runner's own files, one for each run.
    assert {key for key in changed if key not in ("fd 1", "fd 2")} == set()


@pytest.mark.parametrize("policy,priority,nice", [(os.SCHED_FIFO, 3, 5), (os.SCHED_OTHER, 0, -5), (os.SCHED_OTHER, 0, 0)],
                         ids=["fifo", "nice", "flag"])
@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "kept"])
def test_what_a_fork_resets_is_the_childs_too_without_proc(sdwd, policy, priority, nice, is_reset):
    flag = os.SCHED_RESET_ON_FORK if is_reset else 0

    def begin():
        mounts.hide_all()
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        os.sched_setscheduler(0, policy | flag, os.sched_param(priority))

    asks = "import os; print(os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, os.getpriority(os.PRIO_PROCESS, 0))"
    one = sdwd(command=["/usr/bin/python3", "-I", "-S", "-c", asks], preexec=begin, notify=False)
    assert one.wait() == 0 and one.stdout() == f"{policy | flag} {priority} {nice}\n"
    assert "SCHED_RESET_ON_FORK" not in one.stderr()


def test_a_policy_that_the_child_may_not_have_is_told(sdwd):
    def begin():
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(3))
        resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)

    one = sdwd(command=["/usr/bin/python3", "-I", "-S", "-c", "import os; print(os.sched_getscheduler(0))"],
               preexec=begin, notify=False)
    assert one.wait() == 0 and one.stdout() == f"{os.SCHED_OTHER}\n"
    assert one.stderr().count("SCHED_RESET_ON_FORK") == 1 and "Operation not permitted" in one.stderr()


def test_only_these_variables_change(both):
    command = ["/usr/bin/python3", "-I", "-S", "-c", DUMP]
    env = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "SYSTEMD_EXEC_PID": "1", "MAINPID": "1",
           "INVOCATION_ID": "x", "LISTEN_PIDFDID": "77", "SDWD_X": "y", "EMPTY": "", "LIBEV_FLAGS": "128"}
    bare, wrapped = dumps(both("--heartbeat", command=command, watchdog=30, env=env))
    changed = {key: value for key, value in differences(bare, wrapped).items() if key.startswith("environ ")}
    order = changed.pop("environ order")
    assert set(order[0]) - set(order[1]) == {"LISTEN_PIDFDID", "WATCHDOG_USEC", "WATCHDOG_PID"}
    assert set(order[1]) - set(order[0]) == {"SDWD_HEARTBEAT_FD", "SDWD_HEARTBEAT_FD_HEARTBEAT"}
    assert set(changed) == {"environ LISTEN_PIDFDID", "environ WATCHDOG_USEC", "environ WATCHDOG_PID",
                            "environ NOTIFY_SOCKET", "environ SDWD_HEARTBEAT_FD",
                            "environ SDWD_HEARTBEAT_FD_HEARTBEAT"}
    assert wrapped["environ LISTEN_PID"] == "1", "another's stays another's"


# Signals ---------------------------------------------------------------------------------------------------------


def masks(one):
    """SigBlk, SigIgn and SigCgt of a `cat /proc/self/status`: cat changes none of them."""
    lines = dict(line.split(":", 1) for line in one.stdout().splitlines())
    return {name: int(lines[name].strip(), 16) for name in ("SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd")}


def bits(*numbers):
    return sum(1 << (n - 1) for n in numbers)


@pytest.mark.parametrize("ignored,blocked", [
    ([], []),
    ([signal.SIGPIPE], []),
    ([signal.SIGCHLD], []),
    ([signal.SIGTTOU, signal.SIGSEGV, signal.SIGINT], [signal.SIGTTIN, signal.SIGILL, signal.SIGTERM]),
    ([signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMAX], [signal.SIGCHLD, 32, 33, signal.SIGRTMIN]),
    ([n for n in range(1, 65) if n not in (9, 19, 32, 33)], list(range(1, 65))),
], ids=["none", "pipe", "chld", "faults", "rt", "all"])
def test_mask_and_dispositions_are_exactly_those_given(both, ignored, blocked):
    def begin():
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        listener.block(blocked)

    bare, wrapped = both(command=["cat", "/proc/self/status"], preexec=begin)
    assert masks(wrapped) == masks(bare)
    assert masks(wrapped)["SigIgn"] == bits(*ignored)
    assert masks(wrapped)["SigBlk"] == bits(*blocked) & ~bits(signal.SIGKILL, signal.SIGSTOP)


def test_sigchld_ignored_at_start_does_not_lose_the_status(sdwd):
    def begin():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    assert sdwd(command=["sh", "-c", "exit 42"], preexec=begin).wait() == 42


def test_nohup_holds_for_the_child(sdwd):
    def begin():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    one = sdwd(command=["sh", "-c", 'echo up; trap "echo usr1; exit 5" USR1; while :; do sleep 0.05; done'],
               preexec=begin)
    one.wait_stdout("up")
    one.signal(signal.SIGHUP)
    one.signal(signal.SIGUSR1)
    assert one.wait() == 5


# Files -----------------------------------------------------------------------------------------------------------

LIST_FDS = 'for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && all="$all $n"; done; echo $all >&$1'


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)], ids=str)
def test_closed_standard_fds_stay_closed_for_the_child(sdwd, tmp_path, closed):
    with open(tmp_path / "told", "w+b") as told:
        number = told.fileno()

        def begin():
            for fd in closed:
                os.close(fd)

        # bash, since other shells know no number above 9.
        one = sdwd(command=["bash", "-c", LIST_FDS, "bash", str(number)], preexec=begin, pass_fds=[number])
        assert one.wait() == 0
        told.seek(0)
        seen = {int(word) for word in told.read().split()}
        assert seen == ({0, 1, 2} - set(closed)) | ({number} if number < 10 else set())


def links(pid):
    """What its fds are, by their numbers."""
    found = {}
    for fd in open_fds(pid):
        with contextlib.suppress(FileNotFoundError):
            found[fd] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


def test_sdwd_keeps_no_inherited_fd_after_exec(sdwd):
    read_end, write_end = os.pipe()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    numbers = [write_end, listening.fileno()]
    inherited = [os.readlink(f"/proc/self/fd/{fd}") for fd in numbers]
    # bash, since other shells know no number above 9.
    one = sdwd("--heartbeat", pass_fds=numbers,
               command=["bash", "-c", 'eval "exec $0>&- $1>&-"; echo closed; exec sleep 1000', *numbers])
    os.close(write_end)
    one.wait_stdout("closed")
    assert select.select([read_end], [], [], runner_module.PATIENCE_SECONDS)[0], "sdwd holds a copy: no end of file"
    assert os.read(read_end, 1) == b""
    listening.close()
    os.close(read_end)
    wait_until(lambda: not set(inherited) & set(links(one.pid).values()), "end of the last inherited one")
    wait_until(lambda: [links(one.pid).get(fd) for fd in ("0", "1")] == ["/dev/null", "/dev/null"], "/dev/null")


def test_working_folders(sdwd, tmp_path):
    one = sdwd(command=["sh", "-c", "echo up; exec sleep 1000"], cwd=tmp_path)
    one.wait_stdout("up")
    child = one.child(command="sleep")
    assert os.readlink(f"/proc/{child}/cwd") == str(tmp_path)
    deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
    while os.readlink(f"/proc/{one.pid}/cwd") != "/":
        assert time.monotonic() < deadline, "sdwd goes to /, so that no mount is held by it"
        time.sleep(0.01)


def test_stdin_is_the_childs(sdwd, tmp_path):
    (tmp_path / "script").write_text("echo from stdin; exit 6\n")
    with open(tmp_path / "script", "rb") as script:
        one = sdwd(command=["sh"], stdin=script)
        assert one.wait() == 6 and one.stdout() == "from stdin\n"


# Socket activation and the manager's variables ---------------------------------------------------------------------

ENV_OF = r'echo pid=$$; env'


@pytest.fixture
def activated(make_runner, sdwd_path):
    """Starts sdwd through a shell that knows sdwd's pid: @variables may say $$, @sockets become 3, 4, ..."""
    def run(*options, variables, command, sockets=(), **settings):
        places = " ".join(f"{n}<&{s.fileno()}" for n, s in enumerate(sockets, 3))
        line = f'exec {places}; {variables} exec "$@"'
        return make_runner("/bin/bash")("-c", line, "bash", sdwd_path, *options, "--", *command, command=None,
                                        pass_fds=[s.fileno() for s in sockets], **settings)

    return run


def variables_of(one):
    return dict(line.partition("=")[::2] for line in one.stdout().splitlines())


@pytest.mark.option("notify-access")
@pytest.mark.parametrize("access", ["main", "none"])
def test_pids_in_the_environment_become_the_childs(activated, manager, access):
    one = activated(f"--notify-access={access}", command=["sh", "-c", ENV_OF], watchdog=None, variables=(
        "LISTEN_PID=$$ LISTEN_FDS=0 LISTEN_FDNAMES=a LISTEN_PIDFDID=123 SYSTEMD_EXEC_PID=$$ MAINPID=$$ WATCHDOG_PID=$$ "
        "WATCHDOG_USEC=30000000"))
    assert one.wait() == 0
    seen = variables_of(one)
    assert seen["LISTEN_PID"] == seen["SYSTEMD_EXEC_PID"] == seen["pid"]
    assert (seen["LISTEN_FDS"], seen["LISTEN_FDNAMES"]) == ("0", "a")
    assert seen["MAINPID"] == str(one.pid), "sdwd stays the main process"
    assert not {"LISTEN_PIDFDID", "WATCHDOG_PID", "WATCHDOG_USEC"} & set(seen)
    if access == "none":
        assert "NOTIFY_SOCKET" not in seen
    else:
        assert seen["NOTIFY_SOCKET"] not in ("", manager.address)


def test_notify_gives_the_child_a_watchdog_of_its_own(activated):
    one = activated("--notify", "--silence=7s", command=["sh", "-c", ENV_OF],
                    variables="WATCHDOG_PID=$$ WATCHDOG_USEC=30000000")
    assert one.wait() == 0
    seen = variables_of(one)
    assert (seen["WATCHDOG_USEC"], seen["WATCHDOG_PID"]) == ("7000000", seen["pid"])


ACCEPT = """
import os, socket
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "2"
print("up", flush=True)
for fd in 3, 4:
    peer, _ = socket.socket(fileno=fd).accept()
    peer.sendall(b"hello from %d" % fd)
    peer.close()
"""


def test_socket_activation_passes_through(activated):
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
        one.listen()
    started = activated("--heartbeat", command=["/usr/bin/python3", "-I", "-c", ACCEPT], sockets=sockets,
                        variables="LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_PIDFDID=5")
    for number, one in enumerate(sockets, 3):
        with socket.create_connection(one.getsockname(), runner_module.PATIENCE_SECONDS) as peer:
            assert peer.recv(100) == b"hello from %d" % number
    assert started.wait() == 0
    for one in sockets:
        one.close()
