/* SPDX-License-Identifier: MIT */
/* Maintenance and drills: struct monitor while somebody told it not to act, or to act. */
#include "core/monitor.h"

#include "monitor_fixture.h"

/* Pings as the supervisor would from @from to @to, each found due at the time it is due. */
static size_t ping(struct monitor *m, usec_t from, usec_t to) {
	size_t n = 0;

	for (usec_t at = monitor_ping_due_at(m); at < to; at = monitor_ping_due_at(m)) {
		assert_true(at >= from);
		monitor_judge(m, at);
		pinger_sent(&m->pinger, at);
		n++;
	}
	return n;
}

static void test_paused_pings_come_each_half_w_whatever_is_found(void **state) {
	struct monitor m = running(2, 2, 0);

	monitor_pause(&m);
	monitor_feed(&m, 0, VERDICT_FAIL, 2 * SEC);
	monitor_process(&m, PROCESS_STOPPED, 2 * SEC);
	assert_int_equal(monitor_ping_due_at(&m), SEC + W / 2);
	assert_int_equal(ping(&m, 2 * SEC, SEC + 10 * W), 19);
	assert_int_equal(m.service, SERVICE_HEALTHY);
}

static void test_paused_nothing_is_pinged_before_ready(void **state) {
	struct monitor m = with_pushes(1, 1, 0);

	monitor_pause(&m);
	monitor_feed(&m, 0, VERDICT_PASS, SEC);
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	monitor_ready(&m, 2 * SEC);
	assert_int_equal(monitor_ping_due_at(&m), 2 * SEC + W / 2);
}

static void test_paused_nothing_is_pinged_after_a_stop_or_a_latch(void **state) {
	struct monitor stopped = running(1, 1, 0), latched = running(1, 1, 0);

	monitor_pause(&stopped);
	monitor_stop(&stopped);
	assert_int_equal(monitor_ping_due_at(&stopped), USEC_INFINITY);
	assert_false(monitor_stall_wants_ping(&stopped, 2 * SEC));
	monitor_latch(&latched);
	monitor_pause(&latched);
	assert_int_equal(monitor_ping_due_at(&latched), USEC_INFINITY);
	assert_false(monitor_stall_wants_ping(&latched, 2 * SEC));
	monitor_resume(&latched, 3 * SEC);
	assert_int_equal(monitor_ping_due_at(&latched), USEC_INFINITY);
	assert_becomes(&latched, 3 * SEC, SERVICE_UNHEALTHY);
}

static void test_paused_a_stall_is_pinged_for(void **state) {
	struct monitor m = running(1, 1, 0);

	monitor_pause(&m);
	monitor_process(&m, PROCESS_STOPPED, 5 * SEC);
	assert_true(monitor_stall_wants_ping(&m, 500 * SEC));
}

static void test_paused_leases_run_and_are_shown(void **state) {
	struct monitor m = running(1, 1, 0);

	monitor_pause(&m);
	assert_int_equal(monitor_next_at(&m), SEC + W / 2);
	assert_false(monitor_judge(&m, SEC + PUSH_LEASE));
	assert_int_equal(m.probes[0].health.state, HEALTH_DOWN);
	assert_int_equal(m.service, SERVICE_HEALTHY);
	assert_int_equal(m.culprit, MONITOR_PROCESS);
	monitor_feed(&m, 0, VERDICT_PASS, 40 * SEC);
	assert_int_equal(m.probes[0].health.state, HEALTH_UP);
}

/* The end of what the process says is past: nothing may be due for it, or the loop would spin. */
static void test_paused_a_process_that_stands_still_is_no_deadline(void **state) {
	struct monitor m = running(0, 0, 0);

	monitor_pause(&m);
	monitor_process(&m, PROCESS_STOPPED, 100 * SEC);
	pinger_sent(&m.pinger, 100 * SEC);
	monitor_judge(&m, 100 * SEC);
	assert_int_equal(monitor_next_at(&m), 100 * SEC + W / 10);
}

static void test_an_unhealthy_service_stays_so_while_paused(void **state) {
	struct monitor m = running(2, 2, 0);

	monitor_feed(&m, 1, VERDICT_FAIL, 2 * SEC);
	assert_becomes(&m, 2 * SEC, SERVICE_UNHEALTHY);
	monitor_pause(&m);
	monitor_feed(&m, 1, VERDICT_PASS, 3 * SEC);
	monitor_feed(&m, 0, VERDICT_FAIL, 3 * SEC);
	monitor_end_probe(&m, 0);
	assert_false(monitor_judge(&m, 3 * SEC));
	assert_int_equal(m.service, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, 1);
	assert_int_equal(ping(&m, 3 * SEC, 3 * SEC + W), 2);
	monitor_resume(&m, 40 * SEC);
	assert_becomes(&m, 40 * SEC, SERVICE_HEALTHY);
}

static void test_resume_gives_each_probe_the_lease_of_a_ready(void **state) {
	struct monitor m = running(3, 3, 0);
	usec_t at = 100 * SEC;

	monitor_pause(&m);
	ping(&m, SEC, at);
	monitor_feed(&m, 0, VERDICT_PASS, at - SEC);
	monitor_end_probe(&m, 1);
	monitor_resume(&m, at);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(m.probes[i].health.state, HEALTH_UP);
		assert_int_equal(lease_end(&m.probes[i].health.lease), at + W);
	}
	assert_false(monitor_judge(&m, at + W - 1));
	assert_true(monitor_ping_due_at(&m) <= at + W / 2);
	monitor_process(&m, PROCESS_RUNNING, at + W - 1);
	assert_becomes(&m, at + W, SERVICE_UNHEALTHY);
}

static void test_resume_gives_the_process_its_w_anew(void **state) {
	struct monitor m = running(0, 0, 0);

	monitor_pause(&m);
	monitor_process(&m, PROCESS_STOPPED, 200 * SEC);
	monitor_resume(&m, 200 * SEC);
	assert_false(monitor_judge(&m, 200 * SEC));
	assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	assert_becomes(&m, 200 * SEC + W, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, MONITOR_PROCESS);
}

static void test_resume_forgets_streaks_and_windows(void **state) {
	struct monitor_probe_conf conf = pull_conf;
	struct monitor m;

	conf.health.window_failures = 2;
	conf.health.window_looks = 10;
	monitor_init(&m, W, &conf, 1, 1, false, 0);
	monitor_feed(&m, 0, VERDICT_PASS, SEC);
	monitor_ready(&m, SEC);
	monitor_pause(&m);
	monitor_feed(&m, 0, VERDICT_FAIL, 2 * SEC);
	monitor_resume(&m, 3 * SEC);
	monitor_feed(&m, 0, VERDICT_FAIL, 4 * SEC);
	assert_int_equal(m.probes[0].health.fails, 1);
	assert_becomes(&m, 4 * SEC, SERVICE_DEGRADED);
}

static void test_resume_takes_no_time_from_a_probe_that_has_more(void **state) {
	struct monitor m = running(1, 1, 0);

	health_extend(&m.probes[0].health, 500 * SEC);
	monitor_pause(&m);
	monitor_resume(&m, 100 * SEC);
	assert_int_equal(lease_end(&m.probes[0].health.lease), 500 * SEC);
}

static void test_resume_before_ready_makes_nothing_good(void **state) {
	struct monitor m = with_pushes(2, 2, 0);

	monitor_pause(&m);
	monitor_end_probe(&m, 0);
	monitor_resume(&m, SEC);
	assert_false(monitor_judge(&m, SEC));
	assert_false(monitor_is_good(&m));
	monitor_feed(&m, 0, VERDICT_PASS, 2 * SEC);
	assert_false(monitor_is_good(&m));
	monitor_feed(&m, 1, VERDICT_PASS, 2 * SEC);
	assert_true(monitor_is_good(&m));
}

/* Else READY=1 would find it neither good nor to be granted a lease: unhealthy at once. */
static void test_resume_before_ready_lets_a_lost_probe_start_anew(void **state) {
	struct monitor m = with_pushes(1, 1, 0);

	monitor_feed(&m, 0, VERDICT_PASS, SEC);
	monitor_judge(&m, SEC + PUSH_LEASE);
	assert_int_equal(m.probes[0].health.state, HEALTH_DOWN);
	monitor_pause(&m);
	monitor_resume(&m, 40 * SEC);
	assert_int_equal(m.probes[0].health.state, HEALTH_NEW);
	monitor_ready(&m, 41 * SEC);
	assert_false(monitor_judge(&m, 41 * SEC));
	assert_int_equal(lease_end(&m.probes[0].health.lease), 41 * SEC + W);
}

static void test_resume_forgets_a_trigger_but_not_one_for_good(void **state) {
	struct monitor m = running(1, 1, 0);

	monitor_pause(&m);
	monitor_trigger(&m, 0);
	assert_false(monitor_judge(&m, 2 * SEC));
	monitor_resume(&m, 3 * SEC);
	assert_false(monitor_judge(&m, 3 * SEC));
	assert_int_equal(m.service, SERVICE_HEALTHY);

	monitor_pause(&m);
	monitor_trigger(&m, MONITOR_PROCESS);
	assert_false(monitor_judge(&m, 4 * SEC));
	assert_int_equal(ping(&m, 4 * SEC, SEC + W), 1);
	monitor_resume(&m, 40 * SEC);
	assert_becomes(&m, 40 * SEC, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, MONITOR_PROCESS);
}

static void test_a_drilled_probe_is_bad_and_no_evidence_renews_it(void **state) {
	struct monitor m = running(2, 2, 0);

	assert_int_equal(monitor_drill(&m, 1), HEALTH_WENT_DOWN);
	assert_becomes(&m, 2 * SEC, SERVICE_UNHEALTHY);
	assert_int_equal(m.culprit, 1);
	for (usec_t now = 3 * SEC; now < 20 * SEC; now += SEC) {
		assert_int_equal(monitor_feed(&m, 1, VERDICT_PASS, now), HEALTH_SAME);
		monitor_feed(&m, 0, VERDICT_PASS, now);
		monitor_process(&m, PROCESS_RUNNING, now);
		assert_false(monitor_judge(&m, now));
		assert_int_equal(monitor_ping_due_at(&m), USEC_INFINITY);
	}
	monitor_resume(&m, 20 * SEC);
	assert_becomes(&m, 20 * SEC, SERVICE_HEALTHY);
	assert_false(m.probes[1].is_drilled);
	assert_true(monitor_ping_due_at(&m) <= 20 * SEC);
}

static void test_a_drilled_probe_is_looked_at_as_ever(void **state) {
	struct monitor_probe_conf conf = pull_conf;
	struct monitor m;

	monitor_init(&m, W, &conf, 1, 1, false, 0);
	monitor_look_started(&m, 0, 0);
	monitor_look_ended(&m, 0, VERDICT_PASS, SEC);
	monitor_ready(&m, SEC);
	monitor_drill(&m, 0);
	monitor_look_started(&m, 0, 2 * SEC);
	monitor_look_ended(&m, 0, VERDICT_PASS, 3 * SEC);
	assert_int_equal(m.probes[0].schedule.next_at, 8 * SEC);
	assert_int_equal(m.probes[0].health.state, HEALTH_DOWN);
}

static void test_a_drill_of_an_optional_probe_changes_nothing(void **state) {
	struct monitor m = running(2, 1, 1 << 1);

	monitor_drill(&m, 1);
	assert_false(monitor_judge(&m, 2 * SEC));
	assert_int_equal(m.service, SERVICE_HEALTHY);
	assert_int_equal(m.culprit, MONITOR_PROCESS);
	assert_true(m.probes[1].is_drilled);
	assert_int_equal(m.probes[1].health.state, HEALTH_DOWN);
	monitor_feed(&m, 0, VERDICT_PASS, 10 * SEC);
	assert_int_equal(monitor_ping_due_at(&m), 10 * SEC);
}

static void test_a_drill_of_one_of_two_that_suffice_is_degraded(void **state) {
	struct monitor m = running(2, 1, 0);

	monitor_drill(&m, 0);
	assert_becomes(&m, 2 * SEC, SERVICE_DEGRADED);
}

static void test_a_drill_while_paused_ends_with_it(void **state) {
	struct monitor m = running(1, 1, 0);

	monitor_drill(&m, 0);
	assert_becomes(&m, 2 * SEC, SERVICE_UNHEALTHY);
	monitor_pause(&m);
	assert_int_equal(monitor_ping_due_at(&m), SEC + W / 2);
	monitor_resume(&m, 3 * SEC);
	assert_becomes(&m, 3 * SEC, SERVICE_HEALTHY);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paused_pings_come_each_half_w_whatever_is_found),
		cmocka_unit_test(test_paused_nothing_is_pinged_before_ready),
		cmocka_unit_test(test_paused_nothing_is_pinged_after_a_stop_or_a_latch),
		cmocka_unit_test(test_paused_a_stall_is_pinged_for),
		cmocka_unit_test(test_paused_leases_run_and_are_shown),
		cmocka_unit_test(test_paused_a_process_that_stands_still_is_no_deadline),
		cmocka_unit_test(test_an_unhealthy_service_stays_so_while_paused),
		cmocka_unit_test(test_resume_gives_each_probe_the_lease_of_a_ready),
		cmocka_unit_test(test_resume_gives_the_process_its_w_anew),
		cmocka_unit_test(test_resume_forgets_streaks_and_windows),
		cmocka_unit_test(test_resume_takes_no_time_from_a_probe_that_has_more),
		cmocka_unit_test(test_resume_before_ready_makes_nothing_good),
		cmocka_unit_test(test_resume_before_ready_lets_a_lost_probe_start_anew),
		cmocka_unit_test(test_resume_forgets_a_trigger_but_not_one_for_good),
		cmocka_unit_test(test_a_drilled_probe_is_bad_and_no_evidence_renews_it),
		cmocka_unit_test(test_a_drilled_probe_is_looked_at_as_ever),
		cmocka_unit_test(test_a_drill_of_an_optional_probe_changes_nothing),
		cmocka_unit_test(test_a_drill_of_one_of_two_that_suffice_is_degraded),
		cmocka_unit_test(test_a_drill_while_paused_ends_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
