/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/*
 * The fds that sdwd was started with and that the child gets on the same numbers: those that do not
 * have CLOEXEC, for each of our own has it.
 */
struct inherit {
	unsigned closed_standard; /* bit n: n (0 to 2) was closed; it is /dev/null for us, closed
				     for the child */
};

/*
 * Second thing in main, before any fd of ours is opened: fills 0 to 2 with /dev/null where closed.
 * Returns 0 or a negative errno.
 */
int inherit_init(struct inherit *i);

/* True where @fd is one of them (0 to 2 count as inherited). */
bool inherit_has(int fd);

/*
 * After exec of the child: closes our copies of 3 and above, and puts /dev/null on 0 and 1, and on
 * 2 unless @keep_stderr. One of which the kernel does not tell whose it is stays, and is told.
 */
void inherit_close(bool keep_stderr);
