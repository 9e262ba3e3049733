/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/fd.h"
#include "base/text.h"
#include "sys/proc.h"
#include "sys/reaper.h"

/*
 * The tree below us, while it grows and falls apart. Level by level: the caller's array is also the
 * queue of those whose children are not read yet, so nothing is visited twice and a fork storm ends
 * at the array's end. A process that ends between being found and being read hands its children to
 * us (subreaper) behind our back; then the walk is begun again, keeping what it has.
 *
 * /proc/PID/task/TID/children (proc(5); CONFIG_PROC_CHILDREN) lists the children of one thread, so
 * all threads of a process are asked.
 */

#define PROC_PATH_MAX 64
#define PROC_CHUNK 4096
/* How often the walk is begun again. */
#define PROC_TREE_TRIES 4

struct tree {
	pid_t *pids;
	size_t max;
	size_t n; /* max + 1: there are more */
	bool has_moved;
};

static bool is_full(const struct tree *t) {
	return t->n > t->max;
}

static bool tree_has(const struct tree *t, pid_t pid) {
	for (size_t n = 0; n < t->n; n++)
		if (t->pids[n] == pid)
			return true;
	return false;
}

/* The main thread of a living process may have ended: others are left then. */
static bool is_zombie(const struct proc_stat *stat) {
	return (stat->state == 'Z' || stat->state == 'X') && stat->n_threads <= 1;
}

/*
 * With PAMName= systemd has forked this one off the main process, to end the session once that is
 * gone (systemd.exec(5)): before there was a service, and on a signal it goes and leaves the
 * session open.
 */
static bool is_of_systemd(pid_t pid, const struct proc_stat *stat) {
	char name[16];

	return stat->parent == getpid() && proc_read_comm(pid, name, sizeof(name)) == 0 &&
	       strcmp(name, "(sd-pam)") == 0;
}

#define HIDDEN_MAX 16

/* Our children from before our own first fork: it is among those of which nothing can be read. */
static struct {
	pid_t hidden[HIDDEN_MAX];
	size_t n_hidden;
	bool is_unlisted; /* there is one, and no /proc that would tell its pid */
} from_before;

static bool was_hidden_before(pid_t pid) {
	for (size_t n = 0; n < from_before.n_hidden; n++)
		if (from_before.hidden[n] == pid)
			return true;
	return false;
}

static void tree_add(struct tree *t, pid_t pid) {
	struct proc_stat stat;
	int r;

	if (is_full(t) || tree_has(t, pid))
		return;
	r = proc_read_stat(pid, &stat);
	if (r == -ESRCH) {
		t->has_moved = true;
		return;
	}
	if (r < 0 ? was_hidden_before(pid) : is_zombie(&stat) || is_of_systemd(pid, &stat))
		return;
	if (t->n < t->max)
		t->pids[t->n] = pid;
	t->n++;
}

/* The numbers in @fd, separated by blanks, as they come: one may be cut where a chunk ends. */
static int read_numbers(struct tree *t, int fd) {
	char chunk[PROC_CHUNK];
	pid_t pid = 0;

	while (!is_full(t)) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] >= '0' && chunk[i] <= '9') {
				pid = pid * 10 + (chunk[i] - '0');
			} else if (pid > 0) {
				tree_add(t, pid);
				pid = 0;
			}
		}
	}
	if (pid > 0)
		tree_add(t, pid);
	return 0;
}

static int read_children(struct tree *t, pid_t pid) {
	const struct dirent *entry;
	char path[PROC_PATH_MAX];
	DIR *tasks;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return -errno;
	while (r == 0 && !is_full(t) && (r = dir_next(tasks, &entry)) == 0 && entry) {
		cleanup(fd_closep) int fd = -1;
		uint64_t tid;

		if (text_parse_u64(entry->d_name, 1, INT32_MAX, &tid) < 0)
			continue;
		snprintf(path, sizeof(path), "%d/children", (int)tid);
		fd = openat(dirfd(tasks), path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			r = read_numbers(t, fd);
		else if (errno == ENOENT || errno == ESRCH)
			t->has_moved = true;
		else
			r = -errno;
	}
	(void)closedir(tasks);
	return r;
}

static int walk_children(struct tree *t) {
	for (int tries = 0; tries < PROC_TREE_TRIES; tries++) {
		int r;

		t->has_moved = false;
		r = read_children(t, getpid());
		if (r < 0)
			return r;
		for (size_t n = 0; n < t->n && !is_full(t); n++) {
			r = read_children(t, t->pids[n]);
			if (r == -ENOENT || r == -ESRCH)
				t->has_moved = true;
			else if (r < 0 && r != -EACCES && r != -EPERM)
				return r;
		}
		if (!t->has_moved || is_full(t))
			break;
	}
	return 0;
}

/* Adds all in /proc whose parent is us or in the tree. Returns 1 where there was one, 0, or a
 * negative errno. */
static int scan_once(struct tree *t, DIR *folder) {
	const struct dirent *entry;
	size_t before = t->n;
	int r = 0;

	rewinddir(folder);
	while (!is_full(t) && (r = dir_next(folder, &entry)) == 0 && entry) {
		struct proc_stat stat;
		uint64_t pid;

		if (text_parse_u64(entry->d_name, 1, INT32_MAX, &pid) < 0)
			continue;
		if (proc_read_stat((pid_t)pid, &stat) < 0)
			continue;
		if (stat.parent == getpid() || tree_has(t, stat.parent))
			tree_add(t, (pid_t)pid);
	}
	return r < 0 ? r : t->n > before;
}

static int walk_all(struct tree *t) {
	DIR *folder = opendir("/proc");
	int r = 1;

	if (!folder)
		return -errno;
	while (r > 0 && !is_full(t))
		r = scan_once(t, folder);
	(void)closedir(folder);
	return MIN(r, 0);
}

static bool has_children_file(void) {
	char path[PROC_PATH_MAX];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	return access(path, R_OK) == 0;
}

ptrdiff_t proc_descendants(pid_t *pids, size_t max) {
	struct tree t = {.pids = pids, .max = max};
	int r;

	if (!proc_is_ours())
		return -ENOTSUP;
	r = has_children_file() ? walk_children(&t) : walk_all(&t);
	if (r < 0)
		return r;
	return (ptrdiff_t)t.n;
}

/* Without that file nothing lists what is hidden, and nobody takes it for an orphan. */
static void note_hidden(void) {
	pid_t children[HIDDEN_MAX];
	struct tree t = {.pids = children, .max = ARRAY_SIZE(children)};
	struct proc_stat stat;

	(void)read_children(&t, getpid());
	for (size_t n = 0; n < MIN(t.n, t.max); n++)
		if (proc_read_stat(children[n], &stat) < 0)
			from_before.hidden[from_before.n_hidden++] = children[n];
}

void proc_note_before(void) {
	if (!reaper_has_children())
		return;
	if (proc_is_ours())
		note_hidden();
	else
		from_before.is_unlisted = true;
}

bool proc_has_unlisted(void) {
	return from_before.is_unlisted;
}
