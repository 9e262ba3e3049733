/* SPDX-License-Identifier: MIT */
#include "sys/self.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/proc.h"

#define OOM_SCORE_PATH "/proc/self/oom_score_adj"
#define OOM_SCORE_TEXT_MAX 16

/* Where sdwd ends without a status of the child's: its own failure, as in sdwd(1). */
#define SELF_EXIT_FAILURE 125

/* The values from before, for self_undo(): the process has one of each, so there is one of these.
 */
static struct {
	bool has_nice;
	int nice;
	size_t oom_score_length; /* 0: not changed */
	char oom_score[OOM_SCORE_TEXT_MAX];
} before;

/* What sdwd was started with, where a fork resets it, for self_pass_on_scheduling(). */
static struct {
	bool is_reset;
	int policy, nice;
	struct sched_param parameters;
} given;

/*
 * SystemCallFilter= without SystemCallErrorNumber= kills, and there is no way to ask for it: a
 * process is forked to see whether it dies. *@ret_error: what the call returned there.
 */
static int try_out(int (*call)(int), int argument, int *ret_error) {
	pid_t pid = fork(), r;
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* No core of it. */
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		_exit(-call(argument));
	}
	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	*ret_error = -WEXITSTATUS(status);
	return WIFSIGNALED(status) ? SELF_DEADLY : 0;
}

static int without_dying(int (*call)(int), int argument) {
	int error, r = try_out(call, argument, &error);

	return r == 0 ? call(argument) : r;
}

static int lock_memory(int flags) {
	return mlockall(flags) < 0 ? -errno : 0;
}

int self_lock_memory(void) {
	return without_dying(lock_memory, MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static int remember_nice(void) {
	int nice;

	if (before.has_nice)
		return 0;
	/* -1 is a nice value too (getpriority(2)). */
	errno = 0;
	nice = getpriority(PRIO_PROCESS, 0);
	if (nice == -1 && errno != 0)
		return -errno;
	before.nice = nice;
	before.has_nice = true;
	return 0;
}

static int set_rtprio(int priority) {
	struct sched_param parameters = {.sched_priority = priority};

	/* SCHED_RESET_ON_FORK makes a forked process SCHED_OTHER with nice 0 (sched(7)). */
	return sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameters) < 0 ? -errno : 0;
}

int self_set_rtprio(int priority) {
	int r = without_dying(set_rtprio, priority);

	return r == 0 ? remember_nice() : r;
}

static int set_nice(int nice) {
	return setpriority(PRIO_PROCESS, 0, nice) < 0 ? -errno : 0;
}

int self_set_nice(int nice) {
	bool had_nice = before.has_nice;
	int r;

	r = remember_nice();
	if (r < 0)
		return r;
	r = without_dying(set_nice, nice);
	/* Then there is nothing to undo, which would be just as deadly. */
	if (r != 0)
		before.has_nice = had_nice;
	return r;
}

static int write_oom_score(const char *text, size_t length) {
	cleanup(fd_closep) int fd = open(OOM_SCORE_PATH, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fd_write_all(fd, text, length);
}

static int remember_oom_score(void) {
	cleanup(fd_closep) int fd = -1;
	ptrdiff_t n;

	if (before.oom_score_length > 0)
		return 0;
	fd = open(OOM_SCORE_PATH, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = fd_read_all(fd, before.oom_score, sizeof(before.oom_score));
	if (n <= 0)
		return n < 0 ? (int)n : -EIO;
	before.oom_score_length = (size_t)n;
	return 0;
}

int self_set_oom_score(int adjust) {
	char text[OOM_SCORE_TEXT_MAX];
	int length, r;

	r = remember_oom_score();
	if (r < 0)
		return r;
	length = snprintf(text, sizeof(text), "%d\n", adjust);
	return write_oom_score(text, (size_t)length);
}

/*
 * Only these lose something by a fork: real-time policies, and nice values below 0 (sched(7)). 1
 * where we have one, 0, or a negative errno where /proc does not say it. Of all others nothing is
 * asked by a system call that a filter may not know.
 */
static int is_raised(void) {
	struct proc_stat stat;
	int r = proc_read_stat(getpid(), &stat);

	return r < 0 ? r : stat.priority < 20;
}

/* 1 where a fork of @pid, which is us or our parent, resets it; 0; or a negative errno. */
static int find_given(pid_t pid) {
	given.policy = sched_getscheduler(pid);
	if (given.policy < 0)
		return -errno;
	if (!(given.policy & SCHED_RESET_ON_FORK))
		return 0;
	errno = 0;
	given.nice = getpriority(PRIO_PROCESS, (id_t)pid);
	if (errno != 0 || sched_getparam(pid, &given.parameters) < 0)
		return -errno;
	return 1;
}

static int take_given(void) {
	if (sched_setscheduler(0, given.policy, &given.parameters) < 0 ||
	    setpriority(PRIO_PROCESS, 0, given.nice) < 0)
		return -errno;
	return 0;
}

#define NOTHING_RESET (-ENODATA)

/* In a forked process, whose own scheduling shows first whether anything was reset at all: of most
 * units nothing was. */
static int try_to_take(int parent) {
	int raised = is_raised(), r;

	if (raised > 0)
		return NOTHING_RESET;
	r = find_given(parent);
	if (r == 0 || (r < 0 && raised < 0))
		return NOTHING_RESET;
	return r < 0 ? r : take_given();
}

int self_keep_scheduling(void) {
	int raised = is_raised(), error = 0, r;

	if (raised == 0)
		return 0;
	r = try_out(try_to_take, getpid(), &error);
	/* It may be that nothing was reset. */
	if (r == SELF_DEADLY && raised < 0)
		return 0;
	if (r != 0 || error != 0)
		return r == 0 && error != NOTHING_RESET ? error : r;
	r = find_given(getpid());
	given.is_reset = r > 0;
	return MIN(r, 0);
}

void self_pass_on_scheduling(void) {
	if (given.is_reset)
		(void)take_given();
}

int self_become_subreaper(void) {
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0;
}

void self_undo(void) {
	if (before.has_nice && getpriority(PRIO_PROCESS, 0) != before.nice)
		(void)setpriority(PRIO_PROCESS, 0, before.nice);
	if (before.oom_score_length > 0)
		(void)write_oom_score(before.oom_score, before.oom_score_length);
}

bool self_is_deadly(int number) {
	switch (number) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return false;
	default:
		return true;
	}
}

/* Returns only where the signal did not kill. */
static void die_by(int number) {
	struct sigaction standard = {.sa_handler = SIG_DFL};
	/* The kernel's own form of a mask, which has the signals that libc keeps for itself too. */
	unsigned long only[_NSIG / 8 / sizeof(unsigned long)] = {0};
	const unsigned bit = (unsigned)number - 1, width = 8 * sizeof(*only);

	/* The child has left its core; a second one, of sdwd, would only hide it. RLIMIT_CORE does
	 * not hold back a core_pattern that pipes (core(5)), this does. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)sigaction(number, &standard, NULL);
	(void)kill(getpid(), number);
	only[bit / width] = 1UL << bit % width;
	(void)syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, only, NULL, sizeof(only));
}

void self_die_like(int wait_status) {
	int number;

	if (WIFEXITED(wait_status))
		_exit(WEXITSTATUS(wait_status));
	if (!WIFSIGNALED(wait_status))
		_exit(SELF_EXIT_FAILURE);
	number = WTERMSIG(wait_status);
	/* The kernel drops signals with the default action for pid 1 of a namespace. */
	if (self_is_deadly(number) && getpid() != 1)
		die_by(number);
	_exit(128 + number);
}
