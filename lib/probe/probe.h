/* SPDX-License-Identifier: MIT */
#pragma once

#include <ev.h>

#include "base/defs.h"
#include "conf/conf.h"
#include "core/notify_msg.h"
#include "core/outcome.h"
#include "probe/prober_call.h"
#include "sys/reaper.h"

/*
 * The contract of a probe.  A probe finds out one thing about the child and says it as outcomes;
 * what follows from an outcome is not its business (core/health.h).  A new probe is one file with
 * one static struct probe_class, and one line in registry.c.
 *
 * Life: init -> attach -> (start ... one on_outcome)* -> done.  A probe has no timer for its looks:
 * the supervisor holds the one deadline of each and calls expire().  All calls come from the loop's
 * thread; none may block.
 */

struct probe;

/* What a check of the operator's learns of us, as spawn_start() takes it: NULL behind the last. */
struct check_environment {
	char lines[7][OUTCOME_TEXT_MAX + 32];
	char *set[8];
};

/*
 * What a probe may tell its owner, from its handlers. The owner does not free the probe inside.
 */
struct probe_owner {
	/*
	 * Good or bad evidence, read just now.  PROBE_PULL: exactly once after each start(), never
	 * from inside it, unless cancel() comes first.  PROBE_PUSH and PROBE_STATE: whenever there
	 * is something to say.
	 */
	void (*on_outcome)(struct probe_owner *owner, struct probe *p, const struct outcome *o);

	/* PROBE_PUSH: the child said something in sd_notify words through this probe. @m is
	 * borrowed. */
	void (*on_words)(struct probe_owner *owner, struct probe *p, const struct notify_msg *m);

	/* Fills *@ret for a check that @p runs: SDWD_LABEL, SDWD_CHILD_PID, and of @p itself
	 * SDWD_PROBE, SDWD_STATE, SDWD_CAUSE, SDWD_TEXT, SDWD_STREAK. */
	void (*environment)(struct probe_owner *owner, struct probe *p,
			    struct check_environment *ret);

	/* @p has started @pid (spawn_start()), which is none of the service's processes. */
	void (*on_helper)(struct probe_owner *owner, struct probe *p, pid_t pid);

	/* Takes @fd of a connection that peer_hang_up() could not close. */
	void (*on_unclosed)(struct probe_owner *owner, struct probe *p, int fd);

	/* True where @pid is none of the service's processes, but one of a check or hook, whichever
	 * probe runs it. */
	bool (*is_helper)(struct probe_owner *owner, pid_t pid);

	/* Asks the prober, as prober_ask(), prober_expire() and prober_cancel() of app/prober.h. */
	int (*ask)(struct probe_owner *owner, struct prober_call *call, usec_t deadline_at,
		   struct outcome *ret);
	bool (*ask_expire)(struct probe_owner *owner, struct prober_call *call,
			   struct prober_reply *ret);
	void (*ask_cancel)(struct probe_owner *owner, struct prober_call *call);
};

struct probe_class {
	const struct probe_kind *kind;
	size_t size; /* of the struct that begins with struct probe */
	bool asks;   /* where the prober is needed it asks for it; else probe_remote takes its place
		      */

	/*
	 * Before the child is started: opens what the child inherits. p->conf, owner and loop are
	 * set. Returns 0 or a negative errno with the reason (naming the option and value) in
	 * @error. May be NULL.
	 */
	int (*init)(struct probe *p, struct text *error);

	/* After exec succeeded: closes the child's ends, begins to listen. May be NULL. */
	void (*attach)(struct probe *p);

	/*
	 * PROBE_PULL: begins one look.  Returns 0, or PROBE_DONE with *@ret filled where the
	 * outcome is known at once.  PROBE_PUSH, where the kind knows --interval: looks whether
	 * there was a sign of life, and returns PROBE_DONE, or PROBE_NOTHING where there was none.
	 */
	int (*start)(struct probe *p, struct outcome *ret);

	/*
	 * PROBE_PULL: the look's deadline has come.  Drains its input once more and ends the look:
	 * fills *@ret, and on_outcome is not called for it.
	 */
	void (*expire)(struct probe *p, struct outcome *ret);

	/* PROBE_PULL: ends a look without an outcome (stop, shutdown).  Nothing where none is under
	 * way. */
	void (*cancel)(struct probe *p);

	/*
	 * PROBE_PUSH: a deadline is about to be judged: read what is there (on_outcome as always).
	 * May be NULL.
	 */
	void (*drain)(struct probe *p);

	/*
	 * PROBE_PUSH: what waits unread now is told with is_old set: it was said before now,
	 * however late it is read.  May be NULL.
	 */
	void (*mark)(struct probe *p);

	/*
	 * A process has ended or stopped, and is not reaped yet.  Returns true where it was one of
	 * @p's; on_outcome may be called inside.  May be NULL.
	 */
	bool (*reaped)(struct probe *p, const struct reaped *r);

	/* Stops every watcher, closes, frees; works on zeroed, half-made and already done ones. */
	void (*done)(struct probe *p);
};

#define PROBE_DONE 1
#define PROBE_NOTHING 2

struct probe {
	const struct probe_class *class;
	const struct probe_conf *conf; /* borrowed */
	struct probe_owner *owner;     /* borrowed */
	struct ev_loop *loop;          /* borrowed */
	usec_t rests_until_at;         /* PROBE_PUSH: drain() is wanted then; 0: at no time */
	bool is_old;                   /* PROBE_PUSH, while it tells something: see mark() */
};

/* All classes, NULL at the end, in the order of the man page (registry.c). */
extern const struct probe_class *const probe_registry[];

/*
 * Makes and initializes the probe that @conf asks for: of its kind's class, or of the one that asks
 * the prober. Everything is borrowed. Returns 0 and the probe, to be freed with probe_free(), or a
 * negative errno, where it can be told with the reason in @error.
 */
int probe_new(const struct probe_conf *conf, struct probe_owner *owner, struct ev_loop *loop,
	      struct probe **ret, struct text *error);

void probe_free(struct probe *p);

/* recv(2) and close(2) of a connection of @p's to @server, who may send fds along
 * (sys/peer_sock.h).
 */
struct dial_target;
ssize_t probe_recv(const struct dial_target *server, int fd, void *buffer, size_t size);
void probe_hang_up(struct probe *p, const struct dial_target *server, int fd);
