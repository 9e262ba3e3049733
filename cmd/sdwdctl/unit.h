/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/text.h"
#include "unit_file.h"

struct words;

/*
 * What systemd knows of a unit, or will know once it has read its files again.  Whether there is
 * such a unit, and its real name, the manager says, over D-Bus, unless there is none (an image, a
 * chroot).  The folders of units are searched as it does, and what the files say is read from them:
 * the manager tells command lines only expanded.
 */
struct unit {
	char *name;   /* its real name, with ".service"; owned, as the others */
	char **files; /* the unit's own file, then its drop-ins, in their order; NULL at the end */
	size_t n_files;
	struct unit_settings settings;

	/* From the manager alone. */
	bool has_manager;
	bool ignores_watchdogs; /* "systemctl service-watchdogs no" */
	usec_t abort_usec;      /* TimeoutAbortSec= with the manager's default; 0: not known */
};

/*
 * Loads the unit @name (".service" is added where it has no suffix) of the system at @root ("": the
 * running one). On error @error gets a line for people. Returns 0, -EINVAL (not the name of a
 * service), -ENOENT, -ESHUTDOWN (masked), or another negative errno.
 */
int unit_load(struct unit *u, const char *name, const char *root, struct text *error);

void unit_done(struct unit *u);

/* The whole name of the service @name, to free. Returns as unit_load(). */
int unit_complete_name(const char *name, char **ret_name, struct text *error);

/* The parts of unit_load(). */

/* Adds a path to u->files. Returns 0 or -ENOMEM. */
int unit_add_file(struct unit *u, const char *path);

/* Asks the manager for u->name (replaced by the real one) and its files. Returns 1 with them, 0
 * where no manager answers, or a negative errno as unit_load(). */
int unit_ask_manager(struct unit *u, struct text *error);

/* Adds the names of the units by a name like @pattern that run or start just now. Returns 0, also
 * where there is no systemd, or a negative errno. */
int unit_running(const char *pattern, struct words *names);

/* Finds the same in the folders of units. Returns as unit_load(). */
int unit_search_files(struct unit *u, const char *root, struct text *error);
