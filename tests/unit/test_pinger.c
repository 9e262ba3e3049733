/* SPDX-License-Identifier: MIT */
#include "core/pinger.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MSEC USEC_PER_MSEC
#define SEC USEC_PER_SEC

/* READY=1 was taken at 100 s. */
static struct pinger open_with(usec_t watchdog_usec) {
	struct pinger p;

	pinger_init(&p, watchdog_usec);
	pinger_open(&p, 100 * SEC);
	return p;
}

static void test_no_ping_before_ready(void **state) {
	struct pinger p;

	pinger_init(&p, 30 * SEC);
	assert_int_equal(pinger_due_at(&p, 1000 * SEC), USEC_INFINITY);
	assert_int_equal(pinger_due_at(&p, USEC_INFINITY), USEC_INFINITY);
}

static void test_no_ping_after_a_stop_for_good(void **state) {
	struct pinger p = open_with(30 * SEC);

	pinger_stop(&p);
	assert_int_equal(pinger_due_at(&p, 1000 * SEC), USEC_INFINITY);
	pinger_open(&p, 101 * SEC);
	pinger_failed(&p, 101 * SEC);
	pinger_sent(&p, 101 * SEC);
	assert_int_equal(pinger_due_at(&p, 1000 * SEC), USEC_INFINITY);
}

static void test_no_ping_where_the_last_one_says_as_much_already(void **state) {
	struct pinger p = open_with(30 * SEC);

	assert_int_equal(pinger_due_at(&p, 130 * SEC), USEC_INFINITY);
	assert_int_equal(pinger_due_at(&p, 120 * SEC), USEC_INFINITY);
	assert_int_equal(pinger_due_at(&p, 0), USEC_INFINITY);
	assert_int_not_equal(pinger_due_at(&p, 130 * SEC + 1), USEC_INFINITY);
}

static void test_due_so_early_that_systemd_acts_at_the_horizon(void **state) {
	struct pinger p = open_with(30 * SEC);

	/* D' - W */
	assert_int_equal(pinger_due_at(&p, 140 * SEC), 110 * SEC);
	/* not before last + min(W/10, 1s) */
	assert_int_equal(pinger_due_at(&p, 130 * SEC + 1), 101 * SEC);
	/* not after last + W/2 */
	assert_int_equal(pinger_due_at(&p, 145 * SEC), 115 * SEC);
	assert_int_equal(pinger_due_at(&p, 500 * SEC), 115 * SEC);
	assert_int_equal(pinger_due_at(&p, USEC_INFINITY), 115 * SEC);
}

static void test_two_pings_are_a_tenth_of_w_apart_where_w_is_short(void **state) {
	struct pinger p = open_with(2 * SEC);

	assert_int_equal(pinger_due_at(&p, 102 * SEC + 1), 100 * SEC + 200 * MSEC);
	p = open_with(10 * SEC);
	assert_int_equal(pinger_due_at(&p, 110 * SEC + 1), 101 * SEC);
}

static void test_each_ping_counts_anew(void **state) {
	struct pinger p = open_with(30 * SEC);

	pinger_sent(&p, 107 * SEC);
	assert_int_equal(pinger_due_at(&p, 137 * SEC), USEC_INFINITY);
	assert_int_equal(pinger_due_at(&p, 500 * SEC), 122 * SEC);
}

static void test_a_refused_ping_is_tried_again_a_twentieth_of_w_later(void **state) {
	struct pinger p = open_with(30 * SEC);

	pinger_failed(&p, 115 * SEC);
	assert_int_equal(pinger_due_at(&p, 500 * SEC), 116 * SEC + 500 * MSEC);
	pinger_failed(&p, 117 * SEC);
	assert_int_equal(pinger_due_at(&p, 500 * SEC), 118 * SEC + 500 * MSEC);
	/* The last one that was taken is what counts. */
	assert_int_equal(pinger_due_at(&p, 130 * SEC), USEC_INFINITY);
	pinger_sent(&p, 119 * SEC);
	assert_int_equal(pinger_due_at(&p, 500 * SEC), 134 * SEC);
}

static void test_a_tiny_w_and_a_huge_one(void **state) {
	struct pinger p = open_with(MSEC);

	assert_int_equal(pinger_due_at(&p, 100 * SEC + MSEC + 1), 100 * SEC + 100);
	assert_int_equal(pinger_due_at(&p, 200 * SEC), 100 * SEC + 500);
	p = open_with(1);
	assert_int_equal(pinger_due_at(&p, 200 * SEC), 100 * SEC);
	p = open_with(USEC_INFINITY / 2);
	assert_int_equal(pinger_due_at(&p, USEC_INFINITY), 100 * SEC + USEC_INFINITY / 4);
	p = open_with(USEC_INFINITY - 1);
	assert_int_equal(pinger_due_at(&p, USEC_INFINITY), USEC_INFINITY);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_ping_before_ready),
		cmocka_unit_test(test_no_ping_after_a_stop_for_good),
		cmocka_unit_test(test_no_ping_where_the_last_one_says_as_much_already),
		cmocka_unit_test(test_due_so_early_that_systemd_acts_at_the_horizon),
		cmocka_unit_test(test_two_pings_are_a_tenth_of_w_apart_where_w_is_short),
		cmocka_unit_test(test_each_ping_counts_anew),
		cmocka_unit_test(test_a_refused_ping_is_tried_again_a_twentieth_of_w_later),
		cmocka_unit_test(test_a_tiny_w_and_a_huge_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
