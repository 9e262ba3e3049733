/* SPDX-License-Identifier: MIT */
#include <malloc.h>
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
#include "base/usec.h"
#include "http_fixture.h"

/* What the probe makes of servers, good ones and hostile ones. */

#define SHORT_MSEC 300
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static void test_a1_ok(void **state) {
	http_fixture_expect(*state, SCRIPT(HTTP_OK), NULL, LONG_MSEC, CAUSE_OK, "HTTP 200");
}

static void test_a9_aborted(void **state) {
	struct http_fixture *f = *state;

	http_fixture_expect(f, SCRIPT(.then = THEN_CLOSE), NULL, LONG_MSEC, CAUSE_READ_FAILED,
			    "without a response");
	http_fixture_expect(f, SCRIPT(.then = THEN_RESET), NULL, LONG_MSEC, CAUSE_READ_FAILED,
			    "reset");
	http_fixture_expect(f, SCRIPT(.then = THEN_HALF_CLOSE), NULL, LONG_MSEC, CAUSE_READ_FAILED,
			    "without a response");
	http_fixture_expect(f, SCRIPT("HTTP/1.1 2", .then = THEN_CLOSE), NULL, LONG_MSEC,
			    CAUSE_HTTP_PROTOCOL, "within the headers");
	http_fixture_expect(f, SCRIPT("HTTP/1.1 200 OK\r\n\r\nhalf", .then = THEN_RESET), NULL,
			    LONG_MSEC, CAUSE_READ_FAILED, "reset");
}

static void test_a10_status_not_body_in_text(void **state) {
	struct http_fixture *f = *state;

	http_fixture_expect(f, SCRIPT("HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nsecret"), NULL,
			    LONG_MSEC, CAUSE_HTTP_STATUS, "HTTP 500, not within 200-399");
	assert_null(strstr(f->outcome.text, "secret"));
}

static void test_a11_silent_server(void **state) {
	struct http_fixture *f = *state;
	usec_t start = usec_now(), took;

	http_fixture_expect(f, SCRIPT(.then = THEN_HOLD), NULL, SHORT_MSEC, CAUSE_READ_TIMEOUT,
			    "no response within 4.8s");
	took = usec_now() - start;
	assert_in_range(took, SHORT_MSEC * USEC_PER_MSEC, 30 * USEC_PER_SEC);
}

static void test_a18_to_a20_large_bodies(void **state) {
	struct http_fixture *f = *state;
	static const char length[] = "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\nx";
	static const char open[] = "HTTP/1.1 200 OK\r\n\r\nx";

	/* 10 KiB and one more byte, and 12 KiB that then hang: the cap was reached. */
	http_fixture_expect(f, SCRIPT(open, .tail = 1, .repeat = 10 * 1024, .then = THEN_HOLD),
			    NULL, LONG_MSEC, CAUSE_OK, "HTTP 200");
	http_fixture_expect(f, SCRIPT(length, .tail = 1, .repeat = 12 * 1024, .then = THEN_HOLD),
			    NULL, LONG_MSEC, CAUSE_OK, NULL);
	/* One byte less than the cap, ended by the close. */
	http_fixture_expect(f, SCRIPT(open, .tail = 1, .repeat = 10 * 1024 - 2), NULL, LONG_MSEC,
			    CAUSE_OK, NULL);
	/* 5 KiB that then hang: not well. */
	http_fixture_expect(f, SCRIPT(length, .tail = 1, .repeat = 5 * 1024, .then = THEN_HOLD),
			    NULL, 1500, CAUSE_READ_TIMEOUT, "body incomplete within 4.8s");
}

static void test_a24_statuses(void **state) {
	static const struct {
		const char *reply;
		enum cause cause;
	} cases[] = {
		{"HTTP/1.1 200 x\r\n\r\n", CAUSE_OK},
		{"HTTP/1.1 201 x\r\n\r\n", CAUSE_OK},
		{"HTTP/1.1 250 x\r\n\r\n", CAUSE_OK},
		{"HTTP/1.1 299 x\r\n\r\n", CAUSE_OK},
		{"HTTP/1.1 300 x\r\n\r\n", CAUSE_OK},
		{"HTTP/1.1 399 x\r\n\r\n", CAUSE_OK},
		{"HTTP/1.1 400 x\r\n\r\n", CAUSE_HTTP_STATUS},
		{"HTTP/1.1 429 x\r\n\r\n", CAUSE_HTTP_STATUS},
		{"HTTP/1.1 500 x\r\n\r\n", CAUSE_HTTP_STATUS},
		{"HTTP/1.1 999 x\r\n\r\n", CAUSE_HTTP_STATUS},
		{"HTTP/1.1 101 x\r\n\r\n", CAUSE_HTTP_STATUS},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		http_fixture_expect(*state, SCRIPT(cases[i].reply), NULL, LONG_MSEC, cases[i].cause,
				    NULL);
}

static void test_a30_status_list(void **state) {
	struct http_fixture *f = *state;

	http_fixture_expect(f, SCRIPT("HTTP/1.1 404 x\r\n\r\n"), OPTIONS("http-status", "200,404"),
			    LONG_MSEC, CAUSE_OK, NULL);
	http_fixture_expect(f, SCRIPT("HTTP/1.1 201 x\r\n\r\n"), OPTIONS("http-status", "200,404"),
			    LONG_MSEC, CAUSE_HTTP_STATUS, "201, not within 200,404");
	http_fixture_expect(f, SCRIPT(HTTP_OK), OPTIONS("http-status", "404"), LONG_MSEC,
			    CAUSE_HTTP_STATUS, NULL);
}

static void test_a29_truncation_does_not_flip_the_verdict(void **state) {
	static const char bad[] = "HTTP/1.1 500 x\r\n\r\nx", good[] = "HTTP/1.1 201 x\r\n\r\nx";

	http_fixture_expect(*state, SCRIPT(bad, .tail = 1, .repeat = 20000), NULL, LONG_MSEC,
			    CAUSE_HTTP_STATUS, "HTTP 500");
	http_fixture_expect(*state, SCRIPT(good, .tail = 1, .repeat = 20000), NULL, LONG_MSEC,
			    CAUSE_OK, "HTTP 201");
}

static void test_a31_cut_body_never_matches(void **state) {
	static const char body[] = "HTTP/1.1 200 OK\r\n\r\nneedle x";

	http_fixture_expect(*state, SCRIPT(body, .tail = 1, .repeat = 10 * 1024),
			    OPTIONS("http-body", "needle"), LONG_MSEC, CAUSE_BODY_MISMATCH,
			    "longer than 10 KiB");
}

static void test_a32_compressed_body_is_not_decoded(void **state) {
	http_fixture_expect(*state,
			    SCRIPT("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: "
				   "4\r\n\r\n\x1f\x8b\x08x"),
			    NULL, LONG_MSEC, CAUSE_OK, NULL);
}

static void test_a33_body_match(void **state) {
	static const char nul[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na\0end";
	struct http_fixture *f = *state;

	http_fixture_expect(f, SCRIPT(HTTP_OK), OPTIONS("http-body", "^ok [a-z]+$"), LONG_MSEC,
			    CAUSE_OK, "matches");
	http_fixture_expect(f, SCRIPT(HTTP_OK), OPTIONS("http-body", "UP|ready"), LONG_MSEC,
			    CAUSE_BODY_MISMATCH, "does not match");
	http_fixture_expect(f, SCRIPT("HTTP/1.1 204 x\r\n\r\n"), OPTIONS("http-body", "."),
			    LONG_MSEC, CAUSE_BODY_MISMATCH, NULL);
	http_fixture_expect(f, SCRIPT(nul, .length = sizeof(nul) - 1), OPTIONS("http-body", "end"),
			    LONG_MSEC, CAUSE_OK, NULL);
	/* A bad status is the cause, whatever the body says. */
	http_fixture_expect(f, SCRIPT("HTTP/1.1 503 x\r\n\r\nok"), OPTIONS("http-body", "ok"),
			    LONG_MSEC, CAUSE_HTTP_STATUS, NULL);
}

static void test_a35_http_1_0(void **state) {
	http_fixture_expect(*state, SCRIPT("HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhello"), NULL,
			    LONG_MSEC, CAUSE_OK, NULL);
}

static void test_a36_status_202(void **state) {
	http_fixture_expect(*state, SCRIPT("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"),
			    NULL, LONG_MSEC, CAUSE_OK, NULL);
}

static void test_a37_101(void **state) {
	static const char reply[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x81";
	struct http_fixture *f = *state;

	http_fixture_expect(f, SCRIPT(reply, .then = THEN_HOLD), NULL, LONG_MSEC, CAUSE_HTTP_STATUS,
			    "HTTP 101");
	http_fixture_expect(f, SCRIPT(reply, .then = THEN_HOLD), OPTIONS("http-status", "101"),
			    LONG_MSEC, CAUSE_OK, NULL);
	assert_int_equal(count_fds(), f->n_fds);
}

static void test_a38_second_look_hangs(void **state) {
	static const struct http_script scripts[] = {{HTTP_OK}, {.then = THEN_HOLD}};
	struct http_fixture *f = *state;

	http_fixture_serve(f, "/", NULL, scripts, 2);
	http_fixture_look(f, LONG_MSEC);
	assert_int_equal(f->outcome.cause, CAUSE_OK);
	http_fixture_look(f, SHORT_MSEC);
	assert_int_equal(f->outcome.cause, CAUSE_READ_TIMEOUT);
}

static void test_a38_no_connection(void **state) {
	struct http_fixture *f = *state;

	/* A TCP connection to a broadcast address is refused by our own kernel. */
	assert_int_equal(http_fixture_probe(f, "http://255.255.255.255/", NULL), 0);
	http_fixture_look(f, LONG_MSEC);
	assert_int_equal(f->outcome.cause, CAUSE_CONNECT_FAILED);
	assert_non_null(strstr(f->outcome.text, "unreachable"));

	http_fixture_serve(f, "/", NULL, SCRIPT(HTTP_OK), 1);
	http_fixture_serve_end(f);
	http_fixture_look(f, LONG_MSEC);
	assert_int_equal(f->outcome.cause, CAUSE_CONNECT_REFUSED);
}

static void test_a40_fresh_connection_each_look(void **state) {
	static const struct http_script keep = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
						.then = THEN_HOLD};
	static const struct http_script closes = {HTTP_OK};
	struct http_fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		http_fixture_serve(f, "/", NULL, i == 0 ? &keep : &closes, 1);
		for (int n = 0; n < 5; n++) {
			http_fixture_look(f, LONG_MSEC);
			assert_int_equal(f->outcome.cause, CAUSE_OK);
			assert_false(f->has_expired);
		}
		http_fixture_serve_end(f);
		assert_int_equal(f->n_connections, 5);
	}
}

static void test_a42_http2_server(void **state) {
	static const char frames[] = "\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64\0\0\x08\7\0\0\0\0\0";

	http_fixture_expect(*state, SCRIPT(frames, .length = sizeof(frames) - 1, .then = THEN_HOLD),
			    NULL, LONG_MSEC, CAUSE_HTTP_PROTOCOL, "not an HTTP/1 response");
}

static void test_a43_hostile_servers(void **state) {
	static const char nul[] = "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n";
	static const struct {
		struct http_script script;
		unsigned timeout_msec;
		enum cause cause;
	} cases[] = {
		{{"HTTP/1.1 200 OK\r\nX-A: aaaaaaaaa", .piece = 1, .pause_msec = 30},
		 SHORT_MSEC,
		 CAUSE_READ_TIMEOUT},
		{{"HTTP/1.1 200 OK\r\n\r\nx", .tail = 1, .repeat = 10000, .pause_msec = 30},
		 SHORT_MSEC,
		 CAUSE_READ_TIMEOUT},
		{{"HTTP/1.1 200 OK\r\n\r\nxxxxxxxxxx", .tail = 10, .repeat = 10000000},
		 LONG_MSEC,
		 CAUSE_OK},
		{{CHUNKED "4\r\nspam\r\n", .tail = 9, .repeat = 10000000}, LONG_MSEC, CAUSE_OK},
		{{"HTTP/1.1 200 OK\r\nX: spam spam\r\n", .tail = 14, .repeat = 10000000},
		 LONG_MSEC,
		 CAUSE_HTTP_PROTOCOL},
		{{"HTTP/1.1 100 Continue\r\n\r\n", .tail = 25, .repeat = 10000000},
		 LONG_MSEC,
		 CAUSE_HTTP_PROTOCOL},
		{{.then = THEN_HOLD}, SHORT_MSEC, CAUSE_READ_TIMEOUT},
		{{.then = THEN_RESET}, LONG_MSEC, CAUSE_READ_FAILED},
		{{.then = THEN_CLOSE}, LONG_MSEC, CAUSE_READ_FAILED},
		{{"<html>HTTP/0.9</html>", .then = THEN_HOLD}, LONG_MSEC, CAUSE_HTTP_PROTOCOL},
		{{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"},
		 LONG_MSEC,
		 CAUSE_HTTP_PROTOCOL},
		{{"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", .then = THEN_HOLD},
		 LONG_MSEC,
		 CAUSE_OK},
		{{"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"},
		 LONG_MSEC,
		 CAUSE_OK},
		{{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .then = THEN_HOLD},
		 LONG_MSEC,
		 CAUSE_OK},
		{{"HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n"}, LONG_MSEC, CAUSE_HTTP_STATUS},
		{{"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"}, LONG_MSEC, CAUSE_OK},
		{{"HTTP/1.1 200 OK\nContent-Length: 0\n\n"}, LONG_MSEC, CAUSE_OK},
		{{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"},
		 LONG_MSEC,
		 CAUSE_HTTP_PROTOCOL},
		{{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"}, LONG_MSEC, CAUSE_HTTP_PROTOCOL},
		{{nul, .length = sizeof(nul) - 1, .then = THEN_HOLD},
		 LONG_MSEC,
		 CAUSE_HTTP_PROTOCOL},
		{{CHUNKED "zz\r\n", .then = THEN_HOLD}, LONG_MSEC, CAUSE_HTTP_PROTOCOL},
		/* whoever answers before it has read, and hangs up */
		{{HTTP_OK, .answers_at_once = true}, LONG_MSEC, CAUSE_OK},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		http_fixture_expect(*state, &cases[i].script, NULL, cases[i].timeout_msec,
				    cases[i].cause, NULL);
}

/* A bad status stays the cause where the rest of the response fails, too. */
static void test_bad_status_and_worse(void **state) {
	static const char reply[] = "HTTP/1.1 503 x\r\nContent-Length: 9\r\n\r\nshort";
	struct http_fixture *f = *state;

	http_fixture_expect(f, SCRIPT(reply), NULL, LONG_MSEC, CAUSE_HTTP_STATUS, "HTTP 503");
	http_fixture_expect(f, SCRIPT(reply, .then = THEN_RESET), NULL, LONG_MSEC,
			    CAUSE_HTTP_STATUS, "HTTP 503");
	http_fixture_expect(f, SCRIPT(reply, .then = THEN_HOLD), NULL, SHORT_MSEC,
			    CAUSE_HTTP_STATUS, "HTTP 503");
}

static void test_headers_incomplete(void **state) {
	http_fixture_expect(*state, SCRIPT("HTTP/1.1 200 OK\r\nServer: x\r\n", .then = THEN_HOLD),
			    NULL, SHORT_MSEC, CAUSE_READ_TIMEOUT, "headers incomplete within 4.8s");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		http_test(test_a1_ok),
		http_test(test_a9_aborted),
		http_test(test_a10_status_not_body_in_text),
		http_test(test_a11_silent_server),
		http_test(test_a18_to_a20_large_bodies),
		http_test(test_a24_statuses),
		http_test(test_a29_truncation_does_not_flip_the_verdict),
		http_test(test_a30_status_list),
		http_test(test_a31_cut_body_never_matches),
		http_test(test_a32_compressed_body_is_not_decoded),
		http_test(test_a33_body_match),
		http_test(test_a35_http_1_0),
		http_test(test_a36_status_202),
		http_test(test_a37_101),
		http_test(test_a38_second_look_hangs),
		http_test(test_a38_no_connection),
		http_test(test_a40_fresh_connection_each_look),
		http_test(test_a42_http2_server),
		http_test(test_a43_hostile_servers),
		http_test(test_bad_status_and_worse),
		http_test(test_headers_incomplete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
