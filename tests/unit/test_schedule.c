/* SPDX-License-Identifier: MIT */
#include "core/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MSEC USEC_PER_MSEC
#define SEC USEC_PER_SEC

static struct schedule at_zero(void) {
	const struct schedule_conf conf = {
		.interval_usec = 10 * SEC,
		.timeout_usec = 4 * SEC,
		.fast_usec = 5 * SEC,
		.start_usec = SEC,
		.retry_usec = 100 * MSEC,
		.phase_usec = 3 * SEC,
	};
	struct schedule s;

	schedule_init(&s, &conf, 0);
	return s;
}

static usec_t look(struct schedule *s, usec_t at, usec_t length, enum schedule_pace pace) {
	schedule_started(s, at);
	schedule_ended(s, pace, at + length);
	return schedule_next_at(s);
}

static void test_the_first_look_is_at_once(void **state) {
	struct schedule s = at_zero();

	assert_int_equal(schedule_next_at(&s), 0);
	schedule_init(&s, &s.conf, 7 * SEC);
	assert_int_equal(schedule_next_at(&s), 7 * SEC);
}

static void test_a_look_has_one_absolute_deadline(void **state) {
	struct schedule s = at_zero();

	schedule_started(&s, SEC);
	assert_int_equal(schedule_next_at(&s), 5 * SEC);
	assert_true(s.is_looking);
}

static void test_the_distance_is_from_start_to_start(void **state) {
	struct schedule s = at_zero();

	assert_int_equal(look(&s, SEC, 3 * SEC, SCHEDULE_FAST), 6 * SEC);
	assert_int_equal(look(&s, 6 * SEC, 500 * MSEC, SCHEDULE_START), 7 * SEC);
}

static void test_the_first_steady_look_is_displaced_once(void **state) {
	struct schedule s = at_zero();

	assert_int_equal(look(&s, 0, SEC / 2, SCHEDULE_START), SEC);
	assert_int_equal(look(&s, SEC, SEC / 2, SCHEDULE_STEADY), 4 * SEC);
	assert_int_equal(look(&s, 4 * SEC, SEC / 2, SCHEDULE_STEADY), 14 * SEC);
	assert_int_equal(look(&s, 14 * SEC, SEC / 2, SCHEDULE_FAST), 19 * SEC);
	assert_int_equal(look(&s, 19 * SEC, SEC / 2, SCHEDULE_STEADY), 29 * SEC);
}

static void test_after_not_being_able_to_look_it_retries_from_the_end(void **state) {
	struct schedule s = at_zero();

	assert_int_equal(look(&s, SEC, 3 * SEC, SCHEDULE_RETRY), 4 * SEC + 100 * MSEC);
}

static void test_a_look_never_begins_before_the_last_one_ended(void **state) {
	struct schedule s = at_zero();

	assert_int_equal(look(&s, 0, 20 * SEC, SCHEDULE_STEADY), 20 * SEC);
	assert_int_equal(look(&s, 20 * SEC, 2 * SEC, SCHEDULE_START), 22 * SEC);
}

static void test_a_late_look_moves_all_that_follow(void **state) {
	struct schedule s = at_zero();

	look(&s, 0, SEC, SCHEDULE_STEADY);
	/* Due at 3 s, 13 s, 23 s; begun at 50 s. */
	assert_int_equal(look(&s, 50 * SEC, SEC, SCHEDULE_STEADY), 60 * SEC);
}

static void test_a_stall_moves_an_open_deadline_only(void **state) {
	struct schedule s = at_zero();

	schedule_started(&s, 0);
	schedule_shift(&s, 30 * SEC);
	assert_int_equal(schedule_next_at(&s), 34 * SEC);
	assert_int_equal(s.started_at, 0);
	schedule_ended(&s, SCHEDULE_FAST, 31 * SEC);
	assert_int_equal(schedule_next_at(&s), 31 * SEC);
	schedule_shift(&s, 30 * SEC);
	assert_int_equal(schedule_next_at(&s), 31 * SEC);
}

static void test_stopped_means_no_further_look(void **state) {
	struct schedule s = at_zero();

	schedule_started(&s, 0);
	schedule_stop(&s);
	assert_false(s.is_looking);
	assert_int_equal(schedule_next_at(&s), USEC_INFINITY);
	schedule_shift(&s, SEC);
	assert_int_equal(schedule_next_at(&s), USEC_INFINITY);
}

static void test_an_endless_timeout_has_no_deadline(void **state) {
	struct schedule s = at_zero();

	s.conf.timeout_usec = USEC_INFINITY;
	schedule_started(&s, SEC);
	assert_int_equal(schedule_next_at(&s), USEC_INFINITY);
}

static void test_the_phase_lies_within_the_interval_and_never_is_zero(void **state) {
	char label[16];

	for (unsigned i = 0; i < 5000; i++) {
		usec_t interval = 1 + i % 7, phase;

		snprintf(label, sizeof(label), "app@%u", i);
		phase = schedule_phase(label, "http", interval);
		assert_in_range(phase, 1, interval);
	}
	assert_int_equal(schedule_phase("a", "b", 0), 0);
}

static void test_F25_the_phase_spreads_instances_and_probes_evenly(void **state) {
	unsigned counts[10] = {0};
	char label[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(label, sizeof(label), "app@%u", i);
		counts[(schedule_phase(label, "http", 10 * SEC) - 1) / SEC]++;
	}
	for (unsigned i = 0; i < 10; i++)
		assert_in_range(counts[i], 60, 140);
	assert_int_equal(schedule_phase("app", "http", SEC), schedule_phase("app", "http", SEC));
	assert_int_not_equal(schedule_phase("app", "http", SEC),
			     schedule_phase("app", "http-2", SEC));
	/* Where one word ends and the other begins counts. */
	assert_int_not_equal(schedule_phase("ab", "c", SEC), schedule_phase("a", "bc", SEC));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_look_is_at_once),
		cmocka_unit_test(test_a_look_has_one_absolute_deadline),
		cmocka_unit_test(test_the_distance_is_from_start_to_start),
		cmocka_unit_test(test_the_first_steady_look_is_displaced_once),
		cmocka_unit_test(test_after_not_being_able_to_look_it_retries_from_the_end),
		cmocka_unit_test(test_a_look_never_begins_before_the_last_one_ended),
		cmocka_unit_test(test_a_late_look_moves_all_that_follow),
		cmocka_unit_test(test_a_stall_moves_an_open_deadline_only),
		cmocka_unit_test(test_stopped_means_no_further_look),
		cmocka_unit_test(test_an_endless_timeout_has_no_deadline),
		cmocka_unit_test(test_the_phase_lies_within_the_interval_and_never_is_zero),
		cmocka_unit_test(test_F25_the_phase_spreads_instances_and_probes_evenly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
