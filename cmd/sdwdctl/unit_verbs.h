/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/text.h"
#include "unit_words.h"
#include "verb.h"

/* What wrap, unwrap and check have in common. */

extern const struct verb verb_wrap, verb_unwrap, verb_check;

/* One line on stderr for each of @lines, "sdwdctl: VERB: ..." (a '\n' stands between them). */
void complain_lines(const struct verb *v, const char *lines);

/*
 * The path of --root as it is used: "" for the running system (NULL, "/"), else absolute, without a
 * slash at its end. *@ret_root is the caller's to free. Returns 0, -EINVAL after a line on stderr
 * (no such folder), or -ENOMEM.
 */
int take_root(const struct verb *v, const char *given, char **ret_root);

/* What runs of @unit, of a template each instance, as systemctl(1) takes it in a shell. Returns
 * @buffer. */
const char *running_for_shell(char buffer[static UNIT_SHELL_MAX], const char *unit);

/* True where apply_now() would restart something of @unit. */
bool would_restart(const char *unit);

/*
 * Lets systemd read its units again, and restarts @unit if it runs. Returns 0, or -EIO after a line
 * on stderr.
 */
int apply_now(const struct verb *v, const char *unit);

/* Prints the commands that do the same. @root is as take_root() gives it. */
void tell_commands(const char *unit, const char *root);
