/* SPDX-License-Identifier: MIT */
/* termed: says when it was started, waits for SIGTERM, says when that came: nanoseconds of
 * CLOCK_MONOTONIC. */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int say(void) {
	struct timespec t;
	char line[32];
	int n;

	clock_gettime(CLOCK_MONOTONIC, &t);
	n = snprintf(line, sizeof(line), "%lld\n", t.tv_sec * 1000000000LL + t.tv_nsec);
	return write(STDOUT_FILENO, line, (size_t)n) == n;
}

int main(void) {
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	if (!say() || sigwaitinfo(&term, NULL) != SIGTERM)
		return 1;
	return say() ? 0 : 1;
}
