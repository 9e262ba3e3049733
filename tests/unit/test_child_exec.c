/* SPDX-License-Identifier: MIT */
#include "child_fixture.h"

#include <sys/resource.h>

static void environment(void) {
	static const char *const set[] = {"NOTIFY_SOCKET=@mine", "SDWD_HEARTBEAT_FD=3", NULL};
	static const char *const unset[] = {"GOES", "NOT_THERE", NULL};
	char pid[32];
	const char *report;

	clearenv();
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
	setenv("LISTEN_PIDFDID", "1234", 1);
	setenv("SYSTEMD_EXEC_PID", pid, 1);
	setenv("NOTIFY_SOCKET", "/run/systemd/notify", 1);
	setenv("WATCHDOG_PID", pid, 1);
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("GOES", "x", 1);
	setenv("GOES_NOT", "a=b c", 1);
	use_report();
	prepare();
	conf.set_env = (char *const *)set;
	conf.unset_env = unset;
	report = run_report();
	snprintf(pid, sizeof(pid), "%d", (int)child.pid);
	CHECK(strcmp(reported(report, "pid"), pid) == 0);
	snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int)child.pid);
	CHECK(report_has(report, "env", pid));
	snprintf(pid, sizeof(pid), "SYSTEMD_EXEC_PID=%d", (int)child.pid);
	CHECK(report_has(report, "env", pid));
	CHECK(report_has(report, "env", "LISTEN_FDS=2"));
	CHECK(report_has(report, "env", "LISTEN_FDNAMES=a:b"));
	CHECK(report_has(report, "env", "GOES_NOT=a=b c"));
	CHECK(report_has(report, "env", "NOTIFY_SOCKET=@mine"));
	CHECK(report_has(report, "env", "SDWD_HEARTBEAT_FD=3"));
	CHECK(!strstr(report, "LISTEN_PIDFDID"));
	CHECK(!strstr(report, "WATCHDOG_"));
	CHECK(!strstr(report, "GOES="));
	CHECK(!strstr(report, "/run/systemd/notify"));
	/* Ours is as it was. */
	CHECK(strcmp(getenv("NOTIFY_SOCKET"), "/run/systemd/notify") == 0);
	CHECK(getenv("LISTEN_PIDFDID"));

	conf.watchdog_usec = 12345678;
	setenv("LISTEN_PID", "1", 1);
	setenv("SYSTEMD_EXEC_PID", "nonsense", 1);
	report = run_report();
	CHECK(report_has(report, "env", "WATCHDOG_USEC=12345678"));
	snprintf(pid, sizeof(pid), "WATCHDOG_PID=%d", (int)child.pid);
	CHECK(report_has(report, "env", pid));
	CHECK(report_has(report, "env", "LISTEN_PID=1"));
	CHECK(report_has(report, "env", "SYSTEMD_EXEC_PID=nonsense"));
	unlink(report_path);
}

static void test_environment(void **state) {
	isolated(environment);
}

static void empty_environment(void) {
	const char *report;

	use_report();
	clearenv();
	prepare();
	report = run_report();
	CHECK(!strstr(report, "\nenv "));
	unlink(report_path);
}

static void test_empty_environment_stays_empty(void **state) {
	isolated(empty_environment);
}

/* What stands behind an fd of ours: "pipe:[4711]". */
static void target_of(int fd, char *buffer, size_t size) {
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buffer, size - 1);
	CHECK(n > 0);
	buffer[n] = '\0';
}

static void fds_on_their_numbers(void) {
	struct child_fd fds[4];
	char expected[4][64], inherited[64], name[16];
	const char *report;
	int pipes[2], high;

	CHECK(pipe(pipes) == 0);
	high = fcntl(pipes[1], F_DUPFD, 20);
	CHECK(high == 20);
	close(pipes[0]);
	close(pipes[1]);
	CHECK(fcntl(high, F_DUPFD_CLOEXEC, 30) == 30);
	target_of(high, inherited, sizeof(inherited));
	use_report();
	prepare();
	CHECK(inherit_has(20) && !inherit_has(30));

	/* Two change places, one stays, and one goes where the exec pipe will be. */
	for (size_t n = 0; n < ARRAY_SIZE(fds); n++) {
		CHECK(pipe2(pipes, O_CLOEXEC) == 0);
		fds[n].fd = pipes[0];
		target_of(fds[n].fd, expected[n], sizeof(expected[n]));
	}
	fds[0].as = fds[1].fd;
	fds[1].as = fds[0].fd;
	fds[2].as = fds[2].fd;
	fds[3].as = pipes[1] + 2;
	conf.fds = fds;
	conf.n_fds = ARRAY_SIZE(fds);
	report = run_report();
	for (size_t n = 0; n < ARRAY_SIZE(fds); n++) {
		snprintf(name, sizeof(name), "fd%d", fds[n].as);
		CHECK(reported(report, name));
		CHECK(strcmp(reported(report, name), expected[n]) == 0);
	}
	CHECK(strcmp(reported(report, "fd20"), inherited) == 0);
	CHECK(reported_fds(report) == 3 + 1 + ARRAY_SIZE(fds));

	/* Each number near by in turn, so that each fd of ours is in the way once; and a failure of
	 * exec is still told then. */
	for (int as = 3; as < 20; as++) {
		fds[0].as = as;
		conf.n_fds = 1;
		snprintf(name, sizeof(name), "fd%d", as);
		report = run_report();
		CHECK(strcmp(reported(report, name), expected[0]) == 0);
		CHECK(reported_fds(report) == 3 + 1 + 1);
		command[0] = "/does/not/exist";
		expect_failure(CHILD_STAGE_EXEC, ENOENT, 127);
		command[0] = own_path();
	}
	/* CLOEXEC of ours is as it was. */
	for (size_t n = 0; n < ARRAY_SIZE(fds); n++)
		CHECK(fcntl(fds[n].fd, F_GETFD) & FD_CLOEXEC);
	unlink(report_path);
}

static void test_fds_are_on_their_numbers_and_none_of_ours(void **state) {
	isolated(fds_on_their_numbers);
}

static void refused_targets(void) {
	struct child_fd fds[2] = {{.as = 20}, {.as = 21}};

	CHECK(dup2(1, 20) == 20);
	use_helper("--pause", NULL);
	prepare();
	conf.fds = fds;
	conf.n_fds = 2;
	CHECK(child_start(&child, &conf) == -EEXIST);
	fds[0].as = 21;
	CHECK(child_start(&child, &conf) == -EEXIST);
	fds[0].as = 2;
	CHECK(child_start(&child, &conf) == -EINVAL);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void test_taken_numbers_are_refused(void **state) {
	isolated(refused_targets);
}

static void closed_stdin(void) {
	const char *report;

	use_report();
	close(0);
	prepare();
	report = run_report();
	CHECK(!reported(report, "fd0"));
	CHECK(reported(report, "fd1"));
	CHECK(reported(report, "fd2"));
	CHECK(fcntl(0, F_GETFD) >= 0);
	unlink(report_path);
}

static void closed_all(void) {
	int saved = fcntl(2, F_DUPFD_CLOEXEC, 100);
	const char *report;

	use_report();
	close(0);
	close(1);
	close(2);
	prepare();
	report = run_report();
	dup2(saved, 2);
	CHECK(reported_fds(report) == 0);
	unlink(report_path);
}

static void test_closed_standard_fds_stay_closed(void **state) {
	isolated(closed_stdin);
	isolated(closed_all);
}

/* getppid(2) as the child sees it: another process may have ended in between. */
static bool parent_is_gone;

pid_t getppid(void) {
	return parent_is_gone ? 1 : (pid_t)syscall(SYS_getppid);
}

static void exec_failures(void) {
	struct child_fd fd;
	struct rlimit limit;
	size_t fds;

	use_helper("--pause", NULL);
	prepare();
	/* A folder that may not be searched would make it EACCES. */
	setenv("PATH", "/usr/bin:/bin", 1);
	fds = count_fds();
	command[0] = "/does/not/exist";
	expect_failure(CHILD_STAGE_EXEC, ENOENT, 127);
	command[0] = "sdwd-test-no-such-command";
	expect_failure(CHILD_STAGE_EXEC, ENOENT, 127);
	command[0] = "";
	expect_failure(CHILD_STAGE_EXEC, ENOENT, 127);
	command[0] = "/";
	expect_failure(CHILD_STAGE_EXEC, EACCES, 126);
	command[0] = "/dev/null/x";
	expect_failure(CHILD_STAGE_EXEC, ENOTDIR, 126);
	command[0] = fresh_file(report_path, sizeof(report_path));
	write_file(report_path, "exit 0\n", 0600);
	expect_failure(CHILD_STAGE_EXEC, EACCES, 126);
	write_file(report_path, "#!/does/not/exist\n", 0700);
	expect_failure(CHILD_STAGE_EXEC, ENOENT, 127);
	unlink(report_path);

	command[0] = own_path();
	conf.pdeathsig = 999;
	expect_failure(CHILD_STAGE_PARENT_GONE, EINVAL, 125);
	conf.pdeathsig = SIGTERM;
	parent_is_gone = true;
	expect_failure(CHILD_STAGE_PARENT_GONE, ESRCH, 125);
	parent_is_gone = false;
	conf.pdeathsig = 0;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	fd = (struct child_fd){.fd = signals.fd, .as = (int)limit.rlim_cur};
	conf.fds = &fd;
	conf.n_fds = 1;
	expect_failure(CHILD_STAGE_FDS, EBADF, 125);
	fd = (struct child_fd){.fd = 250, .as = 10};
	expect_failure(CHILD_STAGE_FDS, EBADF, 125);
	CHECK(count_fds() == fds);
}

static void test_failures_tell_stage_and_errno(void **state) {
	isolated(exec_failures);
}

static void exec_like_a_shell(void) {
	char *path;

	prepare();
	/* No "#!": /bin/sh runs it (execvp(3)). */
	command[0] = fresh_file(report_path, sizeof(report_path));
	command[1] = "23";
	command[2] = NULL;
	write_file(report_path, "exit $1\n", 0700);
	start();
	CHECK(WEXITSTATUS(exit_status_of(child.pid)) == 23);
	unlink(report_path);

	/* By PATH. */
	command[0] = "sh";
	command[1] = "-c";
	command[2] = "exit 42";
	command[3] = NULL;
	start();
	CHECK(WEXITSTATUS(exit_status_of(child.pid)) == 42);
	CHECK(asprintf(&path, "/does/not/exist:%s", getenv("PATH")) > 0);
	setenv("PATH", path, 1);
	free(path);
	start();
	CHECK(WEXITSTATUS(exit_status_of(child.pid)) == 42);
}

static void test_scripts_and_path(void **state) {
	isolated(exec_like_a_shell);
}

static void other_argv0(void) {
	const char *report;

	use_report();
	prepare();
	conf.argv0 = "-login";
	report = run_report();
	CHECK(strcmp(reported(report, "argv0"), "-login") == 0);
	conf.argv0 = NULL;
	report = run_report();
	CHECK(strcmp(reported(report, "argv0"), own_path()) == 0);
	unlink(report_path);
}

static void test_argv0(void **state) {
	isolated(other_argv0);
}

static void result_later(void) {
	enum child_stage stage;
	int error, fds[2];

	CHECK(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	child.exec_fd = fds[0];
	CHECK(child_exec_result(&child, &stage, &error) == -EAGAIN);
	CHECK(child.exec_fd == fds[0]);
	close(fds[1]);
	CHECK(child_exec_result(&child, &stage, &error) == 0);
	CHECK(child.exec_fd == -1);

	/* The fd that child_start() gives never blocks either. */
	use_helper("--pause", NULL);
	prepare();
	CHECK(child_start(&child, &conf) == 0);
	error = fcntl(child.exec_fd, F_GETFL);
	CHECK(error & O_NONBLOCK);
	CHECK(fcntl(child.exec_fd, F_GETFD) & FD_CLOEXEC);
	CHECK(child_signal(&child, SIGKILL, false, false, (union sigval){0}) == 0);
	exit_status_of(child.pid);
	CHECK(child_exec_result(&child, &stage, &error) == 0);
}

static void test_result_is_never_waited_for(void **state) {
	isolated(result_later);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_empty_environment_stays_empty),
		cmocka_unit_test(test_fds_are_on_their_numbers_and_none_of_ours),
		cmocka_unit_test(test_taken_numbers_are_refused),
		cmocka_unit_test(test_closed_standard_fds_stay_closed),
		cmocka_unit_test(test_failures_tell_stage_and_errno),
		cmocka_unit_test(test_scripts_and_path),
		cmocka_unit_test(test_argv0),
		cmocka_unit_test(test_result_is_never_waited_for),
	};

	if (argc > 1)
		return child_help(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
