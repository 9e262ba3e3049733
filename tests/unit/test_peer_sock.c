/* SPDX-License-Identifier: MIT */
#include "sys/peer_sock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int pair[2];

static int open_pair(void **state) {
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state) {
	(void)close(pair[0]);
	return close(pair[1]);
}

static void give(const char *text) {
	assert_int_equal(send(pair[0], text, strlen(text), 0), strlen(text));
}

static void give_fd(const char *text) {
	union {
		char buffer[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.buffer,
				 .msg_controllen = sizeof(control.buffer)};

	memcpy(CMSG_DATA(&control.header), &pair[0], sizeof(int));
	assert_int_equal(sendmsg(pair[0], &message, 0), strlen(text));
}

/* All that can be read is @text; then comes @error, 0: the end. */
static void assert_read(const char *text, int error) {
	char all[256] = "", buffer[64];
	ssize_t n;

	while ((n = peer_recv(pair[1], buffer, sizeof(buffer))) > 0)
		strncat(all, buffer, (size_t)n);
	assert_int_equal(n < 0 ? errno : 0, error);
	assert_string_equal(all, text);
}

static void test_bytes_come_as_they_were_sent(void **state) {
	assert_read("", EAGAIN);
	give("ok");
	give("\n");
	assert_read("ok\n", EAGAIN);
	assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
	assert_read("", 0);
}

static void test_bytes_with_an_fd_are_not_taken(void **state) {
	give_fd("ok");
	assert_read("", EBADMSG);
	assert_read("", EBADMSG);
	assert_false(peer_hang_up(pair[1]));
}

static void test_who_sent_none_is_hung_up_on(void **state) {
	give("rest");
	assert_true(peer_hang_up(pair[1]));
	/* It is closed. */
	assert_int_equal(send(pair[0], "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	(void)close(pair[0]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytes_come_as_they_were_sent, open_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(test_bytes_with_an_fd_are_not_taken, open_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(test_who_sent_none_is_hung_up_on, open_pair, NULL),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
