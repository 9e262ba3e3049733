# SPDX-License-Identifier: MIT
"""The same figures for people who did not run it: bars as SVG, and a table in Markdown."""

from html import escape

import goals
import idle
from verdict import number

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

# What is shown: heading, measure, and its subjects by the name that a reader knows; those that were not measured are left out.
PANELS = [
    ("from the start of X to the start of its child (us)", "start, to the child's first step (us)",
     {"sdwd": "sdwd", "bare": "bare minimum in C", "tini": "tini", "dumb-init": "dumb-init", "catatonit": "catatonit"}),
    ("memory (PSS) of each of 100 idle instances (KiB)", idle.title(100, "PSS"),
     {"sdwd --http": "sdwd with an HTTP probe", "bare": "bare minimum in C", "tini": "tini", "s6-supervise": "s6-supervise",
      "runsv": "runsv", "supervise": "supervise", "shell loop": "shell loop", "monit": "monit (one for all)",
      "supervisord": "supervisord (one for all)"}),
    ("CPU time of one HTTP look (us)", "look, CPU time (us)",
     {"sdwd": "sdwd, with its ping", "look.c": "bare minimum in C", "shell loop": "curl + systemd-notify",
      "monit": "monit, without a ping"}),
    ("from a beat to the watchdog's ping, median (us)", "beat to ping, median (us)",
     {"sdwd": "sdwd", "bare": "bare minimum in C"}),
    ("wake-ups a minute of an idle service", "wake-ups a minute",
     {"sdwd --http": "sdwd, a look each 6 s", "tini": "tini", "runsv": "runsv", "s6-supervise": "s6-supervise",
      "monit": "monit, a look each 6 s", "supervisord": "supervisord"}),
]

WIDTH, LEFT, BAR_MOST = 760, 200, 440
ROW, HEADING, GAP = 20, 26, 14
STYLE = """text { font: 12px sans-serif; fill: #444 } .h { font-weight: bold } .n { font-size: 11px }
.own { fill: #2a78c2 } .other { fill: #a8b2bd }
@media (prefers-color-scheme: dark) { text { fill: #ccc } .other { fill: #66707b } }"""


def panels(result):
    """[(heading, [(name, subject's summary, whether it is sdwd)])]"""
    found = []
    for heading, title, names in PANELS:
        subjects = result.get(title, {"subjects": {}})["subjects"]
        rows = [(text, subjects[name], name.startswith("sdwd")) for name, text in names.items() if name in subjects]
        if rows:
            found.append((heading, rows))
    return found


def svg(result):
    lines, y = [], 0
    for heading, rows in panels(result):
        y += HEADING
        lines.append(f'<text class="h" x="0" y="{y - 8}">{escape(heading)}</text>')
        most = max(s["q3"] for _, s, _ in rows) or 1
        for name, s, is_own in rows:
            middle, width = y + ROW / 2, s["median"] / most * BAR_MOST
            low, high = (LEFT + s[q] / most * BAR_MOST for q in ("q1", "q3"))
            lines += [f'<text x="{LEFT - 8}" y="{middle + 4:g}" text-anchor="end">{escape(name)}</text>',
                      f'<rect class="{"own" if is_own else "other"}" x="{LEFT}" y="{y + 3}" width="{max(width, 1):.1f}" '
                      f'height="{ROW - 6}"/>',
                      f'<path d="M{low:.1f} {middle:g}H{high:.1f}" stroke="#222" stroke-width="2"/>',
                      f'<text class="n" x="{max(LEFT + width, high) + 6:.1f}" y="{middle + 4:g}">{number(s["median"])}</text>']
            y += ROW
        y += GAP
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}">\n'
            f"<style>{STYLE}</style>\n" + "\n".join(lines) + "\n</svg>\n")


def markdown(result, rows, machine):
    lines = ["| | sdwd | beside it |", "|---|---|---|"]
    for heading, subjects in panels(result):
        own = ", ".join(number(s["median"]) for _, s, is_own in subjects if is_own)
        others = ", ".join(f"{name} {number(s['median'])}" for name, s, is_own in subjects if not is_own)
        lines.append(f"| {heading} | {own} | {others} |")
    lines += ["", "| goal | at most | measured | met |", "|---|---|---|---|"]
    for row in rows:
        lines.append(f"| {row['what']} | {goals.limit_text(row)} | {goals.measured_text(row)} | {row['met']} |")
    lines += ["", f"Medians of one run of `tests/bench/run` on {machine['date']}: {machine['processors']} processors "
              f"({machine['processor']}), Linux {machine['kernel']}. The line in a bar goes from the first to the third quartile."]
    return "\n".join(lines)


def is_marked(text):
    return text.count(BEGIN) == 1 and text.count(END) == 1 and text.index(BEGIN) < text.index(END)


def replaced(text, table):
    """@text with @table between the two comments."""
    return text[:text.index(BEGIN) + len(BEGIN)] + "\n" + table + "\n" + text[text.index(END):]
