/* SPDX-License-Identifier: MIT */
#pragma once

#include <ev.h>

#include "core/varlink.h"
#include "sys/control_sock.h"

/*
 * The control socket: who is connected and what they are owed.  All work is done in
 * control_turn(), last in a turn of the loop and a bounded piece at a time, so that none of it
 * stands between evidence and ping; the watchers only note that there is some.
 */

#define CONTROL_CLIENTS_MAX 32
#define CONTROL_CLIENTS_OF_UID 8

struct control;
struct supervisor;
struct unclosed;

struct control_client {
	struct control *control; /* borrowed */
	struct ev_io io;         /* active where something is waited for and has not come */
	int fd;
	struct control_peer peer;
	uint64_t number; /* in the order of coming */
	bool is_ready;   /* the fd has something to read, or room */
	char request[VARLINK_CALL_MAX];
	size_t n_request;
	bool has_call; /* a whole one is in request */
	char *reply;   /* under way, owned; NULL: none */
	size_t reply_length, reply_sent;
	bool is_watching;
	uint64_t seen;   /* the change that it was told of last */
	usec_t watch_at; /* it is not told again before */
	usec_t close_at; /* our patience ends */
};

struct control {
	struct control_sock sock;
	struct ev_io io;
	struct ev_loop *loop;                                /* borrowed */
	bool is_ready;                                       /* somebody waits to be accepted */
	struct control_client *clients[CONTROL_CLIENTS_MAX]; /* owned; NULL: free */
	struct unclosed *unclosed;                           /* borrowed; see peer_hang_up() */
	size_t next;                                         /* whose turn it is first */
	uint64_t last_number;                                /* of a client */
	uint64_t changes;                                    /* of what a watcher is shown */
	usec_t work_at;                                      /* nothing is done before */
	usec_t accept_at;                                    /* nobody is accepted before */
};

/* control_reply.c: the texts of replies, allocated; *@ret_length counts their NUL.  NULL: no
 * memory. */
char *control_reply_status(const struct supervisor *s, bool has_more, size_t *ret_length);
char *control_reply_info(size_t *ret_length);
char *control_reply_description(const char *description, size_t *ret_length);
char *control_reply_empty(size_t *ret_length);
/* @name NULL: without parameters. */
char *control_reply_error(const char *error, const char *name, const char *value,
			  size_t *ret_length);

/* control_call.c: does what @call asks, and returns the reply as above. */
char *control_answer(struct supervisor *s, struct control_client *client,
		     const struct varlink_call *call, size_t *ret_length);

/* control_interface.c: what can be asked, in Varlink's own words. */
extern const char control_interface[], control_service_interface[];
