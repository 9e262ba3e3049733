/* SPDX-License-Identifier: MIT */
#include "probe/pidfile.h"

#include <errno.h>
#include <string.h>

static void state_done(struct probe *p) {
}

static int check_path(const char *target, void *settings, struct text *error) {
	size_t length = strlen(target);
	char quoted[OPT_QUOTED_MAX];

	if (length == 0 || target[length - 1] == '/') {
		text_addf(error, "%s is not a file's path", opt_quoted(quoted, target));
		return -EINVAL;
	}
	return 0;
}

static const struct probe_kind pidfile_kind = {
	.name = "pidfile",
	.argument = "PATH",
	.help = "for a daemon that forks away: supervises the process that the first line of PATH "
		"names",
	.mode = PROBE_STATE,
	.check = check_path,
};

static const struct probe_kind forking_kind = {
	.name = "forking",
	.help = "for a daemon that forks away without a pidfile: supervises the one process that "
		"remains after the command's exit 0",
	.mode = PROBE_STATE,
};

const struct probe_class probe_pidfile = {
	.kind = &pidfile_kind,
	.size = sizeof(struct probe),
	.done = state_done,
};

const struct probe_class probe_forking = {
	.kind = &forking_kind,
	.size = sizeof(struct probe),
	.done = state_done,
};
