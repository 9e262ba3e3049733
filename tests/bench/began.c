/* SPDX-License-Identifier: MIT */
/* began: says when it was started, in nanoseconds of CLOCK_MONOTONIC, and ends. Linked statically:
 * its own loading is short. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void) {
	struct timespec t;
	char line[32];
	int n;

	clock_gettime(CLOCK_MONOTONIC, &t);
	n = snprintf(line, sizeof(line), "%lld\n", t.tv_sec * 1000000000LL + t.tv_nsec);
	return write(STDOUT_FILENO, line, (size_t)n) == n ? 0 : 1;
}
