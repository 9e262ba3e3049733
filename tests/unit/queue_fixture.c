/* SPDX-License-Identifier: MIT */
#include "queue_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

int queue_fixture_setup(void **state) {
	struct queue_fixture *f = calloc(1, sizeof(*f));
	struct rlimit files;

	assert_non_null(f);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_cur < QUEUE_CLIENTS + 100) {
		files.rlim_cur = QUEUE_CLIENTS + 100;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(f->listeners); i++)
		f->listeners[i] = -1;
	strcpy(f->folder, "/tmp/sdwd-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	*state = f;
	return 0;
}

int queue_fixture_teardown(void **state) {
	struct queue_fixture *f = *state;
	char command[64];

	for (size_t i = 0; i < ARRAY_SIZE(f->listeners); i++)
		fd_close(f->listeners[i]);
	for (size_t i = 0; i < f->n_clients; i++)
		fd_close(f->clients[i]);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static socklen_t tcp_address(const struct queue_fixture *f, int family,
			     struct sockaddr_storage *ret) {
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons(f->port),
				  .sin6_addr = in6addr_loopback};
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = htons(f->port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};

	if (family == AF_INET6) {
		memcpy(ret, &v6, sizeof(v6));
		return sizeof(v6);
	}
	memcpy(ret, &v4, sizeof(v4));
	return sizeof(v4);
}

bool queue_fixture_tcp(struct queue_fixture *f, size_t i, int family, int backlog, bool is_shared) {
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
	struct sockaddr_storage address = {0};
	socklen_t length = tcp_address(f, family, &address);

	assert_true(fd >= 0);
	if (family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)), 0);
	if (is_shared)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
	if (bind(fd, (struct sockaddr *)&address, length) < 0) {
		assert_int_equal(errno, EADDRINUSE);
		fd_close(fd);
		return false;
	}
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	f->port = ntohs(family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
					   : ((struct sockaddr_in *)&address)->sin_port);
	f->listeners[i] = fd;
	return true;
}

void queue_fixture_unix(struct queue_fixture *f, size_t i, const char *path, int backlog) {
	cleanup(fd_closep) int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un relative = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n;

	assert_true(fd >= 0 && here >= 0);
	f->address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (path[0] == '@') {
		/* A name with NUL in it, as long as its length says. */
		n = snprintf(f->address.sun_path + 1, sizeof(f->address.sun_path) - 1,
			     "sdwd-test-%d-%s", (int)getpid(), path + 1);
		f->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
		assert_int_equal(bind(fd, (struct sockaddr *)&f->address, f->length), 0);
	} else {
		n = snprintf(f->address.sun_path, sizeof(f->address.sun_path), "%s/%s", f->folder,
			     path);
		f->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n + 1);
		strcpy(relative.sun_path, path);
		assert_int_equal(chdir(f->folder), 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&relative, sizeof(relative)), 0);
		assert_int_equal(fchdir(here), 0);
	}
	assert_int_equal(listen(fd, backlog), 0);
	f->listeners[i] = fd;
}

void queue_fixture_connect(struct queue_fixture *f, int family, size_t n) {
	struct sockaddr_storage address = {0};
	socklen_t length;

	if (family == AF_UNIX) {
		memcpy(&address, &f->address, f->length);
		length = f->length;
	} else {
		length = tcp_address(f, family, &address);
	}
	for (size_t i = 0; i < n; i++) {
		int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0 && f->n_clients < ARRAY_SIZE(f->clients));
		if (connect(fd, (struct sockaddr *)&address, length) < 0)
			fail_msg("connect: %s", strerror(errno));
		f->clients[f->n_clients++] = fd;
	}
}

void queue_fixture_accept(struct queue_fixture *f, size_t i) {
	int fd = accept4(f->listeners[i], NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
}

void queue_fixture_close(struct queue_fixture *f, size_t i, bool is_reset) {
	const struct linger now = {1, 0};

	if (is_reset)
		assert_int_equal(setsockopt(f->clients[i], SOL_SOCKET, SO_LINGER, &now,
					    sizeof(now)),
				 0);
	f->clients[i] = fd_close(f->clients[i]);
}
