/* SPDX-License-Identifier: MIT */
#include "core/http_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_reply_vectors.h"

static void check(const struct vector *v, const struct http_reply *r, const char *how) {
	if (r->state != v->state || r->status != v->status || r->has_head != (v->status != 0))
		fail_msg("%s, %s: state %d, status %d, error %s", v->name, how, r->state, r->status,
			 r->error ? r->error : "none");
	if (v->body && strcmp(r->body, v->body) != 0)
		fail_msg("%s, %s: body '%s'", v->name, how, r->body);
	if (v->error && (!r->error || !strstr(r->error, v->error)))
		fail_msg("%s, %s: error '%s'", v->name, how, r->error ? r->error : "none");
	if (v->state != HTTP_BROKEN && r->error)
		fail_msg("%s, %s: an error: %s", v->name, how, r->error);
	if (v->location && strcmp(r->location, v->location) != 0)
		fail_msg("%s, %s: location '%s'", v->name, how, r->location);
}

static size_t length_of(const struct vector *v) {
	return v->length > 0 ? v->length : strlen(v->data);
}

/* Feeds a copy of just these bytes, so that reading beyond them is seen by the sanitizers. */
static void feed(struct http_reply *r, const char *data, size_t length) {
	char *copy = malloc(length > 0 ? length : 1);
	enum http_state state;

	assert_non_null(copy);
	memcpy(copy, data, length);
	state = http_reply_feed(r, copy, length);
	free(copy);
	assert_int_equal(state, r->state);
}

static void end(const struct vector *v, struct http_reply *r) {
	if (v->is_ended)
		(void)http_reply_end(r);
}

static void test_H1_vectors_whole(void **state) {
	struct http_reply r;

	for (const struct vector *v = vectors; v < vectors + ARRAY_SIZE(vectors); v++) {
		http_reply_init(&r, v->is_head_request);
		feed(&r, v->data, length_of(v));
		end(v, &r);
		check(v, &r, "whole");
	}
}

static void test_vectors_byte_by_byte(void **state) {
	struct http_reply r;

	for (const struct vector *v = vectors; v < vectors + ARRAY_SIZE(vectors); v++) {
		http_reply_init(&r, v->is_head_request);
		for (size_t i = 0; i < length_of(v); i++)
			feed(&r, v->data + i, 1);
		end(v, &r);
		check(v, &r, "byte by byte");
	}
}

static void test_vectors_at_every_split(void **state) {
	struct http_reply r;
	char how[32];

	for (const struct vector *v = vectors; v < vectors + ARRAY_SIZE(vectors); v++) {
		for (size_t i = 0; i <= length_of(v); i++) {
			http_reply_init(&r, v->is_head_request);
			feed(&r, v->data, i);
			feed(&r, v->data + i, length_of(v) - i);
			end(v, &r);
			snprintf(how, sizeof(how), "split at %zu", i);
			check(v, &r, how);
		}
	}
}

/* Feeds @head, then @n times @c in pieces of @piece. */
static void feed_body(struct http_reply *r, const char *head, char c, size_t n, size_t piece) {
	char data[4096];

	memset(data, c, sizeof(data));
	http_reply_init(r, false);
	feed(r, head, strlen(head));
	while (n > 0) {
		size_t now = MIN(n, piece);

		feed(r, data, now);
		n -= now;
	}
}

static const size_t pieces[] = {1, 7, 1024, 4096};

static void test_a18_body_one_over_the_cap(void **state) {
	struct http_reply r;

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		feed_body(&r, OK "Content-Length: 10241\r\n\r\n", 'x', HTTP_BODY_MAX + 1,
			  pieces[i]);
		assert_int_equal(r.state, HTTP_CUT);
		assert_int_equal(r.body_length, HTTP_BODY_MAX);
		assert_int_equal(strlen(r.body), HTTP_BODY_MAX);
		feed_body(&r, OK "\r\n", 'x', HTTP_BODY_MAX + 1, pieces[i]);
		assert_int_equal(r.state, HTTP_CUT);
		assert_int_equal(strlen(r.body), HTTP_BODY_MAX);
		feed_body(&r, OK "Transfer-Encoding: chunked\r\n\r\n2801\r\n", 'x',
			  HTTP_BODY_MAX + 1, pieces[i]);
		assert_int_equal(r.state, HTTP_CUT);
		assert_int_equal(strlen(r.body), HTTP_BODY_MAX);
	}
}

static void test_a18_body_of_just_the_cap_is_whole(void **state) {
	struct http_reply r;

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		feed_body(&r, OK "Content-Length: 10240\r\n\r\n", 'x', HTTP_BODY_MAX, pieces[i]);
		assert_int_equal(r.state, HTTP_DONE);
		feed_body(&r, OK "\r\n", 'x', HTTP_BODY_MAX, pieces[i]);
		assert_int_equal(http_reply_end(&r), HTTP_DONE);
		feed_body(&r, OK "Transfer-Encoding: chunked\r\n\r\n2800\r\n", 'x', HTTP_BODY_MAX,
			  pieces[i]);
		feed(&r, "\r\n0\r\n\r\n", 7);
		assert_int_equal(r.state, HTTP_DONE);
		assert_int_equal(r.body_length, HTTP_BODY_MAX);
	}
}

static void test_a19_body_one_below_the_cap(void **state) {
	struct http_reply r;

	feed_body(&r, OK "Content-Length: 10239\r\n\r\n", 'x', HTTP_BODY_MAX - 1, 4096);
	assert_int_equal(r.state, HTTP_DONE);
	assert_int_equal(r.body_length, HTTP_BODY_MAX - 1);
}

/* F15: the cap holds however the body goes on. */
static void test_a43_endless_chunks_end_at_the_cap(void **state) {
	struct http_reply r;
	size_t fed = 0;

	http_reply_init(&r, false);
	feed(&r, OK "Transfer-Encoding: chunked\r\n\r\n",
	     strlen(OK "Transfer-Encoding: chunked\r\n\r\n"));
	while (r.state == HTTP_NEED_MORE && fed < 1000000) {
		feed(&r, "4\r\nspam\r\n", 9);
		fed += 9;
	}
	assert_int_equal(r.state, HTTP_CUT);
	assert_int_equal(r.body_length, HTTP_BODY_MAX);
}

static void test_a43_huge_headers(void **state) {
	struct http_reply r;
	size_t fed = 0;

	http_reply_init(&r, false);
	feed(&r, OK, strlen(OK));
	while (r.state == HTTP_NEED_MORE && fed < 1000000) {
		feed(&r, "X-Spam: spam\r\n", 14);
		fed += 14;
	}
	assert_int_equal(r.state, HTTP_BROKEN);
	assert_non_null(strstr(r.error, "16 KiB"));
	assert_in_range(r.received, HTTP_HEAD_MAX, HTTP_HEAD_MAX + 2);
}

/* A head of exactly 16 KiB, in one long line, is fine; one byte more is not. */
static void test_header_cap_is_exact(void **state) {
	static const char rest[] = "\r\nContent-Length: 0\r\n\r\n";
	struct http_reply r;

	for (size_t more = 0; more < 2; more++) {
		size_t n = HTTP_HEAD_MAX - strlen(OK "X: ") - strlen(rest) + more;

		feed_body(&r, OK "X: ", 'y', n, 4096);
		feed(&r, rest, strlen(rest));
		assert_int_equal(r.state, more == 0 ? HTTP_DONE : HTTP_BROKEN);
	}
}

static void test_a43_endless_100_continue(void **state) {
	struct http_reply r;
	size_t fed = 0;

	http_reply_init(&r, false);
	while (r.state == HTTP_NEED_MORE && fed < 1000000) {
		feed(&r, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		fed += 25;
	}
	assert_int_equal(r.state, HTTP_BROKEN);
	assert_in_range(fed, HTTP_HEAD_MAX, HTTP_HEAD_MAX + 25);
}

static void test_endless_trailers(void **state) {
	static const char head[] = OK "Transfer-Encoding: chunked\r\n\r\n0\r\n";
	struct http_reply r;
	size_t fed = 0;

	http_reply_init(&r, false);
	feed(&r, head, strlen(head));
	while (r.state == HTTP_NEED_MORE && fed < 1000000) {
		feed(&r, "X: y\r\n", 6);
		fed += 6;
	}
	assert_int_equal(r.state, HTTP_BROKEN);
}

static void test_long_chunk_extension(void **state) {
	struct http_reply r;

	feed_body(&r, OK "Transfer-Encoding: chunked\r\n\r\n1;", 'x', HTTP_LINE_MAX, 4096);
	assert_int_equal(r.state, HTTP_BROKEN);
}

static void test_long_location_is_cut(void **state) {
	static const char rest[] = "\r\nContent-Length: 0\r\n\r\n";
	struct http_reply r;

	feed_body(&r, "HTTP/1.1 302 Found\r\nLocation: /", 'x', 2 * HTTP_LINE_MAX, 4096);
	feed(&r, rest, strlen(rest));
	assert_int_equal(r.state, HTTP_DONE);
	assert_true(r.is_location_cut);

	feed_body(&r, "HTTP/1.1 302 Found\r\nLocation: /", 'x', 900, 4096);
	feed(&r, rest, strlen(rest));
	assert_false(r.is_location_cut);
	assert_int_equal(strlen(r.location), 901);
}

static void test_long_length_line_is_refused(void **state) {
	struct http_reply r;

	feed_body(&r, OK "Content-Length: ", '0', 2 * HTTP_LINE_MAX, 4096);
	feed(&r, "2\r\n", 3);
	assert_int_equal(r.state, HTTP_BROKEN);
}

static void test_f7_says_who_closes(void **state) {
	static const struct {
		const char *head;
		bool will_close;
	} cases[] = {
		{OK "Content-Length: 0\r\n\r\n", false},
		{OK "Connection: close\r\nContent-Length: 0\r\n\r\n", true},
		{OK "Connection: foo, CLOSE\r\nContent-Length: 0\r\n\r\n", true},
		{OK "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n", false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true},
		{"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", false},
		{OK "\r\n", true},
	};
	struct http_reply r;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		http_reply_init(&r, false);
		feed(&r, cases[i].head, strlen(cases[i].head));
		assert_true(r.has_head);
		assert_int_equal(r.will_close, cases[i].will_close);
	}
}

/* A struct is used again for each look: nothing of the last response may stay. */
static void test_init_forgets(void **state) {
	struct http_reply used, fresh;
	const char last[] = "HTTP/1.1 200 OK\r\n\r\n";

	for (const struct vector *v = vectors; v < vectors + ARRAY_SIZE(vectors); v++) {
		memset(&used, 0xff, sizeof(used));
		memset(&fresh, 0, sizeof(fresh));
		http_reply_init(&used, v->is_head_request);
		feed(&used, v->data, length_of(v));
		http_reply_init(&used, false);
		http_reply_init(&fresh, false);
		feed(&used, last, strlen(last));
		feed(&fresh, last, strlen(last));
		assert_int_equal(used.state, HTTP_NEED_MORE);
		assert_int_equal(used.status, 200);
		assert_int_equal(used.received, fresh.received);
		assert_int_equal(http_reply_end(&used), HTTP_DONE);
		assert_int_equal(used.body_length, 0);
		assert_string_equal(used.body, "");
		assert_string_equal(used.location, "");
		assert_null(used.error);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_H1_vectors_whole),
		cmocka_unit_test(test_vectors_byte_by_byte),
		cmocka_unit_test(test_vectors_at_every_split),
		cmocka_unit_test(test_a18_body_one_over_the_cap),
		cmocka_unit_test(test_a18_body_of_just_the_cap_is_whole),
		cmocka_unit_test(test_a19_body_one_below_the_cap),
		cmocka_unit_test(test_a43_endless_chunks_end_at_the_cap),
		cmocka_unit_test(test_a43_huge_headers),
		cmocka_unit_test(test_header_cap_is_exact),
		cmocka_unit_test(test_a43_endless_100_continue),
		cmocka_unit_test(test_endless_trailers),
		cmocka_unit_test(test_long_chunk_extension),
		cmocka_unit_test(test_long_location_is_cut),
		cmocka_unit_test(test_long_length_line_is_refused),
		cmocka_unit_test(test_f7_says_who_closes),
		cmocka_unit_test(test_init_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
