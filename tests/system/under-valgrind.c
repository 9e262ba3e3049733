/* SPDX-License-Identifier: MIT */
/*
 * What under-valgrind puts in sdwd's place: valgrind around it. It is no shell script, because
 * tests look at what a child gets: a shell adds to the environment and to the dispositions.
 * The log is an fd with a high number, since valgrind leaves it open; with --log-file that would
 * be the lowest one. What sdwd forks writes into the same log, up to its exec.
 * VALGRIND, BINARY and LOGS come from the compiler's command line.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOG_FD 200

int main(int argc, char **argv) {
	char path[4096], log_fd[32];
	const char *options[] = {
		"valgrind",
		"--vgdb=no",
		/* A third faster: what reads the debugging information takes most of a start. */
		"--read-inline-info=no",
		"--leak-check=full",
		"--show-leak-kinds=definite,indirect",
		"--errors-for-leak-kinds=definite,indirect",
		"--error-markers=error-begins,error-ends",
		log_fd,
		BINARY,
	};
	const size_t n_options = sizeof(options) / sizeof(options[0]);
	const char **line = calloc(n_options + (size_t)argc, sizeof(*line));
	struct timespec now;
	int fd, high;

	/* The kernel gives a pid again. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(path, sizeof(path), "%s/%lld.%09ld-%d.log", LOGS, (long long)now.tv_sec,
		 now.tv_nsec, (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0644);
	high = fd < 0 ? -1 : fcntl(fd, F_DUPFD, LOG_FD);
	if (high < 0 || !line) {
		perror(path);
		return 99;
	}
	close(fd);
	snprintf(log_fd, sizeof(log_fd), "--log-fd=%d", high);

	for (size_t n = 0; n < n_options; n++)
		line[n] = options[n];
	for (int n = 1; n < argc; n++)
		line[n_options + (size_t)n - 1] = argv[n];
	execvp(VALGRIND, (char **)line);
	perror(VALGRIND);
	return 99;
}
