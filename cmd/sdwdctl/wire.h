/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>
#include <sys/types.h>

#include "base/defs.h"

/* The longest reply that is read of an instance, and how deep it may be nested. */
#define WIRE_REPLY_MAX ((size_t)1024 * 1024)
#define WIRE_DEPTH_MAX 16

/*
 * One connection to a Varlink server that is not trusted: JSON objects, each with a NUL behind it
 * (https://varlink.org/Method-Call).  Nothing here waits.  Zeroed with fd -1: none.
 */
struct wire {
	int fd;
	pid_t pid; /* who listens there (SO_PEERCRED) */
	uid_t uid;
	char *request; /* its NUL included in request_length */
	size_t request_length, n_sent;
	char *buffer;
	size_t length, size;
	size_t n_seen;  /* of length: no NUL is in there */
	size_t n_taken; /* the last message's, gone with the next wire_read() */
};

/*
 * Connects to @path and makes ready the call of @method with @parameters (borrowed; NULL: none),
 * with "more" where @is_stream.  Returns 0; -EAGAIN: its queue is full, call again soon;
 * -ECONNREFUSED or -ENOENT: nobody is there; or another negative errno.
 */
int wire_open(struct wire *w, const char *path, const char *method, struct json_object *parameters,
	      bool is_stream);

/* Closes and frees everything. */
void wire_close(struct wire *w);

/* What poll(2) is to wait for. */
short wire_events(const struct wire *w);

/*
 * Sends and reads what can be.  Returns 1 with a whole message in *@ret, without its NUL, valid
 * until the next call; 0: none yet; or a negative errno: -EPIPE (closed), -EMSGSIZE (a message
 * above WIRE_REPLY_MAX).  Call again after 1: there may be more.
 */
int wire_read(struct wire *w, const char **ret, size_t *ret_length);

/*
 * The message as an object, the caller's. Returns NULL where it is none: no JSON, no UTF-8, too
 * deep, two fields of one name; and where memory ended.
 */
struct json_object *wire_parse(const char *message, size_t length);
