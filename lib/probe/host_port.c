/* SPDX-License-Identifier: MIT */
#include "probe/host_port.h"

#include <errno.h>
#include <string.h>

#include "base/optab.h"
#include "probe/host_name.h"

static int refuse(struct text *error, const char *value, const char *reason) {
	char quoted[OPT_QUOTED_MAX];

	text_addf(error, "%s %s", opt_quoted(quoted, value), reason);
	return -EINVAL;
}

/* What is wrong with @host, which dial_target_host() does not know, or NULL: it is a name. */
static const char *name_error(const char *host, bool has_brackets) {
	if (has_brackets)
		return "has no IPv6 address in its brackets";
	if (host_name_is_valid(host))
		return NULL;
	if (host[strspn(host, HOST_NAME_CHARACTERS)] != '\0')
		return "has a bad character in its host";
	return host[strspn(host, "0123456789.")] == '\0'
		       ? "has a malformed IPv4 address"
		       : "has a host that is neither an address nor a name";
}

int host_port_parse(struct host_port *ret, const char *value, struct text *error) {
	struct host_port parsed = {0};
	const char *host = value, *end, *reason;
	bool has_brackets = *value == '[';
	uint64_t port;
	size_t length;
	int r;

	if (has_brackets) {
		host++;
		end = strchr(host, ']');
		if (!end)
			return refuse(error, value, "has no closing bracket");
		length = (size_t)(end++ - host);
	} else {
		end = strchrnul(host, ':');
		if (*end == ':' && strchr(end + 1, ':'))
			return refuse(error, value, "has an IPv6 address without brackets");
		length = (size_t)(end - host);
	}
	if (length == 0)
		return refuse(error, value, "has no host");
	if (length >= sizeof(parsed.host))
		return refuse(error, value, "has a host that is too long");
	if (*end == '\0')
		return refuse(error, value, "has no port: it must be HOST:PORT");
	if (*end != ':')
		return refuse(error, value, "has something else than a port behind its brackets");
	if (text_parse_u64(end + 1, 1, UINT16_MAX, &port) < 0)
		return refuse(error, value, "has no port within 1-65535");
	memcpy(parsed.host, host, length);
	parsed.port = (uint16_t)port;

	r = has_brackets && !strchr(parsed.host, ':')
		    ? -EINVAL
		    : dial_target_host(&parsed.target, parsed.host, parsed.port);
	if (r == -EINVAL) {
		reason = name_error(parsed.host, has_brackets);
		if (reason)
			return refuse(error, value, reason);
		parsed.is_name = true;
	} else if (r < 0)
		return refuse(error, value, "names an interface that is not there");
	*ret = parsed;
	return 0;
}
