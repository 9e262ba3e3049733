/* SPDX-License-Identifier: MIT */
#include "app/timeline.h"

#include <string.h>

#include "core/lease.h"

/* systemd's own lateness: the accuracy of its timer. */
#define SYSTEMD_ACCURACY (250 * USEC_PER_MSEC)
/* A look may time out on a busy machine although the service is well: below this, warn. */
#define WATCHDOG_SHORT (5 * USEC_PER_SEC)

struct printer {
	conf_line_t *on_line;
	void *context;
};

static void say(const struct printer *p, const char *format, ...) printf_like(2, 3);

static void say(const struct printer *p, const char *format, ...) {
	char line[LOG_MESSAGE_MAX];
	struct text t = TEXT_OVER(line);
	va_list arguments;

	va_start(arguments, format);
	text_addv(&t, format, arguments);
	va_end(arguments);
	p->on_line(p->context, line);
}

static usec_t lease_of(const struct probe_conf *c, usec_t w) {
	switch (c->kind->mode) {
	case PROBE_PULL:
		return lease_length_pull(c->interval_usec, c->fast_interval_usec, c->timeout_usec,
					 c->fall, lease_slack(w));
	case PROBE_PUSH:
		return lease_length_push(c->silence_usec, c->interval_usec, lease_slack(w));
	case PROBE_STATE:
		break;
	}
	/* A process that hangs is there all the same. */
	return USEC_INFINITY;
}

/* When the probe is bad at the latest: its failures are counted, or its lease ends. */
static usec_t bad_at(const struct probe_conf *c, usec_t w) {
	usec_t lease = lease_of(c, w);

	return c->kind->mode == PROBE_PULL ? usec_sub(lease, lease_slack(w)) : lease;
}

/* The time at which so many probes are bad that fewer than the required ones are left; @floor as in
 * max(L, W). */
static usec_t composite_at(const struct conf *c, usec_t w, usec_t floor) {
	usec_t times[64];
	size_t n = 0, required;

	for (size_t i = 0; i < c->n_probes && n < ARRAY_SIZE(times); i++) {
		usec_t at =
			floor > 0 ? MAX(lease_of(c->probes[i], w), floor) : bad_at(c->probes[i], w);
		size_t k = n;

		if (c->probes[i]->is_optional)
			continue;
		for (; k > 0 && times[k - 1] < at; k--)
			times[k] = times[k - 1];
		times[k] = at;
		n++;
	}
	if (n == 0)
		return USEC_INFINITY;
	required = c->require > 0 ? MIN(n, (size_t)c->require) : n;
	return times[required - 1];
}

static void show_hang(const struct printer *p, const struct conf *c, const struct conf_env *env,
		      usec_t w) {
	usec_t unhealthy_at = composite_at(c, w, 0), act_at = composite_at(c, w, w);
	usec_t late = MIN(w / 10, USEC_PER_SEC) + SYSTEMD_ACCURACY;
	char at[USEC_STR_MAX], until[USEC_STR_MAX], more[USEC_STR_MAX];
	bool stands_alone = !env->has_notify_socket && c->watchdog_usec == 0 &&
			    !conf_find_given(&c->given, "on-unhealthy");

	say(p, "time line of a hang (from the last good evidence; nothing answers after it)");
	say(p, "  at 0 it hangs");
	for (size_t i = 0; i < c->n_probes; i++) {
		const struct probe_conf *probe = c->probes[i];
		const char *note = probe->is_optional ? " (optional: only shown)" : "";

		usec_str_short(at, bad_at(probe, w));
		if (probe->kind->mode == PROBE_PULL)
			say(p, "  by %s %s has failed %u time%s%s", at, probe->name, probe->fall,
			    probe->fall == 1 ? "" : "s", note);
		else if (probe->kind->mode == PROBE_PUSH)
			say(p, "  at %s %s has been silent too long%s", at, probe->name, note);
	}
	usec_str_short(at, unhealthy_at);
	say(p, "  by %s the service is unhealthy", at);
	if (c->dump_signal > 0 || c->unhealthy_hook)
		say(p, "  up to %s later dump and hook are over",
		    usec_str_short(more, (c->dump_signal > 0 ? c->dump_wait_usec : 0) +
						 (c->unhealthy_hook ? c->hook_timeout_usec : 0)));
	switch (c->on_unhealthy) {
	case ON_UNHEALTHY_WITHHOLD:
		say(p, "  at %s systemd aborts it (by %s at the latest)",
		    usec_str_short(at, act_at), usec_str_short(until, usec_add(act_at, late)));
		break;
	case ON_UNHEALTHY_TRIGGER:
		say(p, "  then at once systemd aborts it (WATCHDOG=trigger)");
		break;
	case ON_UNHEALTHY_KILL:
		say(p,
		    "  then sdwd ends it: the kill signal, and SIGKILL %s later; exit status 124",
		    usec_str_short(at, c->kill_timeout_usec));
		break;
	default:
		say(p, "  then nobody acts: it is only reported");
		break;
	}
	if (stands_alone)
		say(p,
		    "  (no NOTIFY_SOCKET here: as started from this shell; --watchdog-sec=%s shows "
		    "it "
		    "under systemd)",
		    usec_str(at, w));
}

static bool was_given(const struct probe_conf *c, const char *name) {
	return conf_find_given(&c->given, name) != NULL;
}

/* READY=1 may come before the first good look of this probe. */
static bool may_be_granted(const struct conf *c, const struct probe_conf *probe) {
	size_t n = 0;

	for (size_t i = 0; i < c->n_probes; i++)
		n += !c->probes[i]->is_optional;
	return !probe->is_optional &&
	       (!(c->ready & 1U << READY_ON_HEALTHY) || (c->require > 0 && (size_t)c->require < n));
}

static void warn_probe(const struct printer *p, const struct conf *c,
		       const struct probe_conf *probe, usec_t w) {
	usec_t lease = lease_of(probe, w);
	char l[USEC_STR_MAX], watchdog[USEC_STR_MAX], start[USEC_STR_MAX];
	usec_t granted = MAX(lease, w);
	bool withholds = c->on_unhealthy == ON_UNHEALTHY_WITHHOLD;
	const char *note = probe->kind->note ? probe->kind->note(probe->settings) : NULL;

	if (note)
		say(p, "warning: %s: %s", probe->name, note);
	if (probe->kind->mode == PROBE_STATE)
		return;
	usec_str_short(l, lease);
	usec_str_short(watchdog, w);
	/* The slack is nobody's fault: the defaults of --file are W together, without it. */
	if (lease > usec_add(w, lease_slack(w)))
		say(p, "warning: %s: a hang is seen after %s only, later than the watchdog's %s",
		    probe->name, l, watchdog);
	if (probe->kind->mode != PROBE_PULL)
		return;
	if (withholds && lease < w && (was_given(probe, "fall") || was_given(probe, "timeout")))
		say(p,
		    "warning: %s: with --on-unhealthy=withhold, --fall and --timeout do not make "
		    "systemd act before %s; --on-unhealthy=trigger does",
		    probe->name, watchdog);
	if (probe->start_period_usec != USEC_INFINITY)
		granted = MAX(granted, probe->start_period_usec);
	if (may_be_granted(c, probe) && probe->start_interval_usec >= granted)
		say(p,
		    "warning: %s: --start-interval=%s is no shorter than the %s after READY=1 "
		    "within which a good look must come",
		    probe->name, usec_str(start, probe->start_interval_usec),
		    usec_str_short(l, granted));
	if (withholds && probe->rise > 1)
		say(p,
		    "warning: %s: --rise=%u with --on-unhealthy=withhold: no ping before so many "
		    "passes in a row, and systemd may act before that",
		    probe->name, probe->rise);
	if (w < WATCHDOG_SHORT && !was_given(probe, "timeout"))
		say(p,
		    "warning: %s: the default --timeout is %s with this short a watchdog; a busy "
		    "machine may need more",
		    probe->name, usec_str_short(l, probe->timeout_usec));
}

/* True where the probe has options of its own, beside its name. */
static bool has_own_options(const struct probe_conf *c) {
	for (size_t i = 0; i < c->given.n_items; i++)
		if (c->given.items[i].option && !c->given.items[i].is_default &&
		    strcmp(c->given.items[i].name, "name") != 0)
			return true;
	return false;
}

static bool is_known_before(const struct conf *c, const char *name) {
	for (size_t i = 0; i + 1 < c->n_probes; i++)
		if (conf_probe_option(c->probes[i]->kind, name))
			return true;
	return false;
}

/* --http=A --http=B --timeout=3s: a common slip, the option reaches the last one only. Where an
 * earlier probe has options too, they are given probe by probe, and it is none. */
static void warn_last_only(const struct printer *p, const struct conf *c) {
	const struct probe_conf *last;

	if (c->n_probes < 2)
		return;
	for (size_t i = 0; i + 1 < c->n_probes; i++)
		if (has_own_options(c->probes[i]))
			return;
	last = c->probes[c->n_probes - 1];
	for (size_t i = 0; i < last->given.n_items; i++) {
		const struct conf_given *g = &last->given.items[i];

		/* name and optional stand after their probe always. */
		if (g->option && !g->is_default && !(g->option->flags & OPT_OWN_ONLY) &&
		    is_known_before(c, g->name))
			say(p,
			    "warning: --%s belongs to %s alone; before the first probe it would be "
			    "the default of all",
			    g->name, last->name);
	}
}

void timeline_show(const struct conf *c, const struct conf_env *env, usec_t w, conf_line_t *on_line,
		   void *context) {
	const struct printer p = {on_line, context};

	if (c->n_probes == 0)
		say(&p, "warning: no probe: only the process is watched, a hang will not be seen");
	else if (composite_at(c, w, 0) == USEC_INFINITY)
		say(&p, "warning: no required probe sees a hang: only the process is watched");
	else
		show_hang(&p, c, env, w);
	if (w < USEC_PER_SEC)
		say(&p, "warning: a watchdog below 1s leaves no room for a busy machine");
	for (size_t i = 0; i < c->n_probes; i++)
		warn_probe(&p, c, c->probes[i], w);
	warn_last_only(&p, c);
}
