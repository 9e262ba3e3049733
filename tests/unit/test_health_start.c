/* SPDX-License-Identifier: MIT */
#include "health_fixture.h"

static void test_failures_before_the_first_pass_do_not_count(void **state) {
	struct health_conf conf = conf_of(2, 1);
	struct health h;

	health_init(&h, &conf, 0);
	health_grant(&h, SEC, 30 * SEC);
	assert_int_equal(feed_n(&h, FAIL, 50, 2 * SEC), HEALTH_SAME);
	assert_int_equal(h.fails, 0);
	assert_false(health_is_degraded(&h));
	health_feed(&h, PASS, 3 * SEC);
	assert_int_equal(feed_n(&h, FAIL, 2, 4 * SEC), HEALTH_WENT_DOWN);
}

static void test_a_start_period_ends_by_itself_or_with_the_first_pass(void **state) {
	struct health_conf conf = conf_of(2, 1);
	struct health h;

	conf.start_period_usec = 5 * SEC;
	health_init(&h, &conf, SEC);
	health_grant(&h, SEC, 30 * SEC);
	assert_int_equal(feed_n(&h, FAIL, 5, 6 * SEC - 1), HEALTH_SAME);
	assert_int_equal(health_feed(&h, FAIL, 6 * SEC), HEALTH_SAME);
	assert_true(health_is_degraded(&h));
	assert_int_equal(health_feed(&h, FAIL, 6 * SEC), HEALTH_WENT_DOWN);

	health_init(&h, &conf, SEC);
	health_feed(&h, PASS, 2 * SEC);
	assert_int_equal(feed_n(&h, FAIL, 2, 3 * SEC), HEALTH_WENT_DOWN);
}

static void test_before_ready_what_never_passed_does_not_fall(void **state) {
	struct health_conf conf = conf_of(2, 3);
	struct health h;

	conf.start_period_usec = 0;
	health_init(&h, &conf, 0);
	assert_int_equal(feed_n(&h, FAIL, 10, SEC), HEALTH_SAME);
	assert_int_equal(h.state, HEALTH_NEW);
	/* READY begins its streak anew. */
	health_grant(&h, 2 * SEC, 30 * SEC);
	assert_int_equal(h.fails, 0);
	assert_int_equal(feed_n(&h, FAIL, 2, 3 * SEC), HEALTH_WENT_DOWN);
}

static void test_the_start_lease_is_the_longest_of_l_w_and_start_period(void **state) {
	struct health_conf conf = conf_of(2, 1);
	struct health h;

	health_init(&h, &conf, 0);
	health_grant(&h, 2 * SEC, 30 * SEC);
	assert_int_equal(lease_end(&h.lease), 32 * SEC);
	health_init(&h, &conf, 0);
	health_grant(&h, 2 * SEC, 3 * SEC);
	assert_int_equal(lease_end(&h.lease), 12 * SEC);
	conf.start_period_usec = 60 * SEC;
	health_init(&h, &conf, SEC);
	health_grant(&h, 2 * SEC, 30 * SEC);
	assert_int_equal(lease_end(&h.lease), 61 * SEC);
	health_init(&h, &conf, SEC);
	health_grant(&h, 100 * SEC, 30 * SEC);
	assert_int_equal(lease_end(&h.lease), 130 * SEC);
	conf.lease_usec = USEC_INFINITY;
	health_init(&h, &conf, SEC);
	health_grant(&h, 100 * SEC, 30 * SEC);
	assert_int_equal(lease_end(&h.lease), USEC_INFINITY);
}

static void test_the_first_pass_replaces_the_start_lease(void **state) {
	struct health_conf conf = conf_of(2, 3);
	struct health h;

	health_init(&h, &conf, 0);
	health_grant(&h, SEC, 30 * SEC);
	assert_true(h.was_granted);
	assert_int_equal(health_feed(&h, PASS, 2 * SEC), HEALTH_SAME);
	assert_false(h.was_granted);
	assert_int_equal(lease_end(&h.lease), 12 * SEC);
}

static void test_at_its_end_a_start_lease_is_unhealthy(void **state) {
	struct health_conf conf = conf_of(2, 2);
	struct health h;

	health_init(&h, &conf, 0);
	health_grant(&h, SEC, 30 * SEC);
	assert_int_equal(health_judge(&h, 31 * SEC - 1), HEALTH_SAME);
	assert_int_equal(health_judge(&h, 31 * SEC), HEALTH_WENT_DOWN);
	assert_int_equal(health_feed(&h, PASS, 32 * SEC), HEALTH_SAME);
	assert_int_equal(health_feed(&h, PASS, 32 * SEC), HEALTH_WENT_UP);
}

static void test_ready_gives_nothing_to_what_passed_or_was_ended(void **state) {
	struct health_conf conf = conf_of(1, 1);
	struct health h = up(1, 1);

	health_grant(&h, 2 * SEC, 30 * SEC);
	assert_int_equal(lease_end(&h.lease), 11 * SEC);
	health_feed(&h, FAIL, 3 * SEC);
	health_grant(&h, 4 * SEC, 30 * SEC);
	assert_int_equal(h.state, HEALTH_DOWN);
	health_init(&h, &conf, 0);
	health_end(&h);
	health_grant(&h, SEC, 30 * SEC);
	assert_int_equal(h.state, HEALTH_DOWN);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures_before_the_first_pass_do_not_count),
		cmocka_unit_test(test_a_start_period_ends_by_itself_or_with_the_first_pass),
		cmocka_unit_test(test_before_ready_what_never_passed_does_not_fall),
		cmocka_unit_test(test_the_start_lease_is_the_longest_of_l_w_and_start_period),
		cmocka_unit_test(test_the_first_pass_replaces_the_start_lease),
		cmocka_unit_test(test_at_its_end_a_start_lease_is_unhealthy),
		cmocka_unit_test(test_ready_gives_nothing_to_what_passed_or_was_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
