/* SPDX-License-Identifier: MIT */
#include "sys/proc_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/usec.h"
#include "queue_fixture.h"

#define PATIENCE (30 * USEC_PER_SEC)

/* Tables as kernels write them ---------------------------------------------------------------- */

static const char tcp_table[] =
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
	"timeout inode                                                     \n"
	/* the listener, with two in its queue, and one on another port */
	"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        "
	"0 191819 5 00000000b4572365 100 0 0 10 0                    \n"
	"   1: 0100007F:1F91 00000000:0000 0A 00000000:00000007 00:00000000 00000000     0        "
	"0 191484 1 0000000080f249a1 100 0 0 10 0                    \n"
	/* waits, also with unread data */
	"  33: 0100007F:1F90 0100007F:A374 08 00000000:00000001 00:00000000 00000000     0        "
	"0 0 1 00000000c757838b 20 4 0 10 -1                         \n"
	"  34: 0100007F:1F90 0100007F:A376 01 00000000:00000000 00:00000000 00000000     0        "
	"0 0 1 00000000a665e340 20 0 0 10 -1                         \n"
	/* accepted; closed by the server; the client's end; another port */
	"  35: 0100007F:1F90 0100007F:A366 01 00000000:00000000 00:00000000 00000000     0        "
	"0 191823 1 0000000089b451e9 20 0 0 10 -1                    \n"
	"  36: 0100007F:1F90 0100007F:A367 06 00000000:00000000 03:000015B0 00000000     0        "
	"0 0 3 0000000000ed9938                                      \n"
	"  37: 0100007F:A376 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        "
	"0 0 2 00000000d45e8462 20 0 0 10 -1                    \n"
	"  38: 0100007F:1F91 0100007F:A379 01 00000000:00000000 00:00000000 00000000     0        "
	"0 0 1 00000000a665e340 20 0 0 10 -1                         \n";

static const char tcp6_table[] =
	"  sl  local_address                         remote_address                        st "
	"tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	"   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A "
	"00000000:00000001 00:00000000 00000000     0        0 191917 5 00000000e79b19b6 100 0 0 "
	"10 0\n"
	"   3: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:BE74 01 "
	"00000000:00000000 00:00000000 00000000     0        0 0 1 0000000071866275 20 0 0 10 -1\n";

static const char unix_table[] =
	"Num       RefCount Protocol Flags    Type St Inode Path\n"
	"0000000008291080: 00000002 00000000 00000000 0002 01 193025\n"
	"00000000405eb9de: 00000002 00000000 00010000 0001 01 194203 /run/a b\n"
	"00000000cc0622ab: 00000003 00000000 00000000 0001 02     0 /run/a b\n"
	"00000000c1c22509: 00000002 00000000 00000000 0005 02     0 /run/a b\n"
	"0000000090490965: 00000003 00000000 00000000 0001 03 194209 /run/a b\n"
	"00000000eef026bb: 00000003 00000000 00000000 0001 03  1215\n"
	"00000000eef026ba: 00000003 00000000 00000000 0001 04     0 /run/a b\n"
	"00000000eef026bc: 00000003 00000000 00000000 0001 02     0 /run/a bc\n"
	"00000000eef026bd: 00000003 00000000 00000000 0001 02     0 /run/a\n"
	"00000000eef026be: 00000003 00000000 00010000 0001 01  1216 @a@b\n"
	"00000000eef026bf: 00000003 00000000 00000000 0001 02     0 @a@b\n";

static struct accept_queue q;

/* Feeds it in pieces of @step bytes. */
static void read_table(uint16_t port, const char *name, const char *table, size_t step) {
	size_t size = strlen(table);
	struct proc_net p;

	accept_queue_begin(&q);
	proc_net_init(&p, port, name, name ? strlen(name) : 0, &q);
	for (size_t at = 0; at < size; at += step)
		proc_net_feed(&p, table + at, MIN(step, size - at));
}

static void assert_sample(size_t n_listeners, uint64_t n_queued, uint64_t n_seen) {
	assert_int_equal(q.samples[0].n_listeners, n_listeners);
	assert_int_equal(q.samples[0].n_queued, n_queued);
	assert_int_equal(q.samples[0].n_seen, n_seen);
}

static void test_a_table_in_pieces_of_any_size(void **state) {
	static const size_t steps[] = {1, 2, 7, 64, 150, 100000};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		read_table(8080, NULL, tcp_table, steps[i]);
		assert_sample(1, 2, 2);
		assert_int_equal(q.n_ids, 2);
		read_table(8081, NULL, tcp_table, steps[i]);
		assert_sample(1, 7, 1);
		read_table(8082, NULL, tcp_table, steps[i]);
		assert_sample(0, 0, 0);
		read_table(8080, NULL, tcp6_table, steps[i]);
		assert_sample(1, 1, 1);
		read_table(0, "/run/a b", unix_table, steps[i]);
		assert_sample(1, 2, 0);
		read_table(0, "@a@b", unix_table, steps[i]);
		assert_sample(1, 1, 0);
		read_table(0, "/run/c", unix_table, steps[i]);
		assert_sample(0, 0, 0);
	}
}

static void test_the_same_addresses_are_the_same_connection(void **state) {
	/* Elsewhere in the table, closed by the client, with data that came and a timer. */
	static const char later[] =
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000 0 0 "
		"191819 5 00000000b4572365 100 0 0 10 0\n"
		"   5: 0100007F:1F90 0100007F:A376 08 00000000:00000009 02:00000010 00000000 0 0 "
		"0 2 00000000a665e340 21 1 0 10 -1\n"
		"   6: 0100007F:1F90 0100007F:A377 01 00000000:00000000 00:00000000 00000000 0 0 "
		"0 1 00000000c757838b 20 4 0 10 -1\n";
	struct proc_net p;

	read_table(8080, NULL, tcp_table, 100000);
	accept_queue_again(&q);
	proc_net_init(&p, 8080, NULL, 0, &q);
	proc_net_feed(&p, later, strlen(later));
	assert_int_equal(q.n_still, 1);
	assert_int_equal(q.samples[1].n_seen, 2);
}

static void test_what_is_no_line_is_left_out(void **state) {
	static const char *const lines[] = {
		"",
		" ",
		"0:",
		"0: x",
		"0: 0100007F:1F90",
		"0: 0100007F 00000000:0000 0A 00000000:00000002 00:00000000 0 0 0 1",
		"0: 0100007F: 00000000:0000 0A 00000000:00000002 00:00000000 0 0 0 1",
		"0: 0100007F:1F90x 00000000:0000 0A 00000000:00000002 00:00000000 0 0 0 1",
		"0: 0100007F:1F90 00000000:0000 0A 00000000 00:00000000 0 0 0 1",
		"0: 0100007F:1F90 00000000:0000 0A 00000000: 00:00000000 0 0 0 1",
		"0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 0 0 0",
		"0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 0 0 0 -1",
		"0: 0100007F:1F90 00000000:0000 0G 00000000:00000002 00:00000000 0 0 0 1",
		"0: 0100007F:1F90 00000000:0000 0A 0:2 00:0 0 0 0 111111111111111111111111",
		"0: 0100007F:000000000000000000000001F90 00000000:0000 0A 0:2 00:0 0 0 0 1",
	};
	char table[1024];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(table, sizeof(table), "%s\n", lines[i]);
		read_table(8080, NULL, table, 100);
		assert_sample(0, 0, 0);
		read_table(0, "x", table, 100);
		assert_sample(0, 0, 0);
	}
	/* The one that they are made from is one; without its end it is none yet. */
	read_table(8080, NULL, "0: 0100007F:1F90 00000000:0000 0A 0:2 00:0 0 0 0 1", 100);
	assert_sample(0, 0, 0);
	read_table(8080, NULL, "0: 0100007F:1F90 00000000:0000 0A 0:2 00:0 0 0 0 1\n", 100);
	assert_sample(1, 2, 0);
}

static void test_a_line_without_end_is_cut(void **state) {
	static const char line[] = "\n0: 0100007F:1F90 00000000:0000 0A 0:2 00:0 0 0 0 1 ";
	char *table = malloc(100000);

	assert_non_null(table);
	memset(table, 'x', 99999);
	table[99999] = '\0';
	memcpy(table + 60000, line, sizeof(line) - 1);
	table[99998] = '\n';
	read_table(8080, NULL, table, 4096);
	assert_sample(1, 2, 0);
	free(table);
}

/* The real ones -------------------------------------------------------------------------------- */

static void expect(struct queue_fixture *f, size_t i, size_t n_listeners, uint64_t n_queued,
		   uint64_t n_seen) {
	usec_t give_up_at = usec_now() + PATIENCE;
	const struct accept_queue_sample *s = &f->queues[i].samples[0];
	int r;

	do {
		accept_queue_begin(&f->queues[0]);
		accept_queue_begin(&f->queues[1]);
		r = f->port != 0 ? proc_net_tcp(f->port, f->queues)
				 : proc_net_unix(&f->address, f->length, f->queues);
		assert_int_equal(r, 0);
		/* Between two reads of a table that others change, a line may come twice. */
	} while ((s->n_listeners != n_listeners || s->n_queued != n_queued ||
		  (s->n_seen != n_seen && !s->is_cut)) &&
		 usec_now() < give_up_at);
	assert_int_equal(s->n_listeners, n_listeners);
	assert_int_equal(s->n_queued, n_queued);
	/* What runs beside may have filled the table. */
	if (!s->is_cut)
		assert_int_equal(s->n_seen, n_seen);
}

static void test_who_waits_at_a_port(void **state) {
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct queue_fixture *f = *state;

		f->port = 0;
		queue_fixture_tcp(f, i, families[i], 5, false);
		expect(f, i, 1, 0, 0);
		queue_fixture_connect(f, families[i], 3);
		expect(f, i, 1, 3, 3);
		queue_fixture_close(f, f->n_clients - 1, false);
		expect(f, i, 1, 3, 3);
		queue_fixture_close(f, f->n_clients - 2, true);
		expect(f, i, 1, 3, 2);
		queue_fixture_accept(f, i);
		expect(f, i, 1, 2, 1);
		accept_queue_again(&f->queues[i]);
		assert_int_equal(proc_net_tcp(f->port, f->queues), 0);
		if (!f->queues[i].samples[0].is_cut && !f->queues[i].samples[1].is_cut)
			assert_int_equal(accept_queue_judge(&f->queues[i]), ACCEPT_QUEUE_STANDS);
	}
}

static void test_how_many_wait_at_a_unix_socket(void **state) {
	static const char *const paths[] = {"sock", "@sock"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct queue_fixture *f = *state;
		struct sockaddr_un relative = {.sun_family = AF_UNIX, .sun_path = "sock"}, address;
		socklen_t length;

		queue_fixture_unix(f, i, paths[i], 5);
		queue_fixture_connect(f, AF_UNIX, 3);
		address = f->address;
		length = f->length;
		/* The table has the name that it was bound by. */
		if (i == 0) {
			expect(f, 0, 0, 0, 0);
			f->address = relative;
			f->length = sizeof(relative);
		}
		expect(f, 0, 1, 3, 0);
		queue_fixture_accept(f, i);
		expect(f, 0, 1, 2, 0);
		f->address = address;
		f->length = length;
	}
}

static void test_of_a_large_table_a_part_is_read(void **state) {
	struct queue_fixture *f = *state;

	/* Both ends have a line of 150 bytes: 600 KB. */
	queue_fixture_tcp(f, 0, AF_INET, QUEUE_CLIENTS, false);
	queue_fixture_connect(f, AF_INET, QUEUE_CLIENTS);
	for (usec_t give_up_at = usec_now() + PATIENCE;
	     f->queues[0].samples[0].n_queued < QUEUE_CLIENTS && usec_now() < give_up_at;) {
		accept_queue_begin(&f->queues[0]);
		assert_int_equal(proc_net_tcp(f->port, f->queues), 0);
	}
	assert_true(f->queues[0].samples[0].is_cut);
	assert_in_range(f->queues[0].samples[0].n_seen, 1, QUEUE_CLIENTS - 1);
	accept_queue_again(&f->queues[0]);
	assert_int_equal(proc_net_tcp(f->port, f->queues), 0);
	/* All that the first sample saw is within the longer second one; but it was a part. */
	assert_true(f->queues[0].n_still > 0);
	assert_int_equal(f->queues[0].n_still, f->queues[0].n_ids);
	assert_int_equal(accept_queue_judge(&f->queues[0]), ACCEPT_QUEUE_UNSURE);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, queue_fixture_setup, queue_fixture_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_table_in_pieces_of_any_size),
		cmocka_unit_test(test_the_same_addresses_are_the_same_connection),
		cmocka_unit_test(test_what_is_no_line_is_left_out),
		cmocka_unit_test(test_a_line_without_end_is_cut),
		CASE(test_who_waits_at_a_port),
		CASE(test_how_many_wait_at_a_unix_socket),
		CASE(test_of_a_large_table_a_part_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
