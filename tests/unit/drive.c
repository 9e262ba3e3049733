/* SPDX-License-Identifier: MIT */
#include "drive.h"

#include <stdlib.h>
#include <string.h>

static void note(struct drive *d, enum ref_kind kind, size_t who, uint64_t arg) {
	if (d->log != NULL)
		ref_log_add(d->log, d->now, kind, (int)who, arg);
}

/* The numbers of both enums are the same words in the same order. */
static_assert((int)REF_PASS == VERDICT_PASS && (int)REF_WARN == VERDICT_WARN &&
		      (int)REF_FAIL == VERDICT_FAIL && (int)REF_UNKNOWN == VERDICT_UNKNOWN,
	      "verdicts");
static_assert((int)REF_TRACED == PROCESS_TRACED && (int)REF_STOPPED == PROCESS_STOPPED, "process");
static_assert((int)REF_DEGRADED == SERVICE_DEGRADED && (int)REF_UNHEALTHY == SERVICE_UNHEALTHY,
	      "service");
static_assert(REF_FOREVER == USEC_INFINITY, "infinity");

static void setup(struct drive *d) {
	const struct ref_case *c = d->c;
	struct monitor_probe_conf confs[REF_PROBES];

	memset(confs, 0, sizeof(confs));
	for (size_t i = 0; i < c->n_probes; i++) {
		const struct ref_probe *p = &c->probes[i];
		usec_t slack_usec = lease_slack(c->watchdog);

		confs[i] = (struct monitor_probe_conf){
			.health = {.lease_usec = p->silence,
				   .fall = p->fall,
				   .rise = p->rise,
				   .window_failures = p->window_x,
				   .window_looks = p->window_y,
				   .start_period_usec =
					   p->has_start_period ? p->start_period : USEC_INFINITY},
			.is_scheduled = p->is_pull || p->is_watched,
			.is_optional = p->is_optional,
		};
		if (p->is_watched) {
			confs[i].health.lease_usec =
				lease_length_push(p->silence, p->interval, slack_usec);
			confs[i].schedule = (struct schedule_conf){
				.interval_usec = p->interval,
				.fast_usec = p->interval,
				.start_usec = p->interval,
				.retry_usec = MIN(p->interval, slack_usec / 2),
				.phase_usec = p->phase,
			};
		}
		if (!p->is_pull)
			continue;
		confs[i].health.lease_usec =
			lease_length_pull(p->interval, p->fast, p->timeout, p->fall, slack_usec);
		confs[i].schedule = (struct schedule_conf){
			.interval_usec = p->interval,
			.timeout_usec = p->timeout,
			.fast_usec = p->fast,
			.start_usec = p->start_interval,
			.retry_usec = MIN(p->fast, slack_usec / 2),
			.phase_usec = p->phase,
		};
	}
	monitor_init(&d->monitor, c->watchdog, confs, c->n_probes, c->required, c->warns, 0);
}

/* When the answer of the look of probe @i that is under way is there. */
static usec_t answer_at(const struct drive *d, size_t i) {
	const struct ref_probe *p = &d->c->probes[i];

	if (!d->monitor.probes[i].schedule.is_looking)
		return USEC_INFINITY;
	return usec_add(d->monitor.probes[i].schedule.started_at,
			p->looks[d->n_looks[i] % p->n_looks].duration);
}

static usec_t outside_at(const struct drive *d) {
	const struct ref_case *c = d->c;
	usec_t at = MIN(c->stop_at, c->end_at);

	if (!d->monitor.is_ready)
		at = MIN(at, c->ready_at);
	if (!d->is_triggered)
		at = MIN(at, c->trigger_at);
	for (size_t i = 0; i < REF_SPANS && c->pauses[i].to > 0; i++) {
		if (c->pauses[i].from > d->now)
			at = MIN(at, c->pauses[i].from);
		if (c->pauses[i].to > d->now)
			at = MIN(at, c->pauses[i].to);
	}
	if (d->next_drill < c->n_drills)
		at = MIN(at, c->drills[d->next_drill].at);
	for (size_t i = 0; i < c->n_probes; i++) {
		usec_t answer = answer_at(d, i);

		at = MIN(at, answer);
		if (d->next_push[i] < c->probes[i].n_pushes)
			at = MIN(at, c->probes[i].pushes[d->next_push[i]].at);
	}
	return at;
}

static void look_at_process(struct drive *d) {
	const struct ref_span *span = ref_span_at(d->c->process, d->now);
	enum process_state state =
		span != NULL ? (enum process_state)span->process : PROCESS_RUNNING;

	monitor_process(&d->monitor, state, d->now);
	note(d, REF_PROCESS, 0, state);
}

static void send_ping(struct drive *d) {
	if (ref_span_at(d->c->full, d->now) != NULL) {
		note(d, REF_REFUSED, 0, 0);
		pinger_failed(&d->monitor.pinger, d->now);
		return;
	}
	note(d, REF_PING, 0, 0);
	pinger_sent(&d->monitor.pinger, d->now);
}

static void take_stall(struct drive *d) {
	usec_t credit;

	if (d->now <= d->scheduled_at || d->now - d->scheduled_at <= d->monitor.slack_usec)
		return;

	if (monitor_stall_wants_ping(&d->monitor, d->scheduled_at)) {
		look_at_process(d);
		if (d->monitor.process != PROCESS_STOPPED || d->monitor.is_paused)
			send_ping(d);
	}
	credit = monitor_stall_credit(&d->monitor, d->scheduled_at, d->now);
	note(d, REF_CREDIT, 0, credit);
}

static void end_look(struct drive *d, size_t i, enum verdict verdict) {
	note(d, REF_LOOK_END, i, verdict);
	monitor_look_ended(&d->monitor, i, verdict, d->now);
}

static void watch(struct drive *d, size_t i) {
	const struct ref_probe *p = &d->c->probes[i];
	enum ref_verdict verdict = p->looks[++d->n_looks[i] % p->n_looks].verdict;

	note(d, REF_LOOK_START, i, 0);
	monitor_look_started(&d->monitor, i, d->now);
	if (verdict != REF_NOTHING) {
		end_look(d, i, (enum verdict)verdict);
		return;
	}
	note(d, REF_LOOK_END, i, verdict);
	monitor_look_idle(&d->monitor, i, d->now);
}

static void take_push(struct drive *d, size_t i, size_t k) {
	const struct ref_push *push = &d->c->probes[i].pushes[k];
	struct monitor *m = &d->monitor;

	note(d, REF_PUSH, i, k);
	switch (push->said) {
	case REF_BEAT:
		monitor_feed(m, i, (enum verdict)push->verdict, d->now);
		break;
	case REF_CLOSED:
		monitor_end_probe(m, i);
		break;
	case REF_TRIGGER:
		monitor_trigger(m, (ptrdiff_t)i);
		break;
	case REF_SET_LEASE:
		monitor_set_lease(m, i, push->usec);
		monitor_feed(m, i, VERDICT_PASS, d->now);
		break;
	case REF_EXTEND:
		if (m->is_ready)
			health_extend(&m->probes[i].health, usec_add(d->now, push->usec));
		break;
	}
}

static void take_inputs(struct drive *d) {
	const struct ref_case *c = d->c;

	for (size_t i = 0; i < c->n_probes; i++) {
		const struct ref_probe *p = &c->probes[i];

		if (answer_at(d, i) <= d->now)
			end_look(d, i, (enum verdict)p->looks[d->n_looks[i] % p->n_looks].verdict);
		while (d->next_push[i] < p->n_pushes && p->pushes[d->next_push[i]].at <= d->now)
			take_push(d, i, d->next_push[i]++);
	}
	if (!d->is_triggered && c->trigger_at <= d->now) {
		d->is_triggered = true;
		monitor_trigger(&d->monitor, MONITOR_PROCESS);
	}
	if (d->monitor.process_look_at <= d->now)
		look_at_process(d);
}

/* As the supervisor, which refuses what would make no sense. */
static void take_maintenance(struct drive *d) {
	struct monitor *m = &d->monitor;
	bool wants_pause = ref_span_at(d->c->pauses, d->now) != NULL && !m->is_latched;

	if (wants_pause && !m->is_paused) {
		note(d, REF_PAUSE, 0, 0);
		monitor_pause(m);
	} else if (!wants_pause && m->is_paused) {
		note(d, REF_RESUME, 0, 0);
		monitor_resume(m, d->now);
	}
	for (; d->next_drill < d->c->n_drills && d->c->drills[d->next_drill].at <= d->now;
	     d->next_drill++) {
		size_t who = d->c->drills[d->next_drill].who;

		if (!m->is_ready || m->is_paused || m->is_latched)
			continue;
		note(d, REF_DRILL, who, 0);
		(void)monitor_drill(m, who);
	}
}

static void judge(struct drive *d) {
	struct monitor *m = &d->monitor;
	bool has_changed = monitor_judge(m, d->now);

	for (size_t i = 0; i < m->n_probes; i++) {
		bool is_good = m->probes[i].health.state == HEALTH_UP;

		if (is_good != d->was_good[i])
			note(d, REF_PROBE_GOOD, i, is_good);
		d->was_good[i] = is_good;
	}
	if (!has_changed)
		return;

	note(d, REF_SERVICE, 0, m->service);
	if (m->service == SERVICE_UNHEALTHY && d->c->latches)
		monitor_latch(m);
}

static void turn(struct drive *d) {
	struct monitor *m = &d->monitor;
	bool is_good;

	take_stall(d);
	take_inputs(d);
	for (size_t i = 0; i < m->n_probes; i++)
		if (m->probes[i].schedule.is_looking && m->probes[i].schedule.deadline_at <= d->now)
			end_look(d, i, VERDICT_FAIL);
	for (size_t i = 0; i < m->n_probes; i++)
		if (d->c->probes[i].is_watched && m->probes[i].schedule.next_at <= d->now)
			watch(d, i);
	if (!m->is_ready && d->c->ready_at <= d->now) {
		look_at_process(d);
		note(d, REF_READY, 0, 0);
		monitor_ready(m, d->now);
	}
	take_maintenance(d);
	judge(d);
	if (monitor_ping_due_at(m) <= d->now) {
		look_at_process(d);
		judge(d);
		if (monitor_ping_due_at(m) <= d->now)
			send_ping(d);
	}
	for (size_t i = 0; i < m->n_probes; i++) {
		const struct monitor_probe *p = &m->probes[i];

		if (!d->c->probes[i].is_pull || p->schedule.is_looking ||
		    p->schedule.next_at > d->now)
			continue;
		d->n_looks[i]++;
		monitor_look_started(m, i, d->now);
		note(d, REF_LOOK_START, i, 0);
	}
	is_good = monitor_is_good(m);
	if (!m->is_ready && is_good != d->was_is_good)
		note(d, REF_IS_GOOD, 0, is_good);
	d->was_is_good = is_good;
}

static usec_t round_up(usec_t at, usec_t grid_usec) {
	return at == USEC_INFINITY ? at : (at + grid_usec - 1) / grid_usec * grid_usec;
}

void drive_run(struct drive *d, const struct ref_case *c) {
	d->c = c;
	if (d->log != NULL)
		d->log->n = 0;
	setup(d);
	d->scheduled_at = 0;
	while (d->now < c->end_at) {
		const struct ref_span *stall;
		usec_t outside;

		/* It may sleep at once. */
		while ((stall = ref_span_at(c->stalls, d->now)) != NULL)
			d->now = stall->to;
		if (d->now >= c->end_at)
			break;
		if (c->stop_at <= d->now) {
			note(d, REF_STOP, 0, 0);
			monitor_stop(&d->monitor);
			if (d->check != NULL)
				(void)d->check(d);
			break;
		}
		turn(d);
		if (d->check != NULL && !d->check(d))
			break;

		d->scheduled_at = round_up(monitor_next_at(&d->monitor), d->grid_usec);
		if (d->scheduled_at <= d->now) {
			d->is_stuck = true;
			break;
		}
		outside = outside_at(d);
		d->now = MIN(d->scheduled_at, outside);
	}
}

size_t drive_runs(size_t runs, size_t least) {
	const char *text = getenv("SDWD_TEST_SCALE");
	double scale = text != NULL ? strtod(text, NULL) : 1;
	double scaled = (double)runs * (scale > 0 ? scale : 1);

	return scaled < (double)least ? least : (size_t)scaled;
}
