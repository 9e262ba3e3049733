/* SPDX-License-Identifier: MIT */
/*
 * A folder is locked before there is a socket in it, so one with a socket and without a lock is not
 * in use; and a socket that refuses (ECONNREFUSED, unix(7)) has nobody behind it, and never will
 * again.  Both must hold.  A folder without a socket may be one that is just being made.
 */
#include "sys/notify_sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/file_system.h"

/* So much of a crowded place is looked at, so that a start does not wait for it. */
#define SWEEP_MOST 4096

static bool is_folder_name(const char *name) {
	return strlen(name) == strlen(NOTIFY_FOLDER) &&
	       strncmp(name, NOTIFY_FOLDER, strcspn(NOTIFY_FOLDER, "X")) == 0;
}

/* Whether nobody holds the socket of that name in @folder any more. */
static bool is_refused(int folder, const char *name) {
	cleanup(fd_closep) int fd = -1;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	int length;

	/* What is no socket refuses, too. */
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	length = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder,
			  name);
	return fd >= 0 && length < (int)sizeof(address.sun_path) &&
	       connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
	       errno == ECONNREFUSED;
}

/* Removes the one socket in the folder that @d is of, and nothing where there is more. */
static bool remove_socket(DIR *d) {
	char name[NAME_MAX + 1] = "";
	struct dirent *e;

	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (name[0] != '\0')
			return false;
		snprintf(name, sizeof(name), "%s", e->d_name);
	}
	return name[0] != '\0' && is_refused(dirfd(d), name) && unlinkat(dirfd(d), name, 0) == 0;
}

static void sweep_folder(int place, const char *name) {
	int fd = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	DIR *d;

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		fd_close(fd);
		return;
	}
	d = fdopendir(fd);
	if (!d) {
		fd_close(fd);
		return;
	}
	if (remove_socket(d))
		(void)unlinkat(place, name, AT_REMOVEDIR);
	(void)closedir(d);
}

void notify_sweep(const char *place) {
	struct dirent *e;
	DIR *d;

	/* A socket of another machine refuses here. */
	if (file_system_that_waits(place))
		return;
	d = opendir(place);
	if (!d)
		return;
	for (size_t n = 0; n < SWEEP_MOST && (e = readdir(d)); n++)
		if (is_folder_name(e->d_name))
			sweep_folder(dirfd(d), e->d_name);
	(void)closedir(d);
}
