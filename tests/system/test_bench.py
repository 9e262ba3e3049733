# SPDX-License-Identifier: MIT
"""What tests/bench makes of samples: a verdict, or none where they spread wider than the difference; goals; table and bars."""

import sys
import xml.dom.minidom
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

import goals  # pylint: disable=wrong-import-position
import paper  # pylint: disable=wrong-import-position
import verdict  # pylint: disable=wrong-import-position

START = "start, to the child's first step (us)"


@pytest.mark.parametrize("samples, reference, said", [
    ([120, 121, 119, 120], [100, 100, 100, 100], "more"),
    ([80, 81, 79, 80], [100, 100, 100, 100], "less"),
    ([100, 100, 100, 100], [100, 100, 100, 100], "the same"),
    ([120, 105, 140, 120], [100, 100, 100, 100], "no verdict"),
    ([150, 150], [100, 100], "no verdict"),
    # What both have in a turn is no difference between them.
    ([150, 300, 600, 1200], [100, 200, 400, 800], "more"),
])
def test_a_verdict_only_where_the_ratios_spread_less_than_they_differ(samples, reference, said):
    assert verdict.compare(samples, reference)["verdict"] == said


def test_of_many_turns_the_quartiles_count_and_a_few_that_went_wrong_do_not():
    few, many = [120] * 9 + [900], [120] * 29 + [900]
    assert verdict.compare(few, [100] * 10)["verdict"] == "no verdict"
    assert verdict.compare(many, [100] * 30)["verdict"] == "more"


def test_a_program_that_differs_from_itself_is_told():
    found = {START: {"bare": [100] * 4, "bare again": [130] * 4, "sdwd": [110] * 4}}
    pairs = {"start": [("sdwd", "bare"), ("bare again", "bare")]}
    assert verdict.untrue(verdict.judge(found, pairs)) == [START]
    found[START]["bare again"] = [100, 101, 99, 100]
    assert verdict.untrue(verdict.judge(found, pairs)) == []


GOAL = goals.Goal("start", 1.25, "x", goals.Ratio(START, "sdwd", "tini"))
LEAST = goals.Goal("start", 60, "x", goals.Ratio(START, "sdwd", "tini"), is_least=True)
EACH = goals.Goal("late", 200, "ms", goals.Value(START, "sdwd"), is_each=True)


@pytest.mark.parametrize("goal, samples, met", [
    (GOAL, [110, 115, 120], goals.YES),
    (GOAL, [130, 140, 150], goals.NO),
    (GOAL, [110, 115, 130], goals.UNCERTAIN),
    (GOAL, [110, 115], goals.UNCERTAIN),
    (LEAST, [6100, 7000, 8000], goals.YES),
    (LEAST, [5000, 5500, 5900], goals.NO),
    (LEAST, [5900, 7000, 8000], goals.UNCERTAIN),
    (EACH, [1, 2, 200], goals.YES),
    (EACH, [1, 2, 201], goals.NO),
])
def test_a_goal_is_met_or_missed_only_by_the_whole_spread(goal, samples, met):
    result = verdict.judge({START: {"sdwd": samples, "tini": [100] * len(samples)}}, {})
    assert goals.judge_one(goal, result)["met"] == met


def test_a_goal_has_no_verdict_where_a_program_differs_from_itself():
    found = {START: {"sdwd": [110] * 4, "tini": [100] * 4, "bare": [100] * 4, "bare again": [130] * 4}}
    pairs = {"start": [("bare again", "bare")]}
    row = goals.judge_one(GOAL, verdict.judge(found, pairs))
    assert (row["met"], row["note"]) == (goals.UNCERTAIN, goals.DIFFERS_FROM_ITSELF)
    found[START]["bare again"] = [100, 101, 99, 100]
    assert goals.judge_one(GOAL, verdict.judge(found, pairs))["met"] == goals.YES


def test_a_goal_that_the_run_could_not_put_to_the_test_is_not_met():
    poured = {"beats: CPU (% of one processor)": {"10^6 beats": [10, 10, 10]},
              "beats: writes taken (million a second)": {"10^6 beats": [0.4, 0.4, 0.4]},
              "beats: writes refused (million a second)": {"10^6 beats": [0.1, 0.1, 0.1]}}
    goal = next(g for g in goals.GOALS if g.what == "10^6 beats a second: CPU")
    row = goals.judge_one(goal, verdict.judge(poured, {}))
    assert (row["met"], row["note"]) == (goals.UNCERTAIN, "only 0.50 million a second could be written")
    poured["beats: writes taken (million a second)"]["10^6 beats"] = [0.95] * 3
    assert goals.judge_one(goal, verdict.judge(poured, {}))["met"] == goals.YES
    assert goals.judge_one(goal, verdict.judge({}, {}))["met"] == goals.NOT_MEASURED


def test_table_and_bars_of_what_was_measured():
    result = verdict.judge({START: {"sdwd": [110, 115, 120], "tini": [100, 100, 100]}}, {})
    bars = xml.dom.minidom.parseString(paper.svg(result))
    assert [r.getAttribute("class") for r in bars.getElementsByTagName("rect")] == ["own", "other"]
    machine = {"date": "2026-01-02", "processors": 2, "processor": "one", "kernel": "6.1"}
    text = f"before\n{paper.BEGIN}\nold\n{paper.END}\nafter\n"
    assert paper.is_marked(text) and not paper.is_marked(text.replace(paper.END, ""))
    new = paper.replaced(text, paper.markdown(result, goals.judge(result), machine))
    assert new.startswith(f"before\n{paper.BEGIN}\n|") and new.endswith(f"{paper.END}\nafter\n") and "old" not in new
    assert "| start of X to start of its child, against tini | <= 1.25 x | 1.15 x | yes |" in new
    assert "on 2026-01-02: 2 processors (one), Linux 6.1." in new
    # Once more gives the same.
    assert paper.replaced(new, paper.markdown(result, goals.judge(result), machine)) == new
