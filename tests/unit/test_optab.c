/* SPDX-License-Identifier: MIT */
#include "base/optab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct opt_word colours[] = {{"red", 0}, {"green", 1}, {"blue", 5}, {NULL, 0}};

/* One parser, one value; @expected is the number it makes, or the error that it gives. */
struct number_case {
	struct opt option;
	const char *value;
	const char *error;
	int64_t expected;
};

#define UNTOUCHED 77

static const struct number_case flags[] = {
	{{"x"}, NULL, NULL, 1},
	{{"x"}, "yes", NULL, 1},
	{{"x"}, "true", NULL, 1},
	{{"x"}, "1", NULL, 1},
	{{"x"}, "on", NULL, 1},
	{{"x"}, "no", NULL, 0},
	{{"x"}, "false", NULL, 0},
	{{"x"}, "0", NULL, 0},
	{{"x"}, "off", NULL, 0},
	{{"x"}, "", "'' is not yes or no"},
	{{"x"}, "maybe", "'maybe' is not yes or no"},
};

static void flag(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		char buffer[200];
		struct text error = TEXT_OVER(buffer);
		bool field = flags[i].expected == 0;
		bool before = field;
		int r = opt_parse_flag(&flags[i].option, flags[i].value, &field, &error);

		assert_string_equal(buffer, flags[i].error ? flags[i].error : "");
		assert_int_equal(r < 0, flags[i].error != NULL);
		assert_int_equal(field, r < 0 ? before : flags[i].expected);
	}
}

#define RANGE(lowest, highest) \
	{ "x", .minimum = (uint64_t)(lowest), .maximum = (uint64_t)(highest) }

static const struct number_case durations[] = {
	{RANGE(0, 0), "0", NULL, 0},
	{RANGE(0, 0), "1min 30s", NULL, 90000000},
	{RANGE(0, 0), "infinity", NULL, -1},
	{RANGE(0, 0), "7", NULL, 7000000},
	{RANGE(10000, 0), "10ms", NULL, 10000},
	{RANGE(10000, 0), "9ms", "'9ms' is out of range (10ms or more)"},
	{RANGE(10000, 60000000), "1min", NULL, 60000000},
	{RANGE(10000, 60000000), "61s", "'61s' is out of range (10ms-1min)"},
	{RANGE(10000, 60000000), "0", "'0' is out of range (10ms-1min)"},
	{RANGE(10000, 60000000), "infinity", "'infinity' is out of range (10ms-1min)"},
	{RANGE(0, 0), "99999999999999999999", "'99999999999999999999' is out of range"},
	{RANGE(0, 0), "", "'' is not a duration (like 500ms, 10s or 1min 30s)"},
	{RANGE(0, 0), "-1", "'-1' is not a duration (like 500ms, 10s or 1min 30s)"},
	{RANGE(0, 0), "5 parsecs", "'5 parsecs' is not a duration (like 500ms, 10s or 1min 30s)"},
};

static void duration(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		const struct number_case *t = &durations[i];
		char buffer[200];
		struct text error = TEXT_OVER(buffer);
		usec_t field = UNTOUCHED;
		int r = opt_parse_duration(&t->option, t->value, &field, &error);

		assert_string_equal(buffer, t->error ? t->error : "");
		assert_int_equal(r < 0, t->error != NULL);
		assert_true(field == (r < 0 ? UNTOUCHED : (usec_t)t->expected));
	}
}

static const struct number_case unsigneds[] = {
	{RANGE(1, 1000), "1", NULL, 1},
	{RANGE(1, 1000), "1000", NULL, 1000},
	{RANGE(1, 1000), "0", "'0' is out of range (1-1000)"},
	{RANGE(1, 1000), "1001", "'1001' is out of range (1-1000)"},
	{RANGE(1, 1000), "99999999999999999999", "'99999999999999999999' is out of range (1-1000)"},
	{RANGE(1, 1000), "", "'' is not a number"},
	{RANGE(1, 1000), "-1", "'-1' is not a number"},
	{RANGE(1, 1000), "3x", "'3x' is not a number"},
	{RANGE(1, 1000), " 3", "' 3' is not a number"},
	{RANGE(1, 1000), "3  ", "'3  ' is not a number"},
	{RANGE(1, 1000), "  ", "'  ' is not a number"},
	{RANGE(1, 1000), "3\n4", "'3?4' is not a number"},
};

static void unsigned_number(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(unsigneds); i++) {
		const struct number_case *t = &unsigneds[i];
		char buffer[200];
		struct text error = TEXT_OVER(buffer);
		unsigned field = UNTOUCHED;
		int r = opt_parse_unsigned(&t->option, t->value, &field, &error);

		assert_string_equal(buffer, t->error ? t->error : "");
		assert_int_equal(r < 0, t->error != NULL);
		assert_int_equal(field, r < 0 ? UNTOUCHED : t->expected);
	}
}

static const struct number_case integers[] = {
	{RANGE(-20, 19), "-20", NULL, -20},
	{RANGE(-20, 19), "+19", NULL, 19},
	{RANGE(-20, 19), "0", NULL, 0},
	{RANGE(-20, 19), "20", "'20' is out of range (-20 to 19)"},
	{RANGE(1, 99), "0", "'0' is out of range (1-99)"},
	{RANGE(1, 99), "-5", "'-5' is out of range (1-99)"},
	{RANGE(1, 99), "five", "'five' is not a number"},
};

static void integer(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(integers); i++) {
		const struct number_case *t = &integers[i];
		char buffer[200];
		struct text error = TEXT_OVER(buffer);
		int field = UNTOUCHED;
		int r = opt_parse_integer(&t->option, t->value, &field, &error);

		assert_string_equal(buffer, t->error ? t->error : "");
		assert_int_equal(r < 0, t->error != NULL);
		assert_int_equal(field, r < 0 ? UNTOUCHED : t->expected);
	}
}

static const struct number_case words[] = {
	{{"x", .words = colours}, "red", NULL, 0},
	{{"x", .words = colours}, "blue", NULL, 5},
	{{"x", .words = colours}, "", "'' is not one of red, green, blue"},
	{{"x", .words = colours}, "re", "'re' is not one of red, green, blue"},
	{{"x", .words = colours}, "redd", "'redd' is not one of red, green, blue"},
	{{"x", .words = colours}, "Red", "'Red' is not one of red, green, blue"},
};

static void word(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const struct number_case *t = &words[i];
		char buffer[200];
		struct text error = TEXT_OVER(buffer);
		int field = UNTOUCHED;
		int r = opt_parse_word(&t->option, t->value, &field, &error);

		assert_string_equal(buffer, t->error ? t->error : "");
		assert_int_equal(r < 0, t->error != NULL);
		assert_int_equal(field, r < 0 ? UNTOUCHED : t->expected);
	}
}

static const struct number_case lists[] = {
	{{"x", .words = colours}, "red", NULL, 1 << 0},
	{{"x", .words = colours}, "blue,red", NULL, 1 << 5 | 1 << 0},
	{{"x", .words = colours}, "red,red", NULL, 1 << 0},
	{{"x", .words = colours}, "", "'' is not one of red, green, blue"},
	{{"x", .words = colours}, "red,", "'' is not one of red, green, blue"},
	{{"x", .words = colours}, "red,,blue", "'' is not one of red, green, blue"},
	{{"x", .words = colours}, "red,pink", "'pink' is not one of red, green, blue"},
	{{"x", .words = colours}, "red, blue", "' blue' is not one of red, green, blue"},
};

static void word_list(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		const struct number_case *t = &lists[i];
		char buffer[200];
		struct text error = TEXT_OVER(buffer);
		unsigned field = UNTOUCHED;
		int r = opt_parse_words(&t->option, t->value, &field, &error);

		assert_string_equal(buffer, t->error ? t->error : "");
		assert_int_equal(r < 0, t->error != NULL);
		assert_int_equal(field, r < 0 ? UNTOUCHED : t->expected);
	}
}

static const struct number_case signal_cases[] = {
	{{"x"}, "TERM", NULL, 15},
	{{"x"}, "SIGTERM", NULL, 15},
	{{"x"}, "15", NULL, 15},
	{{"x"}, "0", "'0' is not a signal"},
	{{"x"}, "65", "'65' is not a signal"},
	{{"x"}, "FOO", "'FOO' is not a signal"},
	{{"x"}, "", "'' is not a signal"},
};

static void signal_number(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(signal_cases); i++) {
		const struct number_case *t = &signal_cases[i];
		char buffer[200];
		struct text error = TEXT_OVER(buffer);
		int field = UNTOUCHED;
		int r = opt_parse_signal(&t->option, t->value, &field, &error);

		assert_string_equal(buffer, t->error ? t->error : "");
		assert_int_equal(r < 0, t->error != NULL);
		assert_int_equal(field, r < 0 ? UNTOUCHED : t->expected);
	}
}

static void string_is_owned_and_replaced(void **state) {
	static const struct opt o = {"x"};
	char buffer[200], source[] = "one";
	struct text error = TEXT_OVER(buffer);
	char *field = NULL;

	assert_int_equal(opt_parse_string(&o, source, &field, &error), 0);
	source[0] = 'X';
	assert_string_equal(field, "one");
	assert_int_equal(opt_parse_string(&o, "two", &field, &error), 0);
	assert_string_equal(field, "two");
	assert_true(opt_parse_string(&o, "", &field, &error) < 0);
	assert_string_equal(buffer, "'' is empty");
	assert_string_equal(field, "two");
	free(field);
}

static void long_strings_are_kept_whole(void **state) {
	static const struct opt o = {"x"};
	size_t length = 1 << 20;
	char buffer[200];
	struct text error = TEXT_OVER(buffer);
	char *field = NULL, *source = malloc(length + 1);

	memset(source, 'a', length);
	source[length] = '\0';
	assert_int_equal(opt_parse_string(&o, source, &field, &error), 0);
	assert_string_equal(field, source);
	free(field);
	free(source);
}

static void find(void **state) {
	static const struct opt table[] = {{"fall"}, {"fall-window"}, {NULL}};

	assert_ptr_equal(opt_find(table, "fall"), &table[0]);
	assert_ptr_equal(opt_find(table, "fall-window"), &table[1]);
	assert_null(opt_find(table, "fal"));
	assert_null(opt_find(table, ""));
	assert_null(opt_find(NULL, "fall"));
}

static void quoted_is_one_short_line(void **state) {
	char buffer[OPT_QUOTED_MAX], value[1000];

	assert_string_equal(opt_quoted(buffer, "a\nb"), "'a?b'");
	assert_string_equal(opt_quoted(buffer, " a "), "' a '");
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	opt_quoted(buffer, value);
	assert_int_equal(strlen(buffer), OPT_QUOTED_MAX - 1);
	assert_string_equal(buffer + OPT_QUOTED_MAX - 6, "x...'");
	memset(value, ' ', sizeof(value) - 1);
	opt_quoted(buffer, value);
	assert_string_equal(buffer + OPT_QUOTED_MAX - 6, " ...'");
	/* A cut never falls inside a character. */
	for (size_t i = 0; i + 1 < sizeof(value); i += 3)
		memcpy(value + i, "\xe2\x82\xac", 3);
	opt_quoted(buffer, value);
	assert_true(text_is_utf8(buffer, strlen(buffer)));
	assert_null(strchr(buffer, '?'));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flag),
		cmocka_unit_test(duration),
		cmocka_unit_test(unsigned_number),
		cmocka_unit_test(integer),
		cmocka_unit_test(word),
		cmocka_unit_test(word_list),
		cmocka_unit_test(signal_number),
		cmocka_unit_test(string_is_owned_and_replaced),
		cmocka_unit_test(long_strings_are_kept_whole),
		cmocka_unit_test(find),
		cmocka_unit_test(quoted_is_one_short_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
