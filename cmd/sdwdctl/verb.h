/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/optab.h"

/*
 * A verb of sdwdctl.  Each stands in its own file, and its line in main.c's table; usage, --help,
 * completions and the parsing of its options come from here and nowhere else.
 */
struct verb {
	const char *name;
	const char *words;         /* what stands behind it: "[LABEL...]"; empty: nothing may */
	const char *help;          /* one line */
	const struct opt *options; /* its own, into the struct that run() fills; name NULL at the
				      end; NULL: none */
	bool takes_probes;         /* sdwd's own probe options as well */

	/* Does it. argv[0] is the verb's name, argv[argc] NULL. Returns the exit status. */
	int (*run)(int argc, char **argv);
};

/* Exit statuses, where a verb's section of sdwdctl(1) says nothing else. */
enum {
	CTL_WELL = 0,
	CTL_UNWELL = 1, /* something is not well, or was refused */
	CTL_USAGE = 2,
	CTL_CANNOT = 3, /* could not ask, could not look */
};

extern const struct verb verb_probe; /* probe.c */

/* All verbs, NULL at the end, in the order of the man page (main.c). */
extern const struct verb *const verbs[];

extern const struct verb verb_status; /* status.c */
extern const struct verb verb_watch;  /* watch.c */
extern const struct verb verb_pause;  /* pause.c */
extern const struct verb verb_resume;
extern const struct verb verb_drill;      /* drill.c */
extern const struct verb verb_metrics;    /* metrics.c */
extern const struct verb verb_completion; /* completion.c */

/*
 * Reads @v's options from @argv into @settings (zeroed: defaults are set first): "--x=VALUE", "--x
 * VALUE", wherever they stand, up to "--". What is no option is moved to the front of @argv behind
 * argv[0], and counted in *@ret_n_words (they begin at argv[1]). --help prints the verb's usage.
 * Returns 0; 1 where help was printed; or -EINVAL after one line on stderr.
 */
int arguments_parse(const struct verb *v, int argc, char **argv, void *settings,
		    size_t *ret_n_words);

/* Frees the strings among @v's options in @settings. */
void arguments_done(const struct verb *v, void *settings);

/* Prints @v's usage and options. */
void arguments_help(const struct verb *v);

/* One line on stderr, "sdwdctl: VERB: ..." . Returns CTL_USAGE. */
int usage_error(const struct verb *v, const char *format, ...) printf_like(2, 3);

/* The same of memory that ran out. Returns CTL_CANNOT. */
int no_memory(const struct verb *v);
