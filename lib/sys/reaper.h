/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/* What happened to a process that is ours to wait for. */
struct reaped {
	pid_t pid;
	int code; /* CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_STOPPED, CLD_TRAPPED, CLD_CONTINUED */
	int status;      /* exit code or signal, as in siginfo_t */
	int wait_status; /* the same as waitpid(2) would give it */
	bool is_gone;    /* exited, killed or dumped */
};

/*
 * The one reaper: waitid(P_ALL, WNOHANG | WNOWAIT) until nothing is left, or REAPER_TURN processes
 * were seen. @on_reaped sees each while its pid is still reserved; only then it is reaped. It must
 * not wait for anything itself. Returns 1 where more may be left, 0, or a negative errno where it
 * cannot be known.
 */
int reaper_run(void (*on_reaped)(void *context, const struct reaped *r), void *context);

#define REAPER_TURN 8

/*
 * 1 where our child @pid is stopped, 0 where it runs, or -ECHILD: it has ended, or is none of ours.
 * @was_stopped: what reaper_run() told last; what it has not told yet stays for it.
 */
int reaper_is_stopped(pid_t pid, bool was_stopped);

/* True where we have any child left at all, zombies included. */
bool reaper_has_children(void);

/*
 * True where our child @pid has ended and is still to be reaped by reaper_run(): for a deadline
 * that must not judge before what is there was read. *@ret_wait_status: as in struct reaped.
 */
bool reaper_has_ended(pid_t pid, int *ret_wait_status);
