/* SPDX-License-Identifier: MIT */
#include "streams.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/usec.h"
#include "wire.h"

/* Until one is asked again that was not believed, or broke the rules. */
#define AGAIN_USEC (10 * USEC_PER_SEC)
/* Until one that says nothing counts as one that does not answer. */
#define PATIENCE_USEC (2 * USEC_PER_SEC)
/* More messages of one instance in one turn are a flood: it may tell one a second. */
#define MESSAGES_PER_TURN 256

enum stream_state {
	STREAM_CLOSED,   /* nobody there, or no room: tried again with the next scan */
	STREAM_OPEN,     /* asked */
	STREAM_ANSWERED, /* its status is there */
	STREAM_BAD,      /* not believed, or broken: tried again at again_at */
	STREAM_UNWANTED, /* of another label */
};

struct stream {
	struct instance instance;
	struct wire wire;
	enum stream_state state;
	usec_t again_at;
	usec_t patient_until; /* without an answer until then it is one that does not answer */
	size_t n_text;        /* of its last message */
	size_t n_bytes;       /* the same, and what is not whole yet */
};

int streams_open(struct streams *all, char *const *words, size_t n_words) {
	*all = (struct streams){.words = words, .n_words = n_words, .is_changed = true};
	all->epoll = epoll_create1(EPOLL_CLOEXEC);
	return all->epoll < 0 ? -errno : 0;
}

int streams_feed_also(struct streams *all, int fd) {
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	return epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void stream_free(struct stream *s) {
	wire_close(&s->wire);
	instance_done(&s->instance);
	free(s);
}

void streams_close(struct streams *all) {
	for (size_t at = 0; at < all->n; at++)
		stream_free(all->list[at]);
	free(all->list);
	*all = (struct streams){.epoll = fd_close(all->epoll)};
}

/* Ends its connection. */
static void stop(struct streams *all, struct stream *s, enum stream_state state) {
	all->is_changed = all->is_changed || s->state == STREAM_ANSWERED || state == STREAM_BAD;
	wire_close(&s->wire);
	all->n_bytes -= s->n_bytes;
	s->n_bytes = s->n_text = 0;
	json_object_put(s->instance.status);
	s->instance.status = NULL;
	s->state = state;
	if (state == STREAM_BAD)
		s->again_at = usec_add(usec_now(), AGAIN_USEC);
}

static void begin(struct streams *all, struct stream *s) {
	struct epoll_event event = {.data.ptr = s};

	if (wire_open(&s->wire, s->instance.path, "sdwd.Supervisor.Watch", NULL, true) < 0)
		return;
	s->instance.pid = s->wire.pid;
	s->instance.uid = s->wire.uid;
	s->instance.is_unit_known = false;
	s->patient_until = usec_add(usec_now(), PATIENCE_USEC);
	event.events = EPOLLIN | EPOLLOUT;
	if (epoll_ctl(all->epoll, EPOLL_CTL_ADD, s->wire.fd, &event) < 0)
		wire_close(&s->wire);
	else
		s->state = STREAM_OPEN;
}

static bool is_wanted(const struct streams *all, const struct instance *i) {
	for (size_t word = 0; word < all->n_words; word++)
		if (instance_matches(i, all->words[word]))
			return true;
	return all->n_words == 0;
}

/* One message. False where the connection is over. */
static bool take(struct streams *all, struct stream *s, const char *message, size_t length) {
	struct json_object *reply = wire_parse(message, length);
	int r = instance_take(&s->instance, reply);

	json_object_put(reply);
	s->n_text = length;
	if (r < 0)
		stop(all, s, STREAM_CLOSED);
	else if (!s->instance.is_believed)
		stop(all, s, STREAM_BAD);
	else if (!is_wanted(all, &s->instance))
		stop(all, s, STREAM_UNWANTED);
	else
		s->state = STREAM_ANSWERED;
	all->is_changed = all->is_changed || s->state == STREAM_ANSWERED;
	return s->state == STREAM_ANSWERED;
}

/* Above CLIENT_BYTES_MAX the one that holds most is given up, which is hardly an honest one. */
static void weigh(struct streams *all, struct stream *s) {
	size_t n_bytes = s->n_text + s->wire.length;

	all->n_bytes += n_bytes - s->n_bytes;
	s->n_bytes = n_bytes;
	while (all->n_bytes > CLIENT_BYTES_MAX) {
		struct stream *largest = s;

		for (size_t at = 0; at < all->n; at++)
			if (all->list[at]->n_bytes > largest->n_bytes)
				largest = all->list[at];
		stop(all, largest, STREAM_BAD);
	}
}

/* What came of one instance. */
static void read_one(struct streams *all, struct stream *s) {
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
	const char *message;
	size_t length;
	int r = 1;

	/* Given up in this turn. */
	if (s->wire.fd < 0)
		return;
	for (int n = 0; n < MESSAGES_PER_TURN && r > 0; n++) {
		r = wire_read(&s->wire, &message, &length);
		if (r > 0 && !take(all, s, message, length))
			return;
	}
	if (r != 0)
		stop(all, s, r == -EPIPE ? STREAM_CLOSED : STREAM_BAD);
	else
		weigh(all, s);
	if (s->wire.fd >= 0 && !(wire_events(&s->wire) & EPOLLOUT))
		epoll_ctl(all->epoll, EPOLL_CTL_MOD, s->wire.fd, &event);
}

void streams_feed(struct streams *all, usec_t timeout_usec, const void *mask) {
	struct epoll_event events[64];
	int n = epoll_pwait(all->epoll, events, ARRAY_SIZE(events),
			    (int)((timeout_usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC), mask);

	for (int at = 0; at < n; at++)
		if (events[at].data.ptr)
			read_one(all, events[at].data.ptr);
}

static int by_path(const void *one, const void *other) {
	const struct instance *a = one, *b = other;

	return strcmp(a->path, b->path);
}

/* A stream for the socket of @found, which it empties, or NULL. */
static struct stream *stream_new(struct instance *found) {
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->wire.fd = -1;
	s->instance = *found;
	*found = (struct instance){0};
	return s;
}

/* Both are in the order of their paths: what is in @found alone is new, what is in @all alone has
 * ended. */
static void merge(struct streams *all, struct instances *found, struct stream **list) {
	size_t old = 0, n = 0;

	for (size_t at = 0; at < found->n; at++) {
		int order = -1;

		while (old < all->n &&
		       (order = strcmp(all->list[old]->instance.path, found->list[at].path)) < 0) {
			stop(all, all->list[old], STREAM_CLOSED);
			stream_free(all->list[old++]);
		}
		if (old < all->n && order == 0)
			list[n++] = all->list[old++];
		else if ((list[n] = stream_new(found->list + at)))
			n++;
	}
	while (old < all->n) {
		stop(all, all->list[old], STREAM_CLOSED);
		stream_free(all->list[old++]);
	}
	free(all->list);
	all->list = list;
	all->n = n;
}

void streams_scan(struct streams *all) {
	struct instances found;
	struct stream **list;
	usec_t now = usec_now();

	if (instances_find(&found) < 0)
		return;
	list = calloc(found.n + 1, sizeof(struct stream *));
	if (list) {
		if (found.n > 0)
			qsort(found.list, found.n, sizeof(*found.list), by_path);
		client_room(found.n);
		merge(all, &found, list);
	}
	instances_done(&found);
	for (size_t at = 0; at < all->n; at++) {
		struct stream *s = all->list[at];

		if (s->state == STREAM_CLOSED || (s->state == STREAM_BAD && now >= s->again_at))
			begin(all, s);
	}
}

static bool is_bad(const struct stream *s, usec_t now) {
	return s->state == STREAM_BAD || (s->state == STREAM_OPEN && now >= s->patient_until);
}

ptrdiff_t streams_list(const struct streams *all, const struct instance ***ret, size_t *ret_n_bad) {
	const struct instance **list = calloc(all->n + 1, sizeof(const struct instance *));
	usec_t now = usec_now();
	ptrdiff_t n = 0;

	if (!list)
		return -ENOMEM;
	*ret_n_bad = 0;
	for (size_t at = 0; at < all->n; at++) {
		const struct stream *s = all->list[at];

		if (s->state == STREAM_ANSWERED)
			list[n++] = &s->instance;
		else if (is_bad(s, now) && is_wanted(all, &s->instance))
			++*ret_n_bad;
	}
	*ret = list;
	return n;
}
