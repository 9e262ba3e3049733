/* SPDX-License-Identifier: MIT */
/*
 * A busy server is not a stuck one: its queue may be full for hours and still move.  So it does not
 * count how many wait, nor how long one of them does where the queue is deep: what counts is
 * whether anything was accepted between the two samples.
 *
 * Suppose that nothing was.  Then the queue is no shorter than before, since only accept(2) takes
 * from it; and each connection of the first sample is in it still, either seen again, or reset by
 * its client meanwhile: such a one cannot be seen any more, and is counted by the listener all the
 * same.  Where the numbers contradict that, something was accepted.  Where they do not, one
 * connection that is seen in both samples has waited all the time.
 *
 * What a sample does not show because it was cut explains nothing: there each one that left was
 * accepted.  And that a part of a queue stays says nothing of the whole: a busy server with very
 * many connections must not be taken for a stuck one.
 *
 * Several listeners on one port (SO_REUSEPORT) have a queue each, and nothing tells which
 * connection waits in which: that one moves says nothing of the others.  There a connection that is
 * seen in both samples is enough.
 */
#include "core/accept_queue.h"

#include <string.h>

static struct accept_queue_sample *sample(struct accept_queue *q) {
	return &q->samples[q->is_second];
}

void accept_queue_begin(struct accept_queue *q) {
	if (q->n_ids > 0)
		memset(q->ids, 0, sizeof(q->ids));
	memset(q, 0, offsetof(struct accept_queue, ids));
}

void accept_queue_again(struct accept_queue *q) {
	assert(!q->is_second);
	q->is_second = true;
}

void accept_queue_add_listener(struct accept_queue *q) {
	sample(q)->n_listeners++;
}

void accept_queue_add_queued(struct accept_queue *q, uint64_t n) {
	sample(q)->n_queued += n;
}

/* The place of @id, or the free one where it would be. Half of all are free. */
static uint64_t *find_place(struct accept_queue *q, uint64_t id) {
	size_t i = (id * UINT64_C(0x9e3779b97f4a7c15) >> 32) % ARRAY_SIZE(q->ids);

	while (q->ids[i] != 0 && q->ids[i] != id)
		i = (i + 1) % ARRAY_SIZE(q->ids);
	return &q->ids[i];
}

void accept_queue_add_connection(struct accept_queue *q, uint64_t id) {
	uint64_t *place = find_place(q, id);

	assert(id != 0);
	sample(q)->n_seen++;
	if (q->is_second) {
		q->n_still += *place == id;
	} else if (*place == 0 && q->n_ids < ACCEPT_QUEUE_IDS) {
		*place = id;
		q->n_ids++;
	}
}

void accept_queue_cut(struct accept_queue *q) {
	sample(q)->is_cut = true;
}

const struct accept_queue_sample *accept_queue_now(const struct accept_queue *q) {
	return &q->samples[q->is_second];
}

static uint64_t less(uint64_t a, uint64_t b) {
	return a > b ? a - b : 0;
}

enum accept_queue_state accept_queue_judge(const struct accept_queue *q) {
	const struct accept_queue_sample *first = &q->samples[0], *second = &q->samples[1];
	uint64_t n_left = less(q->n_ids, q->n_still);
	uint64_t n_unseen = second->is_cut ? 0 : less(second->n_queued, second->n_seen);
	bool is_one = first->n_listeners == 1 && second->n_listeners == 1;

	bool is_cut = first->is_cut || second->is_cut;

	assert(q->is_second);
	if (first->n_queued == 0 || second->n_queued == 0)
		return ACCEPT_QUEUE_FREE;
	if (!is_one && q->n_still > 0)
		return ACCEPT_QUEUE_STANDS;
	if (second->n_queued < first->n_queued || n_left > n_unseen)
		return ACCEPT_QUEUE_MOVES;
	return q->n_still > 0 && !is_cut ? ACCEPT_QUEUE_STANDS : ACCEPT_QUEUE_UNSURE;
}
