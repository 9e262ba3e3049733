/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "heap_used.h"
#include "http_fixture.h"
#include "sys/dial.h"

/* The life of a look: connections, deadlines, ends, and what must not pile up. */

#define HOLDS "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

static void check_ok(struct http_fixture *f) {
	http_fixture_look(f, LONG_MSEC);
	if (f->outcome.cause != CAUSE_OK)
		fail_msg("%s: %s", cause_str(f->outcome.cause), f->outcome.text);
	assert_false(f->has_expired);
}

static void test_a21_proxy_variables_are_ignored(void **state) {
	static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
	struct http_server proxy = http_server_start(AT_IPV4, SCRIPT(HTTP_OK), 1);
	struct http_fixture *f = *state;
	char url[64];
	size_t n;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", proxy.port);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		setenv(names[i], url, 1);
	http_fixture_serve(f, "/", NULL, SCRIPT(HTTP_OK), 1);
	check_ok(f);
	http_fixture_serve_end(f);
	assert_int_equal(f->n_connections, 1);
	free(http_server_stop(&proxy, &n));
	assert_int_equal(n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
}

/* A socket that holds @port of 127.0.0.1 without listening, or -1. */
static int occupy_ipv4(uint16_t port) {
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0 ? fd : fd_close(fd);
}

static void test_a44_localhost(void **state) {
	struct http_fixture *f = *state;
	char url[64];
	int other;

	f->server = http_server_start(AT_IPV4, SCRIPT(HTTP_OK), 1);
	snprintf(url, sizeof(url), "http://localhost:%u/", f->server.port);
	assert_int_equal(http_fixture_probe(f, url, NULL), 0);
	check_ok(f);
	http_fixture_serve_end(f);

	for (;;) {
		f->server = http_server_start(AT_IPV6, SCRIPT(HTTP_OK), 1);
		other = occupy_ipv4(f->server.port);
		if (other >= 0)
			break;
		http_fixture_serve_end(f);
	}
	snprintf(url, sizeof(url), "http://localhost:%u/", f->server.port);
	assert_int_equal(http_fixture_probe(f, url, NULL), 0);
	check_ok(f);
	snprintf(url, sizeof(url), "http://[::1]:%u/", f->server.port);
	assert_int_equal(http_fixture_probe(f, url, NULL), 0);
	check_ok(f);
	http_fixture_serve_end(f);
	assert_non_null(strstr(f->requests, "\r\nHost: localhost:"));
	assert_non_null(strstr(f->requests, "\r\nHost: [::1]:"));
	fd_close(other);
}

static void test_unix_socket(void **state) {
	struct http_fixture *f = *state;

	f->server = http_server_start(AT_UNIX, SCRIPT(HTTP_OK), 1);
	assert_int_equal(http_fixture_probe(f, "http://some.name/health",
					    OPTIONS("http-unix", f->server.path)),
			 0);
	check_ok(f);
	check_ok(f);
	http_fixture_serve_end(f);
	assert_int_equal(f->n_connections, 2);
	assert_memory_equal(f->requests, ">GET /health HTTP/1.1\r\nHost: some.name\r\n", 40);

	/* Gone: known at once. */
	http_fixture_look(f, LONG_MSEC);
	assert_int_equal(f->n_outcomes, 0);
	assert_int_equal(f->outcome.cause, CAUSE_CONNECT_FAILED);
}

static void test_unix_queue_full(void **state) {
	struct http_fixture *f = *state;
	struct dial_target t;
	char name[64];
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name, sizeof(name), "@sdwd-test-look-%d", getpid());
	assert_int_equal(dial_target_path(&t, name), 0);
	assert_int_equal(bind(listener, &t.addresses[0].any, t.addresses[0].length), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(connect(first, &t.addresses[0].any, t.addresses[0].length), 0);
	assert_int_equal(http_fixture_probe(f, "http://x/", OPTIONS("http-unix", name)), 0);
	http_fixture_look(f, 200);
	assert_int_equal(f->outcome.cause, CAUSE_CONNECT_TIMEOUT);
	assert_non_null(strstr(f->outcome.text, "listen queue is full"));
	fd_close(first);
	fd_close(listener);
}

static void test_connect_option(void **state) {
	struct http_fixture *f = *state;
	char address[64];

	f->server = http_server_start(AT_IPV4, SCRIPT(HTTP_OK), 1);
	snprintf(address, sizeof(address), "127.0.0.1:%u", f->server.port);
	assert_int_equal(http_fixture_probe(f, "http://some.name:8080/",
					    OPTIONS("http-connect", address)),
			 0);
	check_ok(f);
	http_fixture_serve_end(f);
	assert_non_null(strstr(f->requests, "\r\nHost: some.name:8080\r\n"));
}

/* A SYN that nobody answers. */
static void test_connect_timeout(void **state) {
	struct http_fixture *f = *state;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(in);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[2];

	assert_int_equal(bind(listener, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&in, &size), 0);
	for (int i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fds[i], (struct sockaddr *)&in, sizeof(in));
		usleep(20000);
	}
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/", ntohs(in.sin_port));
	assert_int_equal(http_fixture_probe(f, f->url, NULL), 0);
	http_fixture_look(f, 300);
	assert_int_equal(f->outcome.cause, CAUSE_CONNECT_TIMEOUT);
	assert_string_equal(f->outcome.text, "no connection within 4.8s");
	fd_close(fds[0]);
	fd_close(fds[1]);
	fd_close(listener);
}

/* F2: the loop comes late; what is already there counts. */
static void test_expire_reads_once_more(void **state) {
	struct http_fixture *f = *state;
	struct outcome o;

	http_fixture_serve(f, "/", NULL, SCRIPT(HTTP_OK, .answers_at_once = true), 1);
	assert_int_equal(probe_http.start(f->probe, &o), 0);
	/* Only the connection is taken note of; then the loop stands still. */
	ev_run(f->loop, EVRUN_ONCE);
	if (f->n_outcomes == 0) {
		usleep(300000);
		probe_http.expire(f->probe, &o);
		assert_int_equal(o.cause, CAUSE_OK);
	}
	assert_true(f->n_outcomes <= 1);
}

/* The same with a connection that the loop has not seen: an answer that came at once counts. */
static void test_expire_takes_the_connection(void **state) {
	struct http_fixture *f = *state;
	struct outcome o;

	http_fixture_serve(f, "/", NULL, SCRIPT(HTTP_OK, .answers_at_once = true), 1);
	assert_int_equal(probe_http.start(f->probe, &o), 0);
	usleep(300000);
	probe_http.expire(f->probe, &o);
	assert_int_equal(o.cause, CAUSE_OK);
	http_fixture_run(f, 50);
	assert_int_equal(f->n_outcomes, 0);
}

static void test_cancel(void **state) {
	struct http_fixture *f = *state;
	struct outcome o;

	http_fixture_serve(f, "/", NULL, SCRIPT(HTTP_OK), 1);
	probe_http.cancel(f->probe);
	assert_int_equal(probe_http.start(f->probe, &o), 0);
	probe_http.cancel(f->probe);
	assert_int_equal(count_fds(), f->n_fds + 1); /* the server's log */
	http_fixture_run(f, 100);
	assert_int_equal(f->n_outcomes, 0);

	/* And in the middle of a response. */
	http_fixture_serve_end(f);
	http_fixture_serve(f, "/", NULL, SCRIPT(HTTP_OK, .piece = 1, .pause_msec = 50), 1);
	assert_int_equal(probe_http.start(f->probe, &o), 0);
	http_fixture_run(f, 200);
	assert_int_equal(f->n_outcomes, 0);
	probe_http.cancel(f->probe);
	probe_http.cancel(f->probe);
	assert_int_equal(count_fds(), f->n_fds + 1);
	http_fixture_run(f, 100);
	assert_int_equal(f->n_outcomes, 0);
}

static void test_done_of_zeroed_and_done(void **state) {
	struct http_fixture *f = *state;
	struct probe *zeroed = calloc(1, probe_http.size);

	assert_non_null(zeroed);
	probe_http.done(zeroed);
	probe_http.done(zeroed);
	free(zeroed);
	http_fixture_serve(f, "/", NULL, SCRIPT(HTTP_OK), 1);
	check_ok(f);
	probe_http.done(f->probe);
	probe_http.done(f->probe);
}

/* Our own shortage is no verdict over the service. */
static void test_out_of_fds_is_unknown(void **state) {
	struct http_fixture *f = *state;
	struct rlimit limit, none;
	int lowest;

	http_fixture_serve(f, "/", NULL, SCRIPT(HTTP_OK), 1);
	lowest = dup(0);
	fd_close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	http_fixture_look(f, LONG_MSEC);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(f->outcome.cause, CAUSE_SELF);
	assert_int_equal(f->outcome.verdict, VERDICT_UNKNOWN);
	check_ok(f);
}

/* F7, F16: the server that says so closes first; the verdict does not wait for it. */
static void test_f7_lingers_without_waiting(void **state) {
	struct http_fixture *f = *state;

	http_fixture_serve(f, "/", NULL, SCRIPT(HOLDS, .then = THEN_HOLD), 1);
	check_ok(f);
	assert_int_equal(count_fds(), f->n_fds + 2); /* still open, and the server's log */
	check_ok(f);                                 /* the next look lets go of it */
	assert_int_equal(count_fds(), f->n_fds + 2);
	probe_http.cancel(f->probe);
	assert_int_equal(count_fds(), f->n_fds + 1);
	http_fixture_serve_end(f);
	assert_int_equal(f->n_connections, 2);

	/* A server of persistent connections is not made to hold one. */
	http_fixture_serve(f, "/", NULL,
			   SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
				  .then = THEN_HOLD),
			   1);
	check_ok(f);
	assert_int_equal(count_fds(), f->n_fds + 1);
	http_fixture_serve_end(f);

	/* Who promises to close and sends on without end is cut off. */
	http_fixture_serve(f, "/", NULL, SCRIPT(HOLDS "x", .tail = 1, .repeat = 100000000), 1);
	check_ok(f);
	for (int i = 0; i < 600 && count_fds() > f->n_fds + 1; i++)
		http_fixture_run(f, 100);
	assert_int_equal(count_fds(), f->n_fds + 1);
}

/* How many connections to @port are in TIME_WAIT at our end. */
static unsigned count_time_wait(uint16_t port) {
	FILE *file = fopen("/proc/net/tcp", "re");
	char line[256];
	unsigned n = 0, peer, state;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " %*d: %*x:%*x %*x:%x %x", &peer, &state) == 2 && peer == port &&
		    state == 6)
			n++;
	fclose(file);
	return n;
}

static void test_a45_time_wait_is_the_servers(void **state) {
	struct http_fixture *f = *state;
	uint16_t port;

	http_fixture_serve(f, "/", NULL, SCRIPT(HTTP_OK), 1);
	port = f->server.port;
	for (int i = 0; i < 200; i++) {
		check_ok(f);
		/* The interval of a real probe is much longer than a server needs to close. */
		for (int n = 0; n < 1000 && count_fds() > f->n_fds + 1; n++)
			http_fixture_run(f, 2);
	}
	assert_int_equal(count_time_wait(port), 0);
}

static void test_a46_nothing_piles_up(void **state) {
	static const struct http_script scripts[] = {
		{HTTP_OK},
		{HOLDS, .then = THEN_HOLD},
		{.then = THEN_CLOSE},
		{"HTTP/1.1 500 x\r\nContent-Length: 1\r\n\r\nx"},
		{"nonsense"},
		{.then = THEN_RESET},
		{HTTP_OK},
	};
	struct http_fixture *f = *state;
	size_t before = 0;

	http_fixture_serve(f, "/", NULL, scripts, ARRAY_SIZE(scripts));
	for (int i = 0; i < 3000; i++) {
		http_fixture_look(f, LONG_MSEC);
		assert_false(f->has_expired);
		if (i == 20)
			before = heap_used();
	}
	assert_int_equal(heap_used(), before);
	assert_true(count_fds() <= f->n_fds + 2);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		http_test(test_a21_proxy_variables_are_ignored),
		http_test(test_a44_localhost),
		http_test(test_unix_socket),
		http_test(test_unix_queue_full),
		http_test(test_connect_option),
		http_test(test_connect_timeout),
		http_test(test_expire_reads_once_more),
		http_test(test_expire_takes_the_connection),
		http_test(test_cancel),
		http_test(test_done_of_zeroed_and_done),
		http_test(test_out_of_fds_is_unknown),
		http_test(test_f7_lingers_without_waiting),
		http_test(test_a45_time_wait_is_the_servers),
		http_test(test_a46_nothing_piles_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
