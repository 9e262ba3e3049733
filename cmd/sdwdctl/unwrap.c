/* SPDX-License-Identifier: MIT */
/* sdwdctl unwrap: takes away what wrap made. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drop_in.h"
#include "root.h"
#include "unit_verbs.h"

struct unwrap_settings {
	bool force;
	bool now;
	char *root;
};

#define FIELD(name) .offset = offsetof(struct unwrap_settings, name)

static const struct opt unwrap_options[] = {
	{.name = "force",
	 .help = "remove the drop-in even if it was changed by hand",
	 .parse = opt_parse_flag,
	 FIELD(force)},
	{.name = "now",
	 .help = "let systemd read it, and restart the service if it runs",
	 .parse = opt_parse_flag,
	 FIELD(now)},
	{.name = "root",
	 .argument = "DIR",
	 .help = "look for the unit in this folder (an image), not in the running system",
	 .parse = opt_parse_string,
	 FIELD(root)},
	{NULL},
};

static int run(int argc, char **argv);

const struct verb verb_unwrap = {
	.name = "unwrap",
	.words = "UNIT",
	.help = "Takes a service out of sdwd again",
	.options = unwrap_options,
	.run = run,
};

/* Is the file at @path one that may be removed? Returns CTL_WELL, or another status after a line.
 */
static int look_at(const char *unit, const char *path, const struct unwrap_settings *s,
		   const char *root, bool *ret_is_folder_ours) {
	char *data;
	size_t length;
	int r = root_read(root, path, &data, &length);
	enum drop_in_origin origin;

	if (r == -ENOENT) {
		usage_error(&verb_unwrap, "%s was not wrapped: there is no %s%s", unit, root, path);
		return CTL_UNWELL;
	}
	if (r < 0) {
		usage_error(&verb_unwrap, "cannot read %s%s: %s", root, path, strerror(-r));
		return CTL_CANNOT;
	}
	origin = drop_in_origin(data, ret_is_folder_ours);
	free(data);
	if (origin == DROP_IN_FOREIGN) {
		usage_error(&verb_unwrap, "%s%s was not made by sdwdctl wrap, and stays", root,
			    path);
		return CTL_UNWELL;
	}
	if (origin == DROP_IN_CHANGED && !s->force) {
		usage_error(&verb_unwrap,
			    "%s%s was changed since sdwdctl wrap made it, and stays; --force "
			    "removes it",
			    root, path);
		return CTL_UNWELL;
	}
	return CTL_WELL;
}

/* Removes the drop-in of @unit. Returns an exit status. */
static int unwrap(const char *unit, const struct unwrap_settings *s, const char *root) {
	char path[PATH_MAX];
	bool is_folder_ours = false;
	int r, status;

	if (drop_in_path(unit, path, sizeof(path)) < 0) {
		usage_error(&verb_unwrap, "%s: its name is too long", unit);
		return CTL_USAGE;
	}
	status = look_at(unit, path, s, root, &is_folder_ours);
	if (status != CTL_WELL)
		return status;
	r = root_remove(root, path, is_folder_ours);
	if (r < 0) {
		usage_error(&verb_unwrap, "cannot remove %s%s: %s", root, path, strerror(-r));
		return CTL_CANNOT;
	}
	printf("Removed %s%s\n", root, path);
	if (!s->now) {
		tell_commands(unit, root);
		return CTL_WELL;
	}
	return apply_now(&verb_unwrap, unit) < 0 ? CTL_UNWELL : CTL_WELL;
}

static int find_and_unwrap(const char *name, const struct unwrap_settings *s, const char *root) {
	char error[1024];
	struct text e = TEXT_OVER(error);
	char *whole = NULL;
	struct unit u;
	int r;

	if (s->now && root[0] != '\0')
		return usage_error(&verb_unwrap, "--now cannot be combined with --root: what is in "
						 "a folder does not run");
	if (root[0] == '\0' && geteuid() != 0) {
		usage_error(&verb_unwrap, "only root may change units");
		return CTL_CANNOT;
	}
	/* A unit that is gone or broken is unwrapped as well: by the name that was given. */
	r = unit_complete_name(name, &whole, &e);
	if (r < 0) {
		usage_error(&verb_unwrap, "%s", error);
		return CTL_USAGE;
	}
	r = unit_load(&u, name, root, &e);
	r = unwrap(r < 0 ? whole : u.name, s, root);
	unit_done(&u);
	free(whole);
	return r;
}

static int run(int argc, char **argv) {
	struct unwrap_settings s = {0};
	size_t n_words = 0;
	char *root = NULL;
	int status = CTL_USAGE, r = arguments_parse(&verb_unwrap, argc, argv, &s, &n_words);

	if (r != 0)
		return r > 0 ? CTL_WELL : CTL_USAGE;
	if (n_words != 1)
		usage_error(&verb_unwrap, "%s; see sdwdctl unwrap --help",
			    n_words == 0 ? "a unit is missing" : "one unit at a time");
	else if (take_root(&verb_unwrap, s.root, &root) == 0)
		status = find_and_unwrap(argv[1], &s, root);
	free(root);
	arguments_done(&verb_unwrap, &s);
	return status;
}
