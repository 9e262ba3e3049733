/* SPDX-License-Identifier: MIT */
#pragma once

#include <limits.h>

#include "base/text.h"
#include "conf/conf.h"
#include "unit.h"

/* Where sdwd and its prober are: in a system, and to a unit with a root folder of its own. */

/* Where wrap takes sdwd from in the system at @root: from beside this program, else from where it
 * is installed. Returns 0 or -ENOENT. */
int programs_find_sdwd(const char *root, char path[static PATH_MAX]);

/* The prober of @sdwd, as that finds it: beside itself, else where it is installed. */
void programs_find_prober(const char *root, const char *sdwd, char path[static PATH_MAX]);

/*
 * What the unit @u of the system at @root lacks in its RootDirectory=, whether it is there or bound
 * into it: @sdwd, or its prober where a probe of @c needs that (NULL: not known yet). @path gets
 * where it should be. Returns false where nothing is missing.
 */
bool programs_miss(const struct unit *u, const char *root, const char *sdwd, const struct conf *c,
		   char path[static PATH_MAX]);
