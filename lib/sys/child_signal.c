/* SPDX-License-Identifier: MIT */
/*
 * The pid of our own child is nobody else's before we reap it.  One that another parent reaps may
 * be given again before we hear of its end, above all where we were stopped meanwhile: a pidfd
 * still means the process that it was opened for.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/child.h"

/* kill(2) or sigqueue(3) of a process whose pid may be another's by now. @number 0: is it there? */
static int signal_by_pidfd(int pidfd, int number, bool has_value, union sigval value) {
	siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value = value;
	if (syscall(SYS_pidfd_send_signal, pidfd, number, has_value ? &info : NULL, 0) == 0)
		return 0;
	if (!has_value || errno != EAGAIN)
		return -errno;
	return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0 ? -errno : 0;
}

int child_signal(const struct child *c, int number, bool to_group, bool has_value,
		 union sigval value) {
	pid_t to = to_group ? c->pgid : c->pid;

	/* 0 and -1 would reach our own group and everybody. */
	if (to <= 1)
		return -ESRCH;
	if (c->pidfd > 0) {
		int r = signal_by_pidfd(c->pidfd, to_group ? 0 : number, has_value && !to_group,
					value);

		if (r < 0 || !to_group)
			return r;
	}
	if (!to_group && has_value) {
		if (sigqueue(to, number, value) == 0)
			return 0;
		/* RLIMIT_SIGPENDING: kill(2) still gets through, without the value. */
		if (errno != EAGAIN)
			return -errno;
	}
	return kill(to_group ? -to : to, number) < 0 ? -errno : 0;
}
