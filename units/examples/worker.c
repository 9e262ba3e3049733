/* SPDX-License-Identifier: MIT */
/*
 * Heartbeats from C: a beat at the end of each round of the work. For worker@.service:
 * cc -o /usr/local/libexec/worker-c worker.c
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* A full pipe says that sdwd does not run just now, which is no error of ours. */
static void beat(int fd) {
	if (fd >= 0 && write(fd, "\n", 1) < 0)
		return;
}

/* Stands for the work. It needs a lock that somebody else may hold: that is how this service hangs. */
static void work(const char *path) {
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		perror(path);
		exit(1);
	}
	close(fd);
}

int main(void) {
	const char *number = getenv("SDWD_HEARTBEAT_FD"), *folder = getenv("RUNTIME_DIRECTORY");
	/* Without sdwd there is nobody to tell. */
	int fd = number ? atoi(number) : -1;
	char path[4096];

	snprintf(path, sizeof(path), "%s/lock", folder ? folder : "/tmp");
	/* What this program starts does not get the pipe. */
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	for (;;) {
		work(path);
		beat(fd);
		sleep(1);
	}
}
