/* SPDX-License-Identifier: MIT */
/*
 * systemd's "Native Journal Protocol": an entry is a datagram of fields, each "NAME=value\n", or,
 * where the value has a line end inside, "NAME\n", its length as 64 bits little-endian, the value
 * and
 * "\n".  sd_journal_send(3) does the same, but waits while journald's queue is full.
 */
#include "sys/journal_native.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

struct packet {
	size_t length;
	char data[JOURNAL_ENTRY_MAX];
};

int journal_native_open(struct journal *j, const char *path) {
	cleanup(fd_closep) int probe = -1;

	if (strlen(path) >= sizeof(j->address.sun_path))
		return -ENAMETOOLONG;
	j->address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(j->address.sun_path, path, strlen(path) + 1);

	/* Is anybody there?  The socket that sends stays unconnected, so that a journald that was
	 * restarted gets the next entry. */
	probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0 || connect(probe, (struct sockaddr *)&j->address, sizeof(j->address)) < 0)
		return -errno;
	j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return j->fd < 0 ? -errno : 0;
}

static void add(struct packet *p, const void *data, size_t length) {
	memcpy(p->data + p->length, data, length);
	p->length += length;
}

/* A field that does not fit is left out: a cut one could be taken for something else. */
static void add_field(struct packet *p, const char *name, const char *value) {
	size_t name_length = strlen(name), length = strlen(value);
	uint64_t size = htole64(length);

	if (name_length + length + sizeof(size) + 2 > sizeof(p->data) - p->length)
		return;
	add(p, name, name_length);
	if (strchr(value, '\n')) {
		add(p, "\n", 1);
		add(p, &size, sizeof(size));
	} else {
		add(p, "=", 1);
	}
	add(p, value, length);
	add(p, "\n", 1);
}

int journal_native_send(struct journal *j, const struct log_entry *entry) {
	char priority[4];
	struct packet p;
	ssize_t n;

	p.length = 0;
	snprintf(priority, sizeof(priority), "%u", (unsigned)entry->level & 7);
	add_field(&p, "PRIORITY", priority);
	add_field(&p, "SYSLOG_IDENTIFIER", j->identifier);
	add_field(&p, "MESSAGE", entry->message);
	if (entry->message_id)
		add_field(&p, "MESSAGE_ID", entry->message_id);
	if (j->label)
		add_field(&p, "SDWD_LABEL", j->label);
	for (size_t i = 0; i < entry->n_fields; i++)
		if (entry->fields[i].value)
			add_field(&p, entry->fields[i].name, entry->fields[i].value);

	do
		n = sendto(j->fd, p.data, p.length, MSG_DONTWAIT | MSG_NOSIGNAL,
			   (struct sockaddr *)&j->address, sizeof(j->address));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}
