/* SPDX-License-Identifier: MIT */
/*
 * What people ask of us over the control socket: maintenance, in which nothing is acted upon, and
 * drills, in which a probe counts as failed.  What that means is decided in core/monitor.c; here is
 * who asked, until when, and what is said of it.
 */
#include "app/internal.h"
#include "base/text.h"

bool pause_is_on(const struct supervisor *s) {
	return s->monitor.is_paused && supervisor_has_started(s);
}

void pause_say(const struct supervisor *s, struct text *t) {
	char span[USEC_STR_MAX];

	if (!pause_is_on(s))
		return;
	text_add(t, "paused");
	if (s->pause.at != USEC_INFINITY)
		text_addf(t, " for %s", usec_str(span, s->pause.for_usec));
	text_add(t, "; ");
}

/* Why nobody may be told anything now, or NULL. */
static const char *refusal(const struct supervisor *s) {
	if (s->life < LIFE_STARTING)
		return "the service is not started yet";
	if (!supervisor_has_started(s))
		return "the service is stopping";
	if (s->monitor.is_latched)
		return "the service is unhealthy for good, and will be ended";
	return NULL;
}

const char *pause_begin(struct supervisor *s, usec_t for_usec, const char *who) {
	const char *reason = refusal(s);

	if (reason)
		return reason;
	if (!pause_is_on(s)) {
		s->pause.start_left_usec = usec_sub(s->start_timeout_at, s->now);
		s->start_timeout_at = USEC_INFINITY;
	}
	s->pause.for_usec = for_usec;
	s->pause.at = usec_add(s->now, for_usec);
	monitor_pause(&s->monitor);
	message_paused(s, for_usec, who);
	status_changed(s);
	return NULL;
}

static bool has_drill(const struct supervisor *s) {
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->monitor.probes[i].is_drilled)
			return true;
	return false;
}

/* What was closed before READY=1 stays so; after it the lease of the resume says the same. */
static void end_closed(struct supervisor *s) {
	for (size_t i = 0; i < s->n_slots && !s->monitor.is_ready; i++) {
		const struct slot *slot = &s->slots[i];

		if (slot->probe->conf->kind->mode == PROBE_PUSH && slot->has_last &&
		    slot->last.cause == CAUSE_CLOSED && slot->closed_at == USEC_INFINITY)
			(void)monitor_end_probe(&s->monitor, i);
	}
}

const char *pause_end(struct supervisor *s, const char *who) {
	const char *reason = refusal(s);
	bool was_paused = pause_is_on(s);

	if (reason)
		return reason;
	if (!was_paused && !has_drill(s))
		return NULL;
	s->pause.at = USEC_INFINITY;
	if (was_paused && s->life == LIFE_STARTING)
		s->start_timeout_at = usec_add(s->now, s->pause.start_left_usec);
	/* What a drill said was never found out. */
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->monitor.probes[i].is_drilled)
			s->slots[i].has_last = false;
	monitor_resume(&s->monitor, s->now);
	end_closed(s);
	message_resumed(s, was_paused, who);
	judge_now(s);
	status_changed(s);
	return NULL;
}

const char *pause_drill(struct supervisor *s, size_t slot, const char *who) {
	const char *reason = refusal(s);

	if (!reason && !s->monitor.is_ready)
		reason = "the service is not ready yet";
	if (!reason && s->monitor.is_paused)
		reason = "the service is paused";
	if (reason)
		return reason;
	if (s->monitor.probes[slot].is_drilled)
		return NULL;
	outcome_set(&s->slots[slot].last, CAUSE_DRILL, NULL);
	s->slots[slot].has_last = true;
	(void)monitor_drill(&s->monitor, slot);
	message_drill(s, slot, who);
	judge_now(s);
	status_changed(s);
	return NULL;
}

void pause_turn(struct supervisor *s) {
	if (s->pause.at > s->now)
		return;
	s->pause.at = USEC_INFINITY;
	(void)pause_end(s, NULL);
}
