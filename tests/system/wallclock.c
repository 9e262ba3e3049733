/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program: its wall clock goes wrong by as many seconds as the file that WALLCLOCK
 * names says (a 64-bit number at its start, read anew each time), and each look at it is counted in
 * the second number. CLOCK_MONOTONIC stays as it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct {
	volatile int64_t seconds;
	volatile int64_t looks;
} * shared;

__attribute__((constructor)) static void begin(void) {
	const char *path = getenv("WALLCLOCK");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED)
		abort();
}

static int64_t wrong_by(void) {
	if (!shared)
		return 0;
	__atomic_add_fetch(&shared->looks, 1, __ATOMIC_RELAXED);
	return shared->seconds;
}

int clock_gettime(clockid_t clock, struct timespec *ret) {
	static int (*real)(clockid_t, struct timespec *);
	int r;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	r = real(clock, ret);
	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ret->tv_sec += wrong_by();
	return r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone) {
	struct timespec t;

	if (clock_gettime(CLOCK_REALTIME, &t) < 0)
		return -1;
	ret->tv_sec = t.tv_sec;
	ret->tv_usec = t.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *ret) {
	struct timespec t;

	if (clock_gettime(CLOCK_REALTIME, &t) < 0)
		return -1;
	if (ret)
		*ret = t.tv_sec;
	return t.tv_sec;
}
