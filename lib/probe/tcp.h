/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/host_port.h"
#include "probe/probe.h"
#include "probe/stream_settings.h"

/* What the options of one tcp probe say. */
struct tcp_settings {
	struct stream_settings stream;
	struct host_port address;
};

/* --tcp=HOST:PORT: a connection is accepted, and the answer matches. */
extern const struct probe_class probe_tcp;
