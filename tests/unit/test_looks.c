/* SPDX-License-Identifier: MIT */
#include "app/internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A probe whose looks run into their deadline, until the service was called unhealthy for it. */
static enum service_health service_at_start;
static struct supervisor *supervisor;

static int begin(struct probe *p, struct outcome *ret) {
	service_at_start = supervisor->monitor.service;
	outcome_set(ret, CAUSE_OK, NULL);
	return supervisor->slots[0].has_last ? PROBE_DONE : 0;
}

static void expire(struct probe *p, struct outcome *ret) {
	outcome_set(ret, CAUSE_READ_TIMEOUT, NULL);
}

static const struct probe_kind kind = {.name = "fake", .mode = PROBE_PULL};
static const struct probe_class class = {.kind = &kind, .start = begin, .expire = expire};

/* The next look is due at the very deadline of the one that failed, and passes at once. */
static void test_a_failure_is_judged_before_the_next_look_can_hide_it(void **state) {
	static char label[] = "it", name[] = "fake";
	static struct conf conf = {.label = label};
	static struct probe_conf probe_conf = {.kind = &kind,
					       .name = name,
					       .interval_usec = USEC_PER_MSEC,
					       .fast_interval_usec = USEC_PER_MSEC,
					       .start_interval_usec = USEC_PER_MSEC,
					       .timeout_usec = USEC_PER_SEC,
					       .fall = 1,
					       .rise = 1};
	static struct probe probe = {.class = &class, .conf = &probe_conf};
	static struct slot slot = {.probe = &probe, .closed_at = USEC_INFINITY};
	static struct supervisor s = {.conf = &conf,
				      .watchdog_usec = 30 * USEC_PER_SEC,
				      .mode = ON_UNHEALTHY_WARN,
				      .slots = &slot,
				      .n_slots = 1,
				      .notify_slot = -1,
				      .adopt.slot = -1,
				      .notifier.fd = -1,
				      .now = USEC_PER_SEC,
				      .life = LIFE_RUNNING};

	supervisor = &s;
	s.act.at = USEC_INFINITY;
	looks_begin(&s);
	(void)monitor_feed(&s.monitor, 0, VERDICT_PASS, s.now);
	monitor_ready(&s.monitor, s.now);
	judge_now(&s);
	assert_int_equal(s.monitor.service, SERVICE_HEALTHY);

	looks_turn(&s);
	assert_true(s.monitor.probes[0].schedule.is_looking);
	s.now = usec_add(s.now, USEC_PER_SEC);
	looks_turn(&s);
	assert_int_equal(service_at_start, SERVICE_UNHEALTHY);
	assert_int_equal(s.life, LIFE_UNHEALTHY);
	judge_now(&s);
	assert_int_equal(s.life, LIFE_RUNNING);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_failure_is_judged_before_the_next_look_can_hide_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
