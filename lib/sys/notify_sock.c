/* SPDX-License-Identifier: MIT */
/*
 * Where sdwd is root the child may be another user, so everybody may write to the socket, but only
 * whoever knows its name can: the folder lets others pass and shows them nothing, and the name is
 * given after bind(2), whose name /proc/net/unix shows to all.  The child reads it in its
 * environment.  Else everybody could hold sdwd up: by a flood, or by what a message brings along.
 */
#include "sys/notify_sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/folder.h"
#include "sys/notify_sweep.h"

/* What the manager gives its own socket. */
#define RECEIVE_BUFFER (8 * 1024 * 1024)

/*
 * What is old in /tmp is removed: systemd-tmpfiles(8) spares a socket that somebody listens at, but
 * not in the /tmp of a unit (PrivateTmp=, DynamicUser=), where the kernel knows it by another path.
 * A folder with a lock of flock(2) it leaves alone (systemd.io, TEMPORARY_DIRECTORIES).
 */
static void lock_folder(struct notify_sock *s) {
	s->lock = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock >= 0)
		(void)flock(s->lock, LOCK_SH | LOCK_NB);
}

/* Of a secret name, with its NUL: 72 bits. */
#define NAME_SIZE 13

/* Nobody can try so many names. */
static int random_name(char name[static NAME_SIZE]) {
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char bytes[NAME_SIZE - 1];

	if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != sizeof(bytes))
		return -EAGAIN;
	for (size_t i = 0; i < sizeof(bytes); i++)
		name[i] = digits[bytes[i] & 63];
	name[sizeof(bytes)] = '\0';
	return 0;
}

/* May the socket be in @place? Others must be able to pass where we are root, and never to put
 * something of theirs in the place of what we make. */
static int check_place(const char *place, bool is_root) {
	struct stat st;

	if (place[0] != '/')
		return -EINVAL;
	if (stat(place, &st) < 0)
		return -errno;
	if (!folder_is_trusted(&st))
		return -EPERM;
	return is_root && !(st.st_mode & S_IXOTH) ? -EACCES : 0;
}

/* By a fd: no link is followed to what is not ours. */
static int let_others_pass(const char *folder) {
	cleanup(fd_closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid())
		return -EPERM;
	return fchmod(fd, 0711) < 0 ? -errno : 0;
}

/* Binds the socket to @folder/notify. Its mode comes with it: no chmod(2) by name. */
static int bind_at(const struct notify_sock *s, const char *folder, mode_t mask,
		   struct sockaddr_un *ret) {
	mode_t before = umask(mask);
	int r = 0;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/notify", folder);
	if (bind(s->fd, (struct sockaddr *)ret, sizeof(*ret)) < 0)
		r = -errno;
	(void)umask(before);
	return r;
}

/* What of the socket has a name. The fd stays. */
static void remove_folder(struct notify_sock *s) {
	if (s->folder && s->path)
		(void)unlink(s->path);
	if (s->folder)
		(void)rmdir(s->folder);
	/* While it is locked nobody else removes it. */
	if (s->lock > 0)
		fd_close(s->lock);
	s->lock = -1;
	free(s->path);
	free(s->folder);
	s->path = s->folder = NULL;
}

/* A folder of a random name in @place, ours alone, for a socket of that name. */
static int make_folder(struct notify_sock *s, const char *place, const char *name) {
	char *path = NULL, *folder = NULL;
	mode_t before = umask(077);
	int r = 0;

	if (asprintf(&folder, "%s/" NOTIFY_FOLDER, place) < 0) {
		folder = NULL;
		r = -ENOMEM;
	} else if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		r = -ENOMEM;
	} else if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		r = -ENAMETOOLONG;
	} else if (!mkdtemp(folder)) {
		r = -errno;
	}
	(void)umask(before);
	if (r < 0) {
		free(folder);
		free(path);
		return r;
	}
	memcpy(path, folder, strlen(folder));
	s->path = path;
	s->folder = folder;
	return 0;
}

/* A folder of a random name in @place with the socket in it. Returns 0 or a negative errno. */
static int bind_in(struct notify_sock *s, const char *place) {
	bool is_root = geteuid() == 0;
	char name[NAME_SIZE] = "notify";
	struct sockaddr_un address;
	int r = check_place(place, is_root);

	if (r == 0 && is_root)
		r = random_name(name);
	if (r < 0)
		return r;
	notify_sweep(place);
	r = make_folder(s, place, name);
	if (r < 0)
		return r;
	/* Before there is a socket in it: one without a lock is not in use (notify_sweep()). */
	lock_folder(s);
	r = bind_at(s, s->folder, is_root ? 0111 : 0177, &address);
	if (r < 0) {
		remove_folder(s);
		return r;
	}
	if (!is_root)
		return 0;
	if (rename(address.sun_path, s->path) < 0) {
		r = -errno;
		(void)unlink(address.sun_path);
	} else {
		r = let_others_pass(s->folder);
	}
	/* The fd is bound for good: no other place can follow. */
	if (r < 0)
		notify_sock_close(s);
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

/* Nobody has sent anything yet. */
static void give_back(struct notify_sock *s) {
	s->fd = fd_close(s->fd);
	remove_folder(s);
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
		give_back(s);
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
		give_back(s);
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

bool notify_sock_has_more(const struct notify_sock *s) {
	struct pollfd p = {.fd = s->fd, .events = POLLIN};

	return poll(&p, 1, 0) != 0;
}

/*
 * Whoever closes a socket last waits for what it did not send yet, as long as SO_LINGER says
 * (socket(7)), O_NONBLOCK or not; and with a Unix socket go those in its queue, of which nobody
 * knows. It may be the sender's still, so no option of it is touched.
 */
static bool may_hold_us(int fd) {
	struct linger linger = {0};
	socklen_t size = sizeof(int);
	int family;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
		return false;
	size = sizeof(linger);
	return family == AF_UNIX ||
	       (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff);
}

bool notify_fd_close(int fd) {
	if (may_hold_us(fd))
		return false;
	fd_close(fd);
	return true;
}

void notify_datagram_done(struct notify_datagram *d) {
	size_t n_left = 0;

	for (size_t i = 0; i < d->n_fds; i++)
		if (!notify_fd_close(d->fds[i]))
			d->fds[n_left++] = d->fds[i];
	d->n_fds = n_left;
}

void notify_sock_close(struct notify_sock *s) {
	/* Zeroed, it was never opened: fd 0 is not ours. */
	if (s->fd > 0)
		(void)shutdown(s->fd, SHUT_RDWR);
	s->fd = -1;
	remove_folder(s);
}
