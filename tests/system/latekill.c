/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program: its SIGKILLs have no effect before $LATE_KILL milliseconds after the
 * first one, as on a machine where what is killed waits long for its turn.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_msec(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int kill(pid_t pid, int number) {
	static int (*real)(pid_t, int);
	static int64_t first_at;
	const char *late = getenv("LATE_KILL");

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "kill");
	if (number != SIGKILL || !late || strcmp(program_invocation_short_name, "sdwd") != 0)
		return real(pid, number);
	if (first_at == 0)
		first_at = now_msec();
	return now_msec() - first_at < atoll(late) ? real(pid, 0) : real(pid, number);
}
