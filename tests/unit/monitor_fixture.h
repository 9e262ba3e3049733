/* SPDX-License-Identifier: MIT */
#pragma once

/* A few probes around struct monitor, for its tests. */

#include <setjmp.h>
#include <stdarg.h>

#include "core/monitor.h"

#include <cmocka.h>

#define MSEC USEC_PER_MSEC
#define SEC USEC_PER_SEC
#define W (30 * SEC)
#define PUSH_LEASE (24 * SEC)
#define SLACK (MIN(500 * MSEC, W / 20))

static const struct monitor_probe_conf push_conf = {
	.health = {.lease_usec = PUSH_LEASE,
		   .fall = 1,
		   .rise = 1,
		   .start_period_usec = USEC_INFINITY},
};

static const struct monitor_probe_conf pull_conf = {
	.health = {.lease_usec = 22 * SEC,
		   .fall = 3,
		   .rise = 1,
		   .start_period_usec = USEC_INFINITY},
	.schedule = {.interval_usec = 6 * SEC,
		     .timeout_usec = 5 * SEC,
		     .fast_usec = 3 * SEC,
		     .start_usec = SEC / 2,
		     .retry_usec = SEC / 4,
		     .phase_usec = 2 * SEC},
	.is_scheduled = true,
};

/* @n push probes; those in @optional do not count. */
static inline struct monitor with_pushes(size_t n, size_t required, unsigned optional) {
	struct monitor_probe_conf confs[8];
	struct monitor m;

	assert_true(n <= ARRAY_SIZE(confs));
	for (size_t i = 0; i < ARRAY_SIZE(confs); i++) {
		confs[i] = push_conf;
		confs[i].is_optional = optional >> i & 1;
	}
	monitor_init(&m, W, confs, n, required, false, 0);
	return m;
}

/* All of them beat at 1 s, and READY=1 was taken then. */
static inline struct monitor running(size_t n, size_t required, unsigned optional) {
	struct monitor m = with_pushes(n, required, optional);

	for (size_t i = 0; i < n; i++)
		monitor_feed(&m, i, VERDICT_PASS, SEC);
	monitor_ready(&m, SEC);
	monitor_judge(&m, SEC);
	assert_int_equal(m.service, SERVICE_HEALTHY);
	return m;
}

static inline void assert_becomes(struct monitor *m, usec_t now, enum service_health service) {
	assert_true(monitor_judge(m, now));
	assert_int_equal(m->service, service);
	assert_false(monitor_judge(m, now));
}
