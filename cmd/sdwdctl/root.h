/* SPDX-License-Identifier: MIT */
#pragma once

#include <dirent.h>
#include <limits.h>

#include "base/defs.h"

/*
 * The files of a system that is perhaps not the running one (--root): every path is taken as if the
 * folder were "/", symbolic links included.  @root is a folder's path, "" for the running system.
 */

/* Opens @path. Returns a fd, or a negative errno. */
int root_open(const char *root, const char *path, int flags);

/* Opens the folder @path for readdir(3) and closedir(3). Returns 0 or a negative errno. */
int root_list(const char *root, const char *path, DIR **ret);

/* Reads the regular file @path. *@ret_data is the caller's to free, and has a NUL behind its
 * *@ret_length bytes. Returns 0 or a negative errno (-EFBIG above 1 MiB). */
int root_read(const char *root, const char *path, char **ret_data, size_t *ret_length);

/* @inner gets a @root to take paths as if the folder @path of @root were "/". Returns 0 or a
 * negative errno. */
int root_enter(const char *root, const char *path, char inner[static PATH_MAX]);

/* True where @path is there. */
bool root_has(const char *root, const char *path);

/*
 * Writes @text into @path, in whole or not at all, and lasting. The folders that it stands in are
 * made where they are missing. Returns 0 or a negative errno.
 */
int root_write(const char *root, const char *path, const char *text);

/* Removes @path, and with @with_folder the folder that it stands in if that is empty then. Returns
 * 0 or a negative errno. */
int root_remove(const char *root, const char *path, bool with_folder);
