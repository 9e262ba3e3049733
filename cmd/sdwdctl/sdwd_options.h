/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"
#include "unit.h"

/* sdwd's own options as they stand in a unit: read by the code of sdwd itself. */

/* A list of words, NULL at the end. Zeroed: none. */
struct words {
	char **items; /* owned, like each of them */
	size_t n_items;
};

/* Adds a copy of @word. Returns 0 or -ENOMEM. */
int words_add(struct words *w, const char *word);

void words_done(struct words *w);

/*
 * Reads @options, and with --config the file in @root, and @command (NULL: as the file says) into
 * @c, checked as sdwd would check them in a unit @unit with a watchdog of @watchdog_usec (0: none).
 * Each error is a line in @errors, without "sdwd: " in front. @c is the caller's, for conf_done(),
 * also after an error. Returns 0, -EINVAL or -ENOMEM.
 */
int sdwd_options_read(struct conf *c, const struct words *options, const char *const *command,
		      const char *unit, usec_t watchdog_usec, const char *root,
		      struct text *errors);

/* True where one of @options is @name, with or without a value. */
bool sdwd_options_have(const struct words *options, const char *name);

/*
 * Parts @argv (a verb's, of @argc words) into the verb's own options and words, left in @argv, and
 * sdwd's options, moved to @options. What neither knows goes to sdwd's, which say it best. Returns
 * how many words are left, or -ENOMEM.
 */
int sdwd_options_part(int argc, char **argv, const struct opt *own, struct words *options);

/* The watchdog time that @s sets: 0 where there is none. */
usec_t unit_watchdog_usec(const struct unit_settings *s);
