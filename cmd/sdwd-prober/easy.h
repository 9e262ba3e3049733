/* SPDX-License-Identifier: MIT */
#pragma once

#include <curl/curl.h>

#include "base/defs.h"
#include "core/outcome.h"
#include "probe/tls_settings.h"
#include "sys/dial.h"

/*
 * A libcurl handle for one look: it connects to the addresses that it is given, whatever the URL
 * says, resolves nothing, knows no proxy, no cookies and no configuration; what it keeps goes with
 * the handle.
 */
struct easy {
	CURL *curl;
	struct dial_target target;               /* what there is a way to */
	struct curl_slist *connect_to, *resolve; /* of the options of that name */
	char error[CURL_ERROR_SIZE];             /* of the last failure, perhaps "" */
	int open_error;     /* errno of the last socket that could not be made, 0: none */
	bool was_connected; /* of a connection that is closed: that was not for want of a peer */
	bool is_unix;
	bool is_queue_full;  /* AF_UNIX: the listener took no more connections */
	const char *ca_file; /* of the system's authorities; NULL: it is not left out */
	usec_t deadline_at;
};

/*
 * Makes the handle for @url; host and port of it are said in the request, and proven by the
 * certificate. @url, @target and @tls are borrowed for this call only. All that easy_perform() does
 * with it ends by @deadline_at. Returns 0, or -ENOMEM. easy_done() in either case.
 */
int easy_init(struct easy *e, const char *url, const struct dial_target *target,
	      const struct tls_settings *tls, usec_t deadline_at);

/*
 * curl_easy_perform(), which is not to be called itself. It waits for a place in the queue of a
 * Unix socket. Where the peer's certificate needs it, a second connection is made: nothing was sent
 * on the first.
 */
CURLcode easy_perform(struct easy *e);

/*
 * What it means that there is no connection, or no TLS on it, for the reason @code of
 * easy_perform(). @within_usec: what the user gave the look.
 */
void easy_outcome(const struct easy *e, CURLcode code, usec_t within_usec, struct outcome *ret);

/* What libcurl says of @code, in its most telling words. */
const char *easy_error(const struct easy *e, CURLcode code);

void easy_done(struct easy *e);
