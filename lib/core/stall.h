/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/usec.h"

/*
 * Time in which sdwd itself did not run (SIGSTOP, suspend, starvation) says nothing about the
 * child: it is taken out of time. A budget bounds that, so that a machine starved for good cannot
 * keep a dead service alive.
 */
struct stall {
	usec_t watchdog_usec;
	usec_t budget_usec; /* what may still be charged, at most W */
	usec_t refilled_at;
};

/* With a full budget of W at @now. */
void stall_init(struct stall *s, usec_t watchdog_usec, usec_t now);

/*
 * A gap of @gap_usec ended at @now. Returns the credit: the gap whole, charged min(gap, W) to the
 * budget, which refills W per 10 W; with too little left, only what is left.
 */
usec_t stall_credit(struct stall *s, usec_t gap_usec, usec_t now);
