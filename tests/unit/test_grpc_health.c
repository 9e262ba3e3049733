/* SPDX-License-Identifier: MIT */
#include "core/grpc_health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void the_request_names_the_service(void **unused) {
	static const unsigned char whole[] = {0, 0, 0, 0, 0};
	static const unsigned char named[] = {0, 0, 0, 0, 5, 0x0a, 3, 'w', 'e', 'b'};
	unsigned char buffer[GRPC_REQUEST_MAX];
	char longest[GRPC_SERVICE_MAX] = "";

	assert_int_equal(grpc_health_request(buffer, ""), sizeof(whole));
	assert_memory_equal(buffer, whole, sizeof(whole));
	assert_int_equal(grpc_health_request(buffer, "web"), sizeof(named));
	assert_memory_equal(buffer, named, sizeof(named));

	/* Two bytes of length from 128 on. */
	memset(longest, 'x', 127);
	assert_int_equal(grpc_health_request(buffer, longest), 5 + 2 + 127);
	assert_int_equal(buffer[6], 127);
	memset(longest, 'x', sizeof(longest) - 1);
	assert_int_equal(grpc_health_request(buffer, longest), 5 + 3 + 255);
	assert_int_equal(buffer[3], 1);
	assert_int_equal(buffer[4], 2);
	assert_int_equal(buffer[6], 0xff);
	assert_int_equal(buffer[7], 1);
	assert_memory_equal(buffer + 8, longest, 255);
}

static void add_header(struct grpc_reply *a, const char *line) {
	grpc_reply_header(a, line, strlen(line));
}

/* A whole answer with that message, which may have NULs in it. */
static struct grpc_reply reply_with(const char *body, size_t length) {
	struct grpc_reply a;

	grpc_reply_init(&a);
	a.is_http2 = true;
	a.http_status = 200;
	add_header(&a, "content-type: application/grpc");
	grpc_reply_body(&a, body, length);
	add_header(&a, "grpc-status: 0");
	return a;
}

static struct outcome judge(const struct grpc_reply *a) {
	struct outcome o;

	grpc_reply_judge(a, "web", &o);
	return o;
}

#define REPLY(bytes) reply_with(bytes, sizeof(bytes) - 1)

static void assert_outcome(struct grpc_reply a, enum cause cause, const char *text) {
	struct outcome o = judge(&a);

	assert_string_equal(o.text, text);
	assert_int_equal(o.cause, cause);
}

static void only_serving_is_good(void **unused) {
	assert_outcome(REPLY("\0\0\0\0\2\x08\1"), CAUSE_OK, "SERVING");
	assert_outcome(REPLY("\0\0\0\0\2\x08\2"), CAUSE_NOT_SERVING, "says NOT_SERVING");
	assert_outcome(REPLY("\0\0\0\0\2\x08\3"), CAUSE_NOT_SERVING, "says SERVICE_UNKNOWN");
	/* D12: no field, which means 0. */
	assert_outcome(REPLY("\0\0\0\0\0"), CAUSE_NOT_SERVING, "says UNKNOWN");
	assert_outcome(REPLY("\0\0\0\0\2\x08\x63"), CAUSE_NOT_SERVING,
		       "says 99, which is no known state");
	/* The low bits alone would be SERVING. */
	assert_outcome(REPLY("\0\0\0\0\7\x08\x81\x80\x80\x80\x80\1"), CAUSE_NOT_SERVING,
		       "says 34359738369, which is no known state");
}

static void unknown_fields_are_passed_over(void **unused) {
	assert_outcome(REPLY("\0\0\0\0\xb"
			     "\x12\3abc"
			     "\x08\1"
			     "\x18\x80\1"
			     "\x30"
			     "\2"),
		       CAUSE_HTTP_PROTOCOL, "the answer is no HealthCheckResponse");
	assert_outcome(REPLY("\0\0\0\0\xa"
			     "\x12\3abc"
			     "\x08\1"
			     "\x18\x80\1"),
		       CAUSE_OK, "SERVING");
	assert_outcome(REPLY("\0\0\0\0\x10"
			     "\x11"
			     "12345678"
			     "\x1d"
			     "1234"
			     "\x08\1"),
		       CAUSE_OK, "SERVING");
	/* The last one counts. */
	assert_outcome(REPLY("\0\0\0\0\4\x08\1\x08\2"), CAUSE_NOT_SERVING, "says NOT_SERVING");
}

static void what_is_no_message_is_not_good(void **unused) {
	static const struct {
		const char *bytes;
		size_t length;
	} bad[] = {
#define BAD(bytes) {bytes, sizeof(bytes) - 1}
		BAD(""),
		BAD("\0\0\0\0"),
		BAD("\0\0\0\0\2\x08"),
		BAD("\0\0\0\0\2\x08\1\0"),
		/* The length of a text is not there. */
		BAD("\0\0\0\0\1\x12"),
		BAD("\0\0\0\0\2\x12\xff"),
		BAD("\0\0\0\0\1\x08\1"),
		BAD("\1\0\0\0\2\x08\1"),
		BAD("\0\1\0\0\2\x08\1"),
		BAD("\0\0\0\0\2\x08\xff"),
		BAD("\0\0\0\0\3\x0a\2\1"),
		BAD("\0\0\0\0\3\x0a\1\1"),
		BAD("\0\0\0\0\2\x0b\1"),
		BAD("\0\0\0\0\3\x11\1\1"),
		/* A length that leads back, to where a good answer could be read. */
		BAD("\0\0\0\0\x15\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\"#$%&'()\x08\1"),
		BAD("\0\0\0\0\xc\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_outcome(reply_with(bad[i].bytes, bad[i].length), CAUSE_HTTP_PROTOCOL,
			       "the answer is no HealthCheckResponse");
}

static void a_message_may_come_in_parts(void **unused) {
	static const char whole[] = "\0\0\0\0\2\x08\1";
	struct grpc_reply a = reply_with(whole, 0);

	for (size_t i = 0; i < sizeof(whole) - 1; i++)
		grpc_reply_body(&a, whole + i, 1);
	assert_outcome(a, CAUSE_OK, "SERVING");
}

static void an_answer_without_end_is_cut(void **unused) {
	struct grpc_reply a = REPLY("\0\0\0\0\2\x08\1");
	char more[1000] = "";

	while (!a.is_too_long)
		grpc_reply_body(&a, more, sizeof(more));
	assert_int_equal(a.length, GRPC_BODY_MAX);
	assert_outcome(a, CAUSE_HTTP_PROTOCOL, "the answer is too long (more than 4096 bytes)");
}

static void the_status_of_the_call(void **unused) {
	struct grpc_reply a = REPLY("");

	add_header(&a, "grpc-status: 5");
	add_header(&a, "grpc-message: unknown service");
	assert_outcome(a, CAUSE_NOT_SERVING,
		       "the server does not know the service 'web' (5 NOT_FOUND)");
	add_header(&a, "GRPC-Status:12 ");
	assert_outcome(a, CAUSE_NOT_SERVING,
		       "the server does not implement grpc.health.v1.Health (12 UNIMPLEMENTED)");
	add_header(&a, "grpc-status: 16");
	add_header(&a, "grpc-message: who\x1bis that");
	assert_outcome(a, CAUSE_NOT_SERVING, "the call failed: 16 UNAUTHENTICATED: who?is that");
	add_header(&a, "grpc-status: 17");
	add_header(&a, "grpc-message:");
	assert_outcome(a, CAUSE_NOT_SERVING, "the call failed: 17 no known status");
	/* A message beside a status that is not 0 is none. */
	grpc_reply_body(&a, "\0\0\0\0\2\x08\1", 7);
	assert_int_equal(judge(&a).verdict, VERDICT_FAIL);
}

static void what_is_no_answer_of_grpc(void **unused) {
	struct grpc_reply a = REPLY("\0\0\0\0\2\x08\1");

	a.is_http2 = false;
	assert_outcome(a, CAUSE_HTTP_PROTOCOL, "the server does not speak HTTP/2");
	a.is_http2 = true;
	a.http_status = 503;
	assert_outcome(a, CAUSE_HTTP_STATUS, "HTTP 503, and not a gRPC answer");
	a.http_status = 200;
	add_header(&a, "content-type: text/html");
	assert_outcome(a, CAUSE_HTTP_PROTOCOL, "not a gRPC answer: its type is 'text/html'");
	add_header(&a, "content-type: application/grpc+proto");
	assert_outcome(a, CAUSE_OK, "SERVING");
	for (const char *const *bad =
		     (const char *const[]){"", "-1", "0x0", "00000000", "99999999999", "0 0", NULL};
	     *bad; bad++) {
		char line[64] = "grpc-status: ";

		add_header(&a, strcat(line, *bad));
		assert_outcome(a, CAUSE_HTTP_PROTOCOL, "not a gRPC answer: it has no grpc-status");
	}
	/* Another header that begins like it. */
	add_header(&a, "grpc-status-details-bin: 0");
	add_header(&a, "grpc-status");
	assert_int_equal(a.status, -1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_names_the_service),
		cmocka_unit_test(only_serving_is_good),
		cmocka_unit_test(unknown_fields_are_passed_over),
		cmocka_unit_test(what_is_no_message_is_not_good),
		cmocka_unit_test(a_message_may_come_in_parts),
		cmocka_unit_test(an_answer_without_end_is_cut),
		cmocka_unit_test(the_status_of_the_call),
		cmocka_unit_test(what_is_no_answer_of_grpc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
