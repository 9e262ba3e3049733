/* SPDX-License-Identifier: MIT */
/*
 * The question and its answer, which comes in several messages (netlink(7)).  Who asks opens an fd
 * for each sample: what is left of an answer that was not read to its end goes with it.
 */
#include "sys/sock_diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/fd.h"

/* As much as the kernel gives at once: it makes its messages as large as the buffer. */
#define REPLY_MAX 32768

int sock_diag_open(void) {
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	return fd < 0 ? -errno : fd;
}

static int send_question(int fd, const void *body, size_t size) {
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct nlmsghdr head = {
		.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + size),
		.nlmsg_type = SOCK_DIAG_BY_FAMILY,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
	};
	struct iovec parts[2] = {{&head, sizeof(head)}, {(void *)body, size}};
	struct msghdr message = {.msg_name = &kernel,
				 .msg_namelen = sizeof(kernel),
				 .msg_iov = parts,
				 .msg_iovlen = 2};

	return sendmsg(fd, &message, 0) < 0 ? -errno : 0;
}

/* One reply with its messages. Returns 1 where more follow, 0 at the end, or a negative errno. */
static int take_reply(const char *reply, size_t length, sock_diag_answer_t *on_answer,
		      void *context) {
	struct nlmsghdr head;

	for (size_t at = 0; at + NLMSG_HDRLEN <= length; at += NLMSG_ALIGN(head.nlmsg_len)) {
		const char *data = reply + at + NLMSG_HDRLEN;
		int error = 0;

		memcpy(&head, reply + at, sizeof(head));
		if (head.nlmsg_len < NLMSG_HDRLEN || at + head.nlmsg_len > length)
			return -EBADMSG;
		if (head.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
			on_answer(context, data, head.nlmsg_len - NLMSG_HDRLEN);
			continue;
		}
		if (head.nlmsg_type != NLMSG_DONE && head.nlmsg_type != NLMSG_ERROR)
			continue;
		/* Both begin with an int: 0 or a negative errno. */
		if (head.nlmsg_len >= NLMSG_HDRLEN + sizeof(error))
			memcpy(&error, data, sizeof(error));
		return MIN(error, 0);
	}
	return 1;
}

int sock_diag_ask(int fd, const void *body, size_t size, unsigned n_replies,
		  sock_diag_answer_t *on_answer, void *context) {
	_Alignas(struct nlmsghdr) char reply[REPLY_MAX];
	int r = send_question(fd, body, size);

	if (r < 0)
		return r;
	for (unsigned n = 0; n < n_replies; n++) {
		ssize_t length = recv(fd, reply, sizeof(reply), MSG_TRUNC);

		if (length < 0)
			return -errno;
		if ((size_t)length > sizeof(reply))
			return -EMSGSIZE;
		r = take_reply(reply, (size_t)length, on_answer, context);
		if (r <= 0)
			return r;
	}
	return SOCK_DIAG_CUT;
}

static void ignore(void *context, const void *data, size_t size) {
}

int sock_diag_check(int family) {
	const struct inet_diag_req_v2 inet = {
		.sdiag_family = (uint8_t)family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = 1U << TCP_LISTEN,
	};
	const struct unix_diag_req local = {
		.sdiag_family = AF_UNIX,
		.udiag_states = 1U << TCP_LISTEN,
	};
	cleanup(fd_closep) int fd = sock_diag_open();
	bool is_unix = family == AF_UNIX;
	int r;

	if (fd < 0)
		return fd;
	r = sock_diag_ask(fd, is_unix ? (const void *)&local : &inet,
			  is_unix ? sizeof(local) : sizeof(inet), 1, ignore, NULL);
	return MIN(r, 0);
}
