/* SPDX-License-Identifier: MIT */
/*
 * Up to systemd: READY, STATUS, STOPPING, the trigger, more time for the start.  STATUS goes on
 * change only, at most once a second, and carries the child's own words with ours behind them while
 * it is not healthy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/internal.h"
#include "base/text.h"

#define STATUS_SPACING USEC_PER_SEC
/* Our own words, and those with the child's before them. */
#define OWN_MAX (OUTCOME_TEXT_MAX + 128)
#define COMPOSED_MAX (OWN_MAX + sizeof(((struct supervisor *)NULL)->child_status) + 8)
/* Each EXTEND_TIMEOUT_USEC= gives so much, and comes again after half of it. */
#define EXTEND_STEP (10 * USEC_PER_SEC)
/* A manager that re-executes is away for a moment: no word of that. */
#define MUTE_MAX (5 * USEC_PER_SEC)

/* The first probe that keeps READY=1 back, or is not as it should be. */
static ptrdiff_t find_worst(const struct supervisor *s) {
	ptrdiff_t degraded = -1;

	for (size_t i = 0; i < s->n_slots; i++) {
		const struct monitor_probe *p = &s->monitor.probes[i];

		if (p->is_optional)
			continue;
		if (p->health.state != HEALTH_UP)
			return (ptrdiff_t)i;
		if (degraded < 0 && health_is_degraded(&p->health))
			degraded = (ptrdiff_t)i;
	}
	return degraded;
}

static void say_probe(const struct supervisor *s, struct text *t, ptrdiff_t i) {
	const struct slot *slot = &s->slots[i];
	const struct health *h = &s->monitor.probes[i].health;

	text_addf(t, "%s: %s", slot->probe->conf->name,
		  slot->has_last ? slot->last.text : "nothing heard yet");
	if (h->state == HEALTH_UP && h->fails > 0)
		text_addf(t, " (%u of %u)", h->fails, h->conf.fall);
}

/* What a start waits for, behind @before; nothing where that is not known. */
static void say_awaited(const struct supervisor *s, struct text *t, const char *before) {
	ptrdiff_t i = find_worst(s);

	if (s->adopt.step == ADOPT_LAUNCHER) {
		text_addf(t, "%sthe command still runs, and must fork away (--%s)", before,
			  s->adopt.path ? "pidfile" : "forking");
	} else if (s->adopt.step == ADOPT_WAIT) {
		text_addf(t, "%swaiting for %s", before,
			  s->adopt.path ? s->adopt.path : "one process to remain");
	} else if ((s->conf->ready & 1U << READY_ON_HEALTHY) && i >= 0) {
		text_add(t, before);
		say_probe(s, t, i);
	} else if ((s->conf->ready & 1U << READY_ON_NOTIFY) && !s->is_child_ready) {
		text_addf(t, "%swaiting for the child's READY=1", before);
	}
}

static bool is_starting(const struct supervisor *s) {
	return s->life == LIFE_STARTING && s->monitor.service != SERVICE_UNHEALTHY;
}

static void status_unhealthy(const struct supervisor *s, struct text *t) {
	ptrdiff_t i = s->monitor.culprit;

	if (s->monitor.is_latched) {
		text_addf(t, "unhealthy: %s", s->act.edge.text);
		return;
	}
	text_addf(t, "unhealthy: %s: %s", supervisor_probe_name(s, i),
		  s->monitor.is_triggered ? cause_text(CAUSE_TRIGGER)
		  : i < 0                 ? cause_text(CAUSE_STOPPED)
					  : s->slots[i].last.text);
}

void status_health(const struct supervisor *s, struct text *t) {
	ptrdiff_t i;

	switch (s->life) {
	case LIFE_LAUNCHING:
		text_add(t, "starting");
		return;
	case LIFE_STOPPING:
	case LIFE_DONE:
	case LIFE_STATE_MAX:
		text_add(t, "stopping");
		return;
	case LIFE_STARTING:
	case LIFE_RUNNING:
	case LIFE_UNHEALTHY:
		break;
	}
	if (s->monitor.service == SERVICE_UNHEALTHY) {
		status_unhealthy(s, t);
	} else if (is_starting(s)) {
		text_add(t, "starting");
		say_awaited(s, t, ": ");
	} else if (s->monitor.service == SERVICE_DEGRADED) {
		i = find_worst(s);
		text_add(t, "degraded: ");
		if (i >= 0)
			say_probe(s, t, i);
		else
			text_addf(t, "process: %s", cause_text(CAUSE_TRACED));
	} else {
		text_add(t, s->monitor.process == PROCESS_STOPPED
				    ? "healthy, but the process is stopped"
				    : "healthy");
	}
}

void status_missing(const struct supervisor *s, struct text *t) {
	size_t length = t->length;

	if (is_starting(s))
		say_awaited(s, t, "");
	if (t->length == length)
		status_health(s, t);
}

/*
 * A lease longer than W ends at the very moment that systemd's timer does, and its signal may be
 * here before the verdict: found out by a copy of the monitor, because a stop judges nothing.
 */
void status_unpinged(const struct supervisor *s, struct text *t) {
	usec_t silent = usec_sub(s->now, s->monitor.pinger.last_at);
	/* Of a stall of our own nobody is guilty. */
	usec_t soon = usec_add(usec_sub(s->now, s->behind_usec), s->monitor.slack_usec);
	struct monitor then = s->monitor;
	char age[USEC_STR_MAX];

	if (s->life != LIFE_RUNNING || !s->has_watchdog ||
	    s->monitor.service == SERVICE_UNHEALTHY ||
	    usec_add(silent, s->monitor.slack_usec) < s->watchdog_usec)
		return;
	usec_str_short(age, silent);
	text_addf(t, ", %s after the last ping", age);
	if (!monitor_judge(&then, soon) || then.service != SERVICE_UNHEALTHY)
		return;
	text_addf(t, "; %s: ", supervisor_probe_name(s, then.culprit));
	if (then.culprit < 0)
		text_add(t, cause_text(CAUSE_STOPPED));
	else
		judge_say_run_out(s, (size_t)then.culprit,
				  &s->monitor.probes[then.culprit].health.lease, t);
}

void status_compose(const struct supervisor *s, struct text *t) {
	char health[OWN_MAX];
	struct text h = TEXT_OVER(health);
	bool is_well =
		s->life == LIFE_RUNNING && s->monitor.service == SERVICE_HEALTHY && !pause_is_on(s);

	pause_say(s, &h);
	status_health(s, &h);
	if (s->child_status[0] == '\0')
		text_add(t, health);
	else if (is_well)
		text_add(t, s->child_status);
	else
		text_addf(t, "%s [%s]", s->child_status, health);
}

static void send_text(struct supervisor *s, const char *before, const char *status,
		      unsigned token) {
	char message[NOTIFY_MSG_MAX];
	struct text t = TEXT_OVER(message);
	int r;

	text_add(&t, before);
	if (status) {
		char escaped[NOTIFY_MSG_MAX - 128];

		(void)notify_msg_escape(escaped, sizeof(escaped), status);
		text_addf(&t, "%sSTATUS=%s", t.length > 0 ? "\n" : "", escaped);
		snprintf(s->status_sent, sizeof(s->status_sent), "%s", status);
		s->status_at = usec_add(s->now, STATUS_SPACING);
		s->is_status_due = false;
	}
	r = notifier_send(&s->notifier, message, t.length, NULL, 0, token);
	if (r < 0)
		log_warning("cannot tell systemd '%s': %s", before[0] ? before : "STATUS",
			    strerror(-r));
	if (r == 0 && s->flush_at == USEC_INFINITY)
		s->flush_at = usec_add(s->now, NOTIFIER_RETRY_USEC);
}

static void send_composed(struct supervisor *s, const char *before, unsigned token) {
	char status[COMPOSED_MAX];
	struct text t = TEXT_OVER(status);

	status_compose(s, &t);
	send_text(s, before, status, token);
}

void status_changed(struct supervisor *s) {
	char status[COMPOSED_MAX];
	struct text t = TEXT_OVER(status);

	control_changed(s);
	if (!notifier_is_open(&s->notifier) || s->life == LIFE_LAUNCHING)
		return;
	status_compose(s, &t);
	s->is_status_due = s->life < LIFE_STOPPING && strcmp(status, s->status_sent) != 0;
}

void status_send_ready(struct supervisor *s) {
	if (!notifier_is_open(&s->notifier)) {
		status_on_sent(s, TOKEN_READY);
		return;
	}
	/* The state is not RUNNING before the manager took this: say already what it will be. */
	send_text(s, "READY=1", s->child_status[0] ? s->child_status : "healthy", TOKEN_READY);
}

void status_send_stopping(struct supervisor *s, const char *reason) {
	char status[2 * OUTCOME_TEXT_MAX + 128];
	struct text t = TEXT_OVER(status);

	/* What made systemd stop it stays to be read in `systemctl status`. */
	if (s->monitor.service == SERVICE_UNHEALTHY && !s->ending.is_own_decision) {
		status_unhealthy(s, &t);
		text_add(&t, "; ");
	} else if (s->ending.reason[0] != '\0' && !s->ending.is_own_decision) {
		text_addf(&t, "%s; ", s->ending.reason);
	}
	text_addf(&t, "stopping: %s", reason);
	s->has_said_stopping = true;
	send_text(s, "STOPPING=1", status, TOKEN_NONE);
}

void status_send_trigger(struct supervisor *s) {
	char status[OUTCOME_TEXT_MAX + 32];

	snprintf(status, sizeof(status), "unhealthy: %s", s->act.edge.text);
	send_text(s, "WATCHDOG=trigger", status, TOKEN_TRIGGER);
}

void status_send_error(struct supervisor *s, int error, const char *reason) {
	char before[32];

	snprintf(before, sizeof(before), "ERRNO=%d", error);
	send_text(s, before, reason, TOKEN_NONE);
}

void status_on_sent(void *context, unsigned token) {
	struct supervisor *s = context;

	if (token == TOKEN_READY) {
		s->now = usec_now();
		supervisor_event(s, LIFE_READY);
	}
}

static void extend_turn(struct supervisor *s) {
	char message[64];
	usec_t left;

	if (s->extend_at > s->now)
		return;
	if (s->life > LIFE_STARTING || s->now >= s->extend_until_at) {
		s->extend_at = USEC_INFINITY;
		return;
	}
	left = MIN(EXTEND_STEP, s->extend_until_at - s->now);
	snprintf(message, sizeof(message), "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)left);
	send_text(s, message, NULL, TOKEN_NONE);
	s->extend_at = usec_add(s->now, EXTEND_STEP / 2);
}

void status_send_due(struct supervisor *s) {
	if (s->is_status_due)
		send_composed(s, "", TOKEN_NONE);
}

/* What the manager would never have taken, and what had to make room: told once for each time. */
static void tell_lost(struct supervisor *s) {
	unsigned long n = s->notifier.n_lost - s->lost_told;

	if (n == 0)
		return;
	s->lost_told = s->notifier.n_lost;
	log_warning("%lu message%s to systemd given up: %s", n, n == 1 ? "" : "s",
		    strerror(s->notifier.lost_error));
}

/* Nothing that we say is taken, for whatever reason: told once, and when it is over. */
static void tell_mute(struct supervisor *s) {
	if (s->notifier.error == 0) {
		if (s->has_told_mute)
			log_notice("systemd takes messages again");
		s->has_told_mute = false;
		s->mute_since = 0;
	} else if (s->mute_since == 0) {
		s->mute_since = s->now;
	} else if (!s->has_told_mute && s->now >= usec_add(s->mute_since, MUTE_MAX)) {
		s->has_told_mute = true;
		log_warning("systemd takes no message for 5s: NOTIFY_SOCKET='%s': %s; sdwd keeps "
			    "trying",
			    getenv("NOTIFY_SOCKET"), strerror(s->notifier.error));
	}
}

void status_turn(struct supervisor *s) {
	extend_turn(s);
	if (s->flush_at <= s->now) {
		size_t waiting = notifier_flush(&s->notifier);

		s->flush_at = waiting > 0 ? usec_add(s->now, NOTIFIER_RETRY_USEC) : USEC_INFINITY;
	}
	if ((s->status_at <= s->now || s->status_at == USEC_INFINITY) &&
	    s->flush_at == USEC_INFINITY)
		status_send_due(s);
	tell_lost(s);
	tell_mute(s);
}

usec_t status_next_at(const struct supervisor *s) {
	usec_t at = MIN(s->flush_at, s->extend_at);

	if (s->is_status_due && s->status_at != USEC_INFINITY && s->flush_at == USEC_INFINITY)
		at = MIN(at, s->status_at);
	return at;
}
