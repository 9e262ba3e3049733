/* SPDX-License-Identifier: MIT */
#include "sys/folder.h"

#include <unistd.h>

bool folder_is_trusted(const struct stat *st) {
	if (!S_ISDIR(st->st_mode) || (st->st_uid != 0 && st->st_uid != geteuid()))
		return false;
	return !(st->st_mode & (S_IWGRP | S_IWOTH)) || (st->st_mode & S_ISVTX);
}
