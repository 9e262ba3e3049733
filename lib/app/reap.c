/* SPDX-License-Identifier: MIT */
/* What the reaper finds goes to whom it concerns: the supervised process, a hook, the prober, a
 * probe's check, adoption, or nobody. */
#include <signal.h>
#include <string.h>

#include "app/internal.h"

/* One turn takes so long at most, and goes on in the next: who forks faster than that delays no
 * ping. */
#define TURN_USEC (5 * USEC_PER_MSEC)
/* After a waitid(2) that failed. */
#define REAP_AGAIN (100 * USEC_PER_MSEC)

/* However late we read it: without READY=1 systemd would call a good end a failure, and a STATUS
 * may be the reason of a bad one. */
void reap_last_words(struct supervisor *s) {
	relay_drain(s, USEC_INFINITY);
	if (s->life >= LIFE_STARTING)
		looks_hear(s, NULL);
	supervisor_check_ready(s);
	/* Of a stop that had a reason that is what stays to be read. */
	if (s->life < LIFE_STOPPING ||
	    (s->monitor.service != SERVICE_UNHEALTHY && s->ending.reason[0] == '\0'))
		status_send_due(s);
}

static void on_child(struct supervisor *s, const struct reaped *r) {
	if (r->is_gone) {
		s->child.pid = 0;
		if (adopt_takes_exit(s, r->wait_status, 0))
			return;
		ending_child_gone(s, r->wait_status);
		return;
	}
	s->is_child_stopped = r->code == CLD_STOPPED;
	if (supervisor_has_started(s))
		looks_process(s);
	if (r->code == CLD_STOPPED && tty_is_interactive(&s->tty)) {
		/* A shell's fg puts our group in front, and tells of it only whom it continues. */
		if ((r->status != SIGTTIN && r->status != SIGTTOU) || !tty_is_in_front(&s->tty))
			tty_stop_with(&s->tty);
		/* Continued: so is the child. */
		tty_give(&s->tty, s->child.pgid);
		(void)child_signal(&s->child, SIGCONT, true, false, (union sigval){0});
	}
}

static bool probe_takes(struct supervisor *s, const struct reaped *r) {
	for (size_t i = 0; i < s->n_slots; i++) {
		struct probe *p = s->slots[i].probe;

		if (p->class->reaped && p->class->reaped(p, r))
			return true;
	}
	return false;
}

/*
 * Of others than the child only while there is time, and none is read that must rest: who sends
 * without end must not keep everybody from being reaped, nor have our own helpers' ends pay for it.
 * What is read later is theirs all the same (core/late.h).
 */
static bool may_have_spoken(const struct supervisor *s, pid_t pid) {
	return usec_now() < s->reap_until_at && !relay_is_resting(s) &&
	       helpers_have(&s->helpers, pid, s->now) <= 0;
}

static void on_reaped(void *context, const struct reaped *r) {
	struct supervisor *s = context;

	/* What a sender said is read before its end is acted on. */
	if (r->is_gone && r->pid == s->child.pid)
		reap_last_words(s);
	else if (r->is_gone && may_have_spoken(s, r->pid))
		relay_drain(s, s->reap_until_at);
	if (r->pid == s->child.pid)
		on_child(s, r);
	else if (!hold_reaped(s, r) && !act_reaped(s, r) && !prober_reaped(&s->prober, r) &&
		 !probe_takes(s, r) && helpers_have(&s->helpers, r->pid, s->now) <= 0) {
		adopt_exited(s, r);
		if (r->is_gone)
			late_add(&s->late, r->pid);
	}
	if (r->is_gone) {
		helpers_reaped(&s->helpers, r->pid, s->now);
		s->ending.n_gone++;
	}
}

void reap_turn(struct supervisor *s) {
	int r;

	s->reap_until_at = usec_add(usec_now(), TURN_USEC);
	do
		r = reaper_run(on_reaped, s);
	while (r > 0 && usec_now() < s->reap_until_at);
	s->is_reap_due = r > 0;
	s->now = usec_now();
	if (r >= 0)
		return;
	/* No other signal may come to remind us. */
	log_warning("cannot see which processes have ended (waitid: %s); trying again",
		    strerror(-r));
	if (s->signals_at == USEC_INFINITY)
		s->signals_at = usec_add(s->now, REAP_AGAIN);
}

/* The end of sdwd: an orphan may have ended since the last look, and no zombie is left to others.
 */
void reap_last(struct supervisor *s) {
	usec_t until_at = usec_add(usec_now(), USEC_PER_SEC);

	do
		reap_turn(s);
	while (s->is_reap_due && usec_now() < until_at);
}
