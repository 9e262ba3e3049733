/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/optab.h"
#include "base/pattern.h"
#include "probe/http_request.h"
#include "probe/http_url.h"
#include "probe/tls_settings.h"
#include "sys/dial.h"

/* Which statuses are good: bit n of bits is status n. */
struct http_statuses {
	uint64_t bits[1000 / 64 + 1];
	char text[64]; /* as given, for people; cut */
};

/* Where to connect instead of the URL's host. */
struct http_connect {
	char host[HTTP_HOST_MAX]; /* a name too; "": not given */
	uint16_t port;            /* 0: the URL's */
};

/* What the options of one http probe say. Zeroed before the table's defaults. */
struct http_settings {
	char *method;
	struct http_headers headers;
	struct http_statuses statuses;
	struct pattern *body;           /* NULL: no match is asked */
	struct dial_target unix_target; /* n_addresses 0: not given */
	struct http_connect connect;
	int follows; /* redirects at the same host */
	struct tls_settings tls;
	/* made by http_settings_check() */
	struct http_url url;
	struct dial_target target; /* n_addresses 0: what name is resolved to */
	char name[HTTP_HOST_MAX];  /* to be resolved first; "": target says where */
	uint16_t port;             /* of target, and of what name is resolved to */
};

extern const struct opt http_options[];

/* For struct probe_kind: @settings is a struct http_settings. */
int http_settings_check(const char *target, void *settings, struct text *error);
void http_settings_done(void *settings);
const char *http_settings_note(const void *settings);
const char *http_settings_need_prober(const void *settings);

/* True where --http-status lists @status. */
bool http_status_is_good(const struct http_settings *s, int status);
