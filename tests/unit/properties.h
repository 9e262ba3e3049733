/* SPDX-License-Identifier: MIT */
#pragma once

#include "drive.h"

/*
 * What must hold of every run of struct monitor, whatever happens, read from the list of what went
 * in and what came out.  systemd's part is its timer: armed by READY=1, armed anew by each ping it
 * takes, it acts W after the last one and up to 250 ms late.
 */

enum property {
	SPARES_THE_GOOD, /* systemd does not act while the composite lease is good */
	ENDS_THE_BAD,    /* it acts at the latest when the manual says */
	NOT_BEFORE_READY,
	NOT_AFTER_STOP,
	NOT_AFTER_LATCH,
	NOT_WHILE_UNHEALTHY,
	NOT_WHILE_STOPPED, /* the process, looked at in the same turn */
	NOT_ON_STALE,      /* fewer than K probes have evidence that still counts */
	NOT_TOO_SOON,      /* two pings are min(W/10, 1s) apart */
	NOT_TOO_LATE,      /* and at most W/2, while D' allows */
	CREDITS_IN_BUDGET,
	PAUSED_IS_PINGED, /* each W/2, whatever probes and process say */
	DRILLED_IS_BAD,
	PROPERTIES,
};

/*
 * Which properties does this run break: a set of 1 << enum property.  @is_undisturbed: no stalls,
 * and no ping was refused.  @ret_at: the event that broke the first one.
 */
unsigned broken_by(const struct ref_case *c, const struct ref_log *log, bool is_undisturbed,
		   size_t *ret_at);

/* After a turn nothing is overdue, and the next wake-up is not after anything that falls due. */
bool misses_nothing(const struct monitor *m, usec_t now);
