/* SPDX-License-Identifier: MIT */
#pragma once

#include <limits.h>

#include "sdwd_options.h"

/* The folders of units, in the order in which systemd looks into them (systemd.unit(5), UNIT FILE
 * LOAD PATH); NULL at the end. */
extern const char *const unit_folders[];

/*
 * Finds the file of the unit @name in the system at @root, and all names of it, the real one
 * first, into @n, which is the caller's in any case, for words_done(). @path gets the file. Returns
 * 0, -ENOENT, -ESHUTDOWN (masked), or another negative errno.
 */
int unit_names_find(struct words *n, const char *name, const char *root,
		    char path[static PATH_MAX]);
