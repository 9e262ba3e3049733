# SPDX-License-Identifier: MIT
"""What the tests of wrapped services share: unit texts, and what the journal says of a unit."""

import platform
import time

# Whether RestrictAddressFamilies= does anything: not on i386, where socket(2) is one of many behind socketcall(2), whose
# arguments no seccomp filter can see (systemd.exec(5)).
RESTRICTS_FAMILIES = platform.machine() not in ("i386", "i686")

# Deadlines of systemd that nothing here may depend on, but that end a test that went wrong.
UNIT = """\
[Service]
Type=notify
NotifyAccess=main
KillMode=mixed
TimeoutStartSec=40
TimeoutStopSec=30
TimeoutAbortSec=30
RestartSec=100ms
{lines}
ExecStart={command}
"""


def unit_text(command, *lines):
    """A unit around @command (a text, or a list of words without blanks); @lines come after the defaults, and win."""
    words = command if isinstance(command, str) else " ".join(map(str, command))
    return UNIT.format(command=words, lines="\n".join(lines))


def start_all(systemd, texts, wait=True):
    """Writes and starts one unit for each stem of @texts side by side; returns their names by stem."""
    units = {stem: systemd.unit(stem, text, reload=False) for stem, text in texts.items()}
    systemd.daemon_reload()
    systemd.systemctl("start", *([] if wait else ["--no-block"]), *units.values())
    return units


def script(folder, name, text):
    """Writes an executable file; its first line says what runs it. Everybody may read it."""
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def install(systemd, *paths):
    """Copies of the files that every unit can see and every user run, whatever the unit hides; returns their paths."""
    inside = [f"/usr/local/libexec/of-tests/{path.name}" for path in paths]
    systemd.run("install", "-D", "-m", "755", "-t", "/usr/local/libexec/of-tests", *paths)
    return inside


def texts(systemd, unit):
    """What the journal has of @unit, as lines."""
    return [str(message) for message in systemd.messages(unit)]


def has(systemd, unit, text):
    """Whether a line of @unit's journal contains @text."""
    return any(text in line for line in texts(systemd, unit))


def monotonic_of(entry):
    """When it was said, on CLOCK_MONOTONIC in seconds."""
    return int(entry.get("_SOURCE_MONOTONIC_TIMESTAMP") or entry["__MONOTONIC_TIMESTAMP"]) / 1e6


def adopted(systemd, unit, n=1, timeout=30):
    """The pid that sdwd supervises after it has moved @n times: that of the n-th "supervising pid"."""
    deadline = time.monotonic() + timeout
    while True:
        found = [line.split()[2] for line in texts(systemd, unit) if line.startswith("supervising pid ")]
        if len(found) >= n:
            return int(found[n - 1])
        assert time.monotonic() < deadline, f"supervised only {found}\n{systemd.describe(unit)}"
        time.sleep(0.05)


def wait_for(condition, what, timeout=30):
    """Waits until condition() is true, and returns that; @what: for the failure, or a callable that tells it."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.05)
