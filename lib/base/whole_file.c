/* SPDX-License-Identifier: MIT */
#include "base/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/usec.h"

#define FIRST_SIZE 4096

/* What was read so far; one byte of @size stays free for the NUL. */
struct whole {
	char *data;
	size_t length, size;
};

/* For those who have /dev/stdin or a shell's <(...): what may be opened without being held up. */
static int check_type(const char *path) {
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) ? 0 : -ENOTSUP;
}

/*
 * Waits until @fd has something or its end.  Of a FIFO that nobody has opened for writing yet
 * read(2) would tell the end; poll(2) does not (pipe(7)).
 */
static int wait_for_data(int fd, usec_t deadline_at) {
	for (;;) {
		usec_t left = usec_sub(deadline_at, usec_now());
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = poll(&p, 1, (int)((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC));

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (left == 0)
			return -ETIMEDOUT;
	}
}

static int make_room(struct whole *w) {
	size_t size = w->size > 0 ? w->size * 2 : FIRST_SIZE;
	char *data;

	if (w->length + 1 < w->size)
		return 0;
	data = realloc(w->data, size);
	if (!data)
		return -ENOMEM;
	w->data = data;
	w->size = size;
	return 0;
}

static int read_whole(struct whole *w, int fd, size_t limit, usec_t deadline_at) {
	for (;;) {
		ssize_t n;
		int r;

		r = make_room(w);
		if (r < 0)
			return r;
		r = wait_for_data(fd, deadline_at);
		if (r < 0)
			return r;
		n = read(fd, w->data + w->length, w->size - 1 - w->length);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n < 0)
			continue;
		w->length += (size_t)n;
		if (w->length > limit)
			return -EFBIG;
		if (n == 0)
			break;
	}
	w->data[w->length] = '\0';
	return 0;
}

static void explain(struct text *error, int code, size_t limit, usec_t patience_usec) {
	char duration[USEC_STR_MAX];

	if (code == -ENOTSUP)
		text_add(error, "is neither a file nor a pipe");
	else if (code == -EFBIG)
		text_addf(error, "is larger than %zu bytes", limit);
	else if (code == -ETIMEDOUT)
		text_addf(error, "the pipe did not come to its end within %s",
			  usec_str(duration, patience_usec));
	else
		text_add(error, strerror(-code));
}

int whole_file_read(const char *path, size_t limit, usec_t patience_usec, char **ret_data,
		    size_t *ret_length, struct text *error) {
	cleanup(fd_closep) int fd = -1;
	struct whole w = {0};
	int r = check_type(path);

	if (r == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		r = fd < 0 ? -errno
			   : read_whole(&w, fd, limit, usec_add(usec_now(), patience_usec));
	}
	if (r < 0) {
		free(w.data);
		explain(error, r, limit, patience_usec);
		return r;
	}
	*ret_data = w.data;
	*ret_length = w.length;
	return 0;
}
