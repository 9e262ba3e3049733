# SPDX-License-Identifier: MIT
"""The examples of README.md and of the manual pages, as a reader sees them."""

import re
import shlex
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
ESCAPES = {r"\e": "\\", r"\(aq": "'", r"\(dq": '"', r"\&": "", r"\-": "-"}


class Block:
    """What stands together in a display. @file: the document's name; @line: where it begins; @text: without escapes."""

    def __init__(self, file, line, lines):
        indent = min((len(one) - len(one.lstrip(" ")) for one in lines if one.strip()), default=0)
        self.file, self.line = file, line
        self.text = "\n".join(one[indent:].rstrip() for one in lines).strip("\n") + "\n"

    def __str__(self):
        return f"{self.file}:{self.line}: {self.text.splitlines()[0]}"


def blocks():
    """All of them, in order."""
    # What sdwd-recipes(7) shows is of files: tests/lint/recipes, test_recipes.py and full-recipes.
    pages = sorted(page for page in (TOP / "man").glob("*.[1-9]") if page.name != "sdwd-recipes.7")
    return of_markdown(TOP / "README.md") + [block for page in pages for block in of_mdoc(page)]


def of_markdown(path):
    """Indented by four blanks behind an empty line, or between fences."""
    found, lines, begin, is_fenced = [], [], 0, False

    def end():
        nonlocal lines
        if any(one.strip() for one in lines):
            found.append(Block(path.name, begin, lines))
        lines = []

    before = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            end()
            is_fenced, begin = not is_fenced, number + 1
        elif is_fenced or line.startswith("    ") and (lines or not before) or not line and lines:
            begin = begin if lines else number
            lines.append(line)
        else:
            end()
        before = line.strip()
    end()
    return found


def of_mdoc(path):
    """.Bd -literal and -unfilled up to its .Ed; .Dl and .D1, those that follow each other together."""
    found, lines, begin, kind = [], [], 0, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() + [""], 1):
        if kind == "display" and line != ".Ed":
            assert not line.startswith("."), f"{path.name}:{number}: a macro in a display is not read here"
            lines.append(plain(line))
            continue
        one = re.match(r"\.D[l1] (.*)", line)
        if one and kind == "line":
            lines.append(plain(one[1]))
            continue
        if lines:
            found.append(Block(path.name, begin, lines))
        lines, kind, begin = [], None, number
        if one:
            lines, kind = [plain(one[1])], "line"
        elif re.match(r"\.Bd -(literal|unfilled)", line):
            kind = "display"
    return found


def plain(text):
    return re.sub(r"\\(\(..|.)", lambda found: ESCAPES[found[0]], text)


def commands(text):
    """
    The commands of a block: what goes on behind a backslash or in quotes is one of them, and what only explains it (a
    comment behind two blanks) or is typed by the shell (a prompt) is none.
    """
    found, sofar = [], ""
    for line in text.splitlines():
        if is_whole(sofar.rstrip("\\")):
            line = re.sub(r"\s{2,}# .*$", "", line)
        sofar = f"{sofar}\n{line}" if sofar else re.sub(r"^[$#] ", "", line)
        if sofar.endswith("\\") or not is_whole(sofar):
            continue
        if sofar.strip():
            found.append(re.sub(r"\\\n\s*", "", sofar).strip())
        sofar = ""
    assert not sofar, f"has no end: {sofar!r}"
    return found


def is_whole(text):
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True
