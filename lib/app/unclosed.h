/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"
#include "sys/notify_sock.h"

/*
 * Sockets of others that have SO_LINGER, and Unix sockets, in whose queues such may be: whoever
 * closes the last one waits as long as that says (socket(7)).  They are kept until a process
 * that is forked for it closes all of them and ends, which waits for nothing (spawn_close()).
 * There is a list of the looks' own: what servers send along keeps no message of the child waiting.
 */

/* Those of two datagrams, and of all clients of the control socket; of LimitNOFILE=1024 half is
 * left. */
#define UNCLOSED_MAX 544

struct supervisor;

struct unclosed {
	int fds[UNCLOSED_MAX];
	size_t n;
	usec_t at;     /* no process for them before */
	bool is_stuck; /* there was none, and that is told */
};

/* True where @n more may come, and as many as there are clients of the control socket. */
bool unclosed_has_room(const struct unclosed *u, size_t n);

/* Takes @fd. Where there is no room at all it stays open for good: better than to wait. */
void unclosed_add(struct unclosed *u, int fd);

/* Takes one that waited for the manager (struct notifier); @context: the supervisor. */
void unclosed_on_fd(void *context, int fd);

/*
 * Takes the fds of @d that are wanted no more: those that hold nobody up are closed at once. So are
 * all where there would be no room for those of another one: who sends them without end must not
 * keep others from being heard.
 */
void unclosed_take(struct supervisor *s, struct notify_datagram *d);

/* At the end of a turn; where no process can be forked, again a moment later. */
void unclosed_turn(struct supervisor *s);
usec_t unclosed_next_at(const struct supervisor *s);
