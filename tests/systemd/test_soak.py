# SPDX-License-Identifier: MIT
"""A short soak; full-soak is the long one. SDWD_SOAK_TABLE=FILE gets the table."""

import os

import soak

LOOKS, CHANGES, RESTARTS = (int(os.environ.get(f"SDWD_SOAK_{name}", default)) for name, default in (
    ("LOOKS", 2000), ("CHANGES", 200), ("RESTARTS", 30)))


def say(text):
    print(text, flush=True)


def test_a_day_leaves_nothing_behind(systemd, build, tmp_path):
    one = soak.Soak(systemd, build, tmp_path, LOOKS > 10000, say)
    try:
        one.run(LOOKS, CHANGES, RESTARTS)
    finally:
        say(one.table())
        if "SDWD_SOAK_TABLE" in os.environ:
            with open(os.environ["SDWD_SOAK_TABLE"], "w", encoding="utf-8") as file:
                file.write(one.table() + "\n")
    assert not one.bad()
