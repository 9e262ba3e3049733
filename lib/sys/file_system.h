/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The name of the file system on which @path (or, where that does not exist, the folder that it
 * would be in) lies, if a look at a file there may wait for another machine or program: "NFS", or
 * words for one that does not even tell what it is. NULL for a local one. May itself wait: only at
 * the start.
 */
const char *file_system_that_waits(const char *path);
