/* SPDX-License-Identifier: MIT */
#include "sys/sock_diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/usec.h"
#include "queue_fixture.h"

#define PATIENCE (30 * USEC_PER_SEC)

static int refuse_with; /* errno of socket(AF_NETLINK) */

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);

int __wrap_socket(int family, int type, int protocol) {
	if (family == AF_NETLINK && refuse_with != 0) {
		errno = refuse_with;
		return -1;
	}
	return __real_socket(family, type, protocol);
}

static void look(struct queue_fixture *f) {
	int r = f->port != 0 ? sock_diag_tcp(f->port, f->queues)
			     : sock_diag_unix(&f->address, f->length, f->queues);

	assert_int_equal(r, 0);
}

/* A sample of its own, again until queue @i is like this. */
static void expect(struct queue_fixture *f, size_t i, size_t n_listeners, uint64_t n_queued,
		   uint64_t n_seen) {
	usec_t give_up_at = usec_now() + PATIENCE;
	const struct accept_queue_sample *s = &f->queues[i].samples[0];

	do {
		accept_queue_begin(&f->queues[0]);
		accept_queue_begin(&f->queues[1]);
		look(f);
	} while ((s->n_queued != n_queued || s->n_seen != n_seen) && usec_now() < give_up_at);
	assert_int_equal(s->n_listeners, n_listeners);
	assert_int_equal(s->n_queued, n_queued);
	assert_int_equal(s->n_seen, n_seen);
}

/* What the second sample, after the one of the last expect(), says of queue @i. */
static enum accept_queue_state again(struct queue_fixture *f, size_t i) {
	accept_queue_again(&f->queues[0]);
	accept_queue_again(&f->queues[1]);
	look(f);
	return accept_queue_judge(&f->queues[i]);
}

static void test_nothing_listens(void **state) {
	struct queue_fixture *f = *state;

	/* Nobody else can listen there meanwhile. */
	queue_fixture_tcp(f, 0, AF_INET, -1, false);
	expect(f, 0, 0, 0, 0);
	expect(f, 1, 0, 0, 0);
}

static void test_who_waits_at_a_port(void **state) {
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct queue_fixture *f = *state;

		f->port = 0;
		queue_fixture_tcp(f, i, families[i], 5, false);
		expect(f, i, 1, 0, 0);
		expect(f, 1 - i, 0, 0, 0);
		queue_fixture_connect(f, families[i], 3);
		expect(f, i, 1, 3, 3);
		assert_int_equal(again(f, i), ACCEPT_QUEUE_STANDS);
		assert_int_equal(f->queues[i].n_still, 3);
		queue_fixture_accept(f, i);
		expect(f, i, 1, 2, 2);
	}
}

static void test_both_families_on_one_port_are_told_apart(void **state) {
	struct queue_fixture *f = *state;

	do {
		f->listeners[0] = fd_close(f->listeners[0]);
		f->port = 0;
		queue_fixture_tcp(f, 0, AF_INET, 5, false);
	} while (!queue_fixture_tcp(f, 1, AF_INET6, 5, false));
	queue_fixture_connect(f, AF_INET, 2);
	queue_fixture_connect(f, AF_INET6, 1);
	expect(f, 1, 1, 1, 1);
	expect(f, 0, 1, 2, 2);
	queue_fixture_accept(f, 1);
	assert_int_equal(again(f, 1), ACCEPT_QUEUE_FREE);
	assert_int_equal(accept_queue_judge(&f->queues[0]), ACCEPT_QUEUE_STANDS);
}

static void test_accepted_ones_and_other_ports_do_not_count(void **state) {
	struct queue_fixture *f = *state;
	uint16_t other;
	int accepted;

	queue_fixture_tcp(f, 0, AF_INET, 5, false);
	queue_fixture_connect(f, AF_INET, 2);
	other = f->port;
	f->port = 0;
	queue_fixture_tcp(f, 1, AF_INET, 5, false);
	expect(f, 0, 1, 0, 0);
	f->port = other;
	expect(f, 0, 1, 2, 2);
	accepted = accept(f->listeners[0], NULL, NULL);
	assert_true(accepted >= 0);
	expect(f, 0, 1, 1, 1);
	assert_int_equal(close(accepted), 0);
	expect(f, 0, 1, 1, 1);
}

static void test_a_client_that_closed_still_waits_and_one_that_reset_is_only_counted(void **state) {
	struct queue_fixture *f = *state;

	queue_fixture_tcp(f, 0, AF_INET, 5, false);
	queue_fixture_connect(f, AF_INET, 3);
	expect(f, 0, 1, 3, 3);
	queue_fixture_close(f, 0, false);
	queue_fixture_close(f, 1, true);
	assert_int_equal(again(f, 0), ACCEPT_QUEUE_STANDS);
	expect(f, 0, 1, 3, 2);
}

static void test_one_that_moves(void **state) {
	struct queue_fixture *f = *state;

	queue_fixture_tcp(f, 0, AF_INET, 8, false);
	queue_fixture_connect(f, AF_INET, 4);
	expect(f, 0, 1, 4, 4);
	queue_fixture_accept(f, 0);
	queue_fixture_connect(f, AF_INET, 2);
	assert_int_equal(again(f, 0), ACCEPT_QUEUE_MOVES);
	assert_int_equal(f->queues[0].n_still, 3);
}

static void test_shared_ports_have_several_listeners(void **state) {
	struct queue_fixture *f = *state;

	queue_fixture_tcp(f, 0, AF_INET, 64, true);
	queue_fixture_tcp(f, 1, AF_INET, 64, true);
	queue_fixture_connect(f, AF_INET, 40);
	expect(f, 0, 2, 40, 40);
}

static void test_a_long_queue_needs_several_messages(void **state) {
	struct queue_fixture *f = *state;

	queue_fixture_tcp(f, 0, AF_INET, QUEUE_CLIENTS, false);
	queue_fixture_connect(f, AF_INET, QUEUE_CLIENTS);
	expect(f, 0, 1, QUEUE_CLIENTS, QUEUE_CLIENTS);
	assert_int_equal(again(f, 0), ACCEPT_QUEUE_STANDS);
	assert_int_equal(f->queues[0].n_still, QUEUE_CLIENTS);
}

static void check_unix(struct queue_fixture *f, const char *path) {
	queue_fixture_unix(f, 0, path, QUEUE_CLIENTS);
	expect(f, 0, 1, 0, 0);
	queue_fixture_connect(f, AF_UNIX, 3);
	expect(f, 0, 1, 3, 3);
	assert_int_equal(again(f, 0), ACCEPT_QUEUE_STANDS);
	/* A client that closed stays in the queue, but cannot be told from another. */
	queue_fixture_close(f, 1, false);
	expect(f, 0, 1, 3, 2);
	assert_int_equal(again(f, 0), ACCEPT_QUEUE_STANDS);
	expect(f, 0, 1, 3, 2);
	queue_fixture_accept(f, 0);
	queue_fixture_connect(f, AF_UNIX, 1);
	assert_int_equal(again(f, 0), ACCEPT_QUEUE_MOVES);
	queue_fixture_connect(f, AF_UNIX, QUEUE_CLIENTS - 4);
	expect(f, 0, 1, QUEUE_CLIENTS - 1, QUEUE_CLIENTS - 2);
	assert_int_equal(again(f, 0), ACCEPT_QUEUE_STANDS);
	for (size_t i = 1; i < QUEUE_CLIENTS; i++)
		queue_fixture_accept(f, 0);
	expect(f, 0, 1, 0, 0);
}

static void test_a_unix_socket_that_was_bound_by_another_name(void **state) {
	check_unix(*state, "sock");
}

static void test_an_abstract_unix_socket(void **state) {
	check_unix(*state, "@sock");
}

static void test_of_two_at_one_path_the_one_with_the_file_counts(void **state) {
	struct queue_fixture *f = *state;

	queue_fixture_unix(f, 0, "sock", 5);
	queue_fixture_connect(f, AF_UNIX, 3);
	expect(f, 0, 1, 3, 3);
	assert_int_equal(unlink(f->address.sun_path), 0);
	queue_fixture_unix(f, 1, "sock", 5);
	queue_fixture_connect(f, AF_UNIX, 1);
	expect(f, 0, 1, 1, 1);
}

static void test_a_socket_whose_file_is_gone_is_known_by_its_name(void **state) {
	struct queue_fixture *f = *state;
	struct sockaddr_un address;

	queue_fixture_unix(f, 0, "sock", 5);
	queue_fixture_connect(f, AF_UNIX, 2);
	assert_int_equal(unlink(f->address.sun_path), 0);
	/* It was bound by a relative name, and that is the name it has. */
	expect(f, 0, 0, 0, 0);
	address = f->address;
	f->address = (struct sockaddr_un){.sun_family = AF_UNIX, .sun_path = "sock"};
	f->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof("sock"));
	expect(f, 0, 1, 2, 2);
	f->address = address;
}

static void test_another_name_is_another_socket(void **state) {
	struct queue_fixture *f = *state;

	queue_fixture_unix(f, 0, "@sock", 5);
	queue_fixture_connect(f, AF_UNIX, 1);
	expect(f, 0, 1, 1, 1);
	f->length--;
	expect(f, 0, 0, 0, 0);
	f->length += 2;
	expect(f, 0, 0, 0, 0);
}

static void count(void *context, const void *data, size_t size) {
	++*(unsigned *)context;
}

static void test_a_long_answer_may_be_cut(void **state) {
	struct queue_fixture *f = *state;
	struct inet_diag_req_v2 body = {.sdiag_family = AF_INET,
					.sdiag_protocol = IPPROTO_TCP,
					.idiag_states = 1U << 1};
	cleanup(fd_closep) int one = sock_diag_open(), all = sock_diag_open();
	unsigned n_one = 0, n_all = 0;

	queue_fixture_tcp(f, 0, AF_INET, QUEUE_CLIENTS, false);
	queue_fixture_connect(f, AF_INET, QUEUE_CLIENTS);
	expect(f, 0, 1, QUEUE_CLIENTS, QUEUE_CLIENTS);
	body.id.idiag_sport = htons(f->port);
	assert_int_equal(sock_diag_ask(one, &body, sizeof(body), 1, count, &n_one), SOCK_DIAG_CUT);
	assert_in_range(n_one, 1, QUEUE_CLIENTS - 1);
	assert_int_equal(sock_diag_ask(all, &body, sizeof(body), 64, count, &n_all), 0);
	assert_int_equal(n_all, QUEUE_CLIENTS);
}

static void test_who_may_be_asked(void **state) {
	assert_int_equal(sock_diag_check(AF_INET), 0);
	assert_int_equal(sock_diag_check(AF_UNIX), 0);
	/* No such family of sockets: the kernel's answer is an error, and is told. */
	assert_true(sock_diag_check(AF_AX25) < 0);
}

static void test_what_is_refused_is_told(void **state) {
	static const int errors[] = {EAFNOSUPPORT, EPERM, EMFILE};
	struct queue_fixture *f = *state;

	queue_fixture_unix(f, 0, "sock", 5);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		refuse_with = errors[i];
		assert_int_equal(sock_diag_check(AF_INET), -errors[i]);
		assert_int_equal(sock_diag_tcp(1, f->queues), -errors[i]);
		assert_int_equal(sock_diag_unix(&f->address, f->length, f->queues), -errors[i]);
	}
	refuse_with = 0;
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, queue_fixture_setup, queue_fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_nothing_listens),
		CASE(test_who_waits_at_a_port),
		CASE(test_both_families_on_one_port_are_told_apart),
		CASE(test_accepted_ones_and_other_ports_do_not_count),
		CASE(test_a_client_that_closed_still_waits_and_one_that_reset_is_only_counted),
		CASE(test_one_that_moves),
		CASE(test_shared_ports_have_several_listeners),
		CASE(test_a_long_queue_needs_several_messages),
		CASE(test_a_unix_socket_that_was_bound_by_another_name),
		CASE(test_an_abstract_unix_socket),
		CASE(test_of_two_at_one_path_the_one_with_the_file_counts),
		CASE(test_a_socket_whose_file_is_gone_is_known_by_its_name),
		CASE(test_another_name_is_another_socket),
		CASE(test_a_long_answer_may_be_cut),
		CASE(test_who_may_be_asked),
		CASE(test_what_is_refused_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
