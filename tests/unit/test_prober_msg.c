/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/prober_msg.h"

#define WORDS "http\0https://web.example/\0http-status=200"

static const struct prober_address addresses[] = {
	{.bytes = {127, 0, 0, 1}},
	{.is_ipv6 = true, .zone = 7, .bytes = {0xfe, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
};

static struct prober_request request(void) {
	struct prober_request r = {
		.id = 0x01020304,
		.deadline_at = UINT64_C(0x1122334455667788),
		.n_addresses = 2,
		.words = WORDS,
		.words_length = sizeof(WORDS),
	};

	memcpy(r.addresses, addresses, sizeof(addresses));
	return r;
}

static struct prober_reply reply(void) {
	struct prober_reply r = {.id = 7,
				 .cause = CAUSE_TLS,
				 .text = "a b \xc3\xa4",
				 .n_addresses = 2};

	memcpy(r.addresses, addresses, sizeof(addresses));
	return r;
}

/* The whole packet of a request; returns its length. */
static size_t pack(char packet[static PROBER_REQUEST_MAX], const struct prober_request *r) {
	size_t length = prober_request_head(packet, r);

	assert_true(length <= PROBER_HEAD_MAX);
	memcpy(packet + length, r->words, r->words_length);
	return length + r->words_length;
}

/* Decodes a copy that ends where the bytes end, so that sanitizers see a read behind them. */
static int decode_request(struct prober_request *ret, const char *data, size_t length) {
	char *copy = malloc(length > 0 ? length : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, data, length);
	r = prober_request_decode(ret, copy, length);
	free(copy);
	return r;
}

static int decode_reply(struct prober_reply *ret, const char *data, size_t length) {
	char *copy = malloc(length > 0 ? length : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, data, length);
	r = prober_reply_decode(ret, copy, length);
	free(copy);
	return r;
}

static void test_a_request_comes_back(void **state) {
	char packet[PROBER_REQUEST_MAX];
	struct prober_request sent = request(), got;
	size_t length = pack(packet, &sent);
	const char *word = NULL;

	assert_int_equal(prober_request_decode(&got, packet, length), 0);
	assert_int_equal(got.id, sent.id);
	assert_int_equal(got.deadline_at, sent.deadline_at);
	assert_int_equal(got.n_addresses, 2);
	assert_memory_equal(got.addresses, addresses, sizeof(addresses));
	assert_string_equal(word = prober_request_word(&got, word), "http");
	assert_string_equal(word = prober_request_word(&got, word), "https://web.example/");
	assert_string_equal(word = prober_request_word(&got, word), "http-status=200");
	assert_null(prober_request_word(&got, word));
}

static void test_a_reply_comes_back(void **state) {
	char packet[PROBER_REPLY_MAX];
	struct prober_reply sent = reply(), got;
	size_t length = prober_reply_encode(packet, &sent);

	assert_int_equal(prober_reply_decode(&got, packet, length), 0);
	assert_int_equal(got.id, 7);
	assert_int_equal(got.cause, CAUSE_TLS);
	assert_string_equal(got.text, sent.text);
	assert_int_equal(got.n_addresses, 2);
	assert_memory_equal(got.addresses, addresses, sizeof(addresses));
}

static void test_the_largest_fit(void **state) {
	static char words[PROBER_WORDS_MAX + 1] = "http";
	static char packet[PROBER_REQUEST_MAX + 1];
	struct prober_request sent = request(), got;
	struct prober_reply answer = reply(), back;
	char small[PROBER_REPLY_MAX];

	memset(words + 5, 'x', sizeof(words) - 5);
	sent.n_addresses = answer.n_addresses = PROBER_ADDRESSES_MAX;
	sent.words = words;
	sent.words_length = PROBER_WORDS_MAX;
	words[PROBER_WORDS_MAX - 1] = '\0';
	assert_int_equal(prober_request_decode(&got, packet, pack(packet, &sent)), 0);
	words[PROBER_WORDS_MAX - 1] = 'x';
	words[PROBER_WORDS_MAX] = '\0';
	sent.words_length = PROBER_WORDS_MAX + 1;
	assert_int_equal(prober_request_decode(&got, packet, pack(packet, &sent)), -EBADMSG);

	memset(answer.text, 'x', sizeof(answer.text) - 1);
	assert_int_equal(prober_reply_decode(&back, small, prober_reply_encode(small, &answer)), 0);
	assert_string_equal(back.text, answer.text);
}

/* Every prefix, and everything with a byte more, is refused. */
static void test_no_length_but_the_right_one(void **state) {
	char packet[PROBER_REQUEST_MAX + 1], small[PROBER_REPLY_MAX + 1];
	struct prober_request sent = request(), got = {.id = 99};
	struct prober_reply answer = reply(), back = {.id = 99};
	size_t length = pack(packet, &sent), short_length = prober_reply_encode(small, &answer);

	for (size_t n = 0; n < length; n++) {
		/* Without its last word it is a shorter request. */
		if (n == length - sizeof("http-status=200"))
			continue;
		assert_int_equal(decode_request(&got, packet, n), -EBADMSG);
	}
	for (size_t n = 0; n < short_length; n++)
		assert_int_equal(decode_reply(&back, small, n), -EBADMSG);
	packet[length] = 'x';
	assert_int_equal(decode_request(&got, packet, length + 1), -EBADMSG);
	packet[length] = '\0';
	assert_int_equal(decode_request(&got, packet, length + 1), -EBADMSG);
	small[short_length] = 'x';
	assert_int_equal(decode_reply(&back, small, short_length + 1), -EBADMSG);
	/* Written on success only. */
	assert_int_equal(got.id, 99);
	assert_int_equal(back.id, 99);
}

static void test_bad_words(void **state) {
	static const struct {
		const char *words;
		size_t length;
		int result;
	} cases[] = {
		{"", 0, -EBADMSG},       {"\0", 1, -EBADMSG},
		{"http\0", 5, -EBADMSG}, {"http\0\0", 6, 0},
		{"http\0u\0", 7, 0},     {"http\0u", 6, -EBADMSG},
		{"\0u\0", 3, -EBADMSG},  {"http\0u\0\0", 8, -EBADMSG},
		{"http\0u\0a\0", 9, 0},  {"http\0u\0a\0\0b\0", 12, -EBADMSG},
		{"http\0\0a\0", 8, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char packet[PROBER_REQUEST_MAX];
		struct prober_request sent = request(), got;
		size_t length;

		sent.words = cases[i].words;
		sent.words_length = cases[i].length;
		length = pack(packet, &sent);
		if (decode_request(&got, packet, length) != cases[i].result)
			fail_msg("case %zu", i);
	}
}

/* One byte at @at of a good packet becomes @byte. */
static int spoilt_request(size_t at, uint8_t byte) {
	char packet[PROBER_REQUEST_MAX];
	struct prober_request sent = request(), got;
	size_t length = pack(packet, &sent);

	packet[at] = (char)byte;
	return decode_request(&got, packet, length);
}

static int spoilt_reply(size_t at, uint8_t byte) {
	char packet[PROBER_REPLY_MAX];
	struct prober_reply sent = reply(), got;
	size_t length = prober_reply_encode(packet, &sent);

	packet[at] = (char)byte;
	return decode_reply(&got, packet, length);
}

static void test_bad_fields(void **state) {
	static const size_t first = 7; /* of a reply: type, version, id, cause, n */
	char packet[PROBER_REPLY_MAX];
	struct prober_reply none = reply(), got;
	size_t length;

	/* type, version, more addresses than there may be */
	assert_int_equal(spoilt_request(0, 'A'), -EBADMSG);
	assert_int_equal(spoilt_request(1, 2), -EBADMSG);
	assert_int_equal(spoilt_request(14, PROBER_ADDRESSES_MAX + 1), -EBADMSG);
	assert_int_equal(spoilt_reply(0, 'Q'), -EBADMSG);
	assert_int_equal(spoilt_reply(6, CAUSE_MAX), -EBADMSG);
	assert_int_equal(spoilt_reply(6, CAUSE_MAX - 1), 0);
	assert_int_equal(spoilt_reply(first, 255), -EBADMSG);
	/* a family that there is not, an IPv4 address with a zone or with a tail */
	assert_int_equal(spoilt_reply(first + 1, 5), -EBADMSG);
	assert_int_equal(spoilt_reply(first + 2, 1), -EBADMSG);
	assert_int_equal(spoilt_reply(first + 6 + 4, 1), -EBADMSG);
	assert_int_equal(spoilt_reply(first + 6, 1), 0);

	none.id = 0;
	length = prober_reply_encode(packet, &none);
	assert_int_equal(decode_reply(&got, packet, length), -EBADMSG);
}

/* One more whole address than there may be, and a count that says so. */
static void test_one_address_too_many(void **state) {
	enum { COUNT_AT = 7, ADDRESS = 21 };
	char packet[PROBER_REPLY_MAX + ADDRESS];
	struct prober_reply sent = {.id = 1, .n_addresses = PROBER_ADDRESSES_MAX}, got;
	size_t length = prober_reply_encode(packet, &sent);

	assert_int_equal(decode_reply(&got, packet, length), 0);
	memmove(packet + COUNT_AT + 1 + ADDRESS, packet + COUNT_AT + 1, length - COUNT_AT - 1);
	packet[COUNT_AT]++;
	assert_int_equal(decode_reply(&got, packet, length + ADDRESS), -EBADMSG);
}

static void test_a_text_is_one_clean_line(void **state) {
	static const char *const bad[] = {"a\nb", "a\x1b[0m", "\xff", "\xc3", " a", "a ", "a\x7f"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct prober_reply sent = {.id = 1, .cause = CAUSE_OK}, got;
		char packet[PROBER_REPLY_MAX];
		size_t length;

		strcpy(sent.text, bad[i]);
		length = prober_reply_encode(packet, &sent);
		if (decode_reply(&got, packet, length) != -EBADMSG)
			fail_msg("%s", bad[i]);
	}
}

/* Whatever an outcome says can be said: one that is cut between two words too, or the prober of a
 * server that says much would be taken for a broken one. */
static void test_each_outcome_is_a_reply(void **state) {
	char words[2 * OUTCOME_TEXT_MAX];

	for (size_t blank = 0; blank < sizeof(words) - 1; blank++) {
		struct prober_reply sent = {.id = 1, .cause = CAUSE_TLS}, got;
		char packet[PROBER_REPLY_MAX];
		struct outcome o;

		memset(words, 'x', sizeof(words) - 1);
		words[sizeof(words) - 1] = '\0';
		words[blank] = ' ';
		outcome_set(&o, CAUSE_TLS, "%s", words);
		memcpy(sent.text, o.text, sizeof(sent.text));
		if (decode_reply(&got, packet, prober_reply_encode(packet, &sent)) != 0)
			fail_msg("with a blank at %zu", blank);
		assert_string_equal(got.text, o.text);
	}
}

static void test_a_reply_as_an_outcome(void **state) {
	struct prober_reply r = reply();
	struct outcome o;

	prober_reply_outcome(&r, &o);
	assert_int_equal(o.cause, CAUSE_TLS);
	assert_int_equal(o.verdict, cause_verdict(CAUSE_TLS));
	assert_string_equal(o.text, r.text);
	r.text[0] = '\0';
	prober_reply_outcome(&r, &o);
	assert_string_equal(o.text, cause_text(CAUSE_TLS));
}

static void test_the_time_for_a_name(void **state) {
	assert_int_equal(prober_resolve_time(4000, true), 1000);
	assert_int_equal(prober_resolve_time(4000, false), 3000);
	assert_int_equal(prober_resolve_time(0, true), 0);
	assert_int_equal(prober_resolve_time(3, true), 0);
	assert_int_equal(prober_resolve_time(3, false), 3);
}

static void test_an_empty_text(void **state) {
	struct prober_reply sent = {.id = 1, .cause = CAUSE_OK}, got;
	char packet[PROBER_REPLY_MAX];

	assert_int_equal(decode_reply(&got, packet, prober_reply_encode(packet, &sent)), 0);
	assert_string_equal(got.text, "");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_comes_back),
		cmocka_unit_test(test_a_reply_comes_back),
		cmocka_unit_test(test_the_largest_fit),
		cmocka_unit_test(test_no_length_but_the_right_one),
		cmocka_unit_test(test_bad_words),
		cmocka_unit_test(test_bad_fields),
		cmocka_unit_test(test_one_address_too_many),
		cmocka_unit_test(test_a_text_is_one_clean_line),
		cmocka_unit_test(test_each_outcome_is_a_reply),
		cmocka_unit_test(test_a_reply_as_an_outcome),
		cmocka_unit_test(test_the_time_for_a_name),
		cmocka_unit_test(test_an_empty_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
