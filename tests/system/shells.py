# SPDX-License-Identifier: MIT
"""Shells on a terminal of their own: what they offer for a line, and what becomes of it by one TAB."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

PATIENCE_SECONDS = 60

# Each shell reads this first. "sdwd" and "sdwdctl" are functions that write down the words they are called with, so
# that the line as it stands after a TAB is seen by the Return key; %(x)s are paths.
BASH = """
PS1= PS2= PROMPT_COMMAND=
bind 'set enable-bracketed-paste off' 'set bell-style none' 2>/dev/null
source %(script)s
sdwd() { printf '%%s\\n' "$@" >%(words)s.new; mv %(words)s.new %(words)s; }
sdwdctl() { [[ $1 == completion ]] && command sdwdctl "$@" || sdwd "$@"; }
seen() {
	local seen_function=$1
	shift
	"$seen_function" "$@"
	printf '%%s\\n' "${COMPREPLY[@]}" >%(offers)s.new
	mv %(offers)s.new %(offers)s
}
seen_sdwd() { seen _sdwd "$@"; }
seen_sdwdctl() { seen _sdwdctl "$@"; }
complete -F seen_sdwd sdwd
complete -F seen_sdwdctl sdwdctl
"""
ZSH = """
unsetopt beep
PS1= PS2= RPS1=
setopt zle
fpath=(%(fpath)s $fpath)
autoload -Uz compinit
compinit -D -u
sdwd() { print -rl -- "$@" >%(words)s.new; mv %(words)s.new %(words)s }
sdwdctl() { [[ $1 == completion ]] && command sdwdctl "$@" || sdwd "$@" }
# What is handed to the editor is written down; -O, -A and -D only ask for what matches.
compadd() {
	if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then
		builtin compadd "$@"
		return
	fi
	local -a seen
	builtin compadd -A seen "$@"
	print -rl -- $seen >>%(offers)s.new
	builtin compadd "$@"
}
seen_end() { [[ -e %(offers)s.new ]] || : >%(offers)s.new; mv %(offers)s.new %(offers)s }
zle -N seen_end
bindkey '^Xe' seen_end
"""


class Terminal:
    """A shell on a terminal. type() writes; the files that its rc file names tell what came of it."""

    def __init__(self, command, env, cwd):
        self._fd, other = pty.openpty()
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 500, 0, 0))
        self._process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=env, cwd=cwd,
                                         start_new_session=True)
        os.close(other)
        self.said = b""

    def type(self, text):
        os.write(self._fd, text.encode())

    def drain(self, seconds):
        """Reads what the shell says for so long, so that it is never held up by us."""
        if select.select([self._fd], [], [], seconds)[0]:
            try:
                self.said += os.read(self._fd, 65536)
            except OSError:
                pass

    def wait(self, path):
        """Waits for the file; returns its lines that are not empty, and takes it away."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not path.exists():
            self.drain(0.02)
            assert time.monotonic() < deadline, f"no {path.name}; the shell said:\n{self.said.decode(errors='replace')}"
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        path.unlink()
        return lines

    def close(self):
        os.close(self._fd)
        self._process.kill()
        self._process.wait()


class Shell:
    """
    offers(line): what the shell offers for the word at the line's end, sorted. becomes(line): the words behind the
    program's name after a TAB and Return.
    """

    def __init__(self, name, folder, build, env=(), after=""):
        self.name = name
        self._folder = folder / f"shell-{name}"
        self._folder.mkdir()
        self._script = self._folder / "_sdwd"
        done = subprocess.run([build / "sdwdctl", "completion", name], capture_output=True, text=True, timeout=60,
                              check=False)
        assert (done.returncode, done.stderr) == (0, "")
        script = done.stdout
        if name == "zsh":
            # The last lines of the file call its function.
            front, end = script.split("# As a file of fpath", 1)
            script = f"{front}{after}# As a file of fpath{end}"
        else:
            script += after
        self._script.write_text(script, encoding="utf-8")
        self.env = {"PATH": f"{build}:{os.environ['PATH']}", "HOME": str(self._folder), "TERM": "dumb",
                     "LC_ALL": "C.UTF-8", "ZDOTDIR": str(self._folder), **dict(env)}
        self._offers, self._words = self._folder / "offers", self._folder / "words"
        self._paths = {"script": self._script, "offers": self._offers, "words": self._words, "fpath": self._folder}
        self._terminal = None

    def _start(self):
        if self._terminal is None:
            file = self._folder / ("rc" if self.name == "bash" else ".zshrc")
            file.write_text((BASH if self.name == "bash" else ZSH) % self._paths, encoding="utf-8")
            command = ["bash", "--noprofile", "--rcfile", file, "-i"] if self.name == "bash" else ["zsh", "-d", "-i"]
            self._terminal = Terminal(command, self.env, self._folder)
        return self._terminal

    def offers(self, line):
        if self.name == "fish":
            done = subprocess.run(["fish", "--no-config", "-c", f"source {self._script}; complete -C $argv[1]", line],
                                  env=self.env, cwd=self._folder, capture_output=True, text=True,
                                  timeout=PATIENCE_SECONDS, check=False)
            assert done.stderr == "", done.stderr
            offers = {offer.split("\t")[0] for offer in done.stdout.splitlines() if offer}
            # Newer ones offer also what has the letters of the word somewhere, behind what begins with it.
            word = line.rpartition(" ")[2]
            return sorted({offer for offer in offers if offer.startswith(word)} or offers)
        terminal = self._start()
        # A line of its own: what the last one left is cut first.
        terminal.type("\x15" + line + "\t" + ("\x18e" if self.name == "zsh" else ""))
        return sorted(set(terminal.wait(self._offers)))

    def becomes(self, line):
        terminal = self._start()
        terminal.type("\x15" + line + "\t\r")
        return terminal.wait(self._words)

    def close(self):
        if self._terminal is not None:
            self._terminal.close()
