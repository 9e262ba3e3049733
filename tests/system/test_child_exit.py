# SPDX-License-Identifier: MIT
"""How sdwd ends: as its child did, or with a code of its own and a line that says why."""

import os
import re
import resource
import signal
import subprocess

import pytest

NOT_DEADLY = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGSTOP, signal.SIGTSTP,
              signal.SIGTTIN, signal.SIGTTOU}
DEADLY = [n for n in range(1, 65) if n not in NOT_DEADLY]



@pytest.fixture
def status_of(tmp_path, sdwd_path, sdwd, manager):
    """status_of(*words) runs sdwd with these words; returns what waitid(2) knows of its end, and what it said."""
    env = sdwd.environment(notify=False, watchdog=None)
    # A sanitizer would set RLIMIT_CORE to 0, for the child too.
    env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":disable_coredump=0"

    def run(*words, binary=sdwd_path):
        with open(tmp_path / "said", "w+b") as said:
            # pylint: disable=subprocess-popen-preexec-fn,consider-using-with
            process = subprocess.Popen([str(binary), *map(str, words)], env=env, cwd=tmp_path, stderr=said,
                                       preexec_fn=allow_cores)
            _, status = os.waitpid(process.pid, 0)
            process.returncode = status
            said.seek(0)
            return status, said.read().decode()

    return run


def allow_cores():
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def kill_itself(number):
    # Not by a shell: they know no names or numbers for some. Python ignores two from its start on.
    undo = "signal.signal(signal.SIGPIPE, signal.SIG_DFL); signal.signal(signal.SIGXFSZ, signal.SIG_DFL)"
    return ["/usr/bin/python3", "-I", "-S", "-c", f"import os, signal; {undo}; os.kill(os.getpid(), {number})"]


def test_every_exit_code_is_mirrored(status_of):
    seen = [os.waitstatus_to_exitcode(status_of("--", "sh", "-c", f"exit {code}")[0]) for code in range(256)]
    assert seen == list(range(256))


def test_every_deadly_signal_is_mirrored_without_a_second_core(status_of):
    seen = {number: status_of("--exit-status=mirror", "--", *kill_itself(number))[0] for number in DEADLY}
    assert {n: s for n, s in seen.items() if s != n} == {}, "ended by the same signal, and the core bit is not set"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_the_core_is_the_childs(status_of, number):
    bare, _ = status_of("--", *kill_itself(number), binary="/usr/bin/env")
    wrapped, said = status_of("--", *kill_itself(number))
    assert (f"killed by {number.name} (core dumped)" in said) == os.WCOREDUMP(bare), said
    assert os.WTERMSIG(bare) == os.WTERMSIG(wrapped) == number and not os.WCOREDUMP(wrapped)


@pytest.mark.option("exit-status")
def test_shell_status_is_128_and_the_signal(status_of):
    numbers = [signal.SIGHUP, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGRTMAX]
    seen = [status_of("--exit-status=shell", "--", *kill_itself(number))[0] for number in numbers]
    assert seen == [(128 + number) << 8 for number in numbers]
    assert status_of("--exit-status=shell", "--", "sh", "-c", "exit 42")[0] == 42 << 8


@pytest.mark.option("exit-map")
def test_exit_map_moves_codes_and_signals(status_of):
    options = ["--exit-map=3:0,143:7", "--exit-map=9:255"]
    ends = {"exit 3": 0, "exit 9": 255, "exit 7": 7, "exit 0": 0, "exit 143": 7, "kill -TERM $$": 7}
    seen = {end: status_of(*options, "--", "sh", "-c", end)[0] for end in ends}
    assert seen == {end: code << 8 for end, code in ends.items()}
    assert status_of(*options, "--", "sh", "-c", "kill -INT $$")[0] == signal.SIGINT, "what is not named is mirrored"


@pytest.mark.option("exit-map")
@pytest.mark.option("exit-map")
def test_exit_map_leaves_sdwds_own_status_alone(status_of):
    status, _ = status_of("--exit-map=127:0,126:0", "--", "/nowhere/program")
    assert status == 127 << 8
    status, _ = status_of("--exit-map=127:0,126:0", "--", "/etc/passwd")
    assert status == 126 << 8
    status, _ = status_of("--exit-map=125:0", "--pidfile=/nowhere/pid", "--pidfile-timeout=100ms", "--", "true")
    assert status == 125 << 8


def test_exit_map_comes_before_the_shell_status(status_of):
    ends = {"kill -TERM $$": 0, "kill -INT $$": 130}
    seen = {end: status_of("--exit-status=shell", "--exit-map=143:0", "--", "sh", "-c", end)[0] for end in ends}
    assert seen == {end: code << 8 for end, code in ends.items()}


@pytest.mark.parametrize("command,code,reason", [
    ("/nowhere/program", 127, "No such file or directory"),
    ("no-such-program", 127, "No such file or directory"),
    ("/etc", 126, "Permission denied"),
    ("/etc/passwd", 126, "Permission denied"),
    ("./no-interpreter", 127, "No such file or directory"),
])
def test_a_command_that_cannot_run(status_of, tmp_path, command, code, reason):
    (tmp_path / "no-interpreter").write_text("#!/nowhere/sh\n")
    (tmp_path / "no-interpreter").chmod(0o755)
    status, said = status_of("--heartbeat", "--", command)
    assert status == code << 8
    lines = [line for line in said.splitlines() if command in line]
    assert len(lines) == 1 and lines[0].endswith(f"'{command}': {reason}")


def test_a_missing_interpreter_is_told_from_a_missing_file(status_of, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/nowhere/sh\n")
    script.chmod(0o755)
    status, said = status_of("--heartbeat", "--", script)
    assert status == 127 << 8
    assert f"cannot execute '{script}': No such file or directory (the file is there, but not its interpreter)\n" in said


def test_what_never_ran_is_told_to_the_manager(sdwd, manager):
    assert sdwd("--heartbeat", command=["/nowhere/program"]).wait() == 127
    told = manager.wait_for("ERRNO=")
    assert told.fields["ERRNO"] == "2" and "/nowhere/program" in told.fields["STATUS"]
    assert manager.ready_at is None


@pytest.mark.parametrize("words,named", [
    (["--frobnicate", "--", "true"], "--frobnicate"),
    (["--fall=0", "--", "true"], "--fall"),
    (["--exit-map=1:256", "--", "true"], "256"),
    (["--signal-map=TERM", "--", "true"], "--signal-map"),
    ([], "command"),
])
def test_usage_errors_are_one_line_and_125(status_of, words, named):
    status, said = status_of(*words)
    assert status == 125 << 8
    assert len(said.splitlines()) == 1 and said.startswith("sdwd: ") and named in said


def test_options_end_at_the_command(status_of):
    assert status_of("sh", "-c", "exit 3")[0] == 3 << 8
    assert status_of("--heartbeat", "sh", "-c", "exit 4", "--fall=x")[0] == 4 << 8
    assert status_of("--", "--", "true")[0] == 127 << 8, "a second -- is the command"


def test_pid_1_cannot_die_of_a_signal_and_says_128_and_it(status_of, sdwd_path):
    unshare = ["--pid", "--fork"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--pid", "--fork"]
    status, _ = status_of(*unshare, sdwd_path, "--", "sh", "-c", "kill -TERM $$", binary="/usr/bin/unshare")
    assert status == (128 + signal.SIGTERM) << 8


def test_a_proc_of_another_namespace_says_nothing_of_the_child(status_of, sdwd_path):
    """There processes 2 and 3 are stopped ones; here it is the child, behind one that sdwd tries something in."""
    unshare = ["--pid", "--fork"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--pid", "--fork"]
    status, said = status_of(*unshare, "--mount-proc", "sh", "-c",
                             f"sleep 1000 & kill -STOP $!; sleep 1000 & kill -STOP $!; exec unshare --pid --fork {sdwd_path} --watchdog-sec=1s -- "
                             "sh -c 'echo child $$ >&2; sleep 4; exit 5'", binary="/usr/bin/unshare")
    assert re.search(r"child [23]\n", said) and status == 5 << 8, said


def test_a_stop_from_outside_of_a_container_has_no_pid(make_runner, sdwd_path):
    unshare = ["--pid", "--fork"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--pid", "--fork"]
    run = make_runner("/usr/bin/unshare")(*unshare, sdwd_path, "--heartbeat", "--ready=exec")
    run.wait_stderr("ready after")
    os.kill(run.child(command=str(sdwd_path)), signal.SIGTERM)
    assert run.wait() == 128 + signal.SIGTERM
    assert "SIGTERM from outside of this PID namespace: stopping\n" in run.stderr()


def test_deaths_that_come_together_are_all_seen(status_of):
    """A grandchild and the child end at about the same time: one SIGCHLD may tell of both."""
    line = "bash -c 'sleep 0.01 & kill -9 $BASHPID' 2>/dev/null; exec sleep 0.0087"
    assert [status_of("--", "bash", "-c", line)[0] for _ in range(60)] == [0] * 60
