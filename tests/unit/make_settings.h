/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/conf.h"

/* What make_settings() takes: name, value, ... */
#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

/*
 * Makes @c a probe of @kind with @target and @options (NULL: none) through the option table, as the
 * command line does. What it owns is freed by kind->settings_done() and free(), also after an
 * error. Returns 0, or the negative errno with the reason.
 */
static inline int make_settings(struct probe_conf *c, const struct probe_kind *kind,
				const char *target, const char *const *options, char *reason,
				size_t size) {
	static const char *const none[] = {NULL};
	struct text error = {.data = reason, .size = size};
	char *settings = calloc(1, kind->settings_size);
	int r = 0;

	if (!settings)
		abort();
	*c = (struct probe_conf){.kind = kind,
				 .timeout_usec = 4800 * USEC_PER_MSEC,
				 .settings = settings};
	for (const struct opt *o = kind->options; r == 0 && o->name; o++)
		if (o->fallback)
			r = o->parse(o, o->fallback, settings + o->offset, &error);
	for (options = options ? options : none; r == 0 && options[0]; options += 2) {
		const struct opt *o = opt_find(kind->options, options[0]);

		if (!o)
			abort();
		r = o->parse(o, options[1], settings + o->offset, &error);
	}
	return r < 0 ? r : kind->check(target, settings, &error);
}
