/* SPDX-License-Identifier: MIT */
#include "sys/notify_sock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

/* What the manager gives its own socket. */
#define RECEIVE_BUFFER (8 * 1024 * 1024)

/* A folder of a random name in @place with the socket in it. Returns 0 or a negative errno. */
static int bind_in(struct notify_sock *s, const char *place) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	bool is_root = geteuid() == 0;
	char *folder, *path = NULL;
	struct stat st;
	int r;

	if (place[0] != '/')
		return -EINVAL;
	if (stat(place, &st) < 0)
		return -errno;
	if (is_root && !(st.st_mode & S_IXOTH))
		return -EACCES;

	if (asprintf(&folder, "%s/sdwd-XXXXXX", place) < 0)
		return -ENOMEM;
	if (strlen(folder) + strlen("/notify") >= sizeof(address.sun_path)) {
		free(folder);
		return -ENAMETOOLONG;
	}
	if (!mkdtemp(folder)) {
		r = -errno;
		free(folder);
		return r;
	}
	if (asprintf(&path, "%s/notify", folder) < 0) {
		path = NULL;
		r = -ENOMEM;
		goto fail;
	}
	/* The umask had its say in the folder, and has it in the socket: set both. */
	if (chmod(folder, 0700) < 0) {
		r = -errno;
		goto fail;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (bind(s->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		goto fail;
	}
	if (chmod(path, is_root ? 0666 : 0600) < 0 || (is_root && chmod(folder, 0711) < 0)) {
		r = -errno;
		/* The fd is bound for good: no other place can follow. */
		s->path = path;
		s->folder = folder;
		notify_sock_close(s);
		return r;
	}
	s->path = path;
	s->folder = folder;
	return 0;

fail:
	(void)rmdir(folder);
	free(folder);
	free(path);
	return r;
}

/* A name of the kernel's choice (autobind, unix(7)). */
static int bind_abstract(struct notify_sock *s) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(address);

	if (bind(s->fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    getsockname(s->fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	if (asprintf(&s->path, "@%.*s", (int)(size - offsetof(struct sockaddr_un, sun_path) - 1),
		     address.sun_path + 1) < 0) {
		s->path = NULL;
		return -ENOMEM;
	}
	return 0;
}

int notify_sock_open_in(struct notify_sock *s, const char *const *places) {
	int on = 1, size = RECEIVE_BUFFER, r;

	*s = (struct notify_sock){.fd = -1};
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	/* Before bind(2): credentials are put on a message as it is sent. */
	if (setsockopt(s->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0) {
		r = -errno;
		notify_sock_close(s);
		return r;
	}
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));

	for (; *places; places++) {
		r = bind_in(s, *places);
		if (r == 0 || s->fd < 0)
			return r;
	}
	r = bind_abstract(s);
	if (r < 0)
		notify_sock_close(s);
	return r;
}

int notify_sock_open(struct notify_sock *s) {
	const char *own = getenv("RUNTIME_DIRECTORY"), *user = getenv("XDG_RUNTIME_DIR");
	const char *places[5];
	char *first = NULL;
	size_t n = 0;
	int r;

	if (own) {
		/* systemd.exec(5): several are parted by colons. */
		first = strndup(own, strcspn(own, ":"));
		if (!first)
			return -ENOMEM;
		places[n++] = first;
	}
	places[n++] = "/run/sdwd";
	if (user)
		places[n++] = user;
	places[n++] = "/tmp";
	places[n] = NULL;
	r = notify_sock_open_in(s, places);
	free(first);
	return r;
}

/* Takes credentials and fds out of @message. False where credentials are missing. */
static bool take_control(struct notify_datagram *d, struct msghdr *message) {
	bool has_credentials = false;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t length = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			d->n_fds = MIN(length / sizeof(int), ARRAY_SIZE(d->fds));
			memcpy(d->fds, CMSG_DATA(c), d->n_fds * sizeof(int));
		} else if (c->cmsg_type == SCM_CREDENTIALS && length == sizeof(struct ucred)) {
			struct ucred sender;

			memcpy(&sender, CMSG_DATA(c), sizeof(sender));
			d->pid = sender.pid;
			d->uid = sender.uid;
			/* 0: a process that our pid namespace does not show. */
			has_credentials = sender.pid > 0;
		}
	}
	return has_credentials;
}

int notify_sock_receive(struct notify_sock *s, struct notify_datagram *d) {
	union {
		struct cmsghdr header; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(sizeof(int) * NOTIFY_DATAGRAM_FDS_MAX)];
	} control;
	/* One byte less than the buffer: a longer message is cut, and so told from one that fits.
	 */
	struct iovec iov = {.iov_base = d->data, .iov_len = NOTIFY_MSG_MAX};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	bool has_credentials;
	ssize_t n;

	d->length = d->n_fds = 0;
	d->pid = 0;
	d->uid = (uid_t)-1;
	do
		n = recvmsg(s->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;

	has_credentials = take_control(d, &message);
	if (!has_credentials || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    (n > 1 && memchr(d->data, '\0', (size_t)n - 1))) {
		notify_datagram_done(d);
		return -EBADMSG;
	}
	if (n > 0 && d->data[n - 1] == '\0')
		n--;
	d->data[n] = '\0';
	d->length = (size_t)n;
	return 1;
}

void notify_datagram_done(struct notify_datagram *d) {
	for (size_t i = 0; i < d->n_fds; i++)
		fd_close(d->fds[i]);
	d->n_fds = 0;
}

void notify_sock_close(struct notify_sock *s) {
	/* Zeroed, it was never opened: fd 0 is not ours. */
	if (s->fd > 0)
		fd_close(s->fd);
	s->fd = -1;
	if (s->folder && s->path) {
		(void)unlink(s->path);
		(void)rmdir(s->folder);
	}
	free(s->path);
	free(s->folder);
	s->path = s->folder = NULL;
}
