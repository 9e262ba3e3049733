/* SPDX-License-Identifier: MIT */
#include "sys/pidfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

/* PostgreSQL's postmaster.pid has more lines; the first is all that counts, and 4 KiB hold more
 * than that. */
#define PIDFILE_READ_MAX 4096

/* The most that Linux allows (PID_MAX_LIMIT); where /proc is hidden, that bounds it. */
#define PID_MAX_LIMIT 4194304

static uint64_t pid_max(void) {
	char data[32];
	uint64_t number;
	cleanup(fd_closep) int fd = open("/proc/sys/kernel/pid_max", O_RDONLY | O_CLOEXEC);
	ptrdiff_t n;

	if (fd < 0)
		return PID_MAX_LIMIT;
	n = fd_read_all(fd, data, sizeof(data) - 1);
	if (n <= 0)
		return PID_MAX_LIMIT;
	data[n] = '\0';
	data[strcspn(data, "\n")] = '\0';
	return text_parse_u64(data, 2, PID_MAX_LIMIT, &number) == 0 ? number : PID_MAX_LIMIT;
}

static enum pidfile_problem parse(char *data, size_t length, pid_t *ret_pid) {
	char *end = memchr(data, '\n', length);
	uint64_t number;
	int r;

	/* A line that was cut could show the beginning of a number. */
	if (!end && length == PIDFILE_READ_MAX)
		return PIDFILE_MALFORMED;
	if (!end)
		end = data + length;
	if (memchr(data, '\0', (size_t)(end - data)))
		return PIDFILE_MALFORMED;
	*end = '\0';
	while (isblank((unsigned char)*data))
		data++;
	while (end > data && (isblank((unsigned char)end[-1]) || end[-1] == '\r'))
		*--end = '\0';
	if (*data == '\0')
		return PIDFILE_EMPTY;
	r = text_parse_u64(data, 2, pid_max(), &number);
	if (r == -EINVAL)
		return PIDFILE_MALFORMED;
	if (r < 0 || (pid_t)number == getpid())
		return PIDFILE_RANGE;
	*ret_pid = (pid_t)number;
	return PIDFILE_OK;
}

void pidfile_read(const char *path, struct pidfile_reading *ret) {
	char data[PIDFILE_READ_MAX + 1];
	struct stat st;
	ptrdiff_t n;
	/* O_NONBLOCK: a FIFO must not hold us; O_NOCTTY: neither must a terminal become ours. */
	cleanup(fd_closep) int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	*ret = (struct pidfile_reading){.problem = PIDFILE_UNREADABLE};
	if (fd < 0) {
		ret->error = errno;
		if (errno == ENOENT)
			ret->problem = PIDFILE_MISSING;
		return;
	}
	if (fstat(fd, &st) < 0) {
		ret->error = errno;
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		ret->problem = PIDFILE_NOT_REGULAR;
		return;
	}
	n = fd_read_all(fd, data, PIDFILE_READ_MAX);
	if (n < 0) {
		ret->error = (int)-n;
		return;
	}
	ret->problem = parse(data, (size_t)n, &ret->pid);
	ret->is_world_writable = (st.st_mode & S_IWOTH) != 0;
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
	ret->written = st.st_mtim;
}

/* The pid too: some file systems know the time to a second only. */
bool pidfile_is_same(const struct pidfile_reading *a, const struct pidfile_reading *b) {
	return a->problem == PIDFILE_OK && b->problem == PIDFILE_OK && a->pid == b->pid &&
	       a->device == b->device && a->inode == b->inode &&
	       a->written.tv_sec == b->written.tv_sec && a->written.tv_nsec == b->written.tv_nsec;
}

const char *pidfile_problem_str(enum pidfile_problem problem) {
	static const char *const texts[PIDFILE_PROBLEM_MAX] = {
		[PIDFILE_OK] = "ok",
		[PIDFILE_MISSING] = "it does not exist",
		[PIDFILE_UNREADABLE] = "it cannot be read",
		[PIDFILE_NOT_REGULAR] = "it is not a regular file",
		[PIDFILE_EMPTY] = "it is empty",
		[PIDFILE_MALFORMED] = "its first line is not a decimal number",
		[PIDFILE_RANGE] = "its number cannot be the daemon's pid",
		[PIDFILE_OLD] = "it was not written since the start",
	};

	assert(problem < PIDFILE_PROBLEM_MAX);
	return texts[problem];
}

int pidfile_watch(const char *path) {
	const char *slash = strrchr(path, '/');
	cleanup(fd_closep) int fd = -1;
	char folder[4096];
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (length >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, slash && length > 0 ? path : slash ? "/" : ".", length > 0 ? length : 1);
	folder[length > 0 ? length : 1] = '\0';

	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return -errno;
	/* IN_MODIFY too: some daemons keep their pidfile open all the time. */
	if (inotify_add_watch(fd, folder,
			      IN_CLOSE_WRITE | IN_MOVED_TO | IN_MODIFY | IN_CREATE | IN_ONLYDIR) <
	    0)
		return -errno;
	return fd_take(&fd);
}

void pidfile_watch_drain(int fd) {
	char data[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	/* Bounded: a folder where others write all the time must not hold the loop. */
	for (int turn = 0; turn < 16; turn++)
		if (read(fd, data, sizeof(data)) <= 0)
			return;
}
