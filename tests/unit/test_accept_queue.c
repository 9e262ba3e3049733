/* SPDX-License-Identifier: MIT */
#include "core/accept_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct accept_queue q;

static int setup(void **state) {
	accept_queue_begin(&q);
	return 0;
}

/* A sample of one listener: @queued by its word, and those of @ids (0 at the end). */
static void sample(uint64_t queued, const uint64_t *ids) {
	accept_queue_add_listener(&q);
	accept_queue_add_queued(&q, queued);
	for (; *ids != 0; ids++)
		accept_queue_add_connection(&q, *ids);
}

#define IDS(...) ((const uint64_t[]){__VA_ARGS__, 0})

static enum accept_queue_state judge(uint64_t first_queued, const uint64_t *first,
				     uint64_t second_queued, const uint64_t *second) {
	accept_queue_begin(&q);
	sample(first_queued, first);
	accept_queue_again(&q);
	sample(second_queued, second);
	return accept_queue_judge(&q);
}

static void test_nobody_waited_at_one_of_the_two_times(void **state) {
	assert_int_equal(judge(0, IDS(0), 0, IDS(0)), ACCEPT_QUEUE_FREE);
	assert_int_equal(judge(0, IDS(0), 3, IDS(1, 2, 3)), ACCEPT_QUEUE_FREE);
	assert_int_equal(judge(3, IDS(1, 2, 3), 0, IDS(0)), ACCEPT_QUEUE_FREE);
}

static void test_the_same_one_waits(void **state) {
	assert_int_equal(judge(1, IDS(7), 1, IDS(7)), ACCEPT_QUEUE_STANDS);
	assert_int_equal(q.n_still, 1);
	assert_int_equal(judge(2, IDS(7, 8), 5, IDS(1, 8, 2, 7, 3)), ACCEPT_QUEUE_STANDS);
	assert_int_equal(q.n_still, 2);
}

static void test_others_wait_now(void **state) {
	assert_int_equal(judge(1, IDS(7), 1, IDS(8)), ACCEPT_QUEUE_MOVES);
	assert_int_equal(judge(3, IDS(1, 2, 3), 9, IDS(4, 5, 6, 7, 8, 9, 10, 11, 12)),
			 ACCEPT_QUEUE_MOVES);
}

/* A deep queue: the last one of the first sample is not served yet, the first ones are. */
static void test_a_deep_queue_that_moves_is_no_hang(void **state) {
	assert_int_equal(judge(3, IDS(1, 2, 3), 3, IDS(3, 4, 5)), ACCEPT_QUEUE_MOVES);
	assert_int_equal(judge(3, IDS(1, 2, 3), 3, IDS(2, 3, 4)), ACCEPT_QUEUE_MOVES);
	assert_int_equal(judge(3, IDS(1, 2, 3), 2, IDS(2, 3)), ACCEPT_QUEUE_MOVES);
}

/* Clients that give up by a reset cannot be seen any more, but stay in the queue. */
static void test_resets_are_no_accepts(void **state) {
	assert_int_equal(judge(3, IDS(1, 2, 3), 3, IDS(3)), ACCEPT_QUEUE_STANDS);
	assert_int_equal(judge(3, IDS(1, 2, 3), 5, IDS(3, 4, 5)), ACCEPT_QUEUE_STANDS);
	/* One more is gone than the listener still counts. */
	assert_int_equal(judge(3, IDS(1, 2, 3), 4, IDS(3, 4, 5)), ACCEPT_QUEUE_MOVES);
	/* One that was reset before the first sample explains one that left. */
	assert_int_equal(judge(4, IDS(1, 2, 3), 4, IDS(2, 3)), ACCEPT_QUEUE_STANDS);
}

static void test_what_cannot_be_told(void **state) {
	/* Only counted (Unix in /proc), or all given up. */
	assert_int_equal(judge(3, IDS(0), 3, IDS(0)), ACCEPT_QUEUE_UNSURE);
	assert_int_equal(judge(3, IDS(0), 4, IDS(0)), ACCEPT_QUEUE_UNSURE);
	assert_int_equal(judge(3, IDS(0), 2, IDS(0)), ACCEPT_QUEUE_MOVES);
	assert_int_equal(judge(2, IDS(1, 2), 3, IDS(3)), ACCEPT_QUEUE_UNSURE);
	assert_int_equal(judge(2, IDS(1, 2), 2, IDS(3)), ACCEPT_QUEUE_MOVES);
}

/* What is not shown any more explains one that left; what was not looked at does not. */
static void test_a_sample_that_was_cut_explains_nothing(void **state) {
	sample(9, IDS(1, 2, 3));
	accept_queue_cut(&q);
	accept_queue_again(&q);
	sample(9, IDS(2, 3, 4));
	assert_int_equal(accept_queue_judge(&q), ACCEPT_QUEUE_UNSURE);
	accept_queue_cut(&q);
	assert_int_equal(accept_queue_judge(&q), ACCEPT_QUEUE_MOVES);

	accept_queue_begin(&q);
	sample(9, IDS(1, 2, 3));
	accept_queue_again(&q);
	sample(9, IDS(3, 2, 1));
	accept_queue_cut(&q);
	assert_int_equal(accept_queue_judge(&q), ACCEPT_QUEUE_UNSURE);
	/* Where that one still waits is all that is asked for, it is enough. */
	accept_queue_add_listener(&q);
	assert_int_equal(accept_queue_judge(&q), ACCEPT_QUEUE_STANDS);
}

/* SO_REUSEPORT: that one of the queues moves is no excuse for the other. */
static void test_with_several_listeners_one_that_waits_is_enough(void **state) {
	accept_queue_add_listener(&q);
	sample(3, IDS(1, 2, 3));
	accept_queue_again(&q);
	accept_queue_add_listener(&q);
	sample(2, IDS(3, 4));
	assert_int_equal(accept_queue_judge(&q), ACCEPT_QUEUE_STANDS);

	accept_queue_begin(&q);
	accept_queue_add_listener(&q);
	sample(3, IDS(1, 2, 3));
	accept_queue_again(&q);
	accept_queue_add_listener(&q);
	sample(2, IDS(4, 5));
	assert_int_equal(accept_queue_judge(&q), ACCEPT_QUEUE_MOVES);
}

static void test_a_listener_that_came_back_is_another(void **state) {
	sample(1, IDS(1));
	accept_queue_again(&q);
	assert_int_equal(accept_queue_judge(&q), ACCEPT_QUEUE_FREE);
	assert_int_equal(accept_queue_now(&q)->n_listeners, 0);
}

static void test_begin_forgets(void **state) {
	assert_int_equal(judge(2, IDS(1, 2), 2, IDS(1, 2)), ACCEPT_QUEUE_STANDS);
	assert_int_equal(judge(1, IDS(3), 2, IDS(1, 2)), ACCEPT_QUEUE_MOVES);
	accept_queue_begin(&q);
	assert_int_equal(accept_queue_now(&q)->n_listeners, 0);
	assert_int_equal(accept_queue_now(&q)->n_queued, 0);
	assert_int_equal(accept_queue_now(&q)->n_seen, 0);
	for (size_t i = 0; i < ARRAY_SIZE(q.ids); i++)
		assert_int_equal(q.ids[i], 0);
}

static void test_one_that_is_shown_twice_is_kept_once(void **state) {
	assert_int_equal(judge(2, IDS(1, 1, 2), 2, IDS(1, 1, 2)), ACCEPT_QUEUE_STANDS);
	assert_int_equal(q.n_ids, 2);
}

/* @n connections from @from on; ids that all fall on the same place, and spread ones. */
static void add_many(uint64_t from, uint64_t n, uint64_t factor) {
	accept_queue_add_listener(&q);
	accept_queue_add_queued(&q, n);
	for (uint64_t i = 0; i < n; i++)
		accept_queue_add_connection(&q, (from + i) * factor);
}

static void test_of_a_long_queue_a_part_is_enough(void **state) {
	static const uint64_t factors[] = {1, UINT64_C(1) << 32, UINT64_C(0x100000001)};

	for (size_t i = 0; i < ARRAY_SIZE(factors); i++) {
		accept_queue_begin(&q);
		add_many(1, 5 * ACCEPT_QUEUE_IDS, factors[i]);
		assert_int_equal(q.n_ids, ACCEPT_QUEUE_IDS);
		accept_queue_again(&q);
		add_many(1, 5 * ACCEPT_QUEUE_IDS + 7, factors[i]);
		assert_int_equal(accept_queue_judge(&q), ACCEPT_QUEUE_STANDS);
		assert_int_equal(q.n_still, ACCEPT_QUEUE_IDS);

		accept_queue_begin(&q);
		add_many(1, 5 * ACCEPT_QUEUE_IDS, factors[i]);
		accept_queue_again(&q);
		add_many(2, 5 * ACCEPT_QUEUE_IDS, factors[i]);
		assert_int_equal(accept_queue_judge(&q), ACCEPT_QUEUE_MOVES);
	}
}

/* A queue as a kernel has it, whose entries may be reset by their clients. */
struct model {
	uint64_t ids[4096];
	bool is_reset[4096];
	size_t begin, end;
};

static void show(const struct model *m) {
	accept_queue_add_listener(&q);
	accept_queue_add_queued(&q, m->end - m->begin);
	for (size_t i = m->begin; i < m->end; i++)
		if (!m->is_reset[i])
			accept_queue_add_connection(&q, m->ids[i]);
}

/* A queue that nobody takes from never "moves". Where it "stands", one has waited since the first
 * sample; and nothing was accepted, unless resets of clients explain the numbers. */
static void test_it_is_never_mistaken(void **state) {
	static struct model m;
	size_t n_stands = 0, n_moves = 0, n_unsure = 0;

	srandom(1);
	for (unsigned run = 0; run < 20000; run++) {
		bool is_accepting = run % 2, has_resets = run % 4 < 2;
		size_t at_first, n_accepted = 0;
		uint64_t id = 1;

		m = (struct model){.end = 1 + (size_t)random() % 30};
		for (size_t i = 0; i < m.end; i++) {
			m.ids[i] = id++;
			m.is_reset[i] = has_resets && random() % 4 == 0;
		}
		at_first = m.end;
		accept_queue_begin(&q);
		show(&m);
		for (long n = random() % 100; n > 0; n--) {
			size_t i = m.begin + (size_t)random() % (m.end - m.begin + 1);

			if (random() % 3 == 0)
				m.ids[m.end++] = id++;
			else if (i < m.end && random() % 2 == 0)
				m.is_reset[i] = has_resets;
			else if (is_accepting && m.begin < m.end)
				m.begin++, n_accepted++;
		}
		accept_queue_again(&q);
		show(&m);
		switch (accept_queue_judge(&q)) {
		case ACCEPT_QUEUE_FREE:
			assert_int_equal(m.begin, m.end);
			break;
		case ACCEPT_QUEUE_MOVES:
			assert_true(n_accepted > 0);
			n_moves++;
			break;
		case ACCEPT_QUEUE_STANDS:
			assert_true(m.begin < at_first);
			assert_true(has_resets || n_accepted == 0);
			n_stands += n_accepted == 0;
			break;
		case ACCEPT_QUEUE_UNSURE:
			n_unsure++;
			break;
		}
	}
	assert_true(n_stands > 3000 && n_moves > 3000 && n_unsure > 0);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		CASE(test_nobody_waited_at_one_of_the_two_times),
		CASE(test_the_same_one_waits),
		CASE(test_others_wait_now),
		CASE(test_a_deep_queue_that_moves_is_no_hang),
		CASE(test_resets_are_no_accepts),
		CASE(test_what_cannot_be_told),
		CASE(test_a_sample_that_was_cut_explains_nothing),
		CASE(test_with_several_listeners_one_that_waits_is_enough),
		CASE(test_a_listener_that_came_back_is_another),
		CASE(test_begin_forgets),
		CASE(test_one_that_is_shown_twice_is_kept_once),
		CASE(test_of_a_long_queue_a_part_is_enough),
		CASE(test_it_is_never_mistaken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
