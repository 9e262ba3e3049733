/* SPDX-License-Identifier: MIT */
#include "unit_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void read_text(struct unit_settings *s, const char *text) {
	assert_int_equal(unit_settings_read(s, text, strlen(text)), 0);
}

static void a_file_is_read_as_systemd_reads_it(void **state) {
	struct unit_settings s = {0};

	read_text(&s, "\xef\xbb\xbf# a comment\n"
		      "lost = without a section\n"
		      "[Unit]\n"
		      "Description= a = b \n"
		      "; another\n"
		      "[Service]\r\n"
		      "  Type = notify\t\r\n"
		      "ExecStart=/bin/a \\\n"
		      "    one \\\r\n"
		      "# between\n"
		      "  ; and this\n"
		      "    two\n"
		      "no assignment\n"
		      "[broken\n"
		      "ExecStop=ends in two \\\\\n"
		      "User=last \\");

	assert_int_equal(s.n_items, 5);
	assert_string_equal(unit_last(&s, "Unit", "Description"), "a = b");
	assert_string_equal(unit_last(&s, "Service", "Type"), "notify");
	assert_string_equal(unit_last(&s, "Service", "ExecStart"), "/bin/a      one      two");
	assert_string_equal(unit_last(&s, "Service", "ExecStop"), "ends in two \\\\");
	assert_string_equal(unit_last(&s, "Service", "User"), "last");
	assert_null(unit_last(&s, "Unit", "lost"));
	assert_null(unit_last(&s, "Service", "Description"));
	unit_settings_done(&s);
}

static void a_drop_in_adds_and_resets(void **state) {
	struct unit_settings s = {0};
	const struct unit_setting *i;

	read_text(&s, "[Service]\nExecStart=/bin/a\nType=forking\nPIDFile=/run/a\nUser=a\n");
	/* A file begins outside of any section. */
	read_text(&s, "ExecStart=/bin/lost\n[Service]\nExecStart=/bin/b\nUser=\n");
	i = unit_next(&s, "ExecStart", NULL);
	assert_string_equal(i->value, "/bin/a");
	i = unit_next(&s, "ExecStart", i);
	assert_string_equal(i->value, "/bin/b");
	assert_null(unit_next(&s, "ExecStart", i));
	assert_string_equal(unit_value(&s, "User", "nobody"), "nobody");
	assert_string_equal(unit_value(&s, "Type", "simple"), "forking");

	read_text(&s, "[Service]\nExecStart=\nExecStart=/bin/c x\nRestartPreventExitStatus=1 2\n"
		      "RestartPreventExitStatus=SIGABRT\n");
	i = unit_next(&s, "ExecStart", NULL);
	assert_string_equal(i->value, "/bin/c x");
	assert_null(unit_next(&s, "ExecStart", i));
	assert_true(unit_has_word(&s, "RestartPreventExitStatus", "2"));
	assert_true(unit_has_word(&s, "RestartPreventExitStatus", "SIGABRT"));
	assert_false(unit_has_word(&s, "RestartPreventExitStatus", "12"));

	read_text(&s, "[Service]\nExecStart=\nRestartPreventExitStatus=\nPrivateUsers=yes\n");
	assert_null(unit_next(&s, "ExecStart", NULL));
	assert_false(unit_has_word(&s, "RestartPreventExitStatus", "2"));
	assert_true(unit_yes(&s, "PrivateUsers"));
	assert_false(unit_yes(&s, "PrivateNetwork"));
	unit_settings_done(&s);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_as_systemd_reads_it),
		cmocka_unit_test(a_drop_in_adds_and_resets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
