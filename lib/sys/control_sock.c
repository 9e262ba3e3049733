/* SPDX-License-Identifier: MIT */
/*
 * The folder is everybody's (1777, as /tmp), so that services of any user can be asked there; what
 * stands in it is not believed.  The socket is made ready under a name that nobody looks for (with
 * a dot in front) and then renamed, so that whoever finds it can connect.
 *
 * A socket that refuses (ECONNREFUSED) was left behind by an instance that died, and its name is
 * taken: the two names are exchanged (RENAME_EXCHANGE, rename(2)) and what came back is looked at
 * once more, because another instance of that label may have done the same meanwhile.
 */
#include "sys/control_sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/folder.h"
#include "sys/peer_sock.h"

/* ".", ".PID" of the largest pid, and the slash before them. */
#define AROUND_NAME 10
#define BACKLOG 64

struct place {
	struct sockaddr_un address;
	struct stat st;
};

static int place_set(struct place *p, const char *folder, const char *format, ...)
	printf_like(3, 4);

static int place_set(struct place *p, const char *folder, const char *format, ...) {
	struct text t;
	va_list arguments;

	*p = (struct place){.address.sun_family = AF_UNIX};
	t = TEXT_OVER(p->address.sun_path);
	text_addf(&t, "%s/", folder);
	va_start(arguments, format);
	text_addv(&t, format, arguments);
	va_end(arguments);
	return t.is_cut ? -ENAMETOOLONG : 0;
}

/* The label as a file name; what is too long for a socket's address is cut. */
static int name_of(char *name, size_t size, const char *folder, const char *label) {
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789:_.@-";
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1, length = 0;
	size_t taken = strlen(folder) + AROUND_NAME;

	if (taken >= most)
		return -ENAMETOOLONG;
	most = MIN(most - taken, size - 1);
	for (; length < most && label[length] != '\0'; length++)
		name[length] = strchr(allowed, label[length]) ? label[length] : '_';
	name[length] = '\0';
	if (name[0] == '.')
		name[0] = '_';
	return length == 0 ? -EINVAL : 0;
}

/* Modes are set as things are made, by the umask: a chmod(2) by name might follow a link. */
static int make_folder(const char *folder, mode_t mode) {
	mode_t before = umask(0);
	int r = mkdir(folder, mode) < 0 ? -errno : 0;
	struct stat st;

	(void)umask(before);
	if (r != -EEXIST)
		return r;
	if (stat(folder, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return folder_is_trusted(&st) ? 0 : -EPERM;
}

static int bind_to(int fd, const struct sockaddr_un *address) {
	mode_t before = umask(0111);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	(void)umask(before);
	return r;
}

/* Ready but for its name. */
static int make(struct control_sock *c, struct place *p) {
	const char *path = p->address.sun_path;
	int r;

	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return -errno;
	r = bind_to(c->fd, &p->address);
	if (r == -EADDRINUSE) {
		/* Of a process with our pid, which died at this point. */
		(void)unlink(path);
		r = bind_to(c->fd, &p->address);
	}
	if (r < 0)
		return r;
	if (lstat(path, &p->st) < 0 || listen(c->fd, BACKLOG) < 0) {
		r = -errno;
		(void)unlink(path);
	}
	return r;
}

/* True where nobody listens at the socket there any more. */
static bool is_stale(const struct place *p) {
	bool is_refused;
	struct stat st;
	int fd;

	if (lstat(p->address.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	is_refused = connect(fd, (const struct sockaddr *)&p->address, sizeof(p->address)) < 0 &&
		     errno == ECONNREFUSED;
	/* Anybody may have put it there. */
	(void)peer_hang_up(fd);
	return is_refused;
}

/* Where a file system knows no flags of rename(2), as link(2) and unlink(2). */
static int rename_to_free(const char *old, const char *new) {
	if (renameat2(AT_FDCWD, old, AT_FDCWD, new, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(old, new) < 0)
		return -errno;
	(void)unlink(old);
	return 0;
}

/* Gives @from the name @to where that is free, or of a socket that nobody listens at. */
static int take_name(const struct place *from, const struct place *to) {
	const char *old = from->address.sun_path, *new = to->address.sun_path;
	int r = rename_to_free(old, new);

	if (r != -EEXIST)
		return r;
	if (!is_stale(to))
		return -EEXIST;
	if (renameat2(AT_FDCWD, old, AT_FDCWD, new, RENAME_EXCHANGE) < 0)
		return -errno;
	if (!is_stale(from)) {
		(void)renameat2(AT_FDCWD, old, AT_FDCWD, new, RENAME_EXCHANGE);
		return -EEXIST;
	}
	(void)unlink(old);
	return 0;
}

static int take_either_name(const struct place *hidden, const char *folder, const char *name,
			    struct place *ret) {
	int r = place_set(ret, folder, "%s", name);

	if (r == 0)
		r = take_name(hidden, ret);
	if (r == 0 || place_set(ret, folder, "%s.%d", name, getpid()) < 0)
		return r;
	return take_name(hidden, ret);
}

int control_sock_open_in(struct control_sock *c, const char *folder, mode_t mode, const char *label,
			 struct text *error) {
	char name[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct place hidden, place;
	int r;

	*c = (struct control_sock){.fd = -1};
	r = make_folder(folder, mode);
	if (r == 0)
		r = name_of(name, sizeof(name), folder, label);
	if (r == 0)
		r = place_set(&hidden, folder, ".%s.%d", name, getpid());
	if (r == 0)
		r = make(c, &hidden);
	if (r == 0) {
		r = take_either_name(&hidden, folder, name, &place);
		if (r < 0)
			(void)unlink(hidden.address.sun_path);
	}
	if (r == 0) {
		c->device = hidden.st.st_dev;
		c->inode = hidden.st.st_ino;
		c->path = strdup(place.address.sun_path);
		if (!c->path) {
			(void)unlink(place.address.sun_path);
			r = -ENOMEM;
		}
	}
	if (r < 0) {
		control_sock_close(c);
		text_addf(error, "%s: %s", folder,
			  r == -EPERM ? "other users may change what is in it" : strerror(-r));
	}
	return r;
}

/* That of another user is none of ours: su(1) and sudo(8) may have left it in the environment. */
static const char *own_runtime_folder(void) {
	const char *user = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (!user || user[0] != '/')
		return NULL;
	return stat(user, &st) == 0 && S_ISDIR(st.st_mode) && !folder_is_trusted(&st) ? NULL : user;
}

int control_sock_open(struct control_sock *c, const char *label, struct text *error) {
	const char *user = own_runtime_folder();
	char *folder;
	int r;

	if (!user)
		return control_sock_open_in(c, "/run/sdwd", 01777, label, error);
	if (asprintf(&folder, "%s/sdwd", user) < 0) {
		*c = (struct control_sock){.fd = -1};
		text_add(error, strerror(ENOMEM));
		return -ENOMEM;
	}
	r = control_sock_open_in(c, folder, 0700, label, error);
	free(folder);
	return r;
}

int control_sock_accept(const struct control_sock *c, struct control_peer *ret) {
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
		int r = -errno;

		(void)peer_hang_up(fd);
		return r;
	}
	*ret = (struct control_peer){.pid = peer.pid, .uid = peer.uid};
	return fd;
}

void control_sock_unlink(struct control_sock *c) {
	struct stat st;

	/* As long as the socket is open its inode is no other file's. */
	if (c->path && lstat(c->path, &st) == 0 && st.st_dev == c->device && st.st_ino == c->inode)
		(void)unlink(c->path);
	free(c->path);
	c->path = NULL;
}

void control_sock_close(struct control_sock *c) {
	control_sock_unlink(c);
	/* Zeroed, it was never opened: fd 0 is not ours. */
	if (c->fd > 0)
		fd_close(c->fd);
	c->fd = -1;
}
