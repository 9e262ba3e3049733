/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <sys/socket.h>

#include "sys/signals.h"
#include "sys/spawn.h"

/* What a helper of our own has, and how it ends. */

static char report_path[256];

static pid_t start(int program_fd, char *const *argv, int socket_fd) {
	pid_t pid;

	CHECK(program_fd >= 0 && socket_fd >= 0);
	CHECK(spawn_helper(program_fd, argv, socket_fd, &pid) == 0);
	return pid;
}

static int open_self(void) {
	return open("/proc/self/exe", O_PATH | O_CLOEXEC);
}

static bool has(uint64_t mask, int number) {
	return mask >> (number - 1) & 1;
}

static void check_signals(const char *report) {
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
	uint64_t ignored = strtoull(reported(report, "SigIgn"), NULL, 16);

	CHECK(strcmp(reported(report, "SigBlk"), "0000000000000000") == 0);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		CHECK(!has(ignored, faults[i]));
	CHECK(!has(ignored, SIGCHLD));
	for (int n = 1; n < SIGSYS; n++) {
		bool is_fault = false;

		for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
			is_fault |= n == faults[i];
		if (!is_fault && n != SIGCHLD && n != SIGKILL && n != SIGSTOP)
			CHECK(has(ignored, n));
	}
	CHECK(has(ignored, SIGRTMIN) && has(ignored, SIGRTMAX));
}

static void check_report(pid_t pid) {
	const char *report = file_text(report_path);
	char text[32];

	check_signals(report);
	snprintf(text, sizeof(text), "%d", (int)pid);
	CHECK(strcmp(reported(report, "pgid"), text) == 0);
	CHECK(strcmp(reported(report, "sid"), text) == 0);
	CHECK(strcmp(reported(report, "argv0"), "called so") == 0);
	CHECK(strcmp(reported(report, "fd0"), "/dev/null") == 0);
	CHECK(strcmp(reported(report, "fd1"), "/dev/null") == 0);
	CHECK(strncmp(reported(report, "fd3"), "socket:", 7) == 0);
	CHECK(reported_fds(report) == 4);
	CHECK(!strstr(report, "NOTIFY_SOCKET") && !strstr(report, "WATCHDOG_"));
	CHECK(report_has(report, "env", "KEPT=yes"));
}

/* Once more with the two fds where the other shall be. */
static void clean_state(void) {
	static const int places[][2] = {{60, 61}, {3, 4}, {4, 3}};
	char name[] = "called so", option[] = "--report";
	char *argv[] = {name, option, report_path, NULL};
	struct signals signals;
	int pair[2], program;
	pid_t pid;

	signals_block(&signals);
	CHECK(signals_open(&signals) == 0);
	setenv("NOTIFY_SOCKET", "@x", 1);
	setenv("WATCHDOG_USEC", "1", 1);
	setenv("KEPT", "yes", 1);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(dup3(pair[1], 80, O_CLOEXEC) == 80);
	program = open_self();
	CHECK(dup3(program, 81, O_CLOEXEC) == 81);
	fresh_file(report_path, sizeof(report_path));
	CHECK(dup2(1, 50) == 50);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		CHECK(dup3(80, places[i][0], O_CLOEXEC) >= 0);
		CHECK(dup3(81, places[i][1], O_CLOEXEC) >= 0);
		pid = start(places[i][1], argv, places[i][0]);
		CHECK(exit_status_of(pid) == 0);
		check_report(pid);
	}
	unlink(report_path);
}

static void test_starts_in_a_clean_state(void **state) {
	isolated(clean_state);
}

/* A parent that is killed cannot end anything: the kernel does. */
static void dies_with_us(void) {
	char name[] = "x", option[] = "--wait", *argv[] = {name, option, NULL};
	int pair[2], pids[2];
	pid_t parent, pid;

	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(pipe2(pids, O_CLOEXEC) == 0);
	parent = fork();
	CHECK(parent >= 0);
	if (parent == 0) {
		pid = start(open_self(), argv, pair[1]);
		CHECK(write(pids[1], &pid, sizeof(pid)) == sizeof(pid));
		pause();
	}
	CHECK(read(pids[0], &pid, sizeof(pid)) == sizeof(pid));
	/* Every signal but the last is ignored, once it runs. */
	CHECK_SOON(has(status_mask(pid, "SigIgn"), SIGTERM));
	CHECK(kill(pid, SIGTERM) == 0 && kill(pid, SIGABRT) == 0 && kill(pid, SIGHUP) == 0);
	CHECK(kill(parent, SIGKILL) == 0);
	CHECK(WTERMSIG(exit_status_of(parent)) == SIGKILL);
	CHECK(WTERMSIG(exit_status_of(pid)) == SIGKILL);
}

static void test_dies_with_us(void **state) {
	isolated(dies_with_us);
}

static void cannot_run(void) {
	char name[] = "x", *argv[] = {name, NULL};
	int pair[2], folder = open("/", O_PATH | O_CLOEXEC);

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(WEXITSTATUS(exit_status_of(start(folder, argv, pair[1]))) == 126);
}

static void test_what_cannot_be_executed(void **state) {
	isolated(cannot_run);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_in_a_clean_state),
		cmocka_unit_test(test_dies_with_us),
		cmocka_unit_test(test_what_cannot_be_executed),
	};

	if (argc > 2 && strcmp(argv[1], "--report") == 0)
		return report_self(argv[2], argv[0]);
	if (argc > 1 && strcmp(argv[1], "--wait") == 0)
		for (;;)
			pause();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
