/* SPDX-License-Identifier: MIT */
#include "core/varlink.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static struct varlink_call call;

/* From a block of exactly that size, so that a byte read too far is seen. */
static int parse_bytes(const char *data, size_t length) {
	char *copy = malloc(length ? length : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, data, length);
	r = varlink_parse(&call, copy, length);
	free(copy);
	return r;
}

static int parse(const char *text) {
	return parse_bytes(text, strlen(text));
}

static const char *parse_string(const char *string) {
	char text[VARLINK_CALL_MAX];
	struct text t = TEXT_OVER(text);

	text_addf(&t, "{\"method\":\"a.B\",\"parameters\":{\"p\":%s}}", string);
	if (parse(text) < 0)
		return NULL;
	assert_int_equal(call.parameters[0].kind, VARLINK_STRING);
	return call.parameters[0].text;
}

static enum varlink_kind kind_of(const char *value) {
	char text[VARLINK_CALL_MAX];
	struct text t = TEXT_OVER(text);

	text_addf(&t, "{\"method\":\"a.B\",\"parameters\":{\"p\":%s}}", value);
	assert_int_equal(parse(text), 0);
	return call.parameters[0].kind;
}

static void test_a_frame_ends_with_nul(void **state) {
	assert_int_equal(varlink_frame("", 0), -1);
	assert_int_equal(varlink_frame("{}", 2), -1);
	assert_int_equal(varlink_frame("{}", 3), 2);
	assert_int_equal(varlink_frame("\0{}", 4), 0);
	assert_int_equal(varlink_frame("a\0b\0", 4), 1);
}

static void test_a_call_as_clients_send_it(void **state) {
	assert_int_equal(parse("{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}"),
			 0);
	assert_string_equal(call.method, "org.varlink.service.GetInfo");
	assert_int_equal(call.n_parameters, 0);
	assert_false(call.is_oneway || call.wants_more || call.wants_upgrade);
	assert_int_equal(parse(" { \"parameters\" : { \"probe\" : \"http\", \"n\":-7 } ,\n"
			       "\t\"more\":true,\"oneway\":false, \"method\" : \"x.Y\" }\r\n"),
			 0);
	assert_string_equal(call.method, "x.Y");
	assert_true(call.wants_more);
	assert_int_equal(call.n_parameters, 2);
	assert_string_equal(varlink_find(&call, "probe")->text, "http");
	assert_int_equal(varlink_find(&call, "n")->number, -7);
	assert_null(varlink_find(&call, "prob"));
}

static void test_what_nobody_knows_is_walked_over(void **state) {
	assert_int_equal(parse("{\"x\":[1,{\"method\":\"no\"},[]],\"y\":{\"more\":true,\"z\":{}},"
			       "\"method\":\"x.Y\",\"w\":null}"),
			 0);
	assert_string_equal(call.method, "x.Y");
	assert_false(call.wants_more);
}

static void test_null_is_as_if_it_were_not_there(void **state) {
	assert_int_equal(parse("{\"method\":\"x.Y\",\"parameters\":null,\"more\":null}"), 0);
	assert_int_equal(call.n_parameters, 0);
	assert_false(call.wants_more);
}

static void test_the_last_of_two_counts(void **state) {
	assert_int_equal(parse("{\"method\":\"a.A\",\"method\":\"b.B\",\"more\":true,"
			       "\"more\":false,\"parameters\":{\"p\":1,\"p\":\"x\"}}"),
			 0);
	assert_string_equal(call.method, "b.B");
	assert_false(call.wants_more);
	assert_int_equal(call.n_parameters, 1);
	assert_int_equal(call.parameters[0].kind, VARLINK_STRING);
	assert_int_equal(parse("{\"method\":\"a.A\",\"parameters\":{\"p\":1},\"parameters\":{}}"),
			 0);
	assert_int_equal(call.n_parameters, 0);
}

static void test_kinds(void **state) {
	assert_int_equal(kind_of("null"), VARLINK_NULL);
	assert_int_equal(kind_of("true"), VARLINK_BOOL);
	assert_int_equal(call.parameters[0].number, 1);
	assert_int_equal(kind_of("false"), VARLINK_BOOL);
	assert_int_equal(call.parameters[0].number, 0);
	assert_int_equal(kind_of("0"), VARLINK_INT);
	assert_int_equal(kind_of("-9223372036854775807"), VARLINK_INT);
	assert_true(call.parameters[0].number == -INT64_MAX);
	assert_int_equal(kind_of("9223372036854775807"), VARLINK_INT);
	assert_true(call.parameters[0].number == INT64_MAX);
	assert_int_equal(kind_of("9223372036854775808"), VARLINK_OTHER);
	assert_int_equal(kind_of("100000000000000000000000000000000"), VARLINK_OTHER);
	assert_int_equal(kind_of("1.0"), VARLINK_OTHER);
	assert_int_equal(kind_of("1e3"), VARLINK_OTHER);
	assert_int_equal(kind_of("-0.5E+7"), VARLINK_OTHER);
	assert_int_equal(kind_of("[]"), VARLINK_OTHER);
	assert_int_equal(kind_of("{\"p\":{}}"), VARLINK_OTHER);
}

static void test_escapes(void **state) {
	assert_string_equal(parse_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\/\b\f\n\r\t");
	assert_string_equal(parse_string("\"\\u0041\\u00e4\\u20AC\\uD83D\\uDE00\""),
			    "Aä€\xf0\x9f\x98\x80");
	assert_string_equal(parse_string("\"\\u007f\\u0080\\u07ff\\u0800\\uffff\""),
			    "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf");
	assert_string_equal(parse_string("\"\\ud800\\udc00\\udbff\\udfff\""),
			    "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
	assert_string_equal(parse_string("\"\\u00e4\""), "ä");
	assert_string_equal(parse_string("\"ä€\""), "ä€");
	assert_null(parse_string("\"\\u0000\""));
	assert_null(parse_string("\"\\ud800\""));
	assert_null(parse_string("\"\\ud800x\""));
	assert_null(parse_string("\"\\ud800\\u0041\""));
	assert_null(parse_string("\"\\udc00\""));
	assert_null(parse_string("\"\\u12g4\""));
	assert_null(parse_string("\"\\x41\""));
	assert_null(parse_string("\"a\nb\""));
	assert_null(parse_string("\"\xff\""));
	assert_null(parse_string("\"\xc0\x80\""));
}

static void test_long_texts_are_cut_between_characters(void **state) {
	char string[2 * VARLINK_TEXT_MAX + 8];
	size_t n = 0;

	string[n++] = '"';
	while (n < 2 * VARLINK_TEXT_MAX) {
		memcpy(string + n, "€", 3);
		n += 3;
	}
	string[n++] = '"';
	string[n] = '\0';
	assert_non_null(parse_string(string));
	n = strlen(call.parameters[0].text);
	assert_int_equal(n, (VARLINK_TEXT_MAX - 1) / 3 * 3);
	assert_true(text_is_utf8(call.parameters[0].text, n));
}

static void test_broken_calls(void **state) {
	static const char *const broken[] = {
		"",
		" ",
		"x",
		"[]",
		"null",
		"\"\"",
		"{",
		"}",
		"{}",
		"{\"method\":}",
		"{\"method\":1}",
		"{\"method\":\"\"}",
		"{\"method\":null}",
		"{\"method\":\"a.B\"",
		"{\"method\":\"a.B\",}",
		"{,\"method\":\"a.B\"}",
		"{\"method\":\"a.B\"}}",
		"{\"method\":\"a.B\"} x",
		"{\"method\" \"a.B\"}",
		"{method:\"a.B\"}",
		"{'method':'a.B'}",
		"{\"method\":\"a.B\",\"more\":1}",
		"{\"method\":\"a.B\",\"more\":\"true\"}",
		"{\"method\":\"a.B\",\"oneway\":{}}",
		"{\"method\":\"a.B\",\"parameters\":[]}",
		"{\"method\":\"a.B\",\"parameters\":true}",
		"{\"method\":\"a.B\",\"parameters\":\"x\"}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":01}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":-}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":1.}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":.5}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":1e}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":+1}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":tru}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":nullx}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":NaN}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":[1,]}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":[1 2]}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":[}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":\"\\\"}}",
		"{\"method\":\"a.B\",\"parameters\":{\"p\":\"\\u00",
		"\xef\xbb\xbf{\"method\":\"a.B\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
		if (parse(broken[i]) != -EBADMSG)
			fail_msg("taken: %s", broken[i]);
}

/* Cut anywhere, it is no call; nothing behind its end is looked at. */
static void test_each_beginning_of_a_call_is_broken(void **state) {
	static const char whole[] = "{\"method\":\"a.B\",\"more\":true,\"parameters\":{\"p\":\"\\"
				    "ud83d\\ude00\",\"q\":[-1.5e3,null]}}";

	assert_int_equal(parse(whole), 0);
	for (size_t n = 0; n < strlen(whole); n++)
		assert_int_equal(parse_bytes(whole, n), -EBADMSG);
}

static int parse_deep(size_t depth, char open, char close) {
	char text[VARLINK_CALL_MAX];
	struct text t = TEXT_OVER(text);

	text_add(&t, "{\"method\":\"a.B\",\"x\":");
	for (size_t i = 1; i < depth; i++)
		text_add(&t, open == '[' ? "[" : "{\"x\":");
	text_add(&t, "1");
	for (size_t i = 1; i < depth; i++)
		text_addf(&t, "%c", close);
	text_add(&t, "}");
	return parse(text);
}

static void test_depth_is_bounded(void **state) {
	assert_int_equal(parse_deep(VARLINK_DEPTH_MAX, '[', ']'), 0);
	assert_int_equal(parse_deep(VARLINK_DEPTH_MAX + 1, '[', ']'), -E2BIG);
	assert_int_equal(parse_deep(VARLINK_DEPTH_MAX, '{', '}'), 0);
	assert_int_equal(parse_deep(VARLINK_DEPTH_MAX + 1, '{', '}'), -E2BIG);
	assert_int_equal(parse_deep(600, '[', ']'), -E2BIG);
}

static void test_the_number_of_parameters_is_bounded(void **state) {
	assert_int_equal(
		parse("{\"method\":\"a.B\",\"parameters\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4}}"), 0);
	assert_int_equal(call.n_parameters, VARLINK_PARAMETERS_MAX);
	assert_int_equal(parse("{\"method\":\"a.B\",\"parameters\":{\"a\":1,\"b\":2,\"c\":3,"
			       "\"d\":4,\"e\":5}}"),
			 -E2BIG);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_frame_ends_with_nul),
		cmocka_unit_test(test_a_call_as_clients_send_it),
		cmocka_unit_test(test_what_nobody_knows_is_walked_over),
		cmocka_unit_test(test_null_is_as_if_it_were_not_there),
		cmocka_unit_test(test_the_last_of_two_counts),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_long_texts_are_cut_between_characters),
		cmocka_unit_test(test_broken_calls),
		cmocka_unit_test(test_each_beginning_of_a_call_is_broken),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_the_number_of_parameters_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
