/* SPDX-License-Identifier: MIT */
#include "probe/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/usec.h"
#include "probe/connect_error.h"

/*
 * The answer is matched as it comes, so the verdict does not wait for a server that keeps its
 * connections open.  What came so far may go on: its end counts as the end of a line only where the
 * server has closed ("^2$" must not match the first byte of "220").
 *
 * Whoever closes first keeps the connection in TIME_WAIT for a minute (RFC 9293 section 3.6.1), so
 * the server should where it closes by itself.  Nothing here says whether it will, and a server
 * that takes one connection after the other must not be held up by ours.  So we close at once,
 * until one look finds the server's end there already: from then on the connection lingers after a
 * good verdict, until the server closes or the next look begins.  If that begins first, the server
 * has changed its ways, and we close at once again.
 *
 * What the server has sent is read before we close, because a close with something unread is a
 * reset (RFC 2525 section 2.17).
 */

#define READ_TURNS 8              /* per wake-up */
#define READ_TURNS_AT_DEADLINE 64 /* more than an answer can be */
/* A server that drips must not keep us matching the same again: of one look so many bytes are
 * matched as they come, and what is beyond at its end only. */
#define MATCHED_MAX (100 * MATCH_MAX)
#define DISCARD_SIZE (8 * 1024)
#define DISCARD_TURNS 8
#define LINGER_MAX (64 * 1024) /* thrown away after the verdict, then we close */

/* How reading went on until now. */
enum stream_end {
	STREAM_GOES_ON,
	STREAM_CLOSED,
	STREAM_TOO_LONG,
	STREAM_BROKEN,
};

static struct stream_probe *stream_probe(struct probe *p) {
	return container_of(p, struct stream_probe, probe);
}

static const struct stream_settings *settings(const struct stream_probe *s) {
	return s->probe.conf->settings;
}

static const struct dial_target *target(const struct stream_probe *s) {
	return settings(s)->name ? &s->lookup.target : &settings(s)->target;
}

static void hang_up(struct stream_probe *s) {
	lookup_cancel(&s->lookup);
	dial_cancel(&s->dial);
	if (s->phase == STREAM_TALKING || s->phase == STREAM_LINGERING) {
		ev_io_stop(s->probe.loop, &s->io);
		probe_hang_up(&s->probe, target(s), s->io.fd);
	}
	s->phase = STREAM_IDLE;
}

static void watch(struct stream_probe *s, int events) {
	if (ev_is_active(&s->io) && (s->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(s->probe.loop, &s->io);
	ev_io_set(&s->io, s->io.fd, events);
	ev_io_start(s->probe.loop, &s->io);
}

/* For what a look that is not over waits for. */
static void watch_talk(struct stream_probe *s) {
	watch(s, (s->sent < settings(s)->send.length ? EV_WRITE : 0) |
			 (settings(s)->expect ? EV_READ : 0));
}

/* Throws away what is there. Returns 1 (it goes on), 0 (the server has closed), or a negative
 * errno. */
static int discard(struct stream_probe *s) {
	char rest[DISCARD_SIZE];

	for (int i = 0; i < DISCARD_TURNS; i++) {
		ssize_t n = probe_recv(target(s), s->io.fd, rest, sizeof(rest));

		if (n == 0)
			return 0;
		if (n > 0)
			s->thrown_away += (size_t)n;
		else if (errno == EAGAIN)
			return 1;
		else if (errno != EINTR)
			return -errno;
	}
	return 1;
}

/* The look has its verdict. */
static void settle(struct stream_probe *s, enum verdict verdict) {
	bool has_time_wait = target(s)->addresses[0].any.sa_family != AF_UNIX;
	int r;

	if (s->phase == STREAM_TALKING) {
		s->thrown_away = 0;
		r = discard(s);
		if (r == 0)
			s->closes_itself = true;
		if (r > 0 && has_time_wait && s->closes_itself && verdict == VERDICT_PASS) {
			s->phase = STREAM_LINGERING;
			watch(s, EV_READ);
			return;
		}
	}
	hang_up(s);
}

/* Sends what goes now. Returns 0, or a negative errno: nothing more will be taken. */
static int send_some(struct stream_probe *s) {
	const struct stream_text *text = &settings(s)->send;

	while (s->sent < text->length) {
		ssize_t n =
			send(s->io.fd, text->data + s->sent, text->length - s->sent, MSG_NOSIGNAL);

		if (n >= 0)
			s->sent += (size_t)n;
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Adds what is there to the answer; *@ret_error: why it broke. */
static enum stream_end read_some(struct stream_probe *s, int turns, int *ret_error) {
	while (turns-- > 0) {
		size_t room = MATCH_MAX - s->received;
		char beyond;
		ssize_t n = room > 0
				    ? probe_recv(target(s), s->io.fd, s->answer + s->received, room)
				    : probe_recv(target(s), s->io.fd, &beyond, 1);

		if (n < 0 && errno == EAGAIN)
			return STREAM_GOES_ON;
		if (n < 0 && errno != EINTR) {
			*ret_error = errno;
			return STREAM_BROKEN;
		}
		if (n == 0)
			return STREAM_CLOSED;
		if (n > 0 && room == 0)
			return STREAM_TOO_LONG;
		if (n > 0)
			s->received += (size_t)n;
	}
	return STREAM_GOES_ON;
}

/* Where the answer has ended without a match. */
static void judge_end(const struct stream_probe *s, enum stream_end end, int error,
		      struct outcome *ret) {
	if (end == STREAM_BROKEN)
		outcome_set(ret, CAUSE_READ_FAILED, "the connection broke: %s", strerror(error));
	else if (end == STREAM_TOO_LONG)
		outcome_set(ret, CAUSE_BODY_MISMATCH, "no match in the first %d KiB of the answer",
			    MATCH_MAX / 1024);
	else if (s->received == 0)
		outcome_set(ret, CAUSE_BODY_MISMATCH,
			    "the connection was closed without an answer");
	else
		outcome_set(ret, CAUSE_BODY_MISMATCH,
			    "the connection was closed after %zu byte%s without a match",
			    s->received, s->received == 1 ? "" : "s");
}

/* Looks for the match in what is there. */
static bool match(struct stream_probe *s, enum stream_end end, bool is_last) {
	if (end == STREAM_CLOSED)
		return match_bytes(settings(s)->expect, s->answer, s->received);
	if (s->received == 0 || (s->matched > MATCHED_MAX && end == STREAM_GOES_ON && !is_last))
		return false;
	s->matched += s->received;
	return match_begun(settings(s)->expect, s->answer, s->received);
}

/* Reads and matches; @is_last: the deadline has come. True: *@ret is the outcome. */
static bool hear(struct stream_probe *s, bool is_last, struct outcome *ret) {
	int error = 0;
	enum stream_end end = read_some(s, is_last ? READ_TURNS_AT_DEADLINE : READ_TURNS, &error);

	if (match(s, end, is_last))
		outcome_set(ret, CAUSE_OK, "the answer matches");
	else if (end == STREAM_GOES_ON)
		return false;
	else
		judge_end(s, end, error, ret);
	return true;
}

/* Sends and reads what goes now; as hear(). */
static bool talk(struct stream_probe *s, bool is_last, struct outcome *ret) {
	const struct stream_settings *set = settings(s);
	int r = send_some(s);

	if (!set->expect) {
		if (r < 0)
			outcome_set(ret, CAUSE_READ_FAILED, "the connection broke: %s",
				    strerror(-r));
		else if (s->sent == set->send.length)
			outcome_set(ret, CAUSE_OK,
				    set->send.data ? "connected, all was sent" : "connected");
		else
			return false;
		return true;
	}
	/* No verdict: the server may have answered and hung up before it read all. */
	if (r < 0)
		s->sent = set->send.length;
	return hear(s, is_last, ret);
}

static void tell(struct stream_probe *s, const struct outcome *o) {
	settle(s, o->verdict);
	s->probe.owner->on_outcome(s->probe.owner, &s->probe, o);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events) {
	struct stream_probe *s = container_of(io, struct stream_probe, io);
	struct outcome o;

	if (events & EV_ERROR) {
		outcome_set(&o, CAUSE_SELF, "the connection cannot be watched");
		if (s->phase == STREAM_LINGERING)
			hang_up(s);
		else
			tell(s, &o);
		return;
	}
	if (s->phase == STREAM_LINGERING) {
		if (discard(s) <= 0 || s->thrown_away > LINGER_MAX)
			hang_up(s);
		return;
	}
	if (talk(s, false, &o))
		tell(s, &o);
	else
		watch_talk(s);
}

/* @result: of dial_start() and on_done(); else as hear(). */
static bool take_connection(struct stream_probe *s, int result, bool is_last, struct outcome *ret) {
	if (result < 0) {
		outcome_from_connect(ret, result);
		return true;
	}
	ev_io_init(&s->io, on_io, result, 0);
	s->phase = STREAM_TALKING;
	if (settings(s)->judge_peer && settings(s)->judge_peer(&s->probe, result, ret))
		return true;
	if (talk(s, is_last, ret))
		return true;
	watch_talk(s);
	return false;
}

static void on_dialled(struct dial *d, int result) {
	struct stream_probe *s = container_of(d, struct stream_probe, dial);
	struct outcome o;

	if (take_connection(s, result, false, &o))
		tell(s, &o);
}

/* Begins to connect; as hear(). */
static bool connect_to_target(struct stream_probe *s, struct outcome *ret) {
	int fd = -1, r;

	s->phase = STREAM_CONNECTING;
	s->dial.on_done = on_dialled;
	r = dial_start(&s->dial, s->probe.loop, target(s), &fd);
	return r != 0 && take_connection(s, r < 0 ? r : fd, false, ret);
}

static void on_looked_up(struct lookup *l, const struct outcome *unknown) {
	struct stream_probe *s = container_of(l, struct stream_probe, lookup);
	struct outcome o;

	if (unknown)
		tell(s, unknown);
	else if (connect_to_target(s, &o))
		tell(s, &o);
}

/* As hear(). */
static bool look_up(struct stream_probe *s, struct outcome *ret) {
	int r;

	s->phase = STREAM_LOOKING_UP;
	s->lookup.on_done = on_looked_up;
	r = lookup_start(&s->lookup, &s->probe, settings(s)->name, ret);
	return r == LOOKUP_UNKNOWN || (r == LOOKUP_FOUND && connect_to_target(s, ret));
}

int stream_start(struct probe *p, struct outcome *ret) {
	struct stream_probe *s = stream_probe(p);

	assert(s->phase == STREAM_IDLE || s->phase == STREAM_LINGERING);
	if (s->phase == STREAM_LINGERING)
		s->closes_itself = false;
	hang_up(s);
	s->sent = s->received = s->matched = 0;
	if (settings(s)->name ? !look_up(s, ret) : !connect_to_target(s, ret))
		return 0;
	settle(s, ret->verdict);
	return PROBE_DONE;
}

static void set_timeout(struct stream_probe *s, bool is_queue_full, struct outcome *ret) {
	char within[USEC_STR_MAX];

	usec_str_short(within, s->probe.conf->timeout_usec);
	if (s->phase == STREAM_CONNECTING)
		outcome_set(ret, CAUSE_CONNECT_TIMEOUT, "no connection within %s%s", within,
			    is_queue_full ? ": the server's listen queue is full" : "");
	else if (s->received > 0)
		outcome_set(ret, CAUSE_READ_TIMEOUT, "%zu byte%s and no match within %s",
			    s->received, s->received == 1 ? "" : "s", within);
	else if (s->sent < settings(s)->send.length)
		outcome_set(ret, CAUSE_READ_TIMEOUT, "not all could be sent within %s", within);
	else
		outcome_set(ret, CAUSE_READ_TIMEOUT, "no answer within %s", within);
}

void stream_expire(struct probe *p, struct outcome *ret) {
	struct stream_probe *s = stream_probe(p);
	bool is_queue_full = s->dial.is_queue_full, is_over = false;
	int fd = -1, r;

	if (s->phase == STREAM_LOOKING_UP) {
		/* It has less time than the look: only we ourselves can have been late. */
		is_over = true;
		if (lookup_expire(&s->lookup, ret) == LOOKUP_FOUND)
			outcome_set(ret, CAUSE_SELF, "no time was left to connect");
	} else if (s->phase == STREAM_CONNECTING) {
		r = dial_check(&s->dial, &fd);
		is_over = r != 0 && take_connection(s, r < 0 ? r : fd, true, ret);
	} else
		is_over = talk(s, true, ret);
	if (!is_over)
		set_timeout(s, is_queue_full, ret);
	settle(s, ret->verdict);
}

void stream_cancel(struct probe *p) {
	hang_up(stream_probe(p));
}
