/* SPDX-License-Identifier: MIT */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "base/defs.h"

/* The kernel takes and gives contexts within one page. */
#define SELINUX_CONTEXT_MAX 4096

/* Where a command belongs under SELinux. */
struct selinux {
	char file[PATH_MAX];              /* what execvp(3) takes for the command */
	char own[SELINUX_CONTEXT_MAX];    /* the domain that we are in */
	char wanted[SELINUX_CONTEXT_MAX]; /* the one that it would have, executed in our place */
	char usual[SELINUX_CONTEXT_MAX];  /* the one that it gets from us where nothing is asked */
};

/*
 * Finds out all of @x for @command, before the fork and in the folder where it will be executed.
 * Returns 1: @x is filled; 0: SELinux is off, which costs one access(2); or a negative errno: it is
 * on and does not tell.
 */
int selinux_init(struct selinux *x, const char *command);

/* True where the command must be executed with x->wanted asked for; else the policy does it. */
bool selinux_must_ask(const struct selinux *x);

/*
 * Asks for @context at the next exec of this process; NULL: for none any more. Async-signal-safe.
 * Returns 0 or a negative errno.
 */
int selinux_ask(const char *context);

/*
 * After the command was executed as @pid, a child that is not reaped yet: true where it is not in
 * x->wanted. @refused is the errno with which that was refused, 0 where it was not. @ret_context
 * (SELINUX_CONTEXT_MAX) gets the domain it is in.
 */
bool selinux_is_elsewhere(const struct selinux *x, pid_t pid, int refused, char *ret_context);
