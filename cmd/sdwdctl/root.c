/* SPDX-License-Identifier: MIT */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* As the kernel. */
#define LINKS_MAX 40
#define FILE_SIZE_MAX ((size_t)1024 * 1024)
#define FOLDER_MODE 0755
#define FILE_MODE 0644

/* Puts @target in front of what is left of the path, @left, which may be in @rest: the whole into
 * @rest. Returns 0 or -ENAMETOOLONG. */
static int put_in_front(char rest[static PATH_MAX], const char *target, const char *left) {
	char joined[2 * PATH_MAX];

	snprintf(joined, sizeof(joined), "%s/%s", target, left);
	if (strlen(joined) >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(rest, joined, strlen(joined) + 1);
	return 0;
}

/*
 * Goes along @path from @root, link by link, as the kernel would for a process whose "/" is @root
 * (openat2(2) does the same, and is refused in many containers that images are built in).
 * @resolved gets a path without links, but a last one with @keeps_last. A folder that is not there
 * ends the walk with -ENOENT, a last name that is not there is left to who opens it.
 */
static int resolve(const char *root, const char *path, bool keeps_last,
		   char resolved[static PATH_MAX]) {
	char rest[PATH_MAX], target[PATH_MAX];
	const char *left = path;
	size_t top = strlen(root), length = top;
	int n_links = 0;

	if (top >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(resolved, root, top + 1);
	for (;;) {
		const char *name = left + strspn(left, "/");
		size_t size = strcspn(name, "/"), before = length;
		ssize_t n;

		left = name + size + strspn(name + size, "/");
		if (size == 0)
			return 0;
		if (size == 1 && name[0] == '.')
			continue;
		if (size == 2 && name[0] == '.' && name[1] == '.') {
			while (length > top && resolved[--length] != '/')
				;
			resolved[length] = '\0';
			continue;
		}
		if (length + 1 + size >= PATH_MAX)
			return -ENAMETOOLONG;
		resolved[length++] = '/';
		memcpy(resolved + length, name, size);
		length += size;
		resolved[length] = '\0';
		n = readlink(resolved, target, sizeof(target) - 1);
		/* EINVAL: no link. */
		if (n < 0 && (errno == EINVAL || left[0] == '\0'))
			continue;
		if (n < 0)
			return -errno;
		if (keeps_last && left[0] == '\0')
			return 0;
		if (++n_links > LINKS_MAX)
			return -ELOOP;
		target[n] = '\0';
		length = target[0] == '/' ? top : before;
		resolved[length] = '\0';
		if (put_in_front(rest, target, left) < 0)
			return -ENAMETOOLONG;
		left = rest;
	}
}

int root_enter(const char *root, const char *path, char inner[static PATH_MAX]) {
	return resolve(root, path, false, inner);
}

int root_open(const char *root, const char *path, int flags) {
	char resolved[PATH_MAX];
	int fd, r;

	if (root[0] != '\0') {
		r = resolve(root, path, (flags & O_NOFOLLOW) != 0, resolved);
		if (r < 0)
			return r;
		path = resolved;
		/* What became a link since leads nowhere. */
		flags |= O_NOFOLLOW;
	}
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int root_list(const char *root, const char *path, DIR **ret) {
	cleanup(fd_closep) int fd = root_open(root, path, O_RDONLY | O_DIRECTORY);
	DIR *list;

	if (fd < 0)
		return fd;
	list = fdopendir(fd);
	if (!list)
		return -errno;
	(void)fd_take(&fd);
	*ret = list;
	return 0;
}

int root_read(const char *root, const char *path, char **ret_data, size_t *ret_length) {
	cleanup(fd_closep) int fd = root_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ptrdiff_t n;
	char *data;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Also /dev/null, which masks. */
	if (!S_ISREG(st.st_mode))
		return S_ISCHR(st.st_mode) ? -ENODEV : -EISDIR;
	data = malloc(FILE_SIZE_MAX + 2);
	if (!data)
		return -ENOMEM;
	n = fd_read_all(fd, data, FILE_SIZE_MAX + 1);
	if (n < 0 || (size_t)n > FILE_SIZE_MAX) {
		free(data);
		return n < 0 ? (int)n : -EFBIG;
	}
	data[n] = '\0';
	*ret_data = data;
	*ret_length = (size_t)n;
	return 0;
}

bool root_has(const char *root, const char *path) {
	cleanup(fd_closep) int fd = root_open(root, path, O_PATH);

	return fd >= 0;
}

/* Splits @path at its last slash. */
static int split(const char *path, char folder[static PATH_MAX], const char **ret_name) {
	const char *slash = strrchr(path, '/');

	if (!slash || (size_t)(slash - path) >= PATH_MAX)
		return -EINVAL;
	snprintf(folder, PATH_MAX, "%.*s", (int)(slash - path), path);
	*ret_name = slash + 1;
	return 0;
}

/* Opens the folder @path, and makes it and those above it where they are missing. Returns a fd or a
 * negative errno. */
static int open_folder(const char *root, const char *path) {
	char above[PATH_MAX];
	const char *name;
	cleanup(fd_closep) int parent = -1;
	int fd = root_open(root, path[0] != '\0' ? path : "/", O_RDONLY | O_DIRECTORY), r;

	if (fd != -ENOENT || path[0] == '\0')
		return fd;
	r = split(path, above, &name);
	if (r < 0)
		return r;
	parent = open_folder(root, above);
	if (parent < 0)
		return parent;
	if (mkdirat(parent, name, FOLDER_MODE) < 0)
		return -errno;
	(void)fsync(parent);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Whatever the umask is: everybody may read units. */
	(void)fchmod(fd, FOLDER_MODE);
	return fd;
}

int root_write(const char *root, const char *path, const char *text) {
	char folder[PATH_MAX], temporary[NAME_MAX + 1];
	cleanup(fd_closep) int parent = -1;
	const char *name;
	int fd, r = split(path, folder, &name);

	if (r < 0)
		return r;
	parent = open_folder(root, folder);
	if (parent < 0)
		return parent;
	/* systemd reads no file that begins with a dot. */
	snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int)getpid());
	fd = openat(parent, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    FILE_MODE);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, strlen(text));
	if (r == 0 && (fchmod(fd, FILE_MODE) < 0 || fsync(fd) < 0))
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(parent, temporary, parent, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(parent, temporary, 0);
		return r;
	}
	(void)fsync(parent);
	return 0;
}

int root_remove(const char *root, const char *path, bool with_folder) {
	char folder[PATH_MAX], above[PATH_MAX];
	cleanup(fd_closep) int parent = -1, grandparent = -1;
	const char *name, *folder_name;
	int r = split(path, folder, &name);

	if (r == 0)
		r = split(folder, above, &folder_name);
	if (r < 0)
		return r;
	parent = root_open(root, folder, O_RDONLY | O_DIRECTORY);
	if (parent < 0)
		return parent;
	if (unlinkat(parent, name, 0) < 0)
		return -errno;
	(void)fsync(parent);
	if (!with_folder)
		return 0;
	grandparent = root_open(root, above, O_RDONLY | O_DIRECTORY);
	if (grandparent < 0)
		return grandparent;
	if (unlinkat(grandparent, folder_name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY &&
	    errno != EEXIST)
		return -errno;
	(void)fsync(grandparent);
	return 0;
}
