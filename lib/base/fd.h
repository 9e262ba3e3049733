/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/* Closes @fd (-1: nothing) and keeps errno. Returns -1, so that `x->fd = fd_close(x->fd)` is the
 * idiom. */
int fd_close(int fd);

/* For cleanup(): closes *@fd. */
void fd_closep(int *fd);

/* Moves *@fd out: returns it and leaves -1 behind. */
int fd_take(int *fd);

/*
 * Opens /dev/null on each of 0, 1 and 2 that is closed, so that no fd of ours ever lands there.
 * @ret_mask gets bit n for each n that was closed. Returns 0 or a negative errno.
 */
int fd_fill_standard(unsigned *ret_mask);

/* Writes @size bytes, going on after EINTR and short writes. Returns 0 or a negative errno. */
int fd_write_all(int fd, const void *data, size_t size);

/* Reads at most @size bytes, until end of file. Returns the count or a negative errno. */
ptrdiff_t fd_read_all(int fd, void *buffer, size_t size);
