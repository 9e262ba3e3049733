/* SPDX-License-Identifier: MIT */
/*
 * server SOCKET STREAM: what a look and its ping talk to. An HTTP server on a free port of
 * 127.0.0.1 and at the Unix socket STREAM that answers every request with a 200 and closes, and a
 * manager that drains the datagram socket it makes at SOCKET. The port comes on stdout; then each
 * line on stdin is answered by one of three numbers: responses, pings, other messages so far. Ends
 * with the end of stdin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define LISTENED 4 /* stdin, the manager's socket, and two that are listened at */

static const char response[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			       "Content-Length: 3\r\nConnection: close\r\n\r\nok\n";

static unsigned long n_responses, n_pings, n_others;

static int listen_tcp(void) {
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &length) < 0)
		return -1;
	printf("%d\n", ntohs(a.sin_port));
	return fflush(stdout) == 0 ? fd : -1;
}

static int open_unix(const char *path, int type) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, path, strlen(path));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	return type == SOCK_STREAM && listen(fd, 128) < 0 ? -1 : fd;
}

static void drain(int fd) {
	char message[4096];
	ssize_t n;

	while ((n = recv(fd, message, sizeof(message), 0)) >= 0) {
		if (n == strlen("WATCHDOG=1") && memcmp(message, "WATCHDOG=1", (size_t)n) == 0)
			n_pings++;
		else
			n_others++;
	}
}

/* A request of these clients comes in one piece. */
static void answer(int fd) {
	char request[4096];

	if (recv(fd, request, sizeof(request), 0) > 0 &&
	    send(fd, response, strlen(response), MSG_NOSIGNAL) > 0)
		n_responses++;
	(void)close(fd);
}

int main(int argc, char **argv) {
	struct pollfd fds[LISTENED + CONNECTIONS_MAX] = {{.events = POLLIN}};
	nfds_t n_fds = LISTENED;
	char line[64];

	if (argc != 3)
		return 2;
	fds[1] = (struct pollfd){.fd = open_unix(argv[1], SOCK_DGRAM), .events = POLLIN};
	fds[2] = (struct pollfd){.fd = open_unix(argv[2], SOCK_STREAM), .events = POLLIN};
	fds[3] = (struct pollfd){.fd = listen_tcp(), .events = POLLIN};
	if (fds[1].fd < 0 || fds[2].fd < 0 || fds[3].fd < 0) {
		perror("server");
		return 1;
	}
	for (;;) {
		if (poll(fds, n_fds, -1) < 0 && errno != EINTR)
			return 1;
		for (nfds_t i = n_fds; i-- > LISTENED;)
			if (fds[i].revents != 0) {
				answer(fds[i].fd);
				fds[i] = fds[--n_fds];
			}
		for (int i = 2; i < LISTENED; i++)
			if (fds[i].revents != 0 && n_fds < LISTENED + CONNECTIONS_MAX) {
				int fd = accept4(fds[i].fd, NULL, NULL, SOCK_CLOEXEC);

				if (fd >= 0)
					fds[n_fds++] = (struct pollfd){.fd = fd, .events = POLLIN};
			}
		if (fds[1].revents != 0)
			drain(fds[1].fd);
		if (fds[0].revents != 0) {
			if (read(0, line, sizeof(line)) <= 0)
				return 0;
			printf("%lu %lu %lu\n", n_responses, n_pings, n_others);
			fflush(stdout);
		}
	}
}
