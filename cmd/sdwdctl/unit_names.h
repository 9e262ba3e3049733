/* SPDX-License-Identifier: MIT */
#pragma once

#include <limits.h>

#include "unit.h"

/* The folders of units, in the order in which systemd looks into them (systemd.unit(5), UNIT FILE
 * LOAD PATH); NULL at the end. */
extern const char *const unit_folders[];

/* A unit's names. Zeroed: none. */
struct unit_names {
	char **items; /* owned, like each of them; the real one is the first */
	size_t n_items;
};

/*
 * Finds the file of the unit @name in the system at @root, and all names of it. @path gets the
 * file. Returns 0, -ENOENT, -ESHUTDOWN (masked), or another negative errno.
 */
int unit_names_find(struct unit_names *n, const char *name, const char *root,
		    char path[static PATH_MAX]);

void unit_names_done(struct unit_names *n);
