/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/*
 * The controlling terminal, handed to the child only where sdwd itself was in the foreground group
 * and has that terminal as its stdin. It never goes from or to a group that somebody else (a shell
 * with job control) put in front since. All calls need SIGTTOU and SIGTSTP blocked, as
 * signals_block() leaves them. Every failure is harmless (a hung-up terminal): the functions return
 * nothing.
 */
struct tty {
	int fd; /* own CLOEXEC copy, -1: not interactive, and all calls do nothing */
	pid_t own_group;
	pid_t given; /* the group that has or had it from us, 0: none */
};

/* Looks whether sdwd is in the foreground group of its terminal; keeps an fd of its own to it. */
void tty_init(struct tty *t);
/* True where there is a terminal to hand over. */
bool tty_is_interactive(const struct tty *t);
/* True where our own group is in front, and not one that it was handed to. */
bool tty_is_in_front(const struct tty *t);

/* At the start (where the child may have taken it itself, child_conf.is_foreground) and when sdwd
 * was continued: @group is in front where our own group was. */
void tty_give(struct tty *t, pid_t group);

/*
 * The child stopped: takes the terminal back and stops our group with it, as the terminal would;
 * returns when we are continued, at once where nobody could continue us (an orphaned group,
 * setpgid(2)).
 */
void tty_stop_with(struct tty *t);

/* At the child's end: our group is in front again, unless somebody else put another there. */
void tty_take_back(struct tty *t);
void tty_done(struct tty *t);
