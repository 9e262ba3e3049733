/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/socket.h>

#include "base/defs.h"

/*
 * Messages to the manager of a virtual machine's host over AF_VSOCK (vsock(7)): one connection for
 * each message.  A connection takes time even on one machine, so it is begun, and a later call that
 * finds it ready sends on it.
 */
struct notify_vsock {
	int fd;            /* the connection for the next message, -1: none */
	unsigned port;     /* of our side of it; 0: there was none yet */
	int type;          /* SOCK_x in use */
	bool is_type_open; /* the address named none: the next one is tried where this one is not
			      known */
	bool is_ready;     /* connected */
};

/* @type as notify_address_parse() gives it. */
void notify_vsock_init(struct notify_vsock *v, int type);

/*
 * Sends @length bytes as one message. Returns 1 sent, 0 not yet (the connection is being made, or
 * nobody listens): call again soon, or a negative errno. Allocates nothing, never blocks.
 */
int notify_vsock_send(struct notify_vsock *v, const struct sockaddr_storage *address,
		      socklen_t address_length, const void *data, size_t length);

void notify_vsock_done(struct notify_vsock *v);
