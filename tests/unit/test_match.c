/* SPDX-License-Identifier: MIT */
#include "base/match.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static void test_matches(void **state) {
	static const struct {
		const char *pattern, *data;
		int result;
	} cases[] = {
		{"ok", "it is ok\n", 1},
		{"^ok$", "ok\n", 1},
		{"^ok$", "first\nok\nlast", 1},
		{"^ok$", "not ok\n", 0},
		{"a.b", "a\nb", 0},
		{"a[^x]b", "a\nb", 0},
		{"(UP|ready) +[0-9]{2}", "ready  42", 1},
		{".", "", 0},
		{"^$", "", 1},
		{"\xc3\xa4", "\xc3\xa4", 1},
		{"a.b",
		 "a\xff"
		 "b",
		 1},
	};
	char reason[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text error = TEXT_OVER(reason);
		struct pattern *p;

		assert_int_equal(match_new(cases[i].pattern, &p, &error), 0);
		if (match_bytes(p, cases[i].data, strlen(cases[i].data)) != cases[i].result)
			fail_msg("'%s' in '%s'", cases[i].pattern, cases[i].data);
		pattern_free(p);
	}
}

/* The length counts, not a NUL byte. */
static void test_bytes(void **state) {
	char reason[256];
	struct text error = TEXT_OVER(reason);
	struct pattern *p;

	assert_int_equal(match_new("end", &p, &error), 0);
	assert_int_equal(match_bytes(p, "a\0end", 5), 1);
	assert_int_equal(match_bytes(p, "a\0end", 4), 0);
	assert_int_equal(match_bytes(p, "end", 0), 0);
	pattern_free(p);
}

/* The end of what may go on is no line's end. */
static void test_begun(void **state) {
	static const struct {
		const char *pattern, *data;
		int result;
	} cases[] = {
		{"^220", "220", 1}, {"^2$", "2", 0}, {"^2$", "2\n", 1}, {"^2$", "x\n2\ny", 1},
		{"^2$", "x\n2", 0}, {"^$", "", 0},   {"^$", "\n", 1},
	};
	char reason[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text error = TEXT_OVER(reason);
		struct pattern *p;

		assert_int_equal(match_new(cases[i].pattern, &p, &error), 0);
		if (match_begun(p, cases[i].data, strlen(cases[i].data)) != cases[i].result)
			fail_msg("'%s' in '%s'", cases[i].pattern, cases[i].data);
		pattern_free(p);
	}
}

static void test_refused(void **state) {
	static const struct {
		const char *pattern, *problem;
	} bad[] = {
		{"(", "'(' without ')'"},
		{"a|(b(c)", "'(' without ')'"},
		{"[a", "'[' without ']'"},
		{"[[:alpha:]", "'[' without ']'"},
		{"[[:alpha", "'[' without ']'"},
		{"[a-", "'[' without ']'"},
		{"[[:letter:]]", "unknown class of characters"},
		{"[[.ab.]]", "more than one character in [. .] or [= =]"},
		{"[z-a]", "invalid range in []"},
		{"[a-b-c]", "invalid range in []"},
		{"[[:alpha:]-z]", "invalid range in []"},
		{"[a-[:alpha:]]", "invalid range in []"},
		{"a{2,1}", "the larger number first in {}"},
		{"a{}", "no number in {}"},
		{"a{x}", "no number in {}"},
		{"a{1", "'{' without '}'"},
		{"a{1,2", "'{' without '}'"},
		{"a{1x}", "neither one number nor two in {}"},
		{"a{1,2x}", "neither one number nor two in {}"},
		{"a{1,x}", "neither one number nor two in {}"},
		{"a{1,2,3}", "neither one number nor two in {}"},
		{"a{40000}", "too large a number in {}"},
		{"a{1,40000}", "too large a number in {}"},
		{"*\\", "nothing to repeat before '*', '+', '?' or '{'"},
		{"a|+", "nothing to repeat before '*', '+', '?' or '{'"},
		{"a\\", "'\\' at the end"},
	};
	enum { DEEP = 101 };
	char reason[512], expected[256], deep[2 * DEEP + 2] = "";
	struct text error;
	struct pattern *p = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		error = TEXT_OVER(reason);
		assert_int_equal(match_new(bad[i].pattern, &p, &error), -EINVAL);
		snprintf(expected, sizeof(expected), "'%s' is no regular expression: %s",
			 bad[i].pattern, bad[i].problem);
		assert_string_equal(reason, expected);
		assert_null(p);
	}
	error = TEXT_OVER(reason);
	assert_int_equal(match_new("a{501}", &p, &error), -E2BIG);
	assert_string_equal(reason, "'a{501}' is too large to match quickly (more than 500 steps)");
	memset(deep, '(', DEEP);
	deep[DEEP] = 'a';
	memset(deep + DEEP + 1, ')', DEEP);
	error = TEXT_OVER(reason);
	assert_int_equal(match_new(deep, &p, &error), -E2BIG);
	assert_non_null(strstr(reason, " is too large to match quickly (more than 100 '(' open)"));
	error = TEXT_OVER(reason);
	assert_int_equal(match_new("", &p, &error), -EINVAL);
	assert_string_equal(reason, "is empty");
	pattern_free(NULL);
}

/* Each + doubles what regcomp(3) makes of it before it sees the end. */
static void test_what_is_wrong_is_told_at_once(void **state) {
	char reason[256];
	struct text error = TEXT_OVER(reason);
	struct rusage before, after;
	struct pattern *p = NULL;

	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	assert_int_equal(match_new("a++++++++++++++++++++(", &p, &error), -EINVAL);
	assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 10 * 1024);
}

static void test_back_references(void **state) {
	static const char *const bad[] = {"(a)\\1", "(a)\\\\\\9", "[]\\1](a)\\1",
					  "[[:alpha:]](a)\\1"};
	static const char *const good[] = {"a\\.1",   "a\\\\1",         "[\\1]",      "[]\\1]",
					   "[^]\\1]", "[[:alpha:]\\1]", "[[.-.]\\1]", "[a[]\\0"};
	char reason[256];
	struct pattern *p = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct text error = TEXT_OVER(reason);

		if (match_new(bad[i], &p, &error) != -EINVAL || !strstr(reason, "back-reference"))
			fail_msg("'%s': %s", bad[i], reason);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct text error = TEXT_OVER(reason);

		if (match_new(good[i], &p, &error) != 0)
			fail_msg("%s", reason);
		pattern_free(p);
	}
}

/* A second use replaces the first; a bad one leaves it alone. */
static void test_parse(void **state) {
	char reason[256];
	struct text error = TEXT_OVER(reason);
	struct pattern *p = NULL;

	assert_int_equal(match_parse(NULL, "one", &p, &error), 0);
	assert_int_equal(match_parse(NULL, "two", &p, &error), 0);
	assert_int_equal(match_parse(NULL, "(", &p, &error), -EINVAL);
	assert_int_equal(match_bytes(p, "two", 3), 1);
	assert_int_equal(match_bytes(p, "one", 3), 0);
	pattern_free(p);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_begun),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_what_is_wrong_is_told_at_once),
		cmocka_unit_test(test_back_references),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
