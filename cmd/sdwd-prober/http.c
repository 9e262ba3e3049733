/* SPDX-License-Identifier: MIT */
/*
 * --http where it is https, or where a name must be resolved.  libcurl makes TLS of the connection
 * (CURLOPT_CONNECT_ONLY) and moves bytes; which bytes, and what they say of the service, is decided
 * by the code that sdwd itself looks with (probe/http_exchange.h).  So a look means the same
 * wherever it is done.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "ask.h"
#include "base/text.h"
#include "base/usec.h"
#include "conf/probe_conf.h"
#include "easy.h"
#include "probe/http_exchange.h"
#include "resolve.h"

#define READ_SIZE (8 * 1024)
/* What libcurl puts before the text of an errno. */
#define RECV_FAILURE "Recv failure: "
/* Looked again at the latest: TLS may have something to do that poll(2) does not show. */
#define POLL_MSEC_MAX 250
/* The server may close first, which keeps TIME_WAIT with it. */
#define LINGER (500 * USEC_PER_MSEC)
#define LINGER_MAX (64 * 1024)

struct http_look {
	struct ask *ask;
	const struct probe_conf *conf;
	struct dial_target target;
	struct http_exchange exchange;
	struct easy easy;
	curl_socket_t fd; /* of the connection; libcurl's */
};

/* Waits for @events, or the deadline. False: it has come. */
static bool wait_for(const struct http_look *l, short events) {
	usec_t left = ask_left_usec(l->ask) / USEC_PER_MSEC;
	struct pollfd p = {.fd = l->fd, .events = events};

	if (left == 0)
		return false;
	(void)poll(&p, 1, (int)MIN(left, (usec_t)POLL_MSEC_MAX));
	return true;
}

/* The URL of this look's host and port, for TLS; the request is written by ourselves. */
static void write_url(const struct http_look *l, struct text *t) {
	text_add(t, l->exchange.url.is_tls ? "https://" : "http://");
	http_url_add_authority(&l->exchange.url, t);
	text_add(t, "/");
}

/* The connection and its handshake. True: it is there; false: *@ret is the outcome. */
static bool open_connection(struct http_look *l, struct outcome *ret) {
	const struct http_settings *s = l->conf->settings;
	char buffer[HTTP_HOST_MAX + 32];
	struct text url = TEXT_OVER(buffer);
	CURLcode code = CURLE_OUT_OF_MEMORY;

	write_url(l, &url);
	if (easy_init(&l->easy, buffer, &l->target, &s->tls, l->ask->request.deadline_at) == 0) {
		(void)curl_easy_setopt(l->easy.curl, CURLOPT_CONNECT_ONLY, 1L);
		/* What ALPN offers. */
		(void)curl_easy_setopt(l->easy.curl, CURLOPT_HTTP_VERSION,
				       (long)CURL_HTTP_VERSION_1_1);
		code = easy_perform(&l->easy);
	}
	if (code == CURLE_OK)
		code = curl_easy_getinfo(l->easy.curl, CURLINFO_ACTIVESOCKET, &l->fd);
	if (code == CURLE_OK && l->fd != CURL_SOCKET_BAD) {
		/* What there is to say of a connection that came about is no error of what follows.
		 */
		l->easy.error[0] = '\0';
		return true;
	}
	easy_outcome(&l->easy, code, l->conf->timeout_usec, ret);
	easy_done(&l->easy);
	return false;
}

/* An error here is no verdict: the server may have answered and hung up before it read all. */
static void send_request(struct http_look *l) {
	char buffer[HTTP_REQUEST_MAX];
	struct text request = TEXT_OVER(buffer);
	size_t sent = 0, n;
	CURLcode code;

	http_exchange_request(&l->exchange, &request);
	while (sent < request.length) {
		code = curl_easy_send(l->easy.curl, request.data + sent, request.length - sent, &n);
		if (code == CURLE_OK)
			sent += n;
		else if (code != CURLE_AGAIN || !wait_for(l, POLLOUT))
			break;
	}
	explicit_bzero(buffer, sizeof(buffer));
}

/* TLS 1.3 tells only with the first bytes that it does not want the client's certificate. */
static void set_broken(const struct http_look *l, CURLcode code, struct outcome *ret) {
	const char *why = easy_error(&l->easy, code);
	const size_t prefix = strlen(RECV_FAILURE);

	/* As sdwd itself says it. */
	if (strncmp(why, RECV_FAILURE, prefix) == 0)
		why += prefix;
	if (l->exchange.url.is_tls && l->exchange.reply.received == 0 && strstr(why, "alert"))
		outcome_set(ret, CAUSE_TLS, "%s", why);
	else
		http_exchange_broke(&l->exchange, why, ret);
}

/* Reads the response. True: *@ret is the outcome; false: a redirect is followed. */
static bool read_response(struct http_look *l, struct outcome *ret) {
	char buffer[READ_SIZE];
	enum http_state state;
	CURLcode code;
	size_t n;

	for (;;) {
		code = curl_easy_recv(l->easy.curl, buffer, sizeof(buffer), &n);
		if (code == CURLE_AGAIN) {
			if (wait_for(l, POLLIN))
				continue;
			http_exchange_late(&l->exchange, l->conf->timeout_usec, ret);
			return true;
		}
		if (code != CURLE_OK) {
			set_broken(l, code, ret);
			return true;
		}
		state = n == 0 ? http_reply_end(&l->exchange.reply)
			       : http_reply_feed(&l->exchange.reply, buffer, n);
		if (state != HTTP_NEED_MORE)
			return http_exchange_judge(&l->exchange, ret);
	}
}

/*
 * After the answer, and without haste: where the server says that it closes, it may do so first.
 * Not with TLS: a server may wait for the farewell of ours that goes with the handle.
 */
static void linger(const struct http_look *l) {
	const struct http_reply *r = &l->exchange.reply;
	usec_t until_at = usec_add(usec_now(), LINGER), now;
	struct pollfd p = {.fd = l->fd, .events = POLLIN};
	char buffer[READ_SIZE];
	size_t thrown_away = 0;
	ssize_t n;

	if (l->exchange.url.is_tls || (r->state != HTTP_DONE && r->state != HTTP_CUT) ||
	    !r->will_close)
		return;
	while ((now = usec_now()) < until_at && thrown_away < LINGER_MAX) {
		if (poll(&p, 1, (int)((until_at - now) / USEC_PER_MSEC) + 1) <= 0)
			continue;
		n = recv(l->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			break;
		thrown_away += n > 0 ? (size_t)n : 0;
	}
}

static void look(struct http_look *l) {
	bool is_over = false;
	struct outcome o;

	while (!is_over) {
		if (!open_connection(l, &o))
			break;
		send_request(l);
		is_over = read_response(l, &o);
		if (is_over) {
			ask_reply(l->ask, &o);
			linger(l);
		}
		easy_done(&l->easy);
	}
	if (!is_over)
		ask_reply(l->ask, &o);
}

void http_answer(struct ask *a) {
	cleanup(probe_conf_freep) struct probe_conf *conf = NULL;
	struct http_look l = {.ask = a};
	const struct http_settings *s;
	struct outcome o;

	if (!ask_probe(a, &conf))
		return;
	s = conf->settings;
	l.conf = conf;
	l.target = s->target;
	http_exchange_begin(&l.exchange, s);
	if (s->name[0] == '\0' || resolve_target(a, s->name, s->port, &l.target, &o))
		look(&l);
	else
		ask_reply(a, &o);
}
