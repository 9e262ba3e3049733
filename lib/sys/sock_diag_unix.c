/* SPDX-License-Identifier: MIT */
/*
 * Connections that wait at a Unix socket are not shown, as they have no inode.  But the listener
 * tells the inodes of the clients that wait, in their order, 0 for one that has closed; and only
 * accept(2) takes one out, in front.  So a connection is known by its client's inode and its place:
 * as long as nothing is accepted, both stay.
 */
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "sys/sock_diag.h"

/* One socket of an answer. */
struct answer {
	struct unix_diag_msg head;
	const char *name;
	size_t name_length;
	struct unix_diag_vfs file;
	bool has_file;
	const char *clients; /* uint32_t each, not aligned */
	size_t n_clients;
	uint32_t n_queued;
};

/*
 * How sure it is that a listener is the one.  A name alone may be that of a listener whose file was
 * replaced, or of one in a mount namespace of somebody else's; so where one is bound to the very
 * file that is at the path now, others do not count.
 */
enum match { MATCH_NONE, MATCH_NAME, MATCH_FILE, MATCH_MAX };

struct search {
	const struct sockaddr_un *address;
	size_t name_length;
	bool has_file;
	struct stat file;
	size_t n_listeners[MATCH_MAX];
	uint64_t n_queued[MATCH_MAX];
	enum match wanted;          /* whose clients are to be taken */
	struct accept_queue *queue; /* NULL: listeners are only counted */
};

static void take_attribute(struct answer *a, unsigned type, const char *data, size_t size) {
	switch (type) {
	case UNIX_DIAG_NAME:
		a->name = data;
		a->name_length = size;
		break;
	case UNIX_DIAG_VFS:
		a->has_file = size >= sizeof(a->file);
		if (a->has_file)
			memcpy(&a->file, data, sizeof(a->file));
		break;
	case UNIX_DIAG_ICONS:
		a->clients = data;
		a->n_clients = size / sizeof(uint32_t);
		break;
	case UNIX_DIAG_RQLEN:
		/* struct unix_diag_rqlen: the first of its two numbers. */
		if (size >= sizeof(a->n_queued))
			memcpy(&a->n_queued, data, sizeof(a->n_queued));
		break;
	default:
		break;
	}
}

static bool read_answer(struct answer *ret, const char *data, size_t size) {
	size_t at = NLMSG_ALIGN(sizeof(ret->head));

	*ret = (struct answer){0};
	if (size < at)
		return false;
	memcpy(&ret->head, data, sizeof(ret->head));
	while (at + NLA_HDRLEN <= size) {
		struct nlattr head;

		memcpy(&head, data + at, sizeof(head));
		if (head.nla_len < NLA_HDRLEN || at + head.nla_len > size)
			break;
		take_attribute(ret, head.nla_type, data + at + NLA_HDRLEN,
			       head.nla_len - NLA_HDRLEN);
		at += NLA_ALIGN(head.nla_len);
	}
	return true;
}

static enum match match(const struct search *s, const struct answer *a) {
	bool has_name = a->name && a->name_length == s->name_length &&
			memcmp(a->name, s->address->sun_path, s->name_length) == 0;
	/* The kernel's own form of a device's number. */
	uint32_t device = major(s->file.st_dev) << 20 | minor(s->file.st_dev);

	/* Some file systems (btrfs) tell stat(2) another device: then the name must be the same. */
	if (s->has_file && a->has_file && a->file.udiag_vfs_ino == (uint32_t)s->file.st_ino &&
	    (has_name || a->file.udiag_vfs_dev == device))
		return MATCH_FILE;
	return has_name ? MATCH_NAME : MATCH_NONE;
}

static void on_answer(void *context, const void *data, size_t size) {
	struct search *s = context;
	enum match found;
	struct answer a;

	if (!read_answer(&a, data, size))
		return;
	found = match(s, &a);
	if (!s->queue) {
		s->n_listeners[found]++;
		s->n_queued[found] += a.n_queued;
		return;
	}
	for (size_t i = 0; found == s->wanted && i < a.n_clients; i++) {
		uint32_t inode;

		memcpy(&inode, a.clients + i * sizeof(inode), sizeof(inode));
		if (inode != 0)
			accept_queue_add_connection(s->queue, (uint64_t)i << 32 | inode);
	}
}

static int ask(int fd, uint32_t show, struct search *s) {
	const struct unix_diag_req body = {
		.sdiag_family = AF_UNIX,
		.udiag_states = 1U << TCP_LISTEN,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | show,
		.udiag_cookie = {UINT32_MAX, UINT32_MAX},
	};

	return sock_diag_ask(fd, &body, sizeof(body), SOCK_DIAG_REPLIES, on_answer, s);
}

int sock_diag_unix(const struct sockaddr_un *address, socklen_t length,
		   struct accept_queue queues[static 1]) {
	cleanup(fd_closep) int fd = sock_diag_open();
	struct search s = {
		.address = address,
		.name_length = length - offsetof(struct sockaddr_un, sun_path),
	};
	int r;

	if (fd < 0)
		return fd;
	s.has_file = address->sun_path[0] != '\0' && stat(address->sun_path, &s.file) == 0;
	r = ask(fd, UDIAG_SHOW_RQLEN, &s);
	if (r != 0)
		return MIN(r, 0);
	s.wanted = s.n_listeners[MATCH_FILE] > 0 ? MATCH_FILE : MATCH_NAME;
	for (size_t i = 0; i < s.n_listeners[s.wanted]; i++)
		accept_queue_add_listener(&queues[0]);
	accept_queue_add_queued(&queues[0], s.n_queued[s.wanted]);
	if (s.n_queued[s.wanted] == 0)
		return 0;
	/* Second, and on the same fd: by now the kernel makes messages large enough for a long
	 * list. */
	s.queue = &queues[0];
	r = ask(fd, UDIAG_SHOW_ICONS, &s);
	return MIN(r, 0);
}
