/* SPDX-License-Identifier: MIT */
/*
 * --grpc. libcurl speaks HTTP/2 and TLS; what is asked and what the answer says is core's
 * (core/grpc_health.h). Without TLS both sides must know beforehand that it is HTTP/2; with it they
 * agree on it by ALPN.
 */
#include <string.h>

#include "ask.h"
#include "base/text.h"
#include "base/usec.h"
#include "conf/probe_conf.h"
#include "easy.h"
#include "probe/grpc.h"
#include "resolve.h"

/* How often a call whose answer libcurl loses is made in one look. */
#define CALLS_MAX 4

struct grpc_look {
	struct ask *ask;
	const struct probe_conf *conf;
	const struct grpc_settings *settings;
	struct dial_target target;
	struct easy easy;
	bool was_begun; /* the call: libcurl is about to send it, or has */
	struct grpc_reply answer;
};

static size_t on_header(char *data, size_t size, size_t n, void *context) {
	struct grpc_look *l = context;
	size_t length = size * n;

	while (length > 0 && (data[length - 1] == '\r' || data[length - 1] == '\n'))
		length--;
	grpc_reply_header(&l->answer, data, length);
	return size * n;
}

/* Ends the transfer where nothing more can be learned. */
static size_t on_body(char *data, size_t size, size_t n, void *context) {
	struct grpc_look *l = context;

	grpc_reply_body(&l->answer, data, size * n);
	return l->answer.is_too_long ? 0 : size * n;
}

#if LIBCURL_VERSION_NUM >= 0x075000
/*
 * Where a server refuses a call (REFUSED_STREAM, RFC 9113 section 8.7) libcurl makes it five times
 * more, each on a new connection and at once. A look is one call: the next one comes soon enough.
 */
static int on_request(void *context, char *peer, char *us, int peer_port, int our_port) {
	struct grpc_look *l = context;

	if (l->was_begun)
		return CURL_PREREQFUNC_ABORT;
	l->was_begun = true;
	return CURL_PREREQFUNC_OK;
}
#endif

/* As libcurl returns codes. */
static int set_request(struct grpc_look *l, struct curl_slist *headers, const unsigned char *body,
		       size_t length) {
	CURL *curl = l->easy.curl;
	int r = CURLE_OK;

	r |= curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
			      (long)(l->settings->is_tls ? CURL_HTTP_VERSION_2TLS
							 : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
	r |= curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)length);
	r |= curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	r |= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	r |= curl_easy_setopt(curl, CURLOPT_USERAGENT, "sdwd/" SDWD_VERSION);
	r |= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	r |= curl_easy_setopt(curl, CURLOPT_HEADERDATA, l);
	r |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	r |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, l);
#if LIBCURL_VERSION_NUM >= 0x075000
	(void)curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_request);
	(void)curl_easy_setopt(curl, CURLOPT_PREREQDATA, l);
#endif
	return r;
}

/* Host and port are those of :authority too, and the host must be in the certificate. */
static void write_url(const struct grpc_settings *s, struct text *t) {
	bool is_ipv6 = strchr(s->server.host, ':') != NULL;

	text_addf(t, is_ipv6 ? "%s[%.*s]:%u%s" : "%s%.*s:%u%s", s->is_tls ? "https://" : "http://",
		  (int)strcspn(s->server.host, "%"), s->server.host, s->server.port,
		  GRPC_HEALTH_PATH);
}

static CURLcode call(struct grpc_look *l) {
	unsigned char body[GRPC_REQUEST_MAX];
	size_t length = grpc_health_request(body, l->settings->service);
	struct curl_slist last = {.data = (char *)"Accept:"};
	struct curl_slist te = {.data = (char *)"TE: trailers", .next = &last};
	struct curl_slist headers = {.data = (char *)"Content-Type: application/grpc", .next = &te};
	char buffer[HOST_PORT_HOST_MAX + 64];
	struct text url = TEXT_OVER(buffer);
	long status = 0, version = 0;
	CURLcode code;

	grpc_reply_init(&l->answer);
	l->was_begun = false;
	write_url(l->settings, &url);
	if (easy_init(&l->easy, buffer, &l->target, &l->settings->tls,
		      l->ask->request.deadline_at) < 0 ||
	    set_request(l, &headers, body, length) != CURLE_OK)
		return CURLE_OUT_OF_MEMORY;
	code = easy_perform(&l->easy);
	(void)curl_easy_getinfo(l->easy.curl, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(l->easy.curl, CURLINFO_HTTP_VERSION, &version);
	l->answer.http_status = (int)status;
	l->answer.is_http2 = version == CURL_HTTP_VERSION_2_0;
	return code;
}

/* True where the request could be sent: the connection stands, and TLS on it. */
static bool was_asked(const struct grpc_look *l) {
	curl_off_t at = 0;

	if (l->easy.curl)
		(void)curl_easy_getinfo(l->easy.curl, CURLINFO_PRETRANSFER_TIME_T, &at);
	return l->was_begun || at > 0;
}

/* The connection broke after the request. */
static void set_broken(const struct grpc_look *l, CURLcode code, struct outcome *ret) {
	const char *why = easy_error(&l->easy, code);

	switch ((int)code) {
	case CURLE_OUT_OF_MEMORY:
		easy_outcome(&l->easy, code, l->conf->timeout_usec, ret);
		break;
	case CURLE_ABORTED_BY_CALLBACK:
		outcome_set(ret, CAUSE_READ_FAILED, "the server refused the call");
		break;
	case CURLE_GOT_NOTHING:
		/* Not for the connection's sake, which has errors of its own. */
		outcome_set(ret, CAUSE_HTTP_PROTOCOL, "what came is no answer in HTTP/2");
		break;
	case CURLE_HTTP2:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		outcome_set(ret, CAUSE_HTTP_PROTOCOL, "no answer in HTTP/2: %s", why);
		break;
	default:
		/* TLS 1.3 tells only with the first bytes that it does not want the client's
		 * certificate. */
		if (l->settings->is_tls && strstr(why, "alert"))
			outcome_set(ret, CAUSE_TLS, "%s", why);
		else
			outcome_set(ret, CAUSE_READ_FAILED, "no whole answer in HTTP/2: %s", why);
	}
}

static void set_outcome(const struct grpc_look *l, CURLcode code, struct outcome *ret) {
	char within[USEC_STR_MAX];

	/* Where on_body() cut it short, the answer says so itself. */
	if (code == CURLE_OK || l->answer.is_too_long)
		grpc_reply_judge(&l->answer, l->settings->service, ret);
	else if (!was_asked(l))
		easy_outcome(&l->easy, code, l->conf->timeout_usec, ret);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		outcome_set(ret, CAUSE_READ_TIMEOUT, "rpc did not complete within %s",
			    usec_str_short(within, l->conf->timeout_usec));
	else
		set_broken(l, code, ret);
}

/*
 * A server may answer before it has the request, and then reset the call with NO_ERROR (RFC 9113
 * section 8.1). Where that comes between the header and the body of ours, libcurl 7.88 fails to
 * send the body and drops the answer, without a word why. Of what a server really resets it names
 * the error.
 */
static bool is_answer_lost(const struct grpc_look *l, CURLcode code) {
	return code == CURLE_HTTP2_STREAM && l->easy.error[0] == '\0';
}

void grpc_answer(struct ask *a) {
	cleanup(probe_conf_freep) struct probe_conf *conf = NULL;
	struct grpc_look l = {.ask = a};
	struct outcome o;

	if (!ask_probe(a, &conf))
		return;
	l.conf = conf;
	l.settings = conf->settings;
	l.target = l.settings->server.target;
	if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2)) {
		outcome_set(&o, CAUSE_PROBER, "this libcurl was built without HTTP/2");
	} else if (!l.settings->server.is_name ||
		   resolve_target(a, l.settings->server.host, l.settings->server.port, &l.target,
				  &o)) {
		CURLcode code = call(&l);

		for (int n = 1; is_answer_lost(&l, code) && n < CALLS_MAX; n++) {
			easy_done(&l.easy);
			code = call(&l);
		}
		set_outcome(&l, code, &o);
		easy_done(&l.easy);
	}
	ask_reply(a, &o);
}
