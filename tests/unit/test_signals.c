/* SPDX-License-Identifier: MIT */
#include "process.h"

#include "sys/signals.h"

static uint64_t bit(int number) {
	return UINT64_C(1) << (number - 1);
}

static void change_raw_mask(uint64_t mask) {
	CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask)) == 0);
}

/* All that can be blocked, but for what a fault raises. */
static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

static void block_all(void) {
	struct signals s;
	uint64_t expected = ~UINT64_C(0);

	for (size_t n = 0; n < ARRAY_SIZE(never); n++)
		expected &= ~bit(never[n]);
	signals_block(&s);
	CHECK(s.fd == -1);
	CHECK(status_mask(0, "SigBlk") == expected);
}

static void test_block_leaves_faults_out(void **state) {
	isolated(block_all);
}

static void restore_exactly(void) {
	uint64_t mask = bit(SIGUSR2) | bit(SIGSEGV) | bit(32) | bit(33) | bit(64), ignored;
	struct signals s;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	change_raw_mask(mask);
	ignored = status_mask(0, "SigIgn");

	signals_block(&s);
	CHECK(status_mask(0, "SigIgn") == (ignored & ~bit(SIGCHLD)));
	CHECK(signals_open(&s) == 0);
	signals_restore(&s);
	CHECK(status_mask(0, "SigBlk") == mask);
	CHECK(status_mask(0, "SigIgn") == ignored);
}

static void test_restore_gives_back_mask_and_sigchld(void **state) {
	isolated(restore_exactly);
}

static void keep_statuses(void) {
	struct signals s;
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	signals_block(&s);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(7);
	CHECK(WEXITSTATUS(exit_status_of(pid)) == 7);
}

static void test_inherited_ignored_sigchld_loses_no_status(void **state) {
	isolated(keep_statuses);
}

static void read_in_order(void) {
	struct signalfd_siginfo record;
	union sigval value;
	struct signals s;
	int flags;
	pid_t pid;

	signals_block(&s);
	CHECK(signals_open(&s) == 0);
	flags = fcntl(s.fd, F_GETFL);
	CHECK(flags & O_NONBLOCK);
	CHECK(fcntl(s.fd, F_GETFD) & FD_CLOEXEC);
	CHECK(signals_next(&s, &record) == 0);

	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		for (int n = 1; n <= 3; n++) {
			value.sival_int = 40 + n;
			CHECK(sigqueue(getppid(), SIGRTMIN + 3, value) == 0);
		}
		CHECK(kill(getppid(), SIGTERM) == 0);
		_exit(0);
	}
	CHECK(exit_status_of(pid) == 0);

	/* The lowest number first (signal(7)), so SIGCHLD may come between. */
	CHECK(signals_next(&s, &record) == 1);
	CHECK(record.ssi_signo == SIGTERM);
	CHECK(record.ssi_pid == (uint32_t)pid && record.ssi_code == SI_USER);
	CHECK(signals_next(&s, &record) == 1);
	CHECK(record.ssi_signo == SIGCHLD && record.ssi_pid == (uint32_t)pid);
	for (int n = 1; n <= 3; n++) {
		CHECK(signals_next(&s, &record) == 1);
		CHECK(record.ssi_signo == (uint32_t)(SIGRTMIN + 3));
		CHECK(record.ssi_code == SI_QUEUE && record.ssi_int == 40 + n);
	}
	CHECK(signals_next(&s, &record) == 0);
	signals_close(&s);
	CHECK(s.fd == -1);
	CHECK(signals_next(&s, &record) == -EBADF);
}

static void test_next_tells_sender_and_value(void **state) {
	isolated(read_in_order);
}

static void pass_own_over(void) {
	struct signalfd_siginfo record;
	struct signals s;
	int fds[2];
	pid_t pid;

	signals_block(&s);
	CHECK(signals_open(&s) == 0);
	CHECK(pipe(fds) == 0);
	close(fds[0]);
	CHECK(write(fds[1], "x", 1) < 0 && errno == EPIPE);
	CHECK(status_mask(0, "ShdPnd") & bit(SIGPIPE) || status_mask(0, "SigPnd") & bit(SIGPIPE));
	CHECK(signals_next(&s, &record) == 0);

	/* The same number from somebody else is none of ours. */
	CHECK(write(fds[1], "x", 1) < 0 && errno == EPIPE);
	CHECK(signals_next(&s, &record) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(kill(getppid(), SIGPIPE) == 0);
		_exit(0);
	}
	CHECK(exit_status_of(pid) == 0);
	CHECK(signals_next(&s, &record) == 1);
	CHECK(record.ssi_signo == SIGPIPE && record.ssi_pid == (uint32_t)pid);
}

static void test_next_passes_over_our_own_sigpipe(void **state) {
	isolated(pass_own_over);
}

static void reset_all(void) {
	struct signals s;

	for (int n = 1; n < NSIG; n++)
		(void)signal(n, SIG_IGN);
	change_raw_mask(~UINT64_C(0));
	CHECK(status_mask(0, "SigIgn") != 0);
	signals_block(&s);
	signals_reset();
	CHECK(status_mask(0, "SigBlk") == 0);
	CHECK(status_mask(0, "SigIgn") == 0);
	/* But for what an older libc keeps for its threads (nptl(7)). */
	CHECK((status_mask(0, "SigCgt") & ~(UINT64_C(3) << 31)) == 0);
}

static void test_reset_is_clean(void **state) {
	isolated(reset_all);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block_leaves_faults_out),
		cmocka_unit_test(test_restore_gives_back_mask_and_sigchld),
		cmocka_unit_test(test_inherited_ignored_sigchld_loses_no_status),
		cmocka_unit_test(test_next_tells_sender_and_value),
		cmocka_unit_test(test_next_passes_over_our_own_sigpipe),
		cmocka_unit_test(test_reset_is_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
