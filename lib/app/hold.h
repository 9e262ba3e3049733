/* SPDX-License-Identifier: MIT */
#pragma once

#include <ev.h>
#include <sys/signalfd.h>

#include "sys/reaper.h"
#include "sys/unit_query.h"

/* Stop signals that the manager sends to the child as well: those are not forwarded. */

struct supervisor;

#define HOLD_MAX 64

struct hold {
	bool is_known;            /* what follows, as far as the manager tells it */
	bool is_both;             /* the manager signals sdwd and the child */
	uint64_t stop_signals;    /* by which it stops the unit */
	uint64_t watchdog_signal; /* by which it aborts it */
	uint64_t held_back;       /* each once: a second one is somebody's own */
	struct unit_query query;
	enum unit_question question; /* of the query under way */
	bool is_owed;                /* UNIT_KILLING once more, if that one gets no answer */
	struct ev_io io;
	usec_t at; /* the answer is not waited for any longer */
	size_t n_waiting;
	struct signalfd_siginfo waiting[HOLD_MAX];
};

/* Asks, unless the answer is here already; while a question is open, once that has failed. */
void hold_begin(struct supervisor *s);
bool hold_takes(struct supervisor *s, const struct signalfd_siginfo *info);
bool hold_reaped(struct supervisor *s, const struct reaped *r);
void hold_turn(struct supervisor *s);
void hold_done(struct supervisor *s); /* there is nobody left to forward to */
