/* SPDX-License-Identifier: MIT */
/*
 * The file that somebody else reads at any moment.  It is written beside its place, under a name
 * that node_exporter does not take for a file of metrics (*.prom), and then renamed over it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "metrics.h"

#define TEMPORARY ".sdwd-metrics-XXXXXX"

/* The folder of @path, malloc'ed, with its slash; "" for the working folder. NULL: no memory. */
static char *folder_of(const char *path) {
	const char *slash = strrchr(path, '/');

	return strndup(path, slash ? (size_t)(slash + 1 - path) : 0);
}

/* What was renamed lasts; where a folder cannot be synced, it lasts as long as the machine runs. */
static void sync_folder(const char *folder) {
	int fd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)fsync(fd);
	fd_close(fd);
}

static int fill(int fd, const void *data, size_t length, const char **ret_what) {
	int r = fd_write_all(fd, data, length);

	*ret_what = "cannot write beside it";
	if (r == 0 && fchmod(fd, 0644) < 0)
		r = -errno;
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

static int replace(char *temporary, const char *folder, const char *path, const void *data,
		   size_t length, const char **ret_what) {
	int fd = mkostemp(temporary, O_CLOEXEC), r;

	*ret_what = "cannot make a file beside it";
	if (fd < 0)
		return -errno;
	r = fill(fd, data, length, ret_what);
	/* Some file systems tell here what they could not write. */
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0) {
		*ret_what = "cannot take its place";
		r = -errno;
	}
	if (r < 0)
		(void)unlink(temporary);
	else
		sync_folder(folder);
	return r;
}

int metrics_replace_file(const char *path, const void *data, size_t length, const char **ret_what) {
	char *folder = folder_of(path), *temporary = NULL;
	sigset_t all, before;
	int r = -ENOMEM;

	*ret_what = "cannot name a file beside it";
	if (folder && asprintf(&temporary, "%s" TEMPORARY, folder) >= 0) {
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, &before);
		/* A file that would become too large is an error of write(2), not our end. */
		(void)signal(SIGXFSZ, SIG_IGN);
		r = replace(temporary, folder, path, data, length, ret_what);
		sigprocmask(SIG_SETMASK, &before, NULL);
		free(temporary);
	}
	free(folder);
	return r;
}
