/* SPDX-License-Identifier: MIT */
/*
 * As sd_pid_get_unit(3), which has to see the control group of process 1, and ProtectProc=invisible
 * hides that.  A service is a folder of its name below folders of slices (systemd.slice(5)); a name
 * that the kernel has a use for has '_' in front.
 */
#include "sys/unit_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define CGROUPS_MAX 8192

static bool ends_with(const char *text, size_t length, const char *end) {
	size_t n = strlen(end);

	return length > n && memcmp(text + length - n, end, n) == 0;
}

/* The last service in @path, which ends at @length. */
static char *service_in(const char *path, size_t length) {
	const char *found = NULL;
	size_t found_length = 0;

	for (const char *at = path, *end = path + length; at < end;) {
		size_t n = strcspn(at, "/\n");

		if (ends_with(at, n, ".service")) {
			found = at;
			found_length = n;
		}
		at += n + 1;
	}
	if (!found)
		return NULL;
	if (*found == '_')
		return strndup(found + 1, found_length - 1);
	return strndup(found, found_length);
}

char *unit_name_of_cgroups(const char *cgroups) {
	/* cgroups(7): "number:controllers:path"; that of systemd has no controllers, or its name.
	 */
	for (const char *line = cgroups; *line != '\0';) {
		size_t length = strcspn(line, "\n");
		const char *names = memchr(line, ':', length), *path;

		path = names ? memchr(names + 1, ':', length - (size_t)(names + 1 - line)) : NULL;
		if (path && (path == names + 1 || strncmp(names, ":name=systemd:", 14) == 0)) {
			char *unit = service_in(path + 1, length - (size_t)(path + 1 - line));

			if (unit)
				return unit;
		}
		line += length + (line[length] == '\n');
	}
	return NULL;
}

char *unit_name_own(void) {
	cleanup(fd_closep) int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	char cgroups[CGROUPS_MAX + 1];
	ptrdiff_t n = fd < 0 ? -errno : fd_read_all(fd, cgroups, CGROUPS_MAX);

	if (n < 0)
		return NULL;
	cgroups[n] = '\0';
	return unit_name_of_cgroups(cgroups);
}
