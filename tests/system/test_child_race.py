# SPDX-License-Identifier: MIT
"""
Races at both ends of a child's life, by many runs: no signal is lost at the start, no good end is taken for a bad one.
SDWD_TEST_SCALE=5 (tests/system/full-race) makes 1500 runs of each of the first and 10000 of the second.
"""

import collections
import contextlib
import os
import random
import signal
import subprocess
import time

import pytest

import runner as runner_module

SCALE = float(os.environ.get("SDWD_TEST_SCALE", "1"))
RUNS = round(300 * SCALE)
ENDS = 10000 if SCALE >= 5 else round(300 * SCALE)
# execvp(3) tries each folder of PATH: this many without the command keep it busy for some ten milliseconds.
SLOW_PATH_FOLDERS = 15000
COMMAND = ["sleep", "1003"]


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def has_program_of(pid, other):
    try:
        return os.stat(f"/proc/{pid}/exe").st_ino == os.stat(f"/proc/{other}/exe").st_ino
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


class Races:
    """Starts sdwd again and again, and sends it SIGTERM at a moment of its start."""

    def __init__(self, path, env):
        self.path, self.env = path, env
        self.phases = collections.Counter()

    @contextlib.contextmanager
    def start(self, *options, command=COMMAND):
        with subprocess.Popen([self.path, *options, "--", *command], env=self.env, stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as process:
            try:
                yield process
            finally:
                # Only where the test failed: nothing may wait for it then.
                if process.poll() is None:
                    for pid in [*children_of(process.pid), process.pid]:
                        os.kill(pid, signal.SIGKILL)

    def start_takes(self):
        """Seconds from exec of sdwd to the end of a child that does nothing, the median of some."""
        times = []
        for _ in range(9):
            began_at = time.monotonic()
            with self.start(command=["true"]) as process:
                process.communicate(timeout=runner_module.PATIENCE_SECONDS)
            times.append(time.monotonic() - began_at)
        return sorted(times)[4]

    def terminate(self, process):
        """SIGTERM; then it must end by it, and soon. Counts in which phase of the start it fell."""
        process.send_signal(signal.SIGTERM)
        children = children_of(process.pid)
        is_forked = bool(children) and has_program_of(children[0], process.pid)
        try:
            _, said = process.communicate(timeout=runner_module.PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"SIGTERM was lost; phases so far: {dict(self.phases)}")
        assert process.returncode == -signal.SIGTERM, said.decode()
        if is_forked:
            self.phases["between fork and exec"] += 1
        elif children or b"killed by SIGTERM" in said:
            self.phases["after exec"] += 1
        elif b"came before the start" in said:
            self.phases["before fork"] += 1
        else:
            self.phases["before sdwd's first instructions"] += 1


@pytest.fixture
def races(sdwd, sdwd_path):
    made = Races(str(sdwd_path), sdwd.environment(notify=False, watchdog=None))
    yield made
    print(f"SIGTERM fell {dict(made.phases)}")
    left = [p for p in runner_module.descendants(os.getpid()) if runner_module.command_of(p) == " ".join(COMMAND)]
    assert left == [], "a child was left behind"


@pytest.mark.parametrize("options", [[], ["--signal-group"], ["--setsid", "--signal-group"]],
                         ids=["pid", "group", "session"])
def test_a_stop_during_the_start_is_never_lost(races, options):
    longest = max(0.003, 1.2 * races.start_takes())
    for _ in range(RUNS):
        with races.start(*options) as process:
            time.sleep(random.uniform(0, longest))
            races.terminate(process)
    assert sum(races.phases.values()) == RUNS
    assert len(races.phases) > 1, f"not spread over the start: {races.phases}"


@pytest.mark.parametrize("options", [[], ["--signal-group"]], ids=["pid", "group"])
def test_a_stop_between_fork_and_exec_is_never_lost(races, options):
    races.env = races.env | {"PATH": "/:" * SLOW_PATH_FOLDERS + races.env["PATH"]}
    for _ in range(RUNS):
        with races.start(*options) as process:
            deadline = time.monotonic() + runner_module.PATIENCE_SECONDS
            while not children_of(process.pid):
                assert time.monotonic() < deadline and process.poll() is None
            races.terminate(process)
    assert races.phases["between fork and exec"] >= RUNS * 200 // 1500, races.phases


# Some close the pipe before they end, so that its end of file comes first.
ENDINGS = ["echo >&3", "echo >&3; exec 3>&-", "echo >&3; exec 3>&-; sleep 0.002"]


@pytest.mark.parametrize("action", ["trigger", "kill"])
def test_a_good_end_is_never_taken_for_a_bad_one(sdwd, sdwd_path, manager, action):
    env = sdwd.environment(notify=action == "trigger", watchdog=30)
    n_slow = 0
    for number in range(ENDS):
        command = ["sh", "-c", ENDINGS[number % len(ENDINGS)]]
        begin = time.monotonic()
        done = subprocess.run([sdwd_path, "--heartbeat=3", f"--on-unhealthy={action}", "--", *command], env=env,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                              timeout=runner_module.PATIENCE_SECONDS)
        # Who lives on for a second after he has closed the pipe is not at his end: so may the machine make it.
        is_slow = time.monotonic() - begin > 0.9
        n_slow += is_slow
        assert done.returncode == 0 or is_slow, f"run {number}: {done.stderr.decode()}"
    assert len(manager.matching("WATCHDOG=trigger")) <= n_slow < ENDS / 2, n_slow
