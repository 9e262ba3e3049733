/* SPDX-License-Identifier: MIT */
/*
 * libev has two answers to what it cannot do, and both are abort(3): without memory, and where the
 * kernel refuses epoll_wait(2).  An abort would leave the service alone, unwatched.
 *
 * What libev asks memory for are a few small tables, which grow a little as fds and timers come. So
 * where malloc(3) has nothing, there is a reserve, taken once and never given back, which lasts for
 * longer than most want of memory does.  Only where it is used up as well the loop is at its end.
 * epoll_wait(2) is tried again; as long as it fails, a turn does what is due and hears nothing.
 *
 * Where epoll_ctl(2) refuses a fd, libev stops its watchers and tells them (EV_ERROR).  Who does
 * not look at that waits for ever, or takes it for what was awaited.  It tells them after it has
 * waited, so where nothing else would wake it, somebody must.
 */
#include "sys/loop.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/defs.h"

/* Each table is far below this; the largest has a few bytes for each fd. */
#define RESERVE_SIZE 131072
/* So many turns in a row without an ear, with this pause before each, and it is over. */
#define FAULTS_MAX 1000
#define FAULT_PAUSE_USEC 1000
/* The same where only some fd cannot be watched. */
#define REFUSALS_MAX 10000

struct block {
	size_t size;
	max_align_t data[];
};

static struct {
	loop_fault_t *on_fault;
	void *context;
	bool has_told;       /* that the reserve is in use */
	unsigned n_faults;   /* turns without epoll_wait(2), in a row */
	unsigned n_refusals; /* turns in a row in which epoll_ctl(2) refused something */
	bool has_refused;    /* in this turn */
	size_t used;
	max_align_t reserve[RESERVE_SIZE / sizeof(max_align_t)];
} memory;

static bool is_reserve(const void *p) {
	const char *at = p, *begin = (const char *)memory.reserve;

	return at >= begin && at < begin + sizeof(memory.reserve);
}

static size_t size_of(void *p) {
	return is_reserve(p) ? container_of(p, struct block, data)->size : malloc_usable_size(p);
}

static void *take_reserve(size_t size) {
	struct block *b = (struct block *)((char *)memory.reserve + memory.used);
	size_t room = sizeof(memory.reserve) - memory.used;

	/* Whole units, so that the next one is aligned as well. */
	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (size > room || room - size < sizeof(*b))
		return NULL;
	b->size = size;
	memory.used += sizeof(*b) + size;
	return b->data;
}

static void *move(void *old, void *new, size_t size) {
	if (old && new)
		memcpy(new, old, MIN(size_of(old), size));
	return new;
}

/* For ev_set_allocator(): as realloc(3), and free(3) where @size is 0; never NULL where it is not.
 */
static void *allocate(void *old, long size) {
	bool was_reserve = old && is_reserve(old);
	void *new;

	if (size <= 0) {
		if (!was_reserve)
			free(old);
		return NULL;
	}
	new = was_reserve ? move(old, malloc((size_t)size), (size_t)size)
			  : realloc(old, (size_t)size);
	if (new)
		return new;
	new = move(old, take_reserve((size_t)size), (size_t)size);
	if (!new)
		memory.on_fault(memory.context, "out of memory, and the reserve is used up", true);
	if (!was_reserve)
		free(old);
	if (!memory.has_told) {
		memory.has_told = true;
		memory.on_fault(memory.context, "out of memory; sdwd goes on with a reserve",
				false);
	}
	return new;
}

/* For ev_set_syserr_cb(): what was tried is tried again. */
static void on_system_error(const char *message) {
	char what[128];
	bool is_fatal = ++memory.n_faults >= FAULTS_MAX;

	if (memory.n_faults > 1 && !is_fatal) {
		(void)usleep(FAULT_PAUSE_USEC);
		return;
	}
	snprintf(what, sizeof(what), "%s: %s", message, strerror(errno));
	memory.on_fault(memory.context, what, is_fatal);
}

struct ev_loop *loop_new(loop_fault_t *on_fault, void *context) {
	memory.on_fault = on_fault;
	memory.context = context;
	ev_set_allocator(allocate);
	ev_set_syserr_cb(on_system_error);
	/* Never the default loop, which reaps every child; never LIBEV_FLAGS from the environment.
	 */
	return ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
}

bool loop_again(struct ev_loop *loop, struct ev_io *io, int events) {
	if (!(events & EV_ERROR))
		return false;
	memory.has_refused = true;
	/* Set anew: libev believes that the kernel has these events already. */
	ev_io_set(io, io->fd, io->events & (EV_READ | EV_WRITE));
	ev_io_start(loop, io);
	return true;
}

static void count_refusals(void) {
	if (!memory.has_refused) {
		memory.n_refusals = 0;
		return;
	}
	memory.has_refused = false;
	if (++memory.n_refusals == 1)
		memory.on_fault(memory.context, "epoll_ctl refuses a file descriptor; trying again",
				false);
	else if (memory.n_refusals >= REFUSALS_MAX)
		memory.on_fault(memory.context, "epoll_ctl refuses a file descriptor", true);
	(void)usleep(FAULT_PAUSE_USEC);
}

void loop_run(struct ev_loop *loop) {
	unsigned before = memory.n_faults;

	/* What was started again may be refused again, which libev would tell only once it wakes.
	 */
	ev_run(loop, memory.n_refusals > 0 ? EVRUN_NOWAIT : EVRUN_ONCE);
	if (memory.n_faults == before)
		memory.n_faults = 0;
	count_refusals();
}
