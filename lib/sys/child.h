/* SPDX-License-Identifier: MIT */
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "base/defs.h"
#include "base/text.h"
#include "sys/inherit.h"
#include "sys/signals.h"

/* An fd of ours that the child gets on a number of its own. */
struct child_fd {
	int fd; /* ours, CLOEXEC, borrowed */
	int as; /* the number in the child, 3 or above */
};

/* All that the start of the child depends on. Everything is borrowed until child_start() returns.
 */
struct child_conf {
	char *const *command; /* argv */
	const char *argv0;    /* --argv0, or NULL */
	const char *domain; /* SELinux: asked for where @file is executed; NULL: nothing is asked */
	const char *file;   /* what execvp(3) finds for command[0]; used with @domain only */
	const struct signals *signals;
	const struct inherit *inherit;
	const struct child_fd *fds;
	size_t n_fds;
	char *const *set_env;         /* "NAME=value"..., NULL at the end: set or replace
					 (SDWD_HEARTBEAT_FD, NOTIFY_SOCKET) */
	const char *const *unset_env; /* names, NULL at the end */
	usec_t watchdog_usec; /* WATCHDOG_USEC and WATCHDOG_PID for the child; 0: both unset */
	bool setsid;          /* own session, else own process group in ours */
	int pdeathsig;        /* 0: that of ours, if we have one */
	bool is_foreground;   /* the child's group becomes the terminal's foreground group */
};

/* Where a start failed. */
enum child_stage {
	CHILD_STAGE_FORK,
	CHILD_STAGE_GROUP,
	CHILD_STAGE_FDS,
	CHILD_STAGE_PARENT_GONE,
	CHILD_STAGE_EXEC,
};

struct child {
	pid_t pid;        /* 0: none yet, or reaped */
	pid_t pgid;       /* its group, as long as it may be signalled; 0: none */
	int pidfd;        /* of one that is not our own child, and may be reaped, and its pid given
			     again, at any moment; borrowed; 0: it is our own */
	int exec_fd;      /* readable once exec succeeded (end of file) or failed; -1 after
			     child_exec_result() */
	int domain_error; /* then: the errno with which the domain was refused; 0: it was not */
};

/*
 * Forks and executes (execvp). In the child LISTEN_PID (where it names us) and SYSTEMD_EXEC_PID
 * (likewise) become its own pid, LISTEN_PIDFDID goes, SIGCHLD's disposition and the mask come back
 * last. A closed 0 to 2 is closed again. A domain that is refused is done without. The group exists
 * when this returns: with setsid it waits for that one call of the child. All signals must be
 * blocked (signals_block()). Returns 0, or a negative errno: nothing was started (-EEXIST: one of
 * @conf->fds has the number of an inherited one or of another; -EINVAL: a number below 3).
 */
int child_start(struct child *c, const struct child_conf *conf);

/*
 * When exec_fd is readable. Returns 0: exec succeeded; 1: it failed, with *@ret_stage and
 * *@ret_error (errno); -EAGAIN: not yet. On 0 and 1 exec_fd is closed (stop its watcher before this
 * call).
 */
int child_exec_result(struct child *c, enum child_stage *ret_stage, int *ret_error);

/*
 * Sends @number to the pid, or with @to_group to its group. With @has_value it goes by sigqueue(3);
 * to a group without the value, for which the kernel has no call. Returns 0 or a negative errno
 * (-ESRCH where there is none, also where pidfd says that the pid is another's by now).
 */
int child_signal(const struct child *c, int number, bool to_group, bool has_value,
		 union sigval value);
