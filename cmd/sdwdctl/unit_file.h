/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/* What unit files say, as they say it: systemd.syntax(7). */

/* One assignment. */
struct unit_setting {
	char *section; /* owned, as the others */
	char *name;
	char *value; /* one line: what was continued is joined */
};

/* The assignments of a unit file and of its drop-ins, in the order in which systemd reads them. */
struct unit_settings {
	struct unit_setting *items; /* owned */
	size_t n_items;
};

/*
 * Adds what the @length bytes at @data (a NUL behind them) say. What is no section and no
 * assignment is passed over, as systemd does. Returns 0 or -ENOMEM.
 */
int unit_settings_read(struct unit_settings *s, const char *data, size_t length);

void unit_settings_done(struct unit_settings *s);

/* The last value of @name in @section, which may be empty (reset), or NULL. */
const char *unit_last(const struct unit_settings *s, const char *section, const char *name);

/* The same of [Service], and @fallback where there is none or an empty one. */
const char *unit_value(const struct unit_settings *s, const char *name, const char *fallback);

/*
 * The value of the list @name in [Service] behind @after (NULL: the first): an empty value forgets
 * what was before it. NULL: no further one.
 */
const struct unit_setting *unit_next(const struct unit_settings *s, const char *name,
				     const struct unit_setting *after);

/* True where [Service] says yes. */
bool unit_yes(const struct unit_settings *s, const char *name);

/* True where a word of the list @name in [Service] is @word. */
bool unit_has_word(const struct unit_settings *s, const char *name, const char *word);
