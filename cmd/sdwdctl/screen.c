/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

/* xterm's, and of all that came after it: alternate screen, cursor away; and back. */
#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[?25h\033[?1049l"

/* How long the terminal may take to make room for it. */
#define LEAVE_MSEC 1000

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};

/* Bit n: signal n came. */
static volatile sig_atomic_t came;

static void on_signal(int number) {
	came |= 1 << number;
}

int screen_signal(void) {
	for (size_t at = 0; at < ARRAY_SIZE(signals); at++)
		if (came & (1 << signals[at])) {
			/* They are blocked here: none comes between. */
			came &= ~(1 << signals[at]);
			return signals[at];
		}
	return 0;
}

static void take_signals(struct screen *s) {
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t at = 0; at < ARRAY_SIZE(signals); at++)
		sigaddset(&blocked, signals[at]);
	sigprocmask(SIG_BLOCK, &blocked, &s->mask);
	for (size_t at = 0; at < ARRAY_SIZE(signals); at++) {
		sigdelset(&s->mask, signals[at]);
		sigaction(signals[at], &action, NULL);
	}
}

int screen_enter(struct screen *s) {
	struct termios raw;

	if (!s->is_entered)
		take_signals(s);
	s->has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &s->before) == 0;
	if (s->has_keys) {
		raw = s->before;
		/* Not stopped by Ctrl-S either. */
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_iflag &= ~(tcflag_t)IXON;
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	s->is_entered = true;
	screen_forget(s);
	return fd_write_all(STDOUT_FILENO, ENTER, strlen(ENTER));
}

void screen_leave(struct screen *s) {
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	if (!s->is_entered)
		return;
	/* A terminal that takes nothing any more does not get it: the end comes all the same. */
	if (poll(&out, 1, LEAVE_MSEC) > 0)
		fd_write_all(STDOUT_FILENO, LEAVE, strlen(LEAVE));
	if (s->has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
	s->is_entered = false;
	screen_forget(s);
}

void screen_forget(struct screen *s) {
	free(s->shown);
	s->shown = NULL;
	s->n_shown = 0;
}

/* Writes with the signals let in: a terminal that takes nothing must not hold them up. */
static int put(const struct screen *s, const char *text, size_t length) {
	while (length > 0) {
		sigset_t blocked;
		ssize_t n;
		int r;

		sigprocmask(SIG_SETMASK, &s->mask, &blocked);
		n = came & ~(1 << SIGWINCH) ? -1 : write(STDOUT_FILENO, text, length);
		r = n < 0 ? -errno : 0;
		sigprocmask(SIG_SETMASK, &blocked, NULL);
		if (came & ~(1 << SIGWINCH))
			return -EINTR;
		if (r < 0 && r != -EINTR)
			return r;
		if (n > 0) {
			text += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

/* From the upper left corner, each line's rest and all below the last one emptied. */
static int write_frame(const struct screen *s, const char *text, size_t length, unsigned lines) {
	char *frame = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&frame, &size);
	int r;

	if (!out)
		return -ENOMEM;
	fputs("\033[H", out);
	for (unsigned line = 0; length > 0 && line < lines; line++) {
		const char *end = memchr(text, '\n', length);
		size_t n = end ? (size_t)(end - text) : length;

		fwrite(text, 1, n, out);
		/* Not behind the last one: the screen would move. */
		fputs(line + 1 < lines ? "\033[K\r\n" : "\033[K", out);
		text += end ? n + 1 : n;
		length -= end ? n + 1 : n;
	}
	fputs("\033[J", out);
	r = fclose(out) == 0 ? put(s, frame, size) : -ENOMEM;
	free(frame);
	return r;
}

int screen_show(struct screen *s, const char *text, size_t length, unsigned lines) {
	int r;

	if (s->shown && s->n_shown == length && memcmp(s->shown, text, length) == 0)
		return 0;
	r = write_frame(s, text, length, lines);
	screen_forget(s);
	if (r < 0)
		return r;
	s->shown = malloc(length + 1);
	if (s->shown) {
		memcpy(s->shown, text, length);
		s->n_shown = length;
	}
	return 0;
}
