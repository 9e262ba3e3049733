/* SPDX-License-Identifier: MIT */
/*
 * stderr's open file description is shared with the child and with whoever started us, and
 * O_NONBLOCK belongs to the description: setting it would break their writes.  A pipe, FIFO or
 * terminal is therefore opened anew through /proc, which makes a description of our own.  A socket
 * cannot be opened, but send(2) takes MSG_DONTWAIT.  A regular file never blocks for long, and its
 * offset must stay shared, or we would write over the child's lines.
 */
#include "sys/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "base/usec.h"
#include "sys/journal_native.h"

/* Prefix, identifier, label, colours and the line end, beside the message. */
#define LINE_MAX_BYTES (LOG_MESSAGE_MAX + 512)

/* The last words wait at most so long for journald to take them. */
#define CLOSE_TURNS 20
#define CLOSE_TURN_USEC (5 * USEC_PER_MSEC)

_Static_assert(LINE_MAX_BYTES <= PIPE_BUF, "a line must be written whole or not at all");

static bool stderr_is_journal(void) {
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat st;
	char rest;

	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64 "%c", &device, &inode, &rest) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* What inetd(8) and StandardInput=socket give: its other end is a client, who did not ask us. */
static bool stderr_is_connection(void) {
	struct stat in, err;

	return fstat(STDERR_FILENO, &err) == 0 && S_ISSOCK(err.st_mode) &&
	       fstat(STDIN_FILENO, &in) == 0 && in.st_dev == err.st_dev && in.st_ino == err.st_ino;
}

/* no-color.org; and systemd(1) takes a missing TERM for a dumb one. */
static bool want_colour(void) {
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return (!no_colour || no_colour[0] == '\0') && term && strcmp(term, "dumb") != 0;
}

static int open_text(struct journal *j) {
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0)
		return -errno;
	j->is_terminal = isatty(STDERR_FILENO);
	j->has_colour = j->is_terminal && want_colour();
	j->has_prefix = !j->is_terminal;
	j->is_socket = S_ISSOCK(st.st_mode);

	if (!j->is_socket && !S_ISREG(st.st_mode)) {
		j->fd = open("/proc/self/fd/2",
			     O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (j->fd >= 0)
			return 0;
		/* No /proc, or a terminal of another user's (su): share the description then. */
		j->must_poll = true;
	}
	j->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return j->fd < 0 ? -errno : 0;
}

int journal_open_at(struct journal *j, const char *path, bool want_journal, bool want_text) {
	int r;

	*j = (struct journal){.fd = -1, .identifier = "sdwd"};
	if (want_journal || (!want_text && (stderr_is_journal() || stderr_is_connection()))) {
		r = journal_native_open(j, path);
		j->is_native = r == 0;
		if (r < 0 && want_journal)
			return r;
	}
	if (!j->is_native) {
		r = open_text(j);
		if (r < 0)
			return r;
	}
	j->is_open = true;
	return 0;
}

int journal_open(struct journal *j, bool want_journal, bool want_text) {
	return journal_open_at(j, JOURNAL_SOCKET, want_journal, want_text);
}

/*
 * write(2) to a pipe whose reader is gone raises SIGPIPE in the writing thread.  The signal is held
 * back and taken away again: it would end us, or, where a signalfd reads it, look like one sent to
 * us.
 */
static ssize_t write_quietly(int fd, const void *data, size_t length) {
	static const struct timespec at_once;
	sigset_t pipe_signal, old_mask, pending;
	bool was_pending;
	ssize_t n;
	int error;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
	(void)sigprocmask(SIG_BLOCK, &pipe_signal, &old_mask);
	n = write(fd, data, length);
	error = errno;
	if (n < 0 && error == EPIPE && !was_pending)
		(void)sigtimedwait(&pipe_signal, NULL, &at_once);
	/* Not the old mask as a whole: libc would leave its internal signals (nptl(7)) out of it.
	 */
	if (sigismember(&old_mask, SIGPIPE) == 0)
		(void)sigprocmask(SIG_UNBLOCK, &pipe_signal, NULL);
	errno = error;
	return n;
}

static ssize_t write_once(const struct journal *j, const char *data, size_t length) {
	ssize_t n;

	do
		n = j->is_socket ? send(j->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : write_quietly(j->fd, data, length);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int write_line(struct journal *j, const char *line, size_t length) {

	if (j->must_poll) {
		struct pollfd p = {.fd = j->fd, .events = POLLOUT};

		/* A pipe that polls writable has room for PIPE_BUF bytes (pipe(7)). */
		if (poll(&p, 1, 0) <= 0)
			return -EAGAIN;
	}
	/* What an earlier line left of itself ends here. */
	if (j->is_cut && write_once(j, "\n", 1) != 1)
		return -EAGAIN;
	j->is_cut = false;
	while (length > 0) {
		ssize_t n = write_once(j, line, length);

		if (n < 0)
			return (int)n;
		line += n;
		length -= (size_t)n;
		j->is_cut = length > 0;
		/* Only the first write is sure not to block. */
		if (j->is_cut && (n == 0 || j->must_poll))
			return -EAGAIN;
	}
	return 0;
}

static int send_text(struct journal *j, const struct log_entry *entry) {
	static const char *const colours[] = {
		[LOG_LEVEL_ERR] = "\033[31m",   [LOG_LEVEL_WARNING] = "\033[33m",
		[LOG_LEVEL_NOTICE] = "\033[1m", [LOG_LEVEL_INFO] = "",
		[LOG_LEVEL_DEBUG] = "\033[2m",
	};
	unsigned level = (unsigned)entry->level & 7;
	const char *colour = j->has_colour && colours[level] ? colours[level] : "";
	char buffer[LINE_MAX_BYTES], message[LOG_MESSAGE_MAX];
	struct text line = TEXT_OVER(buffer);

	/* No byte of a message is obeyed by a terminal, and none begins a line of its own. */
	text_clean(message, sizeof(message), entry->message, strlen(entry->message));
	if (j->has_prefix)
		text_addf(&line, "<%u>", level);
	text_add(&line, colour);
	text_add(&line, j->identifier);
	if (j->is_terminal && j->label)
		text_addf(&line, "[%.255s]", j->label);
	text_addf(&line, ": %s%s\n", message, colour[0] != '\0' ? "\033[0m" : "");
	return write_line(j, line.data, line.length);
}

static int send_entry(struct journal *j, const struct log_entry *entry) {
	return j->is_native ? journal_native_send(j, entry) : send_text(j, entry);
}

/* Returns 0 where nothing is left to tell. */
static int tell_lost(struct journal *j) {
	struct log_entry entry = {.level = LOG_LEVEL_WARNING};
	char number[24], message[160];
	struct log_field field = {"SDWD_LOST", number};
	int r;

	if (j->n_lost == 0)
		return 0;
	snprintf(number, sizeof(number), "%lu", j->n_lost);
	snprintf(message, sizeof(message), "%s log line%s lost because of: %s", number,
		 j->n_lost == 1 ? " was" : "s were", strerror(j->lost_error));
	entry.message = message;
	entry.fields = &field;
	entry.n_fields = 1;
	r = send_entry(j, &entry);
	if (r == 0)
		j->n_lost = 0;
	return r;
}

void journal_sink(void *context, const struct log_entry *entry) {
	struct journal *j = context;
	int saved = errno, r;

	if (!j->is_open)
		return;
	r = tell_lost(j);
	if (r == 0)
		r = send_entry(j, entry);
	if (r < 0) {
		j->n_lost++;
		j->lost_error = -r;
	}
	errno = saved;
}

/*
 * journald asks /proc which unit a datagram's sender belongs to: of one that is gone it learns
 * nothing, and `journalctl -u` would not show its last words. So they are waited for, a moment:
 * until journald has taken them (SIOCOUTQ, unix(7): what the receiver has not read yet), and looked
 * us up.
 */
static void await_reader(const struct journal *j) {
	int unread = 0;

	for (int turn = 0; turn < CLOSE_TURNS; turn++) {
		if (ioctl(j->fd, SIOCOUTQ, &unread) < 0 || unread == 0)
			break;
		(void)usleep(CLOSE_TURN_USEC);
	}
	(void)usleep(CLOSE_TURN_USEC);
}

void journal_close(struct journal *j) {
	if (!j->is_open)
		return;
	(void)tell_lost(j);
	if (j->is_native)
		await_reader(j);
	j->fd = fd_close(j->fd);
	j->is_open = false;
}
