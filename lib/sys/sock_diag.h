/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "core/accept_queue.h"

/* sock_diag(7): asking the kernel for the sockets of our network namespace, by netlink. Nothing
 * here waits: the kernel answers within the call. */

/*
 * Takes a sample of the queues of the listening sockets on TCP port @port, or at the Unix address
 * @address. What it sees is added to @queues: TCP by family (IPv4, IPv6); Unix to the first.
 * Whoever waits is only looked for where the listener says that somebody does. Returns 0, or a
 * negative errno: of netlink, or of our own (EMFILE).
 */
int sock_diag_tcp(uint16_t port, struct accept_queue queues[static 2]);
int sock_diag_unix(const struct sockaddr_un *address, socklen_t length,
		   struct accept_queue queues[static 1]);

/*
 * Whether @family (AF_INET, AF_UNIX) can be asked for. Returns 0 or a negative errno. May load a
 * module of the kernel, which takes its time: only at the start.
 */
int sock_diag_check(int family);

/* Takes one socket of the answer: @data is the kernel's struct of the family with its attributes,
 * and as it may be of any length, so may @size; aligned for it. */
typedef void sock_diag_answer_t(void *context, const void *data, size_t size);

/* An fd for sock_diag_ask(), the caller's, or a negative errno. */
int sock_diag_open(void);

#define SOCK_DIAG_CUT 1

/*
 * Asks for all sockets that fit the request @body of @size bytes; each goes to @on_answer. Of an
 * answer of more than @n_replies times 32 KB (some 300 sockets each) only the beginning is seen.
 * Returns 0, SOCK_DIAG_CUT (then @fd cannot be used again), or a negative errno.
 */
int sock_diag_ask(int fd, const void *body, size_t size, unsigned n_replies,
		  sock_diag_answer_t *on_answer, void *context);

/* For @n_replies, in one turn of the loop: some 15000 sockets, some ten milliseconds. */
#define SOCK_DIAG_REPLIES 64
