/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/* The fds that sdwd was started with and that the child gets on the same numbers. */
struct inherit {
	int *fds; /* 3 and above, ascending, owned */
	size_t n_fds;
	unsigned closed_standard; /* bit n: n (0 to 2) was closed; it is /dev/null for us, closed
				     for the child */
};

/*
 * Takes stock, second thing in main, before any fd of ours is opened; fills 0 to 2 with /dev/null
 * where closed. One with CLOEXEC is not noted: it would not reach the child, and stays open in us.
 * Returns 0 or a negative errno; then @i is empty.
 */
int inherit_init(struct inherit *i);

/* True where @fd is one of them (0 to 2 count as inherited). */
bool inherit_has(const struct inherit *i, int fd);

/*
 * After exec of the child: closes our copies of 3 and above, and puts /dev/null on 0 and 1, and on
 * 2 unless @keep_stderr. Own fds never are among them. From then on none counts as inherited but 0
 * to 2.
 */
void inherit_close(struct inherit *i, bool keep_stderr);

void inherit_done(struct inherit *i);
