/* SPDX-License-Identifier: MIT */
#pragma once

#include <ev.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/defs.h"
#include "core/prober_msg.h"

/*
 * Stream connections without blocking and without a resolver: to a numeric address, to "localhost"
 * (127.0.0.1 and ::1, the first success wins), to the addresses that the prober has found for a
 * name, or to an AF_UNIX socket.
 *
 * No SO_LINGER anywhere: on Linux close(2) of a socket with a linger time waits for it even where
 * the socket is non-blocking, the time does not shorten TIME_WAIT, and a time of 0 sends RST into
 * what is under way. Who wants TIME_WAIT at the server's end lets the server close first.
 */

struct dial_address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	socklen_t length;
};

#define DIAL_ADDRESSES_MAX PROBER_ADDRESSES_MAX

/* Where to. Plain data, no owner. */
struct dial_target {
	struct dial_address addresses[DIAL_ADDRESSES_MAX];
	size_t n_addresses; /* 2 for localhost */
};

/*
 * @host: dotted quad, IPv6 without brackets and perhaps with a zone ("fe80::1%eth0", "fe80::1%2"),
 * or "localhost". Returns 0, -EINVAL (none of these: a name), or -ENODEV (no such interface).
 */
int dial_target_host(struct dial_target *t, const char *host, uint16_t port);

/* What a name was resolved to, in the order in which they are to be tried; replaces what is there.
 */
void dial_target_resolved(struct dial_target *t, const struct prober_address *addresses, size_t n,
			  uint16_t port);

/*
 * @path: of a socket, or "@name" for an abstract one. A relative path is taken from the working
 * directory of this moment. Returns 0, -EINVAL (empty), -ENAMETOOLONG, or another negative errno of
 * getcwd(3).
 */
int dial_target_path(struct dial_target *t, const char *path);

/*
 * No connection to this IP address can begin here: there is no such family, no way, or (::1 where
 * there is no IPv6) no such address. Asks the kernel, and sends nothing.
 */
bool dial_is_out_of_reach(const struct dial_address *a);

#define DIAL_CONNECTED 1

/* One address under way. */
struct dial_try {
	struct ev_io io;
	struct dial *dial;
	bool is_open;
};

/* One connection in the making. Zeroed: idle. */
struct dial {
	/*
	 * The end of what dial_start() began, exactly once, never from inside a call: @result is a
	 * connected non-blocking CLOEXEC fd (taken by the callee), or a negative errno, the real
	 * one of the connection and never -EINPROGRESS. Last statement of its handler: @d may be
	 * gone after it. Set by the owner before dial_start().
	 */
	void (*on_done)(struct dial *d, int result);
	bool is_queue_full; /* AF_UNIX: the listener takes no more connections for now */
	/* private to dial.c from here */
	struct ev_loop *loop;
	const struct dial_target *target;
	struct ev_timer timer;
	struct dial_try tries[DIAL_ADDRESSES_MAX];
	size_t next;
	int error, error_rank;
};

/*
 * Begins. @d must be idle; @loop and @target are borrowed until the end. Returns 0 (under way),
 * DIAL_CONNECTED with *@ret_fd (the caller's), or a negative errno: it failed.
 *
 * The next address is tried when the last one fails, or 250 ms later beside it (the delay of RFC
 * 8305). A full AF_UNIX queue (EAGAIN of connect(2)) is tried again every 20 ms. Nothing ends but
 * by success, failure, or dial_cancel(): the deadline is the owner's.
 */
int dial_start(struct dial *d, struct ev_loop *loop, const struct dial_target *target, int *ret_fd);

/* Looks once more, as a deadline is about to be judged. Returns like dial_start(), 0 where idle. */
int dial_check(struct dial *d, int *ret_fd);

/* Ends without a result. Nothing where idle; works on zeroed ones. */
void dial_cancel(struct dial *d);

/*
 * What became of the non-blocking connect(2) of @fd, once it is writable. Returns 0, or a negative
 * errno: SO_ERROR, or -ECONNREFUSED where TCP connected the socket to itself (the port is within
 * the ephemeral range and nobody listens there).
 */
int dial_result(int fd);
