/* SPDX-License-Identifier: MIT */
#pragma once

/* One probe's health, for its tests. */

#include <setjmp.h>
#include <stdarg.h>

#include "core/health.h"

#include <cmocka.h>

#define SEC USEC_PER_SEC
#define PASS VERDICT_PASS
#define WARN VERDICT_WARN
#define FAIL VERDICT_FAIL
#define UNKNOWN VERDICT_UNKNOWN

static inline struct health_conf conf_of(unsigned fall, unsigned rise) {
	return (struct health_conf){.lease_usec = 10 * SEC,
				    .fall = fall,
				    .rise = rise,
				    .start_period_usec = USEC_INFINITY};
}

/* A probe that passed at 1 s. */
static inline struct health up(unsigned fall, unsigned rise) {
	struct health_conf conf = conf_of(fall, rise);
	struct health h;

	health_init(&h, &conf, 0);
	assert_int_equal(health_feed(&h, PASS, SEC), HEALTH_WENT_UP);
	return h;
}

static inline enum health_edge feed_n(struct health *h, enum verdict verdict, unsigned n,
				      usec_t now) {
	enum health_edge edge = HEALTH_SAME;

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(edge, HEALTH_SAME);
		edge = health_feed(h, verdict, now);
	}
	return edge;
}
