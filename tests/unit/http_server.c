/* SPDX-License-Identifier: MIT */
#include "http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Reads up to the empty line, and tells it to the test. */
static void read_request(int fd, int log) {
	char request[32 * 1024] = "";
	size_t length = 0;

	while (!strstr(request, "\r\n\r\n") && length < sizeof(request) - 1) {
		ssize_t n = read(fd, request + length, sizeof(request) - 1 - length);

		if (n <= 0)
			break;
		length += (size_t)n;
		request[length] = '\0';
	}
	/* The NUL in front tells connections apart, also those without a request. */
	if (write(log, "", 1) != 1 || write(log, request, length) != (ssize_t)length)
		_exit(3);
}

static bool send_all(int fd, const char *data, size_t length) {
	while (length > 0) {
		ssize_t n = send(fd, data, length, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		data += n;
		length -= (size_t)n;
	}
	return true;
}

static bool send_reply(int fd, const struct http_script *s) {
	size_t length = s->length > 0 ? s->length : s->reply ? strlen(s->reply) : 0;
	size_t piece = s->piece > 0 ? s->piece : length;

	for (size_t done = 0; done < length; done += piece) {
		usleep(s->pause_msec * 1000);
		if (!send_all(fd, s->reply + done, MIN(piece, length - done)))
			return false;
	}
	for (unsigned i = 0; i < s->repeat; i++) {
		usleep(s->pause_msec * 1000);
		if (!send_all(fd, s->reply + length - s->tail, s->tail))
			return false;
	}
	return true;
}

static void finish(int fd, const struct http_script *s) {
	struct linger now = {.l_onoff = 1};
	char rest[4096];

	if (s->then == THEN_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (s->then == THEN_HALF_CLOSE)
		shutdown(fd, SHUT_WR);
	if (s->then == THEN_HOLD || s->then == THEN_HALF_CLOSE)
		while (read(fd, rest, sizeof(rest)) > 0)
			;
	close(fd);
}

static void serve(int listener, int log, const struct http_script *scripts, size_t n_scripts) {
	for (size_t i = 0;; i++) {
		const struct http_script *s = &scripts[MIN(i, n_scripts - 1)];
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			_exit(2);
		if (!s->answers_at_once)
			read_request(fd, log);
		if (s->reply)
			(void)send_reply(fd, s);
		finish(fd, s);
	}
}

static int open_listener(struct http_server *s, enum http_where where) {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} a = {0};
	static const int families[] = {AF_INET, AF_INET6, AF_UNIX};
	static const socklen_t sizes[] = {sizeof(a.in), sizeof(a.in6), sizeof(a.un)};
	socklen_t size = sizes[where];
	int fd = socket(families[where], SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	a.any.sa_family = (sa_family_t)families[where];
	if (where == AT_IPV4)
		a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (where == AT_IPV6)
		a.in6.sin6_addr = in6addr_loopback;
	else {
		char folder[] = "/tmp/sdwd-http-XXXXXX";

		assert_non_null(mkdtemp(folder));
		snprintf(s->path, sizeof(s->path), "%s/socket", folder);
		strcpy(a.un.sun_path, s->path);
	}
	assert_int_equal(bind(fd, &a.any, size), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, &a.any, &size), 0);
	s->port = where == AT_IPV4   ? ntohs(a.in.sin_port)
		  : where == AT_IPV6 ? ntohs(a.in6.sin6_port)
				     : 0;
	return fd;
}

struct http_server http_server_start(enum http_where where, const struct http_script *scripts,
				     size_t n_scripts) {
	struct http_server s = {0};
	int listener = open_listener(&s, where), log[2];

	assert_int_equal(pipe2(log, O_CLOEXEC), 0);
	/* Room for many requests: the test reads them at the end only. */
	(void)fcntl(log[1], F_SETPIPE_SZ, 1024 * 1024);
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (s.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		close(log[0]);
		serve(listener, log[1], scripts, n_scripts);
	}
	close(listener);
	close(log[1]);
	s.log = log[0];
	return s;
}

char *http_server_stop(struct http_server *s, size_t *ret_n) {
	char *requests = calloc(1, 2 * 1024 * 1024);
	size_t length = 0, n = 0;
	ssize_t r;

	assert_non_null(requests);
	kill(s->pid, SIGKILL);
	assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
	while ((r = read(s->log, requests + length, 2 * 1024 * 1024 - 1 - length)) > 0)
		length += (size_t)r;
	close(s->log);
	/* One text: the NULs between the requests become marks. */
	for (size_t i = 0; i < length; i++)
		if (requests[i] == '\0') {
			requests[i] = '>';
			n++;
		}
	if (s->path[0] != '\0') {
		unlink(s->path);
		*strrchr(s->path, '/') = '\0';
		rmdir(s->path);
	}
	if (ret_n)
		*ret_n = n;
	return requests;
}
