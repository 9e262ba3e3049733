/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "conf/probe_conf.h"

void conf_init(struct conf *c) {
	*c = (struct conf){
		.on_unhealthy = -1,
		.nice = INT_MAX,
		.oom_score_adjust = INT_MAX,
	};
	for (size_t i = 0; i < ARRAY_SIZE(c->signal_map); i++)
		c->signal_map[i] = SIGNAL_SAME;
	for (size_t i = 0; i < ARRAY_SIZE(c->exit_map); i++)
		c->exit_map[i] = -1;
	/* None of these fallbacks is a string: nothing is allocated. */
	(void)conf_set_fallbacks(service_options, c, NULL);
}

void conf_done(struct conf *c) {
	for (const struct opt *o = service_options; o->name; o++)
		if (o->parse == opt_parse_string)
			free(*(char **)((char *)c + o->offset));
	free(c->label);
	free(c->unhealthy_hook);
	free(c->config);
	free(c->file);
	words_free(c->command);
	for (size_t i = 0; i < c->n_probes; i++)
		probe_conf_free(c->probes[i]);
	free(c->probes);
	givens_done(&c->given);
	givens_done(&c->defaults);
	*c = (struct conf){0};
}

void conf_begin_source(struct conf *c) {
	c->current = NULL;
	c->is_lost = false;
}

int conf_set_command(struct conf *c, char *const *command, const struct origin *origin) {
	size_t n = 0;
	char **copy;

	while (command[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(command[i]);
		if (!copy[i]) {
			words_free(copy);
			copy = NULL;
		}
	}
	if (!copy)
		return -ENOMEM;
	words_free(c->command);
	c->command = copy;
	c->command_origin = *origin;
	return 0;
}

/* The first of @kinds that knows the probe option, or NULL. */
const struct probe_kind *conf_find_knower(const char *name, const struct probe_kind *const *kinds) {
	for (; *kinds; kinds++)
		if (conf_probe_option(*kinds, name))
			return *kinds;
	return NULL;
}

const struct probe_kind *conf_find_kind(const char *name, const struct probe_kind *const *kinds) {
	for (; *kinds; kinds++)
		if (strcmp((*kinds)->name, name) == 0)
			return *kinds;
	return NULL;
}

enum conf_argument conf_option_argument(const struct opt *o) {
	return !o->argument                       ? CONF_FLAG
	       : o->flags & OPT_ARGUMENT_OPTIONAL ? CONF_OPTIONAL
						  : CONF_REQUIRED;
}

enum conf_argument conf_argument(const char *name, const struct probe_kind *const *kinds) {
	const struct opt *o = opt_find(service_options, name);
	const struct probe_kind *kind = conf_find_kind(name, kinds);

	if (kind)
		return !kind->argument              ? CONF_FLAG
		       : kind->argument_is_optional ? CONF_OPTIONAL
						    : CONF_REQUIRED;
	if (!o)
		o = opt_find(probe_options, name);
	if (!o) {
		kind = conf_find_knower(name, kinds);
		o = kind ? conf_probe_option(kind, name) : NULL;
	}
	return o ? conf_option_argument(o) : CONF_UNKNOWN;
}
