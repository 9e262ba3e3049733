/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/text.h"
#include "probe/http_url.h"

#define HTTP_REQUEST_MAX (16 * 1024)

/* One header that was given. */
struct http_header {
	char *name;
	char *value; /* "": the header is left out */
};

/* What was given, in its order. Owns its strings. Zeroed: none. */
struct http_headers {
	struct http_header *items;
	size_t n_items;
};

/*
 * Adds "Name: value", or for "@FILE" each line of that file, read now. Nothing of a file's lines
 * gets into @error. Returns 0, or a negative errno with the reason in @error and @h unchanged.
 */
int http_headers_add(struct http_headers *h, const char *value, struct text *error);
void http_headers_done(struct http_headers *h);

/* The value given for @name, or NULL. */
const char *http_headers_find(const struct http_headers *h, const char *name);

/*
 * The request, without a body: Host, User-Agent, Accept and Connection, unless given (POST, PUT,
 * PATCH: and Content-Length, RFC 9110 section 8.6), then all that was given.
 */
void http_request_build(struct text *t, const char *method, const struct http_url *u,
			const struct http_headers *h);
