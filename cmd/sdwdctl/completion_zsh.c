/* SPDX-License-Identifier: MIT */
/* Data for zsh: for each scope an array of what _arguments(zshcompsys) reads. */
#include <stdio.h>

#include "completion.h"

/* Inside of single quotes, with a backslash before what _arguments would take for its own. */
static void words_of(const char *text) {
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\'", stdout);
		else if (*text == ':' || *text == '[' || *text == ']' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
}

static void begin(void) {
	puts("#compdef sdwd sdwdctl\n"
	     "# Completions of sdwd and sdwdctl for zsh, made by \"sdwdctl completion zsh\".");
}

static void scope_begin(const char *scope) {
	printf("typeset -ga __sdwd_%s=(\n", scope);
}

/* The action behind the message. */
static void action(const struct completion_of *of, bool is_list) {
	static const char *const actions[] = {
		[VALUE_ANY] = " ",
		[VALUE_FILE] = "_files",
		[VALUE_COMMAND] = "_command_names -e",
		[VALUE_SIGNAL] = "__sdwd_complete_signal",
		[VALUE_LABEL] = "__sdwd_complete_label",
		[VALUE_UNIT] = "__sdwd_complete_unit",
		[VALUE_PROBE] = "__sdwd_complete_probe",
	};

	if (of->value != VALUE_WORDS) {
		fputs(actions[of->value], stdout);
		return;
	}
	fputs(is_list ? "_sequence compadd - " : "(", stdout);
	for (const char *p = of->words; *p != '\0'; p++)
		putchar(*p == ',' ? ' ' : *p);
	if (!is_list)
		putchar(')');
}

static void option(const char *scope, const struct completion_option *o) {
	printf("\t'*--%s%s[", o->name,
	       o->takes == TAKES_VALUE      ? "="
	       : o->takes == TAKES_OPTIONAL ? "=-"
					    : "");
	words_of(o->help);
	putchar(']');
	if (o->takes != TAKES_NOTHING) {
		fputs(o->takes == TAKES_OPTIONAL ? "::" : ":", stdout);
		words_of(o->of.message);
		putchar(':');
		action(&o->of, o->of.is_list);
	}
	puts("'");
}

static void scope_end(void) {
	puts(")");
}

static void verb(const struct verb *v, const struct completion_of *words, size_t n_words) {
	printf("__sdwd_verbs+=('%s:", v->name);
	words_of(v->help);
	printf("')\ntypeset -g __sdwd_probes_%s=%s\ntypeset -ga __sdwd_words_%s=(\n", v->name,
	       v->takes_probes ? "yes" : "", v->name);
	for (size_t i = 0; i < n_words; i++) {
		printf("\t'%s:", words[i].is_repeated ? "*" : "");
		words_of(words[i].message);
		putchar(':');
		action(&words[i], false);
		puts("'");
	}
	puts(")");
}

static void verbs_begin(void) {
	puts("typeset -ga __sdwd_verbs=()");
}

static void verbs_end(void) {
}

static void signals(const char *names) {
	printf("typeset -ga __sdwd_signals=(%s)\n", names);
}

const struct completion_shell completion_zsh = {
	.name = "zsh",
	.logic = completion_logic_zsh,
	.begin = begin,
	.scope_begin = scope_begin,
	.option = option,
	.scope_end = scope_end,
	.verbs_begin = verbs_begin,
	.verb = verb,
	.verbs_end = verbs_end,
	.signals = signals,
};
