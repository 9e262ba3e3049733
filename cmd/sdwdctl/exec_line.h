/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/text.h"

/* A value of ExecStart= taken apart (systemd.service(5), COMMAND LINES). */
struct exec_line {
	char prefixes[8];      /* of "-:+!" as they stand, without "@" */
	bool has_no_variables; /* ":": '$' stands for itself */
	bool is_shell;         /* "|": the user's shell runs it */
	char *path;            /* unquoted, specifiers as they stand; owned, as the others */
	char *argv0;           /* "@": the same, or NULL */
	char *rest;            /* the arguments literally as they stand, may be empty */
};

/*
 * Takes @value apart. Returns 0; -E2BIG where it is several commands (";"); -EINVAL where systemd
 * could not read it either; or -ENOMEM.
 */
int exec_line_parse(struct exec_line *e, const char *value);

void exec_line_done(struct exec_line *e);

/*
 * The arguments as words, unquoted, with "%%" and "$$" as single signs and the specifiers that are
 * made of @unit's name (%n %N %p %i) expanded; what else systemd expands stays. Moves along @rest.
 * Returns as unit_word_next() does.
 */
int exec_line_next(const struct exec_line *e, const char *unit, const char **rest, char **ret_word);

/* Adds @word, a setting's, with the same specifiers expanded. */
void exec_line_expand(struct text *t, const char *word, const char *unit);
