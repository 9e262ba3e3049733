/* SPDX-License-Identifier: MIT */
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

/* More than the longest /proc/PID/stat: 52 numbers of at most 20 digits. */
#define PROC_STAT_MAX 1280
#define PROC_PATH_MAX 64
/* No tree is that deep; a chain of parents that is read while pids are used again could be. */
#define PROC_DEPTH_MAX 65536
/* How often the way up is begun again after a parent on it ended. */
#define PROC_CHAIN_TRIES 16

/* Reads the whole of /proc/@pid/@name as a text. Returns its length or a negative errno. */
static ptrdiff_t read_text(pid_t pid, const char *name, char *buffer, size_t size) {
	cleanup(fd_closep) int fd = -1;
	char path[PROC_PATH_MAX];
	ptrdiff_t n;

	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -errno : fd_read_all(fd, buffer, size - 1);
	/* With hidepid=, or without /proc, the file of a living process is not there either. */
	if (n == -ENOENT)
		return kill(pid, 0) < 0 && errno == ESRCH ? -ESRCH : -ENOENT;
	if (n >= 0)
		buffer[n] = '\0';
	return n;
}

bool proc_is_ours(void) {
	char target[PROC_PATH_MAX];
	uint64_t pid;
	ssize_t n;

	n = readlink("/proc/self", target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return text_parse_u64(target, 1, INT32_MAX, &pid) == 0 && (pid_t)pid == getpid();
}

int proc_read_stat(pid_t pid, struct proc_stat *ret) {
	char buffer[PROC_STAT_MAX], name[PROC_PATH_MAX / 2], state;
	uint64_t n_threads, start;
	int64_t priority;
	int parent, group;
	const char *p;
	ptrdiff_t n;

	snprintf(name, sizeof(name), "task/%d/stat", (int)pid);
	n = read_text(pid, name, buffer, sizeof(buffer));
	if (n < 0)
		return (int)n;
	if (!proc_is_ours())
		return -ENOTSUP;
	/* The name in front may hold blanks and parentheses; no field after it does. */
	p = strrchr(buffer, ')');
	if (!p)
		return -EBADMSG;
	/* state ppid pgrp, 12 fields, priority nice num_threads itrealvalue starttime: 3 to 5, 18,
	 * 20 and 22. */
	if (sscanf(p + 1,
		   " %c %d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNd64 " %*s"
		   " %" SCNu64 " %*s %" SCNu64,
		   &state, &parent, &group, &priority, &n_threads, &start) != 6)
		return -EBADMSG;
	*ret = (struct proc_stat){
		.state = state,
		.parent = parent,
		.group = group,
		.priority = priority,
		.n_threads = n_threads,
		.start_ticks = start,
	};
	return 0;
}

/* True where @pid is a child of ours that was not reaped: then nobody else can have its pid. */
static bool is_child(pid_t pid) {
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

/* One way up. -EAGAIN where a parent on it ended, which gave its children another one. */
static int walk_up(pid_t pid) {
	pid_t self = getpid(), at = pid;

	for (int depth = 0; depth < PROC_DEPTH_MAX; depth++) {
		struct proc_stat stat = {0};
		int r;

		r = proc_read_stat(at, &stat);
		if (r == -ESRCH && at != pid)
			return -EAGAIN;
		if (r < 0)
			return r;
		if (stat.parent == self)
			return 1;
		if (stat.parent <= 1)
			return 0;
		at = stat.parent;
	}
	return -ELOOP;
}

int proc_is_descendant(pid_t pid) {
	int r = -EAGAIN;

	if (pid <= 0)
		return -ESRCH;
	if (pid == getpid())
		return 0;
	if (is_child(pid))
		return 1;
	for (int n = 0; n < PROC_CHAIN_TRIES && r == -EAGAIN; n++)
		r = walk_up(pid);
	return r;
}

int proc_read_comm(pid_t pid, char *buffer, size_t size) {
	char name[PROC_PATH_MAX];
	ptrdiff_t n;

	n = read_text(pid, "comm", name, sizeof(name));
	if (n < 0)
		return (int)n;
	if (n > 0 && name[n - 1] == '\n')
		n--;
	(void)text_clean(buffer, size, name, (size_t)n);
	return 0;
}
