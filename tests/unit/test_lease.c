/* SPDX-License-Identifier: MIT */
#include "core/lease.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MSEC USEC_PER_MSEC
#define SEC USEC_PER_SEC

static void test_slack_is_a_twentieth_of_w_and_at_most_half_a_second(void **state) {
	assert_int_equal(lease_slack(SEC), 50 * MSEC);
	assert_int_equal(lease_slack(10 * SEC), 500 * MSEC);
	assert_int_equal(lease_slack(10 * SEC - 20), 500 * MSEC - 1);
	assert_int_equal(lease_slack(USEC_PER_MINUTE), 500 * MSEC);
	assert_int_equal(lease_slack(MSEC), 50);
	assert_int_equal(lease_slack(0), 0);
	assert_int_equal(lease_slack(USEC_INFINITY), 500 * MSEC);
}

static void test_pull_lease_outlasts_fall_failures_of_the_slower_kind(void **state) {
	/* interval + (fall - 1) * max(fast, timeout) + timeout + slack */
	assert_int_equal(lease_length_pull(6 * SEC, 3 * SEC, 5 * SEC, 3, SEC / 2),
			 6 * SEC + 2 * 5 * SEC + 5 * SEC + SEC / 2);
	assert_int_equal(lease_length_pull(10 * SEC, 5 * SEC, SEC, 3, SEC / 2),
			 10 * SEC + 2 * 5 * SEC + SEC + SEC / 2);
	assert_int_equal(lease_length_pull(6 * SEC, 3 * SEC, 5 * SEC, 1, SEC / 2),
			 6 * SEC + 5 * SEC + SEC / 2);
	assert_int_equal(lease_length_pull(6 * SEC, 3 * SEC, 5 * SEC, 1000, 0),
			 6 * SEC + 999 * 5 * SEC + 5 * SEC);
}

static void test_pull_lease_of_endless_parts_is_endless(void **state) {
	assert_int_equal(lease_length_pull(USEC_INFINITY, SEC, SEC, 3, 0), USEC_INFINITY);
	assert_int_equal(lease_length_pull(SEC, SEC, USEC_INFINITY, 3, 0), USEC_INFINITY);
	assert_int_equal(lease_length_pull(SEC, USEC_INFINITY - 1, SEC, 3, 0), USEC_INFINITY);
}

static void test_a_push_lease_is_the_silence_and_what_looking_adds(void **state) {
	assert_int_equal(lease_length_push(24 * SEC, 0, SEC / 2), 24 * SEC);
	assert_int_equal(lease_length_push(24 * SEC, 6 * SEC, SEC / 2), 30 * SEC + SEC / 2);
	assert_int_equal(lease_length_push(USEC_INFINITY, 0, SEC), USEC_INFINITY);
	assert_int_equal(lease_length_push(USEC_INFINITY, SEC, SEC), USEC_INFINITY);
}

static void test_end_counts_from_the_evidence(void **state) {
	struct lease none = {.evidence_at = 5 * SEC}, some = {3 * SEC, 7 * SEC};
	struct lease endless = {3 * SEC, USEC_INFINITY};

	assert_int_equal(lease_end(&none), 0);
	assert_int_equal(lease_end(&some), 10 * SEC);
	assert_int_equal(lease_end(&endless), USEC_INFINITY);
}

static void test_floor_lengthens_short_leases_only(void **state) {
	struct lease none = {.evidence_at = 5 * SEC}, some = {3 * SEC, 7 * SEC};
	struct lease endless = {3 * SEC, USEC_INFINITY};

	assert_int_equal(lease_end_floor(&none, 30 * SEC), 0);
	assert_int_equal(lease_end_floor(&some, 30 * SEC), 33 * SEC);
	assert_int_equal(lease_end_floor(&some, 7 * SEC), 10 * SEC);
	assert_int_equal(lease_end_floor(&some, 7 * SEC + 1), 10 * SEC + 1);
	assert_int_equal(lease_end_floor(&some, SEC), 10 * SEC);
	assert_int_equal(lease_end_floor(&endless, SEC), USEC_INFINITY);
}

static void test_shift_moves_evidence_and_end_alike(void **state) {
	struct lease none = {0}, some = {3 * SEC, 7 * SEC}, endless = {3 * SEC, USEC_INFINITY};

	lease_shift(&none, SEC);
	assert_int_equal(none.evidence_at, 0);
	assert_int_equal(lease_end(&none), 0);
	lease_shift(&some, SEC);
	assert_int_equal(some.evidence_at, 4 * SEC);
	assert_int_equal(lease_end(&some), 11 * SEC);
	lease_shift(&endless, SEC);
	assert_int_equal(lease_end(&endless), USEC_INFINITY);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slack_is_a_twentieth_of_w_and_at_most_half_a_second),
		cmocka_unit_test(test_pull_lease_outlasts_fall_failures_of_the_slower_kind),
		cmocka_unit_test(test_pull_lease_of_endless_parts_is_endless),
		cmocka_unit_test(test_a_push_lease_is_the_silence_and_what_looking_adds),
		cmocka_unit_test(test_end_counts_from_the_evidence),
		cmocka_unit_test(test_floor_lengthens_short_leases_only),
		cmocka_unit_test(test_shift_moves_evidence_and_end_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
