/* SPDX-License-Identifier: MIT */
#include "core/late.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_who_has_ended_is_late_while_the_queue_may_hold_its_words(void **state) {
	struct late l = {0};

	assert_false(late_has(&l, 0));
	assert_false(late_has(&l, 7));
	late_add(&l, 7);
	for (int i = 0; i < LATE_QUEUE - 1; i++)
		late_read(&l);
	assert_true(late_has(&l, 7));
	assert_false(late_has(&l, 8));
	late_read(&l);
	assert_false(late_has(&l, 7));
}

static void test_behind_an_empty_queue_nobody_is_late(void **state) {
	struct late l = {0};

	late_add(&l, 7);
	late_empty(&l);
	assert_false(late_has(&l, 7));
	late_add(&l, 7);
	assert_true(late_has(&l, 7));
}

static void test_what_can_have_waited_at_a_mark_is_from_before_it(void **state) {
	struct late l = {0};
	uint64_t mark = late_mark(&l);

	late_read(&l);
	assert_true(late_is_before(&l, mark));
	late_empty(&l);
	assert_false(late_is_before(&l, mark));
	mark = late_mark(&l);
	for (int i = 0; i < LATE_QUEUE; i++) {
		assert_true(late_is_before(&l, mark));
		late_read(&l);
	}
	assert_false(late_is_before(&l, mark));
}

static void test_the_oldest_are_forgotten(void **state) {
	struct late l = {0};

	for (pid_t pid = 1; pid <= LATE_MAX + 1; pid++)
		late_add(&l, pid);
	assert_false(late_has(&l, 1));
	assert_true(late_has(&l, 2));
	assert_true(late_has(&l, LATE_MAX + 1));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_has_ended_is_late_while_the_queue_may_hold_its_words),
		cmocka_unit_test(test_behind_an_empty_queue_nobody_is_late),
		cmocka_unit_test(test_what_can_have_waited_at_a_mark_is_from_before_it),
		cmocka_unit_test(test_the_oldest_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
