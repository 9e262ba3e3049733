/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * @path as it is taken from the working directory of this moment, for use after that has changed.
 * *@ret_path is the caller's to free. Returns 0, -ENOMEM, or a negative errno of getcwd(3).
 */
int path_absolute(const char *path, char **ret_path);
