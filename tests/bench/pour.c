/* SPDX-License-Identifier: MIT */
/*
 * pour PER_SECOND SIZE: writes SIZE bytes at a time to the heartbeat's pipe, PER_SECOND of these
 * writes in a second (0: as many as there can be), until SIGTERM. SIGUSR1 prints how many were
 * taken and how many refused so far, and when: "TAKEN REFUSED NANOSECONDS".
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NSEC 1000000LL

static volatile sig_atomic_t must_end, must_tell;

static void on_signal(int number) {
	if (number == SIGTERM)
		must_end = 1;
	else
		must_tell = 1;
}

static long long now(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	const char *fd = getenv("SDWD_HEARTBEAT_FD");
	long per_second = argc == 3 ? atol(argv[1]) : -1;
	size_t size = argc == 3 ? (size_t)atol(argv[2]) : 0;
	unsigned long taken = 0, refused = 0;
	long long begin = now();
	char *data = malloc(size + 1);

	if (per_second < 0 || !fd || !data)
		return 2;
	memset(data, '\n', size);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	while (!must_end) {
		long long at = now();

		if (must_tell) {
			must_tell = 0;
			printf("%lu %lu %lld\n", taken, refused, at);
			fflush(stdout);
		}
		if (per_second > 0 &&
		    (double)(taken + refused) >= (double)(at - begin) / 1e9 * (double)per_second) {
			struct timespec t = {.tv_nsec = SLICE_NSEC};

			(void)nanosleep(&t, NULL);
			continue;
		}
		for (int i = 0; i < 64; i++)
			if (write(atoi(fd), data, size) > 0)
				taken++;
			else
				refused++;
	}
	return 0;
}
