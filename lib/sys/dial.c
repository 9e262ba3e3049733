/* SPDX-License-Identifier: MIT */
#include "sys/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

#define NEXT_AFTER_SEC 0.250
#define QUEUE_RETRY_SEC 0.020

static void set_ipv4(struct dial_address *a, struct in_addr address, uint16_t port) {
	memset(a, 0, sizeof(*a));
	a->length = sizeof(a->in);
	a->in.sin_family = AF_INET;
	a->in.sin_addr = address;
	a->in.sin_port = htons(port);
}

static void set_ipv6(struct dial_address *a, const struct in6_addr *address, uint32_t zone,
		     uint16_t port) {
	memset(a, 0, sizeof(*a));
	a->length = sizeof(a->in6);
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_addr = *address;
	a->in6.sin6_scope_id = zone;
	a->in6.sin6_port = htons(port);
}

int dial_target_host(struct dial_target *t, const char *host, uint16_t port) {
	char buffer[INET6_ADDRSTRLEN];
	const char *percent = strchr(host, '%');
	struct in_addr ipv4;
	struct in6_addr ipv6;
	uint64_t zone = 0;

	if (strcasecmp(host, "localhost") == 0) {
		set_ipv4(&t->addresses[0], (struct in_addr){htonl(INADDR_LOOPBACK)}, port);
		set_ipv6(&t->addresses[1], &in6addr_loopback, 0, port);
		t->n_addresses = 2;
		return 0;
	}
	if (inet_pton(AF_INET, host, &ipv4) == 1) {
		set_ipv4(&t->addresses[0], ipv4, port);
		t->n_addresses = 1;
		return 0;
	}
	if (percent) {
		if ((size_t)(percent - host) >= sizeof(buffer))
			return -EINVAL;
		memcpy(buffer, host, (size_t)(percent - host));
		buffer[percent - host] = '\0';
		host = buffer;
	}
	if (inet_pton(AF_INET6, host, &ipv6) != 1)
		return -EINVAL;
	if (percent && text_parse_u64(percent + 1, 1, UINT32_MAX, &zone) < 0) {
		zone = if_nametoindex(percent + 1);
		if (zone == 0)
			return -ENODEV;
	}
	set_ipv6(&t->addresses[0], &ipv6, (uint32_t)zone, port);
	t->n_addresses = 1;
	return 0;
}

void dial_target_resolved(struct dial_target *t, const struct prober_address *addresses, size_t n,
			  uint16_t port) {
	t->n_addresses = MIN(n, ARRAY_SIZE(t->addresses));
	for (size_t i = 0; i < t->n_addresses; i++) {
		struct in_addr ipv4;
		struct in6_addr ipv6;

		memcpy(&ipv4, addresses[i].bytes, sizeof(ipv4));
		memcpy(&ipv6, addresses[i].bytes, sizeof(ipv6));
		if (addresses[i].is_ipv6)
			set_ipv6(&t->addresses[i], &ipv6, addresses[i].zone, port);
		else
			set_ipv4(&t->addresses[i], ipv4, port);
	}
}

int dial_target_path(struct dial_target *t, const char *path) {
	struct dial_address *a = &t->addresses[0];
	char folder[sizeof(a->un.sun_path)] = "";
	size_t length = strlen(path), extra = 0;

	if (length == 0)
		return -EINVAL;
	if (path[0] != '/' && path[0] != '@') {
		if (!getcwd(folder, sizeof(folder)))
			return errno == ERANGE ? -ENAMETOOLONG : -errno;
		extra = strcmp(folder, "/") == 0 ? 1 : strlen(folder) + 1;
	}
	if (extra + length >= sizeof(a->un.sun_path))
		return -ENAMETOOLONG;

	memset(a, 0, sizeof(*a));
	a->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + extra + length);
	a->un.sun_family = AF_UNIX;
	if (extra > 0) {
		memcpy(a->un.sun_path, folder, extra - 1);
		a->un.sun_path[extra - 1] = '/';
	}
	memcpy(a->un.sun_path + extra, path, length);
	if (path[0] == '@')
		a->un.sun_path[0] = '\0'; /* an abstract name is as long as the length says */
	else
		a->length++; /* a path ends with NUL */
	t->n_addresses = 1;
	return 0;
}

int dial_result(int fd) {
	struct dial_address us = {.length = sizeof(us.in6)}, peer = {.length = sizeof(peer.in6)};
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	if (error != 0)
		return -error;
	if (getsockname(fd, &us.any, &us.length) < 0 || us.any.sa_family == AF_UNIX)
		return 0;
	if (getpeername(fd, &peer.any, &peer.length) < 0)
		return -errno;
	if (us.length == peer.length && memcmp(&us, &peer, us.length) == 0)
		return -ECONNREFUSED;
	return 0;
}

/* connect(2) of a datagram socket finds the way, and needs no port that TCP could lack. */
bool dial_is_out_of_reach(const struct dial_address *a) {
	cleanup(fd_closep) int fd =
		socket(a->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, &a->any, a->length) == 0)
		return false;
	return errno == EAFNOSUPPORT || errno == ENETUNREACH || errno == EADDRNOTAVAIL;
}

/* How much an error tells: one address that does not exist here tells nothing of the other. */
static int error_rank(int error, const struct dial_address *a) {
	switch (-error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
		return 3;
	case EADDRNOTAVAIL:
		/* Out of ports, or ::1 is not there. */
		return dial_is_out_of_reach(a) ? 1 : 3;
	case EAFNOSUPPORT:
	case ENETUNREACH:
		return 1;
	default:
		return 2;
	}
}

static void note_error(struct dial *d, size_t i, int error) {
	int rank = error_rank(error, &d->target->addresses[i]);

	if (rank <= d->error_rank)
		return;
	d->error = error;
	d->error_rank = rank;
}

/* Takes the fd out of a try. */
static int close_try(struct dial *d, struct dial_try *try) {
	ev_io_stop(d->loop, &try->io);
	try->is_open = false;
	return try->io.fd;
}

static bool is_any_open(const struct dial *d) {
	for (size_t i = 0; i < ARRAY_SIZE(d->tries); i++)
		if (d->tries[i].is_open)
			return true;
	return false;
}

static void arm(struct dial *d, double after) {
	ev_timer_stop(d->loop, &d->timer);
	ev_now_update(d->loop);
	ev_timer_set(&d->timer, after, 0);
	ev_timer_start(d->loop, &d->timer);
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int events);

/* Begins with address @i. Returns 0 (under way), DIAL_CONNECTED, or a negative errno. */
static int open_try(struct dial *d, size_t i, int *ret_fd) {
	const struct dial_address *a = &d->target->addresses[i];
	struct dial_try *try = &d->tries[i];
	cleanup(fd_closep) int fd =
		socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	if (connect(fd, &a->any, a->length) == 0) {
		r = dial_result(fd);
		if (r < 0)
			return r;
		*ret_fd = fd_take(&fd);
		return DIAL_CONNECTED;
	}
	r = -errno;
	if (a->any.sa_family == AF_UNIX)
		return r;
	/* EINTR: it goes on by itself, as with EINPROGRESS (connect(2)). */
	if (r != -EINPROGRESS && r != -EINTR)
		return r == -EAGAIN ? -EADDRNOTAVAIL : r; /* EAGAIN: no free local port */

	try->dial = d;
	try->is_open = true;
	ev_io_init(&try->io, on_writable, fd_take(&fd), EV_WRITE);
	ev_io_start(d->loop, &try->io);
	return 0;
}

/* Goes on to the next address until one is under way. Returns like dial_start(). */
static int open_next(struct dial *d, int *ret_fd) {
	while (d->next < d->target->n_addresses) {
		size_t i = d->next++;
		int r = open_try(d, i, ret_fd);

		d->is_queue_full = r == -EAGAIN;
		if (d->is_queue_full) {
			d->next = i;
			arm(d, QUEUE_RETRY_SEC);
			return 0;
		}
		if (r == 0 && d->next < d->target->n_addresses)
			arm(d, NEXT_AFTER_SEC);
		if (r >= 0)
			return r;
		note_error(d, i, r);
	}
	return is_any_open(d) ? 0 : d->error;
}

/* A try has ended, well or not. Returns like dial_start(). */
static int end_try(struct dial *d, size_t i, int *ret_fd) {
	cleanup(fd_closep) int fd = close_try(d, &d->tries[i]);
	int r = dial_result(fd);

	if (r == 0) {
		*ret_fd = fd_take(&fd);
		return DIAL_CONNECTED;
	}
	note_error(d, i, r);
	return open_next(d, ret_fd);
}

/* Tells the owner where there is something to tell. The last statement of a handler. */
static void report(struct dial *d, int r, int fd) {
	if (r == 0)
		return;
	dial_cancel(d);
	d->on_done(d, r > 0 ? fd : r);
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int events) {
	struct dial_try *try = container_of(io, struct dial_try, io);
	struct dial *d = try->dial;
	int fd = -1, r;

	if (events & EV_ERROR) {
		/* epoll_ctl(2) refused it. */
		(void)fd_close(close_try(d, try));
		note_error(d, (size_t)(try - d->tries), -ENOBUFS);
		r = open_next(d, &fd);
	} else {
		r = end_try(d, (size_t)(try - d->tries), &fd);
	}
	report(d, r, fd);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
	struct dial *d = container_of(timer, struct dial, timer);
	int fd = -1, r = open_next(d, &fd);

	report(d, r, fd);
}

int dial_start(struct dial *d, struct ev_loop *loop, const struct dial_target *target,
	       int *ret_fd) {
	int r;

	assert(!is_any_open(d));
	d->loop = loop;
	d->target = target;
	d->next = 0;
	d->error = d->error_rank = 0;
	ev_timer_init(&d->timer, on_timer, 0, 0);
	r = open_next(d, ret_fd);
	if (r != 0)
		dial_cancel(d);
	return r;
}

int dial_check(struct dial *d, int *ret_fd) {
	int r = 0;

	if (!d->loop)
		return 0;
	if (d->is_queue_full)
		r = open_next(d, ret_fd);
	for (size_t i = 0; i < ARRAY_SIZE(d->tries) && r == 0; i++) {
		struct pollfd p = {.fd = d->tries[i].io.fd, .events = POLLOUT};

		if (d->tries[i].is_open && poll(&p, 1, 0) > 0)
			r = end_try(d, i, ret_fd);
	}
	if (r != 0)
		dial_cancel(d);
	return r;
}

void dial_cancel(struct dial *d) {
	if (!d->loop)
		return;
	ev_timer_stop(d->loop, &d->timer);
	for (size_t i = 0; i < ARRAY_SIZE(d->tries); i++)
		if (d->tries[i].is_open)
			fd_close(close_try(d, &d->tries[i]));
	d->is_queue_full = false;
	d->loop = NULL;
}
