/* SPDX-License-Identifier: MIT */
#pragma once

#include <ev.h>

#include "probe/host_port.h"
#include "probe/probe.h"

/*
 * Where a host is now, for a probe that makes its connection by itself: the prober is asked in each
 * look, and for as long as it does not know better, what it found before counts.  So the connection
 * has its part of the look's time, whatever becomes of the name servers and of the prober.
 *
 * Zeroed: idle.
 */
struct lookup {
	/*
	 * The end of what lookup_start() began, exactly once, never from inside a call; it may free
	 * @l. @o NULL: found, the target says where; else that is the outcome of the look
	 * (UNKNOWN). Set by the owner.
	 */
	void (*on_done)(struct lookup *l, const struct outcome *o);
	struct dial_target target; /* of the last lookup that found something */
	/* private to lookup.c from here */
	struct probe *probe; /* NULL: never started */
	uint16_t port;
	struct prober_call call; /* has the addresses that are kept */
	struct ev_timer timer;
	char words[sizeof("resolve") + HOST_PORT_HOST_MAX];
};

#define LOOKUP_FOUND 1
#define LOOKUP_UNKNOWN 2

/*
 * Begins to look up @host, which is a name, in a look of @p that begins now. @l is idle, and asks
 * for the same host each time; @p is borrowed until lookup_cancel(). Returns 0 (under way),
 * LOOKUP_FOUND, or LOOKUP_UNKNOWN with *@ret: the outcome of the look.
 */
int lookup_start(struct lookup *l, struct probe *p, const struct host_port *host,
		 struct outcome *ret);

/* The look's deadline has come while it was under way. Ends it, and returns as lookup_start() but
 * not 0. */
int lookup_expire(struct lookup *l, struct outcome *ret);

/* Ends without a result. Nothing where idle; works on zeroed ones. */
void lookup_cancel(struct lookup *l);
