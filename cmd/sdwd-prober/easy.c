/* SPDX-License-Identifier: MIT */
/*
 * The system's authorities are a file of all, or a folder where each has a name made of its subject
 * (openssl-rehash(1)), or both; then whom either knows is trusted. OpenSSL parses the whole file
 * for every connection, which costs several times what the rest of a look does, and takes from the
 * folder only what it needs. So where there are both, a look begins with the folder alone. What
 * that does not vouch for is judged by both, on a second connection: no certificate is taken that
 * both would not take, and none refused that they would. Nothing is kept of what was read.
 *
 * A folder without those names vouches for nobody. No server should see a failed handshake before
 * each good one then: from the first one on all looks begin with both.
 */
#include "easy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/usec.h"
#include "probe/connect_error.h"

/* As often as sdwd itself tries (sys/dial.c). */
#define QUEUE_RETRY_MSEC 20

/* A name that nobody has (RFC 6761 section 6.4); libcurl is told its addresses. */
#define ELSEWHERE "target.invalid"

/* The folder of authorities did not suffice once. */
static atomic_bool is_folder_short;

/* One that AF_UNIX has: "@name" is abstract, and has no NUL at its end. */
static int set_unix(CURL *curl, const struct dial_address *a) {
	size_t length = a->length - offsetof(struct sockaddr_un, sun_path);
	char path[sizeof(a->un.sun_path) + 1];

	memcpy(path, a->un.sun_path, length);
	path[length] = '\0';
	return path[0] == '\0' ? curl_easy_setopt(curl, CURLOPT_ABSTRACT_UNIX_SOCKET, path + 1)
			       : curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
}

static bool append(struct curl_slist **list, const char *text) {
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (longer)
		*list = longer;
	return longer != NULL;
}

/*
 * Of several errors libcurl keeps the last one, and that there is no such address here (::1 where
 * there is no IPv6) tells nothing of the others. So it gets the others only, if there are any.
 */
static void keep_reachable(struct dial_target *ret, const struct dial_target *target) {
	ret->n_addresses = 0;
	for (size_t i = 0; i < target->n_addresses; i++)
		if (!dial_is_out_of_reach(&target->addresses[i]))
			ret->addresses[ret->n_addresses++] = target->addresses[i];
	if (ret->n_addresses == 0)
		*ret = *target;
}

/* Where to connect: "name:port:address,address" for libcurl's own cache of names. */
static int set_target(struct easy *e, const struct dial_target *target) {
	char buffer[DIAL_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3) + 64], to[64];
	struct text addresses = TEXT_OVER(buffer), connect_to = TEXT_OVER(to);
	const struct dial_address *first = &target->addresses[0];
	long zone = 0;
	int r;

	if (first->any.sa_family == AF_UNIX)
		return set_unix(e->curl, first);
	keep_reachable(&e->target, target);
	/* The port stands at the same place in both families. */
	text_addf(&connect_to, "::" ELSEWHERE ":%u", ntohs(first->in.sin_port));
	text_addf(&addresses, ELSEWHERE ":%u:", ntohs(first->in.sin_port));
	for (size_t i = 0; i < e->target.n_addresses; i++) {
		const struct dial_address *a = &e->target.addresses[i];
		bool is_ipv6 = a->any.sa_family == AF_INET6;
		char number[INET6_ADDRSTRLEN];

		(void)inet_ntop(a->any.sa_family,
				is_ipv6 ? (const void *)&a->in6.sin6_addr : &a->in.sin_addr, number,
				sizeof(number));
		text_addf(&addresses, is_ipv6 ? "%s[%s]" : "%s%s", i > 0 ? "," : "", number);
		if (is_ipv6 && a->in6.sin6_scope_id != 0)
			zone = (long)a->in6.sin6_scope_id;
	}
	if (!append(&e->connect_to, to) || !append(&e->resolve, buffer))
		return CURLE_OUT_OF_MEMORY;
	r = curl_easy_setopt(e->curl, CURLOPT_CONNECT_TO, e->connect_to);
	r |= curl_easy_setopt(e->curl, CURLOPT_RESOLVE, e->resolve);
	if (zone != 0)
		r |= curl_easy_setopt(e->curl, CURLOPT_ADDRESS_SCOPE, zone);
	return r;
}

/* The file of the system's authorities, where the folder may do without it; else NULL. */
static const char *find_ca_file(CURL *curl) {
	char *file = NULL, *folder = NULL;
#if LIBCURL_VERSION_NUM >= 0x075400
	const char *library = curl_version_info(CURLVERSION_NOW)->ssl_version;

	/* Others read all of the folder. */
	if (!library || strncmp(library, "OpenSSL/", strlen("OpenSSL/")) != 0)
		return NULL;
	(void)curl_easy_getinfo(curl, CURLINFO_CAINFO, &file);
	(void)curl_easy_getinfo(curl, CURLINFO_CAPATH, &folder);
#endif
	return folder ? file : NULL;
}

static int set_system_authorities(struct easy *e) {
	if (is_folder_short)
		return CURLE_OK;
	e->ca_file = find_ca_file(e->curl);
	return e->ca_file ? curl_easy_setopt(e->curl, CURLOPT_CAINFO, NULL) : CURLE_OK;
}

static int set_tls(struct easy *e, const struct tls_settings *tls) {
	CURL *curl = e->curl;
	int r = CURLE_OK;

	if (tls->is_insecure) {
		r |= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		r |= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (tls->ca) {
		r |= curl_easy_setopt(curl, CURLOPT_CAINFO, tls->ca);
		/* Else the system's authorities would be trusted beside it. */
		r |= curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	} else if (!tls->is_insecure)
		r |= set_system_authorities(e);
	if (tls->cert) {
		r |= curl_easy_setopt(curl, CURLOPT_SSLCERT, tls->cert);
		r |= curl_easy_setopt(curl, CURLOPT_SSLKEY, tls->key ? tls->key : tls->cert);
	}
	return r;
}

/* As libcurl does it, which then tells no more than that it cannot connect. */
static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *a) {
	struct easy *e = context;
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

	if (fd < 0)
		e->open_error = errno;
	return fd;
}

/* libcurl tells only of a whole connection when it came about, and that is with TLS on it. */
static int on_close(void *context, curl_socket_t fd) {
	struct easy *e = context;
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	e->was_connected |= getpeername(fd, (struct sockaddr *)&peer, &length) == 0;
	return close(fd);
}

/* Never without a bound: 0 would be none. */
static int set_deadline(const struct easy *e) {
	long left = (long)(usec_sub(e->deadline_at, usec_now()) / USEC_PER_MSEC);
	int r = CURLE_OK;

	r |= curl_easy_setopt(e->curl, CURLOPT_TIMEOUT_MS, MAX(left, 1L));
	r |= curl_easy_setopt(e->curl, CURLOPT_CONNECTTIMEOUT_MS, MAX(left, 1L));
	return r;
}

int easy_init(struct easy *e, const char *url, const struct dial_target *target,
	      const struct tls_settings *tls, usec_t deadline_at) {
	CURL *curl = curl_easy_init();
	int r = CURLE_OK;

	*e = (struct easy){
		.curl = curl,
		.is_unix = target->addresses[0].any.sa_family == AF_UNIX,
		.deadline_at = deadline_at,
	};
	if (!curl)
		return -ENOMEM;
	r |= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, e->error);
	r |= curl_easy_setopt(curl, CURLOPT_URL, url);
	/* Not by a signal. */
	r |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	r |= set_deadline(e);
	r |= curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open);
	r |= curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, e);
	r |= curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	r |= curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, e);
	r |= curl_easy_setopt(curl, CURLOPT_PROXY, "");
	r |= curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	r |= set_target(e, target);
	r |= set_tls(e, tls);
	return r == CURLE_OK ? 0 : -ENOMEM;
}

/* What the last failed connection died of, 0: nothing that libcurl knows. */
static int connect_error(const struct easy *e) {
	long error = 0;

	if (e->open_error != 0)
		return e->open_error;
	(void)curl_easy_getinfo(e->curl, CURLINFO_OS_ERRNO, &error);
	return (int)error;
}

/*
 * Of several addresses the last one's error is kept. For want of a port another one was not asked
 * at all, and might have been well; tried again, as libcurl does not tell.
 */
static bool lacks_port(const struct easy *e) {
	bool lacks = false;

	for (size_t i = 0; i < e->target.n_addresses && e->target.n_addresses > 1 && !lacks; i++) {
		const struct dial_address *a = &e->target.addresses[i];
		int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		lacks = fd >= 0 && connect(fd, &a->any, a->length) < 0 && errno == EADDRNOTAVAIL;
		fd_close(fd);
	}
	return lacks;
}

/*
 * connect(2) says EAGAIN at once where the queue of a Unix socket is full. libcurl takes that for a
 * connection in progress, and then finds neither a connection nor an error.
 */
static bool is_queue_full(const struct easy *e, CURLcode code) {
	return code == CURLE_COULDNT_CONNECT && e->is_unix &&
	       (connect_error(e) == 0 || connect_error(e) == EAGAIN);
}

static CURLcode perform(struct easy *e) {
	CURLcode code;

	for (;;) {
		e->open_error = 0;
		code = curl_easy_perform(e->curl);
		e->is_queue_full = is_queue_full(e, code);
		if (!e->is_queue_full)
			return code;
		if (usec_add(usec_now(), QUEUE_RETRY_MSEC * USEC_PER_MSEC) >= e->deadline_at)
			return CURLE_OPERATION_TIMEDOUT;
		(void)poll(NULL, 0, QUEUE_RETRY_MSEC);
		if (set_deadline(e) != CURLE_OK)
			return CURLE_OUT_OF_MEMORY;
	}
}

CURLcode easy_perform(struct easy *e) {
	CURLcode code = perform(e);

	if (!e->ca_file ||
	    (code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_SSL_CACERT_BADFILE))
		return code;
	is_folder_short = true;
	e->was_connected = false;
	e->error[0] = '\0';
	if (curl_easy_setopt(e->curl, CURLOPT_CAINFO, e->ca_file) != CURLE_OK ||
	    set_deadline(e) != CURLE_OK)
		return CURLE_OUT_OF_MEMORY;
	return perform(e);
}

const char *easy_error(const struct easy *e, CURLcode code) {
	return e->error[0] != '\0' ? e->error : curl_easy_strerror(code);
}

static void set_late(const struct easy *e, usec_t within_usec, struct outcome *ret) {
	char within[USEC_STR_MAX];

	if (!e->was_connected)
		outcome_connect_late(ret, within_usec, e->is_queue_full);
	else
		outcome_set(ret, CAUSE_READ_TIMEOUT, "TLS handshake incomplete within %s",
			    usec_str_short(within, within_usec));
}

void easy_outcome(const struct easy *e, CURLcode code, usec_t within_usec, struct outcome *ret) {
	switch ((int)code) {
	case CURLE_OPERATION_TIMEDOUT:
		set_late(e, within_usec, ret);
		break;
	case CURLE_COULDNT_CONNECT:
		if (lacks_port(e))
			outcome_from_connect(ret, -EADDRNOTAVAIL);
		else if (connect_error(e) > 0)
			outcome_from_connect(ret, -connect_error(e));
		else
			outcome_set(ret, CAUSE_CONNECT_FAILED, "%s", easy_error(e, code));
		break;
#if LIBCURL_VERSION_NUM >= 0x074d00
	case CURLE_SSL_CLIENTCERT:
#endif
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		outcome_set(ret, CAUSE_TLS, "%s", easy_error(e, code));
		break;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		outcome_set(ret, CAUSE_READ_FAILED, "the connection broke: %s",
			    easy_error(e, code));
		break;
	default:
		/* Our own certificate files, memory, what libcurl was built without. */
		outcome_set(ret, CAUSE_PROBER, "%s", easy_error(e, code));
	}
}

void easy_done(struct easy *e) {
	curl_easy_cleanup(e->curl);
	curl_slist_free_all(e->connect_to);
	curl_slist_free_all(e->resolve);
	*e = (struct easy){0};
}
