/* SPDX-License-Identifier: MIT */
#include "core/lease.h"

usec_t lease_slack(usec_t watchdog_usec) {
	return MIN(500 * USEC_PER_MSEC, watchdog_usec / 20);
}

usec_t lease_length_pull(usec_t interval_usec, usec_t fast_usec, usec_t timeout_usec, unsigned fall,
			 usec_t slack_usec) {
	usec_t step = MAX(fast_usec, timeout_usec);

	assert(fall >= 1);
	return usec_add(usec_add(interval_usec, usec_mul(step, fall - 1)),
			usec_add(timeout_usec, slack_usec));
}

usec_t lease_length_push(usec_t silence_usec, usec_t interval_usec, usec_t slack_usec) {
	if (interval_usec == 0)
		return silence_usec;
	return usec_add(usec_add(silence_usec, interval_usec), slack_usec);
}

usec_t lease_end(const struct lease *l) {
	return l->length_usec == 0 ? 0 : usec_add(l->evidence_at, l->length_usec);
}

usec_t lease_end_floor(const struct lease *l, usec_t floor_usec) {
	return l->length_usec == 0 ? 0 : usec_add(l->evidence_at, MAX(l->length_usec, floor_usec));
}

void lease_shift(struct lease *l, usec_t gap_usec) {
	if (l->length_usec > 0)
		l->evidence_at = usec_add(l->evidence_at, gap_usec);
}
