/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/text.h"

/* What a user may be given to write to a pipe that an option names. */
#define WHOLE_FILE_PATIENCE (10 * USEC_PER_SEC)

/*
 * Reads all of @path, at most @limit bytes: a regular file, or a pipe whose end comes before
 * @patience_usec are over. Nothing else is opened, so that neither a FIFO without a writer nor a
 * terminal nor a device can hold sdwd up. On success *@ret_data is the caller's to free, and has a
 * NUL behind its *@ret_length bytes. On error the reason is added to @error, without the path.
 * Returns 0 or a negative errno.
 */
int whole_file_read(const char *path, size_t limit, usec_t patience_usec, char **ret_data,
		    size_t *ret_length, struct text *error);
