/* SPDX-License-Identifier: MIT */
/*
 * The service's health, found anew by core/monitor.c: what ran out gets its words, and what changed
 * goes to the lifecycle.
 */
#include <string.h>

#include "app/internal.h"
#include "base/text.h"

void judge_say_run_out(const struct supervisor *s, size_t i, const struct lease *lease,
		       struct text *t) {
	char age[USEC_STR_MAX];

	usec_str_short(age, usec_sub(s->now, lease->evidence_at));
	if (s->slots[i].probe->conf->kind->mode == PROBE_PUSH)
		text_addf(t, "no sign of life for %s", age);
	else
		text_addf(t, "no good look for %s", age);
	if (s->slots[i].has_last && s->slots[i].last.verdict != VERDICT_PASS)
		text_addf(t, "; last: %s", s->slots[i].last.text);
}

/* The leases that ran out in this judgement get the words for it. */
static void name_run_out(struct supervisor *s, size_t i, const struct lease *lease) {
	enum probe_mode mode = s->slots[i].probe->conf->kind->mode;
	char text[OUTCOME_TEXT_MAX];
	struct text t = TEXT_OVER(text);
	struct outcome o;

	/* A stopped daemon is not counted as looked at: that it stopped is what is to be said. */
	if (mode == PROBE_STATE && s->monitor.process == PROCESS_STOPPED) {
		outcome_set(&o, CAUSE_STOPPED, NULL);
	} else {
		judge_say_run_out(s, i, lease, &t);
		outcome_set(&o, mode == PROBE_PUSH ? CAUSE_SILENT : CAUSE_STALE, "%s", text);
	}
	looks_keep_last(s, i, &o);
}

static void report(struct supervisor *s, enum service_health before) {
	enum service_health after = s->monitor.service;

	status_changed(s);
	if (after == SERVICE_UNHEALTHY) {
		supervisor_event(s, LIFE_BAD);
		return;
	}
	if (before == SERVICE_UNHEALTHY)
		supervisor_event(s, LIFE_GOOD);
	if (s->monitor.is_ready && (after == SERVICE_DEGRADED || before == SERVICE_DEGRADED))
		message_degraded(s, after == SERVICE_DEGRADED);
}

static void judge_at(struct supervisor *s, usec_t at) {
	enum service_health before = s->monitor.service;
	struct lease leases[MONITOR_PROBES_MAX];
	bool was_up[MONITOR_PROBES_MAX] = {0}, has_changed;
	usec_t evidence_at;

	if (!supervisor_has_started(s))
		return;
	for (size_t i = 0; i < s->n_slots; i++) {
		was_up[i] = s->monitor.probes[i].health.state == HEALTH_UP;
		leases[i] = s->monitor.probes[i].health.lease;
	}
	/* Failures have ended the lease by now: what it said before them stays. */
	evidence_at = monitor_evidence_at(&s->monitor);
	if (before != SERVICE_UNHEALTHY && evidence_at > 0)
		s->evidence_at = evidence_at;
	has_changed = monitor_judge(&s->monitor, at);
	for (size_t i = 0; i < s->n_slots; i++)
		if (was_up[i] && s->monitor.probes[i].health.state == HEALTH_DOWN)
			name_run_out(s, i, &leases[i]);
	if (has_changed)
		report(s, before);
}

void judge_now(struct supervisor *s) {
	judge_at(s, s->now);
}

/* At once: a beat right behind it would hide it. No lease ends before it was drained. */
void judge_trigger(struct supervisor *s, ptrdiff_t slot) {
	monitor_trigger(&s->monitor, slot);
	judge_at(s, 0);
}
