/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/socket.h>

#include "base/defs.h"
#include "core/notify_msg.h"
#include "sys/notify_vsock.h"

/*
 * Up to systemd: NOTIFY_SOCKET by a socket of our own that never blocks (libsystemd's sd_notify
 * does when the manager's queue is full).  Messages keep their order; the manager being slow or
 * re-executing only delays them. Sources: sd_notify(3), "Standalone Implementations".
 */

/* Messages waiting at most; beyond, the oldest that only carries STATUS is given up first. */
#define NOTIFIER_QUEUE_MAX 512
#define NOTIFIER_FDS_MAX 253

struct notifier_entry;

struct notifier {
	bool is_open;
	int fd; /* AF_UNIX; -1: no NOTIFY_SOCKET, or vsock */
	struct sockaddr_storage address;
	socklen_t address_length;
	struct notify_vsock vsock;          /* used where the address is AF_VSOCK */
	struct notifier_entry *head, *tail; /* owned */
	size_t n_entries;
	unsigned long n_lost; /* given up, told by the supervisor */
	int lost_error;       /* the errno of the last one */
	int error;            /* why the last message had to wait; 0: it was taken */
	void (*on_sent)(void *context,
			unsigned token); /* a message with a token != 0 was taken by the manager; it
					    may call notifier_send() and notifier_ping(), not
					    notifier_close() */
	/* Takes our copy of an fd of a message that waited, and is done; it must not call back.
	 * NULL: it is closed. */
	void (*on_fd)(void *context, int fd);
	void *context;
};

/*
 * Opens the way to @address (the text of NOTIFY_SOCKET: "/path", "@abstract", "vsock:CID:PORT" with
 * optional -stream, -dgram, -seqpacket); NULL: nothing is ever sent, every call succeeds at once.
 * Clears all of @n: on_sent is set afterwards. Returns 0, -EINVAL (malformed), -ENAMETOOLONG, or a
 * negative errno of socket(2).
 */
int notifier_open(struct notifier *n, const char *address);
bool notifier_is_open(const struct notifier *n);

/*
 * Sends @length bytes (1..NOTIFY_MSG_MAX) with @fds (borrowed; copied where the message must wait)
 * behind everything that waits. @token is given to on_sent() when the manager took it (called from
 * inside this call where it goes at once, as its last act; 0: no call); such a message waits for as
 * long as it takes, whatever sendmsg(2) says against it. Returns 1 sent, 0 queued,
 * or a negative errno (-EINVAL, -EMSGSIZE, -ENOMEM, -EMFILE, -ENOBUFS: the queue is full;
 * -EOPNOTSUPP: fds over vsock; another of sendmsg(2)): not sent and not queued.
 */
int notifier_send(struct notifier *n, const char *data, size_t length, const int *fds, size_t n_fds,
		  unsigned token);

/*
 * Sends "WATCHDOG=1" now or not at all: never queued, and never ahead of a message with a token;
 * others that wait it overtakes. Returns 1, 0 (full, no manager there, or a token waits: try
 * again), or a negative errno. Allocates nothing.
 */
int notifier_ping(struct notifier *n);

/* Tries what waits. Returns how many still wait. Call it again after NOTIFIER_RETRY_USEC while that
 * is above 0. */
size_t notifier_flush(struct notifier *n);
#define NOTIFIER_RETRY_USEC (20 * USEC_PER_MSEC)

/* Drops what waits under @token; that does not count as lost. */
void notifier_drop(struct notifier *n, unsigned token);

/* Drops what waits, and closes; fds that wait are left to the end of the process, which waits for
 * nothing (SO_LINGER, socket(7)). Also on a zeroed or closed @n. */
void notifier_close(struct notifier *n);

/*
 * W as systemd set it for this process (WATCHDOG_USEC and WATCHDOG_PID, systemd.exec(5) and
 * sd_watchdog_enabled(3)): 0 where there is none, "infinity", or another process's.
 */
usec_t notifier_watchdog_usec(void);
