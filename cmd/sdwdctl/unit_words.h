/* SPDX-License-Identifier: MIT */
#pragma once

#include <limits.h>

#include "base/defs.h"
#include "base/text.h"

/*
 * Reads the next word at *@text as systemd does (systemd.syntax(7)): "..." and '...' anywhere,
 * C escapes in and outside of them, blanks between words. *@text moves behind it. *@ret_word is the
 * caller's to free. Returns 1; 0 where there is none left; -EINVAL for a quote that is not closed
 * or a backslash at the end; or -ENOMEM.
 */
int unit_word_next(const char **text, char **ret_word);

/* What unit_word_add() hides of systemd's own signs. */
enum {
	UNIT_WORD_PERCENT = 1 << 0, /* '%' begins a specifier: written twice */
	UNIT_WORD_DOLLAR = 1 << 1,  /* '$' begins a variable, in command lines: written twice */
};

/* Adds @word to the command line @t so that systemd reads the same word again, quoted only where it
 * must be. */
void unit_word_add(struct text *t, const char *word, unsigned hidden);

/* True where systemd would read @word as yes (1, yes, y, true, t, on), whatever its case. */
bool unit_is_yes(const char *word);

/* The longest name of a unit, a sign that stands for any instance, quotes, and the NUL. */
#define UNIT_SHELL_MAX (NAME_MAX + 4)

/* The unit's @name as a shell takes it, quoted only where it must be. Returns @buffer. */
const char *unit_for_shell(char buffer[static UNIT_SHELL_MAX], const char *name);
