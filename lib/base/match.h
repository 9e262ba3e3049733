/* SPDX-License-Identifier: MIT */
#pragma once

#include <regex.h>

#include "base/defs.h"
#include "base/optab.h"

/*
 * POSIX extended regular expressions (regex(7)), compiled once at start. As in grep(1), ^ and $
 * stand for the ends of lines, and . and [^...] do not match a line end.
 */

/* What is matched of an output; what is longer is cut by whoever collects it. */
#define MATCH_MAX (10 * 1024)

/* Compiles @pattern. Returns 0 with *@ret (match_free() it), or a negative errno with the reason in
 * @error. */
int match_new(const char *pattern, regex_t **ret, struct text *error);

/* NULL: nothing. */
void match_free(regex_t *re);

/*
 * Looks for @re in @length bytes of @data, NUL bytes included. Somewhere behind them must be one
 * more NUL: AddressSanitizer takes every text of regexec(3) for a string. Returns 1 (found), 0 (not
 * found), or -ENOMEM.
 */
int match_bytes(const regex_t *re, const char *data, size_t length);

/* The same in data that may go on: its end is no line's end, so $ does not match there. */
int match_begun(const regex_t *re, const char *data, size_t length);

/* For option tables: the field is a regex_t *, owned by the struct. */
opt_parse_t match_parse;
