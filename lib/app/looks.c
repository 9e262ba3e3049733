/* SPDX-License-Identifier: MIT */
/*
 * Between the probes and the monitor: outcomes go in, looks and pings come out.  What an outcome
 * means is decided in core/monitor.c; here it is only carried, named and performed.
 */
#include <string.h>

#include "app/internal.h"
#include "base/text.h"
#include "probe/notify.h"

/* A child that ends closes its pipes before we hear of its end: `closed` waits so long for that. */
#define CLOSED_GRACE USEC_PER_SEC

ptrdiff_t looks_slot_of(const struct supervisor *s, const struct probe *p) {
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->slots[i].probe == p)
			return (ptrdiff_t)i;
	assert(false);
	return -1;
}

void looks_keep_last(struct supervisor *s, size_t i, const struct outcome *o) {
	struct slot *slot = &s->slots[i];

	/* Of a drill nothing is found out: what it says stays. */
	if (s->monitor.probes[i].is_drilled)
		return;
	if (!slot->has_last || slot->last.cause != o->cause || slot->last.verdict != o->verdict)
		log_debug("%s: %s (%s): %s", supervisor_probe_name(s, (ptrdiff_t)i),
			  verdict_str(o->verdict), cause_str(o->cause), o->text);
	slot->last = *o;
	slot->has_last = true;
}

/* A look ended, or a sign of life came. */
static void count(struct supervisor *s, size_t i, const struct outcome *o) {
	s->slots[i].looked_at = s->now;
	stats_add(&s->slots[i].stats, o->verdict, o->latency_usec);
}

static bool is_good(const struct outcome *o) {
	return o->verdict == VERDICT_PASS || o->verdict == VERDICT_WARN;
}

static void end_look(struct supervisor *s, size_t i, struct outcome *o) {
	o->latency_usec = usec_sub(s->now, s->monitor.probes[i].schedule.started_at);
	looks_keep_last(s, i, o);
	count(s, i, o);
	if (is_good(o))
		s->slots[i].asked_at = s->monitor.probes[i].schedule.started_at;
	(void)monitor_look_ended(&s->monitor, i, o->verdict, s->now);
	status_changed(s);
}

void looks_outcome(struct supervisor *s, struct probe *p, const struct outcome *o) {
	size_t i = (size_t)looks_slot_of(s, p);
	struct outcome copy = *o;

	if (!supervisor_has_started(s))
		return;
	s->now = usec_now();
	if (p->conf->kind->mode == PROBE_PULL) {
		end_look(s, i, &copy);
		return;
	}
	count(s, i, o);
	looks_keep_last(s, i, o);
	if (o->cause == CAUSE_CLOSED) {
		s->slots[i].closed_at = usec_add(s->now, CLOSED_GRACE);
		return;
	}
	if ((ptrdiff_t)i == s->notify_slot)
		monitor_set_lease(&s->monitor, i, notify_probe_lease(p));
	if (is_good(o)) {
		if (!p->is_old)
			s->slots[i].asked_at = s->now;
		s->slots[i].extended_at = 0;
	}
	(void)monitor_feed(&s->monitor, i, o->verdict, s->now);
	status_changed(s);
}

/* A push probe has the one interval, and its looks take no time. */
static struct schedule_conf schedule_of(const struct supervisor *s, const struct probe_conf *c) {
	bool is_pull = c->kind->mode == PROBE_PULL;
	usec_t fast = is_pull ? c->fast_interval_usec : c->interval_usec;
	usec_t retry = MIN(fast, lease_slack(s->watchdog_usec) / 2);

	return (struct schedule_conf){
		.interval_usec = c->interval_usec,
		.timeout_usec = c->timeout_usec,
		.fast_usec = fast,
		.start_usec = is_pull ? c->start_interval_usec : c->interval_usec,
		.retry_usec = MAX(retry, USEC_PER_MSEC),
		.phase_usec = schedule_phase(s->conf->label, c->name, c->interval_usec),
	};
}

static struct monitor_probe_conf conf_of(const struct supervisor *s, size_t i) {
	const struct probe_conf *c = s->slots[i].probe->conf;
	usec_t slack = lease_slack(s->watchdog_usec);
	struct monitor_probe_conf m = {
		.is_scheduled = c->interval_usec > 0,
		.is_optional = c->is_optional,
		.health = {.fall = 1, .rise = 1, .start_period_usec = c->start_period_usec},
	};

	if (m.is_scheduled)
		m.schedule = schedule_of(s, c);
	switch (c->kind->mode) {
	case PROBE_PULL:
		m.health.fall = c->fall;
		m.health.rise = c->rise;
		m.health.window_failures = c->window_failures;
		m.health.window_looks = c->window_looks;
		m.health.lease_usec = lease_length_pull(c->interval_usec, c->fast_interval_usec,
							c->timeout_usec, c->fall, slack);
		break;
	case PROBE_PUSH:
		m.health.lease_usec = lease_length_push(c->silence_usec, c->interval_usec, slack);
		break;
	case PROBE_STATE:
		m.health.lease_usec = s->watchdog_usec;
		break;
	}
	return m;
}

void looks_begin(struct supervisor *s) {
	struct monitor_probe_conf confs[MONITOR_PROBES_MAX];
	size_t required = 0;

	for (size_t i = 0; i < s->n_slots; i++) {
		confs[i] = conf_of(s, i);
		required += !confs[i].is_optional;
	}
	if (s->conf->require > 0)
		required = MIN(required, (size_t)s->conf->require);
	monitor_init(&s->monitor, s->watchdog_usec, confs, s->n_slots, required,
		     s->mode == ON_UNHEALTHY_WARN, s->now);
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->slots[i].probe->class->attach)
			s->slots[i].probe->class->attach(s->slots[i].probe);
}

void looks_end(struct supervisor *s) {
	monitor_stop(&s->monitor);
	for (size_t i = 0; i < s->n_slots; i++) {
		struct probe *p = s->slots[i].probe;

		s->slots[i].closed_at = USEC_INFINITY;
		if (p->class->cancel)
			p->class->cancel(p);
	}
}

void looks_process(struct supervisor *s) {
	enum process_state state = process_look(s);

	monitor_process(&s->monitor, state, s->now);
	if (s->adopt.slot >= 0 && s->adopt.step == ADOPT_DONE && state != PROCESS_STOPPED) {
		struct outcome o;

		outcome_set(&o, CAUSE_OK, "pid %d", s->child.pid);
		looks_keep_last(s, (size_t)s->adopt.slot, &o);
		count(s, (size_t)s->adopt.slot, &o);
		s->slots[s->adopt.slot].asked_at = s->now;
		(void)monitor_feed(&s->monitor, (size_t)s->adopt.slot, VERDICT_PASS, s->now);
	}
}

void looks_hear(struct supervisor *s, const struct probe *except) {
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->slots[i].probe->class->drain && s->slots[i].probe != except)
			s->slots[i].probe->class->drain(s->slots[i].probe);
}

void looks_mark(struct supervisor *s) {
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->slots[i].probe->class->mark)
			s->slots[i].probe->class->mark(s->slots[i].probe);
}

/* A push probe whose lease is about to end: what it has to say was perhaps only not read yet. */
static void drain_late(struct supervisor *s) {
	for (size_t i = 0; i < s->n_slots; i++) {
		const struct health *h = &s->monitor.probes[i].health;
		struct probe *p = s->slots[i].probe;

		if (h->state != HEALTH_UP || lease_end(&h->lease) > s->now)
			continue;
		if ((ptrdiff_t)i == s->notify_slot)
			relay_drain(s, USEC_INFINITY);
		else if (p->class->drain)
			p->class->drain(p);
	}
}

static void judge_closed(struct supervisor *s) {
	for (size_t i = 0; i < s->n_slots; i++) {
		if (s->slots[i].closed_at > s->now)
			continue;
		s->slots[i].closed_at = USEC_INFINITY;
		(void)monitor_end_probe(&s->monitor, i);
	}
}

static void start_look(struct supervisor *s, size_t i) {
	struct probe *p = s->slots[i].probe;
	struct outcome o;

	monitor_look_started(&s->monitor, i, s->now);
	switch (p->class->start(p, &o)) {
	case PROBE_DONE:
		end_look(s, i, &o);
		break;
	case PROBE_NOTHING:
		monitor_look_idle(&s->monitor, i, s->now);
		break;
	default:
		assert(p->conf->kind->mode == PROBE_PULL);
	}
}

/* Floods that rested. */
static void drain_rested(struct supervisor *s) {
	for (size_t i = 0; i < s->n_slots; i++) {
		struct probe *p = s->slots[i].probe;

		if (p->rests_until_at > 0 && p->rests_until_at <= s->now)
			p->class->drain(p);
	}
}

void looks_turn(struct supervisor *s) {
	drain_rested(s);
	if (!supervisor_has_started(s))
		return;
	for (size_t i = 0; i < s->n_slots; i++) {
		struct schedule *schedule = &s->monitor.probes[i].schedule;
		struct outcome o;

		if (!schedule->is_looking || schedule->deadline_at > s->now)
			continue;
		s->slots[i].probe->class->expire(s->slots[i].probe, &o);
		end_look(s, i, &o);
	}
	if (s->monitor.process_look_at <= s->now)
		looks_process(s);
	drain_late(s);
	judge_closed(s);
	/* Before another look begins: one that passes at once would hide that this one failed. */
	judge_now(s);
	for (size_t i = 0; i < s->n_slots && supervisor_has_started(s); i++) {
		const struct schedule *schedule = &s->monitor.probes[i].schedule;

		if (!schedule->is_looking && schedule->next_at <= s->now)
			start_look(s, i);
	}
}

/* Without a watchdog upstream a ping says nothing to anybody. */
static void send_ping(struct supervisor *s) {
	bool is_taken = s->has_watchdog && notifier_ping(&s->notifier) > 0;

	if (is_taken) {
		counters_ping(&s->counters, s->now);
		control_changed(s);
	}
	if (is_taken || !s->has_watchdog) {
		pinger_sent(&s->monitor.pinger, s->now);
		return;
	}
	pinger_failed(&s->monitor.pinger, s->now);
	/* Tried again before what else waits is. */
	s->flush_at = usec_add(s->now, NOTIFIER_RETRY_USEC);
}

bool looks_owe_ping(const struct supervisor *s) {
	return supervisor_has_started(s) && s->monitor.pinger.retry_at > 0 &&
	       monitor_ping_due_at(&s->monitor) != USEC_INFINITY;
}

static bool is_ping_due(const struct supervisor *s) {
	return monitor_ping_due_at(&s->monitor) <= s->now ||
	       (looks_owe_ping(s) && s->flush_at <= s->now);
}

void looks_ping(struct supervisor *s) {
	if (!supervisor_has_started(s) || !is_ping_due(s))
		return;
	looks_process(s);
	judge_now(s);
	if (supervisor_has_started(s) && is_ping_due(s))
		send_ping(s);
}

void looks_extend(struct supervisor *s, size_t slot, usec_t until_at) {
	/* Read before a stall is taken out of time: it would move along with the lease, or be lost
	 * with what that has too much. */
	if (s->behind_usec > 0)
		s->slots[slot].extended_at = MAX(s->slots[slot].extended_at, until_at);
	else
		health_extend(&s->monitor.probes[slot].health, until_at);
}

void looks_trigger(struct supervisor *s, ptrdiff_t slot) {
	struct outcome o;

	if (!supervisor_has_started(s))
		return;
	outcome_set(&o, CAUSE_TRIGGER, NULL);
	if (slot >= 0 && !s->monitor.probes[slot].is_drilled) {
		s->slots[slot].last = o;
		s->slots[slot].has_last = true;
	}
	judge_trigger(s, slot);
}

usec_t looks_overdue_at(const struct supervisor *s) {
	const struct health *h = &s->monitor.probes[MAX(s->notify_slot, 0)].health;

	if (s->notify_slot < 0 || !supervisor_has_started(s) || h->state != HEALTH_UP)
		return USEC_INFINITY;
	return usec_sub(lease_end(&h->lease), h->conf.lease_usec / 2);
}

/* Behind a stall: what was found out or asked for since we woke has its own time. */
static void take_up(struct supervisor *s, struct slot *slot, usec_t credit) {
	usec_t moved_at = usec_add(slot->closed_at, credit);

	if (moved_at != USEC_INFINITY)
		slot->closed_at = MIN(moved_at, usec_add(s->now, CLOSED_GRACE));
	if (slot->extended_at > 0)
		looks_extend(s, (size_t)(slot - s->slots), slot->extended_at);
	slot->extended_at = 0;
}

usec_t looks_stall(struct supervisor *s, usec_t scheduled_at) {
	usec_t credit;

	s->behind_usec = usec_sub(s->now, scheduled_at);
	forward_drain(s);
	s->behind_usec = 0;
	/* Not begun yet: nothing has a time that could be given back. */
	if (s->monitor.watchdog_usec == 0)
		return 0;
	if (monitor_stall_wants_ping(&s->monitor, scheduled_at)) {
		looks_process(s);
		if (s->monitor.process != PROCESS_STOPPED || s->monitor.is_paused)
			send_ping(s);
	}
	credit = monitor_stall_credit(&s->monitor, scheduled_at, s->now);
	for (size_t i = 0; i < s->n_slots; i++)
		take_up(s, &s->slots[i], credit);
	counters_stall(&s->counters, credit);
	message_stall(s, usec_sub(s->now, scheduled_at), credit);
	return credit;
}

usec_t looks_next_at(const struct supervisor *s) {
	usec_t at = USEC_INFINITY;

	for (size_t i = 0; i < s->n_slots; i++)
		if (s->slots[i].probe->rests_until_at > 0)
			at = MIN(at, s->slots[i].probe->rests_until_at);
	if (!supervisor_has_started(s))
		return at;
	at = MIN(at, monitor_next_at(&s->monitor));
	for (size_t i = 0; i < s->n_slots; i++)
		at = MIN(at, s->slots[i].closed_at);
	return at;
}
