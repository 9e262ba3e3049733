/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "heap_used.h"
#include "stream_fixture.h"

/* What a look makes of servers, and the life of a look. Linked with --wrap=send. */

/* How much the look's send(2) takes before it says EAGAIN, each time; 0: all. */
static size_t send_most;
/* What send(2) fails with; 0: it does not. */
static int send_error;

ssize_t __real_send(int fd, const void *data, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t length, int flags);

ssize_t __wrap_send(int fd, const void *data, size_t length, int flags) {
	static bool was_full;

	if (send_error != 0) {
		errno = send_error;
		return -1;
	}
	if (send_most == 0)
		return __real_send(fd, data, length, flags);
	was_full = !was_full;
	if (!was_full) {
		errno = EAGAIN;
		return -1;
	}
	return __real_send(fd, data, MIN(length, send_most), flags);
}

static int lowest_fd(void) {
	int fd = dup(0);

	assert_true(fd >= 0);
	fd_close(fd);
	return fd;
}

/* Without --expect ------------------------------------------------------------------------- */

static void test_b2_a_connection_is_enough(void **state) {
	struct stream_fixture *f = *state;
	size_t length;
	char *heard;

	stream_fixture_aim(f, NULL);
	/* Twice: each look is a connection of its own, and nobody has accepted any when it ends. */
	for (int i = 0; i < 2; i++) {
		stream_fixture_start(f);
		stream_fixture_expect(f, CAUSE_OK, "connected");
	}
	f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	heard = stream_fixture_heard(f, &length);
	assert_int_equal(length, 0);
	free(heard);
}

static void test_b2_nobody_listens(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, NULL);
	f->listener = fd_close(f->listener);
	stream_fixture_start(f);
	stream_fixture_expect(f, CAUSE_CONNECT_REFUSED, "connection refused");
}

static void test_sent_is_enough_without_expect(void **state) {
	struct stream_fixture *f = *state;
	size_t length;
	char *heard;

	stream_fixture_aim(f, OPTIONS("send", "PI\\0NG\\r\\n"));
	stream_fixture_begin(f);
	stream_fixture_expect(f, CAUSE_OK, "connected, all was sent");
	heard = stream_fixture_heard(f, &length);
	assert_int_equal(length, 7);
	assert_memory_equal(heard, "PI\0NG\r\n", 7);
	free(heard);
}

static void test_sent_in_pieces(void **state) {
	struct stream_fixture *f = *state;
	size_t length;
	char *heard;

	stream_fixture_aim(f, OPTIONS("send", "0123456789"));
	send_most = 3;
	stream_fixture_begin(f);
	stream_fixture_expect(f, CAUSE_OK, "all was sent");
	send_most = 0;
	heard = stream_fixture_heard(f, &length);
	assert_string_equal(heard, "0123456789");
	free(heard);
}

static void test_not_all_is_taken(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("send", "0123456789"));
	send_error = EAGAIN;
	stream_fixture_begin(f);
	stream_fixture_expire(f, CAUSE_READ_TIMEOUT, "not all could be sent within 4.8s");

	send_error = EPIPE;
	stream_fixture_begin(f);
	stream_fixture_expect(f, CAUSE_READ_FAILED, "the connection broke: Broken pipe");
	send_error = 0;
}

/* With --expect ---------------------------------------------------------------------------- */

static void test_b4_banner_at_once(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "^220 .*ready"));
	stream_fixture_begin(f);
	SAY(f, "220 mail.example ready\r\n");
	stream_fixture_expect(f, CAUSE_OK, "the answer matches");
}

static void test_b4_banner_split_over_packets(void **state) {
	static const char banner[] = "220 mail.example rea";
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "^220 .*ready"));
	stream_fixture_begin(f);
	for (size_t i = 0; i < sizeof(banner) - 1; i++) {
		stream_fixture_say(f, &banner[i], 1);
		assert_false(f->is_over);
	}
	SAY(f, "dy");
	/* It is not waited for the line's end, nor for the server's. */
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

static void test_b4_wrong_banner(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "^220 "));
	stream_fixture_begin(f);
	SAY(f, "554 no\r\n");
	assert_false(f->is_over);
	stream_fixture_close(f);
	stream_fixture_expect(f, CAUSE_BODY_MISMATCH, "closed after 8 bytes without a match");

	stream_fixture_begin(f);
	SAY(f, "5");
	stream_fixture_expire(f, CAUSE_READ_TIMEOUT, "1 byte and no match within 4.8s");
}

static void test_b4_no_banner(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "^220 "));
	stream_fixture_begin(f);
	stream_fixture_expire(f, CAUSE_READ_TIMEOUT, "no answer within 4.8s");

	stream_fixture_begin(f);
	stream_fixture_close(f);
	stream_fixture_expect(f, CAUSE_BODY_MISMATCH, "closed without an answer");
}

/* The text is for the journal: what the server said does not get there. */
static void test_no_answer_in_the_text(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "x"));
	stream_fixture_begin(f);
	SAY(f, "secret");
	stream_fixture_expire(f, CAUSE_READ_TIMEOUT, "6 bytes");
	assert_null(strstr(f->outcome.text, "secret"));
}

static void test_b4_the_end_so_far_is_no_lines_end(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "^2$"));
	stream_fixture_begin(f);
	SAY(f, "2");
	assert_false(f->is_over);
	SAY(f, "20 mail\n");
	assert_false(f->is_over);
	SAY(f, "2\n");
	stream_fixture_expect(f, CAUSE_OK, NULL);

	/* Nor at the deadline; but where the server has closed. */
	stream_fixture_begin(f);
	SAY(f, "2");
	stream_fixture_expire(f, CAUSE_READ_TIMEOUT, "1 byte and no match");
	stream_fixture_begin(f);
	SAY(f, "2");
	stream_fixture_close(f);
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

/* What matches everything waits for an answer all the same. */
static void test_something_must_come(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("send", "x", "expect", ".*"));
	stream_fixture_begin(f);
	assert_false(f->is_over);
	stream_fixture_expire(f, CAUSE_READ_TIMEOUT, "no answer");
	stream_fixture_begin(f);
	SAY(f, "x");
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

static void test_an_empty_answer_may_be_right(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "^$"));
	stream_fixture_begin(f);
	stream_fixture_close(f);
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

static void test_nul_bytes(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "end"));
	stream_fixture_begin(f);
	SAY(f, "a\0\xff\0e");
	assert_false(f->is_over);
	SAY(f, "nd");
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

static void say_spam(struct stream_fixture *f, size_t length) {
	static char spam[MATCH_MAX];

	memset(spam, 'x', sizeof(spam));
	stream_fixture_say(f, spam, length);
}

static void test_ten_kib_are_matched_and_no_more(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "end$"));
	stream_fixture_begin(f);
	say_spam(f, MATCH_MAX - 4);
	SAY(f, "end\n");
	stream_fixture_expect(f, CAUSE_OK, NULL);

	stream_fixture_begin(f);
	say_spam(f, MATCH_MAX - 3);
	SAY(f, "end");
	assert_false(f->is_over);
	stream_fixture_close(f);
	stream_fixture_expect(f, CAUSE_OK, NULL);

	stream_fixture_begin(f);
	say_spam(f, MATCH_MAX - 4);
	SAY(f, "end");
	assert_false(f->is_over);
	SAY(f, "\n");
	stream_fixture_expect(f, CAUSE_OK, NULL);

	/* Known at once where a byte more comes, whatever follows. */
	stream_fixture_begin(f);
	say_spam(f, MATCH_MAX);
	assert_false(f->is_over);
	assert_int_equal(send(f->peer, "end\n", 4, MSG_NOSIGNAL), 4);
	stream_fixture_expect(f, CAUSE_BODY_MISMATCH, "no match in the first 10 KiB");
}

/* A flood is cut off, and a match within its first part counts. */
static void test_a_flood(void **state) {
	static char spam[128 * 1024];
	struct stream_fixture *f = *state;

	memset(spam, 'x', sizeof(spam));
	memcpy(spam + 5000, "needle", 6);
	for (int i = 0; i < 2; i++) {
		stream_fixture_aim(f, OPTIONS("expect", i == 0 ? "needle" : "needles"));
		stream_fixture_begin(f);
		assert_int_equal(fcntl(f->peer, F_SETFL, O_NONBLOCK), 0);
		assert_true(send(f->peer, spam, sizeof(spam), MSG_NOSIGNAL) > MATCH_MAX);
		stream_fixture_expect(f, i == 0 ? CAUSE_OK : CAUSE_BODY_MISMATCH, NULL);
	}
}

/* A server that drips is not matched again and again: its answer counts at the end only. */
static void test_a_drip(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "ok"));
	for (int i = 0; i < 2; i++) {
		stream_fixture_begin(f);
		while (f->probe->received < 3000)
			SAY(f, "x");
		assert_in_range(f->probe->matched, 100 * MATCH_MAX, 101 * MATCH_MAX);
		SAY(f, "ok");
		assert_false(f->is_over);
		if (i == 0)
			stream_fixture_expire(f, CAUSE_OK, NULL);
		else
			stream_fixture_close(f);
		stream_fixture_expect(f, CAUSE_OK, NULL);
	}
	/* The next look is a new one. */
	stream_fixture_begin(f);
	SAY(f, "ok");
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

static void test_send_then_expect(void **state) {
	struct stream_fixture *f = *state;
	char heard[16] = "";

	stream_fixture_aim(f, OPTIONS("send", "PING\\r\\n", "expect", "^\\+PONG"));
	stream_fixture_begin(f);
	assert_int_equal(recv(f->peer, heard, sizeof(heard), 0), 6);
	assert_string_equal(heard, "PING\r\n");
	SAY(f, "+PONG\r\n");
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

/* What is sent goes on while the answer comes; an answer before all was sent counts. */
static void test_answered_while_sending(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("send", "0123456789", "expect", "^ok"));
	send_error = EAGAIN;
	stream_fixture_begin(f);
	assert_int_equal(write(f->peer, "o", 1), 1);
	stream_fixture_hear(f, 1);
	assert_false(f->is_over);
	assert_int_equal(write(f->peer, "k", 1), 1);
	stream_fixture_expect(f, CAUSE_OK, NULL);
	send_error = 0;

	stream_fixture_begin(f);
	send_error = 0;
	SAY(f, "ok");
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

/* A server that answers and hangs up before it was asked: its answer counts. */
static void test_refused_to_read(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("send", "0123456789", "expect", "^busy"));
	send_error = EPIPE;
	stream_fixture_begin(f);
	/* Or the loop would turn and turn: what broke can always be written to. */
	assert_false(f->probe->io.events & EV_WRITE);
	assert_int_equal(write(f->peer, "busy", 4), 4);
	stream_fixture_close(f);
	stream_fixture_expect(f, CAUSE_OK, NULL);
	send_error = 0;
}

static void test_reset(void **state) {
	const struct linger now = {.l_onoff = 1};
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "^ok"));
	stream_fixture_begin(f);
	SAY(f, "o");
	assert_int_equal(setsockopt(f->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	stream_fixture_close(f);
	stream_fixture_expect(f, CAUSE_READ_FAILED,
			      "the connection broke: Connection reset by peer");

	/* The same where the loop has not seen the connection before. */
	stream_fixture_start(f);
	f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(setsockopt(f->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	stream_fixture_close(f);
	stream_fixture_expect(f, CAUSE_READ_FAILED,
			      "the connection broke: Connection reset by peer");
}

/* The end of a look ------------------------------------------------------------------------ */

/* The loop comes late: what is there counts, also a connection that the loop has not seen. */
static void test_expire_reads_once_more(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "^ok"));
	stream_fixture_begin(f);
	assert_int_equal(write(f->peer, "ok", 2), 2);
	stream_fixture_expire(f, CAUSE_OK, NULL);

	stream_fixture_start(f);
	f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(write(f->peer, "ok", 2), 2);
	stream_fixture_expire(f, CAUSE_OK, NULL);
}

static void test_cancel(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "^ok"));
	f->class->cancel(&f->probe->probe);
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			stream_fixture_start(f);
		else
			stream_fixture_begin(f);
		if (i == 2)
			SAY(f, "o");
		f->class->cancel(&f->probe->probe);
		f->class->cancel(&f->probe->probe);
		assert_int_equal(f->probe->phase, STREAM_IDLE);
		if (i == 0)
			f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
		(void)send(f->peer, "ok", 2, MSG_NOSIGNAL);
		ev_run(f->loop, EVRUN_NOWAIT);
		assert_false(f->is_over);
		stream_fixture_check_fds(f);
	}
	f->class->done(&f->probe->probe);
	f->class->done(&f->probe->probe);
}

static void test_done_of_zeroed(void **state) {
	struct stream_fixture *f = *state;
	struct probe *zeroed = calloc(1, f->class->size);

	assert_non_null(zeroed);
	f->class->done(zeroed);
	f->class->done(zeroed);
	free(zeroed);
}

/* Our own shortage is no verdict over the service. */
static void test_out_of_fds_is_unknown(void **state) {
	struct stream_fixture *f = *state;
	struct rlimit limit, none;

	stream_fixture_aim(f, NULL);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = (rlim_t)lowest_fd(), .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	stream_fixture_start(f);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	stream_fixture_expect(f, CAUSE_SELF, "sdwd cannot look: connect: Too many open files");
	stream_fixture_start(f);
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

/* What the server said is read before we close: it is not answered by a reset. */
static void test_no_reset_for_a_server_that_says_more(void **state) {
	static char spam[30 * 1024] = "ok";
	struct stream_fixture *f = *state;
	char c;

	stream_fixture_aim(f, OPTIONS("expect", "^ok"));
	stream_fixture_begin(f);
	assert_int_equal(write(f->peer, spam, sizeof(spam)), sizeof(spam));
	stream_fixture_expect(f, CAUSE_OK, NULL);
	assert_int_equal(recv(f->peer, &c, 1, 0), 0);
}

/* The server says "ok" and closes before we look; or the connection stays open. */
static void look_ok(struct stream_fixture *f, bool closes) {
	stream_fixture_start(f);
	f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(write(f->peer, "ok", 2), 2);
	if (closes)
		stream_fixture_close(f);
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

static void test_f7_lingers_where_the_server_closes(void **state) {
	struct stream_fixture *f = *state;
	char c;

	stream_fixture_aim(f, OPTIONS("expect", "^ok"));
	/* Nothing is known of the server, and it is not held up. */
	look_ok(f, false);
	assert_int_equal(f->probe->phase, STREAM_IDLE);
	look_ok(f, true);
	assert_int_equal(f->probe->phase, STREAM_IDLE);

	/* It was seen to close: now it may be the first. */
	look_ok(f, false);
	assert_int_equal(f->probe->phase, STREAM_LINGERING);
	assert_int_equal(write(f->peer, "more", 4), 4);
	stream_fixture_close(f);
	stream_fixture_linger(f);

	/* A bad verdict ends it at once. */
	stream_fixture_begin(f);
	stream_fixture_expire(f, CAUSE_READ_TIMEOUT, NULL);
	assert_int_equal(f->probe->phase, STREAM_IDLE);

	/* It does not close any more: the next look does, and so do those that follow. */
	look_ok(f, false);
	assert_int_equal(f->probe->phase, STREAM_LINGERING);
	look_ok(f, false);
	assert_int_equal(f->probe->phase, STREAM_IDLE);
	assert_int_equal(recv(f->peer, &c, 1, 0), 0);

	look_ok(f, true);
	look_ok(f, false);
	assert_int_equal(f->probe->phase, STREAM_LINGERING);
	f->class->cancel(&f->probe->probe);
	assert_int_equal(f->probe->phase, STREAM_IDLE);
	stream_fixture_check_fds(f);
}

/* Who says more and more meanwhile is cut off. */
static void test_f7_lingers_not_for_a_flood(void **state) {
	static char spam[16 * 1024];
	struct stream_fixture *f = *state;
	size_t n = 0;

	stream_fixture_aim(f, OPTIONS("expect", "^ok"));
	look_ok(f, true);
	look_ok(f, false);
	assert_int_equal(fcntl(f->peer, F_SETFL, O_NONBLOCK), 0);
	while (f->probe->phase == STREAM_LINGERING) {
		ssize_t r = send(f->peer, spam, sizeof(spam), MSG_NOSIGNAL);

		n += r > 0 ? (size_t)r : 0;
		ev_run(f->loop, EVRUN_NOWAIT);
	}
	assert_true(n > 64 * 1024);
	stream_fixture_check_fds(f);

	/* That was one connection: another may say something. */
	look_ok(f, false);
	assert_int_equal(write(f->peer, "more", 4), 4);
	ev_run(f->loop, EVRUN_ONCE);
	assert_int_equal(f->probe->phase, STREAM_LINGERING);
}

/* There is no TIME_WAIT to be avoided at a Unix socket. */
static void test_never_lingers_at_a_unix_socket(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("expect", "^ok"));
	look_ok(f, true);
	look_ok(f, false);
	assert_int_equal(f->probe->phase, STREAM_IDLE);
}

static void test_nothing_piles_up(void **state) {
	struct stream_fixture *f = *state;
	size_t before = 0;

	stream_fixture_aim(f, OPTIONS("send", "x", "expect", "^ok"));
	for (int i = 0; i < 3000; i++) {
		stream_fixture_begin(f);
		if (i % 4 == 0)
			SAY(f, "ok");
		else if (i % 4 == 1)
			stream_fixture_close(f);
		else if (i % 4 == 2)
			f->class->cancel(&f->probe->probe);
		else
			stream_fixture_expire(f, CAUSE_READ_TIMEOUT, NULL);
		while (i % 4 < 2 && !f->is_over)
			stream_fixture_hear(f, SIZE_MAX);
		if (i == 20)
			before = heap_used();
	}
	assert_int_equal(heap_used(), before);
	stream_fixture_check_fds(f);
}

#define both(test) tcp_test(test), unix_test(test)

int main(void) {
	const struct CMUnitTest tests[] = {
		both(test_b2_a_connection_is_enough),
		both(test_b2_nobody_listens),
		both(test_sent_is_enough_without_expect),
		both(test_sent_in_pieces),
		both(test_not_all_is_taken),
		both(test_b4_banner_at_once),
		both(test_b4_banner_split_over_packets),
		both(test_b4_wrong_banner),
		both(test_b4_no_banner),
		both(test_no_answer_in_the_text),
		both(test_b4_the_end_so_far_is_no_lines_end),
		both(test_something_must_come),
		both(test_an_empty_answer_may_be_right),
		both(test_nul_bytes),
		both(test_ten_kib_are_matched_and_no_more),
		both(test_a_flood),
		both(test_a_drip),
		both(test_send_then_expect),
		both(test_answered_while_sending),
		both(test_refused_to_read),
		tcp_test(test_reset),
		both(test_expire_reads_once_more),
		both(test_cancel),
		both(test_done_of_zeroed),
		both(test_out_of_fds_is_unknown),
		both(test_no_reset_for_a_server_that_says_more),
		tcp_test(test_f7_lingers_where_the_server_closes),
		tcp_test(test_f7_lingers_not_for_a_flood),
		unix_test(test_never_lingers_at_a_unix_socket),
		both(test_nothing_piles_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
