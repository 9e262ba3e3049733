# SPDX-License-Identifier: MIT
"""Completions: of the option tables, by the shells themselves, each on a terminal of its own."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

import instances
import shells

TOP = Path(__file__).resolve().parents[2]
SHELLS = ["bash", "zsh", "fish"]


@pytest.fixture
def make_shell(tmp_path, build):
    made = []

    def make(name, **options):
        made.append(shells.Shell(name, tmp_path, build, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ask(build, *words):
    return subprocess.run([build / "sdwdctl", *words], capture_output=True, text=True, timeout=60, check=False)


def options_of(build):
    done = subprocess.run([build / "sdwd", "--dump-options"], capture_output=True, text=True, timeout=60, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def verbs_of(build):
    """The verbs, as --help lists them."""
    return re.findall(r"^  (\S+) ", ask(build, "--help").stdout, re.MULTILINE)


def options_of_verb(build, verb):
    return re.findall(r"^  (--[a-z-]+)", ask(build, verb, "--help").stdout, re.MULTILINE)


@pytest.mark.parametrize("name", SHELLS)
def test_every_option_of_the_tables_is_in_it(build, name):
    done = ask(build, "completion", name)
    assert (done.returncode, done.stderr) == (0, "")
    word = {"bash": "^.*--{}[ ]", "zsh": r"^\t'\*--{}[=\[-]", "fish": "^complete -c {} -n .* -l {} "}[name]
    for row in options_of(build):
        pattern = word.format("sdwd", row[0]) if name == "fish" else word.format(row[0])
        assert re.search(pattern, done.stdout, re.MULTILINE), f"--{row[0]}"
    for verb in verbs_of(build):
        assert re.search(rf"(^|['\s]){verb}[:\s]", done.stdout, re.MULTILINE), verb
        for option in options_of_verb(build, verb):
            assert re.search(rf"\B--{option[2:]}\b" if name != "fish" else rf"-l {option[2:]}\b", done.stdout), option


@pytest.mark.parametrize("name", SHELLS)
def test_no_option_is_written_down_in_the_fixed_part(build, name):
    text = (TOP / "cmd" / "sdwdctl" / "completion" / name).read_text(encoding="utf-8")
    assert text in ask(build, "completion", name).stdout
    for row in options_of(build):
        assert f"--{row[0]}" not in text.replace("systemctl list-unit-files --type", ""), row[0]


def test_the_fish_of_debian_11_reads_it(build):
    """One before 3.4 refuses the whole file for a "$(...)"."""
    assert "$(" not in ask(build, "completion", "fish").stdout


def test_the_shells_find_nothing_wrong_with_it(build, tmp_path):
    for name, command in [("bash", ["bash", "-n"]), ("bash", ["shellcheck", "-s", "bash"]), ("zsh", ["zsh", "-n"]),
                          ("fish", ["fish", "--no-execute"])]:
        path = tmp_path / name
        path.write_text(ask(build, "completion", name).stdout, encoding="utf-8")
        done = subprocess.run([*command, path], capture_output=True, text=True, timeout=120, check=False,
                              env=os.environ | {"HOME": str(tmp_path)})
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), command


@pytest.mark.parametrize("name", SHELLS)
def test_what_it_offers_for_sdwd(make_shell, tmp_path, name):
    shell = make_shell(name)
    (tmp_path / f"shell-{name}" / "some file.conf").touch()
    plain = {"bash": lambda words: [f"{word}=" for word in words], "zsh": list, "fish": list}[name]
    assert shell.offers("sdwd --fall") == sorted(plain(["--fall", "--fall-window"]))
    # A word of an enumerated option, behind '=' and as a word of its own, whichever way the shell cuts the line.
    front = {"bash": "", "zsh": "", "fish": "--on-unhealthy="}[name]
    assert shell.offers("sdwd --on-unhealthy=w") == [f"{front}warn", f"{front}withhold"]
    assert shell.offers("sdwd --on-unhealthy w") == ["warn", "withhold"]
    # Several of a list.
    front = {"bash": "healthy,", "zsh": "", "fish": "--ready=healthy,"}[name]
    assert shell.offers("sdwd --ready=healthy,n") == [f"{front}notify"]
    # Words and a number: what is no word is the user's to write.
    assert shell.offers("sdwd --require a") == ["all", "any"]
    assert shell.offers("sdwd --kill-signal SIGTER") == ["SIGTERM"]
    # Those of the system, by name; two are the C library's own.
    offers = shell.offers("sdwd --kill-signal ")
    assert {s.name for s in signal.Signals if s not in (signal.SIGIO, signal.SIGRTMIN, signal.SIGRTMAX)} <= set(offers)
    assert all(offer.startswith("SIG") for offer in offers) and "SIGRTMIN+1" in offers, offers
    assert shell.offers("sdwd --notify=w") == [{"fish": "--notify="}.get(name, "") + "watchdog"]
    assert shell.offers("sdwd --check --interval 5s --label x:y --rise") == plain(["--rise"])


def test_what_the_line_becomes_in_bash(make_shell, tmp_path):
    shell = make_shell("bash")
    (tmp_path / "shell-bash" / "some file.conf").touch()
    assert shell.becomes("sdwd --on-unhealthy=wa") == ["--on-unhealthy=warn"]
    assert shell.becomes("sdwd --label=a:b --on-unhealthy=wa") == ["--label=a:b", "--on-unhealthy=warn"]
    assert shell.becomes("sdwd --config=some") == ["--config=some file.conf"]
    assert shell.becomes("sdwd --unhealthy-hook systemct") == ["--unhealthy-hook", "systemctl"]
    assert shell.becomes("sdwd -- cat some") == ["--", "cat", "some file.conf"]
    # Behind the command no option of ours is offered, but its own words.
    assert shell.becomes("sdwd cat --on-unhealthy=wa") == ["cat", "--on-unhealthy=wa"]


def test_bash_completion_knows_the_words_of_the_command(make_shell):
    """Where the package is there the command's own completion is asked."""
    shell = make_shell("bash", after="source /usr/share/bash-completion/bash_completion\n")
    assert shell.becomes("sdwd --fall=2 -- cat --number-n") == ["--fall=2", "--", "cat", "--number-nonblank"]
    assert shell.becomes("sdwd --label a:b cat --number-n") == ["--label", "a:b", "cat", "--number-nonblank"]


def test_what_the_line_becomes_in_zsh(make_shell, tmp_path):
    shell = make_shell("zsh")
    (tmp_path / "shell-zsh" / "some file.conf").touch()
    assert shell.becomes("sdwd --on-unhealthy=wa") == ["--on-unhealthy=warn"]
    assert shell.becomes("sdwd --label=a:b --on-unhealthy=wa") == ["--label=a:b", "--on-unhealthy=warn"]
    assert shell.becomes("sdwd --config=some") == ["--config=some file.conf"]
    assert shell.becomes("sdwd -- cat some") == ["--", "cat", "some file.conf"] or \
        shell.becomes("sdwd -- cat some") == ["cat", "some file.conf"]
    assert shell.becomes("sdwd cat --on-unhealthy=wa") == ["cat", "--on-unhealthy=wa"]


def test_the_command_and_its_words_in_fish(make_shell, tmp_path):
    shell = make_shell("fish")
    (tmp_path / "shell-fish" / "some file.conf").touch()
    assert shell.offers("sdwd --config=some") == ["--config=some file.conf"]
    for before in ("sdwd ", "sdwd -- ", "sdwd --fall 3 --http=http://127.0.0.1/ "):
        assert "systemctl" in shell.offers(f"{before}systemct")
        assert shell.offers(f"{before}cat some") == ["some file.conf"]
        assert shell.offers(f"{before}cat --on-unh") == []


@pytest.mark.parametrize("name", SHELLS)
def test_what_it_offers_for_sdwdctl(make_shell, build, name):
    shell = make_shell(name)
    for verb in verbs_of(build):
        assert verb in shell.offers("sdwdctl ")
        options = set(options_of_verb(build, verb))
        assert options <= {offer.rstrip("=") for offer in shell.offers(f"sdwdctl {verb} --")}
    assert shell.offers("sdwdctl completion ") == ["bash", "fish", "zsh"]
    assert shell.offers("sdwdctl --ver") == ["--version"]
    # What takes no word is offered no file; an option that takes one is.
    assert "_sdwd" not in shell.offers("sdwdctl metrics ")
    assert shell.offers("sdwdctl metrics --textfile _sd") == ["_sdwd"]
    assert shell.offers("sdwdctl metrics --format=o") == [{"fish": "--format="}.get(name, "") + "openmetrics"]


@pytest.fixture
def farm(tmp_path):
    made = instances.Farm(tmp_path / "run" / "sdwd")
    yield made
    made.close()


# A verb "bind" that takes a unit and probes, as the tables would tell it, whichever verbs there are.
BIND = {
    "bash": "__sdwd_verbs+='bind probes @unit\n' __sdwd_verb_bind=\n",
    "zsh": "__sdwd_verbs+=(bind:x) __sdwd_verb_bind=() __sdwd_probes_bind=yes\n"
           "__sdwd_words_bind=(':UNIT:__sdwd_complete_unit')\n",
    "fish": "complete -c sdwdctl -n '__sdwd_word bind 1' -f -a '(__sdwd_units)'\nset -a __sdwd_with_probes bind\n",
}


@pytest.mark.parametrize("name", SHELLS)
def test_it_knows_labels_probes_and_units(make_shell, tmp_path, farm, name):
    farm.add(instances.status("web.service", instances.probe("http"), instances.probe("tcp:80")))
    farm.add(instances.status("worker", instances.probe("beat")))
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text("#!/bin/sh\necho 'one.service enabled enabled'; echo 'two@.service static -'\n")
    systemctl.chmod(0o755)
    shell = make_shell(name, env={"XDG_RUNTIME_DIR": str(tmp_path / "run")}, after=BIND[name])
    shell.env["PATH"] = f"{systemctl.parent}:{shell.env['PATH']}"
    assert shell.offers("sdwdctl status we") == ["web.service"]
    assert shell.offers("sdwdctl status worker we") == ["web.service"], "any number of them"
    assert shell.offers("sdwdctl drill wor") == ["worker"]
    assert shell.offers("sdwdctl drill web.service ht") == ["http"]
    assert shell.offers("sdwdctl drill --timeout 5s worker ") == ["beat"]
    assert "beat" not in shell.offers("sdwdctl drill worker beat ")
    assert shell.offers("sdwdctl bind ") == ["one.service", "two@.service"]
    assert {offer.rstrip("=") for offer in shell.offers("sdwdctl bind one.service --http-m")} == {"--http-method"}


@pytest.mark.parametrize("name", SHELLS)
def test_a_label_that_is_a_command_is_not_run(make_shell, tmp_path, farm, name):
    """Anybody may run an instance; whoever presses TAB may be root."""
    for number, text in enumerate(["$(touch hit)", "`touch hit`", "';touch hit;'", "x\x1b]0;y\x07"]):
        farm.add(instances.status(f"evil{text}"), name=f"evil-{number}")
    shell = make_shell(name, env={"XDG_RUNTIME_DIR": str(tmp_path / "run")}, after=BIND[name])
    offers = shell.offers("sdwdctl status evil")
    assert len(offers) == 4 and not any("\x1b" in offer or "\x07" in offer for offer in offers), offers
    if name != "fish":
        # As a word of the line it is one word.
        assert shell.becomes("sdwdctl status evil\\$") == ["status", "evil$(touch hit)"]
    assert not list(tmp_path.rglob("hit"))


def test_whoever_is_no_sdwd_is_not_offered(build, tmp_path, farm):
    farm.add(instances.status("good"))
    farm.add(instances.status("liar", pid=1))
    farm.add("mute", mode="silent")
    done = subprocess.run([build / "sdwdctl", "completion", "labels"], capture_output=True, text=True, timeout=60,
                          check=False, env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path / "run")})
    assert done.returncode == 0
    assert "good" in done.stdout.split() and not {"liar", "mute"} & set(done.stdout.split())


@pytest.mark.parametrize("words", [[], ["tcsh"], ["bash", "zsh"], ["probes"], ["--shell=bash"]])
def test_a_wrong_word_is_one_line(build, words):
    done = ask(build, "completion", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("sdwdctl: completion: ")


def test_they_are_installed_where_shells_look(build, tmp_path):
    done = subprocess.run(["cmake", "--install", build], env=os.environ | {"DESTDIR": str(tmp_path)}, timeout=120,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for path, shell in [("bash-completion/completions/sdwd", "bash"), ("bash-completion/completions/sdwdctl", "bash"),
                        ("zsh/site-functions/_sdwd", "zsh"), ("fish/vendor_completions.d/sdwd.fish", "fish"),
                        ("fish/vendor_completions.d/sdwdctl.fish", "fish")]:
        found = list(tmp_path.rglob(f"share/{path}"))
        assert len(found) == 1, path
        assert found[0].read_text(encoding="utf-8") == ask(build, "completion", shell).stdout
