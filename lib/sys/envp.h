/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/*
 * An environment for execve(2), made from ours and never put into it. The array is owned, the
 * strings are borrowed: from environ and from the caller.
 */
struct envp {
	char **entries; /* NULL at the end */
	size_t n_entries;
	size_t room; /* without the NULL */
};

/* Starts with a copy of environ and room for @n_more entries. Returns 0 or -ENOMEM. */
int envp_init(struct envp *e, size_t n_more);

/* The value of @name, or NULL. */
const char *envp_get(const struct envp *e, const char *name);

/* Takes every entry of that name out. */
void envp_unset(struct envp *e, const char *name);

/* Sets or replaces @entry ("NAME=value"), once for each entry that envp_init() made room for. */
void envp_set(struct envp *e, char *entry);

void envp_done(struct envp *e);
