# SPDX-License-Identifier: MIT
"""
hangs   random hangs under a systemd of its own (needs root): services with WatchdogSec=2s that beat, or answer HTTP, hang
        after a random time (hang.c); from the last sign of life to the SIGABRT that systemd sends, against what sdwd(1)
        promises: the longer of W and the lease, W/10 (1 s at most) and systemd's own 0.25 s. SDWD_BENCH_HANGS: how many in
        all (200)
"""

import contextlib
import os
import shutil
import sys
import time

from common import HERE, fail

sys.path.insert(0, str(HERE.parent / "systemd"))

import private  # pylint: disable=wrong-import-position

COMPARED = {}
HANGS, HANGS_QUICK, UNITS = 200, 20, 20
WATCHDOG_MSEC = 2000
PROGRAMS = "/usr/local/libexec/of-bench"
# The leases of both are shorter than W: 0.8 W, and with the defaults of --interval and --timeout about 0.73 W.
BOUND_MSEC = WATCHDOG_MSEC + WATCHDOG_MSEC / 10 + 250
PATIENCE_SECONDS = 600

UNIT = """\
[Unit]
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
KillMode=mixed
WatchdogSec={watchdog}ms
TimeoutStartSec=60
TimeoutAbortSec=60
LimitCORE=0
Restart=always
RestartSec=0
ExecStart={programs}/sdwd {options} -- {programs}/hang {file} {watchdog} {words}
"""


def hangs_wanted(bench):
    text = os.environ.get("SDWD_BENCH_HANGS", str(bench.times(HANGS, HANGS_QUICK)))
    if not text.isdigit() or int(text) < 2:
        fail(f"SDWD_BENCH_HANGS: '{text}' is no number from 2 on")
    return int(text)


def _unit(number, shared):
    file = shared / f"hangs-{number}"
    if number % 2 == 0:
        return UNIT.format(watchdog=WATCHDOG_MSEC, programs=PROGRAMS, options="--heartbeat", file=file, words="")
    path = f"/run/hangs-{number}.socket"
    options = f"--http=http://localhost/ --http-unix={path}"
    return UNIT.format(watchdog=WATCHDOG_MSEC, programs=PROGRAMS, options=options, file=file, words=path)


def _told(shared, number):
    """[last sign of life, hung, SIGABRT] of each hang of that unit, in ms."""
    file = shared / f"hangs-{number}"
    lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
    return [[int(word) / 1e6 for word in line.split()] for line in lines]


def measure(bench):
    wanted = hangs_wanted(bench)
    units = min(UNITS, wanted)
    of_each = -(-wanted // units)
    shared, state = bench.folder / "hangs", bench.folder / "systemd"
    shared.mkdir()
    programs = [shutil.copy(path, shared) for path in (bench.sdwd, bench.sdwd.with_name("sdwd-prober"), bench.helper("hang"))]
    with contextlib.ExitStack() as stack:
        try:
            systemd = private.Private(state, share=[shared])
        except private.CannotBoot as reason:
            fail(f"hangs: no systemd of our own here: {reason}")
        stack.callback(systemd.close)
        systemd.run("install", "-D", "-m", "755", "-t", PROGRAMS, *programs)
        names = [systemd.unit(f"hangs-{number}", _unit(number, shared), reload=False) for number in range(units)]
        systemd.daemon_reload()
        systemd.systemctl("start", *names)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(len(_told(shared, number)) < of_each for number in range(units)):
            if time.monotonic() > deadline:
                fail(f"hangs: not done after {PATIENCE_SECONDS} s:\n{systemd.describe(names[0])}")
            time.sleep(0.2)
        systemd.systemctl("stop", *names)
    found = {"heartbeat": [], "http": []}
    for number in range(units):
        for well, _, abort in _told(shared, number)[:of_each]:
            found["http" if number % 2 else "heartbeat"].append(abort - well)
    found = {name: times for name, times in found.items() if times}
    return {"hang, from the last sign of life to systemd's action (ms)": found,
            "hang: of what is promised (%)": {name: [t / BOUND_MSEC * 100 for t in times] for name, times in found.items()},
            "hang: acted on before W was over (ms too early)": {
                name: [max(0, WATCHDOG_MSEC - t) for t in times] for name, times in found.items()}}
