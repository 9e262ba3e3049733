/* SPDX-License-Identifier: MIT */
#include "child_fixture.h"

#include "sys/self.h"

static void compare_signals(void) {
	char blocked[64], ignored[64];
	const char *report;

	status_line(0, "SigBlk", blocked, sizeof(blocked));
	status_line(0, "SigIgn", ignored, sizeof(ignored));
	use_report();
	prepare();
	report = run_report();
	CHECK(strcmp(reported(report, "SigBlk"), blocked) == 0);
	CHECK(strcmp(reported(report, "SigIgn"), ignored) == 0);
	CHECK(strcmp(reported(report, "ShdPnd"), "0000000000000000") == 0);
	unlink(report_path);
}

static void signals_as_systemd_gives_them(void) {
	for (int n = 1; n < NSIG; n++)
		(void)signal(n, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	compare_signals();
}

static void signals_by_nohup(void) {
	uint64_t mask = UINT64_C(1) << (SIGUSR2 - 1) | UINT64_C(1) << 63 |
			UINT64_C(1) << (SIGTERM - 1) | UINT64_C(1) << (SIGILL - 1);

#if __GLIBC_PREREQ(2, 34)
	/* An older libc's own start unblocks what it keeps for its threads (nptl(7)), and so does
	 * the report's. */
	mask |= UINT64_C(1) << 32;
#endif
	signal(SIGCHLD, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTRAP, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGRTMIN + 4, SIG_IGN);
	CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask)) == 0);
	compare_signals();
}

static void test_mask_and_dispositions_are_ours(void **state) {
	isolated(signals_as_systemd_gives_them);
	isolated(signals_by_nohup);
}

static void signal_at_once(bool use_setsid, bool to_group) {
	size_t fds;

	use_helper("--pause", NULL);
	prepare();
	conf.setsid = use_setsid;
	fds = count_fds();
	for (int n = 0; n < 500; n++) {
		enum child_stage stage;
		int error, status;

		CHECK(child_start(&child, &conf) == 0);
		CHECK(getpgid(child.pid) == child.pid);
		CHECK(child_signal(&child, SIGTERM, to_group, false, (union sigval){0}) == 0);
		status = exit_status_of(child.pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
		CHECK(exec_result(&stage, &error) == 0);
	}
	CHECK(count_fds() == fds);
}

static void group_at_once(void) {
	signal_at_once(false, true);
}

static void session_at_once(void) {
	signal_at_once(true, true);
}

static void pid_at_once(void) {
	signal_at_once(false, false);
}

static void test_no_signal_is_lost_right_after_the_start(void **state) {
	isolated(group_at_once);
	isolated(session_at_once);
	isolated(pid_at_once);
}

static void value_arrives(void) {
	union sigval value;
	sigset_t blocked;
	const char *text;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGRTMIN + 3);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	use_helper("--values", fresh_file(report_path, sizeof(report_path)));
	prepare();
	/* Sent before exec or after it: they wait. */
	CHECK(child_start(&child, &conf) == 0);
	value.sival_int = 4711;
	CHECK(child_signal(&child, SIGRTMIN + 3, false, true, value) == 0);
	value.sival_int = 815;
	CHECK(child_signal(&child, SIGRTMIN + 3, false, true, value) == 0);
	CHECK(child_signal(&child, SIGUSR1, false, true, value) == 0);
	CHECK(exit_status_of(child.pid) == 0);
	text = file_text(report_path);
	CHECK(strcmp(text, "USR1 815\nRTMIN+3 4711\nRTMIN+3 815\n") == 0);
	unlink(report_path);
}

static void test_values_arrive_in_order(void **state) {
	isolated(value_arrives);
}

static void signal_nobody(void) {
	const struct child none = {.exec_fd = -1}, init = {.pid = 1, .pgid = 1};
	union sigval value = {0};

	CHECK(child_signal(&none, SIGTERM, false, false, value) == -ESRCH);
	CHECK(child_signal(&none, SIGTERM, true, false, value) == -ESRCH);
	CHECK(child_signal(&none, SIGTERM, false, true, value) == -ESRCH);
	CHECK(child_signal(&init, 0, true, false, value) == -ESRCH);

	use_helper("--pause", NULL);
	prepare();
	start();
	CHECK(child_signal(&child, SIGKILL, true, true, value) == 0);
	exit_status_of(child.pid);
	CHECK(child_signal(&child, SIGTERM, false, false, value) == -ESRCH);
	CHECK(child_signal(&child, SIGTERM, false, true, value) == -ESRCH);
	CHECK(child_signal(&child, SIGTERM, true, false, value) == -ESRCH);
}

static void test_signalling_nobody_reaches_nobody(void **state) {
	isolated(signal_nobody);
}

static void expect_ids(const char *report, pid_t group, pid_t session) {
	char text[32];

	snprintf(text, sizeof(text), "%d", (int)group);
	CHECK(strcmp(reported(report, "pgid"), text) == 0);
	snprintf(text, sizeof(text), "%d", (int)session);
	CHECK(strcmp(reported(report, "sid"), text) == 0);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	CHECK(strcmp(reported(report, "ppid"), text) == 0);
}

static void group_and_session(void) {
	const char *report;

	use_report();
	prepare();
	report = run_report();
	expect_ids(report, child.pid, getsid(0));
	CHECK(getpgrp() != child.pid);
	conf.setsid = true;
	report = run_report();
	expect_ids(report, child.pid, child.pid);
	unlink(report_path);
}

static void test_group_and_session(void **state) {
	isolated(group_and_session);
}

/* The supervisor is killed: its child gets the signal. */
static void parent_dies(void) {
	int tell[2], status;
	pid_t supervisor;

	CHECK(self_become_subreaper() == 0);
	CHECK(pipe(tell) == 0);
	supervisor = fork();
	CHECK(supervisor >= 0);
	if (supervisor == 0) {
		fcntl(tell[0], F_SETFD, FD_CLOEXEC);
		fcntl(tell[1], F_SETFD, FD_CLOEXEC);
		use_helper("--pause", NULL);
		prepare();
		conf.pdeathsig = SIGUSR1;
		start();
		CHECK(write(tell[1], &child.pid, sizeof(child.pid)) == sizeof(child.pid));
		for (;;)
			pause();
	}
	CHECK(read(tell[0], &child.pid, sizeof(child.pid)) == sizeof(child.pid));
	CHECK(kill(supervisor, SIGKILL) == 0);
	CHECK(WTERMSIG(exit_status_of(supervisor)) == SIGKILL);
	status = exit_status_of(child.pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}

static void test_pdeathsig(void **state) {
	isolated(parent_dies);
}

static void nothing_is_left(void) {
	size_t fds;

	use_report();
	prepare();
	fds = count_fds();
	for (int n = 0; n < 100; n++) {
		conf.setsid = n % 2;
		run_report();
	}
	CHECK(count_fds() == fds);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	unlink(report_path);
}

static void test_no_fd_and_no_process_is_left(void **state) {
	isolated(nothing_is_left);
}

static int report_values(const char *path) {
	FILE *file = fopen(path, "we");
	siginfo_t info;
	sigset_t set;

	if (!file)
		return 1;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (sigwaitinfo(&set, &info) == SIGUSR1)
		fprintf(file, "USR1 %d\n", info.si_value.sival_int);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	for (int n = 0; n < 2; n++)
		if (sigwaitinfo(&set, &info) == SIGRTMIN + 3)
			fprintf(file, "RTMIN+3 %d\n", info.si_value.sival_int);
	return fclose(file);
}

/* What has a pid that was reaped by another parent, and given again. */
static void a_reused_pid(void) {
	pid_t gone = fork(), stranger;
	struct child c = {.exec_fd = -1};
	union sigval value = {.sival_int = 5};
	int status;

	prepare();
	if (gone == 0)
		_exit(0);
	c.pidfd = (int)syscall(SYS_pidfd_open, gone, 0);
	CHECK(c.pidfd > 2);
	CHECK(waitpid(gone, &status, 0) == gone);
	stranger = fork();
	if (stranger == 0) {
		(void)setpgid(0, 0);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	CHECK(setpgid(stranger, stranger) == 0);
	c.pid = c.pgid = stranger;
	CHECK(child_signal(&c, SIGKILL, false, false, value) == -ESRCH);
	CHECK(child_signal(&c, SIGKILL, false, true, value) == -ESRCH);
	CHECK(child_signal(&c, SIGKILL, true, false, value) == -ESRCH);
	CHECK(waitpid(stranger, &status, WNOHANG) == 0);
	CHECK(kill(stranger, SIGKILL) == 0);
	CHECK(waitpid(stranger, &status, 0) == stranger);
	close(c.pidfd);
}

/* While it is there it gets what it should, with its value. */
static void a_pid_that_is_still_its(void) {
	struct child c = {.exec_fd = -1};
	union sigval value = {.sival_int = 5};
	siginfo_t info;
	sigset_t set;
	int status;

	prepare();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	c.pid = fork();
	if (c.pid == 0) {
		bool is_right = sigwaitinfo(&set, &info) == SIGUSR1 && info.si_code == SI_QUEUE &&
				info.si_value.sival_int == 5 && info.si_pid == getppid();

		is_right =
			is_right && sigwaitinfo(&set, &info) == SIGUSR1 && info.si_code == SI_USER;
		_exit(is_right ? 0 : 1);
	}
	c.pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
	CHECK(child_signal(&c, SIGUSR1, false, true, value) == 0);
	CHECK_SOON(child_signal(&c, SIGUSR1, false, false, value) == 0 &&
		   waitpid(c.pid, &status, WNOHANG) == c.pid);
	CHECK(status == 0);
	close(c.pidfd);
}

static void test_a_pid_that_is_not_ours_to_reap(void **state) {
	isolated(a_reused_pid);
	isolated(a_pid_that_is_still_its);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mask_and_dispositions_are_ours),
		cmocka_unit_test(test_no_signal_is_lost_right_after_the_start),
		cmocka_unit_test(test_values_arrive_in_order),
		cmocka_unit_test(test_signalling_nobody_reaches_nobody),
		cmocka_unit_test(test_a_pid_that_is_not_ours_to_reap),
		cmocka_unit_test(test_group_and_session),
		cmocka_unit_test(test_pdeathsig),
		cmocka_unit_test(test_no_fd_and_no_process_is_left),
	};

	if (argc > 2 && strcmp(argv[1], "--values") == 0)
		return report_values(argv[2]);
	if (argc > 1)
		return child_help(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
