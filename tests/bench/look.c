/* SPDX-License-Identifier: MIT */
/*
 * look PORT SOCKET USEC: the least that an HTTP look with its ping can be. Every USEC microseconds
 * one request to 127.0.0.1:PORT on a fresh connection, read to its end, and where the status is 200
 * WATCHDOG=1 to the datagram socket at SOCKET. Ends by a signal.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
static const char good[] = "HTTP/1.1 200 ";
static const char ping[] = "WATCHDOG=1";

static int is_well(const struct sockaddr_in *server) {
	char reply[8192];
	size_t length = 0;
	ssize_t n;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	if (connect(fd, (const struct sockaddr *)server, sizeof(*server)) == 0 &&
	    send(fd, request, strlen(request), MSG_NOSIGNAL) > 0)
		while ((n = recv(fd, reply + length, sizeof(reply) - length, 0)) > 0)
			length += (size_t)n;
	(void)close(fd);
	return length >= strlen(good) && memcmp(reply, good, strlen(good)) == 0;
}

int main(int argc, char **argv) {
	struct sockaddr_in server = {.sin_family = AF_INET};
	struct sockaddr_un manager = {.sun_family = AF_UNIX};
	struct timespec next;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long usec;

	if (argc != 4 || fd < 0 || strlen(argv[2]) >= sizeof(manager.sun_path))
		return 2;
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	memcpy(manager.sun_path, argv[2], strlen(argv[2]));
	usec = atol(argv[3]);

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		if (is_well(&server))
			(void)sendto(fd, ping, strlen(ping), MSG_NOSIGNAL | MSG_DONTWAIT,
				     (const struct sockaddr *)&manager, sizeof(manager));
		next.tv_nsec += usec * 1000;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}
