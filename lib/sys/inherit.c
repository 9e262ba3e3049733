/* SPDX-License-Identifier: MIT */
#include "sys/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"

/* How far the scan goes where /proc is not there: the soft limit, but not for minutes. */
#define INHERIT_SCAN_MAX 65536

int inherit_init(struct inherit *i) {
	return fd_fill_standard(&i->closed_standard);
}

bool inherit_has(int fd) {
	int flags;

	if (fd >= 0 && fd <= 2)
		return true;
	flags = fcntl(fd, F_GETFD);
	return flags >= 0 && !(flags & FD_CLOEXEC);
}

static void close_copy(int fd) {
	errno = 0;
	if (inherit_has(fd))
		(void)close(fd);
	else if (errno != 0 && errno != EBADF)
		log_warning("cannot tell whether fd %d is the child's: %s; it stays open in sdwd, "
			    "too",
			    fd, strerror(errno));
}

/* False where the list is not whole. */
static bool close_listed(DIR *folder) {
	const struct dirent *entry;
	uint64_t fd;
	int r;

	/* The folder's own fd has CLOEXEC as well. */
	while ((r = dir_next(folder, &entry)) == 0 && entry)
		if (text_parse_u64(entry->d_name, 3, INT32_MAX, &fd) == 0)
			close_copy((int)fd);
	return r == 0;
}

static void close_scanned(void) {
	struct rlimit limit;
	rlim_t end = INHERIT_SCAN_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		end = MIN(limit.rlim_cur, end);
	for (int fd = 3; fd < (int)end; fd++)
		close_copy(fd);
}

void inherit_close(bool keep_stderr) {
	cleanup(fd_closep) int null = -1;
	DIR *folder = opendir("/proc/self/fd");

	if (!folder || !close_listed(folder))
		close_scanned();
	if (folder)
		(void)closedir(folder);

	/* Where that fails they stay what they are: a free number below 3 would be worse. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	if (!keep_stderr)
		(void)dup2(null, STDERR_FILENO);
}
