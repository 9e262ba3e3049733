/* SPDX-License-Identifier: MIT */
#include "core/monitor.h"

#include "monitor_fixture.h"

static void test_good_needs_k_good_probes_at_the_same_time(void **state) {
	struct monitor m = with_pushes(3, 2, 0);

	assert_false(monitor_is_good(&m));
	monitor_feed(&m, 0, VERDICT_PASS, SEC);
	monitor_judge(&m, SEC + PUSH_LEASE);
	monitor_feed(&m, 1, VERDICT_PASS, SEC + PUSH_LEASE);
	assert_false(monitor_is_good(&m));
	monitor_feed(&m, 2, VERDICT_WARN, SEC + PUSH_LEASE);
	assert_true(monitor_is_good(&m));
	monitor_process(&m, PROCESS_STOPPED, SEC + PUSH_LEASE);
	assert_false(monitor_is_good(&m));
	monitor_process(&m, PROCESS_TRACED, SEC + PUSH_LEASE);
	assert_true(monitor_is_good(&m));
}

static void test_without_probes_the_process_alone_is_good(void **state) {
	struct monitor m = with_pushes(0, 0, 0);

	assert_true(monitor_is_good(&m));
	assert_int_equal(monitor_evidence_at(&m), 0);
	monitor_process(&m, PROCESS_RUNNING, 5 * SEC);
	assert_int_equal(monitor_evidence_at(&m), 5 * SEC);
}

static void test_before_ready_nothing_is_unhealthy(void **state) {
	struct monitor m = with_pushes(2, 2, 0);

	monitor_feed(&m, 0, VERDICT_PASS, SEC);
	monitor_feed(&m, 0, VERDICT_FAIL, 2 * SEC);
	monitor_process(&m, PROCESS_STOPPED, 2 * SEC);
	assert_false(monitor_judge(&m, 500 * SEC));
	assert_int_equal(m.service, SERVICE_HEALTHY);
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
}

static void test_before_ready_closed_is_unhealthy_where_it_is_required(void **state) {
	struct monitor all = with_pushes(2, 2, 0), any = with_pushes(2, 1, 0);
	struct monitor optional = with_pushes(2, 1, 1);

	monitor_end_probe(&all, 0);
	assert_becomes(&all, SEC, SERVICE_UNHEALTHY);
	assert_int_equal(all.culprit, 0);
	monitor_end_probe(&any, 1);
	assert_false(monitor_judge(&any, SEC));
	monitor_end_probe(&any, 0);
	assert_becomes(&any, SEC, SERVICE_UNHEALTHY);
	monitor_end_probe(&optional, 0);
	assert_false(monitor_judge(&optional, SEC));
	assert_int_equal(optional.culprit, MONITOR_PROCESS);
}

static void test_before_ready_a_trigger_is_unhealthy(void **state) {
	struct monitor m = with_pushes(2, 1, 0);

	monitor_trigger(&m, 1);
	assert_becomes(&m, SEC, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, 1);
	assert_false(monitor_is_good(&m));
}

static void test_ready_before_the_first_pass_gives_a_start_lease(void **state) {
	struct monitor m = with_pushes(1, 1, 0);

	monitor_ready(&m, 10 * SEC);
	assert_false(monitor_judge(&m, 10 * SEC));
	/* The lease ends when the timer that READY armed does: nothing to ping. */
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	monitor_process(&m, PROCESS_RUNNING, 39 * SEC);
	assert_false(monitor_judge(&m, 10 * SEC + W - 1));
	assert_becomes(&m, 10 * SEC + W, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, 0);
}

static void test_a_short_lease_means_each_beat_is_forwarded(void **state) {
	struct monitor m = running(1, 1, 0);

	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	for (usec_t now = 5 * SEC; now < 200 * SEC; now += 7 * SEC) {
		monitor_feed(&m, 0, VERDICT_PASS, now);
		assert_true(monitor_ping_due_at(&m) <= now);
		pinger_sent(&m.pinger, now);
		assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	}
}

static void test_failures_bring_no_ping(void **state) {
	struct monitor_probe_conf conf = pull_conf;
	struct monitor m;

	monitor_init(&m, W, &conf, 1, 1, false, 0);
	monitor_look_started(&m, 0, 0);
	monitor_look_ended(&m, 0, VERDICT_PASS, SEC);
	monitor_ready(&m, SEC);
	monitor_look_started(&m, 0, 7 * SEC);
	monitor_look_ended(&m, 0, VERDICT_FAIL, 8 * SEC);
	assert_becomes(&m, 8 * SEC, SERVICE_DEGRADED);
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	/* fast: 3 s after the last start */
	assert_int_equal(m.probes[0].schedule.next_at, 10 * SEC);
	monitor_look_started(&m, 0, 10 * SEC);
	monitor_look_ended(&m, 0, VERDICT_UNKNOWN, 11 * SEC);
	assert_int_equal(m.probes[0].schedule.next_at, 11 * SEC + SEC / 4);
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	monitor_look_started(&m, 0, 12 * SEC);
	assert_int_equal(monitor_look_ended(&m, 0, VERDICT_PASS, 13 * SEC), HEALTH_SAME);
	assert_int_equal(monitor_ping_due_at(&m), 13 * SEC);
}

static void test_nothing_new_plans_the_next_look_and_says_nothing(void **state) {
	struct monitor_probe_conf conf = push_conf;
	struct monitor m;

	conf.is_scheduled = true;
	conf.schedule = (struct schedule_conf){.interval_usec = 6 * SEC,
					       .retry_usec = SEC / 4,
					       .phase_usec = 2 * SEC};
	monitor_init(&m, W, &conf, 1, 1, false, 0);
	assert_int_equal(monitor_next_at(&m), 0);
	monitor_look_started(&m, 0, 0);
	monitor_look_idle(&m, 0, 0);
	assert_int_equal(monitor_next_at(&m), 2 * SEC);
	assert_false(monitor_is_good(&m));
	monitor_look_started(&m, 0, 2 * SEC);
	monitor_look_ended(&m, 0, VERDICT_PASS, 2 * SEC);
	monitor_ready(&m, 2 * SEC);
	assert_int_equal(monitor_next_at(&m), 8 * SEC);
	for (usec_t now = 8 * SEC; now < 2 * SEC + PUSH_LEASE; now += 6 * SEC) {
		monitor_look_started(&m, 0, now);
		monitor_look_idle(&m, 0, now);
		assert_int_equal(m.probes[0].schedule.next_at, now + 6 * SEC);
		monitor_process(&m, PROCESS_RUNNING, now);
		assert_false(monitor_judge(&m, now));
		assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	}
	assert_becomes(&m, 2 * SEC + PUSH_LEASE, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, 0);
}

static void test_no_ping_while_unhealthy_and_at_once_on_recovery(void **state) {
	struct monitor m = running(2, 2, 0);

	monitor_feed(&m, 0, VERDICT_PASS, 5 * SEC);
	monitor_feed(&m, 1, VERDICT_FAIL, 5 * SEC);
	assert_becomes(&m, 5 * SEC, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, 1);
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	monitor_feed(&m, 1, VERDICT_PASS, 9 * SEC);
	assert_becomes(&m, 9 * SEC, SERVICE_HEALTHY);
	assert_true(monitor_ping_due_at(&m) <= 9 * SEC);
}

static void test_any_of_is_degraded_while_one_is_bad(void **state) {
	struct monitor m = running(2, 1, 0);

	monitor_end_probe(&m, 0);
	assert_becomes(&m, 5 * SEC, SERVICE_DEGRADED);
	monitor_feed(&m, 0, VERDICT_PASS, 6 * SEC);
	assert_becomes(&m, 6 * SEC, SERVICE_HEALTHY);
	assert_int_equal(monitor_evidence_at(&m), 6 * SEC);
}

static void test_optional_probes_change_nothing(void **state) {
	struct monitor m = running(2, 1, 1 << 1);

	monitor_feed(&m, 1, VERDICT_WARN, 2 * SEC);
	assert_false(monitor_judge(&m, 2 * SEC));
	assert_int_equal(monitor_feed(&m, 1, VERDICT_FAIL, 2 * SEC), HEALTH_WENT_DOWN);
	assert_false(monitor_judge(&m, 2 * SEC));
	assert_int_equal(m.culprit, MONITOR_PROCESS);
	monitor_feed(&m, 1, VERDICT_PASS, 3 * SEC);
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
}

static void test_a_lease_that_ran_out_names_its_probe(void **state) {
	struct monitor m = running(3, 3, 0);

	monitor_process(&m, PROCESS_RUNNING, 20 * SEC);
	monitor_feed(&m, 0, VERDICT_PASS, 5 * SEC);
	monitor_feed(&m, 2, VERDICT_PASS, 5 * SEC);
	assert_int_equal(monitor_next_at(&m), SEC + PUSH_LEASE);
	assert_becomes(&m, SEC + PUSH_LEASE, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, 1);
}

static void test_the_process_is_looked_at_every_half_w_and_tenth_while_stopped(void **state) {
	struct monitor m = running(1, 1, 0);

	assert_int_equal(m.process_look_at, SEC + W / 2);
	monitor_process(&m, PROCESS_STOPPED, 10 * SEC);
	assert_int_equal(m.process_look_at, 10 * SEC + W / 10);
	monitor_process(&m, PROCESS_TRACED, 12 * SEC);
	assert_int_equal(m.process_look_at, 12 * SEC + W / 2);
	assert_int_equal(monitor_next_at(&m), SEC + PUSH_LEASE);
}

static void test_ready_does_not_forget_that_the_process_is_stopped(void **state) {
	struct monitor m = with_pushes(1, 1, 0);

	monitor_process(&m, PROCESS_STOPPED, SEC);
	monitor_ready(&m, 2 * SEC);
	assert_int_equal(m.process_look_at, 2 * SEC + W / 10);
	assert_false(monitor_judge(&m, 2 * SEC));
}

static void test_a_stopped_process_is_pinged_for_no_more_and_bad_after_w(void **state) {
	struct monitor m = running(1, 1, 0);

	monitor_process(&m, PROCESS_STOPPED, 10 * SEC);
	for (usec_t now = 10 * SEC; now < SEC + W; now += SEC) {
		monitor_feed(&m, 0, VERDICT_PASS, now);
		assert_false(monitor_judge(&m, now));
		assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	}
	monitor_process(&m, PROCESS_STOPPED, 30 * SEC);
	assert_int_equal(monitor_next_at(&m), SEC + W);
	assert_becomes(&m, SEC + W, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, MONITOR_PROCESS);
	assert_true(monitor_next_at(&m) > SEC + W);
	monitor_process(&m, PROCESS_RUNNING, 33 * SEC);
	assert_becomes(&m, 33 * SEC, SERVICE_HEALTHY);
	assert_true(monitor_ping_due_at(&m) <= 33 * SEC);
}

static void test_a_traced_process_is_degraded_and_pinged_for(void **state) {
	struct monitor m = running(1, 1, 0);

	monitor_process(&m, PROCESS_TRACED, 10 * SEC);
	monitor_feed(&m, 0, VERDICT_PASS, 10 * SEC);
	assert_becomes(&m, 10 * SEC, SERVICE_DEGRADED);
	assert_true(monitor_ping_due_at(&m) <= 10 * SEC);
	monitor_process(&m, PROCESS_RUNNING, 11 * SEC);
	assert_becomes(&m, 11 * SEC, SERVICE_HEALTHY);
}

static void test_the_process_alone_is_pinged_for_every_half_w(void **state) {
	struct monitor m = running(0, 0, 0);
	usec_t now = SEC;

	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(monitor_next_at(&m), now + W / 2);
		now += W / 2;
		monitor_process(&m, PROCESS_RUNNING, now);
		assert_false(monitor_judge(&m, now));
		assert_true(monitor_ping_due_at(&m) <= now);
		pinger_sent(&m.pinger, now);
	}
}

static void test_warn_pings_while_the_process_lives(void **state) {
	struct monitor_probe_conf conf = push_conf;
	struct monitor m;

	monitor_init(&m, W, &conf, 1, 1, true, 0);
	monitor_ready(&m, SEC);
	monitor_end_probe(&m, 0);
	assert_becomes(&m, 2 * SEC, SERVICE_UNHEALTHY);
	monitor_process(&m, PROCESS_RUNNING, 16 * SEC);
	assert_true(monitor_ping_due_at(&m) <= 16 * SEC);
	monitor_process(&m, PROCESS_STOPPED, 16 * SEC);
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_needs_k_good_probes_at_the_same_time),
		cmocka_unit_test(test_without_probes_the_process_alone_is_good),
		cmocka_unit_test(test_before_ready_nothing_is_unhealthy),
		cmocka_unit_test(test_before_ready_closed_is_unhealthy_where_it_is_required),
		cmocka_unit_test(test_before_ready_a_trigger_is_unhealthy),
		cmocka_unit_test(test_ready_before_the_first_pass_gives_a_start_lease),
		cmocka_unit_test(test_a_short_lease_means_each_beat_is_forwarded),
		cmocka_unit_test(test_failures_bring_no_ping),
		cmocka_unit_test(test_nothing_new_plans_the_next_look_and_says_nothing),
		cmocka_unit_test(test_no_ping_while_unhealthy_and_at_once_on_recovery),
		cmocka_unit_test(test_any_of_is_degraded_while_one_is_bad),
		cmocka_unit_test(test_optional_probes_change_nothing),
		cmocka_unit_test(test_a_lease_that_ran_out_names_its_probe),
		cmocka_unit_test(
			test_the_process_is_looked_at_every_half_w_and_tenth_while_stopped),
		cmocka_unit_test(test_ready_does_not_forget_that_the_process_is_stopped),
		cmocka_unit_test(test_a_stopped_process_is_pinged_for_no_more_and_bad_after_w),
		cmocka_unit_test(test_a_traced_process_is_degraded_and_pinged_for),
		cmocka_unit_test(test_the_process_alone_is_pinged_for_every_half_w),
		cmocka_unit_test(test_warn_pings_while_the_process_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
