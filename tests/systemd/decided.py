# SPDX-License-Identifier: MIT
"""
What is done with each example of README.md and the manual pages (documents.py); test_documents.py does it. An example
that stands in none of these tables fails a test there, and so does a row whose example is gone.

Inside of the private systemd / is the machine's own, the network is empty, and sdwd is installed as a package does; so
paths and ports stand as they are written. What has to differ all the same, a row says, and why.
"""

# Programs of the examples that nobody has: each does what its example says of it. By path.
GRPC = """\
#!/usr/bin/python3
import concurrent.futures, grpc
def check(request, context):
    return bytes((8, 1)) if request == b"\\n\\x0bshop.Orders" else context.abort(grpc.StatusCode.NOT_FOUND, "?")
answer = grpc.unary_unary_rpc_method_handler(check)
health = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": answer})
server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), [health])
server.add_insecure_port("127.0.0.1:50051")
server.start()
server.wait_for_termination()
"""
MEMCACHED = """\
#!/usr/bin/python3
import socket, sys
assert sys.argv[1] == "-s"
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2])
listener.listen()
while True:
    peer = listener.accept()[0]
    if peer.recv(100) == b"version\\r\\n":
        peer.sendall(b"VERSION 1.6.18\\r\\n")
    peer.close()
"""
FILESD = """\
#!/usr/bin/python3
from gi.repository import Gio, GLib
about = Gio.DBusNodeInfo.new_for_xml('<node><interface name="org.example.Files"><method name="Count"/></interface></node>')
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
bus.register_object("/org/example/Files", about.interfaces[0], lambda *call: call[-1].return_value(None))
Gio.bus_own_name_on_connection(bus, "org.example.Files", Gio.BusNameOwnerFlags.NONE)
GLib.MainLoop().run()
"""
POLICY = """\
<busconfig><policy context="default"><allow own="org.example.Files"/><allow send_destination="org.example.Files"/>
</policy></busconfig>
"""
STAND_INS = {
    "/usr/bin/orders": GRPC,
    "/usr/bin/memcached": MEMCACHED,
    "/usr/bin/filesd": FILESD,
    "/etc/dbus-1/system.d/org.example.Files.conf": POLICY,
}


class Unit:
    """
    A whole unit, or what is put into one that exists: it becomes active and says @status. @by_hand: commands of the same
    page, run meanwhile, by what their output contains; @places: what stands in those for another one. @drop_in_of: the
    unit that it changes. @settings: lines that it is tried with, for what is no whole unit.
    """

    def __init__(self, by_hand=None, places=None, drop_in_of=None, settings="", status="healthy"):
        self.by_hand, self.places = by_hand or {}, places or {}
        self.drop_in_of, self.settings, self.status = drop_in_of, settings, status


# Documents and a text that only this unit there contains.
UNITS = {
    ("README.md", "SyslogIdentifier=script"): Unit(),
    ("README.md", "SyslogIdentifier=worker"): Unit(status="at work"),
    ("README.md", "SyslogIdentifier=web"): Unit(),
    ("README.md", "SyslogIdentifier=nginx"): Unit(),
    ("sdwd-probes.7", "--heartbeat --silence=20s"): Unit(),
    ("sdwd-probes.7", "--notify=watchdog"): Unit(),
    ("sdwd-probes.7", "--file=/run/worker/beat"): Unit(),
    ("sdwd-probes.7", "sdwd --http=http://127.0.0.1:8080/ --"): Unit(),
    ("sdwd-probes.7", "--grpc=127.0.0.1:50051"): Unit(),
    ("sdwd-probes.7", "--tcp=127.0.0.1:6379"): Unit({
        "timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/6379\n    printf \"PING\\r\\n\" >&3; head -n 1 <&3'": "+PONG",
        "sdwdctl probe --nagios --tcp=127.0.0.1:6379 --send='PING\\r\\n' --expect='^\\+PONG'": "OK"}),
    ("sdwd-probes.7", "--unix=/run/memcached/socket"): Unit({
        # The page's socket is anybody's.
        "ss -xlp src /run/x.sock": "memcached"}, places={"/run/x.sock": "/run/memcached/socket"}),
    ("sdwd-probes.7", "--listen-queue=8080"): Unit({
        "ss -ltn 'sport = :8080'": "127.0.0.1:8080", "ss -xl": "/run/sdwd/",
        "ss -tne state established state close-wait 'sport = :8080'": "Recv-Q"}),
    ("sdwd-probes.7", "--exec=psql"): Unit({
        "systemd-run -Pqp User=postgres -- psql -XAtqw -d postgres -c 'SELECT 1'": "1\n"}),
    ("sdwd-probes.7", "--dbus=org.example.Files"): Unit(),
    ("sdwd-probes.7", "--pidfile=/run/nginx.pid"): Unit({
        "read pid </run/nginx.pid && ps -o pid,ppid,stat,cmd -p \"$pid\"": "nginx: master process"}),
    ("sdwd-probes.7", "--forking"): Unit({
        "ps -o pid,ppid,stat,cmd --ppid PID-OF-SDWD": "sleep infinity"}),
    ("sdwd.1", "SyslogIdentifier=web"): Unit(),
    ("sdwd.1", "PIDFile="): Unit(drop_in_of="nginx.service"),
    ("sdwd.1", "RuntimeDirectory=NAME"): Unit(
        settings="Type=notify\nExecStart=/usr/bin/sdwd --http=http://127.0.0.1:8080/ -- "
                 "/usr/bin/python3 -m http.server --bind 127.0.0.1 8080\n"),
}

# Files of options, each to be accepted without a warning.
CONFIGS = {
    ("README.md", "# /etc/sdwd/web.conf"),
    ("sdwd.conf.5", "# A server that is asked over HTTP."),
    ("sdwd.conf.5", "unhealthy-hook = logger"),
    ("sdwd.conf.5", "pidfile     = /run/nginx.pid"),
    ("sdwd.conf.5", "exec /opt/app/run"),
}

# What is printed, or drawn, and the test of it.
SHOWN = {
    ("README.md", "== systemd's watchdog aborts it"): "test_the_demo_is_as_it_is_shown",
    ("README.md", "time line of a hang"): "test_a_time_line_is_as_it_is_shown",
    ("README.md", "LABEL        UNIT"): "test_many_commands_at_one_machine",
    ("README.md", "no lease left"): "test_the_states_of_the_picture_exist",
    ("README.md", "STATUS=, STOPPING=1"): "test_the_states_of_the_picture_exist",
    ("README.md", "ENTRYPOINT"): "test_a_container",
    ("sdwd.1", "ENTRYPOINT"): "test_a_container",
    # A kernel with SELinux is needed for more: full-kernel has a policy that allows this.
    ("sdwd.1", "allow sdwd_t app_t:process transition;"): "test_the_policy_is_the_one_that_was_tried",
}

# Lines of which only sdwd's own part is tried, by --check: what they start, or look at, is nobody's.
CHECKED = {
    "ExecStart=/usr/bin/sdwd --http=http://127.0.0.1:8080/healthz -- /usr/bin/legacyd --foreground",
    "sdwd --check --watchdog-sec=30s --http=http://127.0.0.1:8080/ -- true",
    "sdwd --http=http://app.internal/healthz --http-unix=/run/app/http.sock --http-header=@/etc/app/probe-header "
    "--http-body='\"status\": *\"ok\"' -- app",
    "sdwd --http=https://www.example.org/healthz --http-connect=127.0.0.1 --http-ca=/etc/ssl/our-ca.pem -- app",
    "sdwd --grpc=localhost/shop.Orders --grpc-unix=/run/orders/grpc.sock -- orders",
    "sdwd --tcp=127.0.0.1:25 '--expect=^220 ' -- smtpd",
    "sdwd --exec='check-disk /srv' --exec-warn=1 --exec='app-cli ping | grep -q pong' -- app",
    "sudo sdwd --pidfile=/run/nginx.pid --http=http://127.0.0.1/ --stop-signal=SIGQUIT,SIGTERM,SIGABRT -- /usr/sbin/nginx",
}
# Files that those name; None: a certificate.
FILES = {"/etc/app/probe-header": "Authorization: Bearer secret\n", "/etc/ssl/our-ca.pem": None,
         "/usr/local/bin/check-disk": "#!/bin/sh\n"}

# Lines that are no more than well-formed here, and why.
FORMED = {
    "echo >&$SDWD_HEARTBEAT_FD": "the child's own; the units with --heartbeat have it in their scripts",
    "systemd-notify --ready": "the child's own; README's second unit does it",
    "systemd-notify WATCHDOG=1": "the child's own; README's second unit does it",
    "curl -sS --max-time 5 -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:8080/": "curl is installed by nothing here",
    "printf '\\0\\0\\0\\0\\0' | curl -sS --http2-prior-knowledge --data-binary @- -H 'Content-Type: application/grpc' "
    "-H 'TE: trailers' -D - -o answer http://127.0.0.1:50051/grpc.health.v1.Health/Check; od -t x1 answer": "curl again",
    "printf 'PING\\r\\n' | timeout 5 socat -t 5 - TCP:127.0.0.1:6379 | grep '^+PONG'": "socat is installed by nothing here",
    "printf 'version\\r\\n' | timeout 5 socat -t 5 - UNIX:/run/x.sock | grep '^VERSION'": "socat again",
    "varlinkctl introspect unix:/run/sdwd/web.service sdwd.Supervisor": "comes with systemd 256",
    "varlinkctl call unix:/run/sdwd/web.service sdwd.Supervisor.GetStatus '{}'": "comes with systemd 256",
    # Its keys are looked for in what sdwdctl says (test_many_commands_at_one_machine).
    "sdwdctl status --json | jq -r '.[] | select(.health == \"unhealthy\") | .label'": "jq is installed by nothing here",
    "sudo apt-get update": "tests/install-deps and tests/systemd/root do it",
    "sudo apt-get install dpkg-dev file": "system/test_install.py asks whether cpack names the same two",
    "(cd .build/release && umask 022 && cpack -G DEB)": "system/test_install.py and full-install do it",
    "sudo apt-get install ./.build/release/*.deb": "full-install does it, in a root of its own",
    "sudo ./tests/run": "has begun this test",
}

# Lines that have a test of their own.
SINGLE = {
    "sudo ./tests/demo": "test_the_demo_is_as_it_is_shown",
    "sudo apt-get install cmake make gcc libc6-dev pkg-config libev-dev libsystemd-dev libjson-c-dev "
    "libcurl4-openssl-dev": "test_what_is_to_be_installed_is_what_the_tests_install",
    "cmake --preset release -DCMAKE_INSTALL_PREFIX=/usr -DSDWD_TESTS=OFF": "test_the_release_is_configured",
    # tests/run builds it; its install is here that of the build that is tested.
    "cmake --build --preset release": "test_the_release_is_configured",
    "sudo cmake --install .build/release": "machine",
    "sdwd --watchdog-sec=5s --http=http://127.0.0.1:8080/ -- python3 -m http.server --bind 127.0.0.1 8080":
        "test_a_server_by_hand_is_ended",
    "sdwd --heartbeat --silence=3s -- sh -c '\n    for step in 1 2 3 4 5; do\n        echo \"STATUS=step $step\" "
    ">&$SDWD_HEARTBEAT_FD\n        echo >&$SDWD_HEARTBEAT_FD\n        sleep 1\n    done\n    sleep 1000'":
        "test_a_script_that_hangs_is_ended",
    'HEALTHCHECK CMD ["sdwdctl", "probe", "--http=http://localhost:8080/"]': "test_a_container",
    'HEALTHCHECK CMD ["sdwdctl", "probe", "--http=http://localhost:8080/health"]': "test_a_container",
    "HEALTHCHECK CMD sdwdctl probe --http=http://localhost:8080/health || [ $? -eq 3 ]": "test_a_container",
}

# What one who reads it all types at one machine, in this order: the exit status, or what ends what
# goes on, and what is said (patterns). PLACES: what
# the reader replaces, and the test. "|" in front: what the test does in between.
# There is no logind in the private systemd: another service of it is asked.
PLACES = {"NAME": "web", "login1": "systemd1", "ListSeats": "ListUnits"}
UNWELL = r"unhealthy: http: "
MACHINE = [
    ("sudo journalctl --update-catalog", 0, []),
    ("sudo systemd-tmpfiles --create sdwd.conf", 0, []),
    ("sudo systemctl daemon-reload", 0, []),

    ("| options", 0, []),
    ("sdwd --check --watchdog-sec=30s --config=/etc/sdwd/web.conf", 0, ["time line of a hang"]),
    ("systemctl enable --now sdwd@web", 0, []),
    ("sudo systemctl enable --now sdwd@web", 0, []),
    ("systemctl status sdwd@web", 0, ['Status: "healthy"']),
    ("sdwdctl probe --config=/etc/sdwd/web.conf", 0, [r"^http +pass +ok "]),
    ("sdwdctl status --json 'sdwd@*'", 0, ['"sdwd@web.service"']),
    # There is nothing by that name; the pages' server has one.
    ("sdwdctl probe --http=http://localhost:8080/health --http-status=200 --timeout=2s", 1, ["404"]),

    ("| services", 0, []),
    ("sdwdctl status", 0, ["web.service", "db.service"]),
    ("stat -c '%y %s %i' /run/app/beat", 0, [r"^\d{4}-\d\d-\d\d .* 0 \d+$"]),
    ("ps -o pid,stat,wchan:20,cmd -p PID", 0, ["sdwd --http"]),
    ("busctl --auto-start=no --timeout=5 call org.freedesktop.login1 /org/freedesktop/login1 "
     "org.freedesktop.login1.Manager ListSeats", 0, ["web.service"]),
    ("sdwdctl pause --for=10min db.service", 0, ["db.service"]),
    ("sudo sdwdctl pause --for=10min db", 0, ["db.service"]),
    ("sdwdctl watch", "q", ["2 services, 0 unwell"]),
    ("sdwdctl watch web", "q", ["1 service, 0 unwell"]),
    ("sudo sdwdctl drill web http", 0, ["web.service"]),
    ("sdwdctl drill web http", 0, ["web.service"]),
    ("| unwell", 0, []),
    ("sudo systemctl status NAME", 0, [f'Status: "{UNWELL}']),
    ("sudo journalctl -u NAME -t sdwd -x", 0, [UNWELL, "is too short, or"]),
    ("sudo journalctl -u NAME -o verbose", 0, ["SDWD_PROBE=http", "SDWD_CAUSE=", "SDWD_STATE=unhealthy"]),
    ("journalctl -t sdwd -x SDWD_LABEL=web.service", 0, [UNWELL]),
    ("sudo systemctl enable --now sdwd-metrics.timer", 0, []),
    ("systemctl enable --now sdwd-metrics.timer", 0, []),
    ("source <(sdwdctl completion bash)", 0, []),
    ("sdwdctl completion fish | source", 0, []),
    ("| end", 0, []),

    # Of Debian's unit it says what ExecStop= is in the way of.
    ("sdwdctl check nginx --http=http://127.0.0.1/", 1, ["warning: ExecStop="]),
    ("| nginx", 0, []),
    ("sudo sdwdctl wrap nginx --http=http://127.0.0.1/ --now", 0, ["Made "]),
    ("systemctl status nginx", 0, ['Status: "healthy"']),
    ("sudo sdwdctl drill nginx http", 0, []),
    ("| restarted", 0, []),
    ("sudo sdwdctl unwrap nginx --now", 0, ["Removed "]),
    ("sdwdctl wrap nginx --http=http://127.0.0.1/ --now", 0, ["Made "]),
    ("sdwdctl unwrap nginx --now", 0, ["Removed "]),
]
