# SPDX-License-Identifier: MIT
"""
Cases that other systems hold themselves to, by their ids: a letter for the table, and a number. A test that is such a
case carries its id, as test_A20_... in Python and in C, wherever it stands: one search finds all that there is of it.
(test_a20_... in tests/unit is the same for one module alone, and does not count here.)
"""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# A test in C that its main() does not run is an unused function, which does not build.
_NAME = re.compile(r"^(?:static void|def) test_([A-H]\d+)_\w+\(", re.M)


def tested(table):
    """The ids of @table ("A") that tests carry."""
    names = set()
    for path in [*TESTS.rglob("test_*.py"), *TESTS.rglob("test_*.c")]:
        names |= {name for name in _NAME.findall(path.read_text(encoding="utf-8")) if name[0] == table}
    return names


def check(ids, left_out):
    """Each of @ids is tested or left out, none is both, and no other id of that table is anywhere."""
    [table] = {name[0] for name in ids}
    found = tested(table)
    known = found | set(left_out)
    assert len(set(ids)) == len(ids)
    assert known == set(ids), f"without a test or a reason, or unknown: {sorted(known ^ set(ids))}"
    assert not found & set(left_out), f"left out, but there is a test: {sorted(found & set(left_out))}"
    # A reason is a sentence of its own.
    assert all(reason.endswith(".") for reason in left_out.values())
    assert len(set(left_out.values())) == len(left_out)
