/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/text.h"
#include "sys/dial.h"

#define HOST_PORT_HOST_MAX 256

/* HOST:PORT taken apart. Plain data. */
struct host_port {
	char host[HOST_PORT_HOST_MAX]; /* without brackets; an IPv6 zone stands behind '%' */
	uint16_t port;
	bool is_name;              /* neither an address nor localhost: somebody must look it up */
	struct dial_target target; /* unless is_name */
};

/*
 * Reads @value: a numeric IPv4 address, an IPv6 address in brackets, "localhost" or a name, and
 * behind a colon the port. Returns 0, or a negative errno with the reason in @error. @ret is
 * written on success only.
 */
int host_port_parse(struct host_port *ret, const char *value, struct text *error);
