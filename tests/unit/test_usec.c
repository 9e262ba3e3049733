/* SPDX-License-Identifier: MIT */
#include "base/usec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void durations_as_systemd_reads_them(void **unused) {
	static const struct {
		const char *text;
		usec_t usec;
	} good[] = {
		{"5", 5000000},
		{"500ms", 500000},
		{"10s", 10000000},
		{"1min 30s", 90000000},
		{"1min30s", 90000000},
		{"1.5h", 5400000000},
		{"0", 0},
		{"2us", 2},
		{"0.5", 500000},
		{".5", 500000},
		{" 7 sec ", 7000000},
		{"1h 2min 3s", 3723000000},
		{"1d", 86400000000},
		{"1w", 604800000000},
		{"3m", 180000000},
		{"1.000001", 1000001},
		{"2 5", 7000000},
		{"infinity", USEC_INFINITY},
		{"1M", 2629800000000},
		{"1y", 31557600000000},
		{"55s500ms", 55500000},
		{"12.345678901s", 12345678},
		{"12.5 .5", 13000000},
		{"1 .5s", 1500000},
		{"1.23456789012345678901s", 1234567},
		{"0.999999999y", 31557599968442},
		{"1.123456789w", 679466665987},
	};
	usec_t usec;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(usec_parse(good[i].text, &usec), 0);
		assert_int_equal(usec, good[i].usec);
	}
}

static void malformed_durations(void **unused) {
	static const char *const bad[] = {"",      " ",       "s",           "5x",  "-5",
					  "5 s x", "1..5",    "ms5",         "1,5", "0x10",
					  "1e3",   "infinit", "5s infinity", ".",   "1.5.5",
					  "5 s .", "5 ."};
	usec_t usec = 42;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (usec_parse(bad[i], &usec) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(usec_parse("99999999999999999999", &usec), -ERANGE);
	assert_int_equal(usec_parse("600000y", &usec), -ERANGE);
	assert_int_equal(usec, 42);
}

static void text_reads_back_exactly(void **unused) {
	char text[USEC_STR_MAX];
	usec_t usec, back;

	srandom(1);
	for (int i = 0; i < 20000; i++) {
		usec = (usec_t)random() * (usec_t)(random() % 100000) >> random() % 40;
		assert_int_equal(usec_parse(usec_str(text, usec), &back), 0);
		assert_int_equal(back, usec);
	}
	assert_string_equal(usec_str(text, USEC_INFINITY), "infinity");
	assert_string_equal(usec_str(text, 0), "0");
	assert_string_equal(usec_str(text, 90000000), "1min 30s");
	assert_string_equal(usec_str(text, 4800000), "4s 800ms");
}

static void short_text_is_for_people(void **unused) {
	char text[USEC_STR_MAX];

	assert_string_equal(usec_str_short(text, 20900000), "20.9s");
	assert_string_equal(usec_str_short(text, 30000000), "30s");
	assert_string_equal(usec_str_short(text, 376), "376us");
	assert_string_equal(usec_str_short(text, 12345), "12ms");
	assert_string_equal(usec_str_short(text, 61500000), "1min 1s");
	assert_string_equal(usec_str_short(text, 3700000000), "1h 1min");
	assert_string_equal(usec_str_short(text, USEC_INFINITY), "infinity");
}

static void arithmetic_saturates(void **unused) {
	assert_int_equal(usec_add(UINT64_MAX - 5, 6), USEC_INFINITY);
	assert_int_equal(usec_add(USEC_INFINITY, 0), USEC_INFINITY);
	assert_int_equal(usec_sub(5, 6), 0);
	assert_int_equal(usec_sub(USEC_INFINITY, 6), USEC_INFINITY);
	assert_int_equal(usec_mul(USEC_INFINITY / 2, 3), USEC_INFINITY);
	assert_int_equal(usec_mul(7, 6), 42);
}

static void clock_goes_forward(void **unused) {
	usec_t before = usec_now();

	assert_true(before > 0);
	assert_true(usec_now() >= before);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_as_systemd_reads_them),
		cmocka_unit_test(malformed_durations),
		cmocka_unit_test(text_reads_back_exactly),
		cmocka_unit_test(short_text_is_for_people),
		cmocka_unit_test(arithmetic_saturates),
		cmocka_unit_test(clock_goes_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
