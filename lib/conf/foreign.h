/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"

/* What users of other programs type: its name there, and what to do here. */
struct foreign_name {
	const char *name; /* without dashes; a short option is one character */
	const char *advice;
};

/* The table, name NULL at the end. No name in it is one of ours. */
extern const struct foreign_name foreign_names[];

/* The row of @name, or NULL. */
const struct foreign_name *foreign_find(const char *name);

/* Adds one line about an unknown option to @error: our name for it, or the nearest that there is.
 */
void foreign_refuse(const char *name, const struct origin *origin,
		    const struct probe_kind *const *kinds, struct text *error);
