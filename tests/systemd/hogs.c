/* SPDX-License-Identifier: MIT */
/*
 * Load for full-hogs; each ends with whoever started it.
 *
 *     hogs spin N             N processes that use the processors, each in a session of its own
 *     hogs thrash FILE        reads pages of FILE in random order: whatever else is cached is
 * reclaimed hogs write FILE BYTES   writes FILE again and again, never more than BYTES, each MiB
 * with fsync
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
/* A group is starved by few pages: the rest of the time others may have the processors. */
#define PAGES_AT_ONCE 16
#define REST_NSEC 4000000

static _Noreturn void spin(int n) {
	volatile unsigned long turns = 0;

	for (int i = 1; i < n; i++) {
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			break;
		}
	}
	/* Where the kernel shares the processors out by sessions, none of them shares its share. */
	(void)setsid();
	for (;;)
		turns++;
}

static int thrash(const char *path) {
	static char page[PAGE];
	struct timespec rest = {.tv_nsec = REST_NSEC};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) != 0)
		return 1;
	for (;;) {
		for (int i = 0; i < PAGES_AT_ONCE; i++)
			if (pread(fd, page, PAGE, random() % (st.st_size / PAGE) * PAGE) < 0)
				return 1;
		(void)nanosleep(&rest, NULL);
	}
}

static int overwrite(const char *path, long bytes) {
	static char block[1 << 20];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return 1;
	for (long at = 0;;
	     at = at + 2 * (long)sizeof(block) > bytes ? 0 : at + (long)sizeof(block)) {
		memset(block, (int)random(), sizeof(block));
		if (pwrite(fd, block, sizeof(block), at) < 0 || fsync(fd) < 0)
			return 1;
	}
}

int main(int argc, char *argv[]) {
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc == 3 && strcmp(argv[1], "spin") == 0)
		spin(atoi(argv[2]));
	if (argc == 3 && strcmp(argv[1], "thrash") == 0)
		return thrash(argv[2]);
	if (argc == 4 && strcmp(argv[1], "write") == 0)
		return overwrite(argv[2], atol(argv[3]));
	fprintf(stderr, "usage: hogs spin N | thrash FILE | write FILE BYTES\n");
	return 2;
}
