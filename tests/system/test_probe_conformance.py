# SPDX-License-Identifier: MIT
"""
The lists of the tables of probes other than HTTP: B, stream sockets (Kubernetes, Nomad, blackbox_exporter, HAProxy), in
test_tcp.py, test_unix.py and test_listen_queue.py; C, commands (Kubernetes, Consul, Docker, Podman, monit), in
test_exec.py; D, gRPC (Kubernetes, blackbox_exporter, grpc_health_probe), in test_grpc.py.
"""

import pytest

import conformance

TABLES = {"B": 7, "C": 17, "D": 13}
LEFT_OUT = {}


@pytest.mark.parametrize("table", TABLES)
def test_every_case_is_here(table):
    conformance.check([f"{table}{number}" for number in range(1, TABLES[table] + 1)],
                      {name: reason for name, reason in LEFT_OUT.items() if name[0] == table})
