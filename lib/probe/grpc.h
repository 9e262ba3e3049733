/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/grpc_health.h"
#include "probe/host_port.h"
#include "probe/probe.h"
#include "probe/tls_settings.h"

/* What the options of one grpc probe say. Zeroed before the table's defaults. */
struct grpc_settings {
	bool is_tls;
	struct tls_settings tls;
	struct dial_target unix_target; /* n_addresses 0: not given */
	/* made by the kind's check */
	struct host_port server;        /* of a Unix socket, host and port are only said */
	char service[GRPC_SERVICE_MAX]; /* "": the whole server */
};

/* --grpc=HOST:PORT[/SERVICE]. The prober looks (cmd/sdwd-prober/grpc.c): it has a kind only. */
extern const struct probe_class probe_grpc;
