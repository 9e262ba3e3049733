/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/outcome.h"

/* What is counted, for people and monitoring to read; nothing is decided by it. */

/* How many looks are kept one by one. */
#define STATS_HISTORY 32
/* Buckets of the latencies: 100 us to 10 s, and one without bound. */
#define STATS_BUCKETS 17

struct stats_look {
	enum verdict verdict;
	usec_t latency_usec;
};

/* Of one probe. Zeroed, nothing is counted yet. */
struct stats {
	uint64_t verdicts[VERDICT_MAX];
	uint64_t buckets[STATS_BUCKETS]; /* each look in one of them */
	usec_t sum_usec;
	struct stats_look history[STATS_HISTORY];
	uint64_t n_looks;
};

/* Of sdwd as a whole. Zeroed, nothing is counted yet. */
struct counters {
	uint64_t n_pings;
	usec_t ping_at; /* of the last one, 0: none */
	uint64_t n_stalls;
	usec_t stall_usec; /* taken out of time in all */
};

/* One look, or one sign of life (@latency_usec 0), ended with @verdict. */
void stats_add(struct stats *s, enum verdict verdict, usec_t latency_usec);

/* The upper bound of bucket @i, itself included; USEC_INFINITY for the last. */
usec_t stats_bound(size_t i);

/* How many looks took at most stats_bound(@i). */
uint64_t stats_at_most(const struct stats *s, size_t i);

/* How many looks the history has, and the @i-th of them, the oldest first. */
size_t stats_n_history(const struct stats *s);
const struct stats_look *stats_look(const struct stats *s, size_t i);

/* A ping was taken at @now; a stall was credited with @credit_usec. */
void counters_ping(struct counters *c, usec_t now);
void counters_stall(struct counters *c, usec_t credit_usec);
