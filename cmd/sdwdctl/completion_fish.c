/* SPDX-License-Identifier: MIT */
/*
 * Data for fish: one "complete" for each option, and a list of the options of each scope that take
 * the next word.
 */
#include <stdio.h>
#include <string.h>

#include "completion.h"

/* In single quotes, as fish reads them. */
static void quoted(const char *text) {
	putchar('\'');
	completion_escape(text, "'\\");
	putchar('\'');
}

static void begin(void) {
	puts("# Completions of sdwd and sdwdctl for fish, made by \"sdwdctl completion fish\".\n"
	     "complete -c sdwd -e\n"
	     "complete -c sdwdctl -e");
}

static void scope_begin(const char *scope) {
	printf("set -g __sdwd_valued_%s\n", scope);
}

/* What -a gets. */
static void value(const struct completion_of *of, bool is_list) {
	if (of->value != VALUE_WORDS) {
		printf(" -a '(__sdwd_%s)'", of->value == VALUE_COMMAND  ? "commands"
					    : of->value == VALUE_SIGNAL ? "signals"
					    : of->value == VALUE_LABEL  ? "labels"
					    : of->value == VALUE_UNIT   ? "units"
									: "probes");
	} else if (is_list) {
		printf(" -a '(__fish_append , (string split , %s))'", of->words);
	} else {
		fputs(" -a '", stdout);
		for (const char *p = of->words; *p != '\0'; p++)
			putchar(*p == ',' ? ' ' : *p);
		putchar('\'');
	}
}

static void option(const char *scope, const struct completion_option *o) {
	bool is_of_sdwd = strcmp(scope, "probe") == 0 || strcmp(scope, "service") == 0;

	/* Probe options are sdwd's and those of the verbs that take them. */
	for (int i = 0; i < 2; i++) {
		if (i == 0 ? !is_of_sdwd : strcmp(scope, "service") == 0)
			continue;
		printf("complete -c %s -n '__sdwd_at %s' -l %s -d ", i == 0 ? "sdwd" : "sdwdctl",
		       i == 0 ? "sdwd" : scope, o->name);
		quoted(o->help);
		if (o->takes == TAKES_VALUE)
			fputs(o->of.value == VALUE_FILE ? " -r -F" : " -x", stdout);
		else
			fputs(" -f", stdout);
		if (o->of.value != VALUE_ANY && o->of.value != VALUE_FILE)
			value(&o->of, o->of.is_list);
		putchar('\n');
	}
	if (o->takes == TAKES_VALUE)
		printf("set -a __sdwd_valued_%s --%s\n", scope, o->name);
}

static void scope_end(void) {
}

/* The verb itself, and what stands behind it at each place. */
static void verb(const struct verb *v, const struct completion_of *words, size_t n_words) {
	printf("complete -c sdwdctl -n '__sdwd_at ctl' -f -a %s -d ", v->name);
	quoted(v->help);
	putchar('\n');
	if (v->takes_probes)
		printf("set -a __sdwd_with_probes %s\n", v->name);
	for (size_t i = 0; i < n_words; i++) {
		printf("complete -c sdwdctl -n '__sdwd_word %s %zu%s' %s", v->name, i + 1,
		       words[i].is_repeated ? " more" : "",
		       words[i].value == VALUE_FILE ? "-F" : "-f");
		if (words[i].value != VALUE_FILE)
			value(&words[i], false);
		putchar('\n');
	}
}

static void verbs_begin(void) {
	puts("set -g __sdwd_with_probes");
}

static void signals(const char *names) {
	printf("set -g __sdwd_signal_names %s\n", names);
}

const struct completion_shell completion_fish = {
	.name = "fish",
	.logic = completion_logic_fish,
	.begin = begin,
	.scope_begin = scope_begin,
	.option = option,
	.scope_end = scope_end,
	.verbs_begin = verbs_begin,
	.verb = verb,
	.verbs_end = scope_end,
	.signals = signals,
};
