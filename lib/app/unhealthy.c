/* SPDX-License-Identifier: MIT */
/*
 * What follows the edge to unhealthy: the line in the journal, STATUS, the dump signal and its
 * wait, the hook, and then
 * --on-unhealthy.  With trigger and kill the decision is latched at the edge: a dump may disturb
 * the child's health, in either direction.  The recovery runs the hook again, after the one of the
 * edge.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/internal.h"

/* "http: status 503 (2 of 3 ...)": what is wrong, in one line. */
static void say_reason(const struct supervisor *s, struct text *t) {
	ptrdiff_t i = s->monitor.culprit;

	text_addf(t, "%s: ", supervisor_probe_name(s, i));
	if (s->monitor.is_triggered)
		text_add(t, cause_text(CAUSE_TRIGGER));
	else if (i < 0)
		text_add(t, cause_text(CAUSE_STOPPED));
	else
		text_add(t, s->slots[i].last.text);
}

static enum cause cause_of(const struct supervisor *s) {
	ptrdiff_t i = s->monitor.culprit;

	return s->monitor.is_triggered ? CAUSE_TRIGGER
	       : i < 0                 ? CAUSE_STOPPED
				       : s->slots[i].last.cause;
}

/* Kept for all that is told of this edge: a dump, or time, may change what the probe says next. */
static void keep_edge(struct supervisor *s) {
	struct finding *edge = &s->act.edge;
	struct text t = TEXT_OVER(edge->text);
	ptrdiff_t i = s->monitor.culprit;

	edge->slot = i;
	edge->cause = cause_of(s);
	edge->streak = i < 0 ? 0 : s->monitor.probes[i].health.fails;
	say_reason(s, &t);
}

static void finish(struct supervisor *s) {
	s->act.step = ACT_DONE;
	s->act.at = USEC_INFINITY;
	switch (s->mode) {
	case ON_UNHEALTHY_WITHHOLD:
	case ON_UNHEALTHY_WARN:
		break;
	case ON_UNHEALTHY_TRIGGER:
		message_action(s, "asking systemd to act now (WATCHDOG=trigger)");
		status_send_trigger(s);
		break;
	case ON_UNHEALTHY_KILL:
		message_action(s, "ending the service");
		ending_kill_child(s, s->act.edge.text);
		break;
	}
}

/* Starts the hook. Returns false where there is none, or it could not be started. */
static bool start_hook(struct supervisor *s, const char *state) {
	struct check_environment environment;
	int r;

	if (!s->conf->unhealthy_hook)
		return false;
	environment_fill(s, &s->act.edge, state, &environment);
	r = spawn_start(&s->act.hook, environment.set, -1, &s->act.hook_pid);
	if (r < 0) {
		log_warning("--unhealthy-hook: cannot start it: %s", strerror(-r));
		s->act.hook_pid = 0;
		return false;
	}
	helpers_add(&s->helpers, s->act.hook_pid);
	s->act.step = ACT_HOOK;
	s->act.at = usec_add(s->now, s->conf->hook_timeout_usec);
	return true;
}

/* The dump signal and its wait, the hook, the action. */
static void begin(struct supervisor *s) {
	char name[SIGNAL_STR_MAX];
	int r;

	if (s->conf->dump_signal > 0 && s->child.pid > 0) {
		log_notice("sending %s to pid %d (--dump-signal)",
			   signal_str(name, s->conf->dump_signal), s->child.pid);
		r = child_signal(&s->child, s->conf->dump_signal, s->conf->signal_group, false,
				 (union sigval){0});
		if (r < 0)
			log_warning("--dump-signal=%s: %s", name, strerror(-r));
		s->act.step = ACT_DUMP_WAIT;
		s->act.at = usec_add(s->now, s->conf->dump_wait_usec);
		return;
	}
	if (!start_hook(s, "unhealthy"))
		finish(s);
}

static void begin_recovery(struct supervisor *s) {
	keep_edge(s);
	s->act.is_recovery = start_hook(s, "healthy");
}

static void after_hook(struct supervisor *s) {
	bool owes_recovery = s->act.owes_recovery, owes_edge = s->act.owes_edge;

	s->act.at = USEC_INFINITY;
	s->act.owes_recovery = s->act.owes_edge = false;
	if (s->act.is_recovery)
		s->act.step = ACT_IDLE;
	else
		finish(s);
	s->act.is_recovery = false;
	if (s->life >= LIFE_STOPPING)
		return;
	if (owes_edge)
		begin(s);
	else if (owes_recovery)
		begin_recovery(s);
}

void act_begin(struct supervisor *s) {
	keep_edge(s);
	message_unhealthy(s);
	status_changed(s);
	if (s->mode == ON_UNHEALTHY_TRIGGER || s->mode == ON_UNHEALTHY_KILL)
		monitor_latch(&s->monitor);
	/* READY=1 that the manager did not take yet is not true any more; nor is it the end of a
	 * reload behind it, of which RELOADING=1 alone says nothing to a manager that waits for the
	 * start. */
	if (s->life == LIFE_STARTING) {
		notifier_drop(&s->notifier, TOKEN_READY);
		s->is_ready_sent = s->is_reloading = false;
	}
	s->act.owes_recovery = false;
	/* A hook of an earlier edge is still at it: it speaks for this one too; that of a recovery
	 * says the opposite. */
	if (s->act.hook_pid > 0) {
		s->act.owes_edge = s->act.is_recovery;
		return;
	}
	begin(s);
}

void act_recover(struct supervisor *s) {
	message_recovered(s);
	status_changed(s);
	if (s->act.step == ACT_DUMP_WAIT || s->act.hook_pid > 0) {
		s->act.owes_recovery = !s->act.is_recovery;
		s->act.owes_edge = false;
		return;
	}
	s->act.step = ACT_IDLE;
	begin_recovery(s);
}

bool act_reaped(struct supervisor *s, const struct reaped *r) {
	struct outcome o;

	if (s->act.hook_pid == 0 || r->pid != s->act.hook_pid)
		return false;
	if (!r->is_gone)
		return true;
	/* What the hook left in its group goes with it; its pid is not reaped yet. */
	spawn_kill(s->act.hook_pid);
	s->act.hook_pid = 0;
	outcome_from_wait_status(&o, r->wait_status);
	if (o.verdict != VERDICT_PASS)
		message_hook(s, o.text);
	if (s->act.step == ACT_HOOK)
		after_hook(s);
	return true;
}

void act_turn(struct supervisor *s) {
	char late[USEC_STR_MAX + 64], limit[USEC_STR_MAX];

	if (s->act.at > s->now)
		return;
	s->act.at = USEC_INFINITY;
	if (s->act.step == ACT_DUMP_WAIT) {
		if (!start_hook(s, "unhealthy"))
			after_hook(s);
		return;
	}
	if (s->act.step == ACT_HOOK && s->act.hook_pid > 0) {
		snprintf(late, sizeof(late), "took longer than --hook-timeout=%s and was killed",
			 usec_str(limit, s->conf->hook_timeout_usec));
		message_hook(s, late);
		/* From here on a helper like others: nothing waits for its end. */
		spawn_kill(s->act.hook_pid);
		s->act.hook_pid = 0;
		after_hook(s);
	}
}

void act_stop(struct supervisor *s) {
	s->act.at = USEC_INFINITY;
	s->act.step = ACT_DONE;
	s->act.owes_recovery = s->act.owes_edge = false;
}

void act_done(struct supervisor *s) {
	if (s->act.hook_pid > 0)
		spawn_kill(s->act.hook_pid);
	spawn_command_done(&s->act.hook);
}
