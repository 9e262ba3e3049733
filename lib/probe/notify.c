/* SPDX-License-Identifier: MIT */
/*
 * --notify: the child speaks sd_notify(3) itself.  Its datagrams come in through the relay, which
 * hands them on here; this probe only knows what they say of the child's health.  Many programs say
 * READY=1 and never ping: until the first WATCHDOG=1 their lease has no end, unless
 * --notify=watchdog says that pings are to be expected.
 */
#include "probe/notify.h"

#include <errno.h>
#include <string.h>

struct notify_settings {
	bool expects_pings;
};

struct notify_probe {
	struct probe base;
	bool is_ready; /* the child said so */
	bool has_pinged;
	usec_t silence_usec; /* 0: as configured; else what the child asked for */
};

static struct notify_probe *of(struct probe *p) {
	return container_of(p, struct notify_probe, base);
}

usec_t notify_probe_lease(const struct probe *p) {
	const struct notify_probe *n = container_of((struct probe *)p, struct notify_probe, base);
	const struct notify_settings *settings = p->conf->settings;

	if (!n->has_pinged && !settings->expects_pings)
		return USEC_INFINITY;
	return n->silence_usec > 0 ? n->silence_usec : p->conf->silence_usec;
}

void notify_probe_feed(struct probe *p, const struct notify_msg *m, bool is_service_ready) {
	struct notify_probe *n = of(p);
	bool is_good = (m->fields & NOTIFY_READY) != 0;
	struct outcome o;

	/* Others of the service may still be starting, and meanwhile its pings must hold the lease.
	 */
	n->is_ready |= is_good;
	if (m->fields & NOTIFY_WATCHDOG) {
		n->has_pinged = true;
		is_good |= n->is_ready || is_service_ready;
	}
	/* systemd reads 0 and infinity as "no watchdog". */
	if (m->fields & NOTIFY_WATCHDOG_USEC) {
		n->has_pinged = true;
		n->silence_usec = m->watchdog_usec == 0 ? USEC_INFINITY : m->watchdog_usec;
		is_good |= n->is_ready || is_service_ready;
	}
	if (!is_good)
		return;
	outcome_set(&o, CAUSE_OK, n->has_pinged ? "pings" : "ready, never pinged so far");
	p->owner->on_outcome(p->owner, p, &o);
}

static int check_target(const char *target, void *settings, struct text *error) {
	struct notify_settings *s = settings;
	char quoted[OPT_QUOTED_MAX];

	s->expects_pings = target != NULL;
	if (target && strcmp(target, "watchdog") != 0) {
		text_addf(error, "%s is not 'watchdog'", opt_quoted(quoted, target));
		return -EINVAL;
	}
	return 0;
}

static void notify_done(struct probe *p) {
}

static const struct probe_kind kind = {
	.name = "notify",
	.argument = "watchdog",
	.argument_is_optional = true,
	.help = "the child speaks sd_notify: its READY=1 is awaited; from its first WATCHDOG=1 on "
		"(with "
		"=watchdog: from READY=1 on) silence longer than --silence is bad",
	.mode = PROBE_PUSH,
	.settings_size = sizeof(struct notify_settings),
	.check = check_target,
};

const struct probe_class probe_notify = {
	.kind = &kind,
	.size = sizeof(struct notify_probe),
	.done = notify_done,
};
