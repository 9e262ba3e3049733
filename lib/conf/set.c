/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/foreign.h"
#include "conf/probe_conf.h"

/*
 * Every option, from argv or from a file, ends in conf_set().  It looks the name up in this order:
 * service options, probe kinds, probe options; no name stands in two of them.
 *
 * A probe option belongs to the probe before it.  Before the first probe it is a default: kept in a
 * list, and set in each probe that knows it when that probe is made.  Whether any probe ever knew
 * it can only be said at the end, by conf_resolve().
 */

void conf_add_place(struct text *error, const struct origin *origin, const char *name) {
	if (origin->kind == ORIGIN_FILE)
		text_addf(error, "%s:%u: %s: ", origin->file, origin->line, name);
	else
		text_addf(error, "--%s: ", name);
}

static int refuse(struct text *error, const struct origin *origin, const char *name,
		  const char *value, const char *reason) {
	char quoted[OPT_QUOTED_MAX];

	conf_add_place(error, origin, name);
	if (value)
		text_addf(error, "%s: ", opt_quoted(quoted, value));
	text_add(error, reason);
	return -EINVAL;
}

static int no_memory(struct text *error) {
	text_add(error, "out of memory");
	return -ENOMEM;
}

/* Parses @value into the field of @o in the struct at @base, and remembers it. */
static int set_field(struct conf_givens *given, const struct opt *o, void *base, const char *value,
		     const struct origin *origin, bool is_default, struct text *error) {
	char buffer[512];
	struct text reason = TEXT_OVER(buffer);
	int r;

	if (!value && conf_option_argument(o) == CONF_REQUIRED)
		return refuse(error, origin, o->name, NULL, "needs a value");
	r = o->parse(o, value, (char *)base + o->offset, &reason);
	if (r == -ENOMEM)
		return no_memory(error);
	if (r < 0)
		return refuse(error, origin, o->name, NULL, buffer);
	r = givens_add(given, o, o->name, value, origin, is_default);
	return r < 0 ? no_memory(error) : 0;
}

static int set_probe_field(struct probe_conf *p, const struct opt *o, const char *value,
			   const struct origin *origin, bool is_default, struct text *error) {
	void *base = opt_find(probe_options, o->name) ? (void *)p : p->settings;

	return set_field(&p->given, o, base, value, origin, is_default, error);
}

/* Sets a default in a probe that knows it and has no value of its own for it. */
static int set_default(struct probe_conf *p, struct conf_given *d, struct text *error) {
	const struct opt *o = conf_probe_option(p->kind, d->name);
	const struct conf_given *own = conf_find_given(&p->given, d->name);

	if (!o)
		return 0;
	d->is_used = true;
	if (own && !own->is_default && !(o->flags & OPT_REPEAT))
		return 0;
	return set_probe_field(p, o, d->value, &d->origin, true, error);
}

/* Says what is wrong with a value, whatever probe it will be for. */
static int check_value(const struct probe_kind *knower, const struct opt *o, const char *value,
		       const struct origin *origin, struct text *error) {
	cleanup(probe_conf_freep) struct probe_conf *scratch = probe_conf_new(knower);

	return scratch ? set_probe_field(scratch, o, value, origin, true, error) : no_memory(error);
}

static int add_default(struct conf *c, const struct probe_kind *knower, const char *name,
		       const char *value, const struct origin *origin, struct text *error) {
	const struct opt *o = conf_probe_option(knower, name);
	int r;

	if (o->flags & OPT_OWN_ONLY)
		return refuse(error, origin, name, value, "belongs after the probe that it is for");
	r = check_value(knower, o, value, origin, error);
	if (r < 0)
		return r;
	r = givens_add(&c->defaults, o, o->name, value, origin, true);
	if (r < 0)
		return no_memory(error);

	for (size_t i = 0; i < c->n_probes; i++) {
		struct conf_given *d = (struct conf_given *)conf_find_given(&c->defaults, name);

		r = set_default(c->probes[i], d, error);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Adds the kinds that have @name among their own options, as "--tcp, --unix". */
static void add_knowers(struct text *t, const char *name, const struct probe_kind *const *kinds) {
	const char *comma = "";

	for (; *kinds; kinds++) {
		if (!opt_find((*kinds)->options, name))
			continue;
		text_addf(t, "%s--%s", comma, (*kinds)->name);
		comma = ", ";
	}
}

static int set_probe_option(struct conf *c, const struct probe_kind *knower, const char *name,
			    const char *value, const struct origin *origin,
			    const struct probe_kind *const *kinds, struct text *error) {
	const struct opt *o;
	char reason[200];
	struct text t = TEXT_OVER(reason);

	if (c->is_lost)
		return check_value(knower, conf_probe_option(knower, name), value, origin, error);
	if (!c->current)
		return add_default(c, knower, name, value, origin, error);
	o = conf_probe_option(c->current->kind, name);
	if (o)
		return set_probe_field(c->current, o, value, origin, false, error);
	text_addf(&t, "not an option of --%s", c->current->kind->name);
	if (!opt_find(probe_options, name)) {
		text_add(&t, "; it belongs to ");
		add_knowers(&t, name, kinds);
	}
	return refuse(error, origin, name, value, reason);
}

static int add_probe(struct conf *c, const struct probe_kind *kind, const char *value,
		     const struct origin *origin, struct text *error) {
	cleanup(probe_conf_freep) struct probe_conf *p = NULL;
	struct probe_conf **probes;
	int r;

	if (kind->argument && !kind->argument_is_optional && !value)
		return refuse(error, origin, kind->name, NULL, "needs a value");
	if (!kind->argument && value) {
		static const struct opt flag;
		char buffer[OPT_QUOTED_MAX + 64];
		struct text reason = TEXT_OVER(buffer);
		bool is_wanted;

		if (opt_parse_flag(&flag, value, &is_wanted, &reason) < 0)
			return refuse(error, origin, kind->name, NULL, buffer);
		if (!is_wanted)
			return 0;
		value = NULL;
	}
	if (value && *value == '\0')
		return refuse(error, origin, kind->name, NULL, "'' is empty");

	p = probe_conf_new(kind);
	if (!p || (value && !(p->target = strdup(value))) ||
	    givens_add(&p->given, NULL, kind->name, value, origin, false) < 0)
		return no_memory(error);
	p->origin = *origin;
	for (size_t i = 0; i < c->defaults.n_items; i++) {
		r = set_default(p, &c->defaults.items[i], error);
		if (r < 0)
			return r;
	}

	probes = reallocarray(c->probes, c->n_probes + 1, sizeof(struct probe_conf *));
	if (!probes)
		return no_memory(error);
	c->probes = probes;
	c->probes[c->n_probes++] = c->current = p;
	c->is_lost = false;
	p = NULL;
	return 0;
}

static int set(struct conf *c, const char *name, const char *value, const struct origin *origin,
	       const struct probe_kind *const *kinds, struct text *error) {
	const struct opt *o = opt_find(service_options, name);
	const struct probe_kind *kind;

	if (o && o->flags & OPT_ARGV_ONLY && origin->kind == ORIGIN_FILE)
		return refuse(error, origin, name, NULL, "only on the command line");
	if (o)
		return set_field(&c->given, o, c, value, origin, false, error);
	kind = conf_find_kind(name, kinds);
	if (kind)
		return add_probe(c, kind, value, origin, error);
	kind = conf_find_knower(name, kinds);
	if (kind)
		return set_probe_option(c, kind, name, value, origin, kinds, error);
	o = opt_find(probe_options, name);
	if (o)
		return refuse(error, origin, name, value, "no kind of probe here knows it");
	foreign_refuse(name, origin, kinds, error);
	return -EINVAL;
}

int conf_set(struct conf *c, const char *name, const char *value, const struct origin *origin,
	     const struct probe_kind *const *kinds, struct text *error) {
	int r = set(c, name, value, origin, kinds, error);

	if (r < 0) {
		c->is_faulty = true;
		c->is_lost |= !opt_find(service_options, name) && !conf_find_knower(name, kinds);
	}
	return r;
}
