/* SPDX-License-Identifier: MIT */
/*
 * The verb "completion": a shell's completions of sdwd and sdwdctl, made of the option tables and
 * the table of verbs.  What a value can be is read off the tables too: an option's words; else the
 * text that stands for its value, where small letters are words as they stand ("all|any|N") and
 * capitals name a kind (FILE, COMMAND, LABEL).
 */
#include "completion.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "probe/probe.h"

/* What main.c and arguments.c know beside their tables. */
static const struct opt help_option = {"help", .help = "show this text and exit"};
static const struct opt version_option = {"version", .help = "show the version and exit"};

static const struct completion_shell *const shells[] = {&completion_bash, &completion_zsh,
							&completion_fish};

static const struct opt_word kinds_by_name[] = {
	{"FILE", VALUE_FILE},       {"PATH", VALUE_FILE},
	{"COMMAND", VALUE_COMMAND}, {"SIG", VALUE_SIGNAL},
	{"LABEL", VALUE_LABEL},     {"UNIT", VALUE_UNIT},
	{"PROBE", VALUE_PROBE},     {NULL, 0},
};

void completion_escape(const char *text, const char *special) {
	for (; *text != '\0'; text++) {
		if (strchr(special, *text))
			putchar('\\');
		putchar(*text);
	}
}

const char *completion_short(char buffer[static COMPLETION_SHORT_MAX],
			     const struct completion_of *of) {
	static const char *const names[] = {
		[VALUE_ANY] = "-",          [VALUE_FILE] = "@file",   [VALUE_COMMAND] = "@command",
		[VALUE_SIGNAL] = "@signal", [VALUE_LABEL] = "@label", [VALUE_UNIT] = "@unit",
		[VALUE_PROBE] = "@probe",
	};

	snprintf(buffer, COMPLETION_SHORT_MAX, "%s%s",
		 of->value == VALUE_WORDS ? of->words : names[of->value],
		 of->is_repeated ? "*" : "");
	return buffer;
}

static void add_word(struct completion_of *of, const char *word, size_t length) {
	struct text t = {.data = of->words, .size = sizeof(of->words), .length = strlen(of->words)};

	text_addf(&t, "%s%.*s", t.length > 0 ? "," : "", (int)length, word);
	assert(!t.is_cut);
	of->value = VALUE_WORDS;
}

/* Reads a text like "all|any|N" or "PORT|PATH" of @length bytes. */
static void read_text(struct completion_of *of, const char *text, size_t length) {
	for (size_t i = 0, n; i < length; i += n + 1) {
		n = 0;
		while (i + n < length && text[i + n] != '|')
			n++;
		if (islower((unsigned char)text[i])) {
			add_word(of, text + i, n);
			continue;
		}
		for (const struct opt_word *w = kinds_by_name; w->word && !of->words[0]; w++)
			if (strlen(w->word) == n && memcmp(w->word, text + i, n) == 0)
				of->value = (enum completion_value)w->value;
	}
}

static void tell(const struct completion_shell *s, const char *scope, const char *name,
		 const char *argument, bool is_optional, const char *help, const struct opt *o) {
	struct completion_option c = {
		.name = name,
		.help = help,
		.takes = !argument     ? TAKES_NOTHING
			 : is_optional ? TAKES_OPTIONAL
				       : TAKES_VALUE,
		.of = {.message = argument, .is_list = o && o->parse == opt_parse_words},
	};

	for (const struct opt_word *w = o ? o->words : NULL; w && w->word; w++)
		add_word(&c.of, w->word, strlen(w->word));
	if (argument && c.of.value == VALUE_ANY)
		read_text(&c.of, argument, strlen(argument));
	s->option(scope, &c);
}

static void tell_option(const struct completion_shell *s, const char *scope, const struct opt *o) {
	tell(s, scope, o->name, o->argument, o->flags & OPT_ARGUMENT_OPTIONAL, o->help, o);
}

static void tell_table(const struct completion_shell *s, const char *scope,
		       const struct opt *table) {
	for (const struct opt *o = table; o && o->name; o++)
		tell_option(s, scope, o);
}

static void tell_probes(const struct completion_shell *s, const char *scope) {
	s->scope_begin(scope);
	for (size_t i = 0; probe_registry[i]; i++) {
		const struct probe_kind *k = probe_registry[i]->kind;

		tell(s, scope, k->name, k->argument, k->argument_is_optional, k->help, NULL);
	}
	tell_table(s, scope, probe_options);
	/* A name that several kinds have is told once. */
	for (size_t i = 0; probe_registry[i]; i++) {
		for (const struct opt *o = probe_registry[i]->kind->options; o && o->name; o++) {
			bool is_new = !opt_find(probe_options, o->name);

			for (size_t j = 0; j < i && is_new; j++)
				is_new = !opt_find(probe_registry[j]->kind->options, o->name);
			if (is_new)
				tell_option(s, scope, o);
		}
	}
	s->scope_end();
}

#define WORDS_MAX 8

static void tell_verb(const struct completion_shell *s, const struct verb *v) {
	struct completion_of words[WORDS_MAX];
	size_t n_words = 0;

	for (const char *p = v->words; *p != '\0' && n_words < WORDS_MAX;) {
		const char *first = p + strspn(p, " [");
		size_t length = strcspn(first, " ]."), whole = strcspn(p, " ");

		words[n_words] = (struct completion_of){
			.message = v->words,
			.is_repeated = whole > length && memmem(p, whole, "...", 3),
		};
		read_text(&words[n_words], first, length);
		/* PROBE-OPTION... and what else no word of its own stands for. */
		if (words[n_words].value != VALUE_ANY)
			n_words++;
		p += whole;
		p += strspn(p, " ");
	}
	s->verb(v, words, n_words);
}

static void tell_signals(const struct completion_shell *s) {
	char names[2048], name[SIGNAL_STR_MAX];
	struct text t = TEXT_OVER(names);

	for (int i = 1; i <= SIGRTMAX; i++)
		/* Those that the library keeps for itself have no names. */
		if (isalpha((unsigned char)signal_str(name, i)[0]))
			text_addf(&t, "%s%s", t.length > 0 ? " " : "", name);
	assert(!t.is_cut);
	s->signals(names);
}

static void script(const struct completion_shell *s) {
	s->begin();
	tell_probes(s, "probe");
	s->scope_begin("service");
	tell_table(s, "service", service_options);
	s->scope_end();
	s->scope_begin("ctl");
	tell_option(s, "ctl", &help_option);
	tell_option(s, "ctl", &version_option);
	s->scope_end();
	for (const struct verb *const *v = verbs; *v; v++) {
		char scope[64];

		snprintf(scope, sizeof(scope), "verb_%s", (*v)->name);
		s->scope_begin(scope);
		tell_table(s, scope, (*v)->options);
		tell_option(s, scope, &help_option);
		s->scope_end();
	}
	s->verbs_begin();
	for (const struct verb *const *v = verbs; *v; v++)
		tell_verb(s, *v);
	s->verbs_end();
	tell_signals(s);
	fputs(s->logic, stdout);
}

static int run(int argc, char **argv);

/* The words are the names of the table of shells. */
const struct verb verb_completion = {
	.name = "completion",
	.words = "bash|zsh|fish",
	.help = "Prints a shell's completions of sdwd and sdwdctl",
	.run = run,
};

static int run(int argc, char **argv) {
	char quoted[OPT_QUOTED_MAX];
	size_t n_words;
	int r = arguments_parse(&verb_completion, argc, argv, NULL, &n_words);

	if (r != 0)
		return r < 0 ? CTL_USAGE : CTL_WELL;
	/* What the scripts themselves ask. */
	if (n_words == 1 && strcmp(argv[1], "labels") == 0)
		return completion_names(NULL);
	if (n_words == 2 && strcmp(argv[1], "probes") == 0)
		return completion_names(argv[2]);
	if (n_words != 1)
		return usage_error(&verb_completion, "it needs one shell: %s",
				   verb_completion.words);
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		if (strcmp(argv[1], shells[i]->name) == 0) {
			script(shells[i]);
			return CTL_WELL;
		}
	}
	return usage_error(&verb_completion, "%s is no shell that it knows (%s)",
			   opt_quoted(quoted, argv[1]), verb_completion.words);
}
