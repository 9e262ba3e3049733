/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"
#include "core/notify_msg.h"

/*
 * The NOTIFY_SOCKET that the child gets.  Limits and checks are PID 1's own: credentials needed,
 * truncation drops the message and closes its fds, NUL inside drops it.
 */
struct notify_sock {
	int fd;
	char *path;   /* what to write in NOTIFY_SOCKET ("/..." or "@..."), owned */
	char *folder; /* made by us, removed at the end; NULL: none */
	int lock;     /* holds a lock on it; 0 or -1: none */
};

/* SCM_MAX_FD of the kernel: more never come in one message. */
#define NOTIFY_DATAGRAM_FDS_MAX 253

struct notify_datagram {
	char data[NOTIFY_MSG_MAX +
		  1]; /* terminated; one NUL that was sent at the end is left out */
	size_t length;
	pid_t pid; /* sender, as the kernel says */
	uid_t uid;
	int fds[NOTIFY_DATAGRAM_FDS_MAX];
	size_t n_fds; /* owned by the caller after notify_sock_receive(), also where they were sent
			 on: notify_datagram_done(), and what that leaves */
};

/*
 * Makes folder and socket: under $RUNTIME_DIRECTORY (its first path), /run/sdwd, $XDG_RUNTIME_DIR,
 * else in /tmp; the folder's name is random, its mode 0700, or 0711 with a socket of a secret name
 * everybody may write to where we are root: the child may change its uid, so then a place that
 * others cannot reach is passed over. So is one where others could put something in the place of
 * what we make. It is locked, which keeps systemd-tmpfiles away. What those that died left there is
 * removed. Abstract where no place will do. Returns 0 or a negative errno.
 */
int notify_sock_open(struct notify_sock *s);

/* The same, with the places to try in @places, which ends with NULL. */
int notify_sock_open_in(struct notify_sock *s, const char *const *places);

/*
 * One datagram. Returns 1 with *@d filled, 0 (nothing waits), -EBADMSG (one was dropped: go on;
 * @d->pid is its sender or 0; of its fds those are left that notify_datagram_done() leaves), or
 * another negative errno (the socket is broken).
 */
int notify_sock_receive(struct notify_sock *s, struct notify_datagram *d);

/* True while a datagram waits, or the socket is broken. */
bool notify_sock_has_more(const struct notify_sock *s);

/*
 * Closes an fd that somebody sent along, but no Unix socket, and none with SO_LINGER: that may take
 * as long as he likes, also where it was sent on, and is for spawn_close(). A file of a FUSE server
 * that hangs is closed here all the same, and may hold us. Returns whether it is closed; nothing of
 * it changes.
 */
bool notify_fd_close(int fd);

/* The same with all of @d; those that are not closed stay in it. */
void notify_datagram_done(struct notify_datagram *d);

/*
 * Removes socket and folder; nobody can send any more. What waits in the socket is closed with the
 * process, which waits for nothing. Also on an @s that failed to open, or is closed.
 */
void notify_sock_close(struct notify_sock *s);
