/* SPDX-License-Identifier: MIT */
/* began: says when it was started, in nanoseconds of CLOCK_MONOTONIC, and ends. */
#include <stdio.h>
#include <time.h>

int main(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return printf("%lld\n", t.tv_sec * 1000000000LL + t.tv_nsec) > 0 ? 0 : 1;
}
