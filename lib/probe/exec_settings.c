/* SPDX-License-Identifier: MIT */
#include "probe/exec_settings.h"

#include <errno.h>
#include <string.h>

#include "base/match.h"

/* A shell's words, and sys/spawn.h's, for a command that did not run (POSIX.1, Shell Command
 * Language, 2.8.2). */
#define CANNOT_EXECUTE 126
#define NOT_FOUND 127

const struct opt exec_options[] = {
	{
		.name = "expect",
		.argument = "REGEX",
		.help = "what the output must match (at most 4 KiB; a longer one never matches)",
		.parse = match_parse,
		.offset = offsetof(struct exec_settings, expect),
		.flags = OPT_OWN_ONLY,
	},
	{
		.name = "exec-warn",
		.argument = "CODE",
		.help = "this exit code is a warning, not a failure",
		.parse = opt_parse_integer,
		.offset = offsetof(struct exec_settings, warn),
		.minimum = 1,
		.maximum = 255,
	},
	{NULL},
};

static int refuse_program(const struct spawn_command *c, const char *target, int r,
			  struct text *error) {
	char quoted[OPT_QUOTED_MAX];

	text_addf(error, "%s: ", opt_quoted(quoted, target));
	text_addf(error, "cannot execute %s: %s", opt_quoted(quoted, c->argv[0]), strerror(-r));
	return r;
}

int exec_settings_check(const char *target, void *settings, struct text *error) {
	struct exec_settings *s = settings;
	char quoted[OPT_QUOTED_MAX];
	int r;

	if (s->warn == CANNOT_EXECUTE || s->warn == NOT_FOUND) {
		text_addf(error,
			  "--exec-warn=%d: this exit code says that the command cannot be run",
			  s->warn);
		return -EINVAL;
	}
	spawn_command_done(&s->command);
	r = spawn_command_parse(&s->command, target);
	if (r == -EINVAL)
		text_addf(error, "%s is not a command: empty, or a quote is not closed",
			  opt_quoted(quoted, target));
	else if (r < 0)
		text_add(error, strerror(-r));
	if (r < 0)
		return r;
	r = spawn_command_check(&s->command);
	return r < 0 ? refuse_program(&s->command, target, r, error) : 0;
}

void exec_settings_done(void *settings) {
	struct exec_settings *s = settings;

	spawn_command_done(&s->command);
	pattern_free(s->expect);
	s->expect = NULL;
}
