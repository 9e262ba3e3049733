/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/* How a test server answers one connection. */
struct http_script {
	const char *reply;   /* NULL: nothing is sent */
	size_t length;       /* of reply; 0: strlen() */
	size_t piece;        /* sent in pieces of so many bytes; 0: at once */
	unsigned pause_msec; /* before each piece */
	unsigned repeat;     /* the reply's last @tail bytes are sent so many times more */
	size_t tail;
	bool answers_at_once; /* does not read the request first */
	enum {
		THEN_CLOSE,
		THEN_HOLD,       /* until the client closes */
		THEN_RESET,      /* close with RST */
		THEN_HALF_CLOSE, /* shutdown of our side, then hold */
	} then;
};

/*
 * A server in a forked process: connection i is answered by script i, those behind the last one by
 * the last one, one connection after the other.
 */
struct http_server {
	pid_t pid;
	uint16_t port;
	char path[108]; /* "": TCP */
	int log;        /* each request as the server read it, behind a NUL byte each */
};

enum http_where { AT_IPV4, AT_IPV6, AT_UNIX };

struct http_server http_server_start(enum http_where where, const struct http_script *scripts,
				     size_t n_scripts);

/* Ends the server. Returns the requests that it got, to free(); @ret_n: how many connections. */
char *http_server_stop(struct http_server *s, size_t *ret_n);
