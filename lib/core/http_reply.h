/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/*
 * Reads an HTTP/1.x response as it comes, in pieces of any size, strictly where it matters for a
 * verdict and leniently where servers differ (RFC 9112: no reason phrase, LF alone, 1xx before the
 * answer, close-delimited bodies). Pure: no fd, no clock, no malloc; the caller lends the buffers
 * by embedding the struct.
 */

#define HTTP_HEAD_MAX (16 * 1024) /* all heads (1xx included) and the trailers together */
#define HTTP_BODY_MAX (10 * 1024)
#define HTTP_LINE_MAX 1024 /* kept of a header line, and the limit of a chunk's size line */

enum http_state {
	HTTP_NEED_MORE, /* feed more */
	HTTP_DONE,      /* complete */
	HTTP_CUT,       /* the body is longer than HTTP_BODY_MAX: enough for a verdict, but it never
			   satisfies a match */
	HTTP_BROKEN,    /* not HTTP/1.x, contradictory, or larger than the caps: see error */
};

struct http_reply {
	enum http_state state;
	int status; /* 100-999 once the head of the final response is complete, else 0 */
	bool has_head;
	const char *error;            /* HTTP_BROKEN: a static text */
	bool is_head_request;         /* no body follows */
	bool will_close;              /* the server says that it closes after this response */
	bool is_location_cut;         /* Location is longer than what is kept of it */
	char location[HTTP_LINE_MAX]; /* Location, or "" */
	size_t received;              /* bytes of the response that were fed, all in all */
	size_t body_length;
	char body[HTTP_BODY_MAX + 1]; /* NUL-terminated */
	/* private to http_reply.c from here */
	unsigned step;
	int code;
	uint64_t left;
	size_t head_length;
	size_t line_length;
	bool is_line_cut, has_cr;
	bool has_headers, is_folding_bad;
	bool has_length, has_coding, has_chunked, is_chunked, is_http10, has_close, has_keep_alive;
	char line[HTTP_LINE_MAX];
};

/* A new response, the answer to HEAD or to another method. Ends whatever was read before. */
void http_reply_init(struct http_reply *r, bool is_head_request);

/* Takes @length bytes. Returns the state; after anything but HTTP_NEED_MORE further bytes are
 * ignored. */
enum http_state http_reply_feed(struct http_reply *r, const char *data, size_t length);

/* The peer closed. Ends a close-delimited body well, everything else HTTP_BROKEN. Returns the
 * state. */
enum http_state http_reply_end(struct http_reply *r);
