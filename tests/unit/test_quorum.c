/* SPDX-License-Identifier: MIT */
#include "core/quorum.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SEC USEC_PER_SEC

/* One probe per lease: evidence at 100 s; length 0: not good. */
static struct quorum of(const usec_t *lengths, size_t n, size_t required, uint64_t optional) {
	static struct health health[QUORUM_MAX];
	const struct health *probes[QUORUM_MAX] = {NULL};
	bool is_optional[QUORUM_MAX] = {false};

	for (size_t i = 0; i < n; i++) {
		health[i] = (struct health){
			.state = lengths[i] > 0 ? HEALTH_UP : HEALTH_DOWN,
			.lease = {.evidence_at = 100 * SEC, .length_usec = lengths[i]},
		};
		probes[i] = &health[i];
		is_optional[i] = optional >> i & 1;
	}
	return quorum_of(probes, is_optional, n, required, 30 * SEC);
}

static void test_all_is_the_earliest_end(void **state) {
	const usec_t lengths[] = {40 * SEC, 5 * SEC, 60 * SEC};
	struct quorum q = of(lengths, 3, 3, 0);

	assert_int_equal(q.n_good, 3);
	assert_int_equal(q.end_at, 105 * SEC);
	assert_int_equal(q.evidence, 1);
}

static void test_any_is_the_latest_end(void **state) {
	const usec_t lengths[] = {40 * SEC, 5 * SEC, 60 * SEC};
	struct quorum q = of(lengths, 3, 1, 0);

	assert_int_equal(q.end_at, 160 * SEC);
	assert_int_equal(q.horizon_at, 160 * SEC);
	assert_int_equal(q.evidence, 2);
}

static void test_k_of_n_is_the_kth_largest_end(void **state) {
	const usec_t lengths[] = {40 * SEC, 5 * SEC, 60 * SEC, 50 * SEC};
	const usec_t ends[] = {160 * SEC, 150 * SEC, 140 * SEC, 105 * SEC};
	const ptrdiff_t evidence[] = {2, 3, 0, 1};

	for (size_t k = 1; k <= 4; k++) {
		struct quorum q = of(lengths, 4, k, 0);

		assert_int_equal(q.end_at, ends[k - 1]);
		assert_int_equal(q.evidence, evidence[k - 1]);
	}
}

static void test_the_horizon_counts_every_lease_as_w_at_least(void **state) {
	const usec_t lengths[] = {40 * SEC, 5 * SEC, 29 * SEC, 31 * SEC};
	const usec_t horizons[] = {140 * SEC, 131 * SEC, 130 * SEC, 130 * SEC};

	for (size_t k = 1; k <= 4; k++)
		assert_int_equal(of(lengths, 4, k, 0).horizon_at, horizons[k - 1]);
}

static void test_the_horizon_is_sorted_on_its_own(void **state) {
	/* By end: B before A. With W at least: A before B. */
	struct health a = {.state = HEALTH_UP, .lease = {100 * SEC, 5 * SEC}};
	struct health b = {.state = HEALTH_UP, .lease = {90 * SEC, 20 * SEC}};
	const struct health *probes[] = {&a, &b};
	const bool is_optional[] = {false, false};
	struct quorum q = quorum_of(probes, is_optional, 2, 1, 30 * SEC);

	assert_int_equal(q.end_at, 110 * SEC);
	assert_int_equal(q.evidence, 1);
	assert_int_equal(q.horizon_at, 130 * SEC);
}

static void test_fewer_than_k_good_is_no_composite(void **state) {
	const usec_t lengths[] = {40 * SEC, 0, 60 * SEC};
	struct quorum q = of(lengths, 3, 3, 0);

	assert_int_equal(q.n_good, 2);
	assert_int_equal(q.end_at, 0);
	assert_int_equal(q.horizon_at, 0);
	assert_int_equal(q.evidence, -1);
	q = of(lengths, 3, 2, 0);
	assert_int_equal(q.end_at, 140 * SEC);
	q = of(lengths, 0, 1, 0);
	assert_int_equal(q.n_good, 0);
	assert_int_equal(q.end_at, 0);
}

static void test_a_new_probe_is_not_good(void **state) {
	struct health h = {.state = HEALTH_NEW, .lease = {100 * SEC, 5 * SEC}};
	const struct health *probes[] = {&h};
	const bool is_optional[] = {false};

	assert_int_equal(quorum_of(probes, is_optional, 1, 1, SEC).n_good, 0);
}

static void test_optional_probes_do_not_count(void **state) {
	const usec_t lengths[] = {40 * SEC, 5 * SEC, 60 * SEC};
	struct quorum q = of(lengths, 3, 2, 1 << 1);

	assert_int_equal(q.n_good, 2);
	assert_int_equal(q.end_at, 140 * SEC);
	q = of(lengths, 3, 3, 1 << 1);
	assert_int_equal(q.end_at, 0);
	q = of(lengths, 3, 1, 1 << 2);
	assert_int_equal(q.end_at, 140 * SEC);
}

static void test_an_endless_lease_comes_first(void **state) {
	const usec_t lengths[] = {40 * SEC, USEC_INFINITY, 60 * SEC};

	assert_int_equal(of(lengths, 3, 1, 0).end_at, USEC_INFINITY);
	assert_int_equal(of(lengths, 3, 1, 0).horizon_at, USEC_INFINITY);
	assert_int_equal(of(lengths, 3, 2, 0).end_at, 160 * SEC);
}

static void test_as_many_probes_as_there_may_be(void **state) {
	usec_t lengths[QUORUM_MAX];

	for (size_t i = 0; i < QUORUM_MAX; i++)
		lengths[i] = (i * 37 % QUORUM_MAX + 31) * SEC;
	for (size_t k = 1; k <= QUORUM_MAX; k++) {
		struct quorum q = of(lengths, QUORUM_MAX, k, 0);

		assert_int_equal(q.end_at, (100 + 31 + QUORUM_MAX - k) * SEC);
		assert_int_equal(q.horizon_at, q.end_at);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_the_earliest_end),
		cmocka_unit_test(test_any_is_the_latest_end),
		cmocka_unit_test(test_k_of_n_is_the_kth_largest_end),
		cmocka_unit_test(test_the_horizon_counts_every_lease_as_w_at_least),
		cmocka_unit_test(test_the_horizon_is_sorted_on_its_own),
		cmocka_unit_test(test_fewer_than_k_good_is_no_composite),
		cmocka_unit_test(test_a_new_probe_is_not_good),
		cmocka_unit_test(test_optional_probes_do_not_count),
		cmocka_unit_test(test_an_endless_lease_comes_first),
		cmocka_unit_test(test_as_many_probes_as_there_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
