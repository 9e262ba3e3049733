/* SPDX-License-Identifier: MIT */
/*
 * bare COMMAND [ARGUMENT...]: the least that a supervisor with sdwd's libraries can be (it is
 * linked with those that sdwd is linked with). It has a libev loop, then fork, exec, wait, and the
 * child's status. What sdwd costs above it is sdwd's own doing.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
	struct ev_loop *loop;
	int status;
	pid_t pid;

	if (argc < 2)
		return 125;
	loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
	if (!loop)
		return 125;

	pid = fork();
	if (pid < 0)
		return 125;
	if (pid == 0) {
		(void)execvp(argv[1], argv + 1);
		_exit(errno == ENOENT ? 127 : 126);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 125;
	ev_loop_destroy(loop);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
