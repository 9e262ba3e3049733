# SPDX-License-Identifier: MIT
"""
start   wall and CPU time of `X /bin/true`; the time from the start of X to the first step of its child (began.c, static,
        says when it was; before that X is loaded, reads its command line and forks), and from the child's last step to
        X's end; from SIGTERM at X to SIGTERM at the child (termed.c). X is sdwd, `tini -s`, dumb-init, catatonit, and bare
        (bare.c: fork, exec, wait, with the libraries that sdwd has; twice, as "bare" and "bare again": what differs
        between these two is noise)
"""

from common import by_turns

COMPARED = {
    "start": [("sdwd", "tini"), ("sdwd", "bare"), ("dumb-init", "tini"), ("catatonit", "tini"), ("bare again", "bare")],
    "SIGTERM": [("sdwd", "tini"), ("dumb-init", "tini"), ("catatonit", "tini"), ("sdwd again", "sdwd")],
}
TURNS, RUNS = 40, 5                         # a turn's sample is the median of its runs
TERM_TURNS, TERM_RUNS = 20, 5


def subjects(bench, *child):
    found = {"sdwd": [bench.sdwd, "--", *child], "bare": [bench.helper("bare"), *child]}
    for name, words in (("tini", ["-s"]), ("dumb-init", []), ("catatonit", [])):
        if bench.peers.has(name):
            found[name] = [*bench.peers[name], *words, *child]
    return found | {"bare again": found["bare"]}


def measure(bench):
    turns = bench.times(TURNS, 20)
    runs = bench.times(RUNS, 3)
    wall, cpu, _, _ = by_turns(bench.folder, turns, runs, subjects(bench, "/bin/true") | {"true alone": ["/bin/true"]})
    _, _, word, rest = by_turns(bench.folder, turns, runs,
                                subjects(bench, bench.helper("began")) | {"began alone": [bench.helper("began")]})
    # Without asking a manager: who runs the benchmark may be in a unit.
    term = subjects(bench, bench.helper("termed"))
    term["sdwd"] = term["sdwd again"] = [bench.sdwd, "--forward-stop=always", "--", bench.helper("termed")]
    term = {name: command for name, command in term.items() if not name.startswith("bare")}
    _, _, signal, _ = by_turns(bench.folder, bench.times(TERM_TURNS, 20), bench.times(TERM_RUNS, 1), term, "--term")
    return {"start, wall time (us)": wall, "start, CPU time (us)": cpu, "start, to the child's first step (us)": word,
            "start, from the child's last step to the end (us)": rest, "SIGTERM, to the child (us)": signal}
