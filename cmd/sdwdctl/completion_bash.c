/* SPDX-License-Identifier: MIT */
/*
 * Data for bash: a variable for each scope, a line "--NAME TAKES VALUE" for each option. TAKES is
 * "-", "?" (optional), "=" or "," (a list).
 */
#include <stdio.h>

#include "completion.h"

static void begin(void) {
	puts("# Completions of sdwd and sdwdctl for bash, made by \"sdwdctl completion bash\".");
}

static void scope_begin(const char *scope) {
	printf("__sdwd_%s='", scope);
}

static void option(const char *scope, const struct completion_option *o) {
	static const char takes[] = {
		[TAKES_NOTHING] = '-', [TAKES_OPTIONAL] = '?', [TAKES_VALUE] = '='};
	char value[COMPLETION_SHORT_MAX];

	printf("--%s %c %s\n", o->name, o->of.is_list ? ',' : takes[o->takes],
	       completion_short(value, &o->of));
}

static void scope_end(void) {
	puts("'");
}

/* A line "NAME TAKES-PROBES WORD..." for each verb. */
static void verb(const struct verb *v, const struct completion_of *words, size_t n_words) {
	char value[COMPLETION_SHORT_MAX];

	printf("%s %s", v->name, v->takes_probes ? "probes" : "-");
	for (size_t i = 0; i < n_words; i++)
		printf(" %s", completion_short(value, &words[i]));
	putchar('\n');
}

static void verbs_begin(void) {
	scope_begin("verbs");
}

static void signals(const char *names) {
	printf("__sdwd_signals='%s'\n", names);
}

const struct completion_shell completion_bash = {
	.name = "bash",
	.logic = completion_logic_bash,
	.begin = begin,
	.scope_begin = scope_begin,
	.option = option,
	.scope_end = scope_end,
	.verbs_begin = verbs_begin,
	.verb = verb,
	.verbs_end = scope_end,
	.signals = signals,
};
