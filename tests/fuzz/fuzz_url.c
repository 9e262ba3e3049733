/* SPDX-License-Identifier: MIT */
/*
 * A URL, and behind a NUL where its server sends us (Location). What is taken of either is clean
 * enough for a request line, and never another server; the first one is also read as HOST:PORT.
 */
#include <errno.h>

#include "probe/host_name.h"
#include "probe/host_port.h"
#include "probe/http_url.h"

#include "fuzz.h"

static bool is_printable(const char *s) {
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return false;
	return true;
}

static void check_url(const struct http_url *u) {
	must(u->port > 0 && u->host[0] != '\0' && is_printable(u->host));
	must(memchr(u->host, '\0', sizeof(u->host)) && memchr(u->target, '\0', sizeof(u->target)));
	must(u->target[0] == '/' && is_printable(u->target) && !strchr(u->target, '#'));
	must(!strpbrk(u->host, "/?#@]") && u->is_ipv6 == (strchr(u->host, ':') != NULL));
	/* An interface's name may have one. */
	must(!memchr(u->host, '[', strcspn(u->host, "%")));
}

static bool is_same(const struct http_url *a, const struct http_url *b) {
	return a->is_tls == b->is_tls && a->is_ipv6 == b->is_ipv6 && a->port == b->port &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->target, b->target) == 0;
}

/* Written as a URL it is the same one. */
static void check_written(const struct http_url *u) {
	char url[HTTP_HOST_MAX + HTTP_TARGET_MAX + 64], reason[256], name[HTTP_HOST_MAX + 16];
	struct text error = TEXT_OVER(reason), authority = TEXT_OVER(name);
	struct http_url again;

	snprintf(url, sizeof(url), "http%s://%s%s%s:%u%s", u->is_tls ? "s" : "",
		 u->is_ipv6 ? "[" : "", u->host, u->is_ipv6 ? "]" : "", u->port, u->target);
	must(http_url_parse(&again, url, &error) == 0 && is_same(u, &again));
	http_url_add_authority(u, &authority);
	must(!authority.is_cut && is_printable(name) && !strchr(name, '%'));
}

/* No step of @target's path stands still or leads up. */
static bool has_dots(const char *target) {
	const char *end = target + strcspn(target, "?");

	for (const char *p = target; p < end;) {
		size_t n = 1 + strcspn(p + 1, "/?");

		if ((n == 2 && p[1] == '.') || (n == 3 && p[1] == '.' && p[2] == '.'))
			return true;
		p += n;
	}
	return false;
}

/* @path up to a query or a fragment without its dots, segment by segment, and the query. */
static void walk(char *to, const char *path) {
	const char *segments[HTTP_TARGET_MAX], *end = path + strcspn(path, "?#");
	size_t lengths[HTTP_TARGET_MAX], n = 0;

	for (const char *p = path; p < end;) {
		const char *segment = p + 1;
		size_t length = strcspn(segment, "/?#");
		bool is_up = length == 2 && memcmp(segment, "..", 2) == 0;
		bool is_here = length == 1 && *segment == '.';

		p = segment + length;
		if (is_up && n > 0)
			n--;
		if ((is_up || is_here) && p < end)
			continue;
		segments[n] = segment;
		lengths[n++] = is_up || is_here ? 0 : length;
	}
	for (size_t i = 0; i < n; i++)
		to += sprintf(to, "/%.*s", (int)lengths[i], segments[i]);
	sprintf(to, "%.*s", (int)strcspn(end, "#"), end);
}

static void check_location(const struct http_url *base, const char *location) {
	struct http_url u, again;
	int r = http_url_resolve(base, NULL, location, &u);

	must(r == 0 || r == -EXDEV || r == -EINVAL);
	if (r < 0)
		return;
	check_url(&u);
	must(!has_dots(u.target));
	must(u.is_tls == base->is_tls && u.port == base->port && strcmp(u.host, base->host) == 0);
	if (location[0] == '/' && location[1] != '/') {
		char expected[HTTP_TARGET_MAX];

		walk(expected, location);
		must(strcmp(u.target, expected) == 0);
	}
	/* Its target, as the next Location, stays where it is. */
	if (strncmp(u.target, "//", 2) != 0)
		must(http_url_resolve(base, NULL, u.target, &again) == 0 && is_same(&u, &again));
	must(http_url_resolve(&u, NULL, "", &again) == 0 && is_same(&u, &again));
	must(http_url_resolve(&u, NULL, "//elsewhere.example/", &again) == -EXDEV ||
	     strcasecmp(u.host, "elsewhere.example") == 0);
}

static void check_host_port(const char *text) {
	char reason[512];
	struct text error = TEXT_OVER(reason);
	struct host_port h;
	int r = host_port_parse(&h, text, &error);

	if (r < 0) {
		fuzz_check_line(reason);
		return;
	}
	must(error.length == 0 && h.port > 0 && h.host[0] != '\0');
	must(strstr(text, h.host) && memchr(h.host, '\0', sizeof(h.host)));
	must(!h.is_name || host_name_is_valid(h.host));
	must(h.is_name || h.target.n_addresses > 0);
}

static void check_host_name(const char *text) {
	size_t length = strlen(text);

	if (!host_name_is_valid(text))
		return;
	must(length <= 254 && strspn(text, HOST_NAME_CHARACTERS) == length);
	must(text[0] != '.' && !strstr(text, "..") && text[strspn(text, "0123456789.")] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *url = fuzz_text(data, size), *location, reason[512];
	struct text error = TEXT_OVER(reason);
	size_t length = strlen(url);
	struct http_url u;
	int r = http_url_parse(&u, url, &error);

	must(r == 0 || r == -EINVAL);
	check_host_port(url);
	check_host_name(url);
	if (r < 0) {
		fuzz_check_line(reason);
	} else {
		must(error.length == 0);
		check_url(&u);
		check_written(&u);
		location = length < size ? fuzz_text(data + length + 1, size - length - 1)
					 : fuzz_text("", 0);
		check_location(&u, location);
		free(location);
	}
	free(url);
	return 0;
}
