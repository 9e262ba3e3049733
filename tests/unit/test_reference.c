/* SPDX-License-Identifier: MIT */
/*
 * struct monitor against the naive model in reference.c: the same random cases, and every look,
 * ping, refusal, credit and change of health must come at the same millisecond in both.
 *
 * SDWD_TEST_SCALE=10 runs ten times as many cases, SDWD_TEST_SEED=N only that one.
 */
#include "reference.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "drive.h"

#define RUNS 60000

static struct ref_log expected, actual;

static bool is_same_event(const struct ref_event *a, const struct ref_event *b) {
	return a->at == b->at && a->kind == b->kind && a->who == b->who && a->arg == b->arg;
}

static bool is_same(uint64_t seed) {
	struct drive d = {.log = &actual, .grid_usec = USEC_PER_MSEC};
	struct ref_case c;
	size_t i = 0;

	drive_random_case(&c, seed, DRIVE_ALL);
	ref_run(&c, &expected);
	drive_run(&d, &c);
	while (i < expected.n && i < actual.n &&
	       is_same_event(&expected.events[i], &actual.events[i]))
		i++;
	if (!d.is_stuck && i == expected.n && i == actual.n && i < REF_LOG)
		return true;

	print_message("seed %" PRIu64 " differs at event %zu%s\n", seed, i,
		      d.is_stuck ? ", monitor_next_at() lies in the past" : "");
	ref_print_case(&c);
	ref_print_log("model", &expected, i);
	ref_print_log("monitor", &actual, i);
	return false;
}

static void test_H2_monitor_does_what_the_model_says(void **state) {
	const char *text = getenv("SDWD_TEST_SEED");
	size_t runs = drive_runs(RUNS, 1000), n_events[REF_KINDS] = {0}, failures = 0;

	if (text != NULL) {
		assert_true(is_same(strtoull(text, NULL, 10)));
		return;
	}

	for (uint64_t seed = 1; seed <= runs && failures < 3; seed++) {
		if (!is_same(seed))
			failures++;
		for (size_t i = 0; i < actual.n; i++)
			n_events[actual.events[i].kind]++;
	}
	assert_int_equal(failures, 0);

	/* The cases reach everything that there is. */
	for (size_t kind = 0; kind < ARRAY_SIZE(n_events); kind++)
		assert_true(n_events[kind] > runs / 100);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_H2_monitor_does_what_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
