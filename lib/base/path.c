/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int path_absolute(const char *path, char **ret_path) {
	char folder[PATH_MAX] = "";
	const char *slash = "";
	char *absolute;

	if (path[0] != '/') {
		if (!getcwd(folder, sizeof(folder)))
			return -errno;
		slash = strcmp(folder, "/") == 0 ? "" : "/";
	}
	if (asprintf(&absolute, "%s%s%s", folder, slash, path) < 0)
		return -ENOMEM;
	*ret_path = absolute;
	return 0;
}
