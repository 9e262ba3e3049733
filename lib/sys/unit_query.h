/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/*
 * Questions to the manager about our own unit.  sd-bus blocks, so a forked process of ours asks,
 * and writes the answer into a pipe; nothing of it runs in the loop.
 */

enum unit_question {
	UNIT_KILLING,  /* KillMode=, KillSignal=, RestartKillSignal=, WatchdogSignal= */
	UNIT_STOPPING, /* KillMode=, and SubState: is it sending its stop signals? */
};

/* Plain data, written in one piece (less than PIPE_BUF). */
struct unit_answer {
	bool is_control_group; /* KillMode=control-group */
	int kill_signal;       /* UNIT_KILLING; 0: an older systemd does not tell */
	int restart_kill_signal;
	int watchdog_signal;
	bool is_stopping; /* UNIT_STOPPING: in a state that begins with KillSignal= */
	bool is_aborting; /* UNIT_STOPPING: in one that begins with WatchdogSignal= */
};

/* One question under way. Zeroed with fd -1: none. */
struct unit_query {
	pid_t pid; /* leader of its own session; 0: reaped, or none */
	int fd;    /* readable when there is an answer, or none will come */
};

/*
 * Forks the process that asks about @unit.  It has all signals blocked, dies with us, and ends by
 * itself; who does not want to wait kills it (unit_query_stop()).  All signals must be blocked
 * (signals_block()).  Returns 0, or a negative errno.
 */
int unit_query_start(struct unit_query *q, enum unit_question question, const char *unit);

/*
 * When fd is readable.  Returns 1 with *@ret, 0 where nothing is there yet, or a negative errno: no
 * answer will come (-EPIPE where the process could not ask).
 */
int unit_query_read(struct unit_query *q, struct unit_answer *ret);

/* Kills the process and closes fd; the reaper gets pid all the same.  Nothing where there is none.
 * Stop fd's watcher before. */
void unit_query_stop(struct unit_query *q);
