/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json_visit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "fields.h"

#define READ_STEP ((size_t)16 * 1024)

/* The call as text, with its NUL. */
static int make_request(struct wire *w, const char *method, struct json_object *parameters,
			bool is_stream) {
	struct json_object *call = json_object_new_object();
	const char *text = NULL;

	if (field_put(call, "method", json_object_new_string(method)) &&
	    (!parameters || field_put(call, "parameters", json_object_get(parameters))) &&
	    (!is_stream || field_put(call, "more", json_object_new_boolean(true))))
		text = json_object_to_json_string_ext(call, JSON_C_TO_STRING_PLAIN);
	w->request = text ? strdup(text) : NULL;
	w->request_length = w->request ? strlen(w->request) + 1 : 0;
	json_object_put(call);
	return w->request ? 0 : -ENOMEM;
}

/* Unix sockets connect at once or not at all: there is no EINPROGRESS (unix(7)). */
static int dial(struct wire *w, const char *path) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return -errno;
	if (connect(w->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (getsockopt(w->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	w->pid = peer.pid;
	w->uid = peer.uid;
	return 0;
}

int wire_open(struct wire *w, const char *path, const char *method, struct json_object *parameters,
	      bool is_stream) {
	int r;

	*w = (struct wire){.fd = -1};
	r = dial(w, path);
	if (r == 0)
		r = make_request(w, method, parameters, is_stream);
	if (r < 0)
		wire_close(w);
	return r;
}

void wire_close(struct wire *w) {
	fd_close(w->fd);
	free(w->request);
	free(w->buffer);
	*w = (struct wire){.fd = -1};
}

short wire_events(const struct wire *w) {
	return w->n_sent < w->request_length ? POLLIN | POLLOUT : POLLIN;
}

static int send_rest(struct wire *w) {
	while (w->n_sent < w->request_length) {
		ssize_t n = send(w->fd, w->request + w->n_sent, w->request_length - w->n_sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
		w->n_sent += (size_t)n;
	}
	return 0;
}

/* Makes room for one more read, if there may be one. */
static int grow(struct wire *w) {
	size_t size = MIN(MAX(w->size * 2, READ_STEP), WIRE_REPLY_MAX + 1);
	char *more;

	if (w->length < w->size)
		return 0;
	if (w->size > WIRE_REPLY_MAX)
		return -EMSGSIZE;
	more = realloc(w->buffer, size);
	if (!more)
		return -ENOMEM;
	w->buffer = more;
	w->size = size;
	return 0;
}

/* 1 where a whole message stands at the begin of the buffer. */
static int find_end(struct wire *w, const char **ret, size_t *ret_length) {
	const char *end;

	if (w->length == w->n_seen)
		return 0;
	end = memchr(w->buffer + w->n_seen, '\0', w->length - w->n_seen);
	if (!end) {
		w->n_seen = w->length;
		return 0;
	}
	*ret = w->buffer;
	*ret_length = (size_t)(end - w->buffer);
	w->n_taken = *ret_length + 1;
	return 1;
}

int wire_read(struct wire *w, const char **ret, size_t *ret_length) {
	int r = send_rest(w);

	if (w->n_taken > 0) {
		w->length -= w->n_taken;
		memmove(w->buffer, w->buffer + w->n_taken, w->length);
		w->n_taken = w->n_seen = 0;
	}
	while (r >= 0) {
		ssize_t n;

		r = find_end(w, ret, ret_length);
		if (r == 0)
			r = grow(w);
		if (r != 0)
			break;
		n = read(w->fd, w->buffer + w->length, w->size - w->length);
		if (n > 0)
			w->length += (size_t)n;
		else if (n == 0 || errno == ECONNRESET)
			r = -EPIPE;
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR)
			r = -errno;
	}
	return r;
}

/* How many values of objects and arrays stand in a text that is JSON. */
static size_t count_values(const char *text, size_t length) {
	bool is_string = false, is_begin = false;
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (is_string) {
			i += c == '\\';
			is_string = c != '"';
		} else if (!isspace((unsigned char)c)) {
			n += c == ',' || (is_begin && c != ']' && c != '}');
			is_begin = c == '[' || c == '{';
			is_string = c == '"';
		}
	}
	return n;
}

/* json-c reads NaN and Infinity, and 1e999 as the latter; it would write what is no JSON. */
static int on_value(struct json_object *value, int flags, struct json_object *parent,
		    const char *key, size_t *at, void *data) {
	size_t *n = data;

	*n += parent && !(flags & JSON_C_VISIT_SECOND);
	if (json_object_is_type(value, json_type_double) &&
	    !isfinite(json_object_get_double(value)))
		return JSON_C_VISIT_RETURN_ERROR;
	return JSON_C_VISIT_RETURN_CONTINUE;
}

struct json_object *wire_parse(const char *message, size_t length) {
	struct json_tokener *tokener = json_tokener_new_ex(WIRE_DEPTH_MAX);
	struct json_object *object = NULL;
	size_t n = 0;

	if (!tokener)
		return NULL;
	/* With its NUL, which ends a number or a word at the outermost level. */
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	if (length <= WIRE_REPLY_MAX)
		object = json_tokener_parse_ex(tokener, message, (int)length + 1);
	json_tokener_free(tokener);
	/* What it gets no memory for json-c leaves out, and says nothing: so it is counted. */
	if (object &&
	    (!json_object_is_type(object, json_type_object) ||
	     json_c_visit(object, 0, on_value, &n) < 0 || n != count_values(message, length))) {
		json_object_put(object);
		object = NULL;
	}
	return object;
}
