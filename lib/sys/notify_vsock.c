/* SPDX-License-Identifier: MIT */
#include "sys/notify_vsock.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>

#include "base/fd.h"

#define PORT_FIRST 512
#define PORT_LAST 1023

void notify_vsock_init(struct notify_vsock *v, int type) {
	*v = (struct notify_vsock){
		.fd = -1,
		.type = type == 0 ? SOCK_DGRAM : type,
		.is_type_open = type == 0,
	};
}

static void close_connection(struct notify_vsock *v) {
	v->fd = fd_close(v->fd);
	v->is_ready = false;
}

/* The order of sd-daemon.c: datagrams have no transport in QEMU, seqpacket came after stream. */
static bool try_next_type(struct notify_vsock *v, int error) {
	if (!v->is_type_open || (error != ENODEV && error != EOPNOTSUPP &&
				 error != ESOCKTNOSUPPORT && error != EPROTONOSUPPORT))
		return false;
	if (v->type == SOCK_STREAM)
		return false;
	v->type = v->type == SOCK_DGRAM ? SOCK_SEQPACKET : SOCK_STREAM;
	return true;
}

static bool is_passing(int error) {
	return error == EAGAIN || error == ECONNREFUSED || error == ECONNRESET || error == EPIPE ||
	       error == ETIMEDOUT || error == ENOTCONN || error == ENOBUFS || error == ENOMEM ||
	       error == EHOSTUNREACH || error == ENETUNREACH;
}

/* What a failed connection means: 1 try the next type, 0 again soon, else -@error. */
static int on_failed(struct notify_vsock *v, int error) {
	close_connection(v);
	if (try_next_type(v, error))
		return 1;
	return is_passing(error) ? 0 : -error;
}

/*
 * A host may ask for a port below 1024 as proof that the sender is privileged, as systemd's own
 * sender gives it.  Each connection gets another one: the kernel of a reader that takes its time
 * ends a connection of ours a second time when he closes his side, and by then that would be the
 * next one from the same port.
 */
static void bind_privileged(struct notify_vsock *v) {
	struct sockaddr_vm own = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY};

	for (unsigned n = 0; n <= PORT_LAST - PORT_FIRST; n++) {
		v->port = v->port <= PORT_FIRST || v->port > PORT_LAST ? PORT_LAST : v->port - 1;
		own.svm_port = v->port;
		if (bind(v->fd, (struct sockaddr *)&own, sizeof(own)) == 0 || errno != EADDRINUSE)
			return;
	}
}

/* Returns 1 where connected, 0 where that goes on, or a negative errno. */
static int begin(struct notify_vsock *v, const struct sockaddr_storage *address,
		 socklen_t address_length) {
	int r;

	for (;;) {
		v->fd = socket(AF_VSOCK, v->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (v->fd >= 0) {
			bind_privileged(v);
			if (connect(v->fd, (const struct sockaddr *)address, address_length) == 0) {
				v->is_ready = true;
				return 1;
			}
			if (errno == EINPROGRESS || errno == EINTR)
				return 0;
		}
		r = on_failed(v, errno);
		if (r <= 0)
			return r;
	}
}

/* The same for a connection that was begun before. */
static int go_on(struct notify_vsock *v, const struct sockaddr_storage *address,
		 socklen_t address_length) {
	struct pollfd p = {.fd = v->fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0, r;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	if (getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error == 0) {
		v->is_ready = true;
		return 1;
	}
	r = on_failed(v, error);
	return r == 1 ? begin(v, address, address_length) : r;
}

int notify_vsock_send(struct notify_vsock *v, const struct sockaddr_storage *address,
		      socklen_t address_length, const void *data, size_t length) {
	ssize_t n;
	int r = 1, error;

	if (v->fd < 0)
		r = begin(v, address, address_length);
	else if (!v->is_ready)
		r = go_on(v, address, address_length);
	if (r <= 0)
		return r;

	do
		n = send(v->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	error = errno;
	if (n < 0 && error == EAGAIN)
		return 0;
	/* A fresh stream takes a message whole.  Where it did not, a new connection gets all of it.
	 */
	if (n >= 0 && (size_t)n < length) {
		close_connection(v);
		return 0;
	}
	if (n < 0) {
		close_connection(v);
		return is_passing(error) ? 0 : -error;
	}
	/* The end of the connection is the end of the message. */
	(void)shutdown(v->fd, SHUT_WR);
	close_connection(v);
	return 1;
}

void notify_vsock_done(struct notify_vsock *v) {
	close_connection(v);
}
