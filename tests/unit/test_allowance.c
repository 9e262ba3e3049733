/* SPDX-License-Identifier: MIT */
#include "core/allowance.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MSEC USEC_PER_MSEC

static void test_what_comes_in_small_numbers_never_rests(void **state) {
	struct allowance a = {0};

	/* A fifth of a processor, in little bits, for a minute. */
	for (usec_t now = 10; now < 60 * USEC_PER_SEC; now += 500)
		assert_int_equal(allowance_spend(&a, now, 100), 0);
}

static void test_a_burst_is_free_and_then_half_of_it_is_earned(void **state) {
	struct allowance a = {0};
	usec_t now = USEC_PER_SEC;

	assert_int_equal(allowance_spend(&a, now, 5 * MSEC - 2 * ALLOWANCE_TURN), 0);
	assert_int_equal(allowance_spend(&a, now, 0), now + 10 * MSEC);
	/* Read before that, at a deadline: what was earned since counts. */
	now += 5 * MSEC;
	assert_int_equal(allowance_spend(&a, now, MSEC - ALLOWANCE_TURN), 0);
	assert_int_equal(allowance_spend(&a, now, MSEC - ALLOWANCE_TURN), now + 13 * MSEC);
}

/* Turns that take so long, with what the loop takes besides, one after the other for ten seconds.
 */
static usec_t taken_by(usec_t turn) {
	struct allowance a = {0};
	usec_t now = USEC_PER_SEC, taken = 0;

	while (now < 11 * USEC_PER_SEC) {
		usec_t until;

		now += turn + ALLOWANCE_TURN;
		taken += turn + ALLOWANCE_TURN;
		until = allowance_spend(&a, now, turn);
		now = until > 0 ? until : now;
	}
	return taken;
}

static void test_a_flood_gets_its_share(void **state) {
	assert_in_range(taken_by(300), 2490 * MSEC, 2510 * MSEC);
}

static void test_a_flood_of_single_bytes_gets_no_more(void **state) {
	assert_in_range(taken_by(1), 2490 * MSEC, 2510 * MSEC);
}

/* One message may bring so much to do. */
static void test_a_turn_of_more_than_a_burst_counts_whole(void **state) {
	assert_in_range(taken_by(12 * MSEC), 2400 * MSEC, 2510 * MSEC);
	assert_in_range(taken_by(100 * MSEC), 2000 * MSEC, 2510 * MSEC);
}

static void test_no_turn_is_paid_for_without_end(void **state) {
	struct allowance a = {0};
	usec_t now = USEC_PER_SEC;

	assert_int_equal(allowance_spend(&a, now, 3600 * USEC_PER_SEC), now + 490 * MSEC);
}

static void test_nor_are_many_that_did_not_wait(void **state) {
	struct allowance a = {0};
	usec_t now = USEC_PER_SEC, until = 0;

	for (int turn = 0; turn < 1000; turn++)
		until = allowance_spend(&a, now += 5 * MSEC, 5 * MSEC);
	assert_int_equal(until, now + 490 * MSEC);
}

static void test_what_was_not_taken_is_not_kept(void **state) {
	struct allowance a = {0};

	(void)allowance_spend(&a, MSEC, MSEC);
	assert_int_equal(allowance_spend(&a, 3600 * USEC_PER_SEC, 5 * MSEC),
			 3600 * USEC_PER_SEC + 10 * MSEC + 4 * ALLOWANCE_TURN);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_comes_in_small_numbers_never_rests),
		cmocka_unit_test(test_a_burst_is_free_and_then_half_of_it_is_earned),
		cmocka_unit_test(test_a_flood_gets_its_share),
		cmocka_unit_test(test_a_flood_of_single_bytes_gets_no_more),
		cmocka_unit_test(test_a_turn_of_more_than_a_burst_counts_whole),
		cmocka_unit_test(test_no_turn_is_paid_for_without_end),
		cmocka_unit_test(test_nor_are_many_that_did_not_wait),
		cmocka_unit_test(test_what_was_not_taken_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
