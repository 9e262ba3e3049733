/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/usec.h"

/*
 * When a probe looks, where it is looked at.  Start to start, never two looks at once, no catch-up
 * burst: a look that begins late moves all that follow.
 */

struct schedule_conf {
	usec_t interval_usec;
	usec_t timeout_usec;
	usec_t fast_usec;
	usec_t start_usec;
	usec_t retry_usec; /* after UNKNOWN, from the end of the look: min(fast, slack/2) */
	usec_t phase_usec; /* in 1..interval: where within it the first steady look falls */
};

/* What sets the distance to the next look. */
enum schedule_pace {
	SCHEDULE_START,  /* until the first pass or the end of the start lease */
	SCHEDULE_STEADY, /* good, or down for good */
	SCHEDULE_FAST,   /* failing below `fall`, passing below `rise` */
	SCHEDULE_RETRY,  /* we could not look */
};

struct schedule {
	struct schedule_conf conf;
	bool is_looking;
	bool was_steady;
	usec_t started_at;
	usec_t deadline_at; /* while looking */
	usec_t next_at;     /* else; USEC_INFINITY: stopped */
};

/* @conf is copied; the first look is due at @now. */
void schedule_init(struct schedule *s, const struct schedule_conf *conf, usec_t now);

/* A look begins: deadline_at is set, once and for all of it. */
void schedule_started(struct schedule *s, usec_t now);

/* It ended: next_at is set. */
void schedule_ended(struct schedule *s, enum schedule_pace pace, usec_t now);

/* A stall took @gap_usec: an open deadline moves; a look that is overdue by now starts at once. */
void schedule_shift(struct schedule *s, usec_t gap_usec);

/* No further look. */
void schedule_stop(struct schedule *s);

/* The deadline of the look under way, or the start of the next. */
usec_t schedule_next_at(const struct schedule *s);

/* A phase in 1..@interval_usec from @label and @probe: spreads the looks of many instances
 * (FNV-1a). */
usec_t schedule_phase(const char *label, const char *probe, usec_t interval_usec);
