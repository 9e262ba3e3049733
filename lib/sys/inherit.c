/* SPDX-License-Identifier: MIT */
#include "sys/inherit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

/* How far the scan goes where /proc is not there: the soft limit, but not for minutes. */
#define INHERIT_SCAN_MAX 65536

/*
 * Notes @fd where the child would get it: open, and without CLOEXEC. One that has the flag came
 * from something that ran in this process before and is not the child's business.
 */
static int note(struct inherit *i, int fd, size_t *room) {
	int flags = fcntl(fd, F_GETFD);

	/* Not seen, it would stay open here after the child closed it. */
	if (flags < 0 && errno != EBADF)
		return -errno;
	if (flags < 0 || (flags & FD_CLOEXEC))
		return 0;
	if (i->n_fds == *room) {
		size_t more = *room > 0 ? 2 * *room : 16;
		int *fds = reallocarray(i->fds, more, sizeof(*fds));

		if (!fds)
			return -ENOMEM;
		i->fds = fds;
		*room = more;
	}
	i->fds[i->n_fds++] = fd;
	return 0;
}

static int note_listed(struct inherit *i, DIR *folder, size_t *room) {
	for (;;) {
		struct dirent *entry;
		uint64_t fd;
		int r;

		errno = 0;
		entry = readdir(folder);
		if (!entry)
			return errno != 0 ? -errno : 0;
		if (text_parse_u64(entry->d_name, 3, INT32_MAX, &fd) < 0)
			continue;
		if ((int)fd == dirfd(folder))
			continue;
		r = note(i, (int)fd, room);
		if (r < 0)
			return r;
	}
}

static int note_scanned(struct inherit *i, size_t *room) {
	struct rlimit limit;
	rlim_t end = INHERIT_SCAN_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		end = MIN(limit.rlim_cur, end);
	for (int fd = 3; fd < (int)end; fd++) {
		int r = note(i, fd, room);

		if (r < 0)
			return r;
	}
	return 0;
}

static int compare(const void *a, const void *b) {
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

int inherit_init(struct inherit *i) {
	unsigned closed;
	size_t room = 0;
	DIR *folder;
	int r;

	memset(i, 0, sizeof(*i));
	r = fd_fill_standard(&closed);
	if (r < 0)
		return r;
	i->closed_standard = closed;

	folder = opendir("/proc/self/fd");
	r = folder ? note_listed(i, folder, &room) : note_scanned(i, &room);
	if (folder)
		(void)closedir(folder);
	if (r < 0) {
		inherit_done(i);
		return r;
	}
	if (i->n_fds > 1)
		qsort(i->fds, i->n_fds, sizeof(*i->fds), compare);
	return 0;
}

bool inherit_has(const struct inherit *i, int fd) {
	if (fd >= 0 && fd <= 2)
		return true;
	for (size_t n = 0; n < i->n_fds; n++)
		if (i->fds[n] == fd)
			return true;
	return false;
}

void inherit_close(struct inherit *i, bool keep_stderr) {
	cleanup(fd_closep) int null = -1;

	for (size_t n = 0; n < i->n_fds; n++)
		(void)fd_close(i->fds[n]);
	i->n_fds = 0;

	/* Where that fails they stay what they are: a free number below 3 would be worse. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	if (!keep_stderr)
		(void)dup2(null, STDERR_FILENO);
}

void inherit_done(struct inherit *i) {
	free(i->fds);
	i->fds = NULL;
	i->n_fds = 0;
}
