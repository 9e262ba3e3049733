/* SPDX-License-Identifier: MIT */
#include "core/monitor.h"

#include "monitor_fixture.h"

static void test_a_trigger_ends_with_the_probe_that_said_it(void **state) {
	struct monitor m = running(2, 1, 0);

	monitor_trigger(&m, 0);
	assert_becomes(&m, 5 * SEC, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, 0);
	monitor_feed(&m, 1, VERDICT_PASS, 6 * SEC);
	assert_false(monitor_judge(&m, 6 * SEC));
	monitor_feed(&m, 0, VERDICT_PASS, 7 * SEC);
	assert_becomes(&m, 7 * SEC, SERVICE_HEALTHY);
}

static void test_a_trigger_of_nobody_is_for_good(void **state) {
	struct monitor m = running(1, 1, 0);

	monitor_trigger(&m, MONITOR_PROCESS);
	assert_becomes(&m, 5 * SEC, SERVICE_UNHEALTHY);
	monitor_feed(&m, 0, VERDICT_PASS, 6 * SEC);
	assert_false(monitor_judge(&m, 6 * SEC));
	/* Nor does a later one, which ends, end it. */
	monitor_trigger(&m, 0);
	monitor_feed(&m, 0, VERDICT_PASS, 7 * SEC);
	assert_false(monitor_judge(&m, 7 * SEC));
	assert_int_equal(m.service, SERVICE_UNHEALTHY);
}

static void test_two_triggers_end_with_both(void **state) {
	struct monitor m = running(2, 1, 0);

	monitor_trigger(&m, 0);
	monitor_trigger(&m, 1);
	assert_becomes(&m, 5 * SEC, SERVICE_UNHEALTHY);
	monitor_feed(&m, 1, VERDICT_PASS, 6 * SEC);
	assert_false(monitor_judge(&m, 6 * SEC));
	monitor_feed(&m, 0, VERDICT_PASS, 7 * SEC);
	assert_becomes(&m, 7 * SEC, SERVICE_HEALTHY);
}

static void test_a_new_length_counts_from_the_beat_that_brings_it(void **state) {
	struct monitor m = running(1, 1, 0);

	monitor_set_lease(&m, 0, 5 * SEC);
	assert_int_equal(lease_end(&m.probes[0].health.lease), SEC + PUSH_LEASE);
	monitor_feed(&m, 0, VERDICT_PASS, 10 * SEC);
	assert_int_equal(lease_end(&m.probes[0].health.lease), 15 * SEC);
}

static void test_F8_after_a_stop_nothing_is_due_or_judged(void **state) {
	struct monitor_probe_conf confs[2] = {push_conf, pull_conf};
	struct monitor m;

	monitor_init(&m, W, confs, 2, 2, false, 0);
	monitor_ready(&m, SEC);
	monitor_stop(&m);
	monitor_feed(&m, 0, VERDICT_PASS, 2 * SEC);
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	assert_false(monitor_stall_wants_ping(&m, 2 * SEC));
	monitor_feed(&m, 0, VERDICT_FAIL, 3 * SEC);
	assert_false(monitor_judge(&m, 300 * SEC));
	assert_int_equal(monitor_next_at(&m), USEC_INFINITY);
}

static void test_latched_is_unhealthy_for_good_and_looks_go_on(void **state) {
	struct monitor_probe_conf confs[2] = {push_conf, pull_conf};
	struct monitor m;

	monitor_init(&m, W, confs, 2, 1, false, 0);
	monitor_look_started(&m, 1, 0);
	monitor_ready(&m, SEC);
	monitor_trigger(&m, 0);
	assert_becomes(&m, 2 * SEC, SERVICE_UNHEALTHY);
	monitor_latch(&m);
	monitor_feed(&m, 0, VERDICT_PASS, 3 * SEC);
	monitor_look_ended(&m, 1, VERDICT_PASS, 3 * SEC);
	assert_false(monitor_judge(&m, 3 * SEC));
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	assert_false(monitor_stall_wants_ping(&m, 3 * SEC));
	assert_int_equal(monitor_next_at(&m), 3 * SEC);
}

static void test_a_stall_asks_for_a_ping_if_it_was_healthy_then(void **state) {
	struct monitor m = running(1, 1, 0), unready = with_pushes(1, 1, 0);

	assert_true(monitor_stall_wants_ping(&m, SEC + PUSH_LEASE - 1));
	assert_false(monitor_stall_wants_ping(&m, SEC + PUSH_LEASE));
	assert_false(monitor_stall_wants_ping(&unready, SEC));
	monitor_process(&m, PROCESS_STOPPED, 2 * SEC);
	assert_false(monitor_stall_wants_ping(&m, 2 * SEC));
	monitor_process(&m, PROCESS_RUNNING, 2 * SEC);
	monitor_end_probe(&m, 0);
	monitor_judge(&m, 2 * SEC);
	assert_false(monitor_stall_wants_ping(&m, 2 * SEC));
}

static void test_a_stall_is_taken_out_of_time(void **state) {
	struct monitor_probe_conf confs[2] = {push_conf, pull_conf};
	struct monitor m;

	monitor_init(&m, W, confs, 2, 2, false, 0);
	monitor_look_started(&m, 1, 0);
	monitor_feed(&m, 0, VERDICT_PASS, SEC);
	monitor_ready(&m, SEC);
	assert_int_equal(monitor_next_at(&m), 5 * SEC);
	/* And the slack with it. */
	assert_int_equal(monitor_stall_credit(&m, 5 * SEC, 105 * SEC), 100 * SEC + SLACK);
	assert_int_equal(lease_end(&m.probes[0].health.lease), 101 * SEC + SLACK + PUSH_LEASE);
	assert_int_equal(m.probes[1].schedule.deadline_at, 105 * SEC + SLACK);
	assert_int_equal(m.process_good_at, 101 * SEC + SLACK);
	assert_false(monitor_judge(&m, 105 * SEC));
	/* The budget is spent. */
	assert_int_equal(monitor_stall_credit(&m, 105 * SEC, 205 * SEC), 10 * SEC);
	assert_becomes(&m, 205 * SEC, SERVICE_UNHEALTHY);
}

static void test_frozen_together_the_child_gets_the_slack_to_speak(void **state) {
	struct monitor m;
	usec_t end_at = SEC + PUSH_LEASE, thawed_at = end_at + 30 * SEC;

	/* The lease's own end was the next thing to wake for, and both slept over it. */
	monitor_init(&m, W, &push_conf, 1, 1, false, 0);
	monitor_feed(&m, 0, VERDICT_PASS, SEC);
	monitor_ready(&m, SEC);
	monitor_process(&m, PROCESS_RUNNING, end_at - SEC);
	monitor_stall_credit(&m, end_at, thawed_at);
	monitor_judge(&m, thawed_at);
	assert_int_equal(m.service, SERVICE_HEALTHY);
	monitor_feed(&m, 0, VERDICT_PASS, thawed_at + SLACK - 1);
	monitor_judge(&m, thawed_at + SLACK);
	assert_int_equal(m.service, SERVICE_HEALTHY);
}

static void test_frozen_together_a_silent_child_is_bad_after_the_slack(void **state) {
	struct monitor m;
	usec_t end_at = SEC + PUSH_LEASE, thawed_at = end_at + 30 * SEC;

	monitor_init(&m, W, &push_conf, 1, 1, false, 0);
	monitor_feed(&m, 0, VERDICT_PASS, SEC);
	monitor_ready(&m, SEC);
	monitor_process(&m, PROCESS_RUNNING, end_at - SEC);
	monitor_stall_credit(&m, end_at, thawed_at);
	assert_becomes(&m, thawed_at + SLACK, SERVICE_UNHEALTHY);
}

static void test_a_look_at_the_process_in_a_stall_does_not_count_twice(void **state) {
	struct monitor m = running(1, 1, 0);

	monitor_process(&m, PROCESS_RUNNING, 100 * SEC);
	monitor_stall_credit(&m, 16 * SEC, 100 * SEC);
	assert_int_equal(m.process_good_at, 100 * SEC);
}

static void test_what_was_read_since_a_stall_gains_no_more_than_the_slack(void **state) {
	struct monitor m;

	monitor_init(&m, W, &push_conf, 1, 1, false, 0);
	monitor_feed(&m, 0, VERDICT_PASS, SEC);
	monitor_ready(&m, SEC);
	monitor_feed(&m, 0, VERDICT_PASS, 100 * SEC);
	monitor_stall_credit(&m, 5 * SEC, 100 * SEC);
	assert_int_equal(lease_end(&m.probes[0].health.lease), 100 * SEC + SLACK + PUSH_LEASE);
}

static void test_a_tiny_w_keeps_its_order(void **state) {
	struct monitor m;

	monitor_init(&m, MSEC, NULL, 0, 0, false, 0);
	monitor_ready(&m, 0);
	assert_int_equal(m.slack_usec, 50);
	assert_int_equal(monitor_next_at(&m), 500);
	monitor_process(&m, PROCESS_RUNNING, 500);
	assert_int_equal(monitor_ping_due_at(&m), 500);
	monitor_process(&m, PROCESS_STOPPED, 501);
	assert_int_equal(monitor_next_at(&m), 601);
	assert_becomes(&m, 1500, SERVICE_UNHEALTHY);
}

static void test_an_endless_lease_is_pinged_for_every_half_w(void **state) {
	struct monitor_probe_conf conf = push_conf;
	struct monitor m;

	conf.health.lease_usec = USEC_INFINITY;
	monitor_init(&m, W, &conf, 1, 1, false, 0);
	monitor_ready(&m, SEC);
	assert_int_equal(monitor_ping_due_at(&m), SEC + W / 2);
	pinger_sent(&m.pinger, SEC + W / 2);
	monitor_process(&m, PROCESS_RUNNING, SEC + W / 2);
	assert_int_equal(monitor_next_at(&m), SEC + W);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_trigger_ends_with_the_probe_that_said_it),
		cmocka_unit_test(test_a_trigger_of_nobody_is_for_good),
		cmocka_unit_test(test_two_triggers_end_with_both),
		cmocka_unit_test(test_a_new_length_counts_from_the_beat_that_brings_it),
		cmocka_unit_test(test_F8_after_a_stop_nothing_is_due_or_judged),
		cmocka_unit_test(test_latched_is_unhealthy_for_good_and_looks_go_on),
		cmocka_unit_test(test_a_stall_asks_for_a_ping_if_it_was_healthy_then),
		cmocka_unit_test(test_a_stall_is_taken_out_of_time),
		cmocka_unit_test(test_frozen_together_the_child_gets_the_slack_to_speak),
		cmocka_unit_test(test_frozen_together_a_silent_child_is_bad_after_the_slack),
		cmocka_unit_test(test_a_look_at_the_process_in_a_stall_does_not_count_twice),
		cmocka_unit_test(test_what_was_read_since_a_stall_gains_no_more_than_the_slack),
		cmocka_unit_test(test_a_tiny_w_keeps_its_order),
		cmocka_unit_test(test_an_endless_lease_is_pinged_for_every_half_w),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
