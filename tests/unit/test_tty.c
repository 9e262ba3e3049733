/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <sys/ioctl.h>

#include "sys/child.h"
#include "sys/tty.h"

/*
 * Each case plays the shell: it leads a session with a terminal of its own, starts a job in its own
 * group, puts it in front, and looks who is in front then.
 */

static int master;

static void become_shell(void) {
	int slave;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(master >= 0);
	CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
	CHECK(setsid() > 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	CHECK(slave >= 0);
	CHECK(ioctl(slave, TIOCSCTTY, 0) == 0);
	CHECK(dup2(slave, STDIN_FILENO) == STDIN_FILENO);
	close(slave);
	signal(SIGTTOU, SIG_IGN);
	CHECK(tcgetpgrp(STDIN_FILENO) == getpgrp());
}

static pid_t front(void) {
	return tcgetpgrp(STDIN_FILENO);
}

static void put_in_front(pid_t group) {
	CHECK(tcsetpgrp(STDIN_FILENO, group) == 0);
}

static pid_t start_job(void (*body)(void)) {
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		/* As a shell does it: in front before the program runs. */
		CHECK(setpgid(0, 0) == 0);
		put_in_front(getpid());
		signal(SIGTTOU, SIG_DFL);
		body();
		_exit(0);
	}
	return pid;
}

static void expect_exit(pid_t pid) {
	int status = exit_status_of(pid);

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static pid_t start_child_group(void) {
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	CHECK(setpgid(pid, pid) == 0);
	return pid;
}

static void end_group(pid_t group) {
	CHECK(kill(group, SIGKILL) == 0);
	CHECK(WTERMSIG(exit_status_of(group)) == SIGKILL);
}

static void no_terminal(void) {
	struct tty t;
	pid_t group;

	close(0);
	CHECK(open("/dev/null", O_RDONLY) == 0);
	tty_init(&t);
	CHECK(!tty_is_interactive(&t));
	tty_give(&t, 1);
	/* Would stop us. */
	tty_stop_with(&t);
	tty_take_back(&t);
	tty_done(&t);

	/* A terminal that is not the foreground's. */
	become_shell();
	group = start_child_group();
	put_in_front(group);
	tty_init(&t);
	CHECK(!tty_is_interactive(&t));
	tty_give(&t, getpgrp());
	CHECK(front() == group);
	end_group(group);
	/* None at all. */
	close(0);
	tty_init(&t);
	CHECK(!tty_is_interactive(&t));
}

static void test_not_in_front_means_nothing_is_done(void **state) {
	isolated(no_terminal);
}

static void give_and_take_job(void) {
	struct signals signals;
	struct tty t;
	pid_t group;

	signals_block(&signals);
	tty_init(&t);
	CHECK(tty_is_interactive(&t));
	CHECK(t.fd >= 3);
	CHECK(fcntl(t.fd, F_GETFD) & FD_CLOEXEC);
	group = start_child_group();
	tty_give(&t, group);
	CHECK(front() == group);
	tty_give(&t, group);
	CHECK(front() == group);
	tty_take_back(&t);
	CHECK(front() == getpgrp());
	tty_give(&t, group);
	/* Its stdin may be gone. */
	close(0);
	tty_take_back(&t);
	CHECK(tcgetpgrp(t.fd) == getpgrp());
	end_group(group);
	tty_done(&t);
	CHECK(t.fd == -1);
	CHECK(!tty_is_interactive(&t));
	tty_done(&t);
}

static void give_and_take(void) {
	become_shell();
	expect_exit(start_job(give_and_take_job));
}

static void test_give_and_take_back(void **state) {
	isolated(give_and_take);
}

static void stop_job(void) {
	struct sigaction action;
	struct signals signals;
	uint64_t blocked;
	struct tty t;
	pid_t group;

	signal(SIGTSTP, SIG_IGN);
	signals_block(&signals);
	blocked = status_mask(0, "SigBlk");
	tty_init(&t);
	group = start_child_group();
	tty_give(&t, group);
	tty_stop_with(&t);
	/* Continued in front: the child goes there again. */
	CHECK(front() == getpgrp());
	CHECK(status_mask(0, "SigBlk") == blocked);
	CHECK(sigaction(SIGTSTP, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
	tty_give(&t, group);
	CHECK(front() == group);

	tty_stop_with(&t);
	/* Continued behind the shell: it stays in front, also at the end. */
	CHECK(front() == getppid());
	tty_give(&t, group);
	CHECK(front() == getppid());
	tty_take_back(&t);
	CHECK(front() == getppid());
	end_group(group);
	tty_done(&t);
}

static void stop_and_continue(void) {
	pid_t job;
	int status;

	become_shell();
	job = start_job(stop_job);
	for (int n = 0; n < 2; n++) {
		CHECK(waitpid(job, &status, WUNTRACED) == job);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
		/* What the shell finds is its job, not a group that it does not know. */
		CHECK(front() == job);
		put_in_front(n == 0 ? job : getpgrp());
		CHECK(kill(-job, SIGCONT) == 0);
	}
	expect_exit(job);
}

static void test_stops_with_the_child(void **state) {
	isolated(stop_and_continue);
}

/* The session leader itself: nobody could continue it, so it does not stop. */
static void orphaned(void) {
	struct signals signals;
	struct tty t;
	pid_t group;

	become_shell();
	signals_block(&signals);
	tty_init(&t);
	CHECK(tty_is_interactive(&t));
	group = start_child_group();
	tty_give(&t, group);
	tty_stop_with(&t);
	CHECK(front() == getpgrp());
	tty_give(&t, group);
	CHECK(front() == group);
	end_group(group);
}

static void start_orphaned(void) {
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		orphaned();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, WUNTRACED) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_never_stops_where_nobody_continues(void **state) {
	isolated(start_orphaned);
}

/* A program that reads at once is in front by then: it is never stopped by SIGTTIN. */
static void read_at_once_job(void) {
	static const char *const command[] = {"/bin/sh", "-c", "read x && test \"$x\" = hello",
					      NULL};
	struct inherit inherit;
	struct signals signals;
	struct child child;
	struct child_conf conf = {
		.command = (char *const *)command,
		.signals = &signals,
		.inherit = &inherit,
		.is_foreground = true,
	};
	struct tty t;
	int status;

	signals_block(&signals);
	CHECK(inherit_init(&inherit) == 0);
	tty_init(&t);
	for (int n = 0; n < 30; n++) {
		CHECK(write(master, "hello\n", 6) == 6);
		CHECK(child_start(&child, &conf) == 0);
		CHECK(waitpid(child.pid, &status, WUNTRACED) == child.pid);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		close(child.exec_fd);
		tty_give(&t, child.pgid);
		tty_take_back(&t);
		CHECK(front() == getpgrp());
	}
	tty_done(&t);
}

static void read_at_once(void) {
	become_shell();
	expect_exit(start_job(read_at_once_job));
}

static void test_child_is_in_front_before_it_runs(void **state) {
	isolated(read_at_once);
}

/* The other end is gone: every call fails, none of them harms. */
static void hang_up_job(void) {
	struct signals signals;
	struct tty t;

	signals_block(&signals);
	tty_init(&t);
	CHECK(tty_is_interactive(&t));
	close(master);
	CHECK_SOON(kill(getppid(), 0) < 0 || tcgetpgrp(t.fd) < 0 || getppid() == 1);
	tty_give(&t, getpgrp());
	tty_take_back(&t);
	tty_done(&t);
}

static void hang_up(void) {
	pid_t job;

	become_shell();
	signal(SIGHUP, SIG_IGN);
	job = start_job(hang_up_job);
	close(master);
	expect_exit(job);
}

static void test_hang_up_is_harmless(void **state) {
	isolated(hang_up);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_in_front_means_nothing_is_done),
		cmocka_unit_test(test_give_and_take_back),
		cmocka_unit_test(test_stops_with_the_child),
		cmocka_unit_test(test_never_stops_where_nobody_continues),
		cmocka_unit_test(test_child_is_in_front_before_it_runs),
		cmocka_unit_test(test_hang_up_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
