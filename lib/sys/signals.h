/* SPDX-License-Identifier: MIT */
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include "base/defs.h"

/* What sdwd was given at its start and must hand on to the child, and how it reads signals itself.
 */
struct signals {
	sigset_t inherited_mask; /* as the kernel has it, libc's internal signals included */
	struct sigaction inherited_sigchld;
	int fd; /* signalfd, CLOEXEC and non-blocking; -1: none */
};

/*
 * The very first act of main: blocks all but SEGV BUS FPE ILL TRAP SYS, saves the mask and
 * SIGCHLD's disposition, and sets SIGCHLD to default (ignored, it would make the kernel throw exit
 * statuses away). No fd is opened yet. Returns 0, or a negative errno.
 */
int signals_block(struct signals *s);

/* Opens the signalfd. Returns 0 or a negative errno. */
int signals_open(struct signals *s);

/*
 * One signal that is waiting: sender, code and RT value are in *@ret (signalfd(2)). Records that
 * sdwd caused itself (a SIGPIPE of its own log) are passed over. Returns 1, 0 where none waits, or
 * a negative errno.
 */
int signals_next(struct signals *s, struct signalfd_siginfo *ret);

/* In a forked child, last before exec: gives back SIGCHLD's disposition, then the mask. */
void signals_restore(const struct signals *s);

/* In a forked check or hook: all dispositions default, then the empty mask. */
void signals_reset(void);

/*
 * In a forked helper whose end is ours alone to decide: everything that a manager or a terminal may
 * send is ignored, also after exec (SIGABRT too: abort(3) overrides that); faults and SIGCHLD are
 * default; then the empty mask.
 */
void signals_ignore(void);

void signals_close(struct signals *s);
