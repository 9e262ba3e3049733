/* SPDX-License-Identifier: MIT */
/*
 * /proc/net/tcp, tcp6 and unix (proc(5)), line by line.  Of TCP, the line of a listening socket
 * (state 0A) has the length of its queue where others have what waits to be read; a connection that
 * waits to be accepted is one in state 01 or 08 without an inode.  Of Unix sockets, one that waits
 * is in state 02 without an inode; the pointer in front of the line is no name for it, as the
 * kernel takes the same memory for the next one.
 */
#include "sys/proc_net.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define READ_SIZE 16384
/* In one turn of the loop: a few milliseconds. What the first sample saw may have moved on in the
 * table, so the second one reads further. */
#define FIRST_MAX (512 * 1024)
#define SECOND_MAX (1024 * 1024)

#define STATE_ESTABLISHED 0x01
#define STATE_CLOSE_WAIT 0x08
#define STATE_LISTEN 0x0a

#define UNIX_LISTENS 0x00010000 /* __SO_ACCEPTCON */
#define UNIX_CONNECTING 0x02

void proc_net_init(struct proc_net *p, uint16_t port, const char *name, size_t name_length,
		   struct accept_queue *queue) {
	*p = (struct proc_net){.port = port,
			       .name = name,
			       .name_length = name_length,
			       .queue = queue};
}

/* Where a line is being read. */
struct cursor {
	const char *at, *end;
};

/* The next word, after blanks. False where there is none. */
static bool next_word(struct cursor *c, struct cursor *ret) {
	while (c->at < c->end && *c->at == ' ')
		c->at++;
	ret->at = c->at;
	while (c->at < c->end && *c->at != ' ')
		c->at++;
	ret->end = c->at;
	return ret->at < ret->end;
}

/* The number that @c begins with, up to a ':' or its end, behind which @c stands then. */
static bool take_number(struct cursor *c, unsigned base, uint64_t *ret) {
	const char *begin = c->at;
	uint64_t number = 0;

	for (; c->at < c->end && *c->at != ':'; c->at++) {
		char digit = *c->at;
		unsigned value = digit >= '0' && digit <= '9'   ? (unsigned)(digit - '0')
				 : digit >= 'A' && digit <= 'F' ? (unsigned)(digit - 'A') + 10
				 : digit >= 'a' && digit <= 'f' ? (unsigned)(digit - 'a') + 10
								: base;

		if (value >= base || c->at - begin >= 20)
			return false;
		number = number * base + value;
	}
	if (c->at == begin)
		return false;
	if (c->at < c->end)
		c->at++;
	*ret = number;
	return true;
}

static bool skip_words(struct cursor *c, unsigned n) {
	struct cursor word;

	while (n-- > 0)
		if (!next_word(c, &word))
			return false;
	return true;
}

static bool next_number(struct cursor *c, unsigned base, uint64_t *ret) {
	struct cursor word;

	return next_word(c, &word) && take_number(&word, base, ret) && word.at == word.end;
}

/* A 64-bit name for the two addresses of a connection (FNV-1a of their text), never 0. */
static uint64_t hash(const char *at, const char *end) {
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; at < end; at++)
		hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
	return hash != 0 ? hash : 1;
}

/* "sl: local:port remote:port st tx:rx tr:when retrnsmt uid timeout inode ..." */
static void take_tcp(struct proc_net *p, struct cursor line) {
	struct cursor local, remote, after, queues;
	uint64_t port, state, unsent, unread, inode;

	if (!skip_words(&line, 1) || !next_word(&line, &local) || !next_word(&line, &remote))
		return;
	after = local;
	while (after.at < after.end && *after.at++ != ':')
		;
	if (!take_number(&after, 16, &port) || port != p->port || !next_number(&line, 16, &state) ||
	    !next_word(&line, &queues) || !take_number(&queues, 16, &unsent) ||
	    !take_number(&queues, 16, &unread) || !skip_words(&line, 4) ||
	    !next_number(&line, 10, &inode))
		return;
	if (state == STATE_LISTEN) {
		accept_queue_add_listener(p->queue);
		accept_queue_add_queued(p->queue, unread);
	} else if ((state == STATE_ESTABLISHED || state == STATE_CLOSE_WAIT) && inode == 0) {
		accept_queue_add_connection(p->queue, hash(local.at, remote.end));
	}
}

/* "Num: RefCount Protocol Flags Type St Inode Path": no end of the path but that of the line. */
static void take_unix(struct proc_net *p, struct cursor line) {
	uint64_t flags, state, inode;

	if (!skip_words(&line, 3) || !next_number(&line, 16, &flags) || !skip_words(&line, 1) ||
	    !next_number(&line, 16, &state) || !next_number(&line, 10, &inode) ||
	    line.at == line.end)
		return;
	line.at++;
	if ((size_t)(line.end - line.at) != p->name_length ||
	    memcmp(line.at, p->name, p->name_length) != 0)
		return;
	if (flags & UNIX_LISTENS)
		accept_queue_add_listener(p->queue);
	else if (state == UNIX_CONNECTING && inode == 0)
		accept_queue_add_queued(p->queue, 1);
}

void proc_net_feed(struct proc_net *p, const char *data, size_t size) {
	for (const char *end = data + size; data < end; data++) {
		if (*data != '\n') {
			if (p->length < sizeof(p->line))
				p->line[p->length++] = *data;
			continue;
		}
		if (p->port != 0)
			take_tcp(p, (struct cursor){p->line, p->line + p->length});
		else
			take_unix(p, (struct cursor){p->line, p->line + p->length});
		p->length = 0;
	}
}

static int read_table(struct proc_net *p, const char *path) {
	cleanup(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t most = p->queue->is_second ? SECOND_MAX : FIRST_MAX;
	char buffer[READ_SIZE];
	ssize_t n;

	if (fd < 0)
		return -errno;
	for (size_t sum = 0; sum < most; sum += (size_t)n) {
		n = read(fd, buffer, sizeof(buffer));
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		proc_net_feed(p, buffer, (size_t)n);
	}
	accept_queue_cut(p->queue);
	return 0;
}

/* self/net, not net: it is there with ProcSubset=pid, too. */
int proc_net_tcp(uint16_t port, struct accept_queue queues[static 2]) {
	static const char *const paths[] = {"/proc/self/net/tcp", "/proc/self/net/tcp6"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct proc_net p;
		int r;

		proc_net_init(&p, port, NULL, 0, &queues[i]);
		r = read_table(&p, paths[i]);
		/* A kernel without IPv6. */
		if (r < 0 && !(r == -ENOENT && i > 0))
			return r;
	}
	return 0;
}

int proc_net_unix(const struct sockaddr_un *address, socklen_t length,
		  struct accept_queue queues[static 1]) {
	char name[sizeof(address->sun_path)];
	size_t size = length - offsetof(struct sockaddr_un, sun_path);
	struct proc_net p;

	/* The NUL behind a path is not written, and those of an abstract name are as '@'. */
	if (address->sun_path[0] != '\0')
		size = strnlen(address->sun_path, size);
	for (size_t i = 0; i < size; i++)
		name[i] = address->sun_path[i] != '\0' ? address->sun_path[i] : '@';
	proc_net_init(&p, 0, name, size, &queues[0]);
	return read_table(&p, "/proc/self/net/unix");
}
