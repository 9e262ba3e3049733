/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/text.h"

/* The socket at which an instance is asked: where it stands, what its name is, who comes. */
struct control_sock {
	int fd;     /* -1: there is none */
	char *path; /* owned */
	dev_t device;
	ino_t inode; /* ours, so that nobody else's is taken away at the end */
};

struct control_peer {
	pid_t pid;
	uid_t uid;
};

/*
 * Makes the socket of @label in $XDG_RUNTIME_DIR/sdwd, or in /run/sdwd where that variable names no
 * folder of ours; the folder is made where it is missing, and must not be one that other users may
 * change. Its name is the label, what a file name does not like written as '_'; where a live
 * socket, or one that we may not take away, has that name, the label with ".PID" behind it.
 * Everybody may connect. Returns 0, or a negative errno with the reason in @error.
 */
int control_sock_open(struct control_sock *c, const char *label, struct text *error);

/* The same in @folder, which is made with @mode. */
int control_sock_open_in(struct control_sock *c, const char *folder, mode_t mode, const char *label,
			 struct text *error);

/* The next who waits. Returns his fd, owned by the caller; -EAGAIN: nobody; another errno. */
int control_sock_accept(const struct control_sock *c, struct control_peer *ret);

/* Closes it and takes its name away, where that is still ours. Also on what failed to open. */
void control_sock_close(struct control_sock *c);

/* The name alone, where the process ends: who waits to be accepted may have sent something along
 * (peer_hang_up()). */
void control_sock_unlink(struct control_sock *c);
