/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "sys/self.h"
#include "sys/signals.h"
#include "sys/spawn.h"

/* glibc 2.31 knows it only where its own kernel headers did. */
#ifndef SYS_close_range
#define SYS_close_range __NR_close_range
#endif

/* Splitting --------------------------------------------------------------------------------- */

static void test_commands_are_split_as_a_shell_would(void **state) {
	static const struct {
		const char *text;
		const char *words[6];
	} cases[] = {
		{"true", {"true"}},
		{"  a \t b  ", {"a", "b"}},
		{"'a b' c", {"a b", "c"}},
		{"\"a b\"'c d'e\\ f g", {"a bc de f", "g"}},
		{"a '' \"\" b", {"a", "", "", "b"}},
		{"a '$x|`*' \\$x \"\\$x\\`\\\"\\\\\\n\"", {"a", "$x|`*", "$x", "$x`\"\\\\n"}},
		{"a \"b|c;d&e>f*?[#~=%!{}\"", {"a", "b|c;d&e>f*?[#~=%!{}"}},
		{"curl -f http://localhost:80/a,b@c:d+e^f",
		 {"curl", "-f", "http://localhost:80/a,b@c:d+e^f"}},
		{"a 'new\nline'", {"a", "new\nline"}},
	};

	for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
		struct spawn_command c = {0};
		size_t i = 0;

		assert_int_equal(spawn_command_parse(&c, cases[n].text), 0);
		for (; cases[n].words[i]; i++) {
			assert_non_null(c.argv[i]);
			assert_string_equal(c.argv[i], cases[n].words[i]);
		}
		assert_null(c.argv[i]);
		spawn_command_done(&c);
		spawn_command_done(&c);
	}
}

static void test_more_than_words_is_for_the_shell(void **state) {
	static const char *const texts[] = {
		"a | b", "a & b",    "a; b",      "a < b",  "a > b",        "(a)",
		"a $b",  "a `b`",    "a *",       "a b?",   "[ a ]",        "a # b",
		"~/a",   "A=b c",    "a %1",      "! a",    "{ a; }",       "a\nb",
		"$",     "a \"$b\"", "a \"`b`\"", "a\\\nb", "a \"b\\\nc\"", "\"a\"'b' >c",
	};

	for (size_t n = 0; n < ARRAY_SIZE(texts); n++) {
		struct spawn_command c = {0};

		assert_int_equal(spawn_command_parse(&c, texts[n]), 0);
		assert_string_equal(c.argv[0], "/bin/sh");
		assert_string_equal(c.argv[1], "-c");
		assert_string_equal(c.argv[2], texts[n]);
		assert_null(c.argv[3]);
		spawn_command_done(&c);
	}
}

static void test_unfinished_commands_are_refused(void **state) {
	static const char *const texts[] = {
		"",     "  \t",  "'a", "\"a",    "a 'b",   "a \"b\\\"",
		"a \\", "\"a\\", "''", "\"\" a", "a | 'b",
	};

	for (size_t n = 0; n < ARRAY_SIZE(texts); n++) {
		struct spawn_command c = {0};

		assert_int_equal(spawn_command_parse(&c, texts[n]), -EINVAL);
		assert_null(c.argv);
	}
}

/* Running ----------------------------------------------------------------------------------- */

static char report_path[256];

static struct spawn_command command_of(const char *text) {
	struct spawn_command c;

	CHECK(spawn_command_parse(&c, text) == 0);
	return c;
}

static pid_t start(const char *text, char *const *set_env, int output_fd) {
	struct spawn_command c = command_of(text);
	pid_t pid;

	CHECK(spawn_start(&c, set_env, output_fd, &pid) == 0);
	CHECK(pid > 1);
	spawn_command_done(&c);
	return pid;
}

static int run(const char *text) {
	return exit_status_of(start(text, NULL, -1));
}

static void clean_state(void) {
	static const char *const set[] = {"SDWD_PROBE=exec", "LANG=xx", NULL};
	struct signals signals;
	const char *report;
	char text[8192];
	pid_t pid;

	for (int n = 1; n < NSIG; n++)
		if (n != SIGKILL && n != SIGSTOP && n != SIGCHLD)
			(void)signal(n, SIG_IGN);
	signals_block(&signals);
	CHECK(signals_open(&signals) == 0);
	CHECK(dup2(1, 50) == 50);
	clearenv();
	setenv("NOTIFY_SOCKET", "@x", 1);
	setenv("WATCHDOG_USEC", "1", 1);
	setenv("WATCHDOG_PID", "1", 1);
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "a", 1);
	setenv("LISTEN_PIDFDID", "1", 1);
	setenv("KEPT", "yes", 1);
	setenv("LANG", "C", 1);
	fresh_file(report_path, sizeof(report_path));
	snprintf(text, sizeof(text), "%s --report %s", own_path(), report_path);
	pid = start(text, (char *const *)set, -1);
	CHECK(exit_status_of(pid) == 0);

	report = file_text(report_path);
	CHECK(strcmp(reported(report, "SigBlk"), "0000000000000000") == 0);
	CHECK(strtoull(reported(report, "SigIgn"), NULL, 16) == 0);
	snprintf(text, sizeof(text), "%d", (int)pid);
	CHECK(strcmp(reported(report, "pid"), text) == 0);
	CHECK(strcmp(reported(report, "pgid"), text) == 0);
	CHECK(strcmp(reported(report, "sid"), text) == 0);
	CHECK(strcmp(reported(report, "fd0"), "/dev/null") == 0);
	CHECK(reported_fds(report) == 3);
	CHECK(!strstr(report, "NOTIFY_SOCKET") && !strstr(report, "WATCHDOG_"));
	CHECK(!strstr(report, "LISTEN_"));
	CHECK(report_has(report, "env", "KEPT=yes"));
	CHECK(report_has(report, "env", "SDWD_PROBE=exec"));
	CHECK(report_has(report, "env", "LANG=xx"));
	CHECK(!strstr(report, "LANG=C"));
	unlink(report_path);
	CHECK(strcmp(getenv("LANG"), "C") == 0);
}

static void test_starts_in_a_clean_state(void **state) {
	isolated(clean_state);
}

static void output(void) {
	char text[64];
	size_t length = 0;
	int fds[2];
	ssize_t n;
	pid_t pid;

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	pid = start("echo out; echo err >&2; cat", NULL, fds[1]);
	close(fds[1]);
	/* Its end comes although stdin is read: it is /dev/null. */
	while ((n = read(fds[0], text + length, sizeof(text) - length)) > 0)
		length += (size_t)n;
	CHECK(length == 8 && memcmp(text, "out\nerr\n", 8) == 0);
	CHECK(exit_status_of(pid) == 0);
}

static void test_output_goes_to_the_fd(void **state) {
	isolated(output);
}

static void statuses(void) {
	char text[300];

	/* A folder that may not be searched would make it 126. */
	setenv("PATH", "/usr/bin:/bin", 1);
	CHECK(WEXITSTATUS(run("exit 3;")) == 3);
	CHECK(WEXITSTATUS(run("/does/not/exist")) == 127);
	CHECK(WEXITSTATUS(run("sdwd-test-no-such-command a b")) == 127);
	CHECK(WEXITSTATUS(run("/")) == 126);
	CHECK(WTERMSIG(run("kill -TERM $$")) == SIGTERM);
	fresh_file(report_path, sizeof(report_path));
	write_file(report_path, "exit 9\n", 0600);
	CHECK(WEXITSTATUS(run(report_path)) == 126);
	write_file(report_path, "exit $1\n", 0700);
	snprintf(text, sizeof(text), "%s 19", report_path);
	CHECK(WEXITSTATUS(run(text)) == 19);
	unlink(report_path);
}

static void test_exit_statuses(void **state) {
	isolated(statuses);
}

static ssize_t output_of(const struct spawn_command *c, char *text, size_t size, int *ret_status) {
	size_t length = 0;
	int fds[2];
	ssize_t n;
	pid_t pid;

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	CHECK(spawn_start(c, NULL, fds[1], &pid) == 0);
	close(fds[1]);
	while ((n = read(fds[0], text + length, size - 1 - length)) > 0)
		length += (size_t)n;
	close(fds[0]);
	text[length] = '\0';
	*ret_status = exit_status_of(pid);
	return (ssize_t)length;
}

/* It runs where we were when it was split, and holds nothing of that folder until then. */
static void folders(void) {
	char base[256], folder[300], text[400];
	struct spawn_command c;
	int status;

	fresh_file(base, sizeof(base));
	CHECK(unlink(base) == 0 && mkdir(base, 0700) == 0);
	snprintf(folder, sizeof(folder), "%s/a b", base);
	CHECK(mkdir(folder, 0700) == 0 && chdir(folder) == 0);
	write_file("check", "#!/bin/sh\npwd -P\n", 0700);
	c = command_of("./check");
	CHECK(chdir("/") == 0);
	CHECK(output_of(&c, text, sizeof(text), &status) > 0 && status == 0);
	CHECK(strncmp(text, c.folder, strlen(c.folder)) == 0 &&
	      strcmp(text + strlen(c.folder), "\n") == 0);
	CHECK(strstr(text, "/a b\n"));

	/* The folder is gone: it does not run in another one. */
	snprintf(text, sizeof(text), "%s/check", folder);
	CHECK(unlink(text) == 0 && rmdir(folder) == 0 && rmdir(base) == 0);
	CHECK(output_of(&c, text, sizeof(text), &status) > 0 && WEXITSTATUS(status) == 127);
	CHECK(strncmp(text, c.folder, strlen(c.folder)) == 0 && strstr(text, strerror(ENOENT)));
	spawn_command_done(&c);

	/* It was gone already. */
	CHECK(mkdir(base, 0700) == 0 && chdir(base) == 0 && rmdir(base) == 0);
	c = command_of("echo here");
	CHECK(!c.folder);
	CHECK(chdir("/") == 0);
	CHECK(output_of(&c, text, sizeof(text), &status) == 5 && status == 0);
	spawn_command_done(&c);
}

static void test_runs_in_the_folder_of_the_start(void **state) {
	isolated(folders);
}

static void told_failures(void) {
	static const char *const commands[] = {"/does/not/exist", "sdwd-test-no-such-command", "/"};
	char text[400];
	int status;

	for (size_t n = 0; n < ARRAY_SIZE(commands); n++) {
		struct spawn_command c = command_of(commands[n]);

		CHECK(output_of(&c, text, sizeof(text), &status) > 0);
		CHECK(strncmp(text, commands[n], strlen(commands[n])) == 0);
		CHECK(strstr(text, strerror(n < 2 ? ENOENT : EACCES)));
		spawn_command_done(&c);
	}
}

static void test_a_failed_exec_says_why(void **state) {
	isolated(told_failures);
}

static int check_of(const char *text) {
	struct spawn_command c = command_of(text);
	int r = spawn_command_check(&c);

	spawn_command_done(&c);
	return r;
}

static void programs(void) {
	char base[256], text[600];

	fresh_file(base, sizeof(base));
	CHECK(unlink(base) == 0 && mkdir(base, 0700) == 0 && chdir(base) == 0);
	CHECK(mkdir("one", 0700) == 0 && mkdir("two", 0700) == 0);
	write_file("one/sdwd-test-a", "", 0600);
	write_file("two/sdwd-test-b", "", 0700);

	CHECK(setenv("PATH", "/usr/bin:/bin", 1) == 0);
	CHECK(check_of("true") == 0 && check_of("/bin/true x") == 0);
	CHECK(check_of("sdwd-test-b") == -ENOENT && check_of("/does/not/exist") == -ENOENT);
	CHECK(check_of("./two/sdwd-test-b") == 0 && check_of("one/sdwd-test-a") == -EACCES);
	CHECK(check_of("/") == -EACCES && check_of("/etc/passwd/x") == -ENOTDIR);
	/* What the shell would run is its business. */
	CHECK(check_of("/does/not/exist | true") == 0);

	snprintf(text, sizeof(text), "/nowhere:%s/one:%s/two", base, base);
	CHECK(setenv("PATH", text, 1) == 0);
	CHECK(check_of("sdwd-test-b") == 0 && check_of("sdwd-test-a") == -EACCES);
	CHECK(check_of("one") == -ENOENT && check_of("true") == -ENOENT);
	/* A folder of that name is passed over, and so is a file that may not be executed. */
	CHECK(mkdir("one/sdwd-test-b", 0700) == 0);
	CHECK(check_of("sdwd-test-b") == 0);
	/* An empty part is the working folder. */
	CHECK(chdir("two") == 0 && setenv("PATH", "/nowhere::/else", 1) == 0);
	CHECK(check_of("sdwd-test-b") == 0);
	CHECK(setenv("PATH", "", 1) == 0 && check_of("sdwd-test-b") == 0);
	CHECK(chdir("/") == 0 && check_of("sdwd-test-b") == -ENOENT);
	CHECK(unsetenv("PATH") == 0 && check_of("true") == 0);

	snprintf(text, sizeof(text), "rm -r '%s'", base);
	CHECK(system(text) == 0);
}

static void test_a_program_is_found_as_exec_would(void **state) {
	isolated(programs);
}

/* A leader, a member of its group, and one that outlives the leader: all are killed. */
static void whole_group(void) {
	char byte;
	int fds[2];
	pid_t pid;

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	pid = start("trap '' TERM; sleep 600 & sleep 600 & wait", NULL, fds[1]);
	CHECK_SOON(getsid(pid) == pid);
	spawn_kill(pid);
	CHECK(WTERMSIG(exit_status_of(pid)) == SIGKILL);

	pid = start("sleep 600 & sleep 600 &", NULL, fds[1]);
	CHECK_SOON(status_state(pid) == 'Z');
	spawn_kill(pid);
	CHECK(exit_status_of(pid) == 0);

	/* At once, before its setsid() or after. */
	for (int n = 0; n < 200; n++) {
		pid = start("sleep 600 & sleep 600", NULL, fds[1]);
		spawn_kill(pid);
		CHECK(WTERMSIG(exit_status_of(pid)) == SIGKILL);
	}
	/* The pipe ends only with the last that has it. */
	close(fds[1]);
	alarm((unsigned)(PATIENCE / USEC_PER_SEC));
	CHECK(read(fds[0], &byte, 1) == 0);
	spawn_kill(0);
	spawn_kill(1);
	spawn_kill(-1);
}

static void test_kill_takes_the_whole_group(void **state) {
	isolated(whole_group);
}

/* What of the real thing is another one: seen by the forked child as well. */
static struct wrapped {
	bool has_huge_limit, lacks_close_range;
	unsigned n_closed;
} * wrapped;

int __real_getrlimit(__rlimit_resource_t resource, struct rlimit *limit);
int __wrap_getrlimit(__rlimit_resource_t resource, struct rlimit *limit);
int __real_close(int fd);
int __wrap_close(int fd);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

int __wrap_getrlimit(__rlimit_resource_t resource, struct rlimit *limit) {
	int r = __real_getrlimit(resource, limit);

	if (wrapped && wrapped->has_huge_limit)
		limit->rlim_cur = 1073741816;
	return r;
}

int __wrap_close(int fd) {
	if (wrapped)
		wrapped->n_closed++;
	return __real_close(fd);
}

long __wrap_syscall(long number, ...) {
	va_list list;
	long a[6];

	va_start(list, number);
	for (size_t n = 0; n < ARRAY_SIZE(a); n++)
		a[n] = va_arg(list, long);
	va_end(list);
	if (wrapped && wrapped->lacks_close_range && number == SYS_close_range) {
		errno = ENOSYS;
		return -1;
	}
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* RLIMIT_NOFILE of a thousand million, which no loop over all numbers survives. */
static void huge_limit(void) {
	struct spawn_command c = command_of("ls /proc/self/fd");
	char text[64];
	int status;

	wrapped = mmap(NULL, sizeof(*wrapped), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	CHECK(wrapped != MAP_FAILED);
	wrapped->has_huge_limit = true;
	CHECK(dup2(1, 50) == 50 && dup2(1, 200) == 200);
	for (int n = 0; n < 2; n++) {
		wrapped->lacks_close_range = n == 1;
		wrapped->n_closed = 0;
		/* The last one is what ls itself reads. */
		CHECK(output_of(&c, text, sizeof(text), &status) == 8 && status == 0);
		CHECK(strcmp(text, "0\n1\n2\n3\n") == 0);
		CHECK(n == 0 ? wrapped->n_closed <= 2 : wrapped->n_closed <= 65540);
	}
	spawn_command_done(&c);
}

static void test_a_huge_limit_of_open_files_costs_nothing(void **state) {
	isolated(huge_limit);
}

static void nothing_is_left(void) {
	size_t before = count_fds();

	for (int n = 0; n < 100; n++)
		CHECK(run("true") == 0);
	CHECK(count_fds() == before);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void test_nothing_is_left(void **state) {
	isolated(nothing_is_left);
}

/* What sdwd gave itself the check must not have; the unit's own values it keeps. */
static void our_settings(void) {
	const char *report;
	char text[8192];
	pid_t pid;
	int before;

	CHECK(setpriority(PRIO_PROCESS, 0, 3) == 0);
	CHECK(self_set_nice(7) == 0);
	CHECK(getpriority(PRIO_PROCESS, 0) == 7);
	before = atoi(file_text("/proc/self/oom_score_adj"));
	CHECK(self_set_oom_score(before + 100) == 0);
	CHECK(atoi(file_text("/proc/self/oom_score_adj")) == before + 100);

	fresh_file(report_path, sizeof(report_path));
	snprintf(text, sizeof(text), "%s --settings %s", own_path(), report_path);
	pid = start(text, NULL, -1);
	CHECK(exit_status_of(pid) == 0);
	report = file_text(report_path);
	/* Without the right to raise itself again it keeps ours. */
	if (geteuid() == 0 && setpriority(PRIO_PROCESS, 0, 6) == 0)
		CHECK(strcmp(reported(report, "nice"), "3") == 0);
	CHECK(atoi(reported(report, "oom")) == before ||
	      atoi(reported(report, "oom")) == before + 100);
	if (geteuid() == 0)
		CHECK(atoi(reported(report, "oom")) == before);
	unlink(report_path);
}

static void our_priority(void) {
	char text[8192];

	/* Not allowed everywhere (RLIMIT_RTPRIO, RestrictRealtime=): then there is nothing to undo.
	 */
	if (self_set_rtprio(1) < 0)
		return;
	CHECK(sched_getscheduler(0) == (SCHED_RR | SCHED_RESET_ON_FORK));
	fresh_file(report_path, sizeof(report_path));
	snprintf(text, sizeof(text), "%s --settings %s", own_path(), report_path);
	CHECK(exit_status_of(start(text, NULL, -1)) == 0);
	CHECK(strcmp(reported(file_text(report_path), "policy"), "0") == 0);
	unlink(report_path);
}

static void test_our_settings_are_not_inherited(void **state) {
	isolated(our_settings);
	isolated(our_priority);
}

static int report_settings(const char *path) {
	FILE *file = fopen(path, "we");

	if (!file)
		return 1;
	fprintf(file, "\npolicy %d\nnice %d\noom %d\n", sched_getscheduler(0),
		getpriority(PRIO_PROCESS, 0), atoi(file_text("/proc/self/oom_score_adj")));
	return fclose(file);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands_are_split_as_a_shell_would),
		cmocka_unit_test(test_more_than_words_is_for_the_shell),
		cmocka_unit_test(test_unfinished_commands_are_refused),
		cmocka_unit_test(test_starts_in_a_clean_state),
		cmocka_unit_test(test_output_goes_to_the_fd),
		cmocka_unit_test(test_exit_statuses),
		cmocka_unit_test(test_runs_in_the_folder_of_the_start),
		cmocka_unit_test(test_a_failed_exec_says_why),
		cmocka_unit_test(test_a_program_is_found_as_exec_would),
		cmocka_unit_test(test_kill_takes_the_whole_group),
		cmocka_unit_test(test_a_huge_limit_of_open_files_costs_nothing),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_our_settings_are_not_inherited),
	};

	if (argc > 2 && strcmp(argv[1], "--report") == 0)
		return report_self(argv[2], argv[0]);
	if (argc > 2 && strcmp(argv[1], "--settings") == 0)
		return report_settings(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
