/* SPDX-License-Identifier: MIT */
#include "core/stall.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SEC USEC_PER_SEC

static struct stall with_w(usec_t watchdog_usec) {
	struct stall s;

	stall_init(&s, watchdog_usec, 0);
	return s;
}

static void test_a_gap_is_credited_whole_while_there_is_budget(void **state) {
	struct stall s = with_w(30 * SEC);

	assert_int_equal(stall_credit(&s, 10 * SEC, 0), 10 * SEC);
	assert_int_equal(stall_credit(&s, 20 * SEC, 0), 20 * SEC);
	assert_int_equal(stall_credit(&s, SEC, 0), 0);
}

static void test_a_long_gap_costs_w_only_and_is_credited_whole(void **state) {
	struct stall s = with_w(30 * SEC);

	assert_int_equal(stall_credit(&s, 3600 * SEC, 3600 * SEC), 3600 * SEC);
	assert_int_equal(s.budget_usec, 0);
}

static void test_with_too_little_left_only_that_much(void **state) {
	struct stall s = with_w(30 * SEC);

	stall_credit(&s, 20 * SEC, 0);
	assert_int_equal(stall_credit(&s, 3600 * SEC, 0), 10 * SEC);
	assert_int_equal(s.budget_usec, 0);
	assert_int_equal(stall_credit(&s, 1, 0), 0);
}

static void test_the_budget_refills_w_per_ten_w(void **state) {
	struct stall s = with_w(30 * SEC);

	stall_credit(&s, 30 * SEC, 0);
	assert_int_equal(stall_credit(&s, 30 * SEC, 100 * SEC), 10 * SEC);
	assert_int_equal(stall_credit(&s, 30 * SEC, 400 * SEC), 30 * SEC);
}

static void test_the_budget_never_exceeds_w(void **state) {
	struct stall s = with_w(30 * SEC);

	stall_credit(&s, SEC, 10000 * SEC);
	assert_int_equal(s.budget_usec, 29 * SEC);
	stall_credit(&s, 0, 20000 * SEC);
	assert_int_equal(s.budget_usec, 30 * SEC);
}

static void test_many_small_refills_lose_nothing(void **state) {
	struct stall s = with_w(30 * SEC);

	stall_credit(&s, 30 * SEC, 0);
	for (usec_t now = 1; now <= 1000003; now += 3)
		stall_credit(&s, 0, now);
	assert_int_equal(s.budget_usec, 100000);
}

static void test_a_machine_starved_for_good_gets_a_tenth_of_its_time(void **state) {
	struct stall s = with_w(30 * SEC);
	usec_t total = 0;

	for (usec_t now = 5 * SEC; now <= 3600 * SEC; now += 5 * SEC)
		total += stall_credit(&s, 5 * SEC, now);
	assert_in_range(total, 360 * SEC, 390 * SEC);
}

static void test_a_tiny_w_and_a_huge_one(void **state) {
	struct stall s = with_w(1000);

	assert_int_equal(stall_credit(&s, 999, 0), 999);
	assert_int_equal(stall_credit(&s, 999, 0), 1);
	s = with_w(USEC_INFINITY - 1);
	assert_int_equal(stall_credit(&s, 3600 * SEC, 7200 * SEC), 3600 * SEC);
	assert_int_equal(stall_credit(&s, 3600 * SEC, 7200 * SEC), 3600 * SEC);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_gap_is_credited_whole_while_there_is_budget),
		cmocka_unit_test(test_a_long_gap_costs_w_only_and_is_credited_whole),
		cmocka_unit_test(test_with_too_little_left_only_that_much),
		cmocka_unit_test(test_the_budget_refills_w_per_ten_w),
		cmocka_unit_test(test_the_budget_never_exceeds_w),
		cmocka_unit_test(test_many_small_refills_lose_nothing),
		cmocka_unit_test(test_a_machine_starved_for_good_gets_a_tenth_of_its_time),
		cmocka_unit_test(test_a_tiny_w_and_a_huge_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
