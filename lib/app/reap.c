/* SPDX-License-Identifier: MIT */
/* What the reaper finds goes to whom it concerns: the supervised process, a hook, the prober, a
 * probe's check, adoption, or nobody. */
#include <signal.h>

#include "app/internal.h"

/* The kernel's queue (net.unix.max_dgram_qlen) is 512 on systemd's machines: twice that. */
#define RELAY_TURNS 16

/* What a sender said is read while its pid is still its own; a flood of others has an end here. */
static void hear_last_words(struct supervisor *s) {
	for (int turn = 0; turn < RELAY_TURNS && relay_drain(s); turn++)
		;
}

static void on_child(struct supervisor *s, const struct reaped *r) {
	if (r->is_gone) {
		s->child.pid = 0;
		if (adopt_takes_exit(s, r->wait_status, true))
			return;
		ending_child_gone(s, r->wait_status);
		return;
	}
	s->is_child_stopped = r->code == CLD_STOPPED;
	if (supervisor_has_started(s))
		looks_process(s);
	if (r->code == CLD_STOPPED && tty_is_interactive(&s->tty)) {
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

static void on_reaped(void *context, const struct reaped *r) {
	struct supervisor *s = context;

	if (r->is_gone)
		hear_last_words(s);
	if (r->pid == s->child.pid)
		on_child(s, r);
	else if (!hold_reaped(s, r) && !act_reaped(s, r) && !prober_reaped(&s->prober, r) &&
		 !probe_takes(s, r) && helpers_have(&s->helpers, r->pid, s->now) <= 0)
		adopt_exited(s, r);
	if (r->is_gone)
		helpers_reaped(&s->helpers, r->pid, s->now);
}

void reap_turn(struct supervisor *s) {
	while (reaper_run(on_reaped, s) > 0)
		;
}
