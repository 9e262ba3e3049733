/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void adding_stops_where_the_buffer_ends(void **unused) {
	char buffer[8];
	struct text t = TEXT_OVER(buffer);

	text_add(&t, "abc");
	text_addf(&t, "%d", 1234);
	assert_string_equal(buffer, "abc1234");
	assert_false(t.is_cut);
	text_add(&t, "x");
	assert_string_equal(buffer, "abc1234");
	assert_true(t.is_cut);
}

static void cuts_fall_between_characters(void **unused) {
	char buffer[6];
	struct text t = TEXT_OVER(buffer);

	text_add(&t, "abc\xc3\xa4\xc3\xa4");
	assert_string_equal(buffer, "abc\xc3\xa4");
	t = TEXT_OVER(buffer);
	text_addf(&t, "abcd%s", "\xe2\x82\xac");
	assert_string_equal(buffer, "abcd");
	assert_int_equal(text_utf8_cut("\xf0\x9f\x98\x80", 4, 3), 0);
	assert_int_equal(text_utf8_cut("\xf0\x9f\x98\x80", 4, 4), 4);
	assert_int_equal(text_utf8_cut("abc", 3, 10), 3);
}

static void cleaning(void **unused) {
	static const struct {
		const char *source, *clean;
	} rows[] = {
		{"plain", "plain"},
		{"  both ends \n", "both ends"},
		{"a\tb\nc", "a?b?c"},
		{"\033[2J", "?[2J"},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"\xc2\x9b"
		 "31m",
		 "?31m"},                     /* CSI of C1 */
		{"\xed\xa0\x80", "???"},      /* a surrogate */
		{"\xc0\xaf", "??"},           /* overlong */
		{"\xf4\x90\x80\x80", "????"}, /* above U+10FFFF */
		{"ab\xe2\x82", "ab??"},       /* cut off */
		{"\x7f", "?"},
		/* What turns the direction of a text around, or cannot be seen, from U+200B on ...
		 */
		{"a\xe2\x80\x8b"
		 "b",
		 "a?b"},
		{"a\xe2\x80\xa8"
		 "b",
		 "a?b"},
		{"a\xe2\x80\xae"
		 "b",
		 "a?b"},
		{"a\xe2\x81\xa0"
		 "b",
		 "a?b"},
		{"a\xe2\x81\xaf"
		 "b",
		 "a?b"},
		{"\xef\xbb\xbf"
		 "b",
		 "?b"},
		{"a\xef\xbf\xb9"
		 "b",
		 "a?b"},
		{"a\xef\xbf\xbb"
		 "b",
		 "a?b"},
		{"a\xf3\xa0\x80\x81"
		 "b",
		 "a?b"},
		{"a\xf3\xa0\x81\xbf"
		 "b",
		 "a?b"},
		/* ... but not what languages are written with, nor their neighbours. */
		{"\xe2\x80\x8c\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f",
		 "\xe2\x80\x8c\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f"},
		{"\xe2\x80\x8a\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\x9f\xe2\x81\xb0",
		 "\xe2\x80\x8a\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\x9f\xe2\x81\xb0"},
		{"\xef\xbf\xbc\xf3\xa0\x84\x80", "\xef\xbf\xbc\xf3\xa0\x84\x80"},
		{"", ""},
	};
	char buffer[64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n =
			text_clean(buffer, sizeof(buffer), rows[i].source, strlen(rows[i].source));

		assert_string_equal(buffer, rows[i].clean);
		assert_int_equal(n, strlen(rows[i].clean));
		/* Blanks at the ends are no harm. */
		assert_true(text_is_clean(rows[i].source, strlen(rows[i].source)) ==
			    (strcmp(rows[i].source, rows[i].clean) == 0));
	}
	assert_true(text_is_clean(" a ", 3));
	assert_false(text_is_clean("a\0b", 3));
	assert_int_equal(text_clean(buffer, 4, "ab\xe2\x82\xac", 5), 2);
	assert_string_equal(buffer, "ab");
	/* Also where the end is cut off. */
	assert_int_equal(text_clean(buffer, 5, "ab  c", 5), 2);
	assert_string_equal(buffer, "ab");
	assert_int_equal(text_clean(buffer, sizeof(buffer), "a\0b", 3), 3);
	assert_string_equal(buffer, "a?b");
}

static void random_bytes_become_utf8(void **unused) {
	char source[40], buffer[64];

	srandom(2);
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)random() % sizeof(source), written;

		for (size_t k = 0; k < n; k++)
			source[k] = (char)(random() % 3 == 0 ? random() % 128 : random());
		written = text_clean(buffer, sizeof(buffer), source, n);
		assert_int_equal(written, strlen(buffer));
		assert_true(text_is_utf8(buffer, written));
		for (size_t k = 0; k < written; k++)
			assert_true((unsigned char)buffer[k] >= 0x20 && buffer[k] != 0x7f);
	}
}

static void numbers(void **unused) {
	uint64_t u;
	int64_t i;

	assert_int_equal(text_parse_u64("0", 0, 10, &u), 0);
	assert_int_equal(text_parse_u64("18446744073709551615", 0, UINT64_MAX, &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(text_parse_u64("18446744073709551616", 0, UINT64_MAX, &u), -ERANGE);
	assert_int_equal(text_parse_u64("11", 0, 10, &u), -ERANGE);
	for (size_t n = 0; n < 6; n++)
		assert_int_equal(text_parse_u64(((const char *[]){"", "+1", "-1", " 1", "1 ",
								  "0x1"})[n],
						0, 10, &u),
				 -EINVAL);
	assert_int_equal(text_parse_i64("-5", -10, 10, &i), 0);
	assert_int_equal(i, -5);
	assert_int_equal(text_parse_i64("+5", -10, 10, &i), 0);
	assert_int_equal(text_parse_i64("-11", -10, 10, &i), -ERANGE);
	assert_int_equal(text_parse_i64("--5", -10, 10, &i), -EINVAL);
}

static void signals_by_name_and_number(void **unused) {
	static const struct {
		const char *text;
		int number;
	} rows[] = {{"TERM", SIGTERM}, {"SIGTERM", SIGTERM}, {"sigabrt", SIGABRT},
		    {"15", 15},        {"HUP", SIGHUP},      {"USR1", SIGUSR1}};
	char name[SIGNAL_STR_MAX];
	int number;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(text_parse_signal(rows[i].text, &number), 0);
		assert_int_equal(number, rows[i].number);
	}
	assert_int_equal(text_parse_signal("RTMIN", &number), 0);
	assert_int_equal(number, SIGRTMIN);
	assert_int_equal(text_parse_signal("SIGRTMIN+3", &number), 0);
	assert_int_equal(number, SIGRTMIN + 3);
	assert_int_equal(text_parse_signal("RTMAX-1", &number), 0);
	assert_int_equal(number, SIGRTMAX - 1);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(text_parse_signal(((const char *[]){"", "0", "65", "FOO",
								     "RTMIN-1", "RTMIN+99",
								     "SIG"})[i],
						   &number),
				 -EINVAL);
	for (int n = 1; n <= SIGRTMAX; n++) {
		assert_int_equal(text_parse_signal(signal_str(name, n), &number), 0);
		assert_int_equal(number, n);
#if __GLIBC_PREREQ(2, 32)
		if (n < 32) {
			assert_memory_equal(name, "SIG", 3);
			assert_string_equal(name + 3, sigabbrev_np(n));
		}
#endif
	}
	assert_string_equal(signal_str(name, SIGRTMIN + 3), "SIGRTMIN+3");
}

static void escapes(void **unused) {
	char buffer[64];

	assert_int_equal(text_unescape(buffer, "PING\\r\\n\\x41\\101\\\\\\e"), 10);
	assert_string_equal(buffer, "PING\r\nAA\\\033");
	assert_int_equal(text_unescape(buffer, "a\\0b"), 3);
	assert_memory_equal(buffer, "a\0b", 3);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(text_unescape(buffer, ((const char *[]){"\\", "\\q", "\\x4",
									 "\\xg1", "\\777"})[i]),
				 -EINVAL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adding_stops_where_the_buffer_ends),
		cmocka_unit_test(cuts_fall_between_characters),
		cmocka_unit_test(cleaning),
		cmocka_unit_test(random_bytes_become_utf8),
		cmocka_unit_test(numbers),
		cmocka_unit_test(signals_by_name_and_number),
		cmocka_unit_test(escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
