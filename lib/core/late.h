/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What a queue still holds of before something happened, behind a flood that cannot all be read
 * first: until it was found empty, or until LATE_QUEUE messages were read after it, more than can
 * have waited (net.unix.max_dgram_qlen is 512 where systemd runs).  So those are known that have
 * ended and been reaped before what they said last was read: far less than it takes until the
 * kernel gives their pid again.
 */
#define LATE_QUEUE 8192
/* Of more at once the oldest are forgotten. */
#define LATE_MAX 256

/* Zeroed, nobody is late. */
struct late {
	struct {
		pid_t pid;
		uint64_t until; /* in messages read */
	} items[LATE_MAX];
	size_t next;
	uint64_t n_read;
};

/* A mark of now; and true where a message that is read now can have waited at @mark. */
uint64_t late_mark(const struct late *l);
bool late_is_before(const struct late *l, uint64_t mark);

/* Process @pid has ended. */
void late_add(struct late *l, pid_t pid);

/* One message was read. */
void late_read(struct late *l);

/* The queue is empty. */
void late_empty(struct late *l);

/* True where a message of @pid, which is read now, can be of the one that has ended. */
bool late_has(const struct late *l, pid_t pid);
