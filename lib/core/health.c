/* SPDX-License-Identifier: MIT */
/*
 * Evidence is a lease.  Good evidence renews it; `fall` failures in a row (or X of the last Y) end
 * it; and where nothing at all comes, it simply runs out.  Failures below `fall`, UNKNOWN, and
 * passes below `rise` never extend it: so a prober that cannot look stops saying "well" by itself.
 * The first pass of all is enough without `rise`, which is about coming back.
 */
#include "core/health.h"

#include <string.h>

static const char *const state_names[HEALTH_STATE_MAX] = {
	[HEALTH_NEW] = "starting",
	[HEALTH_UP] = "healthy",
	[HEALTH_DOWN] = "unhealthy",
};

const char *health_state_str(enum health_state state) {
	assert(state < HEALTH_STATE_MAX);
	return state_names[state];
}

void health_init(struct health *h, const struct health_conf *conf, usec_t now) {
	assert(conf->fall >= 1 && conf->rise >= 1 && conf->window_looks <= 64);
	*h = (struct health){.conf = *conf, .start_at = now, .last = VERDICT_MAX};
}

static bool is_in_start_period(const struct health *h, usec_t now) {
	return !h->has_passed && now < usec_add(h->start_at, h->conf.start_period_usec);
}

static void window_push(struct health *h, bool failed) {
	h->window = h->window << 1 | (failed ? 1 : 0);
}

static bool is_window_full(const struct health *h) {
	unsigned looks = h->conf.window_looks;
	uint64_t mask = looks >= 64 ? UINT64_MAX : (UINT64_C(1) << looks) - 1;

	return looks > 0 &&
	       (unsigned)__builtin_popcountll(h->window & mask) >= h->conf.window_failures;
}

static enum health_edge go_down(struct health *h) {
	bool was_up = h->state == HEALTH_UP;

	h->state = HEALTH_DOWN;
	h->lease = (struct lease){0};
	h->passes = 0;
	h->was_granted = false;
	return was_up ? HEALTH_WENT_DOWN : HEALTH_SAME;
}

static enum health_edge feed_good(struct health *h, enum verdict verdict, usec_t now) {
	bool was_down = h->state == HEALTH_DOWN;

	h->fails = 0;
	h->passes++;
	h->has_passed = true;
	h->is_warned = verdict == VERDICT_WARN;
	window_push(h, false);
	if (was_down && h->passes < h->conf.rise)
		return HEALTH_SAME;
	if (was_down)
		h->window = 0;
	h->lease = (struct lease){.evidence_at = now, .length_usec = h->conf.lease_usec};
	h->was_granted = false;
	h->was_ended = false;
	if (h->state == HEALTH_UP)
		return HEALTH_SAME;
	h->state = HEALTH_UP;
	return HEALTH_WENT_UP;
}

enum health_edge health_feed(struct health *h, enum verdict verdict, usec_t now) {
	h->last = verdict;
	switch (verdict) {
	case VERDICT_PASS:
	case VERDICT_WARN:
		return feed_good(h, verdict, now);
	case VERDICT_FAIL:
		h->passes = 0;
		if (is_in_start_period(h, now))
			return HEALTH_SAME;
		h->fails++;
		window_push(h, true);
		if (h->state == HEALTH_UP && (h->fails >= h->conf.fall || is_window_full(h)))
			return go_down(h);
		return HEALTH_SAME;
	case VERDICT_UNKNOWN:
	case VERDICT_MAX:
		break;
	}
	return HEALTH_SAME;
}

enum health_edge health_end(struct health *h) {
	h->last = VERDICT_FAIL;
	if (h->fails == 0)
		h->fails = 1;
	h->was_ended = true;
	return go_down(h);
}

enum health_edge health_judge(struct health *h, usec_t now) {
	return h->state == HEALTH_UP && lease_end(&h->lease) <= now ? go_down(h) : HEALTH_SAME;
}

static void begin_lease(struct health *h, usec_t now, usec_t watchdog_usec) {
	usec_t length = MAX(h->conf.lease_usec, watchdog_usec);

	if (!h->has_passed && h->conf.start_period_usec != USEC_INFINITY)
		length = MAX(length,
			     usec_sub(usec_add(h->start_at, h->conf.start_period_usec), now));
	h->state = HEALTH_UP;
	h->was_granted = true;
	h->fails = 0;
	h->window = 0;
	h->lease = (struct lease){.evidence_at = now, .length_usec = length};
}

void health_grant(struct health *h, usec_t now, usec_t watchdog_usec) {
	if (h->has_passed || h->state == HEALTH_DOWN)
		return;
	begin_lease(h, now, watchdog_usec);
}

void health_restart(struct health *h, bool is_ready, usec_t now, usec_t watchdog_usec) {
	usec_t end_at = lease_end(&h->lease);

	h->fails = h->passes = 0;
	h->window = 0;
	h->is_warned = h->was_ended = false;
	if (is_ready) {
		begin_lease(h, now, watchdog_usec);
		health_extend(h, end_at);
	} else if (h->state == HEALTH_DOWN) {
		h->state = HEALTH_NEW;
		h->has_passed = false;
	}
}

void health_extend(struct health *h, usec_t until_at) {
	if (h->state == HEALTH_UP && lease_end(&h->lease) < until_at)
		h->lease.length_usec =
			until_at == USEC_INFINITY ? until_at : until_at - h->lease.evidence_at;
}

void health_shift(struct health *h, usec_t gap_usec) {
	lease_shift(&h->lease, gap_usec);
}

bool health_is_degraded(const struct health *h) {
	return h->state == HEALTH_UP && (h->fails > 0 || h->is_warned);
}
