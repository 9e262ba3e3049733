/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/*
 * The name of the service in @cgroups, what /proc/self/cgroup says: malloc'ed, or NULL where there
 * is none. Of a user's manager it is the service below it.
 */
char *unit_name_of_cgroups(const char *cgroups);

/* The same of our own process. */
char *unit_name_own(void);
