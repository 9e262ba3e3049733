/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"
#include "core/outcome.h"
#include "core/prober_msg.h"

/*
 * One request, and the thread that answers it.  This process is there to be held up, so a look is
 * plain code that waits where it must: each request has a thread of its own, and one that hangs
 * hinders no other.
 *
 * A new service is one file with an ask_*() function of struct ask_kind, and one row in main.c.
 */
struct ask {
	struct prober_request request;
	const char *kind, *target; /* its first words */
	int fd;                    /* of the socket to sdwd, shared by all */
	bool has_replied;
	struct prober_address resolved[PROBER_ADDRESSES_MAX]; /* go back with the reply */
	size_t n_resolved;
	char packet[PROBER_REQUEST_MAX + 1];
};

/* Something that sdwd may ask for. */
struct ask_kind {
	const char *name; /* the first word of the request: a kind of probe, or something else */
	/*
	 * Answers by ask_reply() by a->request.deadline_at; may do something more then.  Runs in a
	 * thread of its own, beside others of the same kind.
	 */
	void (*answer)(struct ask *a);
};

/* Sends the answer to sdwd; called once. Of @o, cause and text count. */
void ask_reply(struct ask *a, const struct outcome *o);

/*
 * The probe that the request's words describe; *@ret is the caller's (probe_conf_free()). Returns
 * true, or false: it cannot be made, and that was replied.
 */
bool ask_probe(struct ask *a, struct probe_conf **ret);

/* The time until the deadline. */
usec_t ask_left_usec(const struct ask *a);

/* Of each thread: OpenSSL and getaddrinfo(3) need some; the usual 8 MiB would be counted. */
#define ASK_STACK_SIZE (1024 * 1024)

/* The kinds, one file each. */
void http_answer(struct ask *a);    /* http.c: --http where it is https, or has a name */
void grpc_answer(struct ask *a);    /* grpc.c */
void dbus_answer(struct ask *a);    /* dbus.c */
void file_answer(struct ask *a);    /* file.c: --file on a file system that may wait */
void resolve_answer(struct ask *a); /* resolve.c: the target is a name; the reply has its
				       addresses */
