# SPDX-License-Identifier: MIT
"""
State machines of other systems (F1 to F9: Kubernetes; F11 to F15: Docker; F16 to F20: Podman; F21: Nomad; F22: Consul;
F23 to F26 and F30: HAProxy; F27: monit; F28: MicroProfile Health; F29: Envoy) and what holds for any sequence (H). Most
of them stand on a virtual clock in tests/unit/test_conformance.c.
"""

import signal

import pytest

import conformance
from puppet import child, wait_until  # pylint: disable=unused-import
from scripted import edges, serve  # pylint: disable=unused-import

IDS = [*(f"F{number}" for number in range(1, 31)), *(f"H{number}" for number in range(1, 5))]
LEFT_OUT = {
    "F15": "sdwd keeps no log of outputs: STATUS= and the journal have the text of the last outcome.",
}

BAD = "status:503"


@pytest.mark.parametrize("table", ["F", "H"])
def test_every_case_is_here(table):
    conformance.check([name for name in IDS if name[0] == table],
                      {name: reason for name, reason in LEFT_OUT.items() if name[0] == table})


def test_F14_a_signal_for_the_child_does_not_end_the_looks(sdwd, manager, serve, child):
    server = serve()
    run = sdwd(f"--http={server.url()}", "--interval=50ms", "--timeout=5s", command=child.command)
    child("got = []; signal.signal(signal.SIGUSR1, lambda *_: got.append(1))")
    manager.wait_ready()
    for count in range(1, 4):
        run.signal(signal.SIGUSR1)
        wait_until(lambda n=count: child("len(got)") == n, "SIGUSR1")
        server.wait_looks(3)
    assert not edges(run.stderr()) and not manager.matching("STOPPING=1")


@pytest.mark.option("fall")
def test_F20_after_a_restart_it_takes_all_failures_again(sdwd, serve):
    # What restarts it is the manager's affair; whoever does has a new process.
    for _ in range(2):
        server = serve("ok", BAD, BAD, BAD, then="silent")
        run = sdwd(f"--http={server.url()}", "--interval=50ms", "--timeout=1min", "--fall=3", notify=False)
        assert run.wait() == 124
        [(_, _, cause, rest)] = edges(run.stderr())
        assert cause == "http-status" and ", 3 failures in a row" in rest
        # While the child is ended another look may begin.
        assert server.connections in (4, 5)


@pytest.mark.option("on-unhealthy")
def test_F21_two_bad_probes_are_one_action(sdwd, manager, serve):
    servers = [serve("ok", then=BAD) for _ in range(2)]
    run = sdwd("--interval=50ms", "--timeout=5s", *(f"--http={server.url()}" for server in servers),
               "--on-unhealthy=trigger", watchdog=10)
    manager.wait_for("WATCHDOG=trigger")
    for server in servers:
        server.wait_looks(8)
    assert len(manager.matching("WATCHDOG=trigger")) == len(edges(run.stderr())) == 1
