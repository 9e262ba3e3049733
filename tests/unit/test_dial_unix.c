/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "dial_fixture.h"

static void test_paths(void **state) {
	struct dial_target t;
	char path[200], folder[100];

	assert_int_equal(dial_target_path(&t, ""), -EINVAL);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[108] = '\0';
	assert_int_equal(dial_target_path(&t, path), -ENAMETOOLONG);
	path[107] = '\0';
	assert_int_equal(dial_target_path(&t, path), 0);
	assert_string_equal(t.addresses[0].un.sun_path, path);
	assert_int_equal(dial_target_path(&t, "@name"), 0);
	assert_memory_equal(t.addresses[0].un.sun_path, "\0name", 5);
	assert_int_equal(t.addresses[0].length, offsetof(struct sockaddr_un, sun_path) + 5);

	/* A relative one must stay what it was when the working directory changes. */
	assert_non_null(getcwd(folder, sizeof(folder)));
	snprintf(path, sizeof(path), "%s/sub/socket", strcmp(folder, "/") == 0 ? "" : folder);
	assert_int_equal(dial_target_path(&t, "sub/socket"), 0);
	assert_string_equal(t.addresses[0].un.sun_path, path);
}

static int listen_unix(const struct dial_target *t, int backlog) {
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &t->addresses[0].any, t->addresses[0].length), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void aim_at_socket(struct dial_fixture *f) {
	char path[64];

	snprintf(path, sizeof(path), "%s/socket", f->folder);
	assert_int_equal(dial_target_path(&f->target, path), 0);
}

static void test_unix_path(void **state) {
	struct dial_fixture *f = *state;
	int listener;

	aim_at_socket(f);
	listener = listen_unix(&f->target, 5);
	assert_int_equal(peer_family(dial_fixture_dial(f)), AF_UNIX);
	fd_close(listener);
}

static void test_unix_abstract(void **state) {
	struct dial_fixture *f = *state;
	char name[64];
	int listener;

	snprintf(name, sizeof(name), "@sdwd-test-dial-%d", getpid());
	assert_int_equal(dial_target_path(&f->target, name), 0);
	listener = listen_unix(&f->target, 5);
	assert_true(dial_fixture_dial(f) >= 0);
	fd_close(listener);
}

static void test_b5_unix_missing(void **state) {
	struct dial_fixture *f = *state;

	aim_at_socket(f);
	assert_int_equal(dial_fixture_dial(f), -ENOENT);
}

static void test_b5_unix_stale(void **state) {
	struct dial_fixture *f = *state;

	aim_at_socket(f);
	fd_close(listen_unix(&f->target, 5));
	assert_int_equal(dial_fixture_dial(f), -ECONNREFUSED);
}

/* A full queue is EAGAIN at once, and nothing tells when there is room again. */
static void test_unix_queue_full_for_a_while(void **state) {
	struct dial_fixture *f = *state;
	int listener, first, fd = -1;

	aim_at_socket(f);
	listener = listen_unix(&f->target, 0);
	first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(first, &f->target.addresses[0].any, f->target.addresses[0].length),
			 0);

	assert_int_equal(dial_start(&f->dial, f->loop, &f->target, &fd), 0);
	assert_true(f->dial.is_queue_full);
	dial_fixture_run(f, 0.2);
	assert_int_equal(f->n_results, 0);
	assert_int_equal(dial_check(&f->dial, &fd), 0);
	assert_true(f->dial.is_queue_full);

	fd_close(accept(listener, NULL, NULL));
	dial_fixture_run(f, 30);
	assert_int_equal(f->n_results, 1);
	assert_true(f->result >= 0);
	fd_close(first);
	fd_close(listener);
}

/* The queue empties between the last try and the deadline. */
static void test_check_tries_a_full_queue_again(void **state) {
	struct dial_fixture *f = *state;
	int listener, first, fd = -1;

	aim_at_socket(f);
	listener = listen_unix(&f->target, 0);
	first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(first, &f->target.addresses[0].any, f->target.addresses[0].length),
			 0);
	assert_int_equal(dial_start(&f->dial, f->loop, &f->target, &fd), 0);
	fd_close(accept(listener, NULL, NULL));
	assert_int_equal(dial_check(&f->dial, &fd), DIAL_CONNECTED);
	f->result = fd;
	dial_fixture_run(f, 0.1);
	assert_int_equal(f->n_results, 0);
	fd_close(first);
	fd_close(listener);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		dial_test(test_unix_path),
		dial_test(test_unix_abstract),
		dial_test(test_b5_unix_missing),
		dial_test(test_b5_unix_stale),
		dial_test(test_unix_queue_full_for_a_while),
		dial_test(test_check_tries_a_full_queue_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
