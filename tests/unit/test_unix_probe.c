/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "probe/unix.h"
#include "stream_fixture.h"
#include "sys/proc.h"

/* What only --unix has: paths, full queues, and who listens. Linked with --wrap=getsockopt. */

/* The kernel's answer for a peer that has no pid in our namespace. */
static bool has_foreign_peer;
static int peer_error;

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size);

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
	if (name == SO_PEERCRED && peer_error != 0) {
		errno = peer_error;
		return -1;
	}
	if (name == SO_PEERCRED && has_foreign_peer) {
		*(struct ucred *)value = (struct ucred){0};
		return 0;
	}
	return __real_getsockopt(fd, level, name, value, size);
}

static void test_b5_missing_and_dead(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, NULL);
	f->listener = fd_close(f->listener);
	stream_fixture_start(f);
	stream_fixture_expect(f, CAUSE_CONNECT_REFUSED, "connection refused");
	assert_int_equal(unlink(f->target), 0);
	stream_fixture_start(f);
	stream_fixture_expect(f, CAUSE_CONNECT_FAILED, "cannot connect: No such file or directory");
}

static void test_abstract(void **state) {
	struct stream_fixture *f = *state;
	struct dial_target t;
	char name[64];

	snprintf(name, sizeof(name), "@sdwd-test-unix-%d", getpid());
	assert_int_equal(dial_target_path(&t, name), 0);
	f->listener = fd_close(f->listener);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, &t.addresses[0].any, t.addresses[0].length), 0);
	assert_int_equal(listen(f->listener, 5), 0);
	assert_int_equal(stream_fixture_probe(f, name, OPTIONS("expect", "ok")), 0);
	stream_fixture_begin(f);
	SAY(f, "ok");
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

static void test_queue_full(void **state) {
	struct stream_fixture *f = *state;

	/* A queue of n holds n + 1. */
	assert_int_equal(listen(f->listener, 0), 0);
	stream_fixture_aim(f, NULL);
	stream_fixture_start(f);
	stream_fixture_expect(f, CAUSE_OK, NULL);
	stream_fixture_start(f);
	stream_fixture_expire(f, CAUSE_CONNECT_TIMEOUT,
			      "no connection within 4.8s: the server's listen queue is full");
	fd_close(accept4(f->listener, NULL, NULL, SOCK_CLOEXEC));
	stream_fixture_start(f);
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

/* Another process that listens at the fixture's socket (listen(2) is what counts); it says so with
 * a byte, and lives until it is killed. */
static pid_t listen_elsewhere(const struct stream_fixture *f, bool from_grandchild) {
	int listening[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(listening), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (from_grandchild && fork() > 0) {
			(void)wait(NULL);
			_exit(0);
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (listen(f->listener, 128) < 0 || write(listening[1], "x", 1) != 1)
			_exit(1);
		close(listening[0]);
		close(listening[1]);
		for (;;)
			pause();
	}
	fd_close(listening[1]);
	assert_int_equal(read(listening[0], &c, 1), 1);
	fd_close(listening[0]);
	return pid;
}

static void end(pid_t pid) {
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_peer_is_the_child_or_below_it(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("peer", "child", "expect", "ok"));
	for (int i = 0; i < 2; i++) {
		pid_t pid = listen_elsewhere(f, i == 1);

		stream_fixture_begin(f);
		SAY(f, "ok");
		stream_fixture_expect(f, CAUSE_OK, "the answer matches");
		end(pid);
	}
}

static void test_b6_another_process_listens(void **state) {
	struct stream_fixture *f = *state;
	char wanted[128], name[32];
	size_t length;
	char *heard;

	assert_int_equal(proc_read_comm(getpid(), name, sizeof(name)), 0);
	/* We are not our own descendant. Nothing is sent to a stranger. */
	stream_fixture_aim(f, OPTIONS("peer", "child", "send", "secret", "expect", "ok"));
	stream_fixture_begin(f);
	snprintf(wanted, sizeof(wanted),
		 "pid %d (%s) listens there, which is no process of this service", getpid(), name);
	stream_fixture_expect(f, CAUSE_WRONG_PEER, wanted);
	heard = stream_fixture_heard(f, &length);
	assert_int_equal(length, 0);
	free(heard);

	/* Without the option anybody is right. */
	stream_fixture_aim(f, OPTIONS("expect", "ok"));
	stream_fixture_begin(f);
	SAY(f, "ok");
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

/* It descends from us as the child does. */
static void test_b6_a_check_of_our_own_listens(void **state) {
	struct stream_fixture *f = *state;
	size_t length;
	char *heard;

	stream_fixture_aim(f, OPTIONS("peer", "child", "send", "secret", "expect", "ok"));
	f->helper = listen_elsewhere(f, false);
	stream_fixture_begin(f);
	stream_fixture_expect(f, CAUSE_WRONG_PEER,
			      ") listens there, which belongs to a check or hook of sdwd's");
	heard = stream_fixture_heard(f, &length);
	assert_int_equal(length, 0);
	free(heard);
	end(f->helper);
}

static void test_b6_whoever_listened_has_ended(void **state) {
	struct stream_fixture *f = *state;
	pid_t pid = listen_elsewhere(f, false);
	char wanted[64];

	end(pid);
	stream_fixture_aim(f, OPTIONS("peer", "child"));
	stream_fixture_begin(f);
	snprintf(wanted, sizeof(wanted), "pid %d, which listened there, has ended", pid);
	stream_fixture_expect(f, CAUSE_WRONG_PEER, wanted);
}

static void test_b6_a_peer_of_another_namespace(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("peer", "child"));
	has_foreign_peer = true;
	stream_fixture_begin(f);
	stream_fixture_expect(f, CAUSE_WRONG_PEER, "of another PID namespace listens there");
	has_foreign_peer = false;
}

/* That we cannot see it says nothing of the service. */
static void test_no_answer_of_the_kernel_is_unknown(void **state) {
	struct stream_fixture *f = *state;

	stream_fixture_aim(f, OPTIONS("peer", "child"));
	peer_error = ENOPROTOOPT;
	stream_fixture_begin(f);
	stream_fixture_expect(f, CAUSE_SELF, "SO_PEERCRED: Protocol not available");
	peer_error = 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		unix_test(test_b5_missing_and_dead),
		unix_test(test_abstract),
		unix_test(test_queue_full),
		unix_test(test_peer_is_the_child_or_below_it),
		unix_test(test_b6_another_process_listens),
		unix_test(test_b6_a_check_of_our_own_listens),
		unix_test(test_b6_whoever_listened_has_ended),
		unix_test(test_b6_a_peer_of_another_namespace),
		unix_test(test_no_answer_of_the_kernel_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
