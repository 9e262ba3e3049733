# SPDX-License-Identifier: MIT
"""
A compressed day: looks of every kind, a service that turns ill and well, and restarts of services that end in every way,
side by side under one systemd. Then everything must be as it was before, and every edge and exit status as expected.
"""

import itertools
import json
import math
import os
import re
import subprocess
import time
from pathlib import Path

from tls import Authority

HERE = Path(__file__).resolve().parent
SERVER, ENDS, MEASURE = HERE / "soak_server.py", HERE / "soak_end", HERE / "soak_measure.py"
PORT = 20600

# Of blocks that malloc(3) gave there may be none more. But it takes 132 KiB at a time for its heap, gives the top back only
# where 128 KiB of it are free (M_TOP_PAD, M_TRIM_THRESHOLD), and what was never used of it is not there: so much may be
# there or not for the same blocks. In sdwd-prober each thread has a heap of its own, and there are five at most.
SLACK_KIB = 256
# Blocks that libev makes longer for the highest fd and the most timers that there ever were at once.
TABLES = 4096
# glibc keeps the stacks of ended threads, each with a block for its variables; so many threads look at most at once.
PROBER_THREADS = 5
PROBER_SLACK_KIB = PROBER_THREADS * SLACK_KIB
QUIET_WAKES = 4
UNHEALTHY, RECOVERED = "9b15d5d4eb1746eaa7aaa550408677e4", "aec7c1115deb4eeca0b9acd6d4205634"

# The ways of soak_end, and what systemd must see of each: $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS.
WAYS = {
    "exit-0": "success exited 0",
    "exit-3": "exit-code exited 3",
    "exit-255": "exit-code exited 255",
    "exit-137": "exit-code exited 137",
    "map-3": "success exited 0",
    "hang": "watchdog killed ABRT",
    "TERM": "success killed TERM",
    "SEGV": "signal killed SEGV",
    "ABRT": "signal killed ABRT",
    "trigger": "watchdog killed ABRT",
    "KILL": "signal killed KILL",
    "sdwd-killed": "signal killed KILL",
    "HUP": "success killed HUP",
    "USR1": "signal killed USR1",
    "end": "exit-code exited 124",
    "late": "exit-code exited 124",
    "bad-option": "exit-code exited 125",
    "no-program": "exit-code exited 126",
    "nowhere": "exit-code exited 127",
    "orphan": "exit-code exited 5",
    "stubborn": "exit-code exited 6",
    "forks": "signal killed SEGV",
    "pidfile": "exit-code exited 7",
    "check": "exit-code exited 8",
    "prober": "exit-code exited 9",
    "early-4": "exit-code exited 4",
    "early-0": "protocol exited 0",
    "stay": "success exited 0",
}

LOOKS = """\
[Service]
Type=notify
NotifyAccess=main
KillMode=mixed
WatchdogSec=60s
LimitCORE=0
Environment={heap}
ExecStart={sdwd} --interval={often} --fast-interval={often} --start-interval={often} --timeout=20s --silence=20s --fall=1 \\
    --heartbeat --notify --file={folder}/beats \\
    --http=http://127.0.0.1:{http}/ --http=http://localhost/ --http-unix=@sdwd-soak-http --http-body=^ok \\
    --http=https://soak.test:{https}/ --interval={seldom} --http-ca={folder}/ca.pem \\
    --http=http://soak.test:{http}/ --interval={seldom} \\
    --tcp=127.0.0.1:{line} --send=PING\\\\n --expect=^PONG \\
    --tcp=soak.test:{line} --interval={seldom} \\
    --unix=@sdwd-soak --peer=child --send=PING\\\\n --expect=^PONG --listen-queue={queue} \\
    --grpc=127.0.0.1:{grpc} --interval={seldom} --dbus=org.freedesktop.systemd1 --interval={seldom} \\
    --exec=/bin/true --interval={seldom} \\
    "--exec=echo fine; (sleep 0.01 &)" --interval={seldom} --expect=fine \\
    -- /usr/bin/python3 {server} all {folder} {http}
"""

TURNS = """\
[Service]
Type=notify
NotifyAccess=main
KillMode=mixed
WatchdogSec=60s
LimitCORE=0
Environment={heap}
ExecStart={sdwd} --on-unhealthy=warn --interval={often} --fast-interval={often} --start-interval={often} --timeout=20s --fall=1 \\
    {options} --http=http://127.0.0.1:{port}/ -- /usr/bin/python3 {server} turns {folder} {name} {port} {hooked}
"""

# KillMode=process: what sdwd leaves behind is there for all to see.
ENDING = """\
[Service]
Type=notify
NotifyAccess=main
WatchdogSec=3s
LimitCORE=0
Restart=always
RestartSec=0
ExecStart={ends} start {folder} {name} {sdwd}
ExecStartPost=/usr/bin/touch {folder}/{name}.go
ExecStopPost=/bin/sh -c 'echo "$$SERVICE_RESULT $$EXIT_CODE $$EXIT_STATUS" >>{folder}/{name}.ends'
{lines}
[Unit]
StartLimitIntervalSec=0
"""

ENDING_LINES = {
    "process": "KillMode=process",
    "mixed": "KillMode=mixed",
    "group": "KillMode=control-group\nRuntimeDirectory=sdwd-soak",
}


class Soak:
    """@systemd: a private.Private; @build: the folder of the programs; @folder: the same one inside and outside."""

    def __init__(self, systemd, build, folder, is_long, say):
        self.systemd, self.sdwd, self.sdwdctl = systemd, build / "sdwd", build / "sdwdctl"
        self.folder, self.say, self.rows = folder, say, []
        self.turned, self.ended = {}, {}
        self.looks = None
        # 10 ms is the shortest interval that there is.
        self.is_long, self.often, self.seldom = is_long, *(("10ms", "40ms") if is_long else ("50ms", "200ms"))

    # Rows -------------------------------------------------------------------------------------------------------

    def row(self, name, start, end, is_good=None):
        self.rows.append((name, start, end, start == end if is_good is None else is_good))

    def table(self):
        def short(value):
            text = str(value)
            return text if len(text) <= 40 else text[:37] + "..."

        texts = [("row", "at start", "at end", "verdict")] + [
            (name, short(start), short(end), "as it was" if good and start == end else "good" if good else "DIFFERS")
            for name, start, end, good in self.rows]
        widths = [max(len(row[i]) for row in texts) for i in range(3)]
        return "\n".join("  ".join(t.ljust(w) for t, w in zip(row, [*widths, 0])).rstrip() for row in texts)

    def bad(self):
        return [row for row in self.rows if not row[3]]

    # What runs --------------------------------------------------------------------------------------------------

    def start(self):
        Authority(self.folder).issue("web", ["DNS:soak.test"])
        self.systemd.write("/etc/hosts", "127.0.0.1 localhost soak.test\n")
        self.systemd.run("mkdir", "-p", "-m", "1777", "/run/sdwd")
        (self.folder / "beats").touch()
        heap = self.folder / "heap.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", heap, HERE / "soak_heap.c"], check=True)
        words = {"heap": f'"LD_PRELOAD={heap}" "SOAK_HEAP={self.folder}/heap"', "sdwd": self.sdwd, "folder": self.folder, "server": SERVER, "ends": ENDS}
        self.looks = self.systemd.unit("soak-looks", LOOKS.format(
            often=self.often, seldom=self.seldom, http=PORT,
            https=PORT + 1, line=PORT + 2, grpc=PORT + 3, queue=PORT + 4, **words), reload=False)
        hook = f"--dump-signal=SIGUSR1 --dump-wait=1ms '--unhealthy-hook=echo $$$$ >>{self.folder}/hooked.hooks'"
        for i, (name, options) in enumerate({"plain": "", "hooked": hook}.items()):
            (self.folder / f"{name}.limit").write_text("0")
            self.turned[name] = self.systemd.unit(f"soak-{name}", TURNS.format(
                often="10ms" if self.is_long else "20ms", name=name, options=options, hooked=name if options else "", port=PORT + 5 + i, **words), reload=False)
        for name, lines in ENDING_LINES.items():
            for kind in "ways", "starts", "ends":
                (self.folder / f"{name}.{kind}").touch()
            self.ended[name] = self.systemd.unit(f"soak-{name}", ENDING.format(name=name, lines=lines, **words),
                                                 reload=False)
        self.systemd.daemon_reload()
        self.systemd.systemctl("start", self.looks, *self.turned.values(), *self.ended.values())
        self.plans = {name: itertools.cycle(self.ways_of(name, 9 * i)) for i, name in enumerate(self.ended)}

    @staticmethod
    def ways_of(name, offset):
        """Each begins with others; one that is killed leaves its child to die by itself, which takes a moment."""
        ways = [way for way in WAYS if way != "stay" and not (name == "process" and way == "sdwd-killed")]
        return ways[offset:] + ways[:offset]

    def go_on(self, turns, restarts):
        """Lets everybody do so much more: @turns and @restarts in all."""
        for name, share in ("plain", turns - turns // 10), ("hooked", turns // 10):
            path = self.folder / f"{name}.limit"
            new = path.with_suffix(".new")
            new.write_text(str(int(path.read_text()) + share // 2 * 2 + 2))
            new.rename(path)
        for name in self.ended:
            ways = ["stay", *itertools.islice(self.plans[name], math.ceil(restarts / len(self.ended)) - 1)]
            with open(self.folder / f"{name}.ways", "a", encoding="ascii") as file:
                file.write("".join(way + "\n" for way in ways))

    def lines(self, name):
        return (self.folder / name).read_text(encoding="utf-8").splitlines()

    def turns(self, name):
        return [int(word) for word in self.lines(f"{name}.turns")[0].split()]

    def count_looks(self):
        """By kind and verdict, of the service that is looked at in all ways."""
        count, signs = {}, {"heartbeat", "notify"}
        for line in self.systemd.run(self.sdwdctl, "metrics").stdout.splitlines():
            found = re.match(r'sdwd_probe_looks_total\{service="([^"]*)".*kind="([^"]*)",verdict="([^"]*)"\} (\d+)', line)
            if found and found[1] == self.looks and found[3] not in signs and found[2] not in signs:
                count[found[2], found[3]] = count.get((found[2], found[3]), 0) + int(found[4])
        return count

    def state(self):
        """What each has done, of how much."""
        turned = {name: (self.turns(name)[0], int((self.folder / f"{name}.limit").read_text())) for name in self.turned}
        ended = {name: (len(self.lines(f"{name}.ends")), len(self.lines(f"{name}.ways"))) for name in self.ended}
        return turned | ended

    def wait(self, looks):
        """Until all is done; what does nothing for two minutes is stuck."""
        last, since, told = None, time.monotonic(), time.monotonic()
        while True:
            state, count = self.state(), sum(self.count_looks().values())
            if count >= looks and all(done >= of for done, of in state.values()):
                break
            if (state, count) != last:
                last, since = (state, count), time.monotonic()
            assert time.monotonic() < since + 120, f"stuck: {state}, {count} looks"
            if time.monotonic() > told + 20:
                told = time.monotonic()
                self.say(f"{count} looks, {state}, load {os.getloadavg()[0]:.1f}")
            time.sleep(0.2)
        # The last ones have started again, and stay.
        for name, unit in self.ended.items():
            self.systemd.wait_state(unit, ActiveState="active", NRestarts=str(len(self.lines(f"{name}.ends"))))

    # What is measured -------------------------------------------------------------------------------------------

    def files(self):
        """Sockets and folders of sdwd, with their random parts left out."""
        found = self.systemd.run("sh", "-c", "find /run/sdwd /run/sdwd-soak -mindepth 1 2>/dev/null; "
                                 "find /tmp -maxdepth 1 -name 'sdwd-??????'; true").stdout.split()
        return sorted(re.sub(r"/sdwd-\w{6}(/[\w-]{12})?(?=/|$)", lambda m: "/sdwd-XXXXXX" + ("/NAME" if m[1] else ""), path)
                      for path in found)

    def measure(self, seconds, least=None):
        units = [self.looks, *self.turned.values(), *self.ended.values()]
        order = {"seconds": seconds, "units": units, "heap": str(self.folder / "heap"), "least": least,
                 "quiet": {unit: str(self.folder / f"{name}.still") for name, unit in self.turned.items()}}
        told = json.loads(self.systemd.run("python3", MEASURE, stdin=json.dumps(order), timeout=120).stdout)
        return told | {"files": self.files()}

    def compare(self, start, end):
        """What must be the same before and after."""
        names = {self.looks: "looks"} | {unit: name for name, unit in self.turned.items()}
        for unit, name in names.items():
            a, b = start["units"][unit], end["units"][unit]
            self.compare_one(name, a["main"], b["main"], SLACK_KIB, 0)
            if a["prober"]:
                self.compare_one(f"{name}: prober", a["prober"], b["prober"], PROBER_SLACK_KIB, PROBER_THREADS)
            self.row(f"{name}: timerfds", *(x["main"]["fds"].get("anon_inode:[timerfd]", 0) for x in (a, b)))
            if unit in self.turned.values():
                n, m = start["quiet"][unit], end["quiet"][unit]
                # A ping and a look at the process may be due.
                self.row(f"{name}: wake-ups in 3 quiet seconds", n, m, m <= QUIET_WAKES)
        for name, unit in self.ended.items():
            self.compare_fds(f"{name}: last sdwd", start["units"][unit]["main"], end["units"][unit]["main"])
        for unit, name in (names | {unit: name for name, unit in self.ended.items()}).items():
            x, y = start["units"][unit]["processes"], end["units"][unit]["processes"]
            self.row(f"{name}: processes", len(x), len(y), x == y)
        self.row("zombies, of anybody", start["zombies"], end["zombies"], end["zombies"] == 0)
        self.row("fds of systemd", *(sum(each["manager"].values()) for each in (start, end)))
        self.row("sockets and folders of sdwd", len(start["files"]), len(end["files"]), start["files"] == end["files"])

    def compare_fds(self, who, x, y):
        kinds = x["fds"].keys() | y["fds"].keys()
        self.row(f"{who}: fds", sum(x["fds"].values()), sum(y["fds"].values()),
                 all(y["fds"].get(kind, 0) <= x["fds"].get(kind, 0) for kind in kinds))

    def compare_one(self, who, x, y, slack, blocks):
        self.row(f"{who}: pid", x["pid"], y["pid"])
        self.compare_fds(who, x, y)
        for name, what, more in (("threads", "threads", 0), ("blocks", "malloc blocks", blocks),
                                 ("bytes", "malloc bytes", TABLES)):
            self.row(f"{who}: {what}", x[name], y[name], y[name] <= x[name] + more)
        for name, what in ("heap", "[heap]"), ("anonymous", "anonymous"), ("rss", "VmRSS"):
            self.row(f"{who}: {what} KiB", x[name], y[name], y[name] <= x[name] + slack)
        # They tell also of threads' stacks, and of other processes.
        for name, what in ("data", "VmData"), ("pss", "Pss"):
            self.row(f"{who}: {what} KiB (not judged)", x[name], y[name], True)

    # What came out ----------------------------------------------------------------------------------------------

    def words(self, unit, *properties):
        found = self.systemd.show(unit, *properties)
        return " ".join(found[name] for name in properties)

    def said(self, unit):
        """(MESSAGE_ID, MESSAGE) of each line."""
        done = self.systemd.run("journalctl", "-q", "-u", unit, "-o", "json", "--output-fields=MESSAGE_ID,MESSAGE",
                                timeout=300)
        entries = [json.loads(line) for line in done.stdout.splitlines()]
        return [(entry.get("MESSAGE_ID"), entry.get("MESSAGE")) for entry in entries]

    def check_looks(self, at_least, before):
        count = self.count_looks()
        self.row("looks", f">= {at_least}", sum(count.values()), sum(count.values()) >= at_least)
        for kind in sorted({kind for kind, _ in count}):
            self.row(f"  {kind}", "> 0", count.get((kind, "pass"), 0), count.get((kind, "pass"), 0) > 0)
        for verdict in "warn", "fail", "unknown":
            # Until the service has begun, looks fail.
            self.row(f"  {verdict}", *(sum(n for (_, v), n in each.items() if v == verdict) for each in (before, count)))
        edges = [m for i, m in self.said(self.looks) if i in (UNHEALTHY, RECOVERED)]
        self.row("  edges", 0, len(edges))
        for line in edges:
            self.say(line)

    def check_turns(self, at_least):
        self.systemd.run("journalctl", "--sync", check=False)
        total = sum(self.turns(name)[0] for name in self.turned)
        self.row("changes of state", f">= {at_least}", total, total >= at_least)
        for name, unit in self.turned.items():
            (turns, dumps), said = self.turns(name), self.said(unit)
            edges = [i for i, _ in said if i in (UNHEALTHY, RECOVERED)]
            self.row(f"  {name}: logged ill", turns // 2, edges.count(UNHEALTHY))
            self.row(f"  {name}: logged well", turns // 2, edges.count(RECOVERED))
            self.row(f"  {name}: by turns", True, edges == [UNHEALTHY, RECOVERED] * (turns // 2))
            self.row(f"  {name}: state", "running healthy",
                     self.words(unit, "SubState", "StatusText"))
            self.row(f"  {name}: restarts", "0", self.systemd.show(unit, "NRestarts"))
            if name == "hooked":
                self.row("  hooked: hooks", turns, len(self.lines("hooked.hooks")))
                self.row("  hooked: dump signals", turns // 2, dumps)

    def check_ends(self, at_least):
        total, wrong, ways = 0, [], {}
        for name, unit in self.ended.items():
            starts, ends = self.lines(f"{name}.starts"), self.lines(f"{name}.ends")
            total += len(ends)
            for i, (way, end) in enumerate(zip(starts, ends)):
                counts = ways.setdefault(way, [0, 0])
                counts[0] += 1
                counts[1] += end == WAYS[way]
                if end != WAYS[way]:
                    wrong.append(f"{name} {i}: {way}: {end}, not {WAYS[way]}")
            self.row(f"restarts of {name} (NRestarts=)", len(ends), int(self.systemd.show(unit, "NRestarts")))
            self.row("  starts as planned", True, starts == [*self.lines(f"{name}.ways"), "stay"])
            self.row("  left-over processes in the journal", 0,
                     sum("left-over process" in str(m) for m in self.systemd.messages(unit)))
        self.row("restarts", f">= {at_least}", total, total >= at_least)
        for way, (n, good) in sorted(ways.items()):
            self.row(f"  {way}: {WAYS[way]}", n, good)
        for line in wrong[:20]:
            self.say(line)

    def stop(self):
        """All of them, and what is there then."""
        units = [self.looks, *self.turned.values(), *self.ended.values()]
        self.systemd.systemctl("stop", *units)
        for unit in units:
            self.row(f"{unit}: after its stop", "inactive success",
                     self.words(unit, "ActiveState", "Result"))
        self.row("sockets and folders after the stop", 0, len(self.files()))
        left = self.systemd.run("sh", "-c", "cat /sys/fs/cgroup/system.slice/*soak*/cgroup.procs 2>/dev/null | wc -l").stdout
        self.row("processes after the stop", 0, int(left))

    # All of it --------------------------------------------------------------------------------------------------

    def run(self, looks, changes, restarts):
        """table() tells what came out, and bad() what is not as expected."""
        began = time.strftime("%F %T"), os.getloadavg()
        seconds = 5 if self.is_long else 1
        self.start()
        self.go_on(min(100, changes // 4), min(3 * len(WAYS), restarts // 3))
        self.wait(looks // 5)
        start, before = self.measure(seconds), self.count_looks()
        self.go_on(changes, restarts)
        self.wait(looks)
        end = self.measure(seconds, start)
        self.compare(start, end)
        self.check_looks(looks, before)
        self.check_turns(changes)
        self.check_ends(restarts)
        self.stop()
        self.say(f"{began[0]} to {time.strftime('%F %T')}, load {began[1][0]:.1f} and {os.getloadavg()[0]:.1f}")
