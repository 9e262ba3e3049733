/* SPDX-License-Identifier: MIT */
/*
 * A manager that is busy has a full queue (EAGAIN); one that re-executes has, for a moment, no
 * socket at its address (ENOENT) or one that nobody holds (ECONNREFUSED).  All of this passes, so
 * the message waits.  The socket is never connected: the address is looked up for each message, and
 * so a new manager behind the same address gets the next one.
 */
#include "sys/notifier.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "sys/notify_address.h"

struct notifier_entry {
	struct notifier_entry *next;
	unsigned token;
	bool is_status; /* STATUS= and nothing else: the next one says more */
	size_t length;
	size_t n_fds;
	int *fds;    /* copies, behind data */
	char data[]; /* rounded up to the alignment of fds */
};

int notifier_open(struct notifier *n, const char *address) {
	int type, r;

	*n = (struct notifier){.fd = -1};
	notify_vsock_init(&n->vsock, 0);
	if (!address)
		return 0;

	r = notify_address_parse(address, &n->address, &n->address_length, &type);
	if (r < 0)
		return r;
	if (n->address.ss_family == AF_VSOCK) {
		notify_vsock_init(&n->vsock, type);
	} else {
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (n->fd < 0)
			return -errno;
	}
	n->is_open = true;
	return 0;
}

bool notifier_is_open(const struct notifier *n) {
	return n->is_open;
}

static bool is_passing(int error) {
	/* ETOOMANYREFS: too many fds under way in messages that nobody has read yet (unix(7)). */
	return error == EAGAIN || error == ECONNREFUSED || error == ENOENT || error == ENOBUFS ||
	       error == ENOMEM || error == ETOOMANYREFS;
}

/*
 * Returns 1 sent, 0 again soon (see error), or a negative errno.  What has a @token is well-formed,
 * so nothing that is said against it is final: a policy that forbids it (EACCES) can be mended.
 */
static int send_now(struct notifier *n, const char *data, size_t length, const int *fds,
		    size_t n_fds, unsigned token) {
	union {
		struct cmsghdr header; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int) * NOTIFIER_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = (char *)data, .iov_len = length};
	struct msghdr message = {
		.msg_name = &n->address,
		.msg_namelen = n->address_length,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	ssize_t sent;

	if (n->address.ss_family == AF_VSOCK) {
		int r = n_fds > 0 ? -EOPNOTSUPP
				  : notify_vsock_send(&n->vsock, &n->address, n->address_length,
						      data, length);

		if (r < 0 && token != 0) {
			n->error = -r;
			return 0;
		}
		n->error = r == 0 ? EAGAIN : 0;
		return r;
	}
	if (n_fds > 0) {
		struct cmsghdr *header;

		memset(&control, 0, CMSG_SPACE(sizeof(int) * n_fds));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(header), fds, sizeof(int) * n_fds);
	}
	do
		sent = sendmsg(n->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	n->error = sent < 0 && (token != 0 || is_passing(errno)) ? errno : 0;
	if (sent >= 0)
		return 1;
	return n->error != 0 ? 0 : -errno;
}

static void entry_free(const struct notifier *n, struct notifier_entry *e) {
	for (size_t i = 0; i < e->n_fds; i++)
		if (n->on_fd)
			n->on_fd(n->context, e->fds[i]);
		else
			fd_close(e->fds[i]);
	free(e);
}

static struct notifier_entry *entry_new(const struct notifier *n, const char *data, size_t length,
					const int *fds, size_t n_fds, unsigned token) {
	size_t fds_at = (length + sizeof(int) - 1) / sizeof(int) * sizeof(int);
	struct notifier_entry *e = malloc(sizeof(*e) + fds_at + n_fds * sizeof(int));
	struct notify_msg m;

	if (!e)
		return NULL;
	*e = (struct notifier_entry){.token = token, .length = length};
	e->fds = (int *)(void *)(e->data + fds_at);
	memcpy(e->data, data, length);
	for (; e->n_fds < n_fds; e->n_fds++) {
		int copy = fcntl(fds[e->n_fds], F_DUPFD_CLOEXEC, 3);

		if (copy < 0) {
			int saved = errno;

			entry_free(n, e);
			errno = saved;
			return NULL;
		}
		e->fds[e->n_fds] = copy;
	}
	e->is_status = token == 0 && n_fds == 0 && notify_msg_parse(&m, data, length) == 0 &&
		       m.fields == NOTIFY_STATUS;
	return e;
}

/* Takes the entry behind @before (NULL: the first) out of the queue; the caller frees it. */
static struct notifier_entry *unlink_after(struct notifier *n, struct notifier_entry *before) {
	struct notifier_entry **link = before ? &before->next : &n->head, *e = *link;

	*link = e->next;
	if (n->tail == e)
		n->tail = before;
	n->n_entries--;
	return e;
}

/* Makes room for one more. Returns 0, or -ENOBUFS where nothing may be given up. */
static int make_room(struct notifier *n) {
	struct notifier_entry *before = NULL;

	if (n->n_entries < NOTIFIER_QUEUE_MAX)
		return 0;
	for (struct notifier_entry *e = n->head; e; before = e, e = e->next)
		if (e->is_status) {
			entry_free(n, unlink_after(n, before));
			n->n_lost++;
			n->lost_error = ENOBUFS;
			return 0;
		}
	return -ENOBUFS;
}

static int enqueue(struct notifier *n, const char *data, size_t length, const int *fds,
		   size_t n_fds, unsigned token) {
	struct notifier_entry *e;
	int r;

	e = entry_new(n, data, length, fds, n_fds, token);
	if (!e)
		return -errno;
	r = make_room(n);
	if (r < 0) {
		entry_free(n, e);
		return r;
	}
	if (n->tail)
		n->tail->next = e;
	else
		n->head = e;
	n->tail = e;
	n->n_entries++;
	return 0;
}

int notifier_send(struct notifier *n, const char *data, size_t length, const int *fds, size_t n_fds,
		  unsigned token) {
	int r = 1;

	if (length == 0 || n_fds > NOTIFIER_FDS_MAX)
		return -EINVAL;
	if (length > NOTIFY_MSG_MAX)
		return -EMSGSIZE;

	if (n->is_open) {
		if (n->address.ss_family == AF_VSOCK && n_fds > 0)
			return -EOPNOTSUPP;
		r = notifier_flush(n) > 0 ? 0 : send_now(n, data, length, fds, n_fds, token);
	}
	if (r == 0)
		return enqueue(n, data, length, fds, n_fds, token);
	if (r == 1 && token != 0 && n->on_sent)
		n->on_sent(n->context, token);
	return r;
}

static bool has_token(const struct notifier *n) {
	for (const struct notifier_entry *e = n->head; e; e = e->next)
		if (e->token != 0)
			return true;
	return false;
}

int notifier_ping(struct notifier *n) {
	static const char ping[] = "WATCHDOG=1";

	if (!n->is_open)
		return 1;
	/* What waits would take the room that the manager has made. */
	if (has_token(n))
		notifier_flush(n);
	if (has_token(n))
		return 0;
	return send_now(n, ping, strlen(ping), NULL, 0, 0);
}

size_t notifier_flush(struct notifier *n) {
	while (n->head) {
		struct notifier_entry *e = n->head;
		unsigned token = e->token;
		int r;

		r = send_now(n, e->data, e->length, e->fds, e->n_fds, token);
		if (r == 0)
			break;
		entry_free(n, unlink_after(n, NULL));
		if (r < 0) {
			n->n_lost++;
			n->lost_error = -r;
		} else if (token != 0 && n->on_sent) {
			/* It may send: all is in order by now, and read anew afterwards. */
			n->on_sent(n->context, token);
		}
	}
	return n->n_entries;
}

void notifier_drop(struct notifier *n, unsigned token) {
	struct notifier_entry *before = NULL, *e = n->head;

	while (e) {
		struct notifier_entry *next = e->next;

		if (e->token == token)
			entry_free(n, unlink_after(n, before));
		else
			before = e;
		e = next;
	}
}

void notifier_close(struct notifier *n) {
	while (n->head)
		free(unlink_after(n, NULL));
	if (n->is_open) {
		n->fd = fd_close(n->fd);
		notify_vsock_done(&n->vsock);
	}
	n->is_open = false;
}

usec_t notifier_watchdog_usec(void) {
	const char *text = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
	uint64_t usec, pid;

	if (!text || text_parse_u64(text, 1, UINT64_MAX - 1, &usec) < 0)
		return 0;
	if (whose && (text_parse_u64(whose, 1, INT_MAX, &pid) < 0 || (pid_t)pid != getpid()))
		return 0;
	return usec;
}
