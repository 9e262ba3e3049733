# SPDX-License-Identifier: MIT
"""What sdwd is to cost at most, and whether this run shows that it does."""

import dataclasses
from typing import Callable, Optional

import idle
from verdict import LEAST_TURNS, bounds, number, summary, untrue

YES, NO = "yes", "no"
UNCERTAIN = "no verdict"        # the goal lies within the spread
NOT_MEASURED = "not measured"
DIFFERS_FROM_ITSELF = "a program differs from itself there"
# What is poured must be what the goal speaks of, or nearly.
POURED_LEAST = 0.95


@dataclasses.dataclass
class Goal:
    what: str
    limit: float
    unit: str
    samples: Callable                   # a Value or a Ratio
    is_least: bool = False              # at least, not at most
    is_each: bool = False               # each single sample must hold, so there is no spread
    condition: Optional[Callable] = None  # a text where this run does not show what the goal is about


def _of(result, title, name):
    return result[title]["subjects"][name]["samples"]


@dataclasses.dataclass
class Value:
    """What the measure @title has of @name, a sample for each turn; KeyError: not measured."""

    title: str
    name: str

    def __call__(self, result):
        return _of(result, self.title, self.name)


@dataclasses.dataclass
class Ratio:
    title: str
    name: str
    reference: str

    def __call__(self, result):
        return [a / b for a, b in zip(_of(result, self.title, self.name), _of(result, self.title, self.reference))]


def _is_poured(result):
    rate = [a + b for a, b in zip(_of(result, "beats: writes taken (million a second)", "10^6 beats"),
                                  _of(result, "beats: writes refused (million a second)", "10^6 beats"))]
    least = min(rate)
    return None if least >= POURED_LEAST else f"only {least:.2f} million a second could be written"


LOOK, PSS = "look, CPU time (us)", idle.title(100, "PSS")
BEAT, RELAY = "beat to ping", "added by the relay, median (us)"
SCALE, BEATS = "scale: ", "beats: "
EARLY = "hang: acted on before W was over (ms too early)"

GOALS = [
    Goal("start of X to start of its child, against tini", 1.25, "x",
         Ratio("start, to the child's first step (us)", "sdwd", "tini")),
    Goal("X /bin/true, wall time, against bare", 1.15, "x", Ratio("start, wall time (us)", "sdwd", "bare")),
    Goal("X /bin/true, wall time, against tini", 1.5, "x", Ratio("start, wall time (us)", "sdwd", "tini")),
    Goal("private dirty memory, idle, no prober", 300, "KiB", Value(idle.title(1, "private dirty"), "sdwd --http")),
    Goal("PSS of each of 100 instances", 400, "KiB", Value(PSS, "sdwd --http")),
    Goal("CPU of an HTTP look with its ping, against look.c", 1.5, "x", Ratio(LOOK, "sdwd", "look.c")),
    Goal("the same of the shell loop, against sdwd", 60, "x", Ratio(LOOK, "shell loop", "sdwd"), is_least=True),
    Goal("the same of monit, against sdwd", 30, "x", Ratio(LOOK, "monit", "sdwd"), is_least=True),
    Goal("beat to WATCHDOG=1 received, median", 60, "us", Value(f"{BEAT}, median (us)", "sdwd")),
    Goal("beat to WATCHDOG=1 received, p99", 300, "us", Value(f"{BEAT}, p99 (us)", "sdwd")),
    Goal("what the relay adds to sd_notify, median", 40, "us", Value(RELAY, "sdwd")),
    Goal("child's last step to sdwd's end", 1000, "us", Value("start, from the child's last step to the end (us)", "sdwd")),
    Goal("SIGTERM at sdwd to SIGTERM at the child", 1000, "us", Value("SIGTERM, to the child (us)", "sdwd")),
    Goal("wake-ups a minute beyond looks and pings, W=30s", 2, "",
         Value("looks and pings of sdwd --http a minute", "wake-ups beyond looks and pings")),
    Goal("1000 instances, a look a second each: CPU of all", 20, "%", Value(f"{SCALE}CPU of all (% of one processor)", "1000")),
    Goal("1000 instances: latest ping", 500, "ms", Value(f"{SCALE}latest ping (ms)", "1000"), is_each=True),
    Goal("10^6 beats a second: CPU", 25, "%", Value(f"{BEATS}CPU (% of one processor)", "10^6 beats"), condition=_is_poured),
    Goal("10^6 beats a second: latest ping", 200, "ms", Value(f"{BEATS}latest ping (ms)", "10^6 beats"), is_each=True,
         condition=_is_poured),
    Goal("a hang that beats showed: acted on, of what is promised", 100, "%",
         Value("hang: of what is promised (%)", "heartbeat"), is_each=True),
    Goal("a hang that HTTP looks showed: acted on, of the same", 100, "%",
         Value("hang: of what is promised (%)", "http"), is_each=True),
    Goal("a hang that beats showed: acted on before W was over", 0, "ms", Value(EARLY, "heartbeat"), is_each=True),
    Goal("a hang that HTTP looks showed: the same", 0, "ms", Value(EARLY, "http"), is_each=True),
]


def judge_one(goal, result):
    found = {"what": goal.what, "goal": goal.limit, "is_least": goal.is_least, "unit": goal.unit, "note": ""}
    try:
        samples = goal.samples(result)
    except KeyError:
        return found | {"measured": None, "met": NOT_MEASURED}
    s = summary(samples)
    if goal.is_each:
        worst = min(samples) if goal.is_least else max(samples)
        low, high, measured = worst, worst, worst
    else:
        low, high = bounds(s)
        measured = s["median"]
    if goal.is_least:
        met = YES if low >= goal.limit else NO if high < goal.limit else UNCERTAIN
    else:
        met = YES if high <= goal.limit else NO if low > goal.limit else UNCERTAIN
    if not goal.is_each and len(samples) < LEAST_TURNS:
        met, found["note"] = UNCERTAIN, "too few turns"
    if goal.samples.title in untrue(result):
        met, found["note"] = UNCERTAIN, DIFFERS_FROM_ITSELF
    if goal.condition is not None and (text := goal.condition(result)):
        found["note"] = text
        met = NO if met == NO else UNCERTAIN
    return found | {"measured": measured, "low": low, "high": high, "met": met}


def judge(result):
    return [judge_one(goal, result) for goal in GOALS]


def limit_text(row):
    return f"{'>=' if row['is_least'] else '<='} {row['goal']:g} {row['unit']}".rstrip()


def measured_text(row):
    if row["measured"] is None:
        return "-"
    return f"{number(row['measured'])} {row['unit']}".rstrip()


def spread_text(row):
    if row["measured"] is None or row["low"] == row["high"]:
        return ""
    return f"{number(row['low'])} .. {number(row['high'])}"


def show(rows):
    print(f"\n{'goals':58}{'goal':>11}{'measured':>13}{'spread':>22}   met?")
    for row in rows:
        if row["met"] == NOT_MEASURED:
            continue
        note = f" ({row['note']})" if row["note"] else ""
        print(f"{row['what']:58}{limit_text(row):>11}{measured_text(row):>13}{spread_text(row):>22}   {row['met']}{note}")
    left = sum(row["met"] == NOT_MEASURED for row in rows)
    if left:
        print(f"{left} more goals are not measured by this run")
