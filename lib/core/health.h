/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/lease.h"
#include "core/outcome.h"

/* One probe's health: streaks, window and lease. Knows nothing of sockets, of READY, or of other
 * probes. */

struct health_conf {
	usec_t lease_usec;        /* L of good evidence */
	unsigned fall;            /* failures in a row that end the lease; 1 for push and state */
	unsigned rise;            /* passes in a row that make it good again */
	unsigned window_failures; /* also when so many ... */
	unsigned window_looks;    /* ... of the last so many (at most 64) failed; 0: off */
	usec_t start_period_usec; /* failures do not count so long, or until the first pass */
};

enum health_state {
	HEALTH_NEW,  /* nothing good yet and no lease */
	HEALTH_UP,   /* a lease runs */
	HEALTH_DOWN, /* the lease ended, or was ended */
	HEALTH_STATE_MAX,
};

struct health {
	struct health_conf conf;
	enum health_state state;
	bool has_passed;  /* ends start period and start interval */
	bool was_ended;   /* by health_end(), and not good since */
	bool was_granted; /* READY=1 gave it a start lease that no pass has replaced */
	bool is_warned;   /* the newest good evidence was WARN */
	unsigned fails;   /* counted failures in a row */
	unsigned passes;  /* passes in a row */
	uint64_t window;  /* bit 0: the newest counted look; 1: failed */
	struct lease lease;
	usec_t start_at;
	enum verdict last; /* of the newest look, VERDICT_MAX: none yet */
};

/* The change of state that a call made. */
enum health_edge { HEALTH_SAME, HEALTH_WENT_UP, HEALTH_WENT_DOWN };

const char *health_state_str(enum health_state state);

/* @conf is copied. @now: when the child was started. */
void health_init(struct health *h, const struct health_conf *conf, usec_t now);

/* Takes one outcome, read at @now. UNKNOWN moves nothing. */
enum health_edge health_feed(struct health *h, enum verdict verdict, usec_t now);

/* Ends the lease at once, whatever the streak (cause closed, trigger). */
enum health_edge health_end(struct health *h);

/* Ends the lease where it has run out by @now (causes silent, stale). */
enum health_edge health_judge(struct health *h, usec_t now);

/*
 * READY=1 was sent at @now: a probe that never passed gets a lease of max(L, W, what is left of an
 * explicit start-period), and its streaks begin anew.
 */
void health_grant(struct health *h, usec_t now, usec_t watchdog_usec);

/*
 * Begins anew at @now: streaks and window are forgotten. @is_ready: with the lease of a READY=1,
 * whatever it was, or the one it has where that is longer; else (READY=1 was not said) what ended
 * is as before its first pass, and gets none.
 */
void health_restart(struct health *h, bool is_ready, usec_t now, usec_t watchdog_usec);

/* The child asked for more time: the lease lasts until @until_at at least. Nothing where none runs.
 */
void health_extend(struct health *h, usec_t until_at);

/* Moves the lease by @gap_usec, the time that a stall took out. */
void health_shift(struct health *h, usec_t gap_usec);

/* True while below `fall` or after WARN: still good, but worth a word. */
bool health_is_degraded(const struct health *h);
