/* SPDX-License-Identifier: MIT */
#include "probe/pidfile.h"

#include <errno.h>
#include <string.h>

#include "sys/file_system.h"

static void state_done(struct probe *p) {
}

/* Zeroed before check_path(). */
struct pidfile_settings {
	const char *path; /* borrowed of the configuration */
};

static int check_path(const char *target, void *settings, struct text *error) {
	struct pidfile_settings *s = settings;
	size_t length = strlen(target);
	char quoted[OPT_QUOTED_MAX];

	if (length == 0 || target[length - 1] == '/') {
		text_addf(error, "%s is not a file's path", opt_quoted(quoted, target));
		return -EINVAL;
	}
	s->path = target;
	return 0;
}

static const char *note(const void *settings) {
	const struct pidfile_settings *s = settings;

	return file_system_that_waits(s->path)
		       ? "it lies on a file system that may hang (NFS, FUSE), and sdwd with it: "
			 "use one in /run"
		       : NULL;
}

static const struct probe_kind pidfile_kind = {
	.name = "pidfile",
	.argument = "PATH",
	.help = "for a daemon that forks away: supervises the process that the first line of PATH "
		"names",
	.mode = PROBE_STATE,
	.settings_size = sizeof(struct pidfile_settings),
	.check = check_path,
	.note = note,
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
