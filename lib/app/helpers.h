/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/*
 * Processes of our own beside the service: checks, hooks, whatever else sdwd starts by
 * spawn_start().  They descend from us as the service does, and must not be taken for it: not
 * adopted, not counted among what it left behind, not heard in its name.  One rule tells them
 * apart: each leads a session of its own, and all of that session is the helper's.
 */

/* What runs at once, and as many again that ended a moment ago. */
#define HELPERS_MAX 160

struct helper {
	pid_t pid;       /* and the number of its session; 0: never used */
	usec_t until_at; /* USEC_INFINITY: it runs; else until then what it left counts as its */
};

struct helpers {
	struct helper items[HELPERS_MAX];
};

/* @pid was just started, and will be reaped by reaper_run(). */
void helpers_add(struct helpers *h, pid_t pid);

/* @pid, whatever it is, has ended. */
void helpers_reaped(struct helpers *h, pid_t pid, usec_t now);

/*
 * 1 where @pid is a helper or belongs to one, 0 where not, -ESRCH where there is no such process
 * any more. Also right for a zombie, and without /proc.
 */
int helpers_have(const struct helpers *h, pid_t pid, usec_t now);

/* SIGKILL to each that runs, and its group. */
void helpers_kill(const struct helpers *h);
