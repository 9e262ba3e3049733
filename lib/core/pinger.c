/* SPDX-License-Identifier: MIT */
#include "core/pinger.h"

void pinger_init(struct pinger *p, usec_t watchdog_usec) {
	*p = (struct pinger){.watchdog_usec = watchdog_usec};
}

void pinger_open(struct pinger *p, usec_t now) {
	p->is_open = true;
	p->last_at = now;
	p->retry_at = 0;
}

void pinger_stop(struct pinger *p) {
	p->is_stopped = true;
}

usec_t pinger_due_at(const struct pinger *p, usec_t horizon_at) {
	usec_t w = p->watchdog_usec, due_at;

	if (!p->is_open || p->is_stopped || usec_add(p->last_at, w) >= horizon_at)
		return USEC_INFINITY;
	due_at = MIN(usec_add(p->last_at, w / 2), usec_sub(horizon_at, w));
	due_at = MAX(due_at, usec_add(p->last_at, MIN(w / 10, USEC_PER_SEC)));
	return MAX(due_at, p->retry_at);
}

void pinger_sent(struct pinger *p, usec_t now) {
	p->last_at = now;
	p->retry_at = 0;
}

void pinger_failed(struct pinger *p, usec_t now) {
	p->retry_at = usec_add(now, p->watchdog_usec / 20);
}
