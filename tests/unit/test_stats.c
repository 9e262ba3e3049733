/* SPDX-License-Identifier: MIT */
#include "core/stats.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_nothing_is_counted_at_first(void **state) {
	struct stats s = {0};

	assert_int_equal(stats_n_history(&s), 0);
	assert_int_equal(stats_at_most(&s, STATS_BUCKETS - 1), 0);
}

static void test_looks_are_counted_by_verdict(void **state) {
	struct stats s = {0};

	for (int verdict = 0; verdict < VERDICT_MAX; verdict++)
		for (int n = 0; n <= verdict; n++)
			stats_add(&s, (enum verdict)verdict, 10);
	for (int verdict = 0; verdict < VERDICT_MAX; verdict++)
		assert_int_equal(s.verdicts[verdict], verdict + 1);
	assert_int_equal(s.sum_usec, 100);
	assert_int_equal(stats_at_most(&s, 0), 10);
}

static void test_bounds_rise_from_100_us_to_10_s_and_the_last_has_none(void **state) {
	assert_int_equal(stats_bound(0), 100);
	for (size_t i = 1; i < STATS_BUCKETS; i++)
		assert_true(stats_bound(i) > stats_bound(i - 1));
	assert_int_equal(stats_bound(STATS_BUCKETS - 2), 10 * USEC_PER_SEC);
	assert_int_equal(stats_bound(STATS_BUCKETS - 1), USEC_INFINITY);
}

/* A look of exactly the bound is within it, one of a microsecond more is not; and so cumulatively.
 */
static void test_buckets_hold_their_bound_and_all_below(void **state) {
	for (size_t i = 0; i + 1 < STATS_BUCKETS; i++) {
		struct stats s = {0};

		stats_add(&s, VERDICT_PASS, stats_bound(i));
		stats_add(&s, VERDICT_PASS, stats_bound(i) + 1);
		stats_add(&s, VERDICT_FAIL, 0);
		for (size_t k = 0; k < STATS_BUCKETS; k++)
			assert_int_equal(stats_at_most(&s, k), k < i ? 1 : k == i ? 2 : 3);
		assert_int_equal(s.sum_usec, 2 * stats_bound(i) + 1);
	}
}

static void test_the_longest_look_of_all_has_a_bucket(void **state) {
	struct stats s = {0};

	stats_add(&s, VERDICT_FAIL, USEC_INFINITY);
	assert_int_equal(stats_at_most(&s, STATS_BUCKETS - 2), 0);
	assert_int_equal(stats_at_most(&s, STATS_BUCKETS - 1), 1);
	stats_add(&s, VERDICT_FAIL, 5);
	assert_int_equal(s.sum_usec, USEC_INFINITY);
}

static void test_the_history_has_the_last_32_oldest_first(void **state) {
	struct stats s = {0};

	for (usec_t n = 0; n < 100; n++) {
		size_t kept = (size_t)MIN(n + 1, (usec_t)STATS_HISTORY);

		stats_add(&s, n % 3 == 0 ? VERDICT_WARN : VERDICT_PASS, n);
		assert_int_equal(stats_n_history(&s), kept);
		for (size_t i = 0; i < kept; i++) {
			usec_t latency = n + 1 - kept + i;
			const struct stats_look *l = stats_look(&s, i);

			assert_int_equal(l->latency_usec, latency);
			assert_int_equal(l->verdict,
					 latency % 3 == 0 ? VERDICT_WARN : VERDICT_PASS);
		}
	}
}

static void test_pings_and_stalls_are_counted(void **state) {
	struct counters c = {0};

	counters_ping(&c, 7);
	counters_ping(&c, 9);
	counters_stall(&c, 100);
	counters_stall(&c, 11);
	assert_int_equal(c.n_pings, 2);
	assert_int_equal(c.ping_at, 9);
	assert_int_equal(c.n_stalls, 2);
	assert_int_equal(c.stall_usec, 111);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_counted_at_first),
		cmocka_unit_test(test_looks_are_counted_by_verdict),
		cmocka_unit_test(test_bounds_rise_from_100_us_to_10_s_and_the_last_has_none),
		cmocka_unit_test(test_buckets_hold_their_bound_and_all_below),
		cmocka_unit_test(test_the_longest_look_of_all_has_a_bucket),
		cmocka_unit_test(test_the_history_has_the_last_32_oldest_first),
		cmocka_unit_test(test_pings_and_stalls_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
