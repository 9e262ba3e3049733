/* SPDX-License-Identifier: MIT */
/*
 * counted LOG COMMAND...: runs the COMMAND, and writes to LOG how many instructions it took in user
 * space, without what it forks, by the processor's own counter. Passes SIGTERM on. Its exit status
 * is the COMMAND's; 3 where there is no such counter.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_COUNTER 3

static volatile sig_atomic_t command_pid;

static void on_term(int number) {
	if (command_pid > 0)
		(void)kill(command_pid, number);
}

static int open_counter(pid_t pid) {
	struct perf_event_attr event = {.type = PERF_TYPE_HARDWARE,
					.size = sizeof(event),
					.config = PERF_COUNT_HW_INSTRUCTIONS,
					.disabled = 1,
					.enable_on_exec = 1,
					.exclude_kernel = 1,
					.exclude_hv = 1};

	return (int)syscall(SYS_perf_event_open, &event, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

int main(int argc, char **argv) {
	struct sigaction term = {.sa_handler = on_term};
	int go[2], counter, status;
	uint64_t count;
	FILE *log;
	pid_t pid;

	if (argc < 3 || pipe(go) < 0)
		return 2;
	pid = fork();
	if (pid < 0)
		return 2;
	if (pid == 0) {
		char byte;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(NO_COUNTER);
		(void)close(go[0]);
		(void)execvp(argv[2], argv + 2);
		_exit(127);
	}
	(void)close(go[0]);
	command_pid = pid;
	sigaction(SIGTERM, &term, NULL);
	counter = open_counter(pid);
	if (counter >= 0)
		(void)!write(go[1], "x", 1);
	(void)close(go[1]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 2;
	if (counter < 0)
		return NO_COUNTER;
	log = fopen(argv[1], "w");
	if (!log || read(counter, &count, sizeof(count)) != sizeof(count) ||
	    fprintf(log, "%llu\n", (unsigned long long)count) < 0 || fclose(log) != 0)
		return 2;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
