/* SPDX-License-Identifier: MIT */
#include "probe/http_settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/match.h"

static int refuse(struct text *error, const char *value, const char *reason) {
	char quoted[OPT_QUOTED_MAX];

	text_addf(error, "%s %s", opt_quoted(quoted, value), reason);
	return -EINVAL;
}

/* RFC 9110 section 9.1: a method is a token, and case matters. */
static int parse_method(const struct opt *o, const char *value, void *field, struct text *error) {
	char **method = field, *copy;

	if (*value == '\0' || strlen(value) > 32)
		return refuse(error, value, "is no method");
	for (const char *p = value; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
			return refuse(error, value, "is no method");
	if (strcmp(value, "CONNECT") == 0)
		return refuse(error, value, "asks for a tunnel, not for a response");
	copy = strdup(value);
	if (!copy) {
		text_add(error, "out of memory");
		return -ENOMEM;
	}
	free(*method);
	*method = copy;
	return 0;
}

static int parse_header(const struct opt *o, const char *value, void *field, struct text *error) {
	return http_headers_add(field, value, error);
}

/* A status of three digits at *@p, which moves behind it; 0: there is none. */
static int take_status(const char **p) {
	int status = 0;

	for (int i = 0; i < 3; i++, (*p)++) {
		if (!isdigit((unsigned char)**p))
			return 0;
		status = status * 10 + (**p - '0');
	}
	return status >= 100 ? status : 0;
}

static int parse_statuses(const struct opt *o, const char *value, void *field, struct text *error) {
	static const char reason[] = "is no list of statuses within 100-999, like 200,204,300-399";
	struct http_statuses parsed = {0};
	struct text text = TEXT_OVER(parsed.text);
	const char *p = value;

	text_add(&text, value);
	for (;;) {
		int first = take_status(&p), last = first;

		if (first > 0 && *p == '-') {
			p++;
			last = take_status(&p);
		}
		if (first == 0 || last < first)
			return refuse(error, value, reason);
		for (int status = first; status <= last; status++)
			parsed.bits[status / 64] |= (uint64_t)1 << status % 64;
		if (*p == '\0')
			break;
		if (*p++ != ',')
			return refuse(error, value, reason);
	}
	*(struct http_statuses *)field = parsed;
	return 0;
}

static int parse_unix(const struct opt *o, const char *value, void *field, struct text *error) {
	struct dial_target parsed;
	char quoted[OPT_QUOTED_MAX];
	int r = dial_target_path(&parsed, value);

	if (r < 0) {
		text_addf(error, "%s: %s", opt_quoted(quoted, value),
			  r == -ENAMETOOLONG ? "the path of a socket has at most 107 bytes"
			  : r == -EINVAL     ? "the path is empty"
					     : strerror(-r));
		return r;
	}
	*(struct dial_target *)field = parsed;
	return 0;
}

/* ADDR, ADDR:PORT, [ADDR]:PORT; an IPv6 address without a port needs no brackets. */
static int parse_connect(const struct opt *o, const char *value, void *field, struct text *error) {
	static const char reason[] = "is no ADDRESS[:PORT] with a numeric address or localhost";
	struct http_connect parsed = {0};
	struct dial_target target;
	const char *host = value, *colon = strchr(value, ':'), *port = NULL;
	size_t length = strlen(value);
	uint64_t number;
	int r;

	if (*value == '[') {
		const char *close = strchr(value, ']');

		if (!close || (close[1] != '\0' && close[1] != ':'))
			return refuse(error, value, reason);
		host = value + 1;
		length = (size_t)(close - host);
		port = close[1] == ':' ? close + 2 : NULL;
	} else if (colon && !strchr(colon + 1, ':')) {
		length = (size_t)(colon - value);
		port = colon + 1;
	}
	if (length >= sizeof(parsed.host))
		return refuse(error, value, reason);
	memcpy(parsed.host, host, length);
	if (port) {
		if (text_parse_u64(port, 1, UINT16_MAX, &number) < 0)
			return refuse(error, value, "has no port within 1-65535");
		parsed.port = (uint16_t)number;
	}
	r = dial_target_host(&target, parsed.host, parsed.port);
	if (r < 0)
		return refuse(error, value,
			      r == -ENODEV ? "names an interface that is not there" : reason);
	*(struct http_connect *)field = parsed;
	return 0;
}

static const struct opt_word follow_words[] = {{"same-host", 1}, {NULL}};

const struct opt http_options[] = {
	{
		.name = "http-method",
		.argument = "METHOD",
		.fallback = "GET",
		.help = "the method of the request, sent as it is",
		.parse = parse_method,
		.offset = offsetof(struct http_settings, method),
	},
	{
		.name = "http-header",
		.argument = "HEADER",
		.help = "'Name: value' replaces or adds, 'Name:' leaves out; @FILE: the lines of a "
			"file",
		.parse = parse_header,
		.offset = offsetof(struct http_settings, headers),
		.flags = OPT_REPEAT,
	},
	{
		.name = "http-status",
		.argument = "LIST",
		.fallback = "200-399",
		.help = "the statuses that are good",
		.parse = parse_statuses,
		.offset = offsetof(struct http_settings, statuses),
	},
	{
		.name = "http-body",
		.argument = "REGEX",
		.help = "what the body must match (at most 10 KiB; a longer one never matches)",
		.parse = match_parse,
		.offset = offsetof(struct http_settings, body),
	},
	{
		.name = "http-unix",
		.argument = "PATH",
		.help = "connect to this Unix socket (@NAME: an abstract one); the URL's host is "
			"only said",
		.parse = parse_unix,
		.offset = offsetof(struct http_settings, unix_target),
	},
	{
		.name = "http-connect",
		.argument = "ADDR[:PORT]",
		.help = "connect to this numeric address; the URL's host is only said",
		.parse = parse_connect,
		.offset = offsetof(struct http_settings, connect),
	},
	{
		.name = "http-follow",
		.argument = "same-host",
		.help = "follow up to 10 redirects that stay at the URL's host and port",
		.parse = opt_parse_word,
		.offset = offsetof(struct http_settings, follows),
		.words = follow_words,
	},
	{NULL},
};

bool http_status_is_good(const struct http_settings *s, int status) {
	return status < 1000 && s->statuses.bits[status / 64] >> status % 64 & 1;
}

/* Where to connect, from options or URL. */
static int find_target(struct http_settings *s, struct text *error) {
	char quoted[OPT_QUOTED_MAX];
	int r;

	if (s->unix_target.n_addresses > 0) {
		s->target = s->unix_target;
		return 0;
	}
	if (s->connect.host[0] != '\0')
		r = dial_target_host(&s->target, s->connect.host,
				     s->connect.port != 0 ? s->connect.port : s->url.port);
	else
		r = dial_target_host(&s->target, s->url.host, s->url.port);
	if (r == -EINVAL)
		text_addf(error,
			  "the host name %s needs the sdwd-prober program, which this build does "
			  "not have",
			  opt_quoted(quoted, s->url.host));
	else if (r < 0)
		text_addf(error, "%s names an interface that is not there",
			  opt_quoted(quoted, s->url.host));
	return r;
}

int http_settings_check(const char *target, void *settings, struct text *error) {
	struct http_settings *s = settings;
	char quoted[OPT_QUOTED_MAX], reason[256], buffer[HTTP_REQUEST_MAX];
	struct text why = TEXT_OVER(reason), request = TEXT_OVER(buffer);
	int r;

	r = http_url_parse(&s->url, target, &why);
	if (r == -EPROTONOSUPPORT) {
		text_add(error, reason);
		return r;
	}
	if (r < 0) {
		/* A URL with a password in it must not get into the journal. */
		text_addf(error, "%s %s",
			  strchr(target, '@') ? "the URL" : opt_quoted(quoted, target), reason);
		return r;
	}
	if (s->unix_target.n_addresses > 0 && s->connect.host[0] != '\0') {
		text_add(error, "--http-unix and --http-connect exclude each other");
		return -EINVAL;
	}
	if (s->body && strcmp(s->method, "HEAD") == 0) {
		text_add(error, "--http-body can never match with --http-method=HEAD");
		return -EINVAL;
	}
	r = find_target(s, error);
	if (r < 0)
		return r;

	/* A redirect's target may be longer than the URL's: leave room for the longest. */
	http_request_build(&request, s->method, &s->url, &s->headers);
	explicit_bzero(buffer, sizeof(buffer));
	if (request.is_cut || request.length + HTTP_TARGET_MAX >= HTTP_REQUEST_MAX) {
		text_add(error, "the headers of --http-header are too large (14 KiB together)");
		return -EFBIG;
	}
	return 0;
}

void http_settings_done(void *settings) {
	struct http_settings *s = settings;

	free(s->method);
	http_headers_done(&s->headers);
	match_free(s->body);
	memset(s, 0, sizeof(*s));
}
