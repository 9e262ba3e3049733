/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/*
 * A connected Unix socket at whose other end is somebody who may send fds along.  The kernel gives
 * them up as bytes are taken or the connection is closed, in the process that does so, and whoever
 * closes the last one of a socket waits as long as SO_LINGER says (socket(7)).
 */

/*
 * As recv(2). EBADMSG: there are fds behind the bytes, or behind others that are there already (a
 * look goes on to them, however few bytes are asked for), and nothing was taken; hang up.
 */
ssize_t peer_recv(int fd, void *buffer, size_t size);

/*
 * Ends the connection. False: fds are left in it. It is shut down then, but still to be closed: by
 * a process that ends, which waits for nothing (spawn_close()).
 */
bool peer_hang_up(int fd);
