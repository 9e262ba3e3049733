/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/monitor.h"
#include "reference.h"

/*
 * Drives struct monitor through a ref_case on a virtual clock, as the supervisor's loop would: from
 * what monitor_next_at() says, or what happens first, to the next.
 */

struct drive {
	const struct ref_case *c;
	struct monitor monitor;
	struct ref_log *log; /* NULL: none */
	usec_t grid_usec;    /* timers fire at the next multiple of it */
	usec_t now;
	usec_t scheduled_at;            /* of this turn */
	bool (*check)(struct drive *d); /* after each turn; false: end.  May be NULL */
	bool is_stuck; /* what monitor_next_at() said was due already after a turn */
	size_t next_push[REF_PROBES];
	size_t n_looks[REF_PROBES];
	bool was_good[REF_PROBES];
	bool was_is_good, is_triggered;
	size_t next_drill;
};

/* Runs @c to its end. The owner has set log, grid_usec and check, and zeroed the rest. */
void drive_run(struct drive *d, const struct ref_case *c);

/* Random numbers, the same on every machine. */
uint64_t drive_random(uint64_t *state);
uint64_t drive_random_range(uint64_t *state, uint64_t low, uint64_t high); /* both included */
bool drive_random_percent(uint64_t *state, unsigned percent);

enum drive_with {
	DRIVE_STALLS = 1 << 0,
	DRIVE_FULL = 1 << 1,    /* the manager refuses pings for a while */
	DRIVE_STOPPED = 1 << 2, /* the process is stopped and traced */
	DRIVE_ENDS = 1 << 3,    /* a stop, triggers, closed pipes */
	DRIVE_PAUSES = 1 << 4,  /* pauses and drills */
	DRIVE_ALL = 31,
};

/* A random case: times in whole milliseconds, except phases. The same @seed gives the same case. */
void drive_random_case(struct ref_case *ret_case, uint64_t seed, unsigned with);

/* Makes all times of @c @up / @down times as long, rounded down to the microsecond. */
void drive_scale_case(struct ref_case *c, uint64_t up, uint64_t down);

/* How many runs: @runs times SDWD_TEST_SCALE, at least @least. */
size_t drive_runs(size_t runs, size_t least);
