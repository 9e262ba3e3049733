/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/*
 * POSIX extended regular expressions (regex(7)), without back-references, as regcomp(3) reads them
 * with REG_NEWLINE in the C locale. Unlike with regexec(3) the time for a match is bounded whatever
 * the data is: bytes of data times steps of the pattern; and nothing is allocated for it.
 */

/* A literal byte or a bracket expression is a step, and so is what joins or repeats; what is
 * repeated n times counts n times. */
#define PATTERN_STEPS_MAX 500

struct pattern;

/* Compiles @source. Returns 0 with *@ret, -EINVAL (malformed, or with a back-reference; *@problem
 * says what, static), -E2BIG (*@problem says of what, NULL: steps), or -ENOMEM. Whatever @source
 * is, it takes little time and memory. */
int pattern_new(const char *source, struct pattern **ret, const char **problem);

void pattern_free(struct pattern *p);

/*
 * True where @p matches somewhere in @length bytes of @data, NUL bytes included. @may_go_on: more
 * may follow, so that the end of the data is no end of a line.
 */
bool pattern_find(const struct pattern *p, const char *data, size_t length, bool may_go_on);
