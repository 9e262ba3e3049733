/* SPDX-License-Identifier: MIT */
#include "properties.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RUNS 200000

static size_t n_missed;

static bool check_turn(struct drive *d) {
	if (!misses_nothing(&d->monitor, d->now))
		n_missed++;
	return true;
}

static struct ref_log run_log;
static size_t broken_at;

static unsigned run(const struct ref_case *c, bool is_undisturbed) {
	struct drive d = {.log = &run_log, .grid_usec = 1, .check = check_turn};

	drive_run(&d, c);
	assert_false(d.is_stuck);
	return broken_by(c, &run_log, is_undisturbed, &broken_at);
}

static void check_scaled_runs(uint64_t first_seed, size_t runs, unsigned with, bool is_undisturbed,
			      uint64_t up, uint64_t down) {
	size_t n_pings = 0;

	for (uint64_t seed = first_seed; seed < first_seed + runs; seed++) {
		struct ref_case c;
		unsigned broken;

		drive_random_case(&c, seed, with);
		drive_scale_case(&c, up, down);
		n_missed = 0;
		broken = run(&c, is_undisturbed);
		if (broken != 0 || n_missed > 0) {
			ref_print_case(&c);
			ref_print_log("monitor", &run_log, broken_at);
			fail_msg("seed %" PRIu64 " with %u breaks %#x, misses %zu", seed, with,
				 broken, n_missed);
		}
		for (size_t i = 0; i < run_log.n; i++)
			n_pings += run_log.events[i].kind == REF_PING;
	}
	assert_true(n_pings > runs);
}

static void check_runs(uint64_t first_seed, size_t runs, unsigned with, bool is_undisturbed) {
	check_scaled_runs(first_seed, runs, with, is_undisturbed, 1, 1);
}

static void test_H3_all_properties_hold_while_sdwd_runs(void **state) {
	check_runs(1, drive_runs(RUNS / 2, 1000), DRIVE_STOPPED | DRIVE_ENDS, true);
}

static void test_nothing_is_pinged_wrongly_through_stalls_and_refusals(void **state) {
	check_runs(1000000000, drive_runs(RUNS / 2, 1000), DRIVE_ALL, false);
}

static void test_all_properties_hold_through_maintenance_and_drills(void **state) {
	check_runs(2000000000, drive_runs(RUNS / 4, 1000),
		   DRIVE_STOPPED | DRIVE_ENDS | DRIVE_PAUSES, true);
}

static void test_all_properties_hold_where_w_is_tiny_or_huge(void **state) {
	size_t runs = drive_runs(RUNS / 20, 1000);

	/* From half a millisecond on, and up to years. */
	check_scaled_runs(1, runs, DRIVE_STOPPED | DRIVE_ENDS, true, 1, 1000);
	check_scaled_runs(1, runs, DRIVE_ALL, false, 1, 1000);
	check_scaled_runs(1, runs, DRIVE_STOPPED | DRIVE_ENDS, true, 1000000, 1);
	check_scaled_runs(1, runs, DRIVE_ALL, false, 1000000, 1);
}

/* One probe that passes for 2 s and hangs from then on; W 1 s. */
static void one_probe(struct ref_case *ret_case) {
	struct ref_case *c = ret_case;
	struct ref_probe *p = &c->probes[0];

	memset(c, 0, sizeof(*c));
	c->watchdog = USEC_PER_SEC;
	c->n_probes = c->required = 1;
	c->ready_at = 100 * USEC_PER_MSEC;
	c->stop_at = c->trigger_at = REF_FOREVER;
	c->end_at = 8 * USEC_PER_SEC;
	p->is_pull = true;
	p->fall = 3;
	p->rise = 1;
	p->interval = p->start_interval = p->phase = 200 * USEC_PER_MSEC;
	p->timeout = 160 * USEC_PER_MSEC;
	p->fast = 100 * USEC_PER_MSEC;
	p->n_looks = REF_SCRIPT;
	for (size_t i = 0; i < p->n_looks; i++)
		p->looks[i] =
			(struct ref_look){.duration = i < 10 ? 5 * USEC_PER_MSEC : REF_FOREVER};
}

/* A sdwd that gets a millisecond now and then must notice that its child is dead all the same. */
static void test_a_starved_sdwd_gives_up_on_a_dead_child(void **state) {
	uint64_t s = 1;

	for (size_t n = 0; n < 500; n++) {
		struct ref_case c;
		usec_t period, last_good = 0, last_ping = 0, bound;

		one_probe(&c);
		period = drive_random_range(&s, 200, 1000) * USEC_PER_MSEC;
		for (size_t i = 0; i < REF_SPANS; i++)
			c.stalls[i] = (struct ref_span){2 * USEC_PER_SEC + i * period,
							2 * USEC_PER_SEC + (i + 1) * period - 1000,
							REF_RUNNING};
		c.end_at = c.stalls[REF_SPANS - 1].to;
		assert_int_equal(run(&c, false), 0);
		for (size_t i = 0; i < run_log.n; i++) {
			const struct ref_event *e = &run_log.events[i];

			if (e->kind == REF_LOOK_END && e->arg == REF_PASS)
				last_good = e->at;
			if (e->kind == REF_PING)
				last_ping = e->at;
		}
		/* Credits are at most W + a tenth of the time. */
		bound = (ref_lease(&c, &c.probes[0]) + c.watchdog + 2 * period) * 10 / 9;
		assert_true(c.end_at > last_good + bound);
		assert_true(last_ping > 2 * USEC_PER_SEC);
		assert_true(last_ping <= last_good + bound);
	}
}

/* The bound of a hang, to the microsecond where there is one probe with L < W. */
static void test_one_probe_with_a_short_lease_is_forwarded(void **state) {
	struct ref_case c;
	usec_t last_good = 0, last_ping = 0;

	one_probe(&c);
	c.probes[0].fall = 1;
	c.probes[0].timeout = 100 * USEC_PER_MSEC;
	assert_true(ref_lease(&c, &c.probes[0]) < c.watchdog);
	assert_int_equal(run(&c, true), 0);
	for (size_t i = 0; i < run_log.n; i++) {
		const struct ref_event *e = &run_log.events[i];

		if (e->kind == REF_LOOK_END && e->arg == REF_PASS)
			last_good = e->at;
		if (e->kind == REF_PING)
			last_ping = e->at;
	}
	assert_int_equal(last_ping, last_good);
}

/* Each property can fail: lists that were tampered with -------------------------------------------
 */

static void insert_event(size_t at, struct ref_event e) {
	memmove(&run_log.events[at + 1], &run_log.events[at],
		(run_log.n - at) * sizeof(run_log.events[0]));
	run_log.events[at] = e;
	run_log.n++;
}

/* A ping, and a look at the process that allows it, at the end of millisecond @msec. */
static void insert_ping(unsigned msec, enum ref_process process) {
	usec_t at = msec * USEC_PER_MSEC;
	size_t i = 0;

	while (i < run_log.n && run_log.events[i].at <= at)
		i++;
	insert_event(i, (struct ref_event){at, REF_PING, 0, 0});
	insert_event(i, (struct ref_event){at, REF_PROCESS, 0, process});
}

static void assert_broken(const struct ref_case *c, enum property p) {
	assert_true(broken_by(c, &run_log, true, &broken_at) & 1U << p);
}

static void test_each_property_can_fail(void **state) {
	struct ref_case c;
	struct drive d = {.grid_usec = 1};
	size_t n = 0;

	one_probe(&c);
	assert_int_equal(run(&c, true), 0);
	insert_ping(50, REF_RUNNING);
	assert_broken(&c, NOT_BEFORE_READY);

	assert_int_equal(run(&c, true), 0);
	insert_ping(7000, REF_RUNNING);
	assert_broken(&c, NOT_WHILE_UNHEALTHY);
	assert_broken(&c, NOT_ON_STALE);
	assert_broken(&c, ENDS_THE_BAD);

	assert_int_equal(run(&c, true), 0);
	for (size_t i = 0; i < run_log.n; i++)
		if (run_log.events[i].kind != REF_PING)
			run_log.events[n++] = run_log.events[i];
	run_log.n = n;
	assert_broken(&c, SPARES_THE_GOOD);
	assert_broken(&c, NOT_TOO_LATE);

	assert_int_equal(run(&c, true), 0);
	insert_ping(1000, REF_RUNNING);
	insert_ping(1001, REF_RUNNING);
	assert_broken(&c, NOT_TOO_SOON);

	assert_int_equal(run(&c, true), 0);
	insert_ping(1000, REF_STOPPED);
	assert_broken(&c, NOT_WHILE_STOPPED);

	c.latches = true;
	assert_int_equal(run(&c, true), 0);
	insert_ping(7000, REF_RUNNING);
	assert_broken(&c, NOT_AFTER_LATCH);
	c.latches = false;

	c.stop_at = USEC_PER_SEC;
	assert_int_equal(run(&c, true), 0);
	insert_ping(1200, REF_RUNNING);
	assert_broken(&c, NOT_AFTER_STOP);
	c.stop_at = REF_FOREVER;

	assert_int_equal(run(&c, true), 0);
	for (unsigned i = 0; i < 2; i++)
		insert_event(run_log.n,
			     (struct ref_event){7 * USEC_PER_SEC, REF_CREDIT, 0, c.watchdog});
	assert_broken(&c, CREDITS_IN_BUDGET);

	c.pauses[0] = (struct ref_span){USEC_PER_SEC, 7 * USEC_PER_SEC, REF_RUNNING};
	assert_int_equal(run(&c, true), 0);
	insert_ping(6999, REF_STOPPED);
	assert_broken(&c, NOT_TOO_SOON);
	assert_int_equal(run(&c, true), 0);
	for (size_t i = run_log.n; i-- > 0;)
		if (run_log.events[i].kind == REF_PING && run_log.events[i].at < 6 * USEC_PER_SEC) {
			memmove(&run_log.events[i], &run_log.events[i + 1],
				(--run_log.n - i) * sizeof(run_log.events[0]));
			break;
		}
	assert_broken(&c, PAUSED_IS_PINGED);
	memset(c.pauses, 0, sizeof(c.pauses));

	c.drills[0] = (struct ref_drill){USEC_PER_SEC, 0};
	c.n_drills = 1;
	assert_int_equal(run(&c, true), 0);
	insert_event(run_log.n, (struct ref_event){c.end_at, REF_PROBE_GOOD, 0, 1});
	assert_broken(&c, DRILLED_IS_BAD);
	c.n_drills = 0;

	drive_run(&d, &c);
	assert_true(misses_nothing(&d.monitor, monitor_next_at(&d.monitor) - 1));
	assert_false(misses_nothing(&d.monitor, monitor_next_at(&d.monitor)));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_H3_all_properties_hold_while_sdwd_runs),
		cmocka_unit_test(test_nothing_is_pinged_wrongly_through_stalls_and_refusals),
		cmocka_unit_test(test_all_properties_hold_through_maintenance_and_drills),
		cmocka_unit_test(test_all_properties_hold_where_w_is_tiny_or_huge),
		cmocka_unit_test(test_a_starved_sdwd_gives_up_on_a_dead_child),
		cmocka_unit_test(test_one_probe_with_a_short_lease_is_forwarded),
		cmocka_unit_test(test_each_property_can_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
