/* SPDX-License-Identifier: MIT */
#include "probe/http_settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/match.h"
#include "probe/host_name.h"
#include "probe/unix_path.h"

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

/* What came from a file stands as if it had been given. */
static void write_headers(const struct opt *o, const void *field, struct text *words) {
	const struct http_headers *headers = field;

	for (size_t i = 0; i < headers->n_items; i++) {
		text_addf(words, "%s=%s: ", o->name, headers->items[i].name);
		text_add(words, headers->items[i].value);
		text_add_bytes(words, "", 1);
	}
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

/* HOST, HOST:PORT, [ADDR]:PORT; an IPv6 address without a port needs no brackets. */
static int parse_connect(const struct opt *o, const char *value, void *field, struct text *error) {
	static const char reason[] = "is no HOST[:PORT]";
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
	if (r == -ENODEV)
		return refuse(error, value, "names an interface that is not there");
	if (r < 0 && (*value == '[' || !host_name_is_valid(parsed.host)))
		return refuse(error, value, reason);
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
		.write = write_headers,
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
			"only named in the request",
		.parse = unix_path_parse,
		.write = unix_path_write,
		.offset = offsetof(struct http_settings, unix_target),
	},
	{
		.name = "http-connect",
		.argument = "HOST[:PORT]",
		.help = "connect to this address or name; the URL's host is only named in the "
			"request",
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
	{
		.name = "http-ca",
		.argument = "FILE",
		.help = "https: trust these certificate authorities (PEM) and no others",
		.parse = tls_parse_file,
		.write = tls_write_file,
		.offset = offsetof(struct http_settings, tls.ca),
	},
	{
		.name = "http-cert",
		.argument = "FILE",
		.help = "https: show this client certificate (PEM)",
		.parse = tls_parse_file,
		.write = tls_write_file,
		.offset = offsetof(struct http_settings, tls.cert),
	},
	{
		.name = "http-key",
		.argument = "FILE",
		.help = "https: the private key of --http-cert (PEM), where that file has none",
		.parse = tls_parse_file,
		.write = tls_write_file,
		.offset = offsetof(struct http_settings, tls.key),
	},
	{
		.name = "http-insecure",
		.help = "https: take any certificate of the server",
		.parse = opt_parse_flag,
		.offset = offsetof(struct http_settings, tls.is_insecure),
	},
	{NULL},
};

bool http_status_is_good(const struct http_settings *s, int status) {
	return status < 1000 && s->statuses.bits[status / 64] >> status % 64 & 1;
}

/* Where to connect, from options or URL. */
static int find_target(struct http_settings *s, struct text *error) {
	const char *host = s->connect.host[0] != '\0' ? s->connect.host : s->url.host;
	char quoted[OPT_QUOTED_MAX];
	int r;

	s->name[0] = '\0';
	s->port = s->connect.port != 0 ? s->connect.port : s->url.port;
	if (s->unix_target.n_addresses > 0) {
		s->target = s->unix_target;
		return 0;
	}
	r = dial_target_host(&s->target, host, s->port);
	if (r == -EINVAL && host_name_is_valid(host)) {
		s->target.n_addresses = 0;
		memcpy(s->name, host, strlen(host) + 1);
		return 0;
	}
	if (r == -EINVAL)
		text_addf(error, "the host %s is neither an address nor a name",
			  opt_quoted(quoted, host));
	else if (r < 0)
		text_addf(error, "%s names an interface that is not there",
			  opt_quoted(quoted, host));
	return r;
}

int http_settings_check(const char *target, void *settings, struct text *error) {
	struct http_settings *s = settings;
	char quoted[OPT_QUOTED_MAX], reason[256], buffer[HTTP_REQUEST_MAX];
	struct text why = TEXT_OVER(reason), request = TEXT_OVER(buffer);
	int r;

	r = http_url_parse(&s->url, target, &why);
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
	r = tls_settings_check(&s->tls, "--http-",
			       s->url.is_tls ? NULL : "is for https, and the URL is http", error);
	if (r < 0)
		return r;
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
	pattern_free(s->body);
	tls_settings_done(&s->tls);
	memset(s, 0, sizeof(*s));
}

const char *http_settings_note(const void *settings) {
	const struct http_settings *s = settings;
	bool is_ours = s->unix_target.n_addresses > 0 && !s->url.is_tls;

	return is_ours ? unix_path_note(&s->unix_target) : NULL;
}

const char *http_settings_need_prober(const void *settings) {
	const struct http_settings *s = settings;

	return s->url.is_tls ? "https" : s->name[0] != '\0' ? "a host name" : NULL;
}
