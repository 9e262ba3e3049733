# SPDX-License-Identifier: MIT
"""KillMode=: who is told what at a stop and at a watchdog kill, and that sdwd stays until the child is gone."""

from pathlib import Path

import wrapped

COUNTER = Path(__file__).resolve().parent / "counter.py"
W = 1
SLOW = 1.5
MODES = ["mixed", "control-group", "process"]


def start(systemd, sdwd_path, tmp_path, options, *lines):
    """One unit for each mode, ready and with its child's signals blocked; returns names and files by mode."""
    files = {mode: tmp_path / mode for mode in MODES}
    units = wrapped.start_all(systemd, {mode: wrapped.unit_text(
        f"{sdwd_path} {options} -- {COUNTER} {files[mode]} {SLOW} {files[mode]}.orphan", f"KillMode={mode}", *lines)
        for mode in MODES})
    for mode in MODES:
        for file in (files[mode], Path(f"{files[mode]}.orphan")):
            wrapped.wait_for(lambda file=file: file.exists() and "begin" in file.read_text(), f"no {file}")
    return units, files


def counts(file):
    """How often each was noted."""
    words = [line.split()[0] for line in Path(file).read_text().splitlines()]
    return {word: words.count(word) for word in words}


def time_of(file, word):
    return next(float(line.split()[1]) for line in Path(file).read_text().splitlines() if line.startswith(word))


def assert_outlived(systemd, unit, file):
    """The child took its time, and sdwd ended after it."""
    told = min(float(line.split()[1]) for line in Path(file).read_text().splitlines() if line.startswith("SIG"))
    assert time_of(file, "end") - told >= SLOW
    # The last is what systemd 247 says of an end that is none of a failure.
    ends = ("Main process exited", "Deactivated successfully", f"{unit}: Succeeded.")
    ended = next(e for e in systemd.journal(unit) if any(text in str(e["MESSAGE"]) for text in ends))
    assert wrapped.monotonic_of(ended) >= time_of(file, "end"), systemd.describe(unit)


def assert_nothing_left(systemd):
    assert systemd.run("pgrep", "-x", COUNTER.name, check=False).stdout == "", "left behind"


def test_stop_tells_child_and_orphans_and_waits(systemd, sdwd_path, tmp_path):
    units, files = start(systemd, sdwd_path, tmp_path, "--orphan-timeout=700ms", "WatchdogSec=10")
    systemd.systemctl("stop", *units.values())
    for mode, unit in units.items():
        systemd.wait_state(unit, ActiveState="inactive", Result="success")
        assert_outlived(systemd, unit, files[mode])
        told, orphan = counts(files[mode]), counts(f"{files[mode]}.orphan")
        assert told["SIGTERM"] == 1 and "SIGABRT" not in told, (mode, told, systemd.describe(unit))
        # control-group: the manager tells the orphan from the beginning, and sdwd once more when it is left behind.
        most = 2 if mode == "control-group" else 1
        assert 1 <= orphan["SIGTERM"] <= most, (mode, orphan, systemd.describe(unit))
        # It ignores SIGTERM: only SIGKILL ended it, and that not before --orphan-timeout.
        assert "end" not in orphan
        if mode != "control-group":
            assert time_of(f"{files[mode]}.orphan", "SIGTERM") >= time_of(files[mode], "end"), mode
        assert wrapped.has(systemd, unit, "processes left behind did not end within --orphan-timeout="), \
            systemd.describe(unit)
    assert_nothing_left(systemd)


def test_G6_watchdog_aborts_the_child_through_sdwd(systemd, sdwd_path, tmp_path):
    units, files = start(systemd, sdwd_path, tmp_path, "--heartbeat --orphan-timeout=100ms", f"WatchdogSec={W}")
    for mode, unit in units.items():
        systemd.wait_state(unit, ActiveState="failed", Result="watchdog")
        assert_outlived(systemd, unit, files[mode])
        told = counts(files[mode])
        assert told["SIGABRT"] == 1, (mode, told, systemd.describe(unit))
        assert "SIGTERM" not in told, (mode, told, systemd.describe(unit))
        assert wrapped.has(systemd, unit, "SIGABRT from pid 1: stopping"), systemd.describe(unit)
        assert wrapped.has(systemd, unit, "the service was killed by SIGABRT"), systemd.describe(unit)
        assert wrapped.has(systemd, unit, "Main process exited, code=killed, status=6/ABRT"), systemd.describe(unit)
    assert_nothing_left(systemd)


def cores_in_root(systemd):
    return systemd.run("sh", "-c", "stat -c '%n %i %Z' /*core*", check=False).stdout


def test_the_core_is_the_childs(systemd, sdwd_path, tmp_path):
    """Whether cores are written here at all is learnt from the same program without sdwd (kernel.core_pattern)."""
    folders = {stem: tmp_path / stem for stem in ("bare", "under")}
    commands = {"bare": "", "under": f"{sdwd_path} --heartbeat --"}
    for stem, folder in folders.items():
        folder.mkdir()
        commands[stem] += f" {COUNTER} {folder}/told 0"
    lines = "LimitCORE=infinity", "KillMode=mixed"
    before = cores_in_root(systemd)
    units = wrapped.start_all(systemd, {
        stem: wrapped.unit_text(commands[stem].strip(), *lines, f"WorkingDirectory={folders[stem]}",
                                "Type=simple" if stem == "bare" else f"WatchdogSec={W}")
        for stem in folders})
    wrapped.wait_for((folders["bare"] / "told").exists, "it did not begin")
    systemd.systemctl("kill", "--signal=ABRT", units["bare"])
    for stem, unit in units.items():
        systemd.wait_state(unit, ActiveState="failed")
        assert counts(folders[stem] / "told") == {"begin": 1, "SIGABRT": 1, "end": 1}
    has_cores = wrapped.has(systemd, units["bare"], "code=dumped")
    assert wrapped.has(systemd, units["under"], "the service was killed by SIGABRT (core dumped)") == has_cores, \
        systemd.describe(units["under"])
    # Ended by the same signal, without a second core.
    assert wrapped.has(systemd, units["under"], "Main process exited, code=killed, status=6/ABRT"), \
        systemd.describe(units["under"])
    assert systemd.show(units["under"], "Result") == "watchdog"
    written = {stem: len(list(folder.glob("*core*"))) for stem, folder in folders.items()}
    assert written["under"] == written["bare"] <= 1, (written, Path("/proc/sys/kernel/core_pattern").read_text())
    # After the start sdwd's working folder is /: none of its own there.
    assert cores_in_root(systemd) == before
