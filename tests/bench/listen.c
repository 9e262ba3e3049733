/* SPDX-License-Identifier: MIT */
/*
 * listen SOCKET: a manager that prints when each WATCHDOG=1 or READY=1 came to the datagram socket
 * that it makes at SOCKET, and from whom: "NANOSECONDS PID". Ends by SIGTERM, with all written.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t must_end;

static void on_term(int number) {
	(void)number;
	must_end = 1;
}

static int open_manager(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path) ||
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
		return -1;
	memcpy(a.sun_path, path, strlen(path));
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -1 : fd;
}

static int sender(struct msghdr *message) {
	struct ucred credentials;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
			return (int)credentials.pid;
		}
	return 0;
}

int main(int argc, char **argv) {
	struct sigaction term = {.sa_handler = on_term};
	int fd = argc == 2 ? open_manager(argv[1]) : -1;

	if (fd < 0) {
		perror("listen");
		return 1;
	}
	sigaction(SIGTERM, &term, NULL);
	printf("ready\n");
	fflush(stdout);
	while (!must_end) {
		union {
			struct cmsghdr header;
			char bytes[CMSG_SPACE(sizeof(struct ucred))];
		} control;
		char text[4096];
		struct iovec data = {.iov_base = text, .iov_len = sizeof(text) - 1};
		struct msghdr message = {.msg_iov = &data,
					 .msg_iovlen = 1,
					 .msg_control = &control,
					 .msg_controllen = sizeof(control)};
		struct timespec t;
		ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

		if (n < 0)
			continue;
		clock_gettime(CLOCK_MONOTONIC, &t);
		text[n] = '\0';
		if (strstr(text, "WATCHDOG=1") || strstr(text, "READY=1"))
			printf("%lld %d\n", t.tv_sec * 1000000000LL + t.tv_nsec, sender(&message));
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
