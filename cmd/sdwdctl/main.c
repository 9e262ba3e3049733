/* SPDX-License-Identifier: MIT */
/* The table of verbs, and the way into one of them. */
#include <stdio.h>
#include <string.h>

#include "unit_verbs.h"
#include "verb.h"

/* In the order of the man page. */
const struct verb *const verbs[] = {
	&verb_status, &verb_watch,  &verb_pause, &verb_resume,  &verb_drill,      &verb_probe,
	&verb_wrap,   &verb_unwrap, &verb_check, &verb_metrics, &verb_completion, NULL,
};

static int help(void) {
	puts("Usage: sdwdctl VERB [OPTION...] [WORD...]\n\n"
	     "Shows, tries out and controls the services that run under sdwd.\n");
	for (const struct verb *const *v = verbs; *v; v++)
		printf("  %-10s %s\n", (*v)->name, (*v)->help);
	puts("\nsdwdctl VERB --help shows a verb's options. See sdwdctl(1).");
	return CTL_WELL;
}

/* What was printed must have arrived: a full disk is an error. */
static int printed(int status) {
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fputs("sdwdctl: cannot write to the standard output\n", stderr);
	return status == CTL_WELL ? CTL_CANNOT : status;
}

int main(int argc, char **argv) {
	char quoted[OPT_QUOTED_MAX];
	const char *word = argc > 1 ? argv[1] : NULL;

	if (!word) {
		fputs("sdwdctl: a verb is missing; see sdwdctl --help\n", stderr);
		return CTL_USAGE;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return printed(help());
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		puts("sdwdctl " SDWD_VERSION);
		return printed(CTL_WELL);
	}
	for (const struct verb *const *v = verbs; *v; v++)
		if (strcmp(word, (*v)->name) == 0)
			return printed((*v)->run(argc - 1, argv + 1));
	fprintf(stderr, "sdwdctl: unknown verb %s; see sdwdctl --help\n", opt_quoted(quoted, word));
	return CTL_USAGE;
}
