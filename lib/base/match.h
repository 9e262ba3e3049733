/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/optab.h"
#include "base/pattern.h"

/*
 * POSIX extended regular expressions (regex(7)), compiled once at start. As in grep(1), ^ and $
 * stand for the ends of lines, and . and [^...] do not match a line end. What they match of is a
 * stranger's: the time for it is bounded, see base/pattern.h.
 */

/* What is matched of an output; what is longer is cut by whoever collects it. */
#define MATCH_MAX (10 * 1024)

/* Compiles @source. Returns 0 with *@ret (pattern_free() it), or a negative errno with the reason
 * in
 * @error. */
int match_new(const char *source, struct pattern **ret, struct text *error);

/* True where @p is found in @length bytes of @data, NUL bytes included. */
bool match_bytes(const struct pattern *p, const char *data, size_t length);

/* The same in data that may go on: its end is no line's end, so $ does not match there. */
bool match_begun(const struct pattern *p, const char *data, size_t length);

/* For option tables: the field is a struct pattern *, owned by the struct. */
opt_parse_t match_parse;
