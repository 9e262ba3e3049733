/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int fd_close(int fd) {
	int saved = errno;

	/* Linux frees the number whatever close(2) says, EINTR included: never again. */
	if (fd >= 0)
		(void)close(fd);
	errno = saved;
	return -1;
}

void fd_closep(int *fd) {
	*fd = fd_close(*fd);
}

int fd_take(int *fd) {
	int taken = *fd;

	*fd = -1;
	return taken;
}

int fd_fill_standard(unsigned *ret_mask) {
	unsigned mask = 0;

	for (int n = 0; n <= 2; n++) {
		int fd;

		if (fcntl(n, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* open(2) gives the lowest free number, which is n: those below are open. */
		fd = open("/dev/null", n == 0 ? O_RDONLY : O_WRONLY);
		if (fd < 0)
			return -errno;
		assert(fd == n);
		mask |= 1U << n;
	}
	*ret_mask = mask;
	return 0;
}

int fd_write_all(int fd, const void *data, size_t size) {
	const char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

ptrdiff_t fd_read_all(int fd, void *buffer, size_t size) {
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, (char *)buffer + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ptrdiff_t)have;
}
