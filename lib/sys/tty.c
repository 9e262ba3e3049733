/* SPDX-License-Identifier: MIT */
#include "sys/tty.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/fd.h"

void tty_init(struct tty *t) {
	*t = (struct tty){.fd = -1, .own_group = getpgrp()};
	/* A background command of a shell without job control is in the shell's group, which may be
	 * in front; its stdin is /dev/null then, and the terminal is the shell's.  This fails where
	 * stdin is no terminal or not ours. */
	if (tcgetpgrp(STDIN_FILENO) != t->own_group)
		return;
	t->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
}

bool tty_is_interactive(const struct tty *t) {
	return t->fd >= 0;
}

bool tty_is_in_front(const struct tty *t) {
	return t->fd >= 0 && tcgetpgrp(t->fd) == t->own_group;
}

/* Puts @group in front, but only where @from is. */
static void hand(const struct tty *t, pid_t from, pid_t group) {
	if (from > 0 && tcgetpgrp(t->fd) == from)
		(void)tcsetpgrp(t->fd, group);
}

void tty_give(struct tty *t, pid_t group) {
	if (t->fd < 0)
		return;
	t->given = group;
	hand(t, t->own_group, group);
}

void tty_take_back(struct tty *t) {
	if (t->fd < 0)
		return;
	hand(t, t->given, t->own_group);
}

void tty_stop_with(struct tty *t) {
	struct sigaction standard = {.sa_handler = SIG_DFL}, old_action;
	sigset_t only;

	if (t->fd < 0)
		return;
	tty_take_back(t);
	/* SIGTSTP, not SIGSTOP: the kernel drops it where no shell could ever continue us. The
	 * group, since Ctrl-Z would have stopped a script around us too. */
	(void)sigemptyset(&only);
	(void)sigaddset(&only, SIGTSTP);
	(void)sigaction(SIGTSTP, &standard, &old_action);
	(void)kill(0, SIGTSTP);
	(void)sigprocmask(SIG_UNBLOCK, &only, NULL);
	/* Stopped here. */
	(void)sigprocmask(SIG_BLOCK, &only, NULL);
	(void)sigaction(SIGTSTP, &old_action, NULL);
}

void tty_done(struct tty *t) {
	t->fd = fd_close(t->fd);
}
