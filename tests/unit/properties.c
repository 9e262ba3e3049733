/* SPDX-License-Identifier: MIT */
#include "properties.h"

#include <string.h>

#define SYSTEMD_LATE_USEC (250 * USEC_PER_MSEC)

struct seen {
	bool is_good, was_down, has_passed, is_drilled;
	usec_t lease, until, until_w, evidence_at, longest_gap;
	usec_t word_until; /* a word that is no beat (EXTEND_TIMEOUT_USEC=), good for W too */
	unsigned passes, fails;
	bool failed[64]; /* the last looks, newest first */
};

struct view {
	const struct ref_case *c;
	const struct ref_log *log;
	struct seen probes[REF_PROBES];
	usec_t last_ping, process_good_at, process_seen_at, charged;
	enum ref_process process;
	enum ref_service service;
	bool is_ready, is_stopped, is_latched, is_undisturbed, is_paused;
	bool was_unhealthy; /* since the last ping: another probe held it back, for W at most */
	bool was_gated;     /* a stopped process or a trigger deferred the next ping */
	unsigned broken;    /* 1 << enum property */
	size_t n, broken_at;
};

static void expect(struct view *v, bool holds, enum property p) {
	if (holds)
		return;

	if (v->broken == 0)
		v->broken_at = v->n;
	v->broken |= 1U << p;
}

static usec_t spacing(const struct view *v) {
	return MIN(v->c->watchdog / 10, USEC_PER_SEC);
}

static void see_look(struct seen *s, bool failed) {
	memmove(&s->failed[1], &s->failed[0], sizeof(s->failed) - sizeof(s->failed[0]));
	s->failed[0] = failed;
}

static bool is_window_full(const struct ref_probe *p, const struct seen *s) {
	unsigned n = 0;

	for (unsigned i = 0; i < p->window_y; i++)
		n += s->failed[i];
	return p->window_y > 0 && n >= p->window_x;
}

static void see_good(struct view *v, size_t i, usec_t at) {
	struct seen *s = &v->probes[i];

	s->has_passed = true;
	s->fails = 0;
	s->passes++;
	see_look(s, false);
	if (s->was_down && !s->is_good) {
		if (s->passes < v->c->probes[i].rise)
			return;
		memset(s->failed, 0, sizeof(s->failed));
	}
	s->is_good = true;
	s->longest_gap = MAX(s->longest_gap, at - s->evidence_at);
	s->evidence_at = at;
	s->until = usec_add(at, s->lease);
	s->until_w = usec_add(at, MAX(s->lease, v->c->watchdog));
}

static void see_bad(struct seen *s) {
	s->until = s->until_w = 0;
	s->is_good = false;
	s->was_down = true;
	s->passes = 0;
}

static void see_verdict(struct view *v, size_t i, usec_t at, enum ref_verdict verdict) {
	const struct ref_probe *p = &v->c->probes[i];
	struct seen *s = &v->probes[i];

	if (s->is_drilled)
		return;
	if (verdict == REF_PASS || verdict == REF_WARN)
		see_good(v, i, at);
	if (verdict != REF_FAIL)
		return;

	s->passes = 0;
	if (!s->has_passed && !(p->has_start_period && at >= p->start_period))
		return;
	s->fails++;
	see_look(s, true);
	if (s->is_good && (s->fails >= p->fall || is_window_full(p, s)))
		see_bad(s);
}

static void see_push(struct view *v, size_t i, usec_t at, const struct ref_push *push) {
	struct seen *s = &v->probes[i];

	switch (push->said) {
	case REF_BEAT:
		see_verdict(v, i, at, push->verdict);
		break;
	case REF_SET_LEASE:
		s->lease = push->usec;
		if (!s->is_drilled)
			see_good(v, i, at);
		break;
	case REF_EXTEND:
		if (!v->is_ready || !s->is_good)
			break;
		s->until = MAX(s->until, at + push->usec);
		s->until_w = MAX(s->until_w, at + push->usec);
		s->word_until = at + v->c->watchdog;
		break;
	case REF_TRIGGER:
		v->was_gated = true;
		see_bad(s);
		break;
	case REF_CLOSED:
		see_bad(s);
		break;
	}
}

static void see_ready(struct view *v, usec_t at) {
	v->is_ready = true;
	v->last_ping = at;
	v->process_good_at = at;
	for (size_t i = 0; i < v->c->n_probes; i++) {
		const struct ref_probe *p = &v->c->probes[i];
		struct seen *s = &v->probes[i];
		usec_t rest = p->has_start_period ? usec_sub(p->start_period, at) : 0;
		usec_t length = MAX(s->lease, v->c->watchdog);

		if (s->has_passed || s->was_down)
			continue;
		s->evidence_at = at;
		s->is_good = true;
		s->fails = 0;
		memset(s->failed, 0, sizeof(s->failed));
		s->until = s->until_w = usec_add(at, MAX(rest, length));
	}
}

static void see_resume(struct view *v, usec_t at) {
	v->is_paused = false;
	/* What was held back meanwhile is forgiven. */
	v->was_gated = true;
	v->process_good_at = at;
	for (size_t i = 0; i < v->c->n_probes; i++) {
		const struct ref_probe *p = &v->c->probes[i];
		struct seen *s = &v->probes[i];
		usec_t end_at = usec_add(at, MAX(s->lease, v->c->watchdog));

		/* Before READY what went bad starts once more. */
		if (!v->is_ready && s->was_down && !s->is_good)
			s->has_passed = false;
		if (p->has_start_period && !s->has_passed)
			end_at = MAX(end_at, p->start_period);
		s->is_drilled = s->was_down = false;
		s->fails = s->passes = 0;
		memset(s->failed, 0, sizeof(s->failed));
		if (!v->is_ready)
			continue;
		s->evidence_at = at;
		s->is_good = true;
		s->until = s->until_w = MAX(s->until, end_at);
	}
}

/* The K-th largest of until or of until_w. */
static usec_t kth(const struct view *v, bool is_w, usec_t at) {
	usec_t best = USEC_INFINITY;

	if (v->c->required == 0 || v->c->warns)
		return v->process_good_at + v->c->watchdog;
	for (size_t i = 0; i < v->c->n_probes; i++) {
		usec_t mine = is_w ? v->probes[i].until_w : v->probes[i].until;
		size_t n = 0;

		for (size_t k = 0; k < v->c->n_probes; k++)
			n += !v->c->probes[k].is_optional && v->probes[k].until > at &&
			     (is_w ? v->probes[k].until_w : v->probes[k].until) >= mine;
		if (!v->c->probes[i].is_optional && v->probes[i].until > at &&
		    n >= v->c->required && (best == USEC_INFINITY || mine > best))
			best = mine;
		if (mine == USEC_INFINITY && n >= v->c->required && !v->c->probes[i].is_optional)
			return USEC_INFINITY;
	}
	return best == USEC_INFINITY ? 0 : best;
}

/* All-of: what a ping at @at leaves to systemd, against each required probe's own last word. */
static void expect_end(struct view *v, usec_t at) {
	const struct ref_case *c = v->c;

	for (size_t i = 0; i < c->n_probes; i++) {
		usec_t gap = v->was_unhealthy && c->n_probes > 1 ? c->watchdog : 0;
		usec_t until = MAX(v->probes[i].until_w, v->probes[i].word_until);

		for (size_t k = 0; k < c->n_probes; k++) {
			const struct seen *s = &v->probes[k];

			if (k == i || c->probes[k].is_optional)
				continue;
			gap = MAX(gap, s->longest_gap);
			gap = MAX(gap, at - s->evidence_at);
		}
		if (!c->probes[i].is_optional)
			expect(v,
			       at + c->watchdog + SYSTEMD_LATE_USEC <=
				       usec_add(until, MIN(gap, c->watchdog) + spacing(v) +
							       SYSTEMD_LATE_USEC),
			       ENDS_THE_BAD);
	}
}

static void see_ping(struct view *v, usec_t at, bool is_stall) {
	const struct ref_case *c = v->c;
	size_t n_counting = 0;

	for (size_t i = 0; i < c->n_probes; i++)
		n_counting += !c->probes[i].is_optional;

	expect(v, v->is_ready, NOT_BEFORE_READY);
	expect(v, !v->is_stopped, NOT_AFTER_STOP);
	expect(v, !v->is_latched, NOT_AFTER_LATCH);
	expect(v, c->warns || v->is_paused || v->service != REF_UNHEALTHY, NOT_WHILE_UNHEALTHY);
	expect(v, (v->process != REF_STOPPED || v->is_paused) && v->process_seen_at == at,
	       NOT_WHILE_STOPPED);
	if (!is_stall) {
		expect(v, v->is_paused || kth(v, false, at) > at, NOT_ON_STALE);
		expect(v, at >= v->last_ping + spacing(v), NOT_TOO_SOON);
		expect(v, !v->is_paused || at >= v->last_ping + c->watchdog / 2, NOT_TOO_SOON);
	}
	if (v->is_undisturbed && !v->is_paused && !v->was_gated && !c->warns && c->required > 0 &&
	    c->required == n_counting)
		expect_end(v, at);
	v->last_ping = at;
	v->was_gated = v->was_unhealthy = false;
}

static void see_credit(struct view *v, usec_t at, usec_t credit) {
	const struct ref_case *c = v->c;

	v->charged += MIN(credit, c->watchdog);
	expect(v, v->charged <= c->watchdog + at / 10 + 1, CREDITS_IN_BUDGET);
	v->process_good_at = MIN(at, v->process_good_at + credit);
	for (size_t i = 0; i < c->n_probes; i++) {
		struct seen *s = &v->probes[i];

		if (s->until > 0) {
			s->until = usec_add(s->until, credit);
			s->until_w = usec_add(s->until_w, credit);
		}
	}
}

static void see(struct view *v, size_t n) {
	const struct ref_event *e = &v->log->events[n], *next = e + 1;
	bool is_last = n + 1 == v->log->n;

	switch (e->kind) {
	case REF_LOOK_START:
	case REF_REFUSED:
	case REF_IS_GOOD:
	case REF_KINDS:
		break;
	case REF_LOOK_END:
		see_verdict(v, (size_t)e->who, e->at, (enum ref_verdict)e->arg);
		break;
	case REF_PUSH:
		see_push(v, (size_t)e->who, e->at, &v->c->probes[e->who].pushes[e->arg]);
		break;
	case REF_PROCESS:
		v->process = (enum ref_process)e->arg;
		v->process_seen_at = e->at;
		if (v->process != REF_STOPPED)
			v->process_good_at = e->at;
		else
			v->was_gated = true;
		break;
	case REF_PING:
		see_ping(v, e->at, !is_last && next->kind == REF_CREDIT && next->at == e->at);
		break;
	case REF_SERVICE:
		v->service = (enum ref_service)e->arg;
		v->was_unhealthy |= v->service == REF_UNHEALTHY;
		v->is_latched |= v->c->latches && v->service == REF_UNHEALTHY;
		break;
	case REF_PAUSE:
		v->is_paused = true;
		break;
	case REF_RESUME:
		see_resume(v, e->at);
		break;
	case REF_DRILL:
		see_bad(&v->probes[e->who]);
		v->probes[e->who].is_drilled = true;
		break;
	case REF_PROBE_GOOD:
		expect(v, !e->arg || !v->probes[e->who].is_drilled, DRILLED_IS_BAD);
		if (!e->arg && v->probes[e->who].is_good)
			see_bad(&v->probes[e->who]);
		break;
	case REF_CREDIT:
		see_credit(v, e->at, e->arg);
		break;
	case REF_READY:
		see_ready(v, e->at);
		break;
	case REF_STOP:
		v->is_stopped = true;
		break;
	}
}

/* Nothing happens from @at on, until @next_at. */
static void see_silence(struct view *v, usec_t at, usec_t next_at) {
	usec_t w = v->c->watchdog, horizon_at, due_at;

	if (v->is_undisturbed && v->is_ready && v->is_paused && !v->is_stopped && !v->is_latched) {
		expect(v, next_at <= v->last_ping + w / 2, PAUSED_IS_PINGED);
		return;
	}
	if (!v->is_undisturbed || !v->is_ready || v->is_stopped || v->is_latched ||
	    v->process == REF_STOPPED || (v->service == REF_UNHEALTHY && !v->c->warns))
		return;

	expect(v, next_at <= v->last_ping + w, SPARES_THE_GOOD);
	horizon_at = kth(v, true, at);
	if (v->last_ping + w >= horizon_at)
		return;
	due_at = MAX(v->last_ping + spacing(v), MIN(v->last_ping + w / 2, horizon_at - w));
	expect(v, due_at > at && next_at <= due_at, NOT_TOO_LATE);
}

unsigned broken_by(const struct ref_case *c, const struct ref_log *log, bool is_undisturbed,
		   size_t *ret_at) {
	struct view v = {.c = c, .log = log, .is_undisturbed = is_undisturbed};

	for (size_t i = 0; i < c->n_probes; i++)
		v.probes[i].lease = ref_lease(c, &c->probes[i]);
	for (size_t n = 0; n < log->n; n++) {
		v.n = n;
		see(&v, n);
		if (n + 1 < log->n && log->events[n + 1].at > log->events[n].at)
			see_silence(&v, log->events[n].at, log->events[n + 1].at);
	}
	*ret_at = v.broken_at;
	return v.broken;
}

bool misses_nothing(const struct monitor *m, usec_t now) {
	usec_t next_at = monitor_next_at(m), ping_at = monitor_ping_due_at(m);

	if (m->is_stopping)
		return next_at == USEC_INFINITY;
	if (next_at <= now || next_at > m->process_look_at || next_at > ping_at)
		return false;
	if (m->is_ready && !m->is_paused && m->service != SERVICE_UNHEALTHY &&
	    next_at > m->process_good_at + m->watchdog_usec)
		return false;
	for (size_t i = 0; i < m->n_probes; i++) {
		const struct monitor_probe *p = &m->probes[i];

		if (p->is_scheduled && next_at > (p->schedule.is_looking ? p->schedule.deadline_at
									 : p->schedule.next_at))
			return false;
		if (p->health.state == HEALTH_UP && next_at > lease_end(&p->health.lease))
			return false;
	}
	return true;
}
