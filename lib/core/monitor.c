/* SPDX-License-Identifier: MIT */
#include "core/monitor.h"

#include <string.h>

void monitor_init(struct monitor *m, usec_t watchdog_usec, const struct monitor_probe_conf *probes,
		  size_t n_probes, size_t required, bool ignores_health, usec_t now) {
	assert(n_probes <= MONITOR_PROBES_MAX);
	memset(m, 0, offsetof(struct monitor, probes));
	m->watchdog_usec = watchdog_usec;
	m->slack_usec = lease_slack(watchdog_usec);
	m->n_probes = n_probes;
	m->required = required;
	m->ignores_health = ignores_health;
	m->culprit = MONITOR_PROCESS;
	m->process_good_at = now;
	m->process_look_at = usec_add(now, watchdog_usec / 2);
	for (size_t i = 0; i < n_probes; i++) {
		struct monitor_probe *p = &m->probes[i];

		*p = (struct monitor_probe){
			.is_scheduled = probes[i].is_scheduled,
			.is_optional = probes[i].is_optional,
		};
		health_init(&p->health, &probes[i].health, now);
		schedule_init(&p->schedule, &probes[i].schedule,
			      p->is_scheduled ? now : USEC_INFINITY);
	}
	pinger_init(&m->pinger, watchdog_usec);
	stall_init(&m->stall, watchdog_usec, now);
}

static struct quorum find_quorum(const struct monitor *m) {
	const struct health *probes[MONITOR_PROBES_MAX];
	bool is_optional[MONITOR_PROBES_MAX];

	for (size_t i = 0; i < m->n_probes; i++) {
		probes[i] = &m->probes[i].health;
		is_optional[i] = m->probes[i].is_optional;
	}
	return quorum_of(probes, is_optional, m->n_probes, m->required, m->watchdog_usec);
}

/* The process as the composite: L = W from the last look that saw it run. */
static usec_t process_end_at(const struct monitor *m) {
	return usec_add(m->process_good_at, m->watchdog_usec);
}

/* Who is to be named while the service is unhealthy; what a pause freezes it keeps its name. */
static void blame(struct monitor *m, ptrdiff_t culprit) {
	if (!m->is_paused)
		m->culprit = culprit;
}

/* Remembers which probe turned bad last: it is the one to name. */
static enum health_edge note_edge(struct monitor *m, size_t i, enum health_edge edge) {
	if (edge == HEALTH_WENT_DOWN && !m->probes[i].is_optional)
		blame(m, (ptrdiff_t)i);
	return edge;
}

static bool is_triggered_still(const struct monitor *m) {
	for (size_t i = 0; i < m->n_probes; i++)
		if (m->probes[i].is_triggering)
			return true;
	return m->is_triggered_for_good;
}

enum health_edge monitor_feed(struct monitor *m, size_t i, enum verdict verdict, usec_t now) {
	struct health *h = &m->probes[i].health;
	enum health_edge edge;

	assert(i < m->n_probes);
	if (m->probes[i].is_drilled)
		return HEALTH_SAME;
	edge = health_feed(h, verdict, now);
	if (m->probes[i].is_triggering && h->state == HEALTH_UP) {
		m->probes[i].is_triggering = false;
		m->is_triggered = is_triggered_still(m);
	}
	return note_edge(m, i, edge);
}

static usec_t process_next_look_at(const struct monitor *m, usec_t now) {
	return usec_add(now, m->watchdog_usec / (m->process == PROCESS_STOPPED ? 10 : 2));
}

void monitor_process(struct monitor *m, enum process_state state, usec_t now) {
	m->process = state;
	if (state != PROCESS_STOPPED)
		m->process_good_at = now;
	m->process_look_at = process_next_look_at(m, now);
}

void monitor_look_started(struct monitor *m, size_t i, usec_t now) {
	schedule_started(&m->probes[i].schedule, now);
}

static enum schedule_pace pace_of(const struct health *h, enum verdict verdict) {
	if (verdict == VERDICT_UNKNOWN)
		return SCHEDULE_RETRY;
	if (!h->has_passed && (h->state == HEALTH_NEW || h->was_granted))
		return SCHEDULE_START;
	if ((h->state == HEALTH_UP && h->fails > 0) || (h->state == HEALTH_DOWN && h->passes > 0))
		return SCHEDULE_FAST;
	return SCHEDULE_STEADY;
}

enum health_edge monitor_look_ended(struct monitor *m, size_t i, enum verdict verdict, usec_t now) {
	struct monitor_probe *p = &m->probes[i];
	enum health_edge edge = monitor_feed(m, i, verdict, now);

	schedule_ended(&p->schedule, pace_of(&p->health, verdict), now);
	return edge;
}

void monitor_look_idle(struct monitor *m, size_t i, usec_t now) {
	schedule_ended(&m->probes[i].schedule, SCHEDULE_STEADY, now);
}

enum health_edge monitor_end_probe(struct monitor *m, size_t i) {
	enum health_edge edge = health_end(&m->probes[i].health);

	/* Before READY it may never have been good: it is the one to name all the same. */
	if (!m->probes[i].is_optional)
		blame(m, (ptrdiff_t)i);
	return edge;
}

void monitor_trigger(struct monitor *m, ptrdiff_t i) {
	if (i >= 0) {
		(void)health_end(&m->probes[i].health);
		m->probes[i].is_triggering = true;
	} else {
		m->is_triggered_for_good = true;
	}
	blame(m, i);
	m->is_triggered = true;
}

void monitor_set_lease(struct monitor *m, size_t i, usec_t lease_usec) {
	m->probes[i].health.conf.lease_usec = lease_usec;
}

void monitor_ready(struct monitor *m, usec_t now) {
	m->is_ready = true;
	pinger_open(&m->pinger, now);
	for (size_t i = 0; i < m->n_probes; i++)
		health_grant(&m->probes[i].health, now, m->watchdog_usec);
	/* READY counts as a ping, and so does what it says of the process. */
	m->process_good_at = now;
	m->process_look_at = process_next_look_at(m, now);
}

bool monitor_is_good(const struct monitor *m) {
	return m->process != PROCESS_STOPPED && !m->is_triggered &&
	       (m->required == 0 || find_quorum(m).n_good >= m->required);
}

/* Before READY only what can never become good again counts. */
static bool is_lost_before_ready(const struct monitor *m) {
	size_t possible = 0;

	for (size_t i = 0; i < m->n_probes; i++)
		if (!m->probes[i].is_optional && !m->probes[i].health.was_ended)
			possible++;
	return possible < m->required;
}

static enum service_health service_of(const struct monitor *m, usec_t now) {
	bool is_degraded = m->process == PROCESS_TRACED;

	if (m->is_latched || m->is_triggered)
		return SERVICE_UNHEALTHY;
	if (!m->is_ready)
		return is_lost_before_ready(m) ? SERVICE_UNHEALTHY : SERVICE_HEALTHY;
	if (process_end_at(m) <= now)
		return SERVICE_UNHEALTHY;
	if (m->required > 0 && find_quorum(m).n_good < m->required)
		return SERVICE_UNHEALTHY;
	for (size_t i = 0; i < m->n_probes; i++) {
		const struct health *h = &m->probes[i].health;

		if (!m->probes[i].is_optional && (health_is_degraded(h) || h->state == HEALTH_DOWN))
			is_degraded = true;
	}
	return is_degraded ? SERVICE_DEGRADED : SERVICE_HEALTHY;
}

bool monitor_judge(struct monitor *m, usec_t now) {
	enum service_health before = m->service;

	if (m->is_stopping)
		return false;
	for (size_t i = 0; i < m->n_probes; i++)
		(void)note_edge(m, i, health_judge(&m->probes[i].health, now));
	if (m->is_paused)
		return false;
	m->service = service_of(m, now);
	/* A process that stood still for W explains whatever else ran out with it. */
	if (m->service == SERVICE_UNHEALTHY && before != SERVICE_UNHEALTHY && m->is_ready &&
	    !m->is_triggered && !m->is_latched && process_end_at(m) <= now)
		m->culprit = MONITOR_PROCESS;
	return m->service != before;
}

usec_t monitor_ping_due_at(const struct monitor *m) {
	usec_t horizon_at;

	if (m->is_stopping || m->is_latched)
		return USEC_INFINITY;
	if (m->is_paused)
		return pinger_due_at(&m->pinger, USEC_INFINITY);
	if (m->process == PROCESS_STOPPED)
		return USEC_INFINITY;
	if (m->ignores_health || m->required == 0)
		horizon_at = process_end_at(m);
	else
		horizon_at = find_quorum(m).horizon_at;
	if (m->service == SERVICE_UNHEALTHY && !m->ignores_health)
		return USEC_INFINITY;
	return pinger_due_at(&m->pinger, horizon_at);
}

bool monitor_stall_wants_ping(const struct monitor *m, usec_t scheduled_at) {
	if (m->is_stopping || m->is_latched || !m->pinger.is_open || m->pinger.is_stopped)
		return false;
	if (m->is_paused)
		return true;
	if (m->process == PROCESS_STOPPED)
		return false;
	if (m->ignores_health)
		return true;
	if (m->service == SERVICE_UNHEALTHY || process_end_at(m) <= scheduled_at)
		return false;
	return m->required == 0 || find_quorum(m).end_at > scheduled_at;
}

/*
 * What was frozen with us (the cgroup, the machine) runs again only now: a lease whose own end was
 * the wake-up would end in this very turn, before the child could say anything.  So the slack, for
 * which nobody counts as late, comes on top.
 */
usec_t monitor_stall_credit(struct monitor *m, usec_t scheduled_at, usec_t now) {
	usec_t gap = usec_add(usec_sub(now, scheduled_at), m->slack_usec);
	usec_t credit = stall_credit(&m->stall, gap, now);
	usec_t latest_at = usec_add(now, m->slack_usec);

	/* The ping of this stall may have looked at the process just now: never into the future. */
	m->process_good_at = MIN(now, usec_add(m->process_good_at, credit));
	for (size_t i = 0; i < m->n_probes; i++) {
		struct lease *lease = &m->probes[i].health.lease;

		health_shift(&m->probes[i].health, credit);
		/* Nor what was read since we woke, and before this. */
		lease->evidence_at = MIN(lease->evidence_at, latest_at);
		schedule_shift(&m->probes[i].schedule, credit);
	}
	return credit;
}

void monitor_stop(struct monitor *m) {
	m->is_stopping = true;
	pinger_stop(&m->pinger);
	for (size_t i = 0; i < m->n_probes; i++)
		schedule_stop(&m->probes[i].schedule);
}

void monitor_latch(struct monitor *m) {
	m->is_latched = true;
	pinger_stop(&m->pinger);
}

void monitor_pause(struct monitor *m) {
	m->is_paused = true;
}

void monitor_resume(struct monitor *m, usec_t now) {
	m->is_paused = false;
	for (size_t i = 0; i < m->n_probes; i++) {
		struct monitor_probe *p = &m->probes[i];

		p->is_drilled = p->is_triggering = false;
		health_restart(&p->health, m->is_ready, now, m->watchdog_usec);
	}
	m->is_triggered = m->is_triggered_for_good;
	if (m->is_triggered)
		m->culprit = MONITOR_PROCESS;
	m->process_good_at = now;
}

enum health_edge monitor_drill(struct monitor *m, size_t i) {
	assert(i < m->n_probes && m->is_ready && !m->is_paused);
	m->probes[i].is_drilled = true;
	return note_edge(m, i, health_end(&m->probes[i].health));
}

usec_t monitor_next_at(const struct monitor *m) {
	usec_t next_at = m->process_look_at;
	usec_t ping_at = monitor_ping_due_at(m);

	if (m->is_stopping)
		return USEC_INFINITY;
	next_at = MIN(next_at, ping_at);
	if (m->is_ready && m->service != SERVICE_UNHEALTHY && !m->is_paused)
		next_at = MIN(next_at, process_end_at(m));
	for (size_t i = 0; i < m->n_probes; i++) {
		const struct monitor_probe *p = &m->probes[i];
		usec_t schedule_at = schedule_next_at(&p->schedule);

		next_at = MIN(next_at, schedule_at);
		if (p->health.state == HEALTH_UP) {
			usec_t end_at = lease_end(&p->health.lease);

			next_at = MIN(next_at, end_at);
		}
	}
	return next_at;
}

usec_t monitor_evidence_at(const struct monitor *m) {
	struct quorum q;

	if (m->required == 0)
		return m->process_good_at;
	q = find_quorum(m);
	return q.evidence < 0 ? 0 : m->probes[q.evidence].health.lease.evidence_at;
}
