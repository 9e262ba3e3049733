/* SPDX-License-Identifier: MIT */
#include "probe/stream_settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "probe/tcp.h"
#include "probe/unix.h"

/* What the options of --tcp and --unix say, and what they refuse. */

static char reason[512];

static int parse_address(const char *value, struct host_port *ret) {
	struct text error = TEXT_OVER(reason);

	return host_port_parse(ret, value, &error);
}

static void test_addresses(void **state) {
	static const struct {
		const char *value, *host;
		uint16_t port;
		size_t n_addresses; /* 0: a name */
		int family;
	} cases[] = {
		{"127.0.0.1:80", "127.0.0.1", 80, 1, AF_INET},
		{"0.0.0.0:1", "0.0.0.0", 1, 1, AF_INET},
		{"localhost:65535", "localhost", 65535, 2, AF_INET},
		{"LocalHost:080", "LocalHost", 80, 2, AF_INET},
		{"[::1]:25", "::1", 25, 1, AF_INET6},
		{"[fe80::1%1]:25", "fe80::1%1", 25, 1, AF_INET6},
		{"[fe80::1%lo]:25", "fe80::1%lo", 25, 1, AF_INET6},
		{"[::ffff:127.0.0.1]:2", "::ffff:127.0.0.1", 2, 1, AF_INET6},
		{"db.example.org:5432", "db.example.org", 5432, 0, 0},
		{"db_1-x:5432", "db_1-x", 5432, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct host_port a;

		if (parse_address(cases[i].value, &a) < 0)
			fail_msg("%s: %s", cases[i].value, reason);
		assert_string_equal(a.host, cases[i].host);
		assert_int_equal(a.port, cases[i].port);
		assert_int_equal(a.is_name, cases[i].n_addresses == 0);
		assert_int_equal(a.target.n_addresses, cases[i].n_addresses);
		if (a.is_name)
			continue;
		assert_int_equal(a.target.addresses[0].any.sa_family, cases[i].family);
		assert_int_equal(cases[i].family == AF_INET ? a.target.addresses[0].in.sin_port
							    : a.target.addresses[0].in6.sin6_port,
				 htons(cases[i].port));
	}
}

static void test_addresses_refused(void **state) {
	static const struct {
		const char *value, *reason;
	} cases[] = {
		{"127.0.0.1", "has no port: it must be HOST:PORT"},
		{"[::1]", "has no port: it must be HOST:PORT"},
		{"80", "has no port: it must be HOST:PORT"},
		{"127.0.0.1:", "has no port within 1-65535"},
		{"127.0.0.1:0", "has no port within 1-65535"},
		/* B1 */
		{"127.0.0.1:-1", "has no port within 1-65535"},
		{"127.0.0.1:65536", "has no port within 1-65535"},
		{"127.0.0.1:http", "has no port within 1-65535"},
		{"127.0.0.1: 80", "has no port within 1-65535"},
		{"127.0.0.1:80 ", "has no port within 1-65535"},
		{"127.0.0.1:80/", "has no port within 1-65535"},
		{":80", "has no host"},
		{"[]:80", "has no host"},
		{"::1:80", "has an IPv6 address without brackets"},
		{"[::1:80", "has no closing bracket"},
		{"[::1]80", "has something else than a port behind its brackets"},
		{"[::g]:80", "has no IPv6 address in its brackets"},
		{"[127.0.0.1]:80", "has no IPv6 address in its brackets"},
		{"[localhost]:80", "has no IPv6 address in its brackets"},
		{"[example.org]:80", "has no IPv6 address in its brackets"},
		{"[fe80::1%no-such-if]:80", "names an interface that is not there"},
		{"127.0.0.256:80", "has a malformed IPv4 address"},
		{"127.0.1:80", "has a malformed IPv4 address"},
		{"0x7f.1:80", "has a host that is neither an address nor a name"},
		{"a..b:80", "has a host that is neither an address nor a name"},
		{".:80", "has a malformed IPv4 address"},
		{"a b:80", "has a bad character in its host"},
		{"http//x:80", "has a bad character in its host"},
		{" 127.0.0.1:80", "has a bad character in its host"},
	};
	struct host_port a = {.host = "as before"};
	char long_host[300];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = parse_address(cases[i].value, &a);

		if (r >= 0 || !strstr(reason, cases[i].reason) || !strstr(reason, cases[i].value))
			fail_msg("%s: %d: %s", cases[i].value, r, reason);
	}
	/* A host of 256 bytes, and of 255. */
	memset(long_host, 'x', sizeof(long_host));
	strcpy(long_host + HOST_PORT_HOST_MAX, ":80");
	assert_int_equal(parse_address(long_host, &a), -EINVAL);
	assert_non_null(strstr(reason, "has a host that is too long"));
	assert_string_equal(a.host, "as before");
	assert_int_equal(parse_address(long_host + 1, &a), -EINVAL);
	assert_non_null(strstr(reason, "neither an address nor a name"));
	assert_string_equal(a.host, "as before");
	/* The longest that is a name. */
	for (size_t i = 0; i < HOST_PORT_HOST_MAX; i += 64)
		long_host[i] = '.';
	assert_int_equal(parse_address(long_host + 3, &a), 0);
	assert_int_equal(strlen(a.host), 253);
}

/* One option of a kind's table. */
static int set(const struct probe_kind *kind, void *settings, const char *name, const char *value) {
	const struct opt *o = opt_find(kind->options, name);
	struct text error = TEXT_OVER(reason);

	assert_non_null(o);
	return o->parse(o, value, (char *)settings + o->offset, &error);
}

static void test_send(void **state) {
	const struct probe_kind *kind = probe_tcp.kind;
	struct tcp_settings s = {0};

	assert_int_equal(set(kind, &s, "send", "one"), 0);
	assert_int_equal(set(kind, &s, "send", "a\\r\\n\\0\\x40\\\\b\\101"), 0);
	assert_int_equal(s.stream.send.length, 8);
	assert_memory_equal(s.stream.send.data, "a\r\n\0@\\bA", 8);

	/* What is wrong changes nothing. */
	assert_int_equal(set(kind, &s, "send", "a\\q"), -EINVAL);
	assert_non_null(strstr(reason, "'a\\q' has an unknown or unfinished escape in it"));
	assert_int_equal(set(kind, &s, "send", "a\\"), -EINVAL);
	assert_int_equal(set(kind, &s, "send", ""), -EINVAL);
	assert_string_equal(reason, "'' is empty");
	assert_int_equal(s.stream.send.length, 8);
	kind->settings_done(&s);
	kind->settings_done(&s);
}

static void write_file(const char *path, size_t length) {
	char *data = calloc(1, length + 1);
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	memset(data, '\\', length);
	assert_int_equal(fwrite(data, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
	free(data);
}

static void test_send_from_a_file(void **state) {
	const struct probe_kind *kind = probe_unix.kind;
	char value[] = "@/tmp/sdwd-send-XXXXXX";
	struct unix_settings s = {0};

	fd_close(mkstemp(value + 1));
	assert_int_equal(set(kind, &s, "send", value), -EINVAL);
	assert_non_null(strstr(reason, "' is empty"));
	write_file(value + 1, STREAM_SEND_MAX + 1);
	assert_int_equal(set(kind, &s, "send", value), -EFBIG);
	assert_non_null(strstr(reason, "': is larger than 16384 bytes"));
	assert_null(strstr(reason, "\\"));
	/* The bytes as they stand: no escapes. */
	write_file(value + 1, STREAM_SEND_MAX);
	assert_int_equal(set(kind, &s, "send", value), 0);
	assert_int_equal(s.stream.send.length, STREAM_SEND_MAX);
	assert_memory_equal(s.stream.send.data, "\\\\\\", 3);
	assert_int_equal(unlink(value + 1), 0);
	assert_int_equal(set(kind, &s, "send", value), -ENOENT);
	assert_non_null(strstr(reason, ": No such file or directory"));
	assert_int_equal(set(kind, &s, "send", "@/"), -EISDIR);
	kind->settings_done(&s);
}

static int check_target(const struct probe_class *class, const char *target) {
	struct text error = TEXT_OVER(reason);
	union {
		struct tcp_settings tcp;
		struct unix_settings un;
	} s = {0};

	return class->kind->check(target, &s, &error);
}

static void test_targets(void **state) {
	char path[200];

	assert_int_equal(check_target(&probe_tcp, "localhost:1"), 0);
	assert_int_equal(check_target(&probe_tcp, "127.0.0.1"), -EINVAL);
	assert_int_equal(check_target(&probe_tcp, "example.org:1"), 0);
	assert_int_equal(check_target(&probe_tcp, "127.1:1"), -EINVAL);

	assert_int_equal(check_target(&probe_unix, "/run/x"), 0);
	assert_int_equal(check_target(&probe_unix, "x"), 0);
	assert_int_equal(check_target(&probe_unix, "@x"), 0);
	assert_int_equal(check_target(&probe_unix, "@"), -EINVAL);
	assert_string_equal(reason, "'@': the name is empty");
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[108] = '\0';
	assert_int_equal(check_target(&probe_unix, path), -ENAMETOOLONG);
	assert_non_null(strstr(reason, ": the path of a socket has at most 107 bytes"));
}

static void test_notes(void **state) {
	const struct probe_kind *const kinds[] = {probe_tcp.kind, probe_unix.kind};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct unix_settings s = {0};

		assert_non_null(strstr(kinds[i]->note(&s), "accepts connections for a hung"));
		assert_int_equal(set(kinds[i], &s, "send", "x"), 0);
		assert_non_null(strstr(kinds[i]->note(&s), "nobody needs to read what is sent"));
		assert_int_equal(set(kinds[i], &s, "expect", "x"), 0);
		assert_null(kinds[i]->note(&s));
		kinds[i]->settings_done(&s);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_addresses_refused),
		cmocka_unit_test(test_send),      cmocka_unit_test(test_send_from_a_file),
		cmocka_unit_test(test_targets),   cmocka_unit_test(test_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
