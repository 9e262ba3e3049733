/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/*
 * Whether the queue of a listening socket, in which connections wait until the server accepts them,
 * stood still between two samples of it. Pure: who takes the samples says here what it saw.
 *
 * accept_queue_begin(), then what the first sample sees; accept_queue_again(), then the second;
 * then accept_queue_judge().
 */

/* More connections than these are only counted: a part of a long queue says as much. */
#define ACCEPT_QUEUE_IDS 2048

enum accept_queue_state {
	ACCEPT_QUEUE_FREE,   /* at one of the two times nothing waited */
	ACCEPT_QUEUE_MOVES,  /* something was accepted in between */
	ACCEPT_QUEUE_STANDS, /* a connection waited all the time, and nothing was accepted */
	ACCEPT_QUEUE_UNSURE, /* some wait, and whether anything was accepted cannot be told */
};

struct accept_queue_sample {
	size_t n_listeners;
	uint64_t n_queued; /* as the listeners say */
	uint64_t n_seen;   /* connections that were seen to wait, one by one */
	bool is_cut;
};

struct accept_queue {
	struct accept_queue_sample samples[2];
	bool is_second;
	size_t n_ids;                       /* of the first sample, as far as they are kept */
	size_t n_still;                     /* of those, seen again */
	uint64_t ids[2 * ACCEPT_QUEUE_IDS]; /* open addressing; 0: free */
};

/* Forgets all; the first sample begins. A zeroed one has begun. */
void accept_queue_begin(struct accept_queue *q);

/* The second sample begins. */
void accept_queue_again(struct accept_queue *q);

/* What the sample sees: a listening socket, @n waiting connections in its queue, and one of them
 * that can be recognized by @id (not 0). */
void accept_queue_add_listener(struct accept_queue *q);
void accept_queue_add_queued(struct accept_queue *q, uint64_t n);
void accept_queue_add_connection(struct accept_queue *q, uint64_t id);

/* The sample ends before all connections were seen. The second one should go on for longer then, so
 * that what the first one saw is within it. */
void accept_queue_cut(struct accept_queue *q);

/* The sample that is being taken. */
const struct accept_queue_sample *accept_queue_now(const struct accept_queue *q);

/* After both samples. */
enum accept_queue_state accept_queue_judge(const struct accept_queue *q);
