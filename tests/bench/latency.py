# SPDX-License-Identifier: MIT
"""
latency the way of evidence to a manager that only listens, all stamped by one clock (latency.c): a beat on the pipe to
        WATCHDOG=1, beside a bare forwarder from a pipe to a socket; a datagram through the relay, beside the same without
        one, and what the relay adds; a verdict (WATCHDOG=trigger of the child) to WATCHDOG=trigger. And the CPU time of
        sdwd for a beat with its ping, and for a datagram. 100 of them a turn; p99 is that of each turn
"""

import statistics
import subprocess

from common import environment, fail, finished, table

COMPARED = {
    "beat to ping": [("sdwd", "bare"), ("sdwd again", "sdwd")],
    "beat and ping": [("sdwd", "bare")],
    "datagram": [("relayed", "direct"), ("direct again", "direct")],
}
TURNS, EVENTS = 20, 100
# A tenth of the watchdog's time is the least between two pings.
WATCHDOG_USEC, BEAT_USEC = 100_000, 12_000
TALK_USEC = 3_000


def run(bench, mode, *words, **more):
    """Latencies in us, and CPU time of each event in us."""
    command = [bench.helper("latency"), mode, bench.folder / "latency.socket", *words]
    status, out, errors = finished(command, env=environment(**more), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if status != 0:
        fail(f"latency {mode}: exit status {status}\n{errors[-2000:]}")
    lines = out.splitlines()
    cpu = int(lines.pop().split()[1]) / 1000 if lines[-1].startswith("cpu ") else None
    latencies = [int(line) / 1000 for line in lines]
    return latencies, cpu / len(latencies) if cpu is not None else None


def p99(values):
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def measure_beats(bench, events, turns):
    give = [bench.helper("latency"), "give"]
    sdwd = [bench.sdwd, "--heartbeat", "--", *give]
    subjects = {"sdwd": sdwd, "bare": [bench.helper("latency"), "forward", *give], "sdwd again": sdwd}
    found = table(["beat to ping, median (us)", "beat to ping, p99 (us)", "beat and ping, CPU time (us)"], subjects)
    for _ in range(turns):
        for name, command in subjects.items():
            latencies, cpu = run(bench, "beat", events, BEAT_USEC, *command, WATCHDOG_USEC=str(WATCHDOG_USEC))
            for title, value in zip(found, (statistics.median(latencies), p99(latencies), cpu)):
                found[title][name].append(value)
    return found


def measure_relay(bench, events, turns):
    say = [bench.helper("latency"), "say", events, TALK_USEC]
    subjects = {"relayed": [bench.sdwd, "--", *say], "direct": say, "direct again": say}
    found = table(["datagram, median (us)", "datagram, p99 (us)"], subjects)
    added, spent = [], []
    for _ in range(turns):
        for name, command in subjects.items():
            latencies, cpu = run(bench, "talk", events, TALK_USEC, *command)
            for title, value in zip(found, (statistics.median(latencies), p99(latencies))):
                found[title][name].append(value)
            if name == "relayed":
                spent.append(cpu)
        medians = found["datagram, median (us)"]
        added.append(medians["relayed"][-1] - medians["direct"][-1])
    return found | {"added by the relay, median (us)": {"sdwd": added}, "relayed datagram, CPU time (us)": {"sdwd": spent}}


def measure_trigger(bench, times):
    command = [bench.sdwd, "--heartbeat", "--on-unhealthy=trigger", "--", bench.helper("latency"), "give"]
    return {"verdict to trigger (us)": {"sdwd": [run(bench, "trigger", *command, WATCHDOG_USEC="30000000")[0][0]
                                                 for _ in range(times)]}}


def measure(bench):
    turns, events = bench.times(TURNS, 3), EVENTS
    return (measure_beats(bench, events, turns) | measure_relay(bench, events, turns)
            | measure_trigger(bench, bench.times(100, 20)))
