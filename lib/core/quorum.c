/* SPDX-License-Identifier: MIT */
#include "core/quorum.h"

struct member {
	usec_t end_at, horizon_at;
	ptrdiff_t index;
};

/* Inserts @m into @sorted, largest end first. A handful of probes: no sort is faster. */
static void insert_by_end(struct member *sorted, size_t n, struct member m) {
	for (; n > 0 && sorted[n - 1].end_at < m.end_at; n--)
		sorted[n] = sorted[n - 1];
	sorted[n] = m;
}

static void insert_by_horizon(usec_t *sorted, size_t n, usec_t horizon_at) {
	for (; n > 0 && sorted[n - 1] < horizon_at; n--)
		sorted[n] = sorted[n - 1];
	sorted[n] = horizon_at;
}

struct quorum quorum_of(const struct health *const *probes, const bool *is_optional, size_t n,
			size_t required, usec_t watchdog_usec) {
	struct quorum q = {.evidence = -1};
	/* Their first n_good entries count; the others, nearly all, are never written. */
	struct member by_end[QUORUM_MAX];
	usec_t by_horizon[QUORUM_MAX];

	assert(n <= QUORUM_MAX && required >= 1);
	for (size_t i = 0; i < n; i++) {
		const struct health *h = probes[i];
		struct member m = {.index = (ptrdiff_t)i};

		if (is_optional[i] || h->state != HEALTH_UP)
			continue;
		m.end_at = lease_end(&h->lease);
		m.horizon_at = lease_end_floor(&h->lease, watchdog_usec);
		insert_by_end(by_end, q.n_good, m);
		insert_by_horizon(by_horizon, q.n_good, m.horizon_at);
		q.n_good++;
	}
	if (q.n_good < required)
		return q;
	/* The first n_good are set. NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
	q.end_at = by_end[required - 1].end_at;
	q.evidence = by_end[required - 1].index;
	q.horizon_at = by_horizon[required - 1];
	return q;
}
