/* SPDX-License-Identifier: MIT */
#include "base/dir.h"

#include <errno.h>

int dir_next(DIR *folder, const struct dirent **ret) {
	errno = 0;
	*ret = readdir(folder);
	return *ret ? 0 : -errno;
}
