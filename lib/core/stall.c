/* SPDX-License-Identifier: MIT */
#include "core/stall.h"

void stall_init(struct stall *s, usec_t watchdog_usec, usec_t now) {
	*s = (struct stall){.watchdog_usec = watchdog_usec,
			    .budget_usec = watchdog_usec,
			    .refilled_at = now};
}

usec_t stall_credit(struct stall *s, usec_t gap_usec, usec_t now) {
	usec_t w = s->watchdog_usec, charge = MIN(gap_usec, w), credit;

	/* Whole tenths only, the rest of the time stays for the next refill. */
	s->budget_usec = MIN(w, usec_add(s->budget_usec, usec_sub(now, s->refilled_at) / 10));
	s->refilled_at = now - (now - s->refilled_at) % 10;

	credit = s->budget_usec >= charge ? gap_usec : s->budget_usec;
	s->budget_usec -= MIN(charge, s->budget_usec);
	return credit;
}
