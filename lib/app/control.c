/* SPDX-License-Identifier: MIT */
/*
 * Whoever can open the socket may ask, so nobody who asks is trusted: clients, bytes and time are
 * bounded, all of them together get no more than a small part of the processor, and who does not
 * take what he asked for is dropped.
 */
#include "app/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "app/internal.h"
#include "sys/peer_sock.h"

/* From one piece of work to the next: at most so many replies in a second. */
#define WORK_SPACING (2 * USEC_PER_MSEC)
#define ACCEPTS_PER_TURN 4
/* After an accept(2) that failed for want of something. */
#define ACCEPT_AGAIN USEC_PER_SEC
#define WATCH_SPACING USEC_PER_SEC
/* For a reply to be taken, and for a call to come. */
#define REPLY_PATIENCE (10 * USEC_PER_SEC)
#define IDLE_PATIENCE (60 * USEC_PER_SEC)

static void on_client(struct ev_loop *loop, struct ev_io *w, int events) {
	struct control_client *client = container_of(w, struct control_client, io);

	ev_io_stop(loop, w);
	client->is_ready = true;
}

static void on_listener(struct ev_loop *loop, struct ev_io *w, int events) {
	struct control *c = container_of(w, struct control, io);

	if (loop_again(loop, w, events))
		return;
	ev_io_stop(loop, w);
	c->is_ready = true;
}

/* Waits for what comes next: room for the reply, or more of a call. */
static void listen_to(struct control_client *client) {
	client->is_ready = false;
	if (!client->reply && client->has_call && !client->is_watching)
		return;
	ev_io_init(&client->io, on_client, client->fd, client->reply ? EV_WRITE : EV_READ);
	ev_set_priority(&client->io, EV_MINPRI);
	ev_io_start(client->control->loop, &client->io);
}

static void end_connection(struct control *c, int fd) {
	if (!peer_hang_up(fd))
		unclosed_add(c->unclosed, fd);
}

static void drop(struct control *c, size_t i) {
	struct control_client *client = c->clients[i];

	ev_io_stop(c->loop, &client->io);
	end_connection(c, client->fd);
	free(client->reply);
	free(client);
	c->clients[i] = NULL;
}

static size_t count_of(const struct control *c, uid_t uid) {
	size_t n = 0;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		n += c->clients[i] && c->clients[i]->peer.uid == uid;
	return n;
}

/* The oldest of @uid, one that does not watch before those that do. */
static size_t oldest_of(const struct control *c, uid_t uid) {
	size_t found = CONTROL_CLIENTS_MAX;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		const struct control_client *a = c->clients[i], *b;

		if (!a || a->peer.uid != uid)
			continue;
		b = found < CONTROL_CLIENTS_MAX ? c->clients[found] : NULL;
		if (!b ||
		    (a->is_watching == b->is_watching ? a->number < b->number : b->is_watching))
			found = i;
	}
	return found;
}

static uid_t most_common_uid(const struct control *c) {
	uid_t uid = 0;
	size_t most = 0;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		size_t n = c->clients[i] ? count_of(c, c->clients[i]->peer.uid) : 0;

		if (n <= most)
			continue;
		most = n;
		uid = c->clients[i]->peer.uid;
	}
	return uid;
}

/* A free place for one of @uid; somebody may have to go for it. */
static size_t make_room(struct control *c, uid_t uid) {
	size_t i = 0;

	if (count_of(c, uid) >= CONTROL_CLIENTS_OF_UID) {
		i = oldest_of(c, uid);
		drop(c, i);
		return i;
	}
	while (i < CONTROL_CLIENTS_MAX && c->clients[i])
		i++;
	if (i == CONTROL_CLIENTS_MAX) {
		i = oldest_of(c, most_common_uid(c));
		drop(c, i);
	}
	return i;
}

/* Returns false where nobody waits any more. */
static bool accept_one(struct supervisor *s) {
	struct control *c = &s->control;
	struct control_client *client;
	struct control_peer peer;
	int fd = control_sock_accept(&c->sock, &peer);

	if (fd < 0) {
		if (fd != -EAGAIN && fd != -ECONNABORTED && fd != -EINTR)
			c->accept_at = usec_add(s->now, ACCEPT_AGAIN);
		return false;
	}
	client = calloc(1, sizeof(*client));
	if (!client) {
		end_connection(c, fd);
		return true;
	}
	client->control = c;
	client->fd = fd;
	client->peer = peer;
	client->number = ++c->last_number;
	client->close_at = usec_add(s->now, IDLE_PATIENCE);
	c->clients[make_room(c, peer.uid)] = client;
	ev_io_init(&client->io, on_client, fd, EV_READ);
	listen_to(client);
	return true;
}

static void accept_some(struct supervisor *s) {
	struct control *c = &s->control;
	int n = 0;

	/* There is room in unclosed for all clients that we have, at any time. */
	while (n < ACCEPTS_PER_TURN && unclosed_has_room(c->unclosed, 1) && accept_one(s))
		n++;
	if (!unclosed_has_room(c->unclosed, 1))
		c->accept_at = MAX(c->accept_at, c->unclosed->at);
	/* What waits still wakes us again. */
	c->is_ready = c->accept_at > s->now;
	if (!c->is_ready)
		ev_io_start(c->loop, &c->io);
}

/* Returns false where the client is to be dropped. */
static bool write_some(struct supervisor *s, struct control_client *client) {
	ssize_t n = send(client->fd, client->reply + client->reply_sent,
			 client->reply_length - client->reply_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	client->reply_sent += (size_t)n;
	if (client->reply_sent < client->reply_length)
		return true;
	free(client->reply);
	client->reply = NULL;
	client->close_at = client->is_watching ? USEC_INFINITY : usec_add(s->now, IDLE_PATIENCE);
	return true;
}

static bool read_some(struct control_client *client) {
	size_t room = sizeof(client->request) - client->n_request;
	ssize_t n;

	/* A call that is longer than any we know, or too many behind a Watch. */
	if (room == 0)
		return false;
	n = peer_recv(client->fd, client->request + client->n_request, room);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	client->n_request += (size_t)n;
	client->has_call = varlink_frame(client->request, client->n_request) >= 0;
	return n > 0;
}

/* A reply is ready, or (NULL) could not be made. */
static bool reply_with(struct supervisor *s, struct control_client *client, char *reply,
		       size_t length) {
	if (!reply)
		return false;
	client->reply = reply;
	client->reply_length = length;
	client->reply_sent = 0;
	client->close_at = usec_add(s->now, REPLY_PATIENCE);
	return write_some(s, client);
}

static bool show(struct supervisor *s, struct control_client *client) {
	size_t length = 0;
	char *reply = control_reply_status(s, true, &length);

	client->seen = s->control.changes;
	client->watch_at = usec_add(s->now, WATCH_SPACING);
	return reply_with(s, client, reply, length);
}

static bool answer(struct supervisor *s, struct control_client *client) {
	ptrdiff_t frame = varlink_frame(client->request, client->n_request);
	struct varlink_call call;
	size_t length = 0;
	char *reply;

	if (varlink_parse(&call, client->request, (size_t)frame) < 0)
		return false;
	client->n_request -= (size_t)frame + 1;
	memmove(client->request, client->request + frame + 1, client->n_request);
	client->has_call = varlink_frame(client->request, client->n_request) >= 0;
	client->close_at = usec_add(s->now, IDLE_PATIENCE);
	reply = control_answer(s, client, &call, &length);
	if (client->is_watching)
		return show(s, client);
	if (call.is_oneway) {
		free(reply);
		return true;
	}
	return reply_with(s, client, reply, length);
}

static bool owes_answer(const struct control_client *client) {
	return client->has_call && !client->reply && !client->is_watching;
}

static bool owes_news(const struct control *c, const struct control_client *client) {
	return client->is_watching && !client->reply && client->seen != c->changes;
}

/* What is there to read, and what there is room for. Returns whether there was something. */
static bool move_bytes(struct supervisor *s) {
	struct control *c = &s->control;
	bool did = false;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *client = c->clients[i];

		if (!client || !client->is_ready)
			continue;
		did = true;
		if (client->reply ? write_some(s, client) : read_some(client))
			listen_to(client);
		else
			drop(c, i);
	}
	return did;
}

/* The one reply of this turn. Returns whether one was owed. */
static bool answer_one(struct supervisor *s) {
	struct control *c = &s->control;

	for (size_t n = 0; n < CONTROL_CLIENTS_MAX; n++) {
		size_t i = (c->next + n) % CONTROL_CLIENTS_MAX;
		struct control_client *client = c->clients[i];
		bool must_answer = client && owes_answer(client);

		if (!must_answer && (!client || !owes_news(c, client) || client->watch_at > s->now))
			continue;
		c->next = i + 1;
		ev_io_stop(c->loop, &client->io);
		if (must_answer ? answer(s, client) : show(s, client))
			listen_to(client);
		else
			drop(c, i);
		return true;
	}
	return false;
}

void control_turn(struct supervisor *s) {
	struct control *c = &s->control;
	bool did = false;

	if (c->sock.fd < 0)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->clients[i] && c->clients[i]->close_at <= s->now)
			drop(c, i);
	if (c->work_at > s->now)
		return;
	if (c->is_ready && c->accept_at <= s->now) {
		accept_some(s);
		did = true;
	}
	did |= move_bytes(s);
	did |= answer_one(s);
	if (did)
		c->work_at = usec_add(s->now, WORK_SPACING);
}

usec_t control_next_at(const struct supervisor *s) {
	const struct control *c = &s->control;
	usec_t work_at = MAX(c->work_at, s->now), at = USEC_INFINITY;

	if (c->is_ready)
		at = MAX(work_at, c->accept_at);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		const struct control_client *client = c->clients[i];

		if (!client)
			continue;
		at = MIN(at, client->close_at);
		if (client->is_ready || owes_answer(client))
			at = MIN(at, work_at);
		else if (owes_news(c, client))
			at = MIN(at, MAX(work_at, client->watch_at));
	}
	return at;
}

void control_changed(struct supervisor *s) {
	s->control.changes++;
}

void control_init(struct supervisor *s) {
	s->control.sock.fd = -1;
	s->control.unclosed = &s->unclosed;
	ev_io_init(&s->control.io, on_listener, -1, EV_READ);
}

void control_open(struct supervisor *s) {
	struct control *c = &s->control;
	char reason[LOG_MESSAGE_MAX];
	struct text error = TEXT_OVER(reason);

	if (control_sock_open(&c->sock, s->conf->label, &error) < 0) {
		log_notice("no control socket: %s; sdwdctl does not see this service", reason);
		return;
	}
	c->loop = s->loop;
	ev_io_set(&c->io, c->sock.fd, EV_READ);
	ev_set_priority(&c->io, EV_MINPRI);
	ev_io_start(c->loop, &c->io);
}

void control_done(struct supervisor *s) {
	struct control *c = &s->control;

	if (c->sock.fd < 0)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->clients[i])
			drop(c, i);
	ev_io_stop(c->loop, &c->io);
	/* The fd, and what could not be closed, ends with the process. */
	control_sock_unlink(&c->sock);
}
