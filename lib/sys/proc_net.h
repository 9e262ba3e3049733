/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "core/accept_queue.h"

/*
 * What /proc/net tells of the queues of listening sockets, where netlink is refused. It is less:
 *
 *  - TCP: who waits is known by its addresses, so that it is the same one is nearly certain.
 *  - Unix: only how many wait. Whether they are the same ones cannot be told, and a listener is
 *    known by its name alone.
 *  - Of a table of more than 512 KB, and by the second sample of more than 1 MB (some thousand
 *    sockets), only the beginning is read.
 */

/* As sock_diag_tcp() and sock_diag_unix(). Returns 0, or a negative errno: the table cannot be
 * read. */
int proc_net_tcp(uint16_t port, struct accept_queue queues[static 2]);
int proc_net_unix(const struct sockaddr_un *address, socklen_t length,
		  struct accept_queue queues[static 1]);

/* Pure from here: the reader of such a table -------------------------------------------------- */

/* More than the longest line: 28 characters, and a name of a Unix socket. Of a longer one the rest
 * is left out. */
#define PROC_NET_LINE_MAX 512

struct proc_net {
	uint16_t port;    /* 0: Unix */
	const char *name; /* as the table writes it */
	size_t name_length;
	struct accept_queue *queue;
	size_t length; /* of line */
	char line[PROC_NET_LINE_MAX];
};

/* Begins a table: of TCP sockets at @port, or (0) of Unix sockets called @name. Both @name and
 * @queue are borrowed. */
void proc_net_init(struct proc_net *p, uint16_t port, const char *name, size_t name_length,
		   struct accept_queue *queue);

/* Takes the next @size bytes of it, of any content; the last line counts when its end came. */
void proc_net_feed(struct proc_net *p, const char *data, size_t size);
