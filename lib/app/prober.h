/* SPDX-License-Identifier: MIT */
#pragma once

#include <ev.h>
#include <limits.h>

#include "base/text.h"
#include "conf/conf.h"
#include "probe/prober_call.h"
#include "sys/reaper.h"

/*
 * Our side of sdwd-prober, the process that does what may block or reads what is not ours: starts
 * it when something is asked for the first time, and again, later and later, when it died; sends
 * requests, hands out replies.  What it cannot answer, because it died, hangs or is full, is
 * UNKNOWN, cause `prober`: that says nothing of the service.  One that was killed and does not end,
 * as it hangs in the kernel with a dead file server, is given up for another one.
 *
 * Life: prober_init -> prober_open -> (ask, on_reply, ...)* -> prober_end -> prober_done.
 */
/* At once. Each hangs in a call that the kernel does not end, and holds no more than its memory. */
#define PROBERS_STUCK_MAX 3

struct prober {
	struct ev_loop *loop; /* borrowed */
	int program_fd;    /* O_PATH: the program as it was at start, whatever is installed since */
	pid_t pid;         /* also while it dies, until it is reaped or given up; 0: none */
	int fd;            /* our end; -1: it does not run, or is dying */
	struct ev_io io;   /* of fd */
	const char *fault; /* why we killed it; NULL: we did not */
	bool has_ended;    /* prober_end(): no more questions */
	bool has_answered; /* since it was started */
	struct prober_call *calls; /* under way */
	uint32_t last_id;
	uint64_t n_starts;
	uint32_t late_id;  /* the oldest request that was not answered in time; 0: none */
	usec_t kill_at;    /* unless that is answered by then */
	usec_t give_up_at; /* unless it has ended by then: it was killed */
	pid_t stuck[PROBERS_STUCK_MAX]; /* given up, and not reaped yet; 0: none */
	usec_t started_at;
	usec_t retry_at; /* not started again before */
	usec_t backoff_usec;
	char path[PATH_MAX]; /* of the program; only after prober_open() */
};

/* True where there is a probe that needs the prober. */
bool prober_is_needed(const struct conf *c);

/*
 * Looks whether the prober is there where it is needed. The error is added to @errors as
 * conf_resolve() adds them. Returns 0 or a negative errno.
 */
int prober_check(const struct conf *c, struct text *errors);

/* Without a program: nothing can be asked. */
void prober_init(struct prober *p);

/*
 * Finds the program, beside our own one or where it is installed, and opens it; @p is initialized,
 * @loop is borrowed. Nothing is started. Returns 0, or a negative errno with the reason, which
 * names the package, in @error.
 */
int prober_open(struct prober *p, struct ev_loop *loop, struct text *error);

/*
 * Asks @call, which is borrowed until it is over; none of it may be under way. The reply must be on
 * its way by @deadline_at. Returns 0, or PROBE_DONE with *@ret: it cannot be asked now.
 */
int prober_ask(struct prober *p, struct prober_call *call, usec_t deadline_at, struct outcome *ret);

/*
 * The time of @call is over: reads what is there, and calls on_reply of other calls. Returns true
 * where its reply was among it (*@ret), else false; then the prober is killed unless it answers
 * soon. on_reply is not called for @call any more.
 */
bool prober_expire(struct prober *p, struct prober_call *call, struct prober_reply *ret);

/* Ends @call without an answer. Nothing where it is not under way. */
void prober_cancel(struct prober *p, struct prober_call *call);

/* A process has ended or stopped. True: it was the prober; on_reply of all calls may be called. */
bool prober_reaped(struct prober *p, const struct reaped *r);

/* Kills it where it hangs, and gives it up where that does not help. prober_next_at(): when that is
 * due, USEC_INFINITY: never. */
void prober_turn(struct prober *p, usec_t now);
usec_t prober_next_at(const struct prober *p);

/* Nothing more will be asked: kills it, to be reaped as ever. What is under way gets no answer. */
void prober_end(struct prober *p);

/* One that runs or dies still; 0: none. */
pid_t prober_left(const struct prober *p);

void prober_done(struct prober *p);
