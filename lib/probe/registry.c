/* SPDX-License-Identifier: MIT */
#include "probe/dbus.h"
#include "probe/exec.h"
#include "probe/file.h"
#include "probe/grpc.h"
#include "probe/heartbeat.h"
#include "probe/http.h"
#include "probe/listen_queue.h"
#include "probe/notify.h"
#include "probe/pidfile.h"
#include "probe/probe.h"
#include "probe/tcp.h"
#include "probe/unix.h"

/* The order of the man page and of --help. */
const struct probe_class *const probe_registry[] = {
	&probe_heartbeat,
	&probe_notify,
	&probe_file,
	&probe_http,
	&probe_grpc,
	&probe_tcp,
	&probe_unix,
	&probe_listen_queue,
	&probe_exec,
	&probe_dbus,
	&probe_pidfile,
	&probe_forking,
	NULL,
};
