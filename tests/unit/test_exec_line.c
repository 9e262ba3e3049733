/* SPDX-License-Identifier: MIT */
#include "exec_line.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_line_is_taken_apart_and_its_rest_stays(void **state) {
	static const struct {
		const char *value, *prefixes, *path, *argv0, *rest;
		bool has_no_variables;
	} cases[] = {
		{"/bin/a", "", "/bin/a", NULL, "", false},
		{"/bin/a  b \"c  d\" $E %i", "", "/bin/a", NULL, "b \"c  d\" $E %i", false},
		{"-/bin/a x", "-", "/bin/a", NULL, "x", false},
		{"-:+/bin/a $X", "-:+", "/bin/a", NULL, "$X", true},
		{"!!-/bin/a", "!!-", "/bin/a", NULL, "", false},
		{"@/bin/a name  x", "", "/bin/a", "name", "x", false},
		{"-@!/bin/a \"the name\"", "-!", "/bin/a", "the name", "", false},
		{"\"/bin/with blank\" x", "", "/bin/with blank", NULL, "x", false},
		{"/bin/a b \";\" a;b", "", "/bin/a", NULL, "b \";\" a;b", false},
		{"foo --bar", "", "foo", NULL, "--bar", false},
	};

	for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
		struct exec_line e;

		assert_int_equal(exec_line_parse(&e, cases[n].value), 0);
		assert_string_equal(e.prefixes, cases[n].prefixes);
		assert_string_equal(e.path, cases[n].path);
		assert_string_equal(e.rest, cases[n].rest);
		assert_int_equal(e.has_no_variables, cases[n].has_no_variables);
		assert_false(e.is_shell);
		if (cases[n].argv0)
			assert_string_equal(e.argv0, cases[n].argv0);
		else
			assert_null(e.argv0);
		exec_line_done(&e);
	}
}

static void what_cannot_be_one_command_is_told_apart(void **state) {
	struct exec_line e;

	assert_int_equal(exec_line_parse(&e, "/bin/a ; /bin/b"), -E2BIG);
	assert_int_equal(exec_line_parse(&e, "/bin/a x ;"), -E2BIG);
	assert_int_equal(exec_line_parse(&e, ""), -EINVAL);
	assert_int_equal(exec_line_parse(&e, "-"), -EINVAL);
	assert_int_equal(exec_line_parse(&e, "@/bin/a"), -EINVAL);
	assert_int_equal(exec_line_parse(&e, "/bin/a 'x"), -EINVAL);
	assert_int_equal(exec_line_parse(&e, "|/bin/a"), 0);
	assert_true(e.is_shell);
	exec_line_done(&e);
}

static void assert_words(const char *value, const char *unit, const char *const *words) {
	struct exec_line e;
	const char *rest;
	char *word;

	assert_int_equal(exec_line_parse(&e, value), 0);
	rest = e.rest;
	for (; *words; words++) {
		assert_int_equal(exec_line_next(&e, unit, &rest, &word), 1);
		assert_string_equal(word, *words);
		free(word);
	}
	assert_int_equal(exec_line_next(&e, unit, &rest, &word), 0);
	exec_line_done(&e);
}

static void specifiers_of_the_name_and_doubled_signs_are_expanded(void **state) {
	static const char *const instance[] = {
		"web@a.b.service", "web@a.b", "web", "/etc/a.b.conf", "100%", "^x$", NULL};
	static const char *const plain[] = {"web", "", "$${X}", "%H", NULL};

	assert_words("/s %n %N %p /etc/%i.conf 100%% ^x$$", "web@a.b.service", instance);
	assert_words(":/s %p \"%i\" $${X} %H", "web.service", plain);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_taken_apart_and_its_rest_stays),
		cmocka_unit_test(what_cannot_be_one_command_is_told_apart),
		cmocka_unit_test(specifiers_of_the_name_and_doubled_signs_are_expanded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
