/* SPDX-License-Identifier: MIT */
/*
 * The rules are those of PID 1 (systemd, src/core/manager.c and service.c), which sd_notify(3)
 * tells only in part.  A message is split by strv_split_newlines(): '\n' and '\r' end a line, empty
 * lines vanish, and a backslash is taken out and makes the next byte part of the line whatever it
 * is.  A backslash as the last byte makes the manager ignore the whole message.  So a field's name
 * must be compared after the backslashes are out, or "MAIN\PID=" would pass a filter for MAINPID=.
 *
 * Not every version of systemd treats the backslash so; to those that do not, an escaped line end
 * is a line end.  A line that has one inside is therefore ignored here and never forwarded: it
 * cannot carry a field past the filter in either reading.
 */
#include "core/notify_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* The longest value that is compared or read as a number, with its NUL. */
#define VALUE_MAX 40

struct line {
	const char *start;
	size_t length;
	bool has_line_end; /* an escaped one */
};

struct field_name {
	const char *name;
	unsigned field;
	const char *value; /* the only value that counts, or NULL */
};

static const struct field_name names[] = {
	{"READY", NOTIFY_READY, "1"},
	{"WATCHDOG", NOTIFY_WATCHDOG, "1"},
	{"WATCHDOG_USEC", NOTIFY_WATCHDOG_USEC, NULL},
	{"EXTEND_TIMEOUT_USEC", NOTIFY_EXTEND_TIMEOUT, NULL},
	{"STATUS", NOTIFY_STATUS, NULL},
	{"STOPPING", NOTIFY_STOPPING, "1"},
	{"RELOADING", NOTIFY_RELOADING, "1"},
	{"MONOTONIC_USEC", NOTIFY_MONOTONIC, NULL},
	{"FDSTORE", NOTIFY_FDSTORE, "1"},
	{"FDSTOREREMOVE", NOTIFY_FDSTOREREMOVE, "1"},
	{"FDNAME", NOTIFY_FDNAME, NULL},
	{"FDPOLL", NOTIFY_FDPOLL, "0"},
	{"BARRIER", NOTIFY_BARRIER, "1"},
	{"MAINPID", NOTIFY_MAINPID, NULL},
	{"MAINPIDFD", NOTIFY_MAINPIDFD, "1"},
	{"MAINPIDFDID", NOTIFY_MAINPIDFD, NULL},
	{"NOTIFYACCESS", NOTIFY_ACCESS, NULL},
};

static bool is_line_end(char c) {
	return c == '\n' || c == '\r';
}

/* The next line of *@p, which moves on; false at the end. No backslash stands last before @end. */
static bool next_line(const char **p, const char *end, struct line *ret_line) {
	struct line line = {0};

	while (*p < end && is_line_end(**p))
		(*p)++;
	if (*p == end)
		return false;
	for (line.start = *p; *p < end && !is_line_end(**p); (*p)++)
		if (**p == '\\') {
			(*p)++;
			line.has_line_end |= is_line_end(**p);
		}
	line.length = (size_t)(*p - line.start);
	*ret_line = line;
	return true;
}

/*
 * Takes the backslashes out of @raw up to its end or to @stop (0: none) into @buffer, terminated.
 * Returns how much of @raw was read, or @length + 1 where it does not fit.
 */
static size_t unescape(char *buffer, size_t size, const char *raw, size_t length, char stop) {
	size_t written = 0, i;

	for (i = 0; i < length; i++) {
		if (raw[i] == '\\')
			i++;
		if (stop != '\0' && raw[i] == stop)
			break;
		if (written + 1 >= size)
			return length + 1;
		buffer[written++] = raw[i];
	}
	buffer[written] = '\0';
	return i;
}

/* The name that @line begins with, and where its value stands; NULL where we do not know it. */
static const struct field_name *find_name(const struct line *line, struct line *ret_value) {
	char name[VALUE_MAX];
	size_t at = unescape(name, sizeof(name), line->start, line->length, '=');

	if (at >= line->length)
		return NULL;
	*ret_value = (struct line){.start = line->start + at + 1, .length = line->length - at - 1};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return &names[i];
	return NULL;
}

static bool value_is(const struct line *value, const char *wanted) {
	char buffer[VALUE_MAX];

	return unescape(buffer, sizeof(buffer), value->start, value->length, '\0') <=
		       value->length &&
	       strcmp(buffer, wanted) == 0;
}

/* As safe_atou64() does: blanks in front, a '+', and the prefixes 0x, 0o, 0b and 0. */
static int read_number(const struct line *value, uint64_t *ret_number) {
	char buffer[VALUE_MAX];
	const char *p = buffer;
	unsigned long long number;
	char *rest;
	int base = 0;

	if (unescape(buffer, sizeof(buffer), value->start, value->length, '\0') > value->length)
		return -EINVAL;
	p += strspn(p, " \t\n\r");
	if (p[0] == '0' && (p[1] == 'b' || p[1] == 'o')) {
		base = p[1] == 'b' ? 2 : 8;
		p += 2;
		if (*p == '+' || *p == '-')
			return -EINVAL;
	}
	if (*p == '-' || strspn(p, " \t\n\r\v\f") > 0)
		return -EINVAL;

	errno = 0;
	number = strtoull(p, &rest, base);
	if (errno != 0)
		return -ERANGE;
	if (rest == p || *rest != '\0')
		return -EINVAL;
	*ret_number = number;
	return 0;
}

/* The bits that a known field's value sets; 0 where the value is nothing. */
static unsigned take_value(struct notify_msg *m, unsigned field, const struct line *value) {
	uint64_t number;

	switch (field) {
	case NOTIFY_STATUS:
		if (!text_is_utf8(value->start, value->length))
			return 0;
		m->status = value->start;
		m->status_length = value->length;
		return field;
	case NOTIFY_ACCESS:
		m->access = value->start;
		m->access_length = value->length;
		return field;
	case NOTIFY_FDNAME:
		return field;
	case NOTIFY_WATCHDOG:
		return value_is(value, "1")         ? NOTIFY_WATCHDOG
		       : value_is(value, "trigger") ? NOTIFY_WATCHDOG_TRIGGER
						    : 0;
	}
	if (read_number(value, &number) < 0)
		return 0;
	switch (field) {
	case NOTIFY_WATCHDOG_USEC:
		m->watchdog_usec = number;
		return field;
	case NOTIFY_EXTEND_TIMEOUT:
		if (number == 0 || number == USEC_INFINITY)
			return 0;
		m->extend_timeout_usec = number;
		return field;
	case NOTIFY_MONOTONIC:
		m->monotonic_usec = number;
		return field;
	case NOTIFY_MAINPID:
		if (number == 0 || number > INT32_MAX)
			return 0;
		m->mainpid = (pid_t)number;
		return field;
	}
	return 0;
}

/* Strips the one trailing NUL that is allowed. Returns the length, or a negative errno. */
static ssize_t check_bytes(const char *data, size_t length) {
	size_t backslashes = 0;

	if (length > NOTIFY_MSG_MAX)
		return -EMSGSIZE;
	if (length > 0 && data[length - 1] == '\0')
		length--;
	if (length == 0)
		return -ENODATA;
	if (memchr(data, '\0', length))
		return -EBADMSG;
	while (backslashes < length && data[length - 1 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2 == 0 ? (ssize_t)length : -EBADMSG;
}

int notify_msg_parse(struct notify_msg *m, const char *data, size_t length) {
	unsigned seen = 0; /* fields whose first line has been taken, well-formed or not */
	size_t n_lines = 0;
	struct line line, value;
	const char *p = data;
	ssize_t n;

	memset(m, 0, sizeof(*m));
	n = check_bytes(data, length);
	if (n < 0)
		return (int)n;

	while (next_line(&p, data + n, &line)) {
		const struct field_name *name;

		n_lines++;
		if (line.has_line_end)
			continue;
		name = find_name(&line, &value);
		if (!name) {
			m->fields |= NOTIFY_OTHER;
			continue;
		}
		/* Fields of one value are looked for as whole lines: a wrong one does not count. */
		if (name->value && name->field != NOTIFY_WATCHDOG) {
			if (value_is(&value, name->value))
				m->fields |= name->field;
			continue;
		}
		if (name->field == NOTIFY_MAINPIDFD || (seen & name->field))
			continue;
		seen |= name->field;
		m->fields |= take_value(m, name->field, &value);
	}
	m->is_barrier_alone = n_lines == 1 && m->fields == NOTIFY_BARRIER;
	return n_lines > 0 ? 0 : -ENODATA;
}

/* As notify_msg_filter() counts it: by its name, whatever the value. */
static unsigned line_field(const struct line *line, struct line *ret_value) {
	const struct field_name *name = find_name(line, ret_value);

	if (!name)
		return NOTIFY_OTHER;
	if (name->field == NOTIFY_WATCHDOG && value_is(ret_value, "trigger"))
		return NOTIFY_WATCHDOG_TRIGGER;
	return name->field;
}

/* Leaves out the half of an escape at the end, which would make the manager ignore all of it. */
static size_t cut_escape(const char *text, size_t length) {
	size_t backslashes = 0;

	while (backslashes < length && text[length - 1 - backslashes] == '\\')
		backslashes++;
	return length - backslashes % 2;
}

static size_t add_line(char *buffer, size_t at, const char *start, size_t length) {
	if (at > 0)
		buffer[at++] = '\n';
	memcpy(buffer + at, start, length);
	return at + length;
}

/* Adds "STATUS=" and as much of @status as @room leaves, which counts the line's own '\n'. */
static size_t add_status(char *buffer, size_t at, const char *status, size_t room) {
	static const char prefix[] = "STATUS=";
	size_t overhead = strlen(prefix) + (at > 0 ? 1 : 0);
	size_t length = strlen(status), cut;

	if (room < overhead || !text_is_utf8(status, length))
		return at;
	cut = cut_escape(status, text_utf8_cut(status, length, room - overhead));
	if (cut == 0 && length > 0)
		return at;
	at = add_line(buffer, at, prefix, strlen(prefix));
	for (size_t i = 0; i < cut; i++)
		buffer[at++] = is_line_end(status[i]) ? ' ' : status[i];
	return at;
}

size_t notify_msg_filter(char *buffer, const char *data, size_t length, unsigned keep,
			 const char *status) {
	ssize_t n = check_bytes(data, length);
	const char *end = data + (n < 0 ? 0 : n);
	size_t others = 0, at = 0;
	bool has_status = false;
	struct line line, value;

	/* What the other lines need, each with the '\n' that parts it from the status. */
	for (const char *p = data; next_line(&p, end, &line);) {
		unsigned field = line_field(&line, &value);

		if (field != NOTIFY_STATUS && !line.has_line_end && (keep & field))
			others += line.length + 1;
	}

	for (const char *p = data; next_line(&p, end, &line);) {
		unsigned field = line_field(&line, &value);

		if (line.has_line_end)
			continue;
		if (field == NOTIFY_STATUS) {
			if (has_status)
				continue;
			has_status = true;
			if (status) {
				/* The '\n' before the line stands in for one that @others counts
				 * where lines follow; where none does, all of @others is written.
				 */
				at = add_status(buffer, at, status,
						NOTIFY_MSG_MAX -
							MIN(others, (size_t)NOTIFY_MSG_MAX) +
							(at > 0 ? 1 : 0));
				continue;
			}
			if (!text_is_utf8(value.start, value.length))
				continue;
		}
		if (keep & field)
			at = add_line(buffer, at, line.start, line.length);
	}
	if (status && !has_status)
		at = add_status(buffer, at, status, NOTIFY_MSG_MAX - at);
	return at;
}

size_t notify_msg_escape(char *buffer, size_t size, const char *text) {
	size_t written = 0;

	for (; *text != '\0'; text++) {
		if (written + (*text == '\\' ? 2 : 1) >= size)
			break;
		if (*text == '\\')
			buffer[written++] = '\\';
		buffer[written++] = is_line_end(*text) ? ' ' : *text;
	}
	if (*text != '\0')
		written = text_utf8_cut(buffer, written, written);
	buffer[written] = '\0';
	return written;
}
