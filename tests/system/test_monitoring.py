# SPDX-License-Identifier: MIT
"""
What is shipped for Prometheus and Grafana: the alert rules by promtool, and the whole way with Debian's own programs:
instances, sdwdctl metrics, node_exporter, Prometheus, an alert.
"""

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

import instances
from instances import ALONE
from puppet import wait_until

TOP = Path(__file__).resolve().parents[2]
MONITORING = TOP / "units" / "examples" / "monitoring"
RULES = MONITORING / "sdwd.rules.yml"
PATIENCE_SECONDS = 90


def promtool(*words):
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def alerts():
    return re.findall(r"^  - alert: (\w+)$", RULES.read_text(encoding="utf-8"), re.MULTILINE)


def test_promtool_accepts_the_rules():
    status, said = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert status == 0 and f"{len(alerts())} rules found" in said, said


def test_each_rule_fires_when_it_should_and_not_before():
    path = Path(__file__).parent / "sdwd.rules.test.yml"
    text = path.read_text(encoding="utf-8")
    for alert in alerts():
        cases = re.findall(rf"alertname: {alert}(, exp_alerts: \[\])?", text)
        assert "" in cases and ", exp_alerts: []" in cases, f"{alert}: one case where it fires, one where it does not"
    status, said = promtool("test", "rules", path)
    assert status == 0, said


# The real programs -----------------------------------------------------------------------------------------------------


class Server:
    """A program that listens on a port of its own choice, which it tells in its log."""

    def __init__(self, log, *command):
        self._log = log
        with open(log, "wb") as file:
            self._process = subprocess.Popen(list(map(str, command)), stdout=file, stderr=file, cwd=log.parent)

    def address(self):
        def look():
            assert self._process.poll() is None, self.said()
            return re.search(r'msg="Listening on".* address=(127\.0\.0\.1:\d+)', self.said())
        return wait_until(look, f"address in {self._log.name}", PATIENCE_SECONDS)[1]

    def said(self):
        return self._log.read_text(encoding="utf-8", errors="replace")

    def close(self):
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return reply.read().decode()


@pytest.fixture
def start(tmp_path):
    made = []

    def make(name, *command):
        made.append(Server(tmp_path / f"{name}.log", *command))
        return made[-1]

    yield make
    for one in reversed(made):
        one.close()


@pytest.fixture
def farm(tmp_path):
    made = instances.Farm(tmp_path / "run" / "sdwd")
    yield made
    made.close()


@pytest.fixture
def write(build, tmp_path):
    """Does what sdwd-metrics.service does."""
    folder = tmp_path / "textfile"
    folder.mkdir()

    def run():
        done = subprocess.run([*ALONE, build / "sdwdctl", "metrics", f"--textfile={folder}/sdwd.prom"], capture_output=True,
                              env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path / "run")}, text=True, timeout=60,
                              check=False)
        assert done.returncode == 0, done.stderr
    return run


@pytest.fixture
def exporter(start, tmp_path, write):
    return start("exporter", "prometheus-node-exporter", "--web.listen-address=127.0.0.1:0",
                 "--collector.disable-defaults", "--collector.textfile",
                 f"--collector.textfile.directory={tmp_path / 'textfile'}").address()


PROMETHEUS = """\
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: ["%s"]
scrape_configs:
- job_name: node
  static_configs:
  - targets: ["%s"]
"""


@pytest.fixture
def prometheus(start, tmp_path, exporter):
    """A real Prometheus with the rules as they are shipped, but that no alert waits longer than a second. Its API."""
    rules = tmp_path / "sdwd.rules.yml"
    rules.write_text(re.sub(r"^    for: \w+$", "    for: 1s", RULES.read_text(encoding="utf-8"), flags=re.MULTILINE),
                     encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(PROMETHEUS % (rules, exporter), encoding="utf-8")
    address = start("prometheus", "prometheus", f"--config.file={tmp_path / 'prometheus.yml'}",
                    f"--storage.tsdb.path={tmp_path / 'tsdb'}", "--web.listen-address=127.0.0.1:0").address()

    def is_ready():
        try:
            return "Ready" in fetch(f"http://{address}/-/ready")
        except urllib.error.HTTPError:
            return False

    wait_until(is_ready, "Prometheus that is ready", PATIENCE_SECONDS)
    return lambda path, **words: json.loads(fetch(f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(words)}"))


def firing(prometheus):
    """(alert, service) of what is firing now."""
    return {(one["labels"]["alertname"], one["labels"].get("service"))
            for one in prometheus("alerts")["data"]["alerts"] if one["state"] == "firing"}


def test_node_exporter_serves_what_metrics_writes(farm, write, exporter, tmp_path):
    """Each sample, as it was written; nothing that it could not read."""
    farm.add(instances.status('say "hi"\\', instances.probe("a\\b")))
    farm.add(instances.unwell("db"))
    write()
    served = fetch(f"http://{exporter}/metrics").splitlines()
    assert "node_textfile_scrape_error 0" in served
    told = (tmp_path / "textfile" / "sdwd.prom").read_text(encoding="utf-8").splitlines()

    def parts(lines):
        """Name and labels of each sample, however the labels are ordered."""
        return {(re.match(r"\w+", line)[0], tuple(sorted(re.findall(r'\w+="(?:\\.|[^"\\])*"', line))))
                for line in lines if line.startswith("sdwd")}

    # An le is a number, which Go writes in its own way.
    def numbers(samples):
        return {(name, tuple(sorted(re.sub(r'^le="([0-9.]+)"$', lambda m: f'le="{float(m[1])}"', label)
                                    for label in labels))) for name, labels in samples}

    assert numbers(parts(told)) == numbers(parts(served)) and len(parts(told)) > 60
    types = {line for line in served if line.startswith("# TYPE sdwd")}
    assert types == {line for line in told if line.startswith("# TYPE sdwd")}


def test_an_unwell_service_is_an_alert(farm, write, prometheus):
    """From the instance to the alert that fires, and back when it is well."""
    farm.add("web.service")
    db = farm.add(instances.unwell("db.service"))

    def fires():
        write()
        found = firing(prometheus)
        return found if ("SdwdServiceUnhealthy", "db.service") in found else None

    found = wait_until(fires, "alert", PATIENCE_SECONDS)
    assert not [one for one in found if one[1] == "web.service"], found
    well = instances.status("db.service")
    db.change(**{key: well[key] for key in ("state", "health", "culprit", "statusText", "probes")})

    def is_over():
        write()
        return not [one for one in firing(prometheus) if one[1] == "db.service"]

    wait_until(is_over, "end of the alert", PATIENCE_SECONDS)
    # Nothing else was wrong meanwhile: the metrics are fresh and readable.
    assert firing(prometheus) == set()


def test_metrics_that_are_not_written_any_more_are_an_alert(farm, write, prometheus, tmp_path):
    farm.add("web.service")
    write()
    old = time.time() - 3600
    os.utime(tmp_path / "textfile" / "sdwd.prom", (old, old))
    wait_until(lambda: ("SdwdMetricsStale", None) in firing(prometheus), "alert", PATIENCE_SECONDS)
    (tmp_path / "textfile" / "sdwd.prom").write_text("no metrics\n", encoding="utf-8")
    wait_until(lambda: ("SdwdMetricsRefused", None) in firing(prometheus), "alert", PATIENCE_SECONDS)


def expressions():
    """Each query of the dashboard, with its variables set."""
    board = json.loads((MONITORING / "sdwd.dashboard.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            text = target["expr"]
            for name, value in [("$__rate_interval", "1m"), ("$instance", ".*"), ("$service", ".*")]:
                text = text.replace(name, value)
            yield panel["title"], text


def test_the_dashboard_asks_what_there_is(farm, write, prometheus):
    """Each of its queries is answered, and each of those that ask of a moment has something to show."""
    farm.add(instances.unwell("db.service"))
    farm.add("web.service")
    write()

    def has_scraped():
        return prometheus("query", query="count(sdwd_up) == 2")["data"]["result"]

    wait_until(has_scraped, "scrape", PATIENCE_SECONDS)
    # Rates need a second sample.
    wait_until(lambda: prometheus("query", query="rate(sdwd_pings_total[1m])")["data"]["result"], "rate",
                         PATIENCE_SECONDS)
    asked = list(expressions())
    assert len(asked) >= 15
    for title, text in asked:
        assert "$" not in text, text
        answer = prometheus("query", query=text)
        assert answer["status"] == "success", title
        assert answer["data"]["result"] or title == "Old metrics", f"{title}: nothing for {text}"
    unhealthy = next(text for title, text in asked if title == "Unhealthy")
    assert prometheus("query", query=unhealthy)["data"]["result"][0]["value"][1] == "1"


def test_panels_do_not_lie_over_each_other():
    board = json.loads((MONITORING / "sdwd.dashboard.json").read_text(encoding="utf-8"))
    taken = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


BEATS = ["sh", "-c", 'while :; do echo >&"$SDWD_HEARTBEAT_FD"; sleep 0.1; done']


def test_an_unwell_service_of_a_real_sdwd_is_an_alert(sdwd, write, prometheus, tmp_path):
    """The same without anything that plays an instance; and what it says of its looks is what it did."""
    good = tmp_path / "good"
    good.touch()
    env = {"XDG_RUNTIME_DIR": str(tmp_path / "run")}
    (tmp_path / "run").mkdir()
    sdwd("--label=web.service", "--heartbeat", "--silence=5s", command=BEATS, env=env, watchdog=60)
    db = sdwd("--label=db.service", f"--exec=test -e {good}", "--name=check", "--interval=100ms", "--fall=2",
              "--on-unhealthy=warn", env=env, watchdog=60)

    def value(text):
        found = prometheus("query", query=text)["data"]["result"]
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def both_run():
        write()
        return value('sum(sdwd_state{state="running"})') == 2 and firing(prometheus) == set()

    wait_until(both_run, "two that run", PATIENCE_SECONDS)
    good.unlink()

    def fires():
        write()
        return ("SdwdServiceUnhealthy", "db.service") in firing(prometheus)

    wait_until(fires, "alert", PATIENCE_SECONDS)
    assert value('sdwd_probe_up{probe="check", kind="exec"}') == 0
    assert value('sdwd_probe_up{probe="heartbeat", kind="heartbeat"}') == 1
    assert value('sdwd_pid{service="db.service"}') == db.pid
    assert value('sdwd_probe_looks_total{probe="check", verdict="fail"}') >= 2
    # In one query, so that all are of one answer.
    looks = 'sum(sdwd_probe_looks_total{probe="check"})'
    for other in ("_count{", '_bucket{le="+Inf", '):
        assert value(f'{looks} - sum(sdwd_probe_look_duration_seconds{other}probe="check"}})') == 0
    assert abs(value('time() - sdwd_start_time_seconds{service="db.service"}') -
               (time.monotonic() - db.started_at)) < PATIENCE_SECONDS
    assert value('sdwd_watchdog_timeout_seconds{service="web.service"}') == 60
    assert value('sdwd_watchdog_enabled{service="web.service"}') == 1
    good.touch()

    def is_over():
        write()
        return firing(prometheus) == set()

    wait_until(is_over, "end of the alert", PATIENCE_SECONDS)
