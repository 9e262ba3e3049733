/* SPDX-License-Identifier: MIT */
#include "sys/peer_sock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"

ssize_t peer_recv(int fd, void *buffer, size_t size) {
	struct iovec iov = {.iov_base = buffer, .iov_len = size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	int yes = 1;
	ssize_t n;

	/* A byte sent with MSG_OOB stays among the others: else it is not seen, but given up with
	 * what came along with it as the next ones are taken. */
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof(yes));
	n = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT);
	if (n <= 0)
		return n;
	/* There was no room for control data. */
	if (message.msg_flags & MSG_CTRUNC) {
		errno = EBADMSG;
		return -1;
	}
	/* No more than was seen. */
	return recv(fd, buffer, (size_t)n, MSG_DONTWAIT);
}

bool peer_hang_up(int fd) {
	char rest[4096];
	int unread;

	/* From here on nothing more comes. */
	(void)shutdown(fd, SHUT_RDWR);
	while (peer_recv(fd, rest, sizeof(rest)) > 0)
		;
	if (ioctl(fd, SIOCINQ, &unread) < 0 || unread > 0)
		return false;
	fd_close(fd);
	return true;
}
