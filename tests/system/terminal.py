# SPDX-License-Identifier: MIT
"""A terminal for programs that draw: a pty, and a screen that understands what such programs write."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

from puppet import wait_until

# Parameters, final letter; or one other character after ESC.
SEQUENCE = re.compile(rb"\x1b\[([?0-9;]*)([@-~])|\x1b([^\[])")


class Terminal:
    """A program on a pty of its own; main and alternate screen as lists of lines."""

    def __init__(self, command, env, columns=120, lines=24, preexec=None):
        self.columns, self.lines = columns, lines
        self.raw = b""
        self.frames = 0           # how often the program began at the upper left corner
        self.is_alternate = False
        self.is_cursor_shown = True
        self._screens = {False: [""], True: [""]}
        self._frame = []          # the alternate screen when the last frame was whole
        self._at = [0, 0]
        self._lock = threading.Lock()
        self._may_read = threading.Event()
        self._may_read.set()
        self._master, slave = pty.openpty()
        self._slave = slave
        self.before = termios.tcgetattr(slave)
        self.resize(columns, lines)

        def prepare():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if preexec:
                preexec()

        # pylint: disable=subprocess-popen-preexec-fn,consider-using-with
        self.process = subprocess.Popen(command, env={"TERM": "xterm"} | env, stdin=slave, stdout=slave, stderr=slave,
                                        preexec_fn=prepare)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def attributes(self):
        """How the terminal is set."""
        return termios.tcgetattr(self._slave)

    def resize(self, columns, lines):
        """The kernel tells the program by SIGWINCH."""
        self.columns, self.lines = columns, lines
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys):
        os.write(self._master, keys.encode())

    def stop_reading(self):
        """From now on nobody takes what is written."""
        self._may_read.clear()

    def text(self):
        """What stands on the screen; a frame of the alternate one only when it is whole."""
        with self._lock:
            lines = self._frame if self.is_alternate else self._screens[False]
            return "\n".join(line.rstrip() for line in lines).rstrip("\n")

    def wait(self, text, timeout=20):
        """Waits until @text (or what a function of the screen's text calls true) stands there; returns the screen."""
        is_there = text if callable(text) else lambda screen: text in screen
        wait_until(lambda: is_there(self.text()), f"{text!r} on the screen:\n{self.text()}\n", timeout)
        return self.text()

    def wait_end(self, timeout=20):
        """The exit status, after everything it wrote is on the screen."""
        status = self.process.wait(timeout)
        mark = f"end-{self.process.pid}".encode()
        os.write(self._slave, mark)
        wait_until(lambda: mark in self.raw, "end of the output", timeout)
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self._slave)
        self._may_read.set()
        self._thread.join(20)
        os.close(self._master)

    def _read(self):
        left = b""
        while True:
            self._may_read.wait()
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self.raw += data
                left = self._feed(left + data)

    def _feed(self, data):
        """Draws; returns what is not whole yet."""
        while data:
            if data.startswith(b"\x1b"):
                match = SEQUENCE.match(data)
                if not match:
                    return data
                self._obey(match.group(1) or b"", match.group(2) or b"")
                data = data[match.end():]
                continue
            plain = re.match(rb"[^\x1b]+", data).group(0)
            data = data[len(plain):]
            # A character whose rest is to come.
            cut = len(plain)
            for back in range(1, min(4, len(plain) + 1)):
                if plain[-back] & 0xc0 == 0xc0:
                    try:
                        plain[-back:].decode()
                    except UnicodeDecodeError:
                        cut = len(plain) - back
                    break
            self._print(plain[:cut].decode(errors="replace"))
            if cut < len(plain) and not data:
                return plain[cut:]
        return b""

    def _obey(self, parameters, letter):
        screen = self._screens[self.is_alternate]
        if letter in (b"h", b"l") and parameters == b"?1049":
            self.is_alternate = letter == b"h"
            self._at = [0, 0]
            self._screens[True], self._frame = [""], []
        elif letter in (b"h", b"l") and parameters == b"?25":
            self.is_cursor_shown = letter == b"h"
        elif letter == b"H":
            self._at = [0, 0]
            self.frames += 1
        elif letter == b"K":
            screen[self._at[0]] = screen[self._at[0]][:self._at[1]]
        elif letter == b"J":
            if parameters == b"2":
                screen[:] = [""] * (self._at[0] + 1)
            else:
                screen[self._at[0]] = screen[self._at[0]][:self._at[1]]
                del screen[self._at[0] + 1:]
                self._frame = list(screen)

    def _print(self, text):
        screen = self._screens[self.is_alternate]
        for character in text:
            if character == "\r":
                self._at[1] = 0
            elif character == "\n":
                self._at[0] += 1
                while len(screen) <= self._at[0]:
                    screen.append("")
            elif character >= " ":
                line = screen[self._at[0]].ljust(self._at[1])
                screen[self._at[0]] = line[:self._at[1]] + character + line[self._at[1] + 1:]
                self._at[1] += 1
