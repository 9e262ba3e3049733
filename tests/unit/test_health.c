/* SPDX-License-Identifier: MIT */
#include "health_fixture.h"

static void test_a_new_probe_is_neither_good_nor_bad(void **state) {
	struct health_conf conf = conf_of(1, 1);
	struct health h;

	health_init(&h, &conf, SEC);
	assert_int_equal(h.state, HEALTH_NEW);
	assert_int_equal(lease_end(&h.lease), 0);
	assert_int_equal(health_judge(&h, 1000 * SEC), HEALTH_SAME);
	assert_int_equal(h.state, HEALTH_NEW);
}

static void test_the_first_pass_is_enough_whatever_rise_is(void **state) {
	struct health h = up(3, 5);

	assert_int_equal(h.state, HEALTH_UP);
	assert_int_equal(lease_end(&h.lease), 11 * SEC);
}

static void test_fall_failures_in_a_row_end_the_lease(void **state) {
	for (unsigned fall = 1; fall <= 10; fall++) {
		struct health h = up(fall, 1);

		assert_int_equal(feed_n(&h, FAIL, fall - 1, 2 * SEC), HEALTH_SAME);
		assert_int_equal(h.state, HEALTH_UP);
		assert_int_equal(lease_end(&h.lease), 11 * SEC);
		assert_int_equal(health_feed(&h, FAIL, 2 * SEC), HEALTH_WENT_DOWN);
		assert_int_equal(lease_end(&h.lease), 0);
		assert_int_equal(health_feed(&h, FAIL, 3 * SEC), HEALTH_SAME);
	}
}

static void test_a_pass_or_warn_between_begins_the_streak_anew(void **state) {
	struct health h = up(3, 1);

	feed_n(&h, FAIL, 2, 2 * SEC);
	health_feed(&h, PASS, 3 * SEC);
	feed_n(&h, FAIL, 2, 4 * SEC);
	health_feed(&h, WARN, 5 * SEC);
	assert_int_equal(h.fails, 0);
	assert_int_equal(feed_n(&h, FAIL, 3, 6 * SEC), HEALTH_WENT_DOWN);
}

static void test_unknown_moves_no_streak_and_no_lease(void **state) {
	struct health h = up(3, 2);

	feed_n(&h, FAIL, 2, 2 * SEC);
	feed_n(&h, UNKNOWN, 5, 3 * SEC);
	assert_int_equal(h.fails, 2);
	assert_int_equal(lease_end(&h.lease), 11 * SEC);
	assert_int_equal(health_feed(&h, FAIL, 4 * SEC), HEALTH_WENT_DOWN);
	health_feed(&h, PASS, 5 * SEC);
	feed_n(&h, UNKNOWN, 5, 6 * SEC);
	assert_int_equal(health_feed(&h, PASS, 7 * SEC), HEALTH_WENT_UP);
}

static void test_only_good_evidence_renews(void **state) {
	struct health h = up(3, 1);

	health_feed(&h, FAIL, 2 * SEC);
	health_feed(&h, UNKNOWN, 3 * SEC);
	assert_int_equal(lease_end(&h.lease), 11 * SEC);
	health_feed(&h, WARN, 4 * SEC);
	assert_int_equal(lease_end(&h.lease), 14 * SEC);
	health_feed(&h, PASS, 5 * SEC);
	assert_int_equal(lease_end(&h.lease), 15 * SEC);
}

static void test_a_lease_ends_at_its_last_microsecond(void **state) {
	struct health h = up(3, 1);

	assert_int_equal(health_judge(&h, 11 * SEC - 1), HEALTH_SAME);
	assert_int_equal(health_judge(&h, 11 * SEC), HEALTH_WENT_DOWN);
	assert_int_equal(health_judge(&h, 12 * SEC), HEALTH_SAME);
	assert_int_equal(health_feed(&h, PASS, 12 * SEC), HEALTH_WENT_UP);
	assert_int_equal(lease_end(&h.lease), 22 * SEC);
}

static void test_evidence_read_before_the_judgement_saves_the_lease(void **state) {
	struct health h = up(3, 1);

	health_feed(&h, PASS, 11 * SEC);
	assert_int_equal(health_judge(&h, 11 * SEC), HEALTH_SAME);
}

static void test_an_endless_lease_never_runs_out(void **state) {
	struct health h = up(1, 1);

	h.conf.lease_usec = USEC_INFINITY;
	health_feed(&h, PASS, 2 * SEC);
	assert_int_equal(health_judge(&h, USEC_INFINITY - 1), HEALTH_SAME);
	assert_int_equal(health_feed(&h, FAIL, 3 * SEC), HEALTH_WENT_DOWN);
}

static void test_passes_below_rise_renew_nothing(void **state) {
	struct health h = up(1, 3);

	health_feed(&h, FAIL, 2 * SEC);
	assert_int_equal(feed_n(&h, PASS, 2, 3 * SEC), HEALTH_SAME);
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_int_equal(lease_end(&h.lease), 0);
	health_feed(&h, FAIL, 4 * SEC);
	assert_int_equal(feed_n(&h, WARN, 2, 5 * SEC), HEALTH_SAME);
	assert_int_equal(health_feed(&h, PASS, 6 * SEC), HEALTH_WENT_UP);
	assert_int_equal(lease_end(&h.lease), 16 * SEC);
}

static void test_passes_before_the_fall_do_not_count_towards_rise(void **state) {
	struct health h = up(1, 2);

	feed_n(&h, PASS, 5, 2 * SEC);
	health_judge(&h, 12 * SEC);
	assert_int_equal(health_feed(&h, PASS, 12 * SEC), HEALTH_SAME);
	assert_int_equal(health_feed(&h, PASS, 13 * SEC), HEALTH_WENT_UP);
}

static void test_x_of_the_last_y_failures_end_the_lease(void **state) {
	struct health_conf conf = conf_of(10, 1);
	struct health h;

	conf.window_failures = 3;
	conf.window_looks = 5;
	health_init(&h, &conf, 0);
	health_feed(&h, PASS, SEC);
	/* F F P P P F F: never three of five. */
	feed_n(&h, FAIL, 2, 2 * SEC);
	feed_n(&h, PASS, 3, 2 * SEC);
	assert_int_equal(feed_n(&h, FAIL, 2, 2 * SEC), HEALTH_SAME);
	health_feed(&h, PASS, 3 * SEC);
	health_feed(&h, UNKNOWN, 3 * SEC);
	assert_int_equal(health_feed(&h, FAIL, 3 * SEC), HEALTH_WENT_DOWN);
	/* Recovery clears it. */
	assert_int_equal(health_feed(&h, PASS, 4 * SEC), HEALTH_WENT_UP);
	assert_int_equal(feed_n(&h, FAIL, 2, 5 * SEC), HEALTH_SAME);
	assert_int_equal(health_feed(&h, FAIL, 5 * SEC), HEALTH_WENT_DOWN);
}

static void test_the_window_holds_64_looks_and_not_one_more(void **state) {
	struct health_conf conf = conf_of(1000, 1);
	struct health h;

	conf.window_failures = conf.window_looks = 64;
	health_init(&h, &conf, 0);
	health_feed(&h, PASS, SEC);
	assert_int_equal(feed_n(&h, FAIL, 63, SEC), HEALTH_SAME);
	assert_int_equal(health_feed(&h, FAIL, SEC), HEALTH_WENT_DOWN);

	conf.window_failures = 2;
	health_init(&h, &conf, 0);
	health_feed(&h, PASS, SEC);
	health_feed(&h, FAIL, SEC);
	feed_n(&h, PASS, 63, SEC);
	assert_int_equal(health_feed(&h, FAIL, SEC), HEALTH_SAME);
	feed_n(&h, PASS, 62, SEC);
	assert_int_equal(health_feed(&h, FAIL, SEC), HEALTH_WENT_DOWN);
}

static void test_a_window_of_one_falls_at_once(void **state) {
	struct health h = up(10, 1);

	h.conf.window_failures = h.conf.window_looks = 1;
	assert_int_equal(health_feed(&h, FAIL, SEC), HEALTH_WENT_DOWN);
}

static void test_an_ended_probe_is_bad_until_rise_passes(void **state) {
	struct health h = up(5, 2);

	assert_int_equal(health_end(&h), HEALTH_WENT_DOWN);
	assert_true(h.was_ended);
	assert_int_equal(h.fails, 1);
	assert_int_equal(h.last, FAIL);
	assert_int_equal(lease_end(&h.lease), 0);
	assert_int_equal(health_end(&h), HEALTH_SAME);
	health_feed(&h, PASS, 2 * SEC);
	assert_true(h.was_ended);
	assert_int_equal(health_feed(&h, PASS, 3 * SEC), HEALTH_WENT_UP);
	assert_false(h.was_ended);
}

static void test_extend_moves_a_running_lease_and_only_forward(void **state) {
	struct health h = up(1, 1);

	health_extend(&h, 11 * SEC);
	assert_int_equal(lease_end(&h.lease), 11 * SEC);
	health_extend(&h, 5 * SEC);
	assert_int_equal(lease_end(&h.lease), 11 * SEC);
	health_extend(&h, 20 * SEC);
	assert_int_equal(lease_end(&h.lease), 20 * SEC);
	assert_int_equal(h.lease.evidence_at, SEC);
	health_extend(&h, USEC_INFINITY);
	assert_int_equal(lease_end(&h.lease), USEC_INFINITY);
	health_feed(&h, PASS, 6 * SEC);
	assert_int_equal(lease_end(&h.lease), 16 * SEC);
	health_end(&h);
	health_extend(&h, 30 * SEC);
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_int_equal(lease_end(&h.lease), 0);
}

static void test_shift_moves_the_lease_by_the_gap(void **state) {
	struct health h = up(1, 1);

	health_shift(&h, 4 * SEC);
	assert_int_equal(health_judge(&h, 15 * SEC - 1), HEALTH_SAME);
	assert_int_equal(health_judge(&h, 15 * SEC), HEALTH_WENT_DOWN);
}

static void test_degraded_is_a_streak_below_fall_or_warn(void **state) {
	struct health h = up(3, 1);

	assert_false(health_is_degraded(&h));
	health_feed(&h, FAIL, 2 * SEC);
	assert_true(health_is_degraded(&h));
	health_feed(&h, PASS, 2 * SEC);
	assert_false(health_is_degraded(&h));
	health_feed(&h, WARN, 2 * SEC);
	assert_true(health_is_degraded(&h));
	feed_n(&h, FAIL, 3, 2 * SEC);
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_false(health_is_degraded(&h));
}

static void test_not_being_able_to_look_does_not_take_a_warning_back(void **state) {
	struct health h = up(3, 1);

	health_feed(&h, WARN, 2 * SEC);
	health_feed(&h, UNKNOWN, 3 * SEC);
	assert_true(health_is_degraded(&h));
	health_feed(&h, PASS, 4 * SEC);
	assert_false(health_is_degraded(&h));
}

static void test_states_have_names(void **state) {
	assert_string_equal(health_state_str(HEALTH_NEW), "starting");
	assert_string_equal(health_state_str(HEALTH_UP), "healthy");
	assert_string_equal(health_state_str(HEALTH_DOWN), "unhealthy");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_probe_is_neither_good_nor_bad),
		cmocka_unit_test(test_the_first_pass_is_enough_whatever_rise_is),
		cmocka_unit_test(test_fall_failures_in_a_row_end_the_lease),
		cmocka_unit_test(test_a_pass_or_warn_between_begins_the_streak_anew),
		cmocka_unit_test(test_unknown_moves_no_streak_and_no_lease),
		cmocka_unit_test(test_only_good_evidence_renews),
		cmocka_unit_test(test_a_lease_ends_at_its_last_microsecond),
		cmocka_unit_test(test_evidence_read_before_the_judgement_saves_the_lease),
		cmocka_unit_test(test_an_endless_lease_never_runs_out),
		cmocka_unit_test(test_passes_below_rise_renew_nothing),
		cmocka_unit_test(test_passes_before_the_fall_do_not_count_towards_rise),
		cmocka_unit_test(test_x_of_the_last_y_failures_end_the_lease),
		cmocka_unit_test(test_the_window_holds_64_looks_and_not_one_more),
		cmocka_unit_test(test_a_window_of_one_falls_at_once),
		cmocka_unit_test(test_an_ended_probe_is_bad_until_rise_passes),
		cmocka_unit_test(test_extend_moves_a_running_lease_and_only_forward),
		cmocka_unit_test(test_shift_moves_the_lease_by_the_gap),
		cmocka_unit_test(test_degraded_is_a_streak_below_fall_or_warn),
		cmocka_unit_test(test_not_being_able_to_look_does_not_take_a_warning_back),
		cmocka_unit_test(test_states_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
