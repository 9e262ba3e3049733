/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"
#include "sys/inherit.h"
#include "sys/signals.h"

/* What the supervisor is given by main; all borrowed, and outlives it. */
struct supervisor_setup {
	const struct conf *conf; /* resolved and frozen */
	struct conf_env env;
	usec_t watchdog_usec;    /* W */
	struct signals *signals; /* blocked, not opened yet */
	const struct inherit *inherit;
	bool is_from_manager; /* systemd started us, not somebody in a shell */
};

/* How sdwd must end: as waitpid(2) would tell it (exit code << 8, or a signal to die by). */
struct supervisor_end {
	int wait_status;
};

/* The end as an exit code of sdwd's own. */
#define SUPERVISOR_EXIT(code) ((struct supervisor_end){.wait_status = (code) << 8})

enum {
	EXIT_UNHEALTHY = 124, /* sdwd ended an unhealthy child, or one that did not become ready */
	EXIT_SDWD = 125,      /* sdwd itself failed: usage, resources */
	EXIT_CANNOT_EXEC = 126,
	EXIT_NOT_FOUND = 127,
};

/*
 * Checks what only the app can: that the settled numbers of heartbeats are free, and that the
 * prober is there where one is needed. Errors are added as conf_resolve() adds them. Returns 0, or
 * a negative errno.
 */
int supervisor_check(const struct supervisor_setup *setup, struct text *errors);

/*
 * Starts the command, supervises it, and returns when it and what it left behind are gone. Errors
 * are logged.
 */
struct supervisor_end supervisor_run(const struct supervisor_setup *setup);
