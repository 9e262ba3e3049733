/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/signals.h"
#include "sys/unit_query.h"

/* A unit that no manager has: whether one answers here at all is not this test's business. */
#define UNIT "sdwd-test-of-unit-query.service"

static void ask(enum unit_question question) {
	struct unit_query q = {.fd = -1};
	struct unit_answer answer;
	struct signals signals;
	size_t before = count_fds();
	int r, status;
	pid_t pid;

	signals_block(&signals);
	CHECK(unit_query_start(&q, question, UNIT) == 0);
	CHECK(q.pid > 0 && q.fd >= 0);
	CHECK(poll(&(struct pollfd){.fd = q.fd, .events = POLLIN}, 1, 20000) == 1);
	r = unit_query_read(&q, &answer);
	CHECK(r == 1 || r == -EPIPE);
	if (r == 1)
		CHECK(!answer.is_stopping && !answer.is_aborting);
	pid = q.pid;
	CHECK(waitpid(pid, &status, 0) == pid);
	/* It says by its status what it says by its answer. */
	CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0) == (r == 1));
	q.pid = 0;
	unit_query_stop(&q);
	CHECK(q.fd == -1);
	CHECK(count_fds() == before);
}

static void killing(void) {
	ask(UNIT_KILLING);
}

static void stopping(void) {
	ask(UNIT_STOPPING);
}

static void test_each_question_ends(void **state) {
	isolated(killing);
	isolated(stopping);
}

/* Whatever it hangs on: it is killed, and leads a session, so that it is told from the service. */
static void hung(void) {
	struct unit_query q = {.fd = -1};
	struct signals signals;
	int status;
	pid_t pid;

	signals_block(&signals);
	CHECK(unit_query_start(&q, UNIT_KILLING, UNIT) == 0);
	pid = q.pid;
	CHECK(kill(pid, SIGSTOP) == 0);
	/* SIGTERM is blocked there, as in us: the manager's stop does not end it. */
	CHECK(kill(pid, SIGTERM) == 0);
	unit_query_stop(&q);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WIFEXITED(status));
}

static void test_one_that_hangs_is_killed(void **state) {
	isolated(hung);
}

static void test_nothing_to_stop(void **state) {
	struct unit_query q = {.fd = -1};

	unit_query_stop(&q);
	assert_int_equal(q.fd, -1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_question_ends),
		cmocka_unit_test(test_one_that_hangs_is_killed),
		cmocka_unit_test(test_nothing_to_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
