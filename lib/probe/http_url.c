/* SPDX-License-Identifier: MIT */
#include "probe/http_url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/optab.h"
#include "probe/host_name.h"

static uint16_t default_port(const struct http_url *u) {
	return u->is_tls ? 443 : 80;
}

static int refuse(struct text *error, const char *what) {
	text_add(error, what);
	return -EINVAL;
}

/* Blanks and controls end a request line or a header: they must not get into one. */
static bool is_clean(const char *s) {
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return false;
	return true;
}

/* What stands in brackets: an IPv6 address, its zone behind '%' or "%25" (RFC 6874). */
static int parse_ipv6(struct http_url *u, const char *p, size_t length, struct text *error) {
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ipv6;
	size_t n = strcspn(p, "%]"), zone = n;

	if (n >= sizeof(address) || length >= sizeof(u->host))
		return refuse(error, "has no IPv6 address in its brackets");
	memcpy(address, p, n);
	address[n] = '\0';
	if (inet_pton(AF_INET6, address, &ipv6) != 1)
		return refuse(error, "has no IPv6 address in its brackets");
	memcpy(u->host, address, n + 1);
	u->is_ipv6 = true;
	if (n == length)
		return 0;

	zone += strncmp(p + n, "%25", 3) == 0 && n + 3 < length ? 3 : 1;
	if (zone == length)
		return refuse(error, "has an empty IPv6 zone");
	u->host[n] = '%';
	memcpy(u->host + n + 1, p + zone, length - zone);
	u->host[n + 1 + length - zone] = '\0';
	return 0;
}

static int parse_name(struct http_url *u, const char *p, size_t length, struct text *error) {
	if (length == 0)
		return refuse(error, "has no host");
	if (length >= sizeof(u->host))
		return refuse(error, "has a host that is too long");
	if (strspn(p, HOST_NAME_CHARACTERS) < length)
		return refuse(error, "has a bad character in its host");
	memcpy(u->host, p, length);
	u->host[length] = '\0';
	return 0;
}

static int parse_authority(struct http_url *u, const char *p, size_t length, struct text *error) {
	const char *end = p + length, *close;
	char digits[6];
	uint64_t port;
	size_t n;
	int r;

	if (memchr(p, '@', length))
		return refuse(error,
			      "has a user or password in it, which everybody can read in the "
			      "process list: put 'Authorization: ...' into a file and give it "
			      "as --http-header=@FILE");
	if (*p == '[') {
		close = memchr(p, ']', length);
		if (!close)
			return refuse(error, "has no closing bracket");
		r = parse_ipv6(u, p + 1, (size_t)(close - p - 1), error);
		p = close + 1;
	} else {
		close = memchr(p, ':', length);
		if (close && memchr(close + 1, ':', (size_t)(end - close - 1)))
			return refuse(error, "has an IPv6 address without brackets");
		n = close ? (size_t)(close - p) : length;
		r = parse_name(u, p, n, error);
		p += n;
	}
	if (r < 0)
		return r;
	u->port = default_port(u);
	if (p == end)
		return 0;
	if (*p++ != ':')
		return refuse(error, "has something else than a port behind its brackets");
	n = (size_t)(end - p);
	if (n == 0)
		return 0; /* RFC 3986 section 6.2.3: an empty port is the default one */
	if (n >= sizeof(digits))
		return refuse(error, "has no port within 1-65535");
	memcpy(digits, p, n);
	digits[n] = '\0';
	if (text_parse_u64(digits, 1, UINT16_MAX, &port) < 0)
		return refuse(error, "has no port within 1-65535");
	u->port = (uint16_t)port;
	return 0;
}

/* Sets the target from what follows the authority, up to a fragment. */
static int set_target(struct http_url *u, const char *p) {
	size_t length = strcspn(p, "#"), extra = *p == '/' ? 0 : 1;

	if (extra + length >= sizeof(u->target))
		return -EINVAL;
	u->target[0] = '/';
	memcpy(u->target + extra, p, length);
	u->target[extra + length] = '\0';
	return 0;
}

int http_url_parse(struct http_url *ret, const char *url, struct text *error) {
	struct http_url u = {.is_tls = strncasecmp(url, "https://", strlen("https://")) == 0};
	const char *scheme = u.is_tls ? "https://" : "http://";
	size_t length;
	int r;

	if (strncasecmp(url, scheme, strlen(scheme)) != 0)
		return refuse(error, "does not begin with http:// or https://");
	if (!is_clean(url))
		return refuse(error, "has a blank or control character in it");
	url += strlen(scheme);
	length = strcspn(url, "/?#");
	r = parse_authority(&u, url, length, error);
	if (r < 0)
		return r;
	if (set_target(&u, url + length) < 0)
		return refuse(error, "is too long");
	*ret = u;
	return 0;
}

void http_url_add_authority(const struct http_url *u, struct text *t) {
	if (u->is_ipv6)
		text_addf(t, "[%.*s]", (int)strcspn(u->host, "%"), u->host);
	else
		text_add(t, u->host);
	if (u->port != default_port(u))
		text_addf(t, ":%u", u->port);
}

/* Leaves out "." and ".." (RFC 3986 section 5.2.4) in the path of @target, which begins with '/'.
 */
static void remove_dots(char *target) {
	char *in = target, *out = target, *end = target + strcspn(target, "?");

	while (in < end) {
		size_t n = 1 + strcspn(in + 1, "/?");
		bool is_last = in + n == end;
		bool is_dot = n == 2 && in[1] == '.';
		bool is_up = n == 3 && in[1] == '.' && in[2] == '.';

		if (is_up)
			while (out > target && *--out != '/')
				;
		if (!is_dot && !is_up) {
			memmove(out, in, n);
			out += n;
		} else if (is_last)
			*out++ = '/';
		in += n;
	}
	memmove(out, end, strlen(end) + 1);
}

/* The target of a reference without scheme and authority. */
static int resolve_target(const struct http_url *base, const char *reference,
			  struct http_url *ret) {
	size_t keep = strcspn(base->target, "?"), length = strcspn(reference, "#");

	if (length == 0)
		keep = strlen(base->target);
	else if (*reference == '/')
		keep = 0;
	else if (*reference != '?')
		while (base->target[keep - 1] != '/')
			keep--;
	if (keep + length >= sizeof(ret->target))
		return -EINVAL;
	*ret = *base;
	memcpy(ret->target + keep, reference, length);
	ret->target[keep + length] = '\0';
	remove_dots(ret->target);
	return 0;
}

static bool is_same_authority(const struct http_url *base, const char *host,
			      const struct http_url *other) {
	char a[HTTP_HOST_MAX + 16], b[HTTP_HOST_MAX + 16];
	struct text ours = TEXT_OVER(a), theirs = TEXT_OVER(b);

	http_url_add_authority(base, &ours);
	http_url_add_authority(other, &theirs);
	return strcasecmp(a, b) == 0 || (host && strcasecmp(host, b) == 0);
}

int http_url_resolve(const struct http_url *base, const char *host, const char *location,
		     struct http_url *ret) {
	char buffer[HTTP_TARGET_MAX + HTTP_HOST_MAX], reason[256];
	struct text absolute = TEXT_OVER(buffer), error = TEXT_OVER(reason);
	struct http_url other;
	size_t scheme;
	int r;

	if (!is_clean(location))
		return -EINVAL;
	/* A scheme is letters, digits, "+-." up to the first colon (RFC 3986 section 3.1). */
	scheme = 0;
	while (isalnum((unsigned char)location[scheme]) ||
	       (location[scheme] != '\0' && strchr("+-.", location[scheme])))
		scheme++;
	if (scheme > 0 && location[scheme] == ':')
		text_add(&absolute, location);
	else if (strncmp(location, "//", 2) == 0)
		text_addf(&absolute, "http%s:%s", base->is_tls ? "s" : "", location);
	else
		return resolve_target(base, location, ret);

	if (strncasecmp(buffer, "http://", strlen("http://")) != 0 &&
	    strncasecmp(buffer, "https://", strlen("https://")) != 0)
		return -EXDEV;
	r = http_url_parse(&other, buffer, &error);
	if (r < 0 || absolute.is_cut)
		return -EINVAL;
	if (other.is_tls != base->is_tls || !is_same_authority(base, host, &other))
		return -EXDEV;
	*ret = *base;
	memcpy(ret->target, other.target, sizeof(ret->target));
	remove_dots(ret->target);
	return 0;
}
