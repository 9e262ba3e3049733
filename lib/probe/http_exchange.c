/* SPDX-License-Identifier: MIT */
#include "probe/http_exchange.h"

#include <errno.h>
#include <string.h>

#include "base/match.h"
#include "base/usec.h"

#define REDIRECTS_MAX 10

void http_exchange_begin(struct http_exchange *e, const struct http_settings *s) {
	e->settings = s;
	e->n_redirects = 0;
	e->method = s->method;
	e->url = s->url;
}

void http_exchange_request(struct http_exchange *e, struct text *request) {
	http_request_build(request, e->method, &e->url, &e->settings->headers);
	http_reply_init(&e->reply, strcmp(e->method, "HEAD") == 0);
}

static bool is_redirect(const struct http_exchange *e) {
	int status = e->reply.status;

	return e->settings->follows &&
	       (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

/* A bad status says more than whatever happens to the rest of its response. */
static bool has_bad_status(const struct http_exchange *e) {
	return e->reply.has_head && !is_redirect(e) &&
	       !http_status_is_good(e->settings, e->reply.status);
}

static void set_bad_status(const struct http_exchange *e, struct outcome *ret) {
	outcome_set(ret, CAUSE_HTTP_STATUS, "HTTP %d, not within %s", e->reply.status,
		    e->settings->statuses.text);
}

/* A redirect that is not followed is a sign of life where its status is good. */
static bool judge_redirect(struct http_exchange *e, struct outcome *ret) {
	const struct http_settings *s = e->settings;
	const struct http_reply *reply = &e->reply;
	struct http_url next;
	int r = -EINVAL;

	if (reply->location[0] != '\0' && !reply->is_location_cut)
		r = http_url_resolve(&e->url, http_headers_find(&s->headers, "Host"),
				     reply->location, &next);
	if (r < 0) {
		if (!http_status_is_good(s, reply->status))
			set_bad_status(e, ret);
		else if (r == -EXDEV)
			outcome_set(ret, CAUSE_DEGRADED, "HTTP %d leads to another host: %s",
				    reply->status, reply->location);
		else
			outcome_set(ret, CAUSE_DEGRADED, "HTTP %d without a usable Location",
				    reply->status);
		return true;
	}
	if (e->n_redirects == REDIRECTS_MAX) {
		outcome_set(ret, CAUSE_HTTP_STATUS, "HTTP %d after %d redirects", reply->status,
			    REDIRECTS_MAX);
		return true;
	}
	e->n_redirects++;
	e->url = next;
	/* RFC 9110 sections 15.4.2 to 15.4.4: what browsers and curl do. */
	if (strcmp(e->method, "HEAD") != 0 &&
	    (reply->status == 303 || (strcmp(e->method, "POST") == 0 && reply->status < 303)))
		e->method = "GET";
	return false;
}

static void judge_body(const struct http_exchange *e, struct outcome *ret) {
	const struct http_reply *r = &e->reply;

	if (r->state == HTTP_CUT) {
		outcome_set(ret, CAUSE_BODY_MISMATCH,
			    "HTTP %d, but the body is longer than %d KiB: a cut body never matches",
			    r->status, HTTP_BODY_MAX / 1024);
		return;
	}
	if (match_bytes(e->settings->body, r->body, r->body_length))
		outcome_set(ret, CAUSE_OK, "HTTP %d, the body matches", r->status);
	else
		outcome_set(ret, CAUSE_BODY_MISMATCH, "HTTP %d, but the body does not match",
			    r->status);
}

bool http_exchange_judge(struct http_exchange *e, struct outcome *ret) {
	const struct http_reply *r = &e->reply;

	if (has_bad_status(e))
		set_bad_status(e, ret);
	else if (r->state == HTTP_BROKEN)
		outcome_set(ret, r->received == 0 ? CAUSE_READ_FAILED : CAUSE_HTTP_PROTOCOL, "%s",
			    r->error);
	else if (is_redirect(e))
		return judge_redirect(e, ret);
	else if (e->settings->body)
		judge_body(e, ret);
	else
		outcome_set(ret, CAUSE_OK, "HTTP %d", r->status);
	return true;
}

void http_exchange_broke(const struct http_exchange *e, const char *why, struct outcome *ret) {
	if (has_bad_status(e))
		set_bad_status(e, ret);
	else
		outcome_set(ret, CAUSE_READ_FAILED, "the connection broke: %s", why);
}

void http_exchange_late(const struct http_exchange *e, usec_t within_usec, struct outcome *ret) {
	const struct http_reply *r = &e->reply;
	char within[USEC_STR_MAX];

	usec_str_short(within, within_usec);
	if (has_bad_status(e))
		set_bad_status(e, ret);
	else if (r->received == 0)
		outcome_set(ret, CAUSE_READ_TIMEOUT, "no response within %s", within);
	else if (!r->has_head)
		outcome_set(ret, CAUSE_READ_TIMEOUT, "headers incomplete within %s", within);
	else
		outcome_set(ret, CAUSE_READ_TIMEOUT, "HTTP %d, body incomplete within %s",
			    r->status, within);
}
