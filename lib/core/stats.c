/* SPDX-License-Identifier: MIT */
/*
 * The bounds of the histogram are fixed, so that the numbers of many instances and of many versions
 * can be added up: those that Prometheus' clients use, with 100 us to 2.5 ms before them, because a
 * look at a local service often takes no longer.
 */
#include "core/stats.h"

#include "base/usec.h"

static const usec_t bounds[STATS_BUCKETS] = {
	100,    250,    500,    1000,    2500,    5000,    10000,    25000,         50000,
	100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, USEC_INFINITY,
};

void stats_add(struct stats *s, enum verdict verdict, usec_t latency_usec) {
	size_t i = 0;

	assert(verdict < VERDICT_MAX);
	while (latency_usec > bounds[i])
		i++;
	s->verdicts[verdict]++;
	s->buckets[i]++;
	s->sum_usec = usec_add(s->sum_usec, latency_usec);
	s->history[s->n_looks++ % STATS_HISTORY] =
		(struct stats_look){.verdict = verdict, .latency_usec = latency_usec};
}

usec_t stats_bound(size_t i) {
	assert(i < STATS_BUCKETS);
	return bounds[i];
}

uint64_t stats_at_most(const struct stats *s, size_t i) {
	uint64_t n = 0;

	assert(i < STATS_BUCKETS);
	for (size_t k = 0; k <= i; k++)
		n += s->buckets[k];
	return n;
}

size_t stats_n_history(const struct stats *s) {
	return (size_t)MIN(s->n_looks, (uint64_t)STATS_HISTORY);
}

const struct stats_look *stats_look(const struct stats *s, size_t i) {
	assert(i < stats_n_history(s));
	return &s->history[(s->n_looks - stats_n_history(s) + i) % STATS_HISTORY];
}

void counters_ping(struct counters *c, usec_t now) {
	c->n_pings++;
	c->ping_at = now;
}

void counters_stall(struct counters *c, usec_t credit_usec) {
	c->n_stalls++;
	c->stall_usec = usec_add(c->stall_usec, credit_usec);
}
