/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/*
 * The name of the service in @cgroups, what /proc/self/cgroup says: malloc'ed, or NULL where there
 * is none. A manager that is a service itself (a user's, a container's) has its services below its
 * own: it is the last one.
 */
char *unit_name_of_cgroups(const char *cgroups);

/* The same of our own process. */
char *unit_name_own(void);
