# SPDX-License-Identifier: MIT
"""
What the lints share. A lint is a program of this folder: `lint/<name> [--root FOLDER] [ARGUMENT...]`. It names each
violation as `file:line: what` on stdout and exits 1 where there is one, or where it found nothing to look at.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
# Never looked into: what git and builds make.
NOT_OURS = {".git", ".build", "build", "__pycache__", ".pytest_cache"}
ROOMS = ["base", "core", "conf", "sys", "probe", "app"]


class Lint:
    """One run of a lint: its arguments, what it looked at, what it found."""

    def __init__(self, about, **arguments):
        parser = argparse.ArgumentParser(description=about)
        parser.add_argument("--root", type=Path, default=TOP, help="the tree to look at (this one)")
        for name, options in arguments.items():
            parser.add_argument(name, **options)
        self.arguments = parser.parse_args()
        self.root = self.arguments.root.resolve()
        self.looked = 0
        self.found = []

    def look(self, count=1):
        self.looked += count

    def report(self, where, what, line=None):
        if isinstance(where, Path):
            where = where.relative_to(self.root) if where.is_relative_to(self.root) else where
        self.found.append(f"{where}:{line}: {what}" if line else f"{where}: {what}")

    def end(self, of):
        """Prints the result; returns the exit status for main. @of: what was looked at, in the plural."""
        for text in self.found:
            print(text)
        if self.looked == 0:
            print(f"nothing looked at: no {of} in {self.root}")
            return 1
        print(f"{self.looked} {of}, {len(self.found)} violations")
        return 1 if self.found else 0

    # Files ------------------------------------------------------------------------------------------------------

    def files(self, *folders, suffixes=None):
        """Files of the tree below @folders (all), sorted, that are ours."""
        for folder in folders or ["."]:
            for base, names, leaves in os.walk(self.root / folder):
                names[:] = sorted(n for n in names if n not in NOT_OURS)
                # In a linked work tree of git .git is a file.
                for leaf in sorted(set(leaves) - NOT_OURS):
                    path = Path(base) / leaf
                    if (suffixes is None or path.suffix in suffixes) and path.is_file() and not path.is_symlink():
                        yield path

    def c_files(self, *folders):
        return self.files(*(folders or ("cmd", "lib", "tests")), suffixes={".c", ".h"})

    def shell_files(self):
        for path in self.files():
            with open(path, "rb") as file:
                first = file.readline(80)
            if re.match(rb"#! ?/(usr/)?bin/(env )?(ba|da)?sh\b", first):
                yield path


def need(tool):
    """The path of @tool; without it the lint fails."""
    path = shutil.which(tool)
    if path is None:
        print(f"{tool} is missing (tests/install-deps brings it)")
        sys.exit(1)
    return path


def output(*command, check=True, **options):
    """stdout of @command; a failure ends the lint with its stderr."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if check and done.returncode != 0:
        print(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        sys.exit(1)
    return done.stdout


def without_comments(text):
    """C text with comments and the insides of strings blanked; line breaks stay."""
    def blank(match):
        word = match.group(0)
        if word[0] in "\"'":
            return word[0] + " " * (len(word) - 2) + word[0]
        return re.sub(r"[^\n]", " ", word)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def options_of(binary):
    """The rows of `sdwd --dump-options`: dicts of name, argument, default, scope, help; "-" stands for nothing."""
    columns = ["name", "argument", "default", "scope", "help"]
    rows = []
    for line in output(binary, "--dump-options").splitlines():
        words = ["" if word == "-" else word for word in line.split("\t")]
        if len(words) != len(columns):
            print(f"--dump-options: not {len(columns)} columns: {line!r}")
            sys.exit(1)
        rows.append(dict(zip(columns, words)))
    if not rows:
        print(f"{binary} --dump-options says nothing")
        sys.exit(1)
    return rows
