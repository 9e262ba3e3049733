/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/text.h"

#define HTTP_HOST_MAX 256
#define HTTP_TARGET_MAX 2048

/* An http or https URL, taken apart (RFC 9110 section 4.2). Plain data. */
struct http_url {
	bool is_tls;              /* https */
	char host[HTTP_HOST_MAX]; /* without brackets; an IPv6 zone stands behind '%' */
	bool is_ipv6;
	uint16_t port;
	char target[HTTP_TARGET_MAX]; /* path and query as they were given; "/" where empty */
};

/*
 * Reads @url: a userinfo is refused, a fragment dropped. Returns 0, or -EINVAL with the reason in
 * @error. @ret is written on success only.
 */
int http_url_parse(struct http_url *ret, const char *url, struct text *error);

/* Adds host and, where it is not the scheme's own, port, as the Host header has them: without a
 * zone. */
void http_url_add_authority(const struct http_url *u, struct text *t);

/*
 * Where @location (RFC 9110 section 10.2.2: a URL, or a reference relative to @base) leads. It must
 * stay at @base's scheme, host and port; @host is a second name for them, or NULL. Returns 0 with
 * *@ret (not
 * @base), -EXDEV (it leads elsewhere), or -EINVAL (malformed or too long).
 */
int http_url_resolve(const struct http_url *base, const char *host, const char *location,
		     struct http_url *ret);
