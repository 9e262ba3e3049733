# SPDX-License-Identifier: MIT
"""From samples to words: medians, ratios, and whether the ratios leave a verdict."""

import statistics

FEW_TURNS = 20      # below, quartiles say little
LEAST_TURNS = 3     # below, nothing does

# Pairs of the same program: a verdict on one of these is a wrong one.
CONTROLS = {("bare again", "bare"), ("look.c again", "look.c"), ("sdwd again", "sdwd"),
            ("sdwd --http again", "sdwd --http"), ("http again", "http"), ("direct again", "direct")}


def summary(samples):
    q1, middle, q3 = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else samples * 3
    return {"median": middle, "q1": q1, "q3": q3, "n": len(samples), "samples": samples}


def bounds(s):
    """How far the samples spread: the quartiles, of few the extremes."""
    return (min(s["samples"]), max(s["samples"])) if s["n"] < FEW_TURNS else (s["q1"], s["q3"])


def compare(samples, reference):
    """The ratio of two subjects turn by turn, and whether its spread leaves a verdict."""
    pairs = [(a, b) for a, b in zip(samples, reference) if b != 0]
    if len(pairs) < 2:
        return None
    ratio = summary([a / b for a, b in pairs])
    low, high = bounds(ratio)
    difference, spread = abs(ratio["median"] - 1), high - low
    if all(r == 1 for r in ratio["samples"]):
        verdict = "the same"
    elif spread >= difference or ratio["n"] < LEAST_TURNS:
        verdict = "no verdict"
    else:
        verdict = "more" if ratio["median"] > 1 else "less"
    return {"ratio": ratio["median"], "low": low, "high": high, "spread": spread, "n": ratio["n"], "verdict": verdict}


def judge(found, compared):
    """@compared: {a title's words before the first comma: [(subject, reference)]}"""
    result = {}
    for title, subjects in found.items():
        pairs = [] if title.endswith("pings") else compared.get(title.split(",", maxsplit=1)[0], [])
        made = [(a, b, compare(subjects[a], subjects[b])) for a, b in pairs if a in subjects and b in subjects]
        result[title] = {
            "subjects": {name: summary(samples) for name, samples in subjects.items()},
            "comparisons": [{"subject": a, "reference": b, **one} for a, b, one in made if one is not None],
        }
    return result


def untrue(result):
    """The measures where a program has a verdict against itself."""
    return [title for title, measure in result.items() for c in measure["comparisons"]
            if (c["subject"], c["reference"]) in CONTROLS and c["verdict"] in ("more", "less")]


def number(value):
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def show(result):
    print(f"{'':38}{'median':>12}{'quartiles or spread':>26}{'turns':>7}")
    for title, measure in result.items():
        print(title)
        for name, s in measure["subjects"].items():
            print(f"    {name:34}{number(s['median']):>12}{number(s['q1']) + ' .. ' + number(s['q3']):>26}{s['n']:>7}")
        for c in measure["comparisons"]:
            is_same = (c["subject"], c["reference"]) in CONTROLS
            why = ", as it should be" if is_same else \
                ": too few turns" if c["n"] < LEAST_TURNS else ": it spreads wider than that"
            said = "no verdict" + why if c["verdict"] == "no verdict" else c["verdict"]
            print(f"    {c['subject'] + ' / ' + c['reference']:34}{c['ratio']:>11.2f}x"
                  f"{format(c['low'], '.2f') + ' .. ' + format(c['high'], '.2f'):>26}       {said}")
