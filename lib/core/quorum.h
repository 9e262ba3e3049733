/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/health.h"

/* The composite of several probes: with K required, the K-th largest of the good probes' leases. */

#define QUORUM_MAX 64

struct quorum {
	size_t n_good;      /* how many are good */
	usec_t end_at;      /* D: when the composite lease ends; 0 where fewer than K are good */
	usec_t horizon_at;  /* D': the same with max(L, W) for each L */
	ptrdiff_t evidence; /* index of the probe whose evidence it is, -1: none */
};

/*
 * Over @n probes (at most QUORUM_MAX) of which those with @is_optional[i] do not count, @required
 * >= 1.
 * @watchdog_usec is W.
 */
struct quorum quorum_of(const struct health *const *probes, const bool *is_optional, size_t n,
			size_t required, usec_t watchdog_usec);
