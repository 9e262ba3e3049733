/* SPDX-License-Identifier: MIT */
#pragma once

#include <dirent.h>

#include "base/defs.h"

/*
 * The next entry of @folder, or NULL at the end. readdir(3) gives NULL for an error, too, and a
 * list that breaks off is not a whole one. Returns 0 or a negative errno.
 */
int dir_next(DIR *folder, const struct dirent **ret);
