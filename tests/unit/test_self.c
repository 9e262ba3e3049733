/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <sys/resource.h>

#include "sys/self.h"
#include "sys/signals.h"

/* AddressSanitizer makes mlockall(2) do nothing. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_NO_MLOCK true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_NO_MLOCK true
#endif
#endif
#ifndef HAS_NO_MLOCK
#define HAS_NO_MLOCK false
#endif

/* The status that a process has which ends itself as @wait_status says. */
static int die_like(int wait_status, bool ignored) {
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct signals signals;

		/* As much as can be in the way: all is blocked, read by a signalfd, or ignored, and
		 * others are waiting. */
		(void)setrlimit(RLIMIT_CORE, &limit);
		for (int n = 1; ignored && n < NSIG; n++)
			(void)signal(n, SIG_IGN);
		signals_block(&signals);
		CHECK(signals_open(&signals) == 0);
		CHECK(kill(getpid(), SIGHUP) == 0);
		CHECK(kill(getpid(), SIGTERM) == 0);
		self_die_like(wait_status);
	}
	return exit_status_of(pid);
}

static void test_every_exit_code(void **state) {
	for (int code = 0; code < 256; code++) {
		int status = die_like(code << 8, false);

		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), code);
	}
}

static bool is_deadly(int number) {
	static const int others[] = {SIGCHLD, SIGCONT, SIGURG,  SIGWINCH,
				     SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

	for (size_t n = 0; n < ARRAY_SIZE(others); n++)
		if (others[n] == number)
			return false;
	return true;
}

static void check_signal(int number, bool with_core, bool ignored) {
	int status = die_like(number | (with_core ? 0x80 : 0), ignored);

	if (is_deadly(number)) {
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), number);
		/* The child's core is enough. */
		assert_false(WCOREDUMP(status));
	} else {
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 128 + number);
	}
}

static void test_every_signal(void **state) {
	for (int number = 1; number < NSIG; number++) {
		/* libc keeps those between to itself. */
		if (number > 31 && number < SIGRTMIN)
			continue;
		check_signal(number, false, false);
		check_signal(number, true, true);
	}
}

static void test_no_death_is_our_failure(void **state) {
	assert_int_equal(WEXITSTATUS(die_like(SIGSTOP << 8 | 0x7f, false)), 125);
	assert_int_equal(WEXITSTATUS(die_like(0xffff, false)), 125);
}

/* getpid(2) as pid 1 of a namespace sees it. */
static bool is_init;

pid_t getpid(void) {
	return is_init ? 1 : (pid_t)syscall(SYS_getpid);
}

/* The real pid 1 must never get it, whatever the code does. */
int kill(pid_t pid, int number) {
	if (is_init)
		_exit(77);
	return (int)syscall(SYS_kill, pid, number);
}

static void die_as_init(void) {
	is_init = true;
	self_die_like(SIGTERM);
}

static void test_pid_1_exits_with_128_and_the_number(void **state) {
	pid_t pid = fork();

	if (pid == 0)
		die_as_init();
	assert_int_equal(WEXITSTATUS(exit_status_of(pid)), 128 + SIGTERM);
}

static void subreaper(void) {
	int flag = 0;

	CHECK(self_become_subreaper() == 0);
	CHECK(prctl(PR_GET_CHILD_SUBREAPER, &flag) == 0 && flag == 1);
}

static void test_subreaper(void **state) {
	isolated(subreaper);
}

static void refused(void) {
	CHECK(self_set_rtprio(1000) == -EINVAL);
	CHECK(self_set_oom_score(100000) == -EINVAL);
}

static void test_values_out_of_range_are_refused(void **state) {
	isolated(refused);
}

static void lock(void) {
	char text[64];
	int r = self_lock_memory();

	/* Not where RLIMIT_MEMLOCK is small. */
	CHECK(r == 0 || r == -ENOMEM || r == -EPERM);
	CHECK(status_line(0, "VmLck", text, sizeof(text)));
	CHECK(HAS_NO_MLOCK || (atoi(text) > 0) == (r == 0));
}

static void test_lock_memory(void **state) {
	isolated(lock);
}

static void undo(void) {
	const int nice = getpriority(PRIO_PROCESS, 0);
	/* 19 is the most: there only root can change it. */
	const int step = nice <= 17 ? 1 : -1;

	/* Nothing was set: nothing changes. */
	self_undo();
	CHECK(getpriority(PRIO_PROCESS, 0) == nice);
	CHECK(self_set_nice(nice + step) == 0);
	CHECK(self_set_nice(nice + 2 * step) == 0);
	CHECK(getpriority(PRIO_PROCESS, 0) == nice + 2 * step);
	self_undo();
	if (setpriority(PRIO_PROCESS, 0, nice) == 0) {
		setpriority(PRIO_PROCESS, 0, nice + 2 * step);
		self_undo();
		CHECK(getpriority(PRIO_PROCESS, 0) == nice);
	}
}

static void test_undo_goes_back_to_the_first_value(void **state) {
	isolated(undo);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_exit_code),
		cmocka_unit_test(test_every_signal),
		cmocka_unit_test(test_no_death_is_our_failure),
		cmocka_unit_test(test_pid_1_exits_with_128_and_the_number),
		cmocka_unit_test(test_subreaper),
		cmocka_unit_test(test_values_out_of_range_are_refused),
		cmocka_unit_test(test_lock_memory),
		cmocka_unit_test(test_undo_goes_back_to_the_first_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
