/* SPDX-License-Identifier: MIT */
/*
 * Two months of virtual time, beyond 2^32 milliseconds: nothing drifts by a microsecond, in looks,
 * leases, pings and edges.
 */
#include "drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "properties.h"

#define DAY (24 * 3600 * USEC_PER_SEC)
#define MONTHS (60 * DAY)
#define INTERVAL (60 * USEC_PER_SEC)
#define PHASE 23456789
#define READY_AT 250001

/* What was seen so far, of the one run that is under way. */
static struct {
	size_t n_looks, n_pings, n_edges, n_missed;
	size_t n_late_looks, n_late_pings, n_late_edges;
	usec_t looked_at, pinged_at, turned_at[2], period;
	enum service_health service;
} seen;

/* One probe that is looked at once a minute and passes. */
static void steady_case(struct ref_case *ret_case, usec_t watchdog_usec) {
	struct ref_case *c = ret_case;
	struct ref_probe *p = &c->probes[0];

	memset(c, 0, sizeof(*c));
	c->watchdog = watchdog_usec;
	c->n_probes = c->required = 1;
	c->ready_at = READY_AT;
	c->stop_at = c->trigger_at = REF_FOREVER;
	c->end_at = MONTHS;
	p->is_pull = true;
	p->fall = 3;
	p->rise = 1;
	p->interval = INTERVAL;
	p->start_interval = USEC_PER_SEC;
	p->fast = INTERVAL / 2;
	p->timeout = 5 * USEC_PER_SEC;
	p->phase = PHASE;
	p->n_looks = REF_SCRIPT;
	for (size_t i = 0; i < p->n_looks; i++)
		p->looks[i] = (struct ref_look){.duration = 1234 + i, .verdict = REF_PASS};
}

static void run(const struct ref_case *c, bool (*check)(struct drive *d)) {
	struct drive d = {.grid_usec = 1, .check = check};

	memset(&seen, 0, sizeof(seen));
	drive_run(&d, c);
	assert_false(d.is_stuck);
	assert_true(d.now >= c->end_at);
	assert_int_equal(seen.n_missed, 0);
}

/* What holds in each turn; true: a look began in it. */
static bool has_begun(struct drive *d) {
	const struct schedule *s = &d->monitor.probes[0].schedule;

	if (!misses_nothing(&d->monitor, d->now))
		seen.n_missed++;
	if (!s->is_looking || s->started_at != d->now)
		return false;
	seen.n_looks++;
	return true;
}

static bool has_pinged(const struct drive *d) {
	const struct pinger *p = &d->monitor.pinger;

	return p->is_open && p->last_at == d->now && d->now > READY_AT;
}

static bool check_steady(struct drive *d) {
	const struct monitor *m = &d->monitor;

	/* The first look is at once, the second one at its phase, and each other a minute later. */
	if (has_begun(d) &&
	    d->now != (seen.n_looks == 1 ? 0 : PHASE + (seen.n_looks - 2) * INTERVAL))
		seen.n_late_looks++;
	if (m->service != SERVICE_HEALTHY)
		seen.n_edges++;
	if (!has_pinged(d))
		return true;
	seen.n_pings++;
	/* Where the lease is longer than W each half of it; else with each good look. */
	if (lease_end(&m->probes[0].health.lease) - m->probes[0].health.lease.evidence_at >
	    2 * m->watchdog_usec) {
		if (d->now != READY_AT + seen.n_pings * m->watchdog_usec / 2)
			seen.n_late_pings++;
	} else if (d->now != m->probes[0].health.lease.evidence_at) {
		seen.n_late_pings++;
	}
	return true;
}

static void test_looks_and_pings_of_a_long_lease_do_not_drift(void **state) {
	struct ref_case c;

	steady_case(&c, 30 * USEC_PER_SEC);
	run(&c, check_steady);
	assert_int_equal(seen.n_looks, MONTHS / INTERVAL + 1);
	assert_int_equal(seen.n_pings, MONTHS / (15 * USEC_PER_SEC) - 1);
	assert_int_equal(seen.n_late_looks, 0);
	assert_int_equal(seen.n_late_pings, 0);
	assert_int_equal(seen.n_edges, 0);
}

static void test_each_good_look_is_a_ping_where_w_is_long(void **state) {
	struct ref_case c;

	steady_case(&c, 300 * USEC_PER_SEC);
	run(&c, check_steady);
	assert_int_equal(seen.n_looks, MONTHS / INTERVAL + 1);
	/* The first good look is before READY=1. */
	assert_int_equal(seen.n_pings, seen.n_looks - 1);
	assert_int_equal(seen.n_late_looks, 0);
	assert_int_equal(seen.n_late_pings, 0);
	assert_int_equal(seen.n_edges, 0);
}

/* Each edge comes one period after the last one of its kind. */
static bool check_turns(struct drive *d) {
	enum service_health service = d->monitor.service;
	bool is_well = service == SERVICE_HEALTHY;

	(void)has_begun(d);
	if (service == SERVICE_DEGRADED || service == seen.service)
		return true;
	seen.service = service;
	if (seen.turned_at[is_well] > 0 && seen.period == 0)
		seen.period = d->now - seen.turned_at[is_well];
	if (seen.turned_at[is_well] > 0 && d->now - seen.turned_at[is_well] != seen.period)
		seen.n_late_edges++;
	seen.turned_at[is_well] = d->now;
	seen.n_edges++;
	return true;
}

static void test_what_fails_again_and_again_turns_by_the_clock(void **state) {
	struct ref_case c;
	struct ref_probe *p = &c.probes[0];

	steady_case(&c, 300 * USEC_PER_SEC);
	/* Two that fail and are forgiven, three that are not, one that times out, one unknown. */
	for (size_t i = 0; i < 2; i++)
		p->looks[20 + i].verdict = REF_FAIL;
	for (size_t i = 0; i < 3; i++)
		p->looks[40 + i].verdict = REF_FAIL;
	p->looks[43].duration = REF_FOREVER;
	p->looks[50].verdict = REF_UNKNOWN;
	run(&c, check_turns);
	/* Two edges each time that the script is through, of which each is 64 looks long. */
	assert_true(seen.period > 60 * INTERVAL && seen.period < 64 * INTERVAL);
	assert_in_range(seen.n_edges, 2 * (MONTHS / seen.period), 2 * (MONTHS / seen.period) + 2);
	assert_int_equal(seen.n_late_edges, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_looks_and_pings_of_a_long_lease_do_not_drift),
		cmocka_unit_test(test_each_good_look_is_a_ping_where_w_is_long),
		cmocka_unit_test(test_what_fails_again_and_again_turns_by_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
