/* SPDX-License-Identifier: MIT */
#include "probe/http.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "probe/connect_error.h"
#include "probe/http_exchange.h"

/*
 * One look is one request on a fresh connection (more with --http-follow), and ends with the whole
 * response: a server that sends good headers and then hangs is not well. Only a body longer than
 * the cap is judged before its end.
 *
 * Whoever closes first keeps the connection in TIME_WAIT for a minute (RFC 9293 section 3.6.1), so
 * the server should. Where its response says that it will close, the connection lingers after the
 * verdict and whatever still comes is thrown away, until the server closes or the next look begins;
 * a server that keeps its connections alive is not made to hold one for us. The verdict never
 * waits for any of this.
 */

#define READ_SIZE (8 * 1024)
#define READ_TURNS 8              /* per wake-up */
#define LINGER_MAX (64 * 1024)    /* thrown away after the verdict, then we close */
#define READ_TURNS_AT_DEADLINE 64 /* more than head and body can be */

enum http_phase {
	PHASE_IDLE,
	PHASE_CONNECTING,
	PHASE_TALKING,
	PHASE_LINGERING,
};

struct http_probe {
	struct probe probe;
	enum http_phase phase;
	struct dial dial;
	bool has_connection;
	struct ev_io io; /* its fd is ours while has_connection */
	struct http_exchange exchange;
	struct text request;
	size_t sent;
	size_t thrown_away;
	char request_buffer[HTTP_REQUEST_MAX];
};

static struct http_probe *http_probe(struct probe *p) {
	return container_of(p, struct http_probe, probe);
}

static const struct http_settings *settings(const struct http_probe *h) {
	return h->probe.conf->settings;
}

static void close_connection(struct http_probe *h) {
	if (!h->has_connection)
		return;
	ev_io_stop(h->probe.loop, &h->io);
	probe_hang_up(&h->probe, &settings(h)->target, h->io.fd);
	h->has_connection = false;
}

static void watch(struct http_probe *h, int events) {
	ev_io_stop(h->probe.loop, &h->io);
	ev_io_set(&h->io, h->io.fd, events);
	ev_io_start(h->probe.loop, &h->io);
}

/* Throws away what comes until the server closes; closes then, or where it is too much. */
static void linger(struct http_probe *h) {
	char buffer[READ_SIZE];
	ssize_t n;

	for (;;) {
		n = probe_recv(&settings(h)->target, h->io.fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EAGAIN)
			return;
		if (n > 0)
			h->thrown_away += (size_t)n;
		if (n == 0 || (n < 0 && errno != EINTR) || h->thrown_away > LINGER_MAX)
			break;
	}
	close_connection(h);
	h->phase = PHASE_IDLE;
}

/* The look has its verdict. */
static void settle(struct http_probe *h) {
	const struct http_reply *r = &h->exchange.reply;

	dial_cancel(&h->dial);
	h->phase = PHASE_IDLE;
	if (h->has_connection && (r->state == HTTP_DONE || r->state == HTTP_CUT) && r->will_close) {
		h->phase = PHASE_LINGERING;
		h->thrown_away = 0;
		watch(h, EV_READ);
		linger(h);
	} else
		close_connection(h);
}

static bool begin_request(struct http_probe *h, struct outcome *ret);

/* The response has ended, well or not. True: *@ret is the outcome; false: a redirect is followed.
 */
static bool judge(struct http_probe *h, struct outcome *ret) {
	if (http_exchange_judge(&h->exchange, ret))
		return true;
	linger(h);
	close_connection(h);
	return begin_request(h, ret);
}

/* An error here is no verdict: the server may have answered and hung up before it read all. */
static void send_request(struct http_probe *h) {
	while (h->sent < h->request.length) {
		ssize_t n = send(h->io.fd, h->request.data + h->sent, h->request.length - h->sent,
				 MSG_NOSIGNAL);

		if (n >= 0)
			h->sent += (size_t)n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			h->sent = h->request.length;
	}
	watch(h, EV_READ);
}

/* Sends and reads what goes now, in at most @turns. True: *@ret is the outcome. */
static bool talk(struct http_probe *h, int turns, struct outcome *ret) {
	char buffer[READ_SIZE];
	enum http_state state;

	if (h->sent < h->request.length)
		send_request(h);
	while (turns-- > 0) {
		ssize_t n = probe_recv(&settings(h)->target, h->io.fd, buffer, sizeof(buffer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) {
			http_exchange_broke(&h->exchange, strerror(errno), ret);
			return true;
		}
		state = n == 0 ? http_reply_end(&h->exchange.reply)
			       : http_reply_feed(&h->exchange.reply, buffer, (size_t)n);
		if (state != HTTP_NEED_MORE)
			return judge(h, ret);
	}
	return false;
}

static void tell(struct http_probe *h, const struct outcome *o) {
	settle(h);
	h->probe.owner->on_outcome(h->probe.owner, &h->probe, o);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events) {
	struct http_probe *h = container_of(io, struct http_probe, io);
	struct outcome o;

	if (events & EV_ERROR) {
		outcome_set(&o, CAUSE_SELF, "the connection cannot be watched");
		if (h->phase == PHASE_LINGERING)
			settle(h);
		else
			tell(h, &o);
	} else if (h->phase == PHASE_LINGERING)
		linger(h);
	else if (talk(h, READ_TURNS, &o))
		tell(h, &o);
}

/* @result: of dial_start() and on_done(). True: *@ret is the outcome. */
static bool take_connection(struct http_probe *h, int result, struct outcome *ret) {
	if (result < 0) {
		outcome_from_connect(ret, result);
		return true;
	}
	ev_io_init(&h->io, on_io, result, EV_READ | EV_WRITE);
	ev_io_start(h->probe.loop, &h->io);
	h->has_connection = true;
	h->phase = PHASE_TALKING;
	return talk(h, READ_TURNS, ret);
}

static void on_dialled(struct dial *d, int result) {
	struct http_probe *h = container_of(d, struct http_probe, dial);
	struct outcome o;

	if (take_connection(h, result, &o))
		tell(h, &o);
}

/* One request, the first or that of a redirect. True: *@ret is the outcome. */
static bool begin_request(struct http_probe *h, struct outcome *ret) {
	int fd = -1, r;

	h->request = TEXT_OVER(h->request_buffer);
	h->sent = 0;
	http_exchange_request(&h->exchange, &h->request);
	h->phase = PHASE_CONNECTING;
	h->dial.on_done = on_dialled;
	r = dial_start(&h->dial, h->probe.loop, &settings(h)->target, &fd);
	return r != 0 && take_connection(h, r < 0 ? r : fd, ret);
}

static void http_cancel(struct probe *p) {
	struct http_probe *h = http_probe(p);

	dial_cancel(&h->dial);
	close_connection(h);
	h->phase = PHASE_IDLE;
}

static int http_start(struct probe *p, struct outcome *ret) {
	struct http_probe *h = http_probe(p);

	assert(h->phase == PHASE_IDLE || h->phase == PHASE_LINGERING);
	http_cancel(p);
	http_exchange_begin(&h->exchange, settings(h));
	if (!begin_request(h, ret))
		return 0;
	settle(h);
	return PROBE_DONE;
}

static void http_expire(struct probe *p, struct outcome *ret) {
	struct http_probe *h = http_probe(p);
	usec_t within = h->probe.conf->timeout_usec;
	bool is_queue_full = h->dial.is_queue_full, is_over = false;
	int fd = -1, r;

	if (h->phase == PHASE_CONNECTING) {
		r = dial_check(&h->dial, &fd);
		is_over = r != 0 && take_connection(h, r < 0 ? r : fd, ret);
	} else
		is_over = talk(h, READ_TURNS_AT_DEADLINE, ret);
	if (!is_over && h->phase == PHASE_CONNECTING)
		outcome_connect_late(ret, within, is_queue_full);
	else if (!is_over)
		http_exchange_late(&h->exchange, within, ret);
	settle(h);
}

static const struct probe_kind http_kind = {
	.name = "http",
	.argument = "URL",
	.help = "good when the URL answers with a good status",
	.mode = PROBE_PULL,
	.options = http_options,
	.settings_size = sizeof(struct http_settings),
	.check = http_settings_check,
	.settings_done = http_settings_done,
	.note = http_settings_note,
	.needs_prober = http_settings_need_prober,
};

const struct probe_class probe_http = {
	.kind = &http_kind,
	.size = sizeof(struct http_probe),
	.start = http_start,
	.expire = http_expire,
	.cancel = http_cancel,
	.done = http_cancel,
};
