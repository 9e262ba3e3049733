/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/usec.h"

/*
 * What a source of input that may be a flood may take of a processor: ALLOWANCE_BURST at once, and
 * one part in ALLOWANCE_SHARE for good.  What comes in smaller numbers never waits.
 */
#define ALLOWANCE_SHARE 4
#define ALLOWANCE_BURST (5 * USEC_PER_MSEC)
/* No source has to earn more than that, whatever one turn took, or those that did not wait. */
#define ALLOWANCE_REST_MAX (500 * USEC_PER_MSEC)

/* Zeroed, nothing was taken yet. */
struct allowance {
	usec_t paid_at; /* when all that was taken will have been earned */
};

/* What a turn of the loop takes besides, about: who comes in single bytes takes mostly that. */
#define ALLOWANCE_TURN 10

/*
 * One turn took @spent_usec of the processor (usec_taken()) until @now.  Returns until when the
 * source must rest, 0 where it need not.
 */
usec_t allowance_spend(struct allowance *a, usec_t now, usec_t spent_usec);
