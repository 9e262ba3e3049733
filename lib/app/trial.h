/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/text.h"
#include "conf/conf.h"
#include "core/outcome.h"
#include "sys/signals.h"

struct probe;

/* One probe, looked at once, without a service. */
struct trial_look {
	const struct probe_conf *conf; /* set by the caller: PROBE_PULL, resolved; borrowed */
	struct outcome outcome;        /* then: what was found, and how long that took */

	/* private to app/trial.c from here */
	struct probe *probe;
	usec_t started_at, deadline_at; /* of the look; USEC_INFINITY: it is over */
	pid_t helper_pid;               /* its check; 0: none was started */
	bool has_helper;                /* that is not reaped yet */
};

/*
 * Looks at each of the @n_looks at once, each within its own timeout, and waits for all of them;
 * what was started for that is gone then, or at least was killed some time ago. @label is told to
 * checks (SDWD_LABEL); NULL: nobody knows it. @signals are blocked and not opened yet
 * (signals_block()); opened here, and closed. Makes this process a subreaper. Returns 0; the number
 * of the deadly signal that came meanwhile: what is not over by then has no outcome; or a negative
 * errno with the reason in @error.
 */
int trial_run(struct trial_look *looks, size_t n_looks, const char *label, struct signals *signals,
	      struct text *error);
