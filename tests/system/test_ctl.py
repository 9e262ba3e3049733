# SPDX-License-Identifier: MIT
"""sdwdctl status, pause, resume and drill against servers that play instances, honest and other ones."""

import json
import os
import re
import resource
import socket

import pytest

from ctl import ctl  # pylint: disable=unused-import
from instances import look, probe, status, unwell

HOUR = 3600 * 1000000
NOBODY = 65534

# pylint: disable=redefined-outer-name


def table(done):
    """The rows as lists of cells, without the head; columns are at least two blanks apart."""
    return [re.split(r" {2,}", line.rstrip()) for line in done.lines[1:] if not line.startswith(" ")]


def labels(done):
    return [row[0] for row in table(done)]


def test_the_table(ctl):
    ctl.farm.add(status(
        "web", probe("http", cause="ok", latencyUsec=312000, fails=0, fall=3,
                     history=[look(us=1000), look(us=80000), look("warn", 40000), look("fail", 900000), look("unknown")]),
        probe("beat", latencyUsec=None, history=[], optional=True), stateUsec=7 * HOUR))
    done = ctl("status")
    assert done.lines == [
        "LABEL  UNIT  STATE    FOR  HEALTH   PROBE  CAUSE  LATENCY  FAILS  LOOKS",
        "web    -     running  7h   healthy  http   ok     312ms    0/3    ▁█▄×?",
        "                                    beat   ok     -        0/3"]
    assert done.stderr == ""
    assert done.returncode == 0


def test_what_is_not_well_says_why(ctl):
    ctl.farm.add(unwell("web"))
    done = ctl("status")
    assert table(done)[0][2:] == ["unhealthy", "5min", "unhealthy", "http", "read-timeout", "4.8s", "3/3", "▁▁×××"]
    assert done.lines[2:] == ["  unhealthy: http: no complete answer within 4.8s"]
    assert done.returncode == 1


def test_a_service_without_probes_shows_its_process(ctl):
    bare = ctl.farm.add(status("web"))
    bare.change(probes=[])
    assert table(ctl("status"))[0][5:] == ["process", "running", "-", "-"]
    bare.change(probes=[probe("http")], process="stopped")
    assert ctl("status").lines[2].split() == ["process", "stopped", "-", "-"]


def test_who_starts_is_not_called_healthy(ctl):
    one = ctl.farm.add(status("web", state="starting"))
    assert table(ctl("status"))[0][2:5:2] == ["starting", "-"]
    one.change(probes=[probe(drilled=True)])
    assert table(ctl("status"))[0][2:5:2] == ["starting", "-"]
    one.change(state="stopping")
    assert table(ctl("status"))[0][2:5:2] == ["stopping", "healthy"]


def test_the_unwell_come_first(ctl):
    ctl.farm.add("a-well")
    ctl.farm.add("b-well")
    ctl.farm.add(status("c-paused", paused=True, pausedLeftUsec=HOUR))
    ctl.farm.add(status("d-starting", state="starting"))
    ctl.farm.add(status("e-drilled", probe(drilled=True)))
    ctl.farm.add(status("f-degraded", health="degraded", statusText="degraded: http"))
    ctl.farm.add(unwell("g-unwell"))
    ctl.farm.add(unwell("a-unwell"))
    done = ctl("status")
    assert labels(done) == ["a-unwell", "g-unwell", "f-degraded", "e-drilled", "d-starting", "c-paused", "a-well", "b-well"]
    assert [item["label"] for item in json.loads(ctl("status", "--json").stdout)] == labels(done)


@pytest.mark.parametrize("answer, expected", [
    (status("x"), 0),
    (status("x", health="degraded"), 0),
    (status("x", state="starting"), 0),
    (status("x", state="stopping"), 0),
    (unwell("x"), 1),
    (unwell("x", paused=True), 0),
    (status("x", health="unhealthy", state="stopping"), 1),
    (status("x", health="splendid"), 1),
    (status("x", state=None), 1),
], ids=lambda value: value if isinstance(value, int) else f"{value['state']}-{value['health']}-{value['paused']}")
def test_exit_status(ctl, answer, expected):
    ctl.farm.add(answer)
    ctl.farm.add("other")
    assert ctl("status").returncode == expected
    assert ctl("status", "--json").returncode == expected
    assert ctl("status", "x").returncode == expected
    assert ctl("status", "other").returncode == 0


def test_nobody_there(ctl):
    done = ctl("status")
    assert (done.returncode, done.stdout, done.stderr) == (
        3, "", "sdwdctl: status: no service runs under sdwd here, or none has a control socket\n")
    done = ctl("status", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (3, [])
    done = ctl("status", "web")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "sdwdctl: status: no service under sdwd is called 'web'\n")


def test_json_is_what_they_said(ctl):
    ctl.farm.add(status("web", probe(text="naïve €")))
    done = ctl("status", "--json")
    assert json.loads(done.stdout) == [ctl.farm.instances[0].status]
    ctl.farm.add(status("api"))
    assert json.loads(ctl("status", "--json").stdout) == [one.status for one in reversed(ctl.farm.instances)]
    assert json.loads(ctl("status", "--json", "web").stdout) == [ctl.farm.instances[0].status]


def test_labels_are_patterns(ctl):
    for label in ("web@1.service", "web@2.service", "db.service", "batch"):
        ctl.farm.add(label)
    assert labels(ctl("status", "web@*")) == ["web@1.service", "web@2.service"]
    assert labels(ctl("status", "db", "batch")) == ["batch", "db.service"]
    assert labels(ctl("status", "web@?", "web@1.service")) == ["web@1.service", "web@2.service"]
    assert labels(ctl("status", ctl.farm.instances[3].path)) == ["batch"]
    done = ctl("status", "db", "d")
    assert (labels(done), done.returncode) == (["db.service"], 1)
    assert done.stderr == "sdwdctl: status: no service under sdwd is called 'd'\n"


def test_both_folders(ctl):
    ctl.make_farm(ctl.run_folder / "sdwd").add("system")
    ctl.farm.add("own")
    assert labels(ctl("status")) == ["own", "system"]
    assert labels(ctl("status", env={"XDG_RUNTIME_DIR": None})) == ["system"]
    assert labels(ctl("status", env={"XDG_RUNTIME_DIR": os.path.relpath(ctl.user_folder)})) == ["system"]
    assert labels(ctl("status", env={"XDG_RUNTIME_DIR": "/run"})) == ["system"]


def test_only_sockets_that_are_whole(ctl):
    ctl.farm.add("web", name=".web.1234")
    (ctl.farm.folder / "file").write_text("")
    (ctl.farm.folder / "folder").mkdir()
    (ctl.farm.folder / "link").symlink_to(".web.1234")
    assert ctl("status").returncode == 3


def test_a_socket_that_nobody_listens_at(ctl):
    stale = ctl.farm.add("gone", mode="stale")
    ctl.farm.add("web")
    done = ctl("status")
    assert (labels(done), done.returncode, done.stderr) == (["web"], 0, "")
    assert stale.path.exists()
    assert ctl("status", "gone").stderr == "sdwdctl: status: no service under sdwd is called 'gone'\n"


DEADLINE = 1.5
HOSTILE = {
    "silent": "no answer in time",
    "full": "no answer in time",
    "closes": "it closed the connection without an answer",
    "endless": "its answer is too long",
    "raw:\0": "what answers there is no sdwd",
    "raw:hello\0": "what answers there is no sdwd",
    "raw:[]\0": "what answers there is no sdwd",
    "raw:" + "[" * 500000 + "\0": "what answers there is no sdwd",
    'raw:{"parameters": {"status": 7}}\0': "what answers there is no sdwd",
    'raw:{"parameters": {"status": {"label": ["web"]}}}\0': "what answers there is no sdwd",
    'raw:{"parameters": {"status": {"label": "web", "pid": PID}}} {}\0': "what answers there is no sdwd",
    'raw:{"parameters": {"status": {"label": "web", "pid": PID, "x": 1e999}}}\0': "what answers there is no sdwd",
    'raw:{"parameters": {"status": {"label": "web", "pid": PID, "x": "\xff"}}}\0': "what answers there is no sdwd",
    'raw:{"parameters": {"status": {"label": "web", "pid": PID, "x": 1, "x": 1}}}\0': "what answers there is no sdwd",
    'raw:{"parameters": {"status": {"label": "web", "pid": PID}}}': "no answer in time",
    'raw:{"error": "org.varlink.service.MethodNotFound"}\0':
        "it answers with the error org.varlink.service.MethodNotFound",
    'raw:{"error": "a\\u001b[31m\\nb\\u0000"}\0': "it answers with the error a?[31m?b?",
}


@pytest.mark.parametrize("mode", HOSTILE, ids=lambda mode: mode[:40].replace("\0", "0"))
def test_a_hostile_server_costs_only_itself(ctl, mode):
    bad = ctl.farm.add("bad", mode=mode.replace("PID", str(os.getpid())))
    ctl.farm.add("web")
    done = ctl("status", f"--timeout={DEADLINE}")
    assert done.seconds < DEADLINE + 10
    assert labels(done) == ["web"]
    assert done.stderr == f"sdwdctl: status: {bad.path}: {HOSTILE[mode]}\n"
    assert done.returncode == 1
    done = ctl("status", f"--timeout={DEADLINE}", "bad")
    assert (done.stdout, done.returncode) == ("", 3)
    # Whoever asks for another one has nothing to do with it.
    done = ctl("status", f"--timeout={DEADLINE}", "web")
    assert (labels(done), done.returncode, done.stderr) == (["web"], 0, "")


def test_the_timeout_is_for_all_together(ctl):
    for number in range(20):
        ctl.farm.add(f"silent-{number}", mode="silent")
    done = ctl("status", "--timeout=500ms")
    assert 0.5 <= done.seconds < 5
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 20
    ctl.farm.add("one-more", mode="silent")
    assert ctl("status", "--timeout=1ms").stderr.endswith("sdwdctl: status: ... and 1 more sockets like these\n")


def test_few_files_and_many_silent_sockets(ctl):
    """No more connections than the limit allows; those in it give way to those that wait."""
    for number in range(150):
        ctl.farm.add(f"silent-{number}", mode="silent")
    for number in range(5):
        ctl.farm.add(f"web-{number}")
    done = ctl("status", "--timeout=3s", preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))
    assert labels(done) == [f"web-{number}" for number in range(5)]
    assert "Too many open files" not in done.stderr
    assert "and 130 more" in done.stderr


def test_many_long_answers_take_no_more_memory_than_is_allowed(ctl):
    """Each is below the bound of one; together they are above that of all. The short one is shown all the same."""
    for number in range(60):
        ctl.farm.add(f"long-{number:02}", mode="raw:" + "[" * 1000000)
        ctl.farm.add(f"whole-{number:02}", mode='raw:{"parameters": {"status": ' + "[" * 990000 + "\0")
    for number in range(60):
        ctl.farm.add(f"web-{number:02}")
    limit = 120 * 1024 * 1024
    done = ctl("status", "--timeout=6s", preexec=None if ctl.is_sanitized() else
               lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert labels(done) == [f"web-{number:02}" for number in range(60)]
    assert "its answer is too long" in done.stderr
    assert "emory" not in done.stderr


def test_probes_without_end_are_counted_not_shown(ctl):
    """Whoever may make a socket there can tell of as many as fit into an answer."""
    ctl.farm.add(status("long", *[0] * 300000, process="stopped"))
    ctl.farm.add("web")
    limit = 300 * 1024 * 1024
    done = ctl("status", "--timeout=30s", preexec=None if ctl.is_sanitized() else
               lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert done.stdout.count("and 299936 more") == 1
    assert len(done.lines) < 75
    assert "web" in labels(done)


EVIL = "a\x1b[31mb\x9bc\u202ed\x00e\x7ff"


def test_no_text_of_theirs_commands_the_terminal(ctl):
    ctl.farm.add(status(EVIL, probe(EVIL, cause=EVIL), unit=None, state=EVIL, health=EVIL, statusText=EVIL, process=EVIL),
                 name="evil")
    ctl.farm.add("n", name="evil\x1b[2J", mode="closes")
    for locale in ("C.UTF-8", "C"):
        done = ctl("status", env={"LANG": locale})
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout + done.stderr)
        assert done.stdout.count("a?[31mb?c?d?e?f") == 7
        assert "evil?[2J: it closed" in done.stderr
    done = ctl("status", "--json", "a*")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout)
    assert json.loads(done.stdout)[0]["label"] == EVIL


def test_types_that_nobody_expects(ctl):
    ctl.farm.add(status("a", *[]) | {"probes": {"not": "a list"}, "state": 1, "health": [], "stateUsec": "x"})
    ctl.farm.add(status("b") | {"probes": [1, None, "x", {"name": 5, "history": {"v": 1}, "fails": "x"},
                                           probe(history=[1, [], {"v": 2}, {"v": "pass", "us": "x"}, look(us=-5)])],
                               "stateUsec": -1, "pausedLeftUsec": "x", "paused": "yes"})
    done = ctl("status")
    assert labels(done) == ["a", "b"]
    assert done.lines[-1].endswith("???▁▁")
    assert done.returncode == 1


@pytest.mark.parametrize("text", ["", "[", "]", "{", "}", ",", ":", '"', "\\", '\\"', '",', '[1,{"', "a,b\\\\"])
def test_the_texts_of_an_answer_may_be_any(ctl, text):
    """In a field, a name, an array; beside what is empty."""
    more = {text: text, "x": [], "y": {}, "z": [text, [], {}, [[], text], {text: {text: [text, 1]}}]}
    ctl.farm.add(status("web", probe(text), statusText=text) | more)
    done = ctl("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (shown,) = json.loads(done.stdout)
    assert {name: shown[name] for name in more} == more


def test_who_says_another_pid_is_not_believed(ctl):
    one = ctl.farm.add(status("web", pid=1))
    done = ctl("status")
    assert (done.stdout, done.returncode) == ("", 3)
    assert done.stderr == (f"sdwdctl: status: {one.path}: not believed: it says that it is process 1, and process "
                           f"{os.getpid()} listens\n")


def test_who_says_another_unit_is_not_believed(ctl):
    ctl.farm.add(status("web", unit="nginx-of-nobody.service"))
    done = ctl("status")
    assert (done.stdout, done.returncode) == ("", 3)
    assert "not believed: it says that it is of nginx-of-nobody.service, and process" in done.stderr


def test_another_user_cannot_take_a_services_name(ctl):
    pid = ctl.serve_as(NOBODY, status("nginx.service"), status("mine"))
    done = ctl("status")
    assert labels(done) == ["mine"]
    assert f"not believed: it calls itself nginx.service, and process {pid} is of " in done.stderr
    assert done.returncode == 1


def test_colours_only_on_a_terminal(ctl):
    ctl.farm.add(unwell("web"))
    assert "\x1b" not in ctl("status", env={"TERM": "xterm"}).stdout
    shown = ctl.on_terminal("status", columns=200)
    assert shown.wait_end() == 1
    assert b"\x1b[1;31munhealthy\x1b[0m" in shown.raw
    assert ctl("status").lines[1] in shown.text()
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        shown = ctl.on_terminal("status", columns=200, env=env)
        shown.wait_end()
        assert b"\x1b" not in shown.raw
    shown = ctl.on_terminal("status", columns=200, env={"NO_COLOR": ""})
    shown.wait_end()
    assert b"\x1b[1;31m" in shown.raw


def test_ascii_where_the_locale_is_not_utf8(ctl):
    ctl.farm.add(status("naïve", probe(history=[look(), look(us=80000), look("fail")])))
    done = ctl("status", env={"LANG": "C"})
    assert table(done)[0][0] == "na??ve"
    assert table(done)[0][-1] == "_#x"
    assert table(ctl("status"))[0][0] == "naïve"


def test_wide_characters_keep_the_columns(ctl):
    ctl.farm.add("日本")
    ctl.farm.add("web")
    web, wide = ctl("status").lines[1:]
    assert wide.index(" -") + len("日本") == web.index(" -")


def test_a_terminal_gets_as_many_looks_as_fit(ctl):
    ctl.farm.add(status("web", probe(history=[look(us=1000 * n) for n in range(32)])))
    whole = ctl("status").lines[1]
    for columns in (200, 90, 80):
        shown = ctl.on_terminal("status", columns=columns)
        shown.wait_end()
        line = shown.text().splitlines()[1]
        assert len(line) == min(columns, len(whole))
        assert whole.endswith(line.split()[-1])


@pytest.mark.parametrize("words, call, said", [
    (("pause", "web"), ("Pause", {}), "web.service: paused until: sdwdctl resume web.service"),
    (("pause", "web.service", "--for=10min"), ("Pause", {"forUsec": 600000000}), "web.service: paused for 10min"),
    (("pause", "--for", "90", "web*"), ("Pause", {"forUsec": 90000000}), "web.service: paused for 1min 30s"),
    (("resume", "web"), ("Resume", None), "web.service: resumed"),
    (("drill", "web", "http"), ("Drill", {"probe": "http"}),
     "web.service: 'http' counts as failed until the service is restarted, or: sdwdctl resume web.service"),
])
def test_it_is_told(ctl, words, call, said):
    web = ctl.farm.add("web.service")
    ctl.farm.add("other")
    done = ctl(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, said + "\n", "")
    assert web.calls == [("GetStatus", None), call]
    assert [method for method, _ in ctl.farm.instances[1].calls] == ["GetStatus"]


DENIED = ("org.varlink.service.PermissionDenied", {})


@pytest.mark.parametrize("words, method, error, said", [
    (("pause", "web"), "Pause", DENIED, "pause: web: permission denied: only root may"),
    (("resume", "web"), "Resume", DENIED, "resume: web: permission denied: only root may"),
    (("drill", "web", "htp"), "Drill", ("sdwd.Supervisor.NoSuchProbe", {"probe": "htp"}),
     "drill: web: no probe 'htp'; there are: http, tcp"),
    (("drill", "web", "http"), "Drill", ("sdwd.Supervisor.NotPossible", {"reason": "it is paused\x1b[m"}),
     "drill: web: not possible: it is paused?[m"),
    (("drill", "web", "http"), "Drill", ("org.varlink.service.MethodNotFound", {"method": "Drill"}),
     "drill: web: it answers with the error org.varlink.service.MethodNotFound"),
])
def test_it_refuses(ctl, words, method, error, said):
    web = ctl.farm.add(status("web", probe("http"), probe("tcp")))
    web.errors[method] = error
    done = ctl(*words)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"sdwdctl: {said}\n")


def test_whose_it_is_says_the_refusal(ctl):
    ctl.serve_as(NOBODY, status("web", probe("http")) | {"errors": {"Pause": DENIED}})
    assert ctl("pause", "web").stderr == f"sdwdctl: pause: web: permission denied: only root and user {NOBODY} may\n"


def test_no_such_instance(ctl):
    ctl.farm.add("web")
    for words in (("pause", "db"), ("resume", "db"), ("drill", "db", "http")):
        done = ctl(*words)
        assert (done.returncode, done.stderr) == (1, f"sdwdctl: {words[0]}: no service under sdwd is called "
                                                       "'db'; see sdwdctl status\n")


def test_two_of_one_label(ctl):
    one, other = ctl.farm.add("web"), ctl.farm.add("web", name="web.4711")
    ctl.farm.add("web-admin")
    done = ctl("pause", "web")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"sdwdctl: pause: 'web' is ambiguous: {one.path}, {other.path}; name one by its label or "
                           "path\n")
    assert ctl("pause", other.path).returncode == 0
    assert [method for method, _ in one.calls + other.calls].count("Pause") == 1
    assert other.calls[-1][0] == "Pause"
    # A pattern that means several is no better.
    assert ctl("pause", "web-*").returncode == 0
    assert "ambiguous" in ctl("pause", "we*").stderr


def test_an_exact_label_is_before_one_that_matches(ctl):
    long, short = ctl.farm.add("web.service"), ctl.farm.add("web")
    assert ctl("pause", "web").returncode == 0
    assert (len(long.calls), len(short.calls)) == (1, 2)
    short.end()
    assert ctl("pause", "web").returncode == 0
    assert len(long.calls) == 3


def test_what_is_not_believed_is_told_nothing(ctl):
    forged = ctl.farm.add(status("web", pid=1))
    done = ctl("pause", "web")
    assert done.returncode == 3
    assert done.stderr.startswith(f"sdwdctl: pause: {forged.path}: not believed: ")
    assert [method for method, _ in forged.calls] == ["GetStatus"]


def test_what_was_replaced_since_is_told_nothing(ctl):
    ctl.farm.add("web", mode="replaced")
    ctl.serve_as(NOBODY, status("other"))
    done = ctl("pause", "web")
    assert (done.returncode, done.stdout, done.stderr) == (
        3, "", "sdwdctl: pause: web: another process listens there now\n")


@pytest.mark.parametrize("words, said", [
    ((), "sdwdctl: a verb is missing; see sdwdctl --help"),
    (("status", "--jsn"), "sdwdctl: status: unknown option '--jsn'; see sdwdctl status --help"),
    (("status", "--timeout=0"), "sdwdctl: status: --timeout: '0' is out of range (1ms-1h)"),
    (("status", "--timeout=soon"), "sdwdctl: status: --timeout: 'soon' is not a duration"),
    (("watch",), "sdwdctl: watch: the output is no terminal; for programs: sdwdctl status --json"),
    (("pause",), "sdwdctl: pause: a label is missing; see sdwdctl status"),
    (("pause", "a", "b"), "sdwdctl: pause: one label at a time"),
    (("pause", "a", "--for=0"), "sdwdctl: pause: --for: '0' is out of range (1ms-52w)"),
    (("resume",), "sdwdctl: resume: a label is missing; see sdwdctl status"),
    (("drill", "web"), "sdwdctl: drill: it needs a label and the name of a probe; see sdwdctl status"),
    (("drill", "web", "a", "b"), "sdwdctl: drill: one label and one probe at a time; see sdwdctl status"),
    (("drill", "web", b"\xff"), "sdwdctl: drill: '?' is no name of a probe"),
])
def test_usage(ctl, words, said):
    ctl.farm.add("web")
    done = ctl(*[os.fsdecode(word) for word in words])
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(said)
    assert ctl.farm.instances[0].calls == []


def test_help_names_the_verbs(ctl):
    text = ctl("--help").stdout
    for verb in ("status", "watch", "pause", "resume", "drill"):
        assert re.search(rf"^  {verb} ", text, re.M)
        done = ctl(verb, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"Usage: sdwdctl {verb}")


def test_a_full_disk_is_no_success(ctl):
    ctl.farm.add("web")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = ctl("status", preexec=lambda: os.dup2(full.fileno(), 1))
    assert (done.returncode, done.stderr) == (3, "sdwdctl: cannot write to the standard output\n")


def test_a_datagram_socket_is_no_instance(ctl):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(ctl.farm.folder / "log"))
        ctl.farm.add("web")
        done = ctl("status")
    assert labels(done) == ["web"]
    assert "Protocol wrong type for socket" in done.stderr
