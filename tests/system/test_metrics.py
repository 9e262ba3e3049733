# SPDX-License-Identifier: MIT
"""sdwdctl metrics: what it says of each instance, in both formats, and the file that others read meanwhile."""

import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as open_parser

import instances
from instances import ALONE


@pytest.fixture
def farm(tmp_path):
    made = instances.Farm(tmp_path / "run" / "sdwd")
    yield made
    made.close()


@pytest.fixture
def metrics(build, tmp_path):
    """Runs sdwdctl metrics; returns its CompletedProcess."""
    def run(*options, env=None, **how):
        full = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path / "run")} | (env or {})
        return subprocess.run([*ALONE, build / "sdwdctl", "metrics", *map(str, options)], env=full, timeout=120,
                              capture_output=True, text=True, check=False, **how)
    return run


def samples(text, parse=text_parser.text_string_to_metric_families):
    """(name, labels) -> value; fails where there are two."""
    found = {}
    for family in parse(text):
        for one in family.samples:
            key = (one.name, frozenset(one.labels.items()))
            assert key not in found, key
            found[key] = one.value
    return found


def value(found, name, service=None, **labels):
    """The one sample of @name with these labels, or None."""
    wanted = labels | ({"service": service} if service is not None else {})
    fitting = [v for (n, have), v in found.items() if n == name and wanted.items() <= dict(have).items()]
    assert len(fitting) <= 1, fitting
    return fitting[0] if fitting else None


def promtool_likes(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60,
                          check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, ""), text


def test_what_it_says_of_an_instance(metrics, farm):
    look = instances.probe(
        "front", kind="http", optional=True, state="unhealthy", drilled=True, fails=7, ageUsec=2500000,
        looks={"pass": 11, "warn": 2, "fail": 7, "unknown": 1},
        latency={"buckets": [{"le": 1000, "n": 4}, {"le": 250000, "n": 9}, {"le": 4000000, "n": 13},
                             {"le": None, "n": 21}], "sumUsec": 65000001})
    beat = instances.probe("beat", kind="heartbeat", latency=None, ageUsec=None, latencyUsec=None)
    farm.add(instances.status(
        "web.service", look, beat, state="unhealthy", health="degraded", process="traced", paused=True,
        hasWatchdog=False, watchdogUsec=12500000, pings=345, stalls=6, stallUsec=1234567, proberRestarts=2,
        startedUsec=3600000000, stateUsec=60000000, lastPingUsec=3000000))
    before = time.time()
    done = metrics()
    after = time.time()
    assert (done.returncode, done.stderr) == (0, "")
    found = samples(done.stdout)
    plain = {
        "sdwd_up": 1, "sdwd_pid": os.getpid(), "sdwd_paused": 1, "sdwd_watchdog_enabled": 0,
        "sdwd_watchdog_timeout_seconds": 12.5, "sdwd_pings_total": 345, "sdwd_stalls_total": 6,
        "sdwd_stall_seconds_total": 1.234567, "sdwd_prober_restarts_total": 2, "sdwd_info": 1,
    }
    assert {name: value(found, name, "web.service") for name in plain} == plain
    assert value(found, "sdwd_info", version="0.1.0") == 1
    assert value(found, "sdwd_instances") == 1 and value(found, "sdwd_instances_failed") == 0
    for name, age in [("sdwd_start_time_seconds", 3600), ("sdwd_state_start_time_seconds", 60),
                      ("sdwd_last_ping_timestamp_seconds", 3)]:
        assert before - age - 0.001 <= value(found, name) <= after - age + 0.001, name
    for name, label, words, one in [
            ("sdwd_state", "state", ["launching", "starting", "running", "unhealthy", "stopping"], "unhealthy"),
            ("sdwd_health", "health", ["healthy", "degraded", "unhealthy"], "degraded"),
            ("sdwd_process_state", "state", ["running", "traced", "stopped"], "traced")]:
        told = {dict(labels)[label]: v for (n, labels), v in found.items() if n == name}
        assert told == {word: float(word == one) for word in words}
    front = {"probe": "front", "kind": "http"}
    plain = {"sdwd_probe_up": 0, "sdwd_probe_optional": 1, "sdwd_probe_drilled": 1,
             "sdwd_probe_consecutive_failures": 7, "sdwd_probe_look_duration_seconds_sum": 65.000001,
             "sdwd_probe_look_duration_seconds_count": 21}
    assert {name: value(found, name, **front) for name in plain} == plain
    assert before - 2.501 <= value(found, "sdwd_probe_last_look_timestamp_seconds", **front) <= after - 2.499
    told = {dict(labels)["verdict"]: v for (n, labels), v in found.items()
            if n == "sdwd_probe_looks_total" and dict(labels)["probe"] == "front"}
    assert told == {"pass": 11, "warn": 2, "fail": 7, "unknown": 1}
    told = {dict(labels)["le"]: v for (n, labels), v in found.items()
            if n == "sdwd_probe_look_duration_seconds_bucket"}
    assert told == {"0.001": 4, "0.25": 9, "4.0": 13, "+Inf": 21}, "and none of what is not looked at"
    assert value(found, "sdwd_probe_up", probe="beat", kind="heartbeat") == 1
    assert value(found, "sdwd_probe_last_look_timestamp_seconds", probe="beat") is None
    promtool_likes(done.stdout)


def test_both_formats_are_what_they_say(metrics, farm):
    """Prometheus' own tool, and a strict parser of OpenMetrics; each finds the same, and refuses the other."""
    farm.add("one.service")
    farm.add(instances.unwell("two"))
    texts = {name: metrics(f"--format={name}").stdout for name in ("prometheus", "openmetrics")}
    assert metrics().stdout.splitlines()[:2] == texts["prometheus"].splitlines()[:2], "the default"
    promtool_likes(texts["prometheus"])
    as_text = samples(texts["prometheus"])
    as_open = samples(texts["openmetrics"], open_parser.text_string_to_metric_families)
    assert set(as_text) == set(as_open) and len(as_text) > 60
    assert "# TYPE sdwd info\n" in texts["openmetrics"] and "# TYPE sdwd_pings counter\n" in texts["openmetrics"]
    assert "# TYPE sdwd_info gauge\n" in texts["prometheus"]
    assert "# TYPE sdwd_pings_total counter\n" in texts["prometheus"]
    for text in texts.values():
        assert text.endswith("\n# EOF\n")
        names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        assert len(names) == len(set(names)), "all samples of a family stand together"
    with pytest.raises(ValueError):
        samples(texts["prometheus"], open_parser.text_string_to_metric_families)


def test_without_an_instance_there_is_a_zero(metrics):
    done = metrics()
    assert (done.returncode, done.stderr) == (0, "")
    assert samples(done.stdout) == {("sdwd_instances", frozenset()): 0, ("sdwd_instances_failed", frozenset()): 0}
    promtool_likes(done.stdout)
    samples(metrics("--format=openmetrics").stdout, open_parser.text_string_to_metric_families)


def test_any_label_is_only_a_text(metrics, farm):
    labels = ['say "hi"', "back\\slash", 'a",unit="b', "{}#", "Grüße", "\\n"]
    for number, label in enumerate(labels):
        farm.add(instances.status(label, instances.probe(label)), name=f"n{number}")
    farm.add(instances.status("two\nlines\x1b[2J"), name="control")
    done = metrics()
    promtool_likes(done.stdout)
    found = samples(done.stdout)
    for label in labels:
        assert value(found, "sdwd_up", label) == 1
        assert value(found, "sdwd_probe_up", label, probe=label) == 1
    assert value(found, "sdwd_up", "two?lines?[2J") == 1
    assert len(list(open_parser.text_string_to_metric_families(metrics("--format=openmetrics").stdout))) > 20


@pytest.mark.parametrize("what, changes", {
    "numbers": {"pings": -1, "stalls": "six", "startedUsec": 2**63 - 1, "pid": os.getpid(), "stallUsec": None,
                "lastPingUsec": 1.5, "watchdogUsec": [1]},
    "words": {"state": "dreaming", "health": None, "process": {"a": 1}, "paused": "yes"},
    "no probes": {"probes": None},
    "probes of no kind": {"probes": [1, None, [], {}, "x"]},
    "twice the same probe": {"probes": [instances.probe("a"), instances.probe("a", state="unhealthy")]},
    "a thousand probes": {"probes": [instances.probe(f"p{n}", history=[]) for n in range(1000)]},
    "buckets that fall": {"probes": [instances.probe(latency={"sumUsec": 1, "buckets": [
        {"le": 5, "n": 9}, {"le": 9, "n": 1}, {"le": None, "n": 9}]})]},
    "a bound twice": {"probes": [instances.probe(latency={"sumUsec": 1, "buckets": [
        {"le": 5, "n": 1}, {"le": 5, "n": 2}, {"le": None, "n": 9}]})]},
    "no last bucket": {"probes": [instances.probe(latency={"sumUsec": 1, "buckets": [{"le": 5, "n": 1}]})]},
    "no sum": {"probes": [instances.probe(latency={"buckets": [{"le": None, "n": 1}]})]},
    "texts": {"version": "\x00\x00", "unit": None, "probes": [instances.probe("\u202e\x00\"", kind="\\")]},
}.items(), ids=lambda it: it if isinstance(it, str) else "")
def test_who_lies_spoils_nothing(metrics, farm, what, changes):
    """Whatever one instance answers, the text can be read, and the others are told."""
    farm.add("good.service")
    farm.add(instances.status("liar", **changes))
    done = metrics()
    assert done.returncode == 0
    promtool_likes(done.stdout)
    found = samples(done.stdout)
    assert value(found, "sdwd_up", "good.service") == 1
    assert value(found, "sdwd_probe_look_duration_seconds_count", "good.service") == 9
    if "bucket" in what or "bound" in what or "sum" in what:
        assert value(found, "sdwd_probe_look_duration_seconds_count", "liar") is None
    assert len([1 for name, _ in found if name == "sdwd_probe_up"]) <= 65
    samples(metrics("--format=openmetrics").stdout, open_parser.text_string_to_metric_families)


def test_who_does_not_answer_is_down_and_holds_nobody_up(metrics, farm):
    farm.add("good")
    farm.add("hangs", mode="silent")
    farm.add("floods", mode="endless")
    farm.add(instances.status("liar", pid=1))
    farm.add("gone", mode="stale")
    done = metrics("--timeout=3s")
    assert done.returncode == 0
    assert sorted(line.split(": ")[2].split("/")[-1] for line in done.stderr.splitlines()) == ["floods", "hangs", "liar"]
    found = samples(done.stdout)
    assert {dict(labels)["service"]: v for (n, labels), v in found.items() if n == "sdwd_up"} == {
        "good": 1, "hangs": 0, "floods": 0, "liar": 0}
    assert value(found, "sdwd_instances") == 1 and value(found, "sdwd_instances_failed") == 3
    assert value(found, "sdwd_pings_total", "hangs") is None
    promtool_likes(done.stdout)


# A farm of one process, which tells its pid when it stands, and ends with its input.
OTHER_FARM = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
if sys.argv[3] != "0":
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[3]))
import instances
farm = instances.Farm(Path(sys.argv[2]))
for word in sys.argv[4:]:
    name, label = word.split("=")
    farm.add(label, name=name)
print(os.getpid(), flush=True)
sys.stdin.read()
farm.close()
"""


@pytest.fixture
def other_farm():
    """Starts farms that are processes of their own: other_farm(folder, "name=label", ..., uid=0) returns the pid."""
    made = []

    def make(folder, *words, uid=0):
        process = subprocess.Popen([sys.executable, "-c", OTHER_FARM, Path(__file__).parent, folder, str(uid), *words],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        made.append(process)
        return int(process.stdout.readline())

    yield make
    for process in made:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def test_twins_are_told_apart_by_their_pid(metrics, farm, other_farm):
    """Two of the same label are two series; one process with two sockets is one."""
    other = other_farm(farm.folder, "web-2=web", "api-2=api")
    farm.add("web")
    farm.add("web", name="web-3")
    farm.add("single")
    done = metrics()
    promtool_likes(done.stdout)
    found = samples(done.stdout)
    told = {(dict(labels)["service"], dict(labels).get("pid")) for name, labels in found if name == "sdwd_up"}
    assert told == {("web", str(other)), ("web", str(os.getpid())), ("api", None), ("single", None)}
    assert value(found, "sdwd_instances") == 4 and value(found, "sdwd_instances_failed") == 1


def test_a_user_cannot_fill_the_database(metrics, other_farm):
    """Of what users start by themselves only so many are told; root's own are told all."""
    folder = Path(tempfile.mkdtemp(prefix="sdwd-metrics-"))
    try:
        folder.chmod(0o755)
        (folder / "sdwd").mkdir()
        (folder / "sdwd").chmod(0o1777)
        other_farm(folder / "sdwd", *[f"u{n}=u{n}" for n in range(70)], uid=65534)
        other_farm(folder / "sdwd", *[f"r{n}=r{n}" for n in range(70)])
        found = samples(metrics(env={"XDG_RUNTIME_DIR": str(folder)}).stdout)
        told = [dict(labels)["service"] for name, labels in found if name == "sdwd_up"]
        assert len([label for label in told if label[0] == "r"]) == 70
        assert len([label for label in told if label[0] == "u"]) == 64
        assert value(found, "sdwd_instances_failed") == 6
    finally:
        for path in (folder / "sdwd").iterdir():
            path.unlink()
        shutil.rmtree(folder)


def test_each_is_in_the_manual_page(metrics, farm):
    farm.add("one")
    page = (Path(__file__).resolve().parents[2] / "man" / "sdwdctl.1").read_text(encoding="utf-8")
    told = [line.split()[2] for line in metrics().stdout.splitlines() if line.startswith("# TYPE")]
    listed = [name for line in re.findall(r"^\.It (sdwd_.*)", page, re.MULTILINE) for name in line.split(" , ")]
    assert listed == told


# The file --------------------------------------------------------------------------------------------------------------


def test_the_file_is_there_as_a_whole(metrics, farm, tmp_path):
    """Whoever reads while it is written again and again sees one text or the next, never a part."""
    for number in range(20):
        farm.add(f"service-{number}")
    folder = tmp_path / "textfile"
    folder.mkdir()
    path = folder / "sdwd.prom"
    done = metrics(f"--textfile={path}", umask=0o077)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    seen, parts, is_over = set(), [], threading.Event()

    def read():
        while not is_over.is_set():
            with open(path, encoding="utf-8") as file:
                seen.add(os.fstat(file.fileno()).st_ino)
                text = file.read()
            if not text.startswith("# HELP sdwd_instances ") or not text.endswith("\n# EOF\n"):
                parts.append(text)
            parts.extend(name for name in os.listdir(folder) if name.endswith(".prom") and name != "sdwd.prom")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(20):
            assert metrics("--textfile", path).returncode == 0
    finally:
        is_over.set()
        reader.join()
    assert not parts, parts[:1]
    assert len(seen) >= 2, "another file each time"
    assert os.listdir(folder) == ["sdwd.prom"]
    assert value(samples(path.read_text(encoding="utf-8")), "sdwd_instances") == 20


def test_the_new_one_takes_the_place_of_whatever_had_the_name(metrics, farm, tmp_path):
    """A link of that name is replaced, and what it led to is left as it was."""
    farm.add("one")
    victim, path = tmp_path / "victim", tmp_path / "sdwd.prom"
    victim.write_text("mine\n", encoding="utf-8")
    path.symlink_to(victim)
    assert metrics("--textfile=sdwd.prom", cwd=tmp_path).returncode == 0
    assert victim.read_text(encoding="utf-8") == "mine\n"
    assert not path.is_symlink() and "sdwd_instances 1\n" in path.read_text(encoding="utf-8")


def _limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


FULL = [*ALONE[:-2], 'mount -t tmpfs none /run && mount -t tmpfs -o size=8k none "$D" && echo old >"$D/sdwd.prom" && '
        '{ "$@"; s=$?; ls -A "$D"; cat "$D/sdwd.prom"; exit $s; }', "sh"]


def test_what_cannot_be_written_leaves_the_old_one(metrics, build, farm, tmp_path):
    for number in range(20):
        farm.add(f"service-{number}")
    folder = tmp_path / "textfile"
    folder.mkdir()
    path = folder / "sdwd.prom"
    path.write_text("old\n", encoding="utf-8")

    def fails(done, *words):
        assert done.returncode == 3 and done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("sdwdctl: metrics: ") and all(word in done.stderr for word in words), done.stderr
        assert os.listdir(folder) == ["sdwd.prom"] and path.read_text(encoding="utf-8") == "old\n"

    fails(metrics(f"--textfile={path}", preexec_fn=_limit_file_size), str(path), "File too large")
    fails(metrics("--textfile=/nowhere/sdwd.prom"), "/nowhere/sdwd.prom", "No such file or directory")
    fails(metrics(f"--textfile={folder}"), str(folder), "Is a directory")
    # Beside a folder that has the name nothing is left either.
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    done = subprocess.run([*FULL, build / "sdwdctl", "metrics", f"--textfile={path}"], capture_output=True, text=True,
                          env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "D": str(folder)}, timeout=120,
                          check=False)
    assert done.stdout == "sdwd.prom\nold\n"
    fails(done, str(path), "No space left on device")


def test_a_stop_leaves_nothing_beside_it(metrics, build, farm, tmp_path):
    """SIGTERM comes at any moment, also between the file's making and its taking its place."""
    for number in range(50):
        farm.add(f"service-{number}")
    folder = tmp_path / "textfile"
    folder.mkdir()
    env = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path / "run")}
    ends = set()
    for _ in range(40):
        process = subprocess.Popen([build / "sdwdctl", "metrics", f"--textfile={folder}/sdwd.prom"], env=env,
                                   stderr=subprocess.DEVNULL)
        # As soon as something is there, whatever its name, or the end.
        while process.poll() is None and not os.listdir(folder):
            pass
        process.send_signal(signal.SIGTERM)
        ends.add(process.wait(60))
        assert os.listdir(folder) in ([], ["sdwd.prom"])
        for name in os.listdir(folder):
            assert (folder / name).read_text(encoding="utf-8").endswith("# EOF\n")
            (folder / name).unlink()
    assert ends <= {0, -signal.SIGTERM}


def test_a_full_disk_at_the_standard_output_is_told(build, farm, tmp_path):
    farm.add("one")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([build / "sdwdctl", "metrics"], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path / "run")}, timeout=60, check=False)
    assert done.returncode == 3 and "cannot write to the standard output" in done.stderr


@pytest.mark.parametrize("words", [["web"], ["--format=xml"], ["--textfile="], ["--textfile"], ["--timeout=0"]])
def test_wrong_words_are_one_line(build, words):
    done = subprocess.run([build / "sdwdctl", "metrics", *words], capture_output=True, text=True, timeout=60,
                          check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("sdwdctl: metrics: ")
