/* SPDX-License-Identifier: MIT */
/*
 * hang FILE WATCHDOG_MSEC [SOCKET]: a service that is well for a random time and then hangs. With
 * SOCKET it answers HTTP there, else it beats on its pipe. When SIGABRT comes, one line goes to
 * FILE: when it was well the last time, when it hung, when SIGABRT came; nanoseconds of
 * CLOCK_MONOTONIC.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BEAT_MSEC 50

static const char response[] =
	"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
static int heartbeat_fd = -1, listen_fd = -1;

static long long now(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int open_server(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, path, strlen(path));
	(void)unlink(path);
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0 ? -1 : fd;
}

/* One sign of life, or none within @msec. Returns when it was, or 0. */
static long long live(int msec) {
	struct pollfd p = {.fd = listen_fd, .events = POLLIN};
	char request[4096];
	long long at = 0;
	int fd;

	if (listen_fd < 0) {
		if (poll(NULL, 0, msec) == 0 && write(heartbeat_fd, "\n", 1) == 1)
			at = now();
		return at;
	}
	if (poll(&p, 1, msec) <= 0)
		return 0;
	fd = accept(listen_fd, NULL, NULL);
	if (fd >= 0 && read(fd, request, sizeof(request)) > 0 &&
	    send(fd, response, strlen(response), MSG_NOSIGNAL) > 0)
		at = now();
	(void)close(fd);
	return at;
}

int main(int argc, char **argv) {
	const char *fd = getenv("SDWD_HEARTBEAT_FD");
	long long well = 0, end, hung, at;
	unsigned random;
	char line[128];
	sigset_t abrt;
	int file, n;

	if (argc < 3 || getrandom(&random, sizeof(random), 0) != sizeof(random))
		return 2;
	if (argc > 3)
		listen_fd = open_server(argv[3]);
	else if (fd)
		heartbeat_fd = atoi(fd);
	if (listen_fd < 0 && heartbeat_fd < 0)
		return 2;
	sigemptyset(&abrt);
	sigaddset(&abrt, SIGABRT);
	sigprocmask(SIG_BLOCK, &abrt, NULL);
	/* From one to two watchdog times: each phase of whatever is periodic comes up. */
	end = now() + (long long)(atol(argv[2]) * 1000000.0 * (1 + (double)random / 4294967296.0));
	while ((hung = now()) < end) {
		at = live((int)((end - hung) / 1000000) + 1 < BEAT_MSEC
				  ? (int)((end - hung) / 1000000) + 1
				  : BEAT_MSEC);
		if (at != 0)
			well = at;
	}
	if (sigwaitinfo(&abrt, NULL) != SIGABRT)
		return 1;
	at = now();
	n = snprintf(line, sizeof(line), "%lld %lld %lld\n", well, hung, at);
	file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return file >= 0 && write(file, line, (size_t)n) == n ? 0 : 1;
}
