/* SPDX-License-Identifier: MIT */
#include "probe/host_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What counts as the name of a host, for --http, --grpc and --tcp alike. */

static void test_names(void **state) {
	static const char *const names[] = {
		"localhost",
		"a",
		"A.Example",
		"a.b-c.d_e",
		"_srv.example",
		"xn--bcher-kva.ch",
		"a.",
		"1.2.x3",
		"3com.com",
		"0x",
		"127.0.0.1.com",
		"1-2",
		"0xfg",
		"beef.0xg",
		"0x7f.1.com.",
		"x1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!host_name_is_valid(names[i]))
			fail_msg("'%s' is no name", names[i]);
}

static void test_no_names(void **state) {
	static const char *const others[] = {
		"",           ".",
		".a",         "a..",
		"a..b",       "a b",
		" a",         "a\n",
		"a/b",        "a:1",
		"::1",        "a%lo",
		"m\xc3\xbc",  "a,b",
		"[a]",        "a@b",
		"1",          "127.1",
		"127.1.",     "127.0.0.1",
		"a.1",        "a.example.123.",
		"256.0.0.1",  "0x7f.1",
		"0x7f000001", "0X7F000001.",
		"a.0xBeef",
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (host_name_is_valid(others[i]))
			fail_msg("'%s' is a name", others[i]);
}

/* RFC 1035 section 2.3.4. */
static void test_lengths(void **state) {
	char name[256];

	memset(name, 'x', sizeof(name));
	name[64] = '\0';
	assert_false(host_name_is_valid(name));
	assert_true(host_name_is_valid(name + 1));

	/* Labels of 63, and the whole of 254, 253, and 253 with a dot behind it. */
	memset(name, 'x', sizeof(name));
	for (size_t i = 63; i < sizeof(name); i += 64)
		name[i] = '.';
	name[254] = '\0';
	assert_false(host_name_is_valid(name));
	assert_true(host_name_is_valid(name + 1));
	name[254] = '.';
	name[255] = '\0';
	assert_false(host_name_is_valid(name));
	assert_true(host_name_is_valid(name + 1));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
