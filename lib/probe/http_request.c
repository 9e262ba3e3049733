/* SPDX-License-Identifier: MIT */
#include "probe/http_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/optab.h"
#include "base/whole_file.h"

/* RFC 9110 section 5.6.2. */
#define TOKEN "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static void header_done(struct http_header *header) {
	free(header->name);
	free(header->value);
}

void http_headers_done(struct http_headers *h) {
	for (size_t i = 0; i < h->n_items; i++)
		header_done(&h->items[i]);
	free(h->items);
	*h = (struct http_headers){0};
}

const char *http_headers_find(const struct http_headers *h, const char *name) {
	for (size_t i = 0; i < h->n_items; i++)
		if (strcasecmp(h->items[i].name, name) == 0)
			return h->items[i].value;
	return NULL;
}

/* What is wrong with @line of @length bytes, or NULL. */
static const char *line_error(const char *line, size_t length) {
	size_t name = strspn(line, TOKEN);

	if (!memchr(line, ':', length))
		return "has no colon: it must be 'Name: value'";
	if (name == 0 || line[name] != ':')
		return "has no valid header name before its colon";
	for (size_t i = name; i < length; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return "has a control character in it";
	return NULL;
}

/* The framing of the request is ours: a header that announces a body would make the server wait. */
static const char *framing_error(const struct http_header *header) {
	if (strcasecmp(header->name, "Transfer-Encoding") == 0 && header->value[0] != '\0')
		return "announces a body, and a look has none";
	if (strcasecmp(header->name, "Content-Length") == 0 && header->value[0] != '\0' &&
	    strcmp(header->value, "0") != 0)
		return "announces a body, and a look has none";
	return NULL;
}

/* Adds one line that is @where for people. @line is NUL-terminated or ends with a line end. */
static int add_line(struct http_headers *h, const char *line, size_t length, const char *where,
		    struct text *error) {
	const char *reason = line_error(line, length);
	size_t name = strcspn(line, ":"), start = name + 1;
	struct http_header header = {0}, *items;

	if (reason) {
		text_addf(error, "%s %s", where, reason);
		return -EINVAL;
	}
	while (start < length && strchr(" \t", line[start]))
		start++;
	while (length > start && strchr(" \t", line[length - 1]))
		length--;
	items = reallocarray(h->items, h->n_items + 1, sizeof(*items));
	if (items)
		h->items = items;
	header.name = strndup(line, name);
	header.value = strndup(line + start, length - start);
	if (!items || !header.name || !header.value) {
		header_done(&header);
		text_add(error, "out of memory");
		return -ENOMEM;
	}
	reason = framing_error(&header);
	if (reason) {
		header_done(&header);
		text_addf(error, "%s %s", where, reason);
		return -EINVAL;
	}
	h->items[h->n_items++] = header;
	return 0;
}

static int add_lines(struct http_headers *h, const char *data, size_t length, const char *path,
		     struct text *error) {
	const char *end = data + length;
	size_t n_before = h->n_items;
	char quoted[OPT_QUOTED_MAX], where[OPT_QUOTED_MAX + 32];
	int r;

	opt_quoted(quoted, path);
	for (unsigned n = 1; data < end; n++) {
		struct text t = TEXT_OVER(where);
		const char *next = memchr(data, '\n', (size_t)(end - data));
		size_t line = (size_t)((next ? next : end) - data);
		size_t kept = line > 0 && data[line - 1] == '\r' ? line - 1 : line;

		text_addf(&t, "line %u of %s", n, quoted);
		if (kept > 0) {
			r = add_line(h, data, kept, where, error);
			if (r < 0)
				return r;
		}
		data += line + 1;
	}
	if (h->n_items == n_before) {
		text_addf(error, "%s has no header in it", quoted);
		return -EINVAL;
	}
	return 0;
}

static int add_file(struct http_headers *h, const char *path, struct text *error) {
	char quoted[OPT_QUOTED_MAX], reason[128];
	struct text why = TEXT_OVER(reason);
	char *data;
	size_t length;
	int r = whole_file_read(path, HTTP_REQUEST_MAX, WHOLE_FILE_PATIENCE, &data, &length, &why);

	if (r < 0) {
		text_addf(error, "%s: %s", opt_quoted(quoted, path), reason);
		return r;
	}
	r = add_lines(h, data, length, path, error);
	explicit_bzero(data, length);
	free(data);
	return r;
}

int http_headers_add(struct http_headers *h, const char *value, struct text *error) {
	char quoted[OPT_QUOTED_MAX], name[OPT_QUOTED_MAX];
	struct text before_colon = TEXT_OVER(name);
	size_t n_before = h->n_items;
	int r;

	/* An error names the header, not its value, which may be a password. */
	text_add_bytes(&before_colon, value, strcspn(value, ":"));
	if (value[0] == '@')
		r = add_file(h, value + 1, error);
	else
		r = add_line(h, value, strlen(value), opt_quoted(quoted, name), error);
	if (r < 0)
		while (h->n_items > n_before)
			header_done(&h->items[--h->n_items]);
	return r;
}

static void add_default(struct text *t, const struct http_headers *h, const char *name,
			const char *value) {
	if (!http_headers_find(h, name))
		text_addf(t, "%s: %s\r\n", name, value);
}

void http_request_build(struct text *t, const char *method, const struct http_url *u,
			const struct http_headers *h) {
	char authority[HTTP_HOST_MAX + 16];
	struct text host = TEXT_OVER(authority);

	http_url_add_authority(u, &host);
	/* Pieces, not one format: what does not fit is cut at the end and nowhere else. */
	text_add(t, method);
	text_add(t, " ");
	text_add(t, u->target);
	text_add(t, " HTTP/1.1\r\n");
	add_default(t, h, "Host", authority);
	add_default(t, h, "User-Agent", "sdwd/" SDWD_VERSION);
	add_default(t, h, "Accept", "*/*");
	add_default(t, h, "Connection", "close");
	if (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
	    strcmp(method, "PATCH") == 0)
		add_default(t, h, "Content-Length", "0");
	for (size_t i = 0; i < h->n_items; i++) {
		if (h->items[i].value[0] == '\0')
			continue;
		text_add(t, h->items[i].name);
		text_add(t, ": ");
		text_add(t, h->items[i].value);
		text_add(t, "\r\n");
	}
	text_add(t, "\r\n");
}
