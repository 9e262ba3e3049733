/* SPDX-License-Identifier: MIT */
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/envp.h"
#include "sys/self.h"
#include "sys/signals.h"

/* glibc 2.31 knows it only where its own kernel headers did. */
#ifndef SYS_close_range
#define SYS_close_range __NR_close_range
#endif

/* Without close_range(2) (Linux 5.9): up to the soft limit, but not for minutes. */
#define SPAWN_CLOSE_MAX 65536

/* What would make a check speak for us, or take our sockets for its own. */
static const char *const not_for_checks[] = {
	"NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID",   "LISTEN_PID",
	"LISTEN_FDS",    "LISTEN_FDNAMES", "LISTEN_PIDFDID",
};

static int build_environment(struct envp *e, char *const *set_env) {
	size_t n_set = 0;
	int r;

	while (set_env && set_env[n_set])
		n_set++;
	r = envp_init(e, n_set);
	if (r < 0)
		return r;
	for (size_t n = 0; n < ARRAY_SIZE(not_for_checks); n++)
		envp_unset(e, not_for_checks[n]);
	for (size_t n = 0; n < n_set; n++)
		envp_set(e, set_env[n]);
	return 0;
}

static void close_range_of(unsigned first, unsigned last) {
	struct rlimit limit;
	rlim_t end = SPAWN_CLOSE_MAX;

	if (first > last)
		return;
	/* By number: the function is younger than the oldest libc that this is built with. */
	if (syscall(SYS_close_range, first, last, 0U) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		end = MIN(limit.rlim_cur, end);
	for (unsigned fd = first; fd < end && fd <= last; fd++)
		(void)close((int)fd);
}

void spawn_close_from(unsigned first) {
	close_range_of(first, ~0U);
}

/* Closes all others first: of a small LimitNOFILE= nothing may be left by then. */
static int place_standard(int output_fd) {
	int null;

	if (output_fd >= 0 &&
	    (dup2(output_fd, STDOUT_FILENO) < 0 || dup2(output_fd, STDERR_FILENO) < 0))
		return -errno;
	spawn_close_from(STDERR_FILENO + 1);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return -errno;
	return 0;
}

/* The end of a child that did not become the command; where it has a reader it says why. */
__attribute__((noreturn)) static void give_up(const char *what, int error, bool is_read) {
	if (is_read)
		(void)dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(error));
	_exit(error == ENOENT ? 127 : 126);
}

__attribute__((noreturn)) static void run_child(const struct spawn_command *c,
						const struct envp *env, int output_fd) {
	(void)setsid();
	if (place_standard(output_fd) < 0)
		_exit(126);
	if (c->folder && chdir(c->folder) < 0)
		give_up(c->folder, errno, output_fd >= 0);
	self_undo();
	signals_reset();
	(void)execvpe(c->argv[0], c->argv, env->entries);
	give_up(c->argv[0], errno, output_fd >= 0);
}

int spawn_start(const struct spawn_command *c, char *const *set_env, int output_fd,
		pid_t *ret_pid) {
	cleanup(envp_done) struct envp env;
	pid_t pid;
	int r;

	r = build_environment(&env, set_env);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_child(c, &env, output_fd);
	*ret_pid = pid;
	return 0;
}

/* Puts the program on 4, closed by exec, and the socket on 3. */
static int place_helper_fds(int program_fd, int socket_fd) {
	unsigned low = (unsigned)MIN(program_fd, socket_fd);
	unsigned high = (unsigned)MAX(program_fd, socket_fd);
	int null;

	/* All others first: of a small LimitNOFILE= nothing may be left for what follows. */
	close_range_of(STDERR_FILENO + 1, low - 1);
	close_range_of(low + 1, high - 1);
	close_range_of(high + 1, ~0U);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Out of the way of each other. */
	program_fd = fcntl(program_fd, F_DUPFD_CLOEXEC, 5);
	socket_fd = fcntl(socket_fd, F_DUPFD_CLOEXEC, 5);
	if (null < 0 || program_fd < 0 || socket_fd < 0)
		return -errno;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(socket_fd, 3) < 0 || dup3(program_fd, 4, O_CLOEXEC) < 0)
		return -errno;
	spawn_close_from(5);
	return 4;
}

/*
 * So that the program starts without any, also root's: what it never had it need not give up by
 * capset(2), which not every filter of a unit allows.
 */
static void leave_capabilities(void) {
	/* Fails at the first number that no capability has, and where we may not. */
	for (unsigned long n = 0; prctl(PR_CAPBSET_DROP, n, 0, 0, 0) == 0; n++)
		;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	(void)prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0);
}

__attribute__((noreturn)) static void
run_helper(int program_fd, char *const *argv, const struct envp *env, int socket_fd, pid_t parent) {
	(void)setsid();
	program_fd = place_helper_fds(program_fd, socket_fd);
	if (program_fd < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(126);
	/* The parent may have died before it was asked for. */
	if (getppid() != parent)
		_exit(126);
	self_undo();
	signals_ignore();
	leave_capabilities();
	(void)syscall(SYS_execveat, program_fd, "", argv, env->entries, AT_EMPTY_PATH);
	_exit(126);
}

int spawn_helper(int program_fd, char *const *argv, int socket_fd, pid_t *ret_pid) {
	cleanup(envp_done) struct envp env;
	pid_t parent = getpid(), pid;
	int r;

	r = build_environment(&env, NULL);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_helper(program_fd, argv, &env, socket_fd, parent);
	*ret_pid = pid;
	return 0;
}

int spawn_close(const int *fds, size_t n, pid_t *ret_pid) {
	int pipe_fds[2];
	pid_t pid;
	char byte;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		(void)setsid();
		/* It ends once the parent has closed its own copies: who closes the last one may
		 * have to wait, and a process that ends does not. */
		(void)close(pipe_fds[1]);
		(void)!read(pipe_fds[0], &byte, 1);
		_exit(0);
	}
	for (size_t i = 0; i < n && pid > 0; i++)
		fd_close(fds[i]);
	fd_close(pipe_fds[0]);
	fd_close(pipe_fds[1]);
	/* Still that of fork(2). */
	if (pid < 0)
		return -errno;
	*ret_pid = pid;
	return 0;
}

void spawn_kill(pid_t pid) {
	if (pid <= 1)
		return;
	/* First the leader: before its setsid() there is no such group, and after this it cannot
	 * fork one any more. */
	(void)kill(pid, SIGKILL);
	(void)kill(-pid, SIGKILL);
}
