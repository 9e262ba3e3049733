/* SPDX-License-Identifier: MIT */
/*
 * A listening socket's idiag_rqueue is the number of established connections that wait to be
 * accepted (of requests whose handshake is not over it says nothing).  Such a connection is a
 * socket of its own already, in state ESTABLISHED, or CLOSE_WAIT where the client has closed
 * meanwhile, and has no inode before accept(2) gives it one.  What is closed by the server has none
 * any more either, but is in another state.  A socket's cookie is never used again, so a connection
 * is known by that.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/fd.h"
#include "sys/sock_diag.h"

static void on_answer(void *context, const void *data, size_t size) {
	struct accept_queue *queue = context;
	struct inet_diag_msg m;

	if (size < sizeof(m))
		return;
	memcpy(&m, data, sizeof(m));
	if (m.idiag_state == TCP_LISTEN) {
		accept_queue_add_listener(queue);
		accept_queue_add_queued(queue, m.idiag_rqueue);
	} else if (m.idiag_inode == 0) {
		accept_queue_add_connection(queue, (uint64_t)m.id.idiag_cookie[1] << 32 |
							   m.id.idiag_cookie[0]);
	}
}

static int ask(int fd, int family, uint16_t port, uint32_t states, unsigned n_replies,
	       struct accept_queue *queue) {
	const struct inet_diag_req_v2 body = {
		.sdiag_family = (uint8_t)family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = states,
		.id = {.idiag_sport = htons(port),
		       .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
	};

	return sock_diag_ask(fd, &body, sizeof(body), n_replies, on_answer, queue);
}

static int sample(int fd, int family, uint16_t port, struct accept_queue *queue) {
	int r = ask(fd, family, port, 1U << TCP_LISTEN, SOCK_DIAG_REPLIES, queue);

	/* A kernel without IPv6. */
	if (r == -ENOENT && family == AF_INET6)
		return 0;
	if (r != 0 || accept_queue_now(queue)->n_queued == 0)
		return r;
	r = ask(fd, family, port, 1U << TCP_ESTABLISHED | 1U << TCP_CLOSE_WAIT,
		queue->is_second ? SOCK_DIAG_REPLIES : SOCK_DIAG_REPLIES * 3 / 4, queue);
	if (r == SOCK_DIAG_CUT)
		accept_queue_cut(queue);
	return MIN(r, 0);
}

int sock_diag_tcp(uint16_t port, struct accept_queue queues[static 2]) {
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		cleanup(fd_closep) int fd = sock_diag_open();
		int r = fd < 0 ? fd : sample(fd, families[i], port, &queues[i]);

		if (r < 0)
			return r;
	}
	return 0;
}
