/* SPDX-License-Identifier: MIT */
/*
 * turns COUNT COMMAND... ; COMMAND... ; ...: runs each command by turns, A B C A B C ..., COUNT
 * times, and prints a line for each run: the command's number, nanoseconds by the clock,
 * microseconds of CPU of it and of all that it waited for. A small starter: what starts them is
 * part of what is measured, and should be little and the same for all. Their stdout and stderr go
 * to /dev/null. An exit status other than 0 ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 16

extern char **environ;

static long long nanoseconds(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long microseconds(const struct timeval *t) {
	return t->tv_sec * 1000000L + t->tv_usec;
}

static int run(int number, char **command, const posix_spawn_file_actions_t *actions) {
	long long begin = nanoseconds(), end;
	struct rusage usage;
	int status, r;
	pid_t pid;

	r = posix_spawnp(&pid, command[0], actions, NULL, command, environ);
	if (r != 0) {
		fprintf(stderr, "turns: %s: %s\n", command[0], strerror(r));
		return -1;
	}
	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -1;
	end = nanoseconds();
	if (status != 0) {
		fprintf(stderr, "turns: %s: wait status %#x\n", command[0], (unsigned)status);
		return -1;
	}
	printf("%d %lld %ld\n", number, end - begin,
	       microseconds(&usage.ru_utime) + microseconds(&usage.ru_stime));
	return 0;
}

int main(int argc, char **argv) {
	posix_spawn_file_actions_t actions;
	char **commands[COMMANDS_MAX];
	int n_commands = 0;
	long count;

	if (argc < 3)
		return 2;
	count = atol(argv[1]);
	commands[n_commands++] = &argv[2];
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], ";") == 0 && n_commands < COMMANDS_MAX) {
			argv[i] = NULL;
			commands[n_commands++] = &argv[i + 1];
		}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	for (long n = 0; n < count; n++)
		for (int i = 0; i < n_commands; i++)
			if (run(i, commands[i], &actions) < 0)
				return 1;
	return fflush(stdout) == 0 ? 0 : 1;
}
