/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/usec.h"
#include "conf/conf.h"

#define WATCHDOG_DEFAULT (30 * USEC_PER_SEC)
#define INTERVAL_LEAST (200 * USEC_PER_MSEC)
#define INTERVAL_MOST (10 * USEC_PER_SEC)
#define TIMEOUT_MOST (5 * USEC_PER_SEC)
#define FAST_INTERVAL_LEAST (10 * USEC_PER_MSEC)
#define START_INTERVAL_MOST (500 * USEC_PER_MSEC)
#define START_INTERVAL_MOST_PROBER USEC_PER_SEC

/* Begins the line of one error. */
static struct text *next_error(struct text *errors) {
	if (errors->length > 0)
		text_add(errors, "\n");
	return errors;
}

static void add_error(struct text *errors, const struct origin *origin, const char *name,
		      const char *value, const char *reason) {
	char quoted[OPT_QUOTED_MAX];

	conf_add_place(next_error(errors), origin, name);
	if (value)
		text_addf(errors, "%s ", opt_quoted(quoted, value));
	text_add(errors, reason);
}

/* The error of a service option as the user gave it. */
static void add_given_error(struct text *errors, const struct conf *c, const char *name,
			    const char *reason) {
	const struct conf_given *g = conf_find_given(&c->given, name);

	assert(g);
	add_error(errors, &g->origin, name, g->value, reason);
}

/* Probes ----------------------------------------------------------------------------------- */

static bool knows(const struct probe_conf *p, const char *name) {
	return conf_probe_option(p->kind, name) != NULL;
}

static usec_t start_interval_most(const struct probe_conf *p) {
	if (p->kind->start_interval_usec > 0)
		return p->kind->start_interval_usec;
	return conf_needs_prober(p) ? START_INTERVAL_MOST_PROBER : START_INTERVAL_MOST;
}

static void complete_probe(struct probe_conf *p, usec_t w) {
	if (p->interval_usec == 0 && knows(p, "interval"))
		p->interval_usec = MIN(MAX(w / 5, INTERVAL_LEAST), INTERVAL_MOST);
	if (p->timeout_usec == 0 && knows(p, "timeout"))
		p->timeout_usec = MIN(p->interval_usec - p->interval_usec / 5, TIMEOUT_MOST);
	if (p->fast_interval_usec == 0 && knows(p, "fast-interval"))
		p->fast_interval_usec = MAX(p->interval_usec / 2, FAST_INTERVAL_LEAST);
	if (p->start_interval_usec == 0 && knows(p, "start-interval"))
		p->start_interval_usec = MIN(p->interval_usec, start_interval_most(p));
	if (p->silence_usec == 0 && knows(p, "silence"))
		p->silence_usec = w - w / 5;
}

static struct probe_conf *find_named(const struct conf *c, const char *name, size_t n_probes) {
	for (size_t i = 0; i < n_probes; i++)
		if (c->probes[i]->name && strcmp(c->probes[i]->name, name) == 0)
			return c->probes[i];
	return NULL;
}

/* Gives @p the first of http, http-2, http-3, ... that no probe has. */
static int name_probe(struct conf *c, struct probe_conf *p) {
	for (unsigned n = 1;; n++) {
		char *name;
		int r = n == 1 ? asprintf(&name, "%s", p->kind->name)
			       : asprintf(&name, "%s-%u", p->kind->name, n);

		if (r < 0)
			return -ENOMEM;
		if (!find_named(c, name, c->n_probes)) {
			p->name = name;
			return 0;
		}
		free(name);
	}
}

static int name_probes(struct conf *c, struct text *errors) {
	for (size_t i = 0; i < c->n_probes; i++) {
		const struct conf_given *g = conf_find_given(&c->probes[i]->given, "name");

		if (g && find_named(c, c->probes[i]->name, i))
			add_error(errors, &g->origin, "name", g->value,
				  "is the name of another probe");
	}
	for (size_t i = 0; i < c->n_probes; i++) {
		int r = c->probes[i]->name ? 0 : name_probe(c, c->probes[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static void check_probes(struct conf *c, struct text *errors) {
	for (size_t i = 0; i < c->n_probes; i++) {
		struct probe_conf *p = c->probes[i];
		char buffer[512];
		struct text reason = TEXT_OVER(buffer);

		if (p->kind->check && p->kind->check(p->target, p->settings, &reason) < 0)
			add_error(errors, &p->origin, p->kind->name, NULL, buffer);
	}
	for (size_t i = 0; i < c->defaults.n_items; i++) {
		const struct conf_given *d = &c->defaults.items[i];

		if (!d->is_used && !c->is_faulty)
			add_error(errors, &d->origin, d->name, d->value,
				  "is for no probe here: none of them knows this option");
	}
}

/* Of probes that move supervision there may be one, and of notify: there is one socket. */
static void check_single(const struct conf *c, struct text *errors) {
	const struct probe_conf *state = NULL, *notify = NULL;

	for (size_t i = 0; i < c->n_probes; i++) {
		const struct probe_conf *p = c->probes[i];
		const struct probe_conf **first = p->kind->mode == PROBE_STATE ? &state : &notify;
		char reason[64];

		if (first == &notify && strcmp(p->kind->name, "notify") != 0)
			continue;
		if (!*first) {
			*first = p;
			continue;
		}
		if ((*first)->kind == p->kind)
			snprintf(reason, sizeof(reason), "can be given only once");
		else
			snprintf(reason, sizeof(reason), "cannot be combined with --%s",
				 (*first)->kind->name);
		add_error(errors, &p->origin, p->kind->name, p->target, reason);
	}

	if (state && c->pdeathsig != 0) {
		char reason[128];

		snprintf(reason, sizeof(reason),
			 "cannot be combined with --%s: such a daemon is not sdwd's own child",
			 state->kind->name);
		add_given_error(errors, c, "pdeathsig", reason);
	}
	if (c->notify_access == NOTIFY_ACCESS_NONE && notify)
		add_given_error(errors, c, "notify-access", "cannot be combined with --notify");
}

/* Service ---------------------------------------------------------------------------------- */

static int count_required(const struct conf *c) {
	int n = 0;

	for (size_t i = 0; i < c->n_probes; i++)
		n += !c->probes[i]->is_optional;
	return n;
}

static void check_require(const struct conf *c, struct text *errors) {
	int n = count_required(c);
	char reason[96];

	if (c->require <= n || c->is_faulty)
		return;
	snprintf(reason, sizeof(reason), "is more than the %d probe%s that %s not optional", n,
		 n == 1 ? "" : "s", n == 1 ? "is" : "are");
	add_given_error(errors, c, "require", reason);
}

/* What the label is made of: the path's last part, without slashes behind it. */
static char *base_name(const char *path) {
	size_t end = strlen(path), start;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/'; start--)
		;
	return strndup(path + start, end - start);
}

static usec_t watchdog_usec(const struct conf *c, const struct conf_env *env, struct text *errors) {
	if (env->watchdog_usec > 0) {
		if (c->watchdog_usec > 0)
			add_given_error(errors, c, "watchdog-sec",
					"has no place here: systemd sets the watchdog "
					"(WatchdogSec= in the unit)");
		return env->watchdog_usec;
	}
	return c->watchdog_usec > 0 ? c->watchdog_usec : WATCHDOG_DEFAULT;
}

int conf_resolve(struct conf *c, const struct conf_env *env, usec_t *ret_w, struct text *errors) {
	size_t before = errors->length;
	usec_t w = watchdog_usec(c, env, errors);
	/* --check --watchdog-sec=W asks in a shell what happens under a systemd with that W. */
	bool is_asked = c->do_check && c->watchdog_usec > 0 && !env->has_notify_socket;
	int r;

	if ((!c->command || !c->command[0]) && !c->is_faulty)
		text_add(next_error(errors), "no command given; see sdwd --help");
	else if (c->command && c->command[0] && c->command[0][0] == '\0')
		text_add(next_error(errors), "the command '' is empty");
	r = name_probes(c, errors);
	if (r < 0)
		goto no_memory;
	check_probes(c, errors);
	/* What is checked by now says also whether it is the prober that looks. */
	for (size_t i = 0; i < c->n_probes; i++)
		complete_probe(c->probes[i], w);
	check_single(c, errors);
	check_require(c, errors);

	if (c->ready == 0)
		c->ready = count_required(c) > 0 ? 1U << READY_ON_HEALTHY : 1U << READY_ON_EXEC;
	if (c->ready & 1U << READY_ON_NOTIFY && c->notify_access == NOTIFY_ACCESS_NONE)
		add_given_error(errors, c, "notify-access",
				"cannot be combined with --ready=notify");
	if (c->on_unhealthy < 0)
		c->on_unhealthy = is_asked                  ? ON_UNHEALTHY_WITHHOLD
				  : !env->has_notify_socket ? ON_UNHEALTHY_KILL
				  : env->watchdog_usec == 0 ? ON_UNHEALTHY_WARN
							    : ON_UNHEALTHY_WITHHOLD;
	if (c->stop_signals == 0)
		c->stop_signals = conf_signal_bit(SIGTERM) | conf_signal_bit(SIGABRT);
	if (!c->label && (env->unit || c->command)) {
		c->label = env->unit ? strdup(env->unit)
				     : base_name(c->command[0] ? c->command[0] : "");
		if (!c->label)
			goto no_memory;
	}
	if (errors->length > before || c->is_faulty)
		return -EINVAL;
	*ret_w = w;
	return 0;

no_memory:
	text_add(next_error(errors), "out of memory");
	return -ENOMEM;
}
