/* SPDX-License-Identifier: MIT */
/*
 * All instances asked at once.  One that hangs, floods or lies costs its own slot until the
 * deadline, and nobody else's time.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/usec.h"
#include "wire.h"

/* What is not for connections: standard ones, folders, /proc. */
#define FDS_KEPT 16
/* Until a connection that found the queue full is tried again. */
#define RETRY_USEC (10 * USEC_PER_MSEC)

/* One instance that is being asked. */
struct slot {
	struct instance *instance;
	struct wire wire; /* fd -1: to be connected at retry_at */
	usec_t retry_at, until;
	bool is_over; /* it was given up */
};

struct round {
	struct instances *all;
	struct slot *slots;
	struct pollfd *fds;
	size_t n_slots, max_slots;
	size_t next;       /* of all->list: the first that has not been asked */
	size_t n_bytes;    /* of all replies, also of those that are not whole */
	usec_t share_usec; /* how long a slot may be held while others wait for it */
	usec_t deadline_at;
};

static int by_label(const void *one, const void *other) {
	const struct instance *a = one, *b = other;
	int order = strcmp(a->label, b->label);

	return order != 0 ? order : strcmp(a->path, b->path);
}

size_t client_room(size_t wanted) {
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 64;
	if (limit.rlim_cur < wanted + FDS_KEPT) {
		limit.rlim_cur = MIN((rlim_t)wanted + FDS_KEPT, limit.rlim_max);
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur > FDS_KEPT ? MIN(limit.rlim_cur - FDS_KEPT, wanted) : 1;
}

/* The instance is over and done with: nobody is there. */
static void forget(struct instance *i) {
	i->error[0] = '\0';
	i->is_believed = false;
	json_object_put(i->status);
	i->status = NULL;
	free(i->path);
	i->path = NULL;
}

static void fail(struct instance *i, int error) {
	const char *why = error == -EPIPE      ? "it closed the connection without an answer"
			  : error == -EMSGSIZE ? "its answer is too long"
			  : error == -ETIME    ? "no answer in time"
					       : strerror(-error);

	if (error == -ECONNREFUSED || error == -ENOENT)
		forget(i);
	else
		text_clean(i->error, sizeof(i->error), why, strlen(why));
}

/* Frees @s; the last slot takes its place. */
static void slot_end(struct round *all, struct slot *s) {
	wire_close(&s->wire);
	*s = all->slots[--all->n_slots];
}

/* Connects. False where the slot is over. */
static bool slot_open(struct slot *s, usec_t now) {
	int r = wire_open(&s->wire, s->instance->path, "sdwd.Supervisor.GetStatus", NULL, false);

	if (r == -EAGAIN) {
		s->retry_at = usec_add(now, RETRY_USEC);
		return true;
	}
	if (r < 0) {
		fail(s->instance, r);
		return false;
	}
	s->instance->pid = s->wire.pid;
	s->instance->uid = s->wire.uid;
	return true;
}

/* Gives up the one that has sent most so far, which is hardly an honest one. */
static void drop_longest(struct round *all) {
	struct slot *longest = all->slots;

	for (size_t at = 1; at < all->n_slots; at++)
		if (all->slots[at].wire.length > longest->wire.length)
			longest = all->slots + at;
	all->n_bytes -= longest->wire.length;
	fail(longest->instance, -EMSGSIZE);
	wire_close(&longest->wire);
	longest->is_over = true;
}

static void take(struct round *all, struct slot *s, const char *message, size_t length) {
	struct json_object *reply = wire_parse(message, length);

	if (instance_take(s->instance, reply) == -ESRCH)
		forget(s->instance);
	json_object_put(reply);
	if (!s->instance->status)
		all->n_bytes -= s->wire.length;
}

/* Reads. False where the slot is over. */
static bool slot_read(struct round *all, struct slot *s) {
	size_t before = s->wire.length, length;
	const char *message;
	int r = wire_read(&s->wire, &message, &length);

	all->n_bytes += s->wire.length - before;
	while (all->n_bytes > CLIENT_BYTES_MAX && !s->is_over)
		drop_longest(all);
	if (s->is_over)
		return false;
	if (r > 0)
		take(all, s, message, length);
	if (r < 0) {
		all->n_bytes -= s->wire.length;
		fail(s->instance, r);
	}
	return r == 0;
}

static void fill(struct round *all, usec_t now) {
	while (all->n_slots < all->max_slots && all->next < all->all->n) {
		struct slot *s = all->slots + all->n_slots++;

		*s = (struct slot){.instance = all->all->list + all->next++,
				   .wire = {.fd = -1},
				   .until = usec_add(now, all->share_usec)};
		if (!slot_open(s, now))
			slot_end(all, s);
	}
}

/* Waits for the first of them that can do something, at the latest until the deadline. */
static void wait_for_slots(struct round *all, usec_t now) {
	bool is_queued = all->next < all->all->n;
	usec_t until = all->deadline_at;

	for (size_t at = 0; at < all->n_slots; at++) {
		struct slot *s = all->slots + at;

		all->fds[at] = (struct pollfd){.fd = s->wire.fd, .events = wire_events(&s->wire)};
		if (is_queued)
			until = MIN(until, s->until);
		if (s->wire.fd < 0)
			until = MIN(until, s->is_over ? now : s->retry_at);
	}
	/* Rounded up: never a turn without its reason. */
	if (poll(all->fds, all->n_slots,
		 (int)((usec_sub(until, now) + USEC_PER_MSEC - 1) / USEC_PER_MSEC)) < 0)
		for (size_t at = 0; at < all->n_slots; at++)
			all->fds[at].revents = 0;
}

static void turn(struct round *all) {
	usec_t now = usec_now();

	/* From the end: the one that takes the place of an ended one has had its turn. */
	for (size_t at = all->n_slots; at-- > 0;) {
		struct slot *s = all->slots + at;
		bool is_alive = !s->is_over;

		if (s->wire.fd >= 0 && all->fds[at].revents != 0)
			is_alive = slot_read(all, s);
		else if (is_alive && s->wire.fd < 0 && s->retry_at <= now)
			is_alive = slot_open(s, now);
		if (is_alive &&
		    (now >= all->deadline_at || (now >= s->until && all->next < all->all->n))) {
			fail(s->instance, -ETIME);
			is_alive = false;
		}
		if (!is_alive)
			slot_end(all, s);
	}
}

/* Takes those out that forget() has marked. */
static void sweep(struct instances *all) {
	size_t n = 0;

	for (size_t at = 0; at < all->n; at++)
		if (all->list[at].path)
			all->list[n++] = all->list[at];
		else
			instance_done(all->list + at);
	all->n = n;
	if (n > 0)
		qsort(all->list, n, sizeof(*all->list), by_label);
}

int instances_ask(struct instances *all, usec_t timeout_usec) {
	struct round round = {.all = all};
	int r = instances_find(all);

	if (r < 0 || all->n == 0)
		return r;
	round.max_slots = client_room(all->n);
	round.slots = calloc(round.max_slots, sizeof(*round.slots));
	round.fds = calloc(round.max_slots, sizeof(*round.fds));
	if (round.slots && round.fds) {
		usec_t now = usec_now();

		round.deadline_at = usec_add(now, timeout_usec);
		round.share_usec = usec_mul(timeout_usec, round.max_slots) / all->n;
		for (fill(&round, now); round.n_slots > 0; fill(&round, usec_now())) {
			wait_for_slots(&round, usec_now());
			turn(&round);
		}
	} else {
		r = -ENOMEM;
	}
	free(round.slots);
	free(round.fds);
	sweep(all);
	if (r < 0)
		instances_done(all);
	return r;
}
