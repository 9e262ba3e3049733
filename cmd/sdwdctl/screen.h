/* SPDX-License-Identifier: MIT */
#pragma once

#include <signal.h>
#include <termios.h>

#include "base/defs.h"

/* The terminal as watch uses it: the alternate screen, keys as they are typed. */
struct screen {
	bool is_entered;
	bool has_keys; /* standard input is a terminal: keys come, and before is how it was */
	struct termios before;
	sigset_t mask; /* of the time before, for epoll_pwait(2) */
	char *shown;   /* what stands on it */
	size_t n_shown;
};

/*
 * Takes the terminal, and the signals: SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP and SIGWINCH come
 * only while @s->mask is set. Returns 0 or a negative errno.
 */
int screen_enter(struct screen *s);

/* Gives the terminal back as it was. Nothing where it was not taken. */
void screen_leave(struct screen *s);

/* The signal that came since the last call, 0: none. SIGWINCH last. */
int screen_signal(void);

/*
 * Shows @length bytes of @text, lines ended by '\n', at most @lines of them; nothing is written
 * where that stands there already. Returns 0 or a negative errno: the terminal is gone, or a signal
 * ended the wait for it (-EINTR).
 */
int screen_show(struct screen *s, const char *text, size_t length, unsigned lines);

/* What stands there is not known any more: the next screen_show() writes all. */
void screen_forget(struct screen *s);
