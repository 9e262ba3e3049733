/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/internal.h"
#include "base/fd.h"
#include "sys/proc.h"

static const char ended[] = "a process that has ended";

/* By system call: Debian 11's libc has no pidfd_open(). */
const char *adopt_open_pidfd(pid_t pid, int *ret_fd) {
	*ret_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (*ret_fd >= 0)
		return NULL;
	return errno == ESRCH ? ended : "a process whose end sdwd cannot watch (pidfd_open)";
}

/*
 * Not our own child: ended, it is there until its parent reaps it. In /proc it is Z also while only
 * the main thread has ended; a pidfd tells of the last one.  Without it nobody would.
 */
static const char *no_other(pid_t pid) {
	cleanup(fd_closep) int fd = -1;
	const char *problem = adopt_open_pidfd(pid, &fd);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (problem)
		return problem;
	return poll(&p, 1, 0) > 0 ? ended : NULL;
}

const char *adopt_no_daemon(const struct supervisor *s, pid_t pid) {
	siginfo_t info = {0};
	int r = helpers_have(&s->helpers, pid, s->now);

	if (r < 0)
		return "a process that does not exist";
	if (r > 0)
		return "a process that belongs to a check or hook of sdwd's";
	/* Our own child, not ended: the kernel's word, with or without /proc. */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		return info.si_pid == 0 ? NULL : ended;
	r = proc_is_descendant(pid);
	if (r > 0)
		return no_other(pid);
	return r == 0 ? "a process that sdwd did not start" : "a process that /proc does not show";
}

bool adopt_is_own_child(pid_t pid) {
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}
