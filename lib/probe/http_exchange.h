/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/http_reply.h"
#include "core/outcome.h"
#include "probe/http_settings.h"

/*
 * What one look asks and how it judges: requests and redirects, statuses and bodies.  Whoever moves
 * the bytes, sdwd itself (probe/http.c) or the prober: the verdict is made here.  No fd, no clock.
 *
 * Life of one look: begin, then for each request: request, feed reply (core/http_reply.h), judge.
 */
struct http_exchange {
	const struct http_settings *settings; /* borrowed */
	unsigned n_redirects;
	const char *method;  /* of the request under way: a redirect may change it */
	struct http_url url; /* likewise */
	struct http_reply reply;
};

/* A new look. @s is borrowed for all of it. */
void http_exchange_begin(struct http_exchange *e, const struct http_settings *s);

/* Writes the request that is next, and makes reply ready for its response. */
void http_exchange_request(struct http_exchange *e, struct text *request);

/*
 * The response has ended, well or not (reply.state). Returns true: *@ret is the outcome; false: a
 * redirect is followed, on a fresh connection.
 */
bool http_exchange_judge(struct http_exchange *e, struct outcome *ret);

/* The connection broke before the response had ended; @why is for people. */
void http_exchange_broke(const struct http_exchange *e, const char *why, struct outcome *ret);

/* The response did not end within the look's @within_usec, of which the connection is a part. */
void http_exchange_late(const struct http_exchange *e, usec_t within_usec, struct outcome *ret);
