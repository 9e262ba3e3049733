/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/* The service's life as a table of state x event -> {next state, action}; see lifecycle.c for the
 * drawing. */

enum life_state {
	LIFE_LAUNCHING, /* forked, exec not known yet */
	LIFE_STARTING,  /* the command runs, READY=1 is not said */
	LIFE_RUNNING,   /* READY=1 was taken */
	LIFE_UNHEALTHY, /* like RUNNING, and the composite is bad */
	LIFE_STOPPING,  /* the end began: nothing recovers, no ping */
	LIFE_DONE,      /* the child and what it left are gone */
	LIFE_STATE_MAX,
};

enum life_event {
	LIFE_EXEC_OK, /* the command was executed */
	LIFE_EXEC_FAILED,
	LIFE_READY,        /* the manager took READY=1 (standalone: it would have been said) */
	LIFE_BAD,          /* the composite turned bad, the child triggered, or the pipe closed */
	LIFE_GOOD,         /* it is good again */
	LIFE_TIMED_OUT,    /* --start-timeout */
	LIFE_STOP_SIGNAL,  /* a --stop-signal was read */
	LIFE_STOP_MESSAGE, /* the child said STOPPING=1 */
	LIFE_STOP_OWN,     /* sdwd decided to end the child (kill) */
	LIFE_CHILD_GONE,   /* the supervised process ended */
	LIFE_ALL_GONE,     /* so did everything that it left behind, or its time is over */
	LIFE_EVENT_MAX,
};

enum life_action {
	LIFE_NOTHING,
	LIFE_BEGIN,       /* looks begin, --ready is asked */
	LIFE_REPORT_EXEC, /* say why it could not be executed; the end is 126 or 127 */
	LIFE_ANNOUNCE,    /* "ready": leases of READY */
	LIFE_ACT,         /* log, STATUS, dump signal, hook, then --on-unhealthy */
	LIFE_RECOVER,     /* log, STATUS, hook */
	LIFE_END_START,   /* say what was missing, end the child: 124 */
	LIFE_WIND_DOWN,   /* no look, ping or judgement from here */
	LIFE_COLLECT,     /* the same, and deal with the orphans */
	LIFE_FINISH,      /* leave the loop */
	LIFE_ACTION_MAX,
};

struct life_step {
	enum life_state next;
	enum life_action action;
};

/* What @event means in @state. Every cell of the table is filled; an event without meaning keeps
 * the state. */
struct life_step life_step(enum life_state state, enum life_event event);

const char *life_state_str(enum life_state state);
const char *life_event_str(enum life_event event);
