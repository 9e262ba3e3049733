/* SPDX-License-Identifier: MIT */
/*
 * A token bucket, kept as one time (the generic cell rate algorithm, ITU-T I.371 annex A): what is
 * taken is earned in ALLOWANCE_SHARE times as long, one after the other.  When the burst is used up
 * half of it is earned again before the source goes on, so that it does not wake for every bit.
 */
#include "core/allowance.h"

#include "base/defs.h"

#define AHEAD (ALLOWANCE_SHARE * ALLOWANCE_BURST)

usec_t allowance_spend(struct allowance *a, usec_t now, usec_t spent_usec) {
	usec_t earned = usec_mul(usec_add(spent_usec, ALLOWANCE_TURN), ALLOWANCE_SHARE);

	a->paid_at = usec_add(MAX(a->paid_at, now), earned);
	a->paid_at = MIN(a->paid_at, usec_add(now, ALLOWANCE_REST_MAX));
	return a->paid_at >= usec_add(now, AHEAD) ? a->paid_at - AHEAD / 2 : 0;
}
