# SPDX-License-Identifier: MIT
"""An application of which each request needs a lock that all of its processes share, as a row of a database may be."""

import fcntl


def application(environ, start_response):
    with open("/opt/app/lock", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"well\n"]
