/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/optab.h"
#include "base/text.h"
#include "verb.h"

/* How an option takes its value. */
enum completion_takes {
	TAKES_NOTHING,
	TAKES_OPTIONAL, /* "--x" or "--x=VALUE" */
	TAKES_VALUE,    /* "--x=VALUE" or "--x VALUE" */
};

/* What can stand as a value. */
enum completion_value {
	VALUE_ANY, /* nothing is known of it */
	VALUE_WORDS,
	VALUE_FILE,
	VALUE_COMMAND,
	VALUE_SIGNAL,
	VALUE_LABEL, /* of an instance that runs */
	VALUE_UNIT,  /* a service of systemd's */
	VALUE_PROBE, /* of the instance that is named before it */
};

/* Much more than the words of any option take. */
#define COMPLETION_WORDS_MAX 256

/* A value, as the tables tell it. */
struct completion_of {
	const char *message; /* as the table writes it: "DURATION" */
	enum completion_value value;
	char words[COMPLETION_WORDS_MAX]; /* VALUE_WORDS: with commas between */
	bool is_list;                     /* VALUE_WORDS: several of them, with commas between */
	bool is_repeated;                 /* of a verb's words: any number of them */
};

/* An option. */
struct completion_option {
	const char *name, *help;
	enum completion_takes takes;
	struct completion_of of;
};

/*
 * A shell's language.  A script is begin(), then for each scope ("probe", "service", "ctl" for
 * sdwdctl itself, and "verb_NAME") scope_begin(), its options, scope_end(); then verb() and words()
 * for each verb, signals(), and the logic, which is a file of its own in completion/.
 */
struct completion_shell {
	const char *name;
	const char *logic;
	void (*begin)(void);
	void (*scope_begin)(const char *scope);
	void (*option)(const char *scope, const struct completion_option *o);
	void (*scope_end)(void);
	void (*verbs_begin)(void);
	void (*verb)(const struct verb *v, const struct completion_of *words, size_t n_words);
	void (*verbs_end)(void);
	void (*signals)(const char *names); /* with blanks between */
};

extern const struct completion_shell completion_bash, completion_zsh, completion_fish;

/* The files in completion/, as they stand (made by the build). */
extern const char completion_logic_bash[], completion_logic_zsh[], completion_logic_fish[];

#define COMPLETION_SHORT_MAX (COMPLETION_WORDS_MAX + 1)

/*
 * The short form of a value for bash and fish: "-", "@file", "@label", "word,word"; with "*" behind
 * it where it is repeated. Returns @buffer.
 */
const char *completion_short(char buffer[static COMPLETION_SHORT_MAX],
			     const struct completion_of *of);

/* Prints @text with a backslash before each character that is in @special. */
void completion_escape(const char *text, const char *special);

/*
 * Prints the labels of the instances that run, or with @label the names of that one's probes, one a
 * line. Returns the exit status.
 */
int completion_names(const char *label);
