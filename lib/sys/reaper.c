/* SPDX-License-Identifier: MIT */
#include "sys/reaper.h"

#include <errno.h>
#include <sys/wait.h>

/*
 * SIGCHLD is one bit: a hundred deaths may raise one signal (signal(7)), so each round asks until
 * nothing is left. First a look with WNOWAIT, which leaves the process waitable: until the owner
 * has heard of it its pid names this process and no other. Only then the status is taken.
 *
 * Deaths come before stops: a process that stops and continues without end would otherwise stand in
 * front of every other in the kernel's list of our children.
 */

/* Children of clone(2) without SIGCHLD are zombies like all others. */
#define REAPER_OPTIONS (WNOHANG | __WALL)

static int wait_status_of(const siginfo_t *info) {
	switch (info->si_code) {
	case CLD_EXITED:
		return (info->si_status & 0xff) << 8;
	case CLD_KILLED:
		return info->si_status & 0x7f;
	case CLD_DUMPED:
		return (info->si_status & 0x7f) | 0x80;
	case CLD_CONTINUED:
		return 0xffff;
	default:
		return (info->si_status & 0xff) << 8 | 0x7f;
	}
}

static int wait_for(idtype_t type, id_t id, siginfo_t *info, int options) {
	int r;

	do {
		info->si_pid = 0;
		r = waitid(type, id, info, options | REAPER_OPTIONS);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/*
 * Returns 1 where something waits; then *@ret_event is what to take, as in waitid(2). Else 0, or a
 * negative errno.
 */
static int peek(siginfo_t *info, int *ret_event) {
	int r = wait_for(P_ALL, 0, info, WEXITED | WNOWAIT);

	if (r == 0 && info->si_pid == 0)
		r = wait_for(P_ALL, 0, info, WSTOPPED | WCONTINUED | WNOWAIT);
	if (r < 0)
		return r == -ECHILD ? 0 : r;
	if (info->si_pid == 0)
		return 0;

	switch (info->si_code) {
	case CLD_EXITED:
	case CLD_KILLED:
	case CLD_DUMPED:
		*ret_event = WEXITED;
		break;
	case CLD_CONTINUED:
		*ret_event = WCONTINUED;
		break;
	default:
		*ret_event = WSTOPPED;
		break;
	}
	return 1;
}

int reaper_run(void (*on_reaped)(void *context, const struct reaped *r), void *context) {
	for (int n = 0; n < REAPER_TURN; n++) {
		struct reaped reaped;
		siginfo_t info;
		int event, r = peek(&info, &event);

		if (r <= 0)
			return r;
		reaped = (struct reaped){
			.pid = info.si_pid,
			.code = info.si_code,
			.status = info.si_status,
			.wait_status = wait_status_of(&info),
			.is_gone = event == WEXITED,
		};
		on_reaped(context, &reaped);
		/* Only the event that was told: where a stopped process has died since, its death
		 * stays for the next look. */
		(void)wait_for(P_PID, (id_t)reaped.pid, &info, event);
	}
	return 1;
}

int reaper_is_stopped(pid_t pid, bool was_stopped) {
	siginfo_t info;
	int r = wait_for(P_PID, (id_t)pid, &info, WSTOPPED | WCONTINUED | WNOWAIT);

	if (r < 0)
		return r;
	return info.si_pid == 0 ? was_stopped : info.si_code != CLD_CONTINUED;
}

bool reaper_has_children(void) {
	siginfo_t info;

	return wait_for(P_ALL, 0, &info, WEXITED | WNOWAIT) != -ECHILD;
}

bool reaper_has_ended(pid_t pid, int *ret_wait_status) {
	siginfo_t info;

	if (wait_for(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 || info.si_pid == 0)
		return false;
	*ret_wait_status = wait_status_of(&info);
	return true;
}
