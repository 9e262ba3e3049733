/* SPDX-License-Identifier: MIT */
/* One call of one instance. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/usec.h"
#include "client.h"
#include "fields.h"
#include "wire.h"

#define RETRY_USEC (10 * USEC_PER_MSEC)

static int milliseconds(usec_t usec) {
	return (int)((usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
}

/* Connects; where the queue is full again, until the deadline. */
static int open_until(struct wire *w, const char *path, const char *method,
		      struct json_object *parameters, usec_t deadline_at) {
	for (;;) {
		int r = wire_open(w, path, method, parameters, false);
		usec_t now = usec_now();

		if (r != -EAGAIN)
			return r;
		if (now >= deadline_at)
			return -ETIME;
		poll(NULL, 0, milliseconds(MIN(RETRY_USEC, usec_sub(deadline_at, now))));
	}
}

/* The whole reply, the caller's. */
static int read_until(struct wire *w, usec_t deadline_at, struct json_object **ret) {
	const char *message;
	size_t length;
	int r;

	while ((r = wire_read(w, &message, &length)) == 0) {
		struct pollfd fd = {.fd = w->fd, .events = wire_events(w)};
		usec_t now = usec_now();

		if (now >= deadline_at)
			return -ETIME;
		poll(&fd, 1, milliseconds(usec_sub(deadline_at, now)));
	}
	if (r < 0)
		return r;
	*ret = wire_parse(message, length);
	return *ret ? 0 : -EBADMSG;
}

static const char *reason(int r) {
	switch (r) {
	case -ECONNREFUSED:
	case -ENOENT:
		return "it has ended";
	case -EPIPE:
		return "it closed the connection without an answer";
	case -EMSGSIZE:
		return "its answer is too long";
	case -EBADMSG:
		return "its answer is no JSON";
	case -ETIME:
		return "no answer in time";
	case -ESTALE:
		return "another process listens there now";
	default:
		return strerror(-r);
	}
}

int client_call(const struct instance *i, const char *method, struct json_object *parameters,
		usec_t timeout_usec, struct json_object **ret, struct text *error) {
	usec_t deadline_at = usec_add(usec_now(), timeout_usec);
	struct json_object *reply = NULL;
	struct wire w = {.fd = -1};
	int r = open_until(&w, i->path, method, parameters, deadline_at);

	if (r == 0 && (w.pid != i->pid || w.uid != i->uid))
		r = -ESTALE;
	if (r == 0)
		r = read_until(&w, deadline_at, &reply);
	wire_close(&w);
	if (r < 0) {
		text_add(error, reason(r));
		return r;
	}
	if (field_text(reply, "error", NULL)) {
		*ret = reply;
		return 1;
	}
	*ret = json_object_get(field(reply, "parameters"));
	json_object_put(reply);
	return 0;
}
