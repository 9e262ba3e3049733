#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
A program that hears every signal: what a test puts under sdwd to see what arrives.

    listener.py [--until=N] [--before=COMMAND] [--for=SECONDS]

It blocks all signals, the two internal ones of libc included, runs COMMAND in a shell, says "listening", and then
"heard NUMBER CODE VALUE" for each signal, in the order in which the kernel hands them out.  Signal N ends it (0: none
does), after SECONDS it ends by itself; both with exit status 0.
"""

import ctypes
import os
import platform
import signal
import struct
import sys
import time

SIGNAL_MAX = 64
# libc's own calls leave its internal signals, 32 and 33, out of every mask.
_RT_SIGPROCMASK = {"x86_64": 14, "i686": 175, "ppc64le": 174, "s390x": 175, "armv7l": 175}
_SIGINFO_BYTES = 128

libc = ctypes.CDLL(None, use_errno=True)


class Signal:
    def __init__(self, number, code, value):
        self.number, self.code, self.value = int(number), int(code), int(value)

    def __repr__(self):
        return f"{self.number} (code {self.code}, value {self.value})"


def _checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def block(numbers):
    """Makes @numbers, and no other signal, the blocked ones."""
    mask = ctypes.c_uint64(sum(1 << (n - 1) for n in numbers))
    call = _RT_SIGPROCMASK.get(platform.machine(), 135)
    _checked(libc.syscall(call, signal.SIG_SETMASK, ctypes.byref(mask), None, ctypes.c_size_t(8)))


def queue(pid, number, value):
    """sigqueue(3)."""
    _checked(libc.sigqueue(pid, number, ctypes.c_void_p(value)))


def next_signal(seconds):
    """The next blocked signal, or None after @seconds."""
    mask = (ctypes.c_uint64 * 16)(2 ** 64 - 1)
    info = ctypes.create_string_buffer(_SIGINFO_BYTES)
    timeout = (ctypes.c_long * 2)(int(seconds), int(seconds % 1 * 1e9))
    if libc.sigtimedwait(mask, info, timeout) < 0:
        return None
    # si_signo, si_errno, si_code; then, aligned as a pointer: si_pid, si_uid, si_value.
    head = 16 if ctypes.sizeof(ctypes.c_void_p) == 8 else 12
    number, _, code = struct.unpack_from("iii", info)
    _, _, value = struct.unpack_from("iii", info, head)
    return Signal(number, code, value)


def heard(text):
    """All signals that a listener told of in its output @text."""
    return [Signal(*line.split()[1:]) for line in text.splitlines() if line.startswith("heard ")]


def command(until=signal.SIGTERM, before=None, seconds=None):
    """The command line of a listener."""
    line = ["/usr/bin/python3", "-I", "-S", os.path.abspath(__file__), f"--until={int(until)}"]
    line += [f"--before={before}"] if before else []
    return line + ([f"--for={seconds}"] if seconds else [])


def main(arguments):
    until, before, seconds = 0, None, 1000.0
    for word in arguments:
        name, _, value = word.partition("=")
        if name == "--until":
            until = int(value)
        elif name == "--before":
            before = value
        elif name == "--for":
            seconds = float(value)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    block(range(1, SIGNAL_MAX + 1))
    if before:
        os.system(before)
    print("listening", flush=True)
    end_at = time.monotonic() + seconds
    while time.monotonic() < end_at:
        one = next_signal(end_at - time.monotonic())
        if one is None or one.number == signal.SIGCHLD:
            continue
        print(f"heard {one.number} {one.code} {one.value}", flush=True)
        if one.number == until:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
