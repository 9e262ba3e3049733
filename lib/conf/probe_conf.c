/* SPDX-License-Identifier: MIT */
#include "conf/probe_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int conf_set_fallbacks(const struct opt *table, void *base, const struct probe_kind *kind) {
	char buffer[OPT_QUOTED_MAX * 2];
	struct text error = TEXT_OVER(buffer);

	for (const struct opt *o = table; o && o->name; o++) {
		int r;

		if (!o->fallback || (kind && !conf_probe_option(kind, o->name)))
			continue;
		r = o->parse(o, o->fallback, (char *)base + o->offset, &error);
		if (r == -ENOMEM)
			return r;
		/* A fallback is part of the program: a wrong one is a mistake in the table. */
		assert(r == 0);
	}
	return 0;
}

void givens_done(struct conf_givens *given) {
	for (size_t i = 0; i < given->n_items; i++)
		free(given->items[i].value);
	free(given->items);
	*given = (struct conf_givens){0};
}

const struct conf_given *conf_find_given(const struct conf_givens *given, const char *name) {
	for (size_t i = given->n_items; i > 0; i--)
		if (strcmp(given->items[i - 1].name, name) == 0)
			return &given->items[i - 1];
	return NULL;
}

int givens_add(struct conf_givens *given, const struct opt *o, const char *name, const char *value,
	       const struct origin *origin, bool is_default) {
	struct conf_given *item = NULL, *items;
	char *copy = value ? strdup(value) : NULL;

	if (value && !copy)
		return -ENOMEM;
	if (!o || !(o->flags & OPT_REPEAT))
		item = (struct conf_given *)conf_find_given(given, name);
	if (item) {
		free(item->value);
	} else {
		items = reallocarray(given->items, given->n_items + 1, sizeof(*items));
		if (!items) {
			free(copy);
			return -ENOMEM;
		}
		given->items = items;
		item = &items[given->n_items++];
	}
	*item = (struct conf_given){
		.name = name,
		.option = o,
		.value = copy,
		.origin = *origin,
		.is_default = is_default,
	};
	return 0;
}

static bool is_listed(const char *const *names, const char *name) {
	for (; names && *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

const struct opt *conf_probe_option(const struct probe_kind *kind, const char *name) {
	const struct opt *o = opt_find(probe_options, name);

	if (!o)
		return opt_find(kind->options, name);
	if (is_listed(kind->knows, name))
		return o;
	return (o->modes & 1U << kind->mode) != 0 && !is_listed(kind->knows_not, name) ? o : NULL;
}

const char *conf_needs_prober(const struct probe_conf *p) {
	return p->kind->needs_prober ? p->kind->needs_prober(p->settings) : NULL;
}

void probe_conf_free(struct probe_conf *p) {
	if (!p)
		return;
	if (p->kind->settings_done && p->settings)
		p->kind->settings_done(p->settings);
	free(p->settings);
	free(p->target);
	free(p->name);
	givens_done(&p->given);
	free(p);
}

void probe_conf_freep(struct probe_conf **p) {
	probe_conf_free(*p);
}

struct probe_conf *probe_conf_new(const struct probe_kind *kind) {
	struct probe_conf *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct probe_conf){
		.kind = kind,
		.fall = 1,
		.rise = 1,
		.start_period_usec = USEC_INFINITY,
		.settings = calloc(1, kind->settings_size > 0 ? kind->settings_size : 1),
	};
	if (!p->settings || conf_set_fallbacks(probe_options, p, kind) < 0 ||
	    conf_set_fallbacks(kind->options, p->settings, NULL) < 0) {
		probe_conf_free(p);
		return NULL;
	}
	return p;
}
